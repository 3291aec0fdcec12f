"""The other optimizers by name. A new one is a line here and, for a new package, a file adapter_<package>.py.

Each runs as its makers recommend it: every setting that is not here is the package's default. `seconds` is the CPU time
of a suggestion, measured over 50 evaluations of fixtures/hartmann6; slow ones get fewer seeds in a suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.bench.optimizer import Optimizer

MODULES: Mapping[str, str] = {
    "optuna": "optuna",
    "rustuna": "rustuna",
    "nevergrad": "nevergrad",
    "hyperopt": "hyperopt",
    "smac": "smac",
    "syne": "syne_tune",
    "dehb": "dehb",
    "ax": "ax",
    "hebo": "hebo",
    "vizier": "vizier",
}
SEVERAL, LIMITS, BRANCHES, STEPS = "objectives", "constraints", "conditions", "fidelity"


def _peer(
    name: str,
    package: str,
    *takes: str,
    env: str = "peers",
    seeds: int = 1000,
    seconds: float = 0.0,
    **settings: Any,
) -> Optimizer:
    return Optimizer(name, package, frozenset(takes), settings, env, seeds, seconds)


_ALL = (
    _peer("optuna-tpe", "optuna", SEVERAL, LIMITS, BRANCHES, sampler="tpe"),
    _peer("optuna-tpe-univariate", "optuna", SEVERAL, LIMITS, BRANCHES, sampler="tpe", multivariate=False),
    _peer("optuna-gp", "optuna", SEVERAL, LIMITS, BRANCHES, sampler="gp", seeds=5, seconds=0.2),
    _peer("optuna-auto", "optuna", SEVERAL, LIMITS, BRANCHES, sampler="auto", seeds=5, seconds=0.2),
    _peer("optuna-nsgaii", "optuna", SEVERAL, LIMITS, BRANCHES, sampler="nsgaii"),
    _peer("optuna-cmaes", "optuna", BRANCHES, sampler="cmaes"),
    _peer("optuna-random", "optuna", SEVERAL, BRANCHES, sampler="random"),
    _peer("rustuna-tpe", "rustuna", SEVERAL, LIMITS, BRANCHES, sampler="tpe"),
    _peer("nevergrad", "nevergrad", SEVERAL, LIMITS, optimizer="NGOpt"),
    _peer("nevergrad-de", "nevergrad", SEVERAL, LIMITS, optimizer="TwoPointsDE"),
    _peer("nevergrad-one", "nevergrad", SEVERAL, LIMITS, optimizer="OnePlusOne"),
    _peer("hyperopt", "hyperopt", BRANCHES, algo="tpe"),
    _peer("smac-bb", "smac", SEVERAL, BRANCHES, facade="BlackBoxFacade", seeds=3, seconds=1.5),
    _peer("smac-hpo", "smac", SEVERAL, BRANCHES, facade="HyperparameterOptimizationFacade", seeds=5, seconds=0.3),
    _peer("smac-mf", "smac", BRANCHES, STEPS, facade="MultiFidelityFacade", fidelity=True, seeds=5, seconds=0.3),
    _peer("syne-cqr", "syne", scheduler="CQR", seeds=5, seconds=0.6),
    _peer("syne-bore", "syne", scheduler="BORE", seeds=5, seconds=0.2),
    _peer("syne-asha", "syne", STEPS, scheduler="ASHA", fidelity=True),
    _peer("syne-bohb", "syne", STEPS, scheduler="BOHB", fidelity=True),
    _peer("dehb", "dehb", BRANCHES, STEPS, fidelity=True),
    _peer("ax", "ax", SEVERAL, LIMITS, seeds=3, seconds=1.0),
    _peer("hebo", "hebo", env="hebo", seeds=3, seconds=4.0),
    _peer("vizier", "vizier", SEVERAL, env="vizier", designer="VizierGPUCBPEBandit", seeds=3, seconds=9.0),
    _peer("vizier-eagle", "vizier", env="vizier", designer="EagleStrategyDesigner"),
    _peer("vizier-nsga2", "vizier", SEVERAL, env="vizier", designer="NSGA2Designer"),
)

PEERS: Mapping[str, Optimizer] = {optimizer.name: optimizer for optimizer in _ALL}
