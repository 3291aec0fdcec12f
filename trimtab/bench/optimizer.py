"""What a bench needs of an optimizer: a name, what it takes, and a session that asks and is told.

Idea    trimtab's own searchers and schedulers run in a real Study; everybody else's package runs in a process of its
        own environment (peers/) and talks this protocol. Both give the same rows, so both are judged alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer of the table.

    name      in the tables and on the command line: "gp", "asha+gp", "optuna-tpe"
    package   whose it is: "trimtab", "optuna", "smac" …
    takes     of "objectives", "constraints", "conditions", "fidelity": what it can use. A task with several objectives
              is refused by name when it can't; without "constraints" it is told an infeasible trial failed, without
              "conditions" it sees every parameter always (and the tables say so)
    settings  of trimtab's: {"searcher": …, "scheduler": …}; of a peer's: its own words
    env       the environment it lives in: "" is this one; else one of `trimtab bench env`
    seeds     how many seeds a suite gives it at most: slow ones get fewer, and the report says so
    seconds   about how long one suggestion takes, for the plan that `bench run` prints; 0 when unknown
    """

    name: str
    package: str
    takes: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)
    env: str = ""
    seeds: int = 1000
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing to do.

    key     of the trial: stays the same when a paused trial is to go on
    config  what to evaluate
    budget  the step of the fidelity to run it to; None: the whole
    """

    key: int
    config: Config
    budget: float | None = None


class Session(Protocol):
    """A peer at work on one task. Costs smaller is better: signs are turned before and after."""

    seconds: float  # CPU seconds that the optimizer has used in its calls so far
    version: str  # of its package

    def ask(self) -> Asked | None:
        """What next; None: nothing until a running trial has been told."""

    def report(self, key: int, step: float, costs: list[float]) -> str:
        """After each step of a trial, to an optimizer that judges: "on", "stop" or "pause"."""

    def tell(self, key: int, costs: list[float] | None, limits: list[float], seconds: float) -> None:
        """The end of what was asked: costs, or None when it failed; limits <= 0 are kept; seconds it took."""

    def close(self) -> None: ...
