"""The population as a fold of the log: each trial that ends comes in, and the worst one has to go.

So there are no generations to wait for. A trial that another method or the user has proposed is a member like any
other, and results may come in any order: the population is a function of the order in which trials ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab.log import Event
from trimtab.parts.order import violation
from trimtab.search.nsga._sorting import ranks

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DONE, CUT, BROKEN = (
    0.0,
    1.0,
    2.0,
)  # tiers: finished; stopped or paused, deepest first; infeasible, least violation first


@dataclass(slots=True)
class Population:
    """At most room(n) of the n trials that ended with a value.

    crowded  (rank, Y, front or None) -> how crowded the members are, those of that front at least
    numbers  of its members, in the order of their coming
    Y, C     their objectives (p, m) and constraints (p, k)
    tier, depth   which tier each is in, and minus the level for those that were cut
    rank     fronts, up to date
    ended    all trials that ended with a value
    fresh    trials whose configurations are not in `seen` yet
    seen     hashes of the encoded configurations of all trials, see known()
    """

    room: Callable[[int], int]
    crowded: Callable[[Ints, Floats, int | None], Floats]
    numbers: list[int]
    Y: Floats
    C: Floats
    tier: Floats
    depth: Floats
    rank: Ints
    ended: set[int] = field(default_factory=set)
    fresh: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, m: int, k: int, room: Callable[[int], int], crowded: Callable[..., Floats]) -> Population:
        none = np.empty(0)
        return cls(room, crowded, [], np.empty((0, m)), np.empty((0, k)), none, none, np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.numbers)

    def step(self, event: Event, history: History) -> Population:
        number = event.trial
        if number is None:
            return self
        if event.kind == "started":
            self.fresh.append(number)
        elif event.kind == "ended":
            self._end(number, event, history)
        return self

    def _end(self, number: int, event: Event, history: History) -> None:
        y, c, feasible = history.outcome(event)
        if number in self.numbers:  # it went on, and ends anew
            self._keep(np.array([other != number for other in self.numbers]))
            self.rank = ranks(self.tier, self._within(), self.Y)
        if any(map(isnan, y.tolist())):
            self.ended.discard(number)
            return
        self.ended.add(number)
        cut = event.body["state"] != "finished"
        depth = -float(event.body.get("step") or 0.0) if cut and feasible else 0.0
        self._insert(number, y, c, CUT if cut and feasible else DONE if feasible else BROKEN, depth)

    def _insert(self, number: int, y: Floats, c: Floats, tier: float, depth: float) -> None:
        room, full = self.room(len(self.ended)), len(self.numbers)
        if full >= room and tier < BROKEN and self._hopeless(y, tier, depth):
            return
        self.numbers.append(number)
        self.Y, self.C = np.concatenate([self.Y, y[None]]), np.concatenate([self.C, c[None]])
        self.tier, self.depth = np.append(self.tier, tier), np.append(self.depth, depth)
        self.rank = ranks(self.tier, self._within(), self.Y)
        if full >= room:
            self._drop_one()

    def _drop_one(self) -> None:
        """The most crowded member of the last front goes; of two that are the same the younger."""
        front = int(self.rank.max())
        last = np.flatnonzero(self.rank == front)
        gone = last[0]
        if len(last) > 1:
            crowded = self.crowded(self.rank, self.Y, front)[last]
            gone = last[np.flatnonzero(crowded == crowded.max())[-1]]
        self._keep(np.arange(len(self.numbers)) != gone)

    def _hopeless(self, y: Floats, tier: float, depth: float) -> bool:
        """Whether somebody of the last front is better: then the newcomer would be the one to go."""
        last = self.rank == self.rank.max()
        t, w = self.tier[last], self.depth[last]
        if ((t < tier) | ((t == tier) & (w < depth))).any():
            return True
        Y = self.Y[last & (self.tier == tier) & (self.depth == depth)]
        return bool(((y >= Y).all(axis=1) & (y > Y).any(axis=1)).any())

    def _within(self) -> Floats:
        """What orders the members of a tier before their objectives do."""
        if not (self.tier == BROKEN).any():
            return self.depth
        return np.where(self.tier == BROKEN, violation(self.C), self.depth)

    def _keep(self, keep: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(keep)
        self.numbers = [self.numbers[i] for i in rows.tolist()]
        self.Y, self.C, self.tier, self.depth = self.Y[rows], self.C[rows], self.tier[rows], self.depth[rows]
        self.rank = self.rank[rows]

    def known(self, history: History) -> set[int]:
        """Hashes of the configurations of all trials so far."""
        if self.fresh:
            self.seen.update(hashes(history.X_all[self.fresh]))
            self.fresh = []
        return self.seen


def hashes(X: Floats) -> list[int]:
    """A number for each row (n, d), the same for the same configuration."""
    plain = np.where(np.isnan(X), -1.0, X) + 0.0
    return [hash(row.tobytes()) for row in plain]
