"""What searchers that work in generations read off the log: who is whose child, and how the children of one rank.

A child's start carries, in its note, the generation it was drawn from and the seed of its draw, so that whoever reads
the log can make the draw again. Results are taken as they come, in any order; a trial that nobody drew here (given by
the user, of another searcher) is a stranger. The first end of a trial counts, and a later one (a paused trial that went
on) as long as its generation is not complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.log import JSON, Event
from trimtab.parts.order import violation

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DONE, CUT, BROKEN, FAILED = range(4)  # finished, stopped or paused, infeasible, failed: earlier ones rank first
SEEDS = 2**53  # whole numbers that JSON keeps everywhere


@dataclass(frozen=True, slots=True)
class Birth:
    """How a child was drawn: row `row` of what `seed` gives in generation `born`."""

    born: int
    seed: int
    row: int = 0

    def note(self, key: str, scope: str) -> dict[str, JSON]:
        told: dict[str, JSON] = {"g": self.born, "seed": self.seed}
        if self.row:
            told["row"] = self.row
        if scope:
            told["in"] = scope
        return {key: told}

    @classmethod
    def read(cls, note: Mapping[str, Any], key: str, scope: str) -> Birth | None:
        told = note.get(key)
        if told is None or told.get("in", "") != scope:
            return None
        return cls(told["g"], told["seed"], told.get("row", 0))


@dataclass(frozen=True, slots=True)
class Result:
    """How a trial ended. birth: None for a stranger."""

    number: int
    birth: Birth | None
    tier: int
    level: float
    y: float
    c: Floats

    @property
    def good(self) -> bool:
        return self.tier <= CUT


@dataclass(slots=True)
class Children:
    """Who runs, by number; None: a stranger. Bounded by the number of running trials."""

    key: str
    scope: str
    open: dict[int, Birth | None] = field(default_factory=dict)
    newest: int = -1

    def started(self, event: Event) -> Birth | None:
        """Read a `started`; the birth of a new child of ours."""
        number = event.trial
        if number is None or number <= self.newest:  # a paused one goes on
            return None
        self.newest = number
        birth = Birth.read(event.body.get("note") or {}, self.key, self.scope)
        self.open[number] = birth
        return birth

    def ended(self, event: Event, history: History, again: Mapping[int, Result]) -> Result | None:
        """Read an `ended`. again: results that a further end of the same trial replaces."""
        number = event.trial
        assert number is not None
        if number in self.open:
            birth = self.open.pop(number)
        elif number in again:
            birth = again[number].birth
        else:
            return None
        y, c, feasible = history.outcome(event)
        state, value = event.body["state"], float(y[0]) if len(y) else 0.0
        tier = DONE if state == "finished" else CUT
        if state not in ("finished", "stopped", "paused") or np.isnan(value):
            tier = FAILED
        elif not feasible:
            tier = BROKEN
        return Result(number, birth, tier, float(event.body.get("step") or 0.0), value, c)


def best_first(results: Sequence[Result]) -> Ints:
    """Their order: by tier; those cut short by how far they came, infeasible ones by how much is broken; by value; by
    age."""
    tier = np.array([r.tier for r in results])
    within = np.where(tier == CUT, [-r.level for r in results], 0.0)
    broken = np.flatnonzero(tier == BROKEN)
    if len(broken):
        within[broken] = violation(np.array([r.c for r in results]))[broken]
    value = np.where(tier == FAILED, 0.0, [r.y for r in results])
    age = np.array([r.number for r in results])
    order: Ints = np.lexsort((age, value, within, tier))
    return order
