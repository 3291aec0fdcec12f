"""Optuna's pruners, by their names: schedulers of trimtab where there is one, else rules that the façade asks itself.

Steps   Optuna counts from 0, trimtab counts finished steps: after Optuna's step 0 it is 1. A warm-up of n steps lets a
        trial be pruned from Optuna's step n on, which is n + 1 here.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np

from trimtab.integrations.optuna_api._words import not_here

log = logging.getLogger(__name__)
FAR = 1e6  # steps that a full run never has, for rules that don't know its length


class BasePruner:
    """A rule that is asked after each report: prune(study, trial)."""

    scheduler: Any = None  # what trimtab takes as scheduler=; then prune() is not asked

    def prune(self, study: Any, trial: Any) -> bool:
        raise NotImplementedError


class NopPruner(BasePruner):
    scheduler = "full"


class PercentilePruner(BasePruner):
    """tt.Median with another share."""

    def __init__(
        self, percentile: float, n_startup_trials: int = 5, n_warmup_steps: int = 0, interval_steps: int = 1, *,
        n_min_trials: int = 1,
    ) -> None:  # fmt: skip
        if not 0 < percentile < 100:
            raise ValueError(f"percentile={percentile}: above 0 and below 100; 50 is the median.")
        self.scheduler = {
            "method": "median", "share": percentile / 100, "grace": n_warmup_steps + 1, "every": interval_steps,
            "min_trials": max(1, n_startup_trials, n_min_trials),
        }  # fmt: skip


class MedianPruner(PercentilePruner):
    """tt.Median."""

    def __init__(
        self, n_startup_trials: int = 5, n_warmup_steps: int = 0, interval_steps: int = 1, *, n_min_trials: int = 1
    ) -> None:
        super().__init__(50.0, n_startup_trials, n_warmup_steps, interval_steps, n_min_trials=n_min_trials)


class SuccessiveHalvingPruner(BasePruner):
    """tt.ASHA, which stops; rungs at min_resource · reduction_factor^k for ever, because no length is known."""

    def __init__(
        self, min_resource: int | str = "auto", reduction_factor: int = 4, min_early_stopping_rate: int = 0,
        bootstrap_count: int = 0,
    ) -> None:  # fmt: skip
        if bootstrap_count:
            raise not_here("SuccessiveHalvingPruner(bootstrap_count=…)", "The first at a rung always goes on here.")
        first = (1 if min_resource == "auto" else int(min_resource)) * reduction_factor**min_early_stopping_rate
        self.scheduler = _asha(first, FAR, reduction_factor)


class HyperbandPruner(BasePruner):
    """tt.ASHA with up to three brackets: they stop at their rungs, and share one searcher."""

    def __init__(
        self, min_resource: int = 1, max_resource: int | str = "auto", reduction_factor: int = 3,
        bootstrap_count: int = 0,
    ) -> None:  # fmt: skip
        if bootstrap_count:
            raise not_here("HyperbandPruner(bootstrap_count=…)", "The first at a rung always goes on here.")
        most = FAR if max_resource == "auto" else int(max_resource)
        self.scheduler = _asha(min_resource, most, reduction_factor)
        rungs = 1 + math.floor(math.log(self.scheduler["max"] / min_resource, reduction_factor) + 1e-9)
        self.scheduler["brackets"] = min(3, rungs)
        log.info("HyperbandPruner becomes trimtab's asha: %d brackets that stop trials at their rungs.", min(3, rungs))


def _asha(first: int, most: float, eta: int) -> dict[str, Any]:
    """Rungs as Optuna has them: first, first · eta, …; the last is the whole, at or beyond `most`."""
    count = max(0, math.ceil(math.log(max(1.0, most / first), eta) - 1e-9))
    return {"method": "asha", "min": first, "max": first * eta**count, "eta": eta}


class ThresholdPruner(BasePruner):
    """Prunes what leaves a range."""

    def __init__(
        self, lower: float | None = None, upper: float | None = None, n_warmup_steps: int = 0, interval_steps: int = 1
    ) -> None:
        if lower is None and upper is None:
            raise TypeError("ThresholdPruner() needs lower= or upper=.")
        self.lower = -math.inf if lower is None else lower
        self.upper = math.inf if upper is None else upper
        self.warmup, self.interval = n_warmup_steps, interval_steps

    def prune(self, study: Any, trial: Any) -> bool:
        step = trial.last_step
        if step is None or step < self.warmup or (step - self.warmup) % self.interval:
            return False
        return not self.lower <= trial.intermediate_values[step] <= self.upper


class PatientPruner(BasePruner):
    """Asks another pruner only after so many steps without an improvement; without one it prunes then."""

    def __init__(self, wrapped_pruner: Any, patience: int, min_delta: float = 0.0) -> None:
        if wrapped_pruner is not None and getattr(wrapped_pruner, "scheduler", None) is not None:
            raise not_here(
                f"PatientPruner({type(wrapped_pruner).__name__}())",
                "trimtab's schedulers have grace= of their own; PatientPruner(None, …) works.",
            )
        self.wrapped, self.patience, self.min_delta = wrapped_pruner, patience, min_delta

    def prune(self, study: Any, trial: Any) -> bool:
        curve = [v for _, v in sorted(trial.intermediate_values.items())]
        if len(curve) <= self.patience + 1:
            return False
        sign = 1.0 if study.direction.name == "MINIMIZE" else -1.0
        values = sign * np.array(curve)
        before, late = values[: -self.patience - 1], values[-self.patience - 1 :]
        if not np.nanmin(before) + self.min_delta < np.nanmin(late):
            return False
        return self.wrapped is None or bool(self.wrapped.prune(study, trial))


def scheduler_of(pruner: Any) -> Any:
    """What trimtab takes as scheduler=. A rule without one runs under "full", and the façade asks it."""
    if pruner is None or isinstance(pruner, str) or hasattr(pruner, "judge"):
        return pruner
    if isinstance(pruner, BasePruner) or hasattr(pruner, "prune"):
        return getattr(pruner, "scheduler", None) or "full"
    raise not_here(f"pruner={pruner!r}", "trimtab says scheduler=: a name, or an object such as tt.Median().")


def rule_of(pruner: Any) -> Any:
    """The pruner itself, if the façade has to ask it."""
    return pruner if hasattr(pruner, "prune") and getattr(pruner, "scheduler", None) is None else None


def __getattr__(name: str) -> Any:
    raise not_here(f"optuna.pruners.{name}")
