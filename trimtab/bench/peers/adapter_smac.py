"""SMAC3: settings {"facade": "BlackBoxFacade" | "HyperparameterOptimizationFacade" | "MultiFidelityFacade"}.

As     A ConfigSpace with its conditions, a Scenario of as many trials as the budget pays for (its initial design is a
       share of them), and the facade's defaults. deterministic=True: a configuration is evaluated once, as by all here.
Failed StatusType.CRASHED, with the worst cost told so far: SMAC's own infinite crash_cost breaks its Gaussian process.
       Failures before the first success wait for it.
Notes  Several goals are averaged, SMAC's default; no limits. The multi-fidelity facade asks for a budget, and goes on
       with a configuration under the key it had. When SMAC finds no configuration that is new, there is none.
"""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

import smac
from smac import Scenario
from smac.runhistory.dataclasses import TrialValue
from smac.runhistory.enumerations import StatusType

ETA = 3  # of SMAC's Hyperband


class Adapter:
    version = version("smac")

    def __init__(self, job: Any) -> None:
        self.rows = {p["name"]: p for p in job.space}
        self.fidelity = job.fidelity
        self.goals = job.goals
        scenario = Scenario(
            job.part("shared_configspace").space_of(job.space, job.seed),
            output_directory=Path("smac"),
            deterministic=True,
            objectives="cost" if job.goals == 1 else [f"cost{i}" for i in range(job.goals)],
            n_trials=trials_of(job),
            seed=job.seed,
            **({"min_budget": job.fidelity["low"], "max_budget": job.fidelity["high"]} if job.fidelity else {}),
        )
        self.smac = getattr(smac, job.settings["facade"])(scenario, logging_level=False, overwrite=True)
        self.key = job.key
        self.open: dict[int, Any] = {}
        self.worst: list[float] = []
        self.waiting: list[Any] = []

    def ask(self) -> Any:
        try:
            info = self.smac.ask()
        except StopIteration:
            return None
        budget = None
        if self.fidelity and info.budget is not None:
            budget = round(info.budget) if self.fidelity["integer"] else info.budget
            budget = min(max(budget, self.fidelity["low"]), self.fidelity["high"])
        key = self.key(info.config, budget)
        self.open[key] = info
        config = {name: self.raw(name, x) for name, x in dict(info.config).items()}
        return {"key": key, "config": config, "budget": budget}

    def raw(self, name: str, value: Any) -> Any:
        return float(value) if self.rows[name]["kind"] == "float" else int(value)

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        info = self.open.pop(key)
        if costs is None:
            self.waiting.append((info, seconds))
        else:
            self.worst = list(map(max, costs, self.worst or costs))
            self.told(info, costs, seconds, StatusType.SUCCESS)
        if self.worst:
            for failed, took in self.waiting:
                self.told(failed, self.worst, took, StatusType.CRASHED)
            self.waiting = []

    def told(self, info: Any, costs: list[float], seconds: float, status: Any) -> None:
        cost = costs[0] if self.goals == 1 else list(costs)
        self.smac.tell(info, TrialValue(cost=cost, time=seconds, status=status), save=False)


def trials_of(job: Any) -> int:
    """How many trials the budget pays for; with a fidelity, as Hyperband spends it over one round of its brackets."""
    full: int = job.trials
    if not job.fidelity:
        return full
    low, high = float(job.fidelity["low"]), float(job.fidelity["high"])
    most = math.floor(math.log(high / low) / math.log(ETA))
    trials, spent = 0, 0.0
    for rungs in range(most + 1):
        begun = math.ceil(ETA**rungs * (most + 1) / (rungs + 1))
        for rung in range(rungs + 1):
            n = begun // ETA**rung
            trials += n
            spent += n * ETA ** (rung - rungs)
    return max(1, round(full * trials / spent))
