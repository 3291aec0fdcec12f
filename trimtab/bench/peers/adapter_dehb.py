"""DEHB: no settings.

As     A ConfigSpace with its conditions, Hyperband's fidelities and the package's defaults, by ask and tell.
Failed The worst cost told so far, else infinite: a rung of nothing but infinite costs stops DEHB with an error.
Notes  One goal, no limits. A configuration that is evaluated further goes on under the key it had. Nothing is written
       to disk before the end.
"""

from __future__ import annotations

import math
import random
from importlib.metadata import version
from typing import Any

import numpy as np
from dehb import DEHB


class Adapter:
    version = version("DEHB")

    def __init__(self, job: Any) -> None:
        np.random.seed(job.seed % 2**32)  # noqa: NPY002
        random.seed(job.seed)
        self.rows = {p["name"]: p for p in job.space}
        self.fidelity = job.fidelity
        self.dehb = DEHB(
            cs=job.part("shared_configspace").space_of(job.space, job.seed),
            min_fidelity=job.fidelity["low"],
            max_fidelity=job.fidelity["high"],
            n_workers=1,
            seed=job.seed,
            save_freq="end",
            output_path="dehb",
            log_level="ERROR",
        )
        self.key = job.key
        self.worst = -math.inf
        self.open: dict[int, Any] = {}

    def ask(self) -> dict[str, Any]:
        info = self.dehb.ask()
        budget = float(info["fidelity"])
        budget = round(budget) if self.fidelity["integer"] else budget
        budget = min(max(budget, self.fidelity["low"]), self.fidelity["high"])
        key = self.key(int(info["config_id"]), budget)
        self.open[key] = info
        config = {name: self.raw(name, x) for name, x in dict(info["config"]).items()}
        return {"key": key, "config": config, "budget": budget}

    def raw(self, name: str, value: Any) -> Any:
        return float(value) if self.rows[name]["kind"] == "float" else int(value)

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        if costs is not None:
            self.worst = max(self.worst, costs[0])
        fitness = costs[0] if costs is not None else self.worst if self.worst > -math.inf else math.inf
        self.dehb.tell(self.open.pop(key), {"fitness": fitness, "cost": seconds})
