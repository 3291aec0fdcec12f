"""Rustuna, Optuna's methods written in Rust: settings {"sampler": "tpe" | "nsgaii" | "cmaes" | "random", …}.

As     A user's objective with trial.suggest_*, and every default of the sampler.
Failed Told as TrialState.FAIL.
Limits trial.set_constraints.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import rustuna
import rustuna.samplers
import rustuna.trial

SAMPLERS = {"tpe": "TPESampler", "nsgaii": "NSGAIISampler", "cmaes": "CmaEsSampler", "random": "RandomSampler"}


class Adapter:
    version = version("rustuna")

    def __init__(self, job: Any) -> None:
        settings = dict(job.settings)
        sampler = getattr(rustuna.samplers, SAMPLERS[settings.pop("sampler")])(seed=job.seed, **settings)
        self.space, self.suggest = job.space, job.part("shared_suggest")
        self.study = rustuna.create_study(directions=["minimize"] * job.goals, sampler=sampler)
        self.open: dict[int, Any] = {}

    def ask(self) -> dict[str, Any]:
        trial, config = self.suggest.drawn(self.study, self.space)
        self.open[trial.number] = trial
        return {"key": trial.number, "config": config}

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        trial = self.open.pop(key)
        if costs is None:
            self.study.tell(trial.number, state=rustuna.trial.TrialState.FAIL)
            return
        if limits:
            trial.set_constraints({f"c{i}": limit for i, limit in enumerate(limits)})
        self.study.tell(trial.number, values=costs)
