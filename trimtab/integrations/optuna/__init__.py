"""Optuna: a sampler for its studies, and a reader of its files.

    study = optuna.create_study(sampler=TrimtabSampler("tpe", seed=0))     # needs Optuna
    study = trimtab.integrations.optuna.load("study.db")                   # reads Optuna's files without it

Scripts written for Optuna: trimtab.integrations.optuna_api.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.integrations.optuna._load import load
    from trimtab.integrations.optuna._sampler import TrimtabSampler

__all__ = ["TrimtabSampler", "load"]
_HOME = {"TrimtabSampler": "trimtab.integrations.optuna._sampler", "load": "trimtab.integrations.optuna._load"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "TrimtabSampler":
        from trimtab._extras import need

        need("optuna", extra="optuna", to="be a sampler of Optuna studies")
    return getattr(import_module(_HOME[name]), name)
