"""Vizier: settings {"designer": "VizierGPUCBPEBandit" | "EagleStrategyDesigner" | "NSGA2Designer"}.

As     The designers behind the service's algorithms, with their defaults; the first is the service's own default.
       Before each suggestion it is told what was completed since, and what runs.
Failed complete(infeasibility_reason=…), Vizier's word for it; NSGA2, which can't read a trial without values, is told
       nothing.
Notes  Several goals for the GP and NSGA2; no limits, no conditions. An ordered choice is a discrete parameter. XLA
       compiles as trials grow in number, inside the suggestion; that is counted. One thread.
"""

from __future__ import annotations

import random
import warnings
from importlib import import_module
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from vizier import algorithms as vza
from vizier import pyvizier as vz

DESIGNERS = {  # where the service's own factory finds them; vizier.algorithms.designers wants packages of all of them
    "VizierGPUCBPEBandit": "vizier._src.algorithms.designers.gp_ucb_pe",
    "EagleStrategyDesigner": "vizier._src.algorithms.designers.eagle_strategy.eagle_strategy",
    "NSGA2Designer": "vizier._src.algorithms.evolution.nsga2",
}
SCALES = {True: vz.ScaleType.LOG, False: vz.ScaleType.LINEAR}


class Adapter:
    version = version("google-vizier")

    def __init__(self, job: Any) -> None:
        warnings.simplefilter("ignore")
        jax.config.update("jax_enable_x64", True)  # as the service does; single precision ends in NaN suggestions
        np.random.seed(job.seed % 2**32)  # noqa: NPY002
        random.seed(job.seed)
        self.rows = {p["name"]: p for p in job.space}
        self.names = [f"cost{i}" for i in range(job.goals)]
        problem = vz.ProblemStatement()
        for p in job.space:
            add(problem.search_space.root, p)
        for name in self.names:
            problem.metric_information.append(vz.MetricInformation(name, goal=vz.ObjectiveMetricGoal.MINIMIZE))
        name = job.settings["designer"]
        kind = getattr(import_module(DESIGNERS[name]), name)
        self.forgets = name == "NSGA2Designer"
        seed = {"rng": jax.random.PRNGKey(job.seed)} if name.startswith("VizierGP") else {"seed": job.seed}
        self.designer = kind(problem, **seed)
        self.open: dict[int, Any] = {}
        self.done: list[Any] = []
        self.number = 0

    def ask(self) -> Any:
        self.designer.update(vza.CompletedTrials(self.done), vza.ActiveTrials(list(self.open.values())))
        self.done = []
        suggestions = self.designer.suggest(1)
        if not suggestions:
            return None
        key = self.number
        self.number += 1
        self.open[key] = trial = suggestions[0].to_trial(key + 1)
        values = {name: self.raw(name, trial.parameters.get_value(name)) for name in self.rows}
        return {"key": key, "config": values}

    def raw(self, name: str, value: Any) -> Any:
        return float(value) if self.rows[name]["kind"] == "float" else int(value)

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        trial = self.open.pop(key)
        if costs is None and self.forgets:
            return
        if costs is None:
            trial.complete(vz.Measurement(), infeasibility_reason="it failed")
        else:
            trial.complete(vz.Measurement(metrics={name: costs[i] for i, name in enumerate(self.names)}))
        self.done.append(trial)


def add(root: Any, p: dict[str, Any]) -> None:
    if p["kind"] == "choice" and not p["ordered"]:
        root.add_categorical_param(p["name"], [str(i) for i in range(len(p["choices"]))])
    elif p["kind"] == "choice":
        root.add_discrete_param(p["name"], list(range(len(p["choices"]))))
    elif p["kind"] == "float":
        root.add_float_param(p["name"], p["low"], p["high"], scale_type=SCALES[p["log"]])
    else:
        root.add_int_param(p["name"], p["low"], p["high"], scale_type=SCALES[p["log"]])
