"""Optuna: settings {"sampler": "tpe" | "gp" | "nsgaii" | "cmaes" | "random" | "auto" | …, and its keyword arguments}.

As     A user's objective with trial.suggest_*, branches written as `if`, and every default of the sampler. Optuna 5's
       TPE is multivariate; {"multivariate": False} is the one of its older versions.
Failed Told as TrialState.FAIL, which its samplers leave out of their models.
Limits trial.set_constraint (Optuna 5), else constraints_func.
Auto   The rule of OptunaHub's AutoSampler (registry commit 257a04b), by the space instead of by what trials show of it:
       GP where all is numbers, nothing is conditional and there are at most three objectives, else TPE, multivariate
       and with the constant liar; from 250 trials on CMA-ES (several objectives: NSGA-II) where GP was, TPE where
       there are constraints.
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
AUTO_MOST = 250  # trials
CONSTRAINED = ("tpe", "gp", "nsgaii", "nsgaiii")


class Adapter:
    version = optuna.__version__

    def __init__(self, job: Any) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        settings = dict(job.settings)
        kind = settings.pop("sampler")
        self.auto = kind == "auto" and (job.goals, bool(job.constraints), job.seed)
        if kind == "auto":
            kind, settings = first(job)
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
        if self.auto and len(self.study.get_trials(deepcopy=False)) >= AUTO_MOST:
            self.study.sampler, self.auto = later(self.study, *self.auto), False
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


def first(job: Any) -> tuple[str, dict[str, Any]]:
    """The sampler of the rule, and its settings."""
    plain = all(p["kind"] in ("float", "int") and not p["when"] for p in job.space)
    if plain and job.goals < 4:
        return "gp", {}
    return "tpe", {"multivariate": True, "constant_liar": True}


def later(study: Any, goals: int, constrained: bool, seed: int) -> Any:
    """The sampler from `AUTO_MOST` trials on."""
    if goals > 1:
        return getattr(optuna.samplers, "NSGAIISampler" if goals < 4 else "NSGAIIISampler")(seed=seed)
    if not isinstance(study.sampler, optuna.samplers.GPSampler):
        return study.sampler
    if constrained:
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    done = [t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE]
    return optuna.samplers.CmaEsSampler(seed=seed, source_trials=done[:AUTO_MOST])
