"""How good is TPE? Median regret after each task's budget: random, ours, Optuna's TPE.

Run: OMP_NUM_THREADS=1 python -m benchmarks.tpe_quality [seeds] [task …]
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

from benchmarks.fixtures import TASKS, Config, Task, regret
from trimtab.protocol import Searcher
from trimtab.search import searcher
from trimtab.space import Choice, Float, Int

Suggest = Callable[[object], Config]


def suggest(task: Task, trial: object) -> Config:
    """The task's space as Optuna is asked for it, conditions included."""
    config: dict[str, object] = {}
    for name, domain in task.space.domains.items():
        when = getattr(domain, "when", None)
        if when is not None:
            parent, label = str(getattr(when, "text", when)).split(" == ")
            if config.get(parent) != label.strip("'"):
                continue
        if isinstance(domain, Float):
            config[name] = trial.suggest_float(name, domain.low, domain.high, log=bool(domain.log))  # type: ignore[attr-defined]
        elif isinstance(domain, Int):
            config[name] = trial.suggest_int(name, domain.low, domain.high, log=bool(domain.log))  # type: ignore[attr-defined]
        elif isinstance(domain, Choice):
            config[name] = trial.suggest_categorical(name, list(domain.labels))  # type: ignore[attr-defined]
    return config


def optuna_regret(task: Task, seed: int, **settings: object) -> float:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, **settings))
        study.optimize(lambda trial: task.cost(suggest(task, trial)), n_trials=task.trials)
    return float(study.best_value) - task.least


def row(name: str, values: list[float], seconds: float) -> str:
    low, mid, high = np.percentile(values, [25, 50, 75])
    return f"  {name:24} {mid:10.4g}   ({low:.3g} … {high:.3g})   {seconds:6.1f} s"


def main(seeds: int, only: list[str], methods: dict[str, Searcher] | None = None, peers: bool = True) -> None:
    methods = methods or {"random": searcher("random"), "trimtab tpe": searcher("tpe")}
    for task in TASKS:
        if only and not any(word in task.name for word in only):
            continue
        print(f"{task.name}, {task.trials} trials, {seeds} seeds: median regret (quartiles), CPU time")
        for name, method in methods.items():
            start = time.process_time()
            values = [regret(method, task, seed=s) for s in range(seeds)]
            print(row(name, values, time.process_time() - start), flush=True)
        if peers:
            start = time.process_time()
            values = [optuna_regret(task, s, group=True, multivariate=True) for s in range(seeds)]
            print(row("optuna tpe, group=True", values, time.process_time() - start), flush=True)
            start = time.process_time()
            values = [optuna_regret(task, s) for s in range(seeds)]
            print(row("optuna tpe", values, time.process_time() - start), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:])
