"""HEBO: no settings.

As     hebo.optimizers.hebo.HEBO with its defaults: an unscrambled Sobol design of one point more than there are
       parameters, then a warped Gaussian process and MACE.
Failed An infinite cost, which HEBO leaves out of its data.
Notes  One goal, no limits, no conditions; an ordered choice is an int. Its first point is the lower corner of the box,
       which flatters it on tasks whose optimum lies there, and all seeds share the design. The random numbers of torch,
       numpy and Python are seeded, because HEBO takes no seed.
"""

from __future__ import annotations

import random
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO


class Adapter:
    version = version("HEBO")

    def __init__(self, job: Any) -> None:
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        torch.manual_seed(job.seed)
        np.random.seed(job.seed % 2**32)  # noqa: NPY002
        random.seed(job.seed)
        self.rows = {p["name"]: p for p in job.space}
        self.hebo = HEBO(DesignSpace().parse([parameter(p) for p in job.space]))
        self.open: dict[int, Any] = {}
        self.number = 0

    def ask(self) -> dict[str, Any]:
        frame = self.hebo.suggest(n_suggestions=1)
        key = self.number
        self.number += 1
        self.open[key] = frame
        return {"key": key, "config": {name: self.raw(name, frame[name].iloc[0]) for name in self.rows}}

    def raw(self, name: str, value: Any) -> Any:
        p = self.rows[name]
        if p["kind"] == "choice":
            return int(value)
        number = float(value) if p["kind"] == "float" else round(float(value))
        return min(max(number, p["low"]), p["high"])

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        cost = float("inf") if costs is None else costs[0]
        self.hebo.observe(self.open.pop(key), np.array([[cost]]))


def parameter(p: dict[str, Any]) -> dict[str, Any]:
    name = p["name"]
    if p["kind"] == "choice":
        if p["choices"] == [False, True]:
            return {"name": name, "type": "bool"}
        if p["ordered"]:
            return {"name": name, "type": "int", "lb": 0, "ub": len(p["choices"]) - 1}
        return {"name": name, "type": "cat", "categories": list(range(len(p["choices"])))}
    kinds = {("float", False): "num", ("float", True): "pow", ("int", False): "int", ("int", True): "pow_int"}
    return {"name": name, "type": kinds[p["kind"], p["log"]], "lb": p["low"], "ub": p["high"]}
