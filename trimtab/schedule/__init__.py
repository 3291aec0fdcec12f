"""How far each trial runs: one file a method, found by name."""

from trimtab.schedule._registry import SCHEDULERS, describe, scheduler

__all__ = ["SCHEDULERS", "describe", "scheduler"]
