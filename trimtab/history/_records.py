"""A trial as people and methods read it: frozen, decoded on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from trimtab.errors import MultiObjective, SpaceError
from trimtab.log import JSON


class State(IntEnum):
    """What methods may know of a trial's state. A lost trial that will be retried still runs, as far as they know."""

    RUNNING = 1
    PAUSED = 2
    FINISHED = 3
    STOPPED = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration and what became of it.

    state    queued, running, paused, finished, stopped, failed, lost or invalid
    values   {objective: value} in the user's own sense (not negated)
    metrics  every metric of the end, objectives too
    step     the last step that counts
    cost     {"seconds": …, …} of all its attempts together
    error    {"kind", "text", "where", …} of a failed trial, else None
    outside  whether the configuration is outside the present space
    attempts how often it was started; 0 where attempts are nobody's business (methods)
    """

    number: int
    state: str
    config: Mapping[str, JSON]
    values: Mapping[str, float]
    metrics: Mapping[str, float] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)
    sem: Mapping[str, float] = field(default_factory=dict)
    step: float | None = None
    seed: int = 0
    cause: str = "new"
    method: str = ""
    tags: Mapping[str, JSON] = field(default_factory=dict)
    note: Mapping[str, JSON] = field(default_factory=dict)
    source: tuple[int, float] | None = None
    parents: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    error: Mapping[str, JSON] | None = None
    notes: Mapping[str, JSON] = field(default_factory=dict)
    attempts: int = 0
    began: float | None = None
    ended: float | None = None
    _space: Any = field(default=None, repr=False, compare=False)  # the space in force; None: define by run

    @property
    def value(self) -> float:
        """The objective's value, where there is one objective."""
        if len(self.values) != 1:
            raise MultiObjective(
                f"Trial {self.number} has {len(self.values)} objective values ({', '.join(self.values) or 'none'}), "
                "so there is no single value. Use trial.values."
            )
        return next(iter(self.values.values()))

    @property
    def outside(self) -> bool:
        """Whether the space was changed so that it can't propose this configuration any more. It may still be best."""
        if self._space is None:
            return False
        try:  # names that came or went since don't matter
            self._space.check({k: v for k, v in self.config.items() if k in self._space}, partial=True)
        except SpaceError:
            return True
        return False

    @property
    def feasible(self) -> bool:
        """Whether every constraint holds (a constraint that was never measured does not)."""
        return all(v <= 0 for v in self.constraints.values())
