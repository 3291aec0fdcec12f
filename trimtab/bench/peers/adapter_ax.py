"""Ax: settings {"method": "fast" | "random_search"}.

As     ax.api.Client with its default generation strategy: the centre, a few Sobol points, then BoTorch.
Failed mark_trial_failed, which keeps it out of the model.
Limits Outcome constraints "c0 <= 0".
Notes  Several goals as Ax writes them ("-cost0, -cost1"), with thresholds that it infers. No conditions. The centre of
       the box is its first point, which flatters it on tasks whose optimum lies there. Torch runs on one thread.
"""

from __future__ import annotations

import logging
import random
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig


class Adapter:
    version = version("ax-platform")

    def __init__(self, job: Any) -> None:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        torch.set_num_threads(1)
        torch.manual_seed(job.seed)
        np.random.seed(job.seed % 2**32)  # noqa: NPY002
        random.seed(job.seed)
        self.names = ["cost"] if job.goals == 1 else [f"cost{i}" for i in range(job.goals)]
        self.client = Client(random_seed=job.seed)
        self.client.configure_experiment(parameters=[parameter(p) for p in job.space])
        limits = [f"c{i} <= 0" for i in range(job.constraints)]
        goals = ", ".join(f"-{name}" for name in self.names)
        self.client.configure_optimization(objective=goals, outcome_constraints=limits or None)
        self.client.configure_generation_strategy(
            method=job.settings.get("method", "fast"), initialization_random_seed=job.seed
        )

    def ask(self) -> Any:
        trials = self.client.get_next_trials(max_trials=1)
        for key, config in trials.items():
            return {"key": int(key), "config": dict(config)}
        return None

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        if costs is None:
            self.client.mark_trial_failed(key)
            return
        data: dict[str, Any] = {}
        for i, cost in enumerate(costs):
            data[self.names[i]] = cost
        for i, limit in enumerate(limits):
            data[f"c{i}"] = limit
        self.client.complete_trial(key, raw_data=data)


def parameter(p: dict[str, Any]) -> Any:
    if p["kind"] == "choice":
        values = list(range(len(p["choices"])))
        return ChoiceParameterConfig(
            name=p["name"], values=values, parameter_type="int", is_ordered=bool(p["ordered"] or len(values) == 2)
        )
    return RangeParameterConfig(
        name=p["name"],
        bounds=(p["low"], p["high"]),
        parameter_type=p["kind"],
        scaling="log" if p["log"] else "linear",
    )
