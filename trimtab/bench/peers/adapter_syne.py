"""Syne Tune: settings {"scheduler": "CQR" | "BORE" | "TPE" | "REA" | "ASHA" | "BOHB" | …, "fidelity": it judges}.

As     The baselines of syne_tune.optimizer.baselines with their defaults, spoken to as its Tuner does: suggest,
       on_trial_add, on_trial_result after each step, then on_trial_remove (stopped), on_trial_complete or
       on_trial_error.
Failed on_trial_error.
Notes  One goal, no limits, no conditions. A choice's values are texts, so that no model takes their index for a number;
       ordered ones are ordinal(). What it suggests outside of the box is moved to its edge.
"""

from __future__ import annotations

import datetime
import random
from typing import Any

import numpy as np
import syne_tune
from syne_tune import config_space as cs
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer import baselines

VERDICTS = {"CONTINUE": "on", "STOP": "stop", "PAUSE": "pause"}


class Adapter:
    version = syne_tune.__version__

    def __init__(self, job: Any) -> None:
        np.random.seed(job.seed % 2**32)  # noqa: NPY002  # some of its searchers draw from the global generators
        random.seed(job.seed)
        self.rows = {p["name"]: p for p in job.space}
        self.judges = bool(job.settings.get("fidelity"))
        more: dict[str, Any] = {}
        if self.judges:
            if not job.fidelity["integer"]:
                job.refuse("its steps must be whole numbers")
            more = {"time_attr": "step", "max_t": int(job.fidelity["high"])}
            more["grace_period"] = max(1, int(job.fidelity["low"]))
        space = {p["name"]: domain(p) for p in job.space}
        scheduler = getattr(baselines, job.settings["scheduler"])
        self.scheduler = scheduler(space, metric="cost", do_minimize=True, random_seed=job.seed, **more)
        self.open: dict[int, Any] = {}
        self.last: dict[int, Any] = {}
        self.number = 0

    def ask(self) -> Any:
        suggestion = self.scheduler.suggest()
        if suggestion is None:
            return None
        key = self.number
        self.number += 1
        self.open[key] = trial = Trial(key, suggestion.config, datetime.datetime(2000, 1, 1))
        self.scheduler.on_trial_add(trial)
        return {"key": key, "config": {name: self.raw(name, suggestion.config[name]) for name in self.rows}}

    def raw(self, name: str, value: Any) -> Any:
        p = self.rows[name]
        if p["kind"] == "choice":
            return int(value)
        inside = min(max(value, p["low"]), p["high"])  # BOHB's density leaves the box now and then
        return float(inside) if p["kind"] == "float" else int(inside)

    def report(self, key: int, step: float, costs: list[float]) -> str:
        result = {"cost": costs[0], "step": int(step)}
        verdict = self.scheduler.on_trial_result(self.open[key], result)
        self.last[key] = (verdict, result)
        return VERDICTS[verdict]

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        trial = self.open.pop(key)
        verdict, result = self.last.pop(key, ("", {}))
        if costs is None:
            self.scheduler.on_trial_error(trial)
        elif verdict == "STOP":
            self.scheduler.on_trial_remove(trial)
        else:
            self.scheduler.on_trial_complete(trial, {**result, "cost": costs[0]})


def domain(p: dict[str, Any]) -> Any:
    if p["kind"] == "choice":
        labels = [str(i) for i in range(len(p["choices"]))]
        return cs.ordinal(labels) if p["ordered"] else cs.choice(labels)
    if p["kind"] == "float":
        return (cs.loguniform if p["log"] else cs.uniform)(p["low"], p["high"])
    return (cs.lograndint if p["log"] else cs.randint)(p["low"], p["high"])
