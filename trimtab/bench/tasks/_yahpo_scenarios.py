"""What the files of YAHPO Gym's scenarios do not say: the order of the model's inputs and outputs, and what they mean.

Source  YAHPO Gym 1.0.2, its table of scenarios. Facts only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LARGER_IS_BETTER = frozenset(
    {"val_accuracy", "val_balanced_accuracy", "test_balanced_accuracy", "acc", "bac", "auc", "f1"}
)


@dataclass(frozen=True)
class Scenario:
    """What the files of a scenario do not say.

    numbers    the model's numbers, in its order
    labels     the model's labels, in its order
    outputs    what it predicts, in its order
    fidelity   the parameter that says how far a training goes
    seconds    the output that is the training's time
    goal       the outputs that a task has as goals when its name names none
    pair       two goals that are at odds
    instance   the parameter that says which data set; "" where there is only one
    only       that one's name
    fixed      parameters that are no part of the search: {"repl": 10}
    maximize   outputs of which more is better
    """

    numbers: tuple[str, ...]
    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    fidelity: str
    seconds: str
    goal: str
    pair: tuple[str, ...] = ()
    instance: str = "task_id"
    only: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    maximize: frozenset[str] = LARGER_IS_BETTER


# ── the published scenarios ──────────────────────────────────────────────────

_SVM = "cost gamma tolerance degree"
_GLMNET = "alpha s"
_RPART = "cp maxdepth minbucket minsplit"
_FOREST = "num.trees sample.fraction {} min.node.size num.random.splits"
_AKNN = "k M ef ef_construction"
_BOOST = (
    "nrounds eta gamma lambda alpha subsample max_depth min_child_weight colsample_bytree colsample_bylevel "
    "rate_drop skip_drop"
)
_IMPUTE = "num.impute.selected.cpo"
_LCBENCH = "epoch batch_size learning_rate momentum weight_decay num_layers max_units max_dropout"
_IAML = "mmce f1 auc logloss ramtrain rammodel rampredict timetrain timepredict mec ias nf"
_RBV2 = "acc bac auc brier f1 logloss timetrain timepredict memory"


def _with(prefix: str, names: str) -> str:
    return " ".join(f"{prefix}.{name}" for name in names.split())


def _iaml(numbers: str, labels: str = "") -> Scenario:
    return Scenario(
        numbers=(*numbers.split(), "trainsize"),
        labels=("task_id", *labels.split()),
        outputs=tuple(_IAML.split()),
        fidelity="trainsize",
        seconds="timetrain",
        goal="mmce",
        pair=("mmce", "nf"),
    )


def _rbv2(numbers: str, labels: str = "") -> Scenario:
    return Scenario(
        numbers=(*numbers.split(), "trainsize", "repl"),
        labels=("task_id", *labels.split(), _IMPUTE),
        outputs=tuple(_RBV2.split()),
        fidelity="trainsize",
        seconds="timetrain",
        goal="acc",
        pair=("acc", "memory"),
        fixed={"repl": 10},  # the most replications there are
    )


def _nb301() -> Scenario:
    cell = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
    edges = [f"{cell}edge_{kind}_{i}" for kind in ("normal", "reduce") for i in range(14)]
    nodes = [f"{cell}inputs_node_{kind}_{i}" for kind in ("normal", "reduce") for i in (3, 4, 5)]
    return Scenario(
        numbers=("epoch",),
        labels=(*edges, *nodes),
        outputs=("val_accuracy", "runtime"),
        fidelity="epoch",
        seconds="runtime",
        goal="val_accuracy",
        pair=("val_accuracy", "runtime"),
        instance="",
        only="CIFAR10",
        fixed={"dataset": "CIFAR10"},
    )


LCBENCH = Scenario(
    numbers=tuple(_LCBENCH.split()),
    labels=("OpenML_task_id",),
    outputs=(
        *("time", "val_accuracy", "val_cross_entropy", "val_balanced_accuracy"),
        *("test_cross_entropy", "test_balanced_accuracy"),
    ),
    fidelity="epoch",
    seconds="time",
    goal="val_accuracy",
    pair=("val_accuracy", "time"),
    instance="OpenML_task_id",
)
SCENARIOS: Mapping[str, Scenario] = {
    "lcbench": LCBENCH,
    "nb301": _nb301(),
    "iaml_glmnet": _iaml(_GLMNET),
    "iaml_rpart": _iaml(_RPART),
    "iaml_ranger": _iaml(_FOREST.format("mtry.ratio"), "replace respect.unordered.factors splitrule"),
    "iaml_xgboost": _iaml(_BOOST, "booster"),
    "iaml_super": _iaml(
        " ".join(
            [
                _with("ranger", _FOREST.format("mtry.ratio")),
                _with("rpart", _RPART),
                _with("glmnet", _GLMNET),
                _with("xgboost", _BOOST),
            ]
        ),
        "learner ranger.replace ranger.respect.unordered.factors ranger.splitrule xgboost.booster",
    ),
    "rbv2_svm": _rbv2(_SVM, "kernel"),
    "rbv2_glmnet": _rbv2(_GLMNET),
    "rbv2_rpart": _rbv2(_RPART),
    "rbv2_ranger": _rbv2(_FOREST.format("mtry.power"), "respect.unordered.factors splitrule"),
    "rbv2_aknn": _rbv2(_AKNN, "distance"),
    "rbv2_xgboost": _rbv2(_BOOST, "booster"),
    "rbv2_super": _rbv2(
        " ".join(
            [
                _with("svm", _SVM),
                _with("glmnet", _GLMNET),
                _with("rpart", _RPART),
                _with("ranger", _FOREST.format("mtry.power")),
                _with("aknn", _AKNN),
                _with("xgboost", _BOOST),
            ]
        ),
        "learner_id svm.kernel ranger.respect.unordered.factors ranger.splitrule aknn.distance xgboost.booster",
    ),
}
