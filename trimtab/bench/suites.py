"""Suites: which tasks, which optimizers, how many seeds and evaluations.

smoke   needs nothing but trimtab, and less than a minute: does it all work?
dev     what changes of the search engine are judged by: at most half an hour on two cores for trimtab alone
full    every family at length, for releases
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.errors import UnknownName

OURS = ("random", "sobol", "tpe", "gp", "auto")
STEPWISE = ("random", "auto", "asha+random", "asha+tpe", "halving+random", "halving+tpe", "median+tpe")
PEERS = (
    "optuna-random", "optuna-tpe", "optuna-tpe-univariate", "optuna-gp", "optuna-auto", "optuna-cmaes", "optuna-nsgaii",
    "smac-bb", "smac-hpo", "hebo", "nevergrad", "hyperopt", "syne-cqr", "syne-bore", "ax", "vizier",
)  # fmt: skip
STEPWISE_PEERS = ("smac-mf", "syne-asha", "syne-bohb", "dehb")


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that are run alike.

    tasks    names or patterns
    ours, peers   optimizers
    budget   full evaluations; None: what each task says
    workers  at once, in virtual time
    """

    tasks: tuple[str, ...]
    ours: tuple[str, ...] = OURS
    peers: tuple[str, ...] = PEERS
    budget: float | None = 100
    workers: int = 1

    def optimizers(self, peers: bool) -> tuple[str, ...]:
        return (*self.ours, *self.peers) if peers else self.ours


@dataclass(frozen=True, slots=True)
class Suite:
    """A named list of groups, each run with seeds 0, 1, … seeds - 1."""

    name: str
    summary: str
    groups: tuple[Group, ...]
    seeds: int


SMOKE = Suite(
    "smoke",
    "does everything work? Needs nothing but trimtab, and less than a minute",
    (
        Group(("fixtures/branin_cat", "fixtures/hartmann6", "analytic/cash"), ("random", "tpe", "gp", "auto"), (), 30),
        Group(("fixtures/branin_con",), ("random", "tpe", "gp", "auto"), (), 25),
        Group(("fixtures/zdt1_d5",), ("random", "tpe", "gp", "auto"), (), 25),
        Group(("fixtures/curves_mild",), ("random", "asha+random", "halving+tpe"), (), 15, 4),
    ),
    3,
)
DEV = Suite(
    "dev",
    "what changes of the search engine are judged by: half an hour on two cores for trimtab alone",
    (
        Group(
            (
                "bbob/f1-d5-i1", "bbob/f3-d5-i1", "bbob/f8-d5-i1", "bbob/f10-d5-i1", "bbob/f15-d10-i1",
                "bbob/f21-d5-i1", "bbob-mixint/f3-d5-i1", "bbob-mixint/f8-d10-i1", "bbob-mixint/f15-d5-i1",
                "fixtures/branin_cat", "fixtures/mixed_sphere", "fixtures/h6_in_20d", "analytic/cash",
                "analytic/ackley_mixed", "analytic/levy8", "fixtures/hartmann6~noise=0.1", "bbob/f3-d5-i1~crash",
                "yahpo/lcbench-3945", "yahpo/lcbench-7593", "yahpo/lcbench-126026", "yahpo/lcbench-189906",
                "yahpo/iaml_glmnet-40981", "steplaw/all", "sklearn/rf-wine", "sklearn/svm-digits",
                "sklearn/pipeline-cancer", "sklearn/gbt-friedman1",
            )
        ),
        Group(("fixtures/branin_con", "analytic/rosenbrock4~constrained")),
        Group(
            (
                "objectives/zdt1-d10", "objectives/zdt3-d10", "objectives/dtlz2-d6-m3",
                "yahpo/lcbench-3945-val_accuracy+time",
            ),
            ("random", "tpe", "gp", "auto"),
            ("optuna-random", "optuna-tpe", "optuna-gp", "optuna-auto", "optuna-nsgaii", "nevergrad", "ax"),
        ),
        Group(
            ("yahpo/lcbench-3945", "yahpo/lcbench-126026", "fixtures/curves_mild", "fixtures/curves_hard"),
            ("random", "asha+random", "asha+tpe", "halving+random", "halving+tpe", "median+tpe"),
            ("smac-mf", "syne-asha", "syne-bohb", "dehb"),
            30,
            4,
        ),
    ),
    5,
)  # fmt: skip
FULL = Suite(
    "full",
    "every family at length",
    (
        Group(("bbob/*-d5-i[123]", "bbob/*-d10-i1", "bbob/*-d20-i1"), budget=None),
        Group(("bbob-mixint/*-d5-i1", "bbob-mixint/*-d10-i1"), budget=None),
        Group(("fixtures/*", "analytic/*", "steplaw/*", "sklearn/*"), budget=None),
        Group(("yahpo/*", "hpob/*", "fcnet/*", "nasbench201/*", "nats/*", "table/*"), budget=None),
        Group(("objectives/*",), ("random", "tpe", "gp", "auto"), DEV.groups[2].peers),
        Group(("yahpo/lcbench-*", "curves/*", "fixtures/curves_*"), STEPWISE, STEPWISE_PEERS, 50, 4),
    ),
    10,
)
SUITES: Mapping[str, Suite] = {suite.name: suite for suite in (SMOKE, DEV, FULL)}


def suite_called(suite: str | Suite) -> Suite:
    """A suite from its name."""
    if isinstance(suite, Suite):
        return suite
    if suite not in SUITES:
        raise UnknownName(suite, among=SUITES, kind="suite")
    return SUITES[suite]
