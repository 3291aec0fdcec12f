"""Optuna: settings {"sampler": "tpe" | "gp" | "nsgaii" | "cmaes" | "random" | …, and its keyword arguments}.

As     A user's objective with trial.suggest_*, branches written as `if`, and every default of the sampler. Optuna 5's
       TPE is multivariate; {"multivariate": False} is the one of its older versions.
Failed Told as TrialState.FAIL, which its samplers leave out of their models.
Limits trial.set_constraint (Optuna 5), else constraints_func.
Notes  Optuna has no ordered choices: they are categorical. Equal configurations are proposed again, as Optuna does.
"""

from __future__ import annotations

import warnings
from typing import Any

import optuna

SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "random": "RandomSampler",
}
CONSTRAINED = ("tpe", "gp", "nsgaii", "nsgaiii")


class Adapter:
    version = optuna.__version__

    def __init__(self, job: Any) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        settings = dict(job.settings)
        kind = settings.pop("sampler")
        if kind == "gp":
            import torch  # noqa: F401  # imported lazily by Optuna: not a part of its first suggestion
        if kind == "cmaes":
            import cmaes  # noqa: F401
        self.native = hasattr(optuna.trial.Trial, "set_constraint")
        if job.constraints and kind in CONSTRAINED and not self.native:
            settings["constraints_func"] = lambda trial: trial.user_attrs.get("limits", [0.0] * job.constraints)
        sampler = getattr(optuna.samplers, SAMPLERS[kind])(seed=job.seed, **settings)
        self.space, self.suggest = job.space, job.part("shared_suggest")
        self.study = optuna.create_study(directions=["minimize"] * job.goals, sampler=sampler)
        self.open: dict[int, Any] = {}

    def ask(self) -> dict[str, Any]:
        trial, config = self.suggest.drawn(self.study, self.space)
        self.open[trial.number] = trial
        return {"key": trial.number, "config": config}

    def tell(self, key: int, costs: Any, limits: list[float], seconds: float) -> None:
        trial = self.open.pop(key)
        if costs is None:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        if limits and self.native:
            for i, limit in enumerate(limits):
                trial.set_constraint(f"c{i}", limit)
        elif limits:
            trial.set_user_attr("limits", limits)
        self.study.tell(trial, costs)
