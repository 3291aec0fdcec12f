"""Hyperopt: settings {"algo": "tpe" | "atpe" | "rand" | "anneal"}.

As     hp.uniform, loguniform, uniformint, qloguniform and randint nodes; a condition is a switch on its parent, as
       hp.choice makes them. Ask and tell are the steps of fmin's own loop.
Failed status "fail", which tpe leaves out.
Notes  One goal, no limits; an ordered choice is a choice.
"""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import hyperopt
import numpy as np
from hyperopt import hp
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_RUNNING, STATUS_FAIL, STATUS_OK, Domain, Trials
from hyperopt.pyll import scope

ALGOS = {"tpe": "tpe", "rand": "rand", "anneal": "anneal", "atpe": "atpe"}


class Adapter:
    version = version("hyperopt")

    def __init__(self, job: Any) -> None:
        self.suggest = getattr(hyperopt, ALGOS[job.settings["algo"]]).suggest
        self.space = {p["name"]: p for p in job.space}
        self.nodes: dict[str, Any] = {}
        tree = {p["name"]: self.node(p) for p in job.space}
        self.domain = Domain(lambda config: 0.0, tree)
        self.trials = Trials()
        self.rng = np.random.default_rng(job.seed)
        self.open: dict[int, Any] = {}

    def node(self, p: dict[str, Any]) -> Any:
        """The parameter, behind a switch for each parent of which it needs certain values."""
        node = self.nodes[p["name"]] = self.drawn(p)
        for condition in reversed(p["when"]):  # the outermost parent outermost, or Hyperopt sees a cycle
            parent = self.space[condition["parent"]]
            low = 0 if parent["kind"] == "choice" else parent["low"]
            n = len(parent["choices"]) if parent["kind"] == "choice" else parent["high"] - low + 1
            index = self.nodes[parent["name"]] - low if low else self.nodes[parent["name"]]
            node = scope.switch(index, *[node if low + k in condition["in"] else None for k in range(n)])
        return node

    def drawn(self, p: dict[str, Any]) -> Any:
        name = p["name"]
        if p["kind"] == "choice":
            return hp.randint(name, len(p["choices"]))
        if p["kind"] == "float":
            if p["log"]:
                return hp.loguniform(name, math.log(p["low"]), math.log(p["high"]))
            return hp.uniform(name, p["low"], p["high"])
        if p["log"]:  # half a step wider: every number gets its share
            return hp.qloguniform(name, math.log(p["low"] - 0.5), math.log(p["high"] + 0.5), 1)
        return hp.uniformint(name, p["low"], p["high"])

    def ask(self) -> dict[str, Any]:
        ids = self.trials.new_trial_ids(1)
        self.trials.refresh()
        (doc,) = self.suggest(ids, self.domain, self.trials, int(self.rng.integers(2**31 - 1)))
        self.trials.insert_trial_docs([doc])
        self.trials.refresh()
        stored = next(t for t in reversed(self.trials._dynamic_trials) if t["tid"] == ids[0])
        stored["state"] = JOB_STATE_RUNNING
        self.open[ids[0]] = stored
        drawn = {name: values[0] for name, values in stored["misc"]["vals"].items() if len(values)}
        return {"key": int(ids[0]), "config": {name: self.inside(name, x) for name, x in drawn.items()}}

    def inside(self, name: str, value: Any) -> Any:
        p = self.space[name]
        return min(max(round(float(value)), p["low"]), p["high"]) if p["kind"] == "int" else value

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        trial = self.open.pop(key)
        trial["state"] = JOB_STATE_DONE
        trial["result"] = {"status": STATUS_FAIL} if costs is None else {"status": STATUS_OK, "loss": costs[0]}
        self.trials.refresh()
