"""Nevergrad: settings {"optimizer": "NGOpt" or another name of its registry}.

As     ng.p.Dict of Scalar, Log and Choice; the optimizer is told the budget, by which NGOpt chooses its method.
Failed Told the worst cost so far (before any: infinity, which Nevergrad clips), because it has no word for a failure,
       and some of its methods wait for ever for an answer.
Limits constraint_violation of tell(), which makes a penalty of them.
Notes  Several goals are told as a list; ordered choices are TransitionChoice. Whole numbers are Scalar or Log with
       integer casting. No conditions. Bounded Scalars begin in the middle of their range, which flatters Nevergrad on
       tasks whose optimum lies there.
"""

from __future__ import annotations

import math
import random
import warnings
from typing import Any

import nevergrad as ng
import numpy as np


class Adapter:
    version = ng.__version__

    def __init__(self, job: Any) -> None:
        warnings.simplefilter("ignore")
        np.random.seed(job.seed % 2**32)  # noqa: NPY002  # some of its methods draw from the global generators
        random.seed(job.seed)
        space = ng.p.Dict(**{p["name"]: self.domain(p) for p in job.space})
        space.random_state.seed(job.seed)
        self.optimizer = ng.optimizers.registry[job.settings["optimizer"]](
            parametrization=space, budget=job.trials, num_workers=1
        )
        self.goals = job.goals
        self.worst: list[float] = []
        self.open: dict[int, Any] = {}
        self.number = 0

    def domain(self, p: dict[str, Any]) -> Any:
        if p["kind"] == "choice":
            choose = ng.p.TransitionChoice if p["ordered"] else ng.p.Choice
            return choose(list(range(len(p["choices"]))))
        scale = ng.p.Log if p["log"] else ng.p.Scalar
        made = scale(lower=p["low"], upper=p["high"])
        return made.set_integer_casting() if p["kind"] == "int" else made

    def ask(self) -> dict[str, Any]:
        candidate = self.optimizer.ask()
        key = self.number
        self.number += 1
        self.open[key] = candidate
        return {"key": key, "config": dict(candidate.value)}

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        candidate = self.open.pop(key)
        if costs is None:
            costs = self.worst or [math.inf] * self.goals
        else:
            self.worst = list(map(max, costs, self.worst or costs))
        loss = costs[0] if self.goals == 1 else costs
        if limits:
            self.optimizer.tell(candidate, loss, [max(limit, 0.0) for limit in limits])
        else:
            self.optimizer.tell(candidate, loss)
