"""Results of a bench that never ran: optimizers of known order on three kinds of tasks, and all that goes wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from trimtab.bench.cell import Cell, Result
from trimtab.bench.norms import Norm
from trimtab.bench.task import Goal

SPEED = {
    "random": 0.35, "sobol": 0.4, "tpe": 0.75, "gp": 1.6, "auto": 1.5, "optuna-tpe": 0.8, "optuna-gp": 1.55,
    "optuna-random": 0.35, "smac-bb": 1.0, "hebo": 1.3, "hyperopt": 0.65, "nevergrad": 0.55,
}  # fmt: skip
STEPWISE = {"random": 0.35, "asha+random": 0.6, "asha+tpe": 0.9, "halving+tpe": 0.8, "syne-bohb": 0.7, "dehb": 0.75}
SEVERAL = {"random": 0.3, "tpe": 0.6, "gp": 1.2, "optuna-gp": 1.3, "optuna-nsgaii": 0.5}
ASK = {"random": 2e-4, "gp": 0.08, "optuna-gp": 0.4, "hebo": 5.0, "tpe": 0.004, "optuna-tpe": 0.01}
TASKS = (
    "bbob/f1-d5-i1", "bbob/f8-d5-i1", "bbob/f15-d10-i1", "bbob/f21-d5-i1", "yahpo/lcbench-3945", "yahpo/lcbench-7593",
    "yahpo/iaml_glmnet-40981", "sklearn/rf-wine", "sklearn/svm-digits", "sklearn/mlp-diabetes",
    "fixtures/branin_cat", "fixtures/hartmann6~noise=0.1",
)  # fmt: skip
STEPS_TASKS = ("yahpo/lcbench-3945", "fixtures/curves_mild", "fixtures/curves_hard")
SEVERAL_TASKS = ("objectives/zdt1-d10", "objectives/dtlz2-d6", "yahpo/lcbench-3945-accuracy+time")
GOALS = (Goal("a", ideal=0.0, nadir=1.0), Goal("b", ideal=0.0, nadir=1.0))
WHERE = {"trimtab": "0.1.0", "python": "3.11.2", "numpy": "2.1.0", "machine": "2 × made-up CPU"}
VERSIONS = {
    "optuna": "5.0.0",
    "smac": "2.4.1",
    "hebo": "0.3.2",
    "hyperopt": "0.2.7",
    "nevergrad": "1.0.12",
    "syne": "0.16",
}


def norms(tasks: Sequence[str] = (*TASKS, *STEPS_TASKS)) -> dict[str, Norm]:
    """best 2, reference 10; of several goals the hypervolume, which is better when larger."""
    single = Norm(2.0, True, {n: 2 + 8 * n**-0.35 for n in (1, 2, 5, 10, 20, 50, 100, 200)})
    volume = Norm(1.0, False, {n: 1 - 0.8 * n**-0.3 for n in (1, 2, 5, 10, 20, 50, 100, 200)})
    return dict.fromkeys(tasks, single) | dict.fromkeys(SEVERAL_TASKS, volume)


def task(name: str) -> Any:
    """What is asked of a task: its goals."""
    return SimpleNamespace(goals=GOALS if name in SEVERAL_TASKS else (Goal("y"),))


def rng_of(*words: object) -> np.random.Generator:
    return np.random.default_rng([len(str(words)), *str(words).encode()])


def result(method: str, name: str, seed: int, budget: float, speed: float, workers: int = 1, **more: Any) -> Result:
    """A run whose regret falls like evaluations ** -speed."""
    rng = rng_of(method, name, seed)
    n, ease = int(budget), 1 + 0.5 * math.sin(len(name) * 7)
    regret = np.minimum.accumulate(np.arange(1, n + 1) ** (-speed * ease) * np.exp(rng.normal(0, 0.5, n)))
    rows: list[tuple[float, ...]] = []
    if name in SEVERAL_TASKS:
        for i in range(n):
            a = float(rng.random())
            rows.append((i + 1.0, 3.0 * (i + 1), a, float((1 - math.sqrt(a)) + min(1.0, regret[i]))))
    else:
        change = np.flatnonzero(np.diff(regret, prepend=np.inf))
        rows = [(i + 1.0, 3.0 * (i + 1), 2 + 8 * float(regret[i])) for i in change.tolist()]
    each = ASK.get(method, 0.02)
    ask = [[k, each * (1 + k / 100) * float(np.exp(rng.normal(0, 0.1)))] for k in (1, 2, 5, 10, 20, 50, 100) if k <= n]
    package = method.partition("-")[0]
    where = WHERE | {"version": VERSIONS.get(package, "0.1.0"), "date": f"2026-11-2{seed % 2}T10:00:00+00:00"}
    timing = {"ask": ask, "optimizer": each * n, "task": 0.5, "wall": each * n + 1, "peak_mb": 200}
    cell = Cell(name, method, seed, budget, workers, f"1/{package}")
    return Result(cell, "done", "", tuple(rows), n, 0, 0, float(n), 3.0 * n, timing, where, **more)


def failed(method: str, name: str, seed: int, budget: float, state: str, why: str) -> Result:
    cell = Cell(name, method, seed, budget, 1, f"1/{method.partition('-')[0]}")
    return Result(cell, state, why, where=dict(WHERE))


def results(
    tasks: Sequence[str] = TASKS,
    speeds: Mapping[str, float] = SPEED,
    seeds: int = 5,
    kinds: Sequence[str] = ("several", "steps"),
) -> list[Result]:
    """A whole bench: hebo has fewer seeds, hyperopt crashes, optuna-nsgaii is refused, vizier is missing."""
    found = []
    for name in tasks:
        for method, speed in speeds.items():
            for seed in range(min(seeds, 3) if method == "hebo" else seeds):
                if method == "hyperopt" and name == tasks[-1]:
                    why = "ValueError: a < b failed: <script>alert(1)</script>"
                    found.append(failed(method, name, seed, 100.0, "crashed", why))
                else:
                    found.append(result(method, name, seed, 100.0, speed))
            if method == "random":
                found += [
                    failed("vizier", name, s, 100.0, "missing", "google-vizier is not installed") for s in range(seeds)
                ]
    if "several" in kinds:
        found += [result(m, t, s, 100.0, v) for t in SEVERAL_TASKS for m, v in SEVERAL.items() for s in range(seeds)]
        found += [
            failed("hebo", t, 0, 100.0, "refused", "hebo takes one objective, and the task has 2")
            for t in SEVERAL_TASKS
        ]
    if "steps" in kinds:
        found += [result(m, t, s, 30.0, v, 4) for t in STEPS_TASKS for m, v in STEPWISE.items() for s in range(seeds)]
    return found
