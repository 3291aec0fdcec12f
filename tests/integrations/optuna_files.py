"""Optuna studies of every kind of trial, written by the installed Optuna itself."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import optuna


def storage_of(kind: str, folder: Path) -> tuple[Any, str]:
    """(what Optuna takes as storage=, the file)."""
    if kind == "sqlite":
        path = folder / "study.db"
        return f"sqlite:///{path}", str(path)
    path = folder / "journal.log"
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path))), str(path)


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -2, 2 + trial.number % 3)  # its range differs between trials
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    k = trial.suggest_int("k", 1, 9, step=2)
    n = trial.suggest_int("n", 1, 64, log=True)
    q = trial.suggest_float("q", 0, 1, step=0.25)
    one = trial.suggest_int("one", 3, 3 if trial.number < 5 else 5)  # a single value at first
    kind = trial.suggest_categorical("kind", ["a", None, True, 3, 0.5])
    extra = trial.suggest_float("decay", 0, 1) if kind == "a" else 0.0
    trial.set_user_attr("who", {"name": "me", "list": [1, 2.5, None]})
    for step in range(4):
        bad = {3: math.nan, 6: math.inf}.get(trial.number)
        trial.report(x * x + 1 / (step + 1) if bad is None or step != 2 else bad, step)
        if trial.number in (2, 8) and step == 2:
            raise optuna.TrialPruned
    if trial.number == 4:
        raise ArithmeticError("too hard")
    if trial.number == 7:
        return math.nan
    if trial.number == 9:
        return math.inf
    return float(x * x + abs(math.log10(lr) + 3) + k / 9 + n / 64 + q + one + extra)


def write(kind: str, folder: Path, name: str = "first") -> tuple[Any, str]:
    """A study with complete, pruned, failed, running and waiting trials; and the file it is in."""
    storage, path = storage_of(kind, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(
            study_name=name, storage=storage, direction="minimize", sampler=optuna.samplers.RandomSampler(seed=1)
        )
        study.set_user_attr("data", "digits")
        study.enqueue_trial({"x": 0.5, "kind": None})
        study.enqueue_trial({"x": 70.0, "kind": "a"})  # outside its range, which Optuna lets pass
        study.optimize(objective, n_trials=14, catch=(ArithmeticError,))
        running = study.ask()
        running.suggest_float("x", -2, 2)
        running.report(0.25, 0)
        study.enqueue_trial({"x": 0.125}, user_attrs={"memo": "try this"})
    return study, path


def write_constrained(kind: str, folder: Path) -> tuple[Any, str]:
    storage, path = storage_of(kind, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.NSGAIISampler(seed=0, constraints_func=lambda t: t.user_attrs["c"])
        study = optuna.create_study(study_name="limits", storage=storage, sampler=sampler)

        def limited(trial: Any) -> float:
            x = trial.suggest_float("x", 0, 1)
            trial.set_user_attr("c", [0.3 - x, x - 0.9])
            if hasattr(trial, "set_constraint"):
                trial.set_constraint("memory/GB", x - 0.8)
            return float(x)

        study.optimize(limited, n_trials=20)
    return study, path


def write_several(kind: str, folder: Path) -> tuple[Any, str]:
    storage, path = storage_of(kind, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(
            study_name="both", storage=storage, directions=["maximize", "minimize"],
            sampler=optuna.samplers.RandomSampler(seed=2),
        )  # fmt: skip
        study.set_metric_names(["accuracy", "latency"])

        def both(trial: Any) -> tuple[float, float]:
            x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
            return x * y, x + y

        study.optimize(both, n_trials=20)
    return study, path
