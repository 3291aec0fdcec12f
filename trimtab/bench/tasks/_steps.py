"""Budgets of tasks with a fidelity."""

from __future__ import annotations

from trimtab.bench.task import Fidelity


def checked(task: str, fidelity: Fidelity, budget: float | None) -> float:
    """The budget as it is meant: None is the whole; one outside the bounds, or between two steps, is a ValueError."""
    if budget is None:
        return fidelity.high
    if not fidelity.low <= budget <= fidelity.high:
        raise ValueError(f"{task}: {fidelity.name}={budget} is outside {fidelity.low}..{fidelity.high}.")
    if fidelity.integer and budget != int(budget):
        raise ValueError(f"{task}: {fidelity.name}={budget} is no whole number.")
    return budget


def step(task: str, fidelity: Fidelity, budget: float | None) -> int:
    """The same for an integer fidelity."""
    return int(checked(task, fidelity, budget))
