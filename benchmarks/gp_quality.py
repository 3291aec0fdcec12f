"""How good is the Gaussian process? Median regret after each task's budget: random, TPE, GP, Optuna's GP.

The tasks are those of benchmarks.fixtures, with fewer trials than TPE gets, and a shifted sphere. Nothing was tuned on
them: settings were chosen on other functions (Michalewicz, Dixon-Price, Griewank, Hartmann-3, another conditional one).
Optuna's GPSampler has no conditional spaces; there it draws at random, and is left out.

Run: OMP_NUM_THREADS=1 python -m benchmarks.gp_quality [seeds] [task …]
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.fixtures import (
    ACKLEY_MIXED,
    BRANCHES,
    BRANIN_CAT,
    BRANIN_CON,
    CATEGORIES,
    CONDITIONAL,
    HARTMANN6,
    LEVY6,
    MIXED_SPHERE,
    ROSENBROCK5,
    Task,
    regret,
)
from benchmarks.tpe_quality import row, suggest
from trimtab.search import searcher
from trimtab.space import Float, Space

SHIFT = np.array([0.3, -1.2, 2.2, 0.7, -3.1])
SPHERE = Task(
    "shifted sphere, 5 floats",
    Space({f"x{i}": Float(-5, 5) for i in range(5)}),
    lambda c: float(((np.array(list(c.values())) - SHIFT) ** 2).sum()),
    0.0,
    60,
)
TRIALS = {t.name: 80 for t in (HARTMANN6, MIXED_SPHERE, ROSENBROCK5, ACKLEY_MIXED, LEVY6)} | {
    t.name: 60 for t in (CONDITIONAL, BRANCHES)
}
TASKS = (
    SPHERE,
    *(
        replace(task, trials=TRIALS.get(task.name, task.trials))
        for task in (
            BRANIN_CAT, HARTMANN6, MIXED_SPHERE, ROSENBROCK5, ACKLEY_MIXED, LEVY6, CONDITIONAL, BRANCHES, CATEGORIES,
            BRANIN_CON,
        )
    ),
)  # fmt: skip


def optuna_regret(task: Task, seed: int) -> float:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def limits(trial: optuna.trial.FrozenTrial) -> list[float]:
        return list(trial.user_attrs["limits"])

    settings = {"constraints_func": limits} if task.limits else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed, **settings))

        def objective(trial: optuna.Trial) -> float:
            config = suggest(task, trial)
            trial.set_user_attr("limits", [float(v) for v in task.limits(config)] if task.limits else [])
            return float(task.cost(config))

        study.optimize(objective, n_trials=task.trials)
    good = [t.value for t in study.trials if all(v <= 0 for v in t.user_attrs["limits"])]
    return min(good, default=np.inf) - task.least  # type: ignore[type-var]


def main(seeds: int, only: list[str]) -> None:
    methods: dict[str, Callable[[Task, int], float]] = {
        f"trimtab {name}": lambda task, s, name=name: regret(searcher(name), task, seed=s)  # type: ignore[misc]
        for name in ("random", "tpe", "gp")
    }
    try:
        import torch  # noqa: F401 - what Optuna's needs

        methods["optuna gp"] = optuna_regret
    except ImportError as missing:
        print(f"Optuna's GPSampler left out: {missing}")
    for task in TASKS:
        if only and not any(word in task.name for word in only):
            continue
        print(f"{task.name}, {task.trials} trials, {seeds} seeds: median regret (quartiles), CPU time")
        for name, method in methods.items():
            if name == "optuna gp" and "conditional" in task.space.traits:
                continue
            start = time.process_time()
            values = [method(task, s) for s in range(seeds)]
            print(row(name, values, time.process_time() - start), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:])
