"""Keywords of other tools, answered with trimtab's own words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from trimtab.errors import did_you_mean

P = ParamSpec("P")
T = TypeVar("T")

FOREIGN = {
    "n_trials": "trials= (the study's total) or more= (so many more)",
    "max_evals": "trials= (the study's total) or more= (so many more)",
    "num_samples": "trials= (the study's total) or more= (so many more)",
    "n_jobs": "workers= (processes)",
    "n_workers": "workers= (processes)",
    "direction": "minimize= or maximize= (a metric's name)",
    "directions": "minimize= or maximize= (names of metrics)",
    "mode": "minimize= or maximize= (a metric's name)",
    "metric": "minimize= or maximize= (a metric's name)",
    "objectives": "minimize= or maximize= (names of metrics)",
    "sampler": "searcher=",
    "search_alg": "searcher=",
    "pruner": "scheduler=",
    "load_if_exists": 'if_exists= ("resume" is the default)',
    "study_name": "the name as first argument",
    "storage_path": "storage=",
    "resources": 'per_trial= ({"gpu": 1})',
    "resources_per_trial": 'per_trial= ({"gpu": 1})',
    "catch": "nothing: a failing trial is recorded and the study goes on",
    "show_progress_bar": "display=",
    "random_state": "seed=",
    "time_budget_s": "timeout=",
}


def translated(owner: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Turn Python's complaint about an unknown keyword into one that says trimtab's word for it."""

    def wrap(f: Callable[P, T]) -> Callable[P, T]:
        parameters = inspect.signature(f).parameters
        known = set(parameters)
        passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters.values())  # the next function will check them
        call = owner if "." in owner else f"{owner}"

        @wraps(f)
        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            for name in kwargs:
                if name not in known and (name in FOREIGN or not passes_on):
                    says = f"trimtab says {FOREIGN[name]}." if name in FOREIGN else did_you_mean(name, known - {"self"})
                    raise TypeError(f'{call}() has no argument "{name}". {says}')
            return f(*args, **kwargs)

        return called

    return wrap
