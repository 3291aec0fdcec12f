"""Real training with scikit-learn on its own data: seven kinds of models on nine data sets.

Idea    "rf-digits" tunes a random forest on digits, "pipeline-wine" a scaler, a reduction and one of four models with
        their parameters. The value is a cross-validated one: log loss of classifiers, root mean squared error of
        regressors in standard deviations of the target; both finer than an accuracy, so there are few ties.
        Networks can be stopped after an epoch and boosting after a round: their tasks have learning curves.
Scores  Probabilities below 0.001 count as 0.001, and a regressor's predictions are cut to the range of its target, so
        one confident mistake is not the whole result. A support vector machine has no probabilities: its decision
        values go through a softmax whose temperature is the best of 41.
Noise   None: folds and the models' own random states are fixed. The wrapper `~noise=…` makes a noisy twin.
Cost    A rule over the configuration (`Model.work`): the same in every run, as a stop watch's would not be.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab._extras import need
from trimtab.bench._families import Family
from trimtab.bench.norms import stored
from trimtab.bench.task import Config, Fidelity, Goal, Outcome, Task, usual_trials
from trimtab.bench.tasks._sklearn_data import CLASSIFICATION, REGRESSION, Data, load, part
from trimtab.bench.tasks._sklearn_models import MODELS, Model
from trimtab.bench.tasks._steps import step
from trimtab.errors import MissingExtra, UnknownName
from trimtab.space import Space

Floats = NDArray[np.float64]
REVISION = 1
LEAST = 1e-3  # of a probability
TEMPERATURES = np.geomspace(0.01, 100.0, 41)


# ── scores ───────────────────────────────────────────────────────────────────


def log_loss(probabilities: Floats, y: NDArray[Any]) -> float:
    """Of probabilities (n, classes) and codes y (n,)."""
    return -float(np.log(np.maximum(probabilities[np.arange(len(y)), y], LEAST)).mean())


def tempered_log_loss(decisions: Floats, y: NDArray[Any]) -> float:
    """Of the softmax of decision values (n, classes), or (n,) of two classes, at the best of some temperatures."""
    values = decisions if decisions.ndim > 1 else np.stack([-decisions / 2, decisions / 2], axis=1)
    return min(log_loss(_softmax(values / t), y) for t in TEMPERATURES)


def _softmax(values: Floats) -> Floats:
    powers: Floats = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def rmse(predicted: Floats, y: Floats) -> float:
    return float(np.sqrt(((predicted - y) ** 2).mean()))


# ── training ─────────────────────────────────────────────────────────────────


@cache
def _threads() -> Any:
    return need("threadpoolctl", extra="bench", to="train with scikit-learn").ThreadpoolController()


@contextmanager
def _quiet() -> Iterator[None]:
    """One thread, so sums come in one order; and no word on what did not converge: that is a result like another."""
    part("ensemble")  # its libraries must be loaded before their threads can be limited
    with _threads().limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, eq=False)
class _Training:
    """measure() and curve() of a model on a data set."""

    task: str
    model: Model
    data: str
    space: Space
    fidelity: Fidelity | None

    @property
    def classify(self) -> bool:
        return self.data in CLASSIFICATION

    def measure(self, config: Config, budget: float | None, seed: int) -> Outcome:
        if self.fidelity is not None:
            return self._curve(config, step(self.task, self.fidelity, budget))[-1]
        data, found, decisions = load(self.data), list[Floats](), self.classify and self.model.decides(config)
        with _quiet():
            for train, test in self._splits(data):
                fitted = self._estimator(config).fit(data.X[train], data.y[train])
                found.append(self._values(fitted, data.X[test], decisions))
        return Outcome({self.goal: self._score(data, found, decisions)}, self._seconds(config, data))

    def curve(self, config: Config, seed: int) -> list[Outcome]:
        assert self.fidelity is not None
        return self._curve(config, int(self.fidelity.high))

    def _curve(self, config: Config, steps: int) -> list[Outcome]:
        data = load(self.data)
        with _quiet():
            follow = self._epochs if self.model.steps[0] == "epoch" else self._rounds
            found = [list(follow(config, data, train, test, steps)) for train, test in self._splits(data)]
        whole, high = self._seconds(config, data), self.model.steps[1]
        scores = [self._score(data, list(parts), False) for parts in zip(*found, strict=True)]
        return [Outcome({self.goal: score}, whole * i / high) for i, score in enumerate(scores, 1)]

    def _splits(self, data: Data) -> Any:
        return data.splits[: self.model.folds]

    def _epochs(self, config: Config, data: Data, train: Any, test: Any, steps: int) -> Iterator[Floats]:
        """The predictions of a network after each epoch."""
        X, held = _standardised(data.X[train], data.X[test])
        network, words = self._estimator(config), {"classes": np.arange(data.classes)} if data.classes else {}
        if len(X) < config["batch"]:
            network.set_params(batch_size=len(X))
        for _ in range(steps):
            network.partial_fit(X, data.y[train], **words)
            yield self._values(network, held, False)

    def _rounds(self, config: Config, data: Data, train: Any, test: Any, steps: int) -> Iterator[Floats]:
        """The predictions of boosted trees after each round; a stopped run's are the first of a whole one's."""
        trees = self._estimator(config).set_params(max_iter=steps).fit(data.X[train], data.y[train])
        return iter((trees.staged_predict_proba if data.classes else trees.staged_predict)(data.X[test]))

    def _estimator(self, config: Config) -> Any:
        made = self.model.build(config, self.classify)
        if self.model.scaled and not self.model.steps[0]:
            return part("pipeline").make_pipeline(part("preprocessing").StandardScaler(), made)
        return made

    def _values(self, fitted: Any, X: Floats, decisions: bool) -> Floats:
        """What the score is of: predictions, probabilities (n, classes), or decision values."""
        if not self.classify:
            found: Floats = fitted.predict(X)
        else:
            found = fitted.decision_function(X) if decisions else fitted.predict_proba(X)
        return found

    def _score(self, data: Data, found: list[Floats], decisions: bool) -> float:
        """Over the held out rows of all folds together."""
        y, values = np.concatenate([data.y[test] for _, test in self._splits(data)]), np.concatenate(found)
        if not np.isfinite(values).all():
            raise ValueError(f"{self.task}: the model's predictions are not finite.")
        if not data.classes:
            return rmse(np.clip(values, data.y.min(), data.y.max()), y)
        return tempered_log_loss(values, y) if decisions else log_loss(values, y)

    def _seconds(self, config: Config, data: Data) -> float:
        return self.model.folds * self.model.work(config, data.rows, data.columns)

    @property
    def goal(self) -> str:
        return "log_loss" if self.classify else "rmse"


def _standardised(X: Floats, held: Floats) -> tuple[Floats, Floats]:
    mean, spread = X.mean(axis=0), X.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return (X - mean) / spread, (held - mean) / spread


# ── tasks ────────────────────────────────────────────────────────────────────


def _task(model: str, data: str) -> Task:
    name, kind = f"sklearn/{model}-{data}", MODELS[model]
    space = kind.space(data in CLASSIFICATION)
    steps, high = kind.steps
    fidelity = Fidelity(steps, 1, high) if steps else None
    training = _Training(name, kind, data, space, fidelity)
    known = stored(name, REVISION)
    return Task(
        name,
        space,
        (Goal(training.goal),),
        training.measure,
        curve=training.curve if fidelity else None,
        fidelity=fidelity,
        best=known.best if known else None,
        trials=usual_trials(space.d),
        cost="seconds by a rule over the configuration, some hundredths each",
        licence=FAMILY.licence,
        revision=REVISION,
        tags=frozenset({"real"} | ({"multifidelity"} if fidelity else set())),
    )


def _makers() -> dict[str, Callable[[], Task]]:
    def maker(model: str, data: str) -> Callable[[], Task]:
        return lambda: _task(model, data)

    sets = [*CLASSIFICATION, *REGRESSION]
    return {f"{m}-{d}": maker(m, d) for m in MODELS for d in sets if d not in MODELS[m].leave}


def _make(instance: str, data: Path | None) -> Task:
    makers = _makers()
    if instance not in makers:
        raise UnknownName(instance, among=makers, kind="task of sklearn")
    part("datasets")  # said now, and not at the first trial, when it is not installed
    if instance.startswith("gbt-") and not boosts():
        raise MissingExtra(f"sklearn/{instance} needs scikit-learn 1.4 or newer. Run: pip install -U scikit-learn")
    return makers[instance]()


def boosts() -> bool:
    """Whether its boosted trees know max_features: since 1.4."""
    from inspect import signature

    return "max_features" in signature(part("ensemble").HistGradientBoostingClassifier).parameters


FAMILY = Family(
    "sklearn",
    "real training: seven kinds of models on nine of scikit-learn's own data sets",
    lambda data: list(_makers()),
    _make,
    licence="scikit-learn and its bundled data: BSD-3-Clause",
    extra="bench",
)
