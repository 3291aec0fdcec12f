"""Every combination of a few values of each parameter.

Idea    The grid in a shuffled order, so that an interrupted one is a uniform sample of it. Only active parameters
        are combined: a conditional space has as many points as its branches have together. What is next is the first
        point nobody has started yet, so points given by hand don't cost the grid any of its own.
Source  Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, 2012, on when not to use it.
Takes   Everything whose grid has at most a million points. Cost: O(1) a proposal after the grid is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trimtab._random import rng_for
from trimtab.errors import SpaceError
from trimtab.log import Event
from trimtab.protocol import TRAITS, Ask, Proposal

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Column, Space

MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination, in a shuffled order; ends when all have been tried.

    points   values of each number, or {name: values} (3 for the rest); labels are all taken
    place    where they stand: in the middle of equal parts of the range, or from end to end
    """

    points: int | Mapping[str, int] = 5
    place: Literal["middle", "ends"] = "middle"

    name: ClassVar[str] = "grid"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        counts = self.points.values() if isinstance(self.points, Mapping) else [self.points]
        if any(k < 1 for k in counts):
            raise ValueError(f"Grid(points={self.points!r}): every number of points must be at least 1.")
        if self.place not in ("middle", "ends"):
            raise ValueError(f'Grid(place={self.place!r}): place is "middle" or "ends".')

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        grid = _points(history.space, _key(self.points), self.place, ask.seed, ask.scope)
        state = history.fold(("grid", self.name, _key(self.points), self.place), _Seen, _Seen.step)
        todo = state.next(grid, ask.n)
        return [Proposal(c, why={"text": f"point {i + 1} of a grid of {len(grid)}"}) for i, c, _ in todo]


@dataclass(slots=True)
class _Seen:
    """Which configurations have been started; up to `cursor` all of the grid has."""

    keys: set[str] = field(default_factory=set)
    cursor: int = 0

    def step(self, event: Event, history: History) -> _Seen:
        if event.kind == "started" and event.body.get("config") is not None:
            self.keys.add(history.space.key(event.body["config"]))
        return self

    def next(self, grid: Sequence[tuple[int, Any, str]], n: int) -> list[tuple[int, Any, str]]:
        while self.cursor < len(grid) and grid[self.cursor][2] in self.keys:
            self.cursor += 1
        return list(islice((p for p in islice(grid, self.cursor, None) if p[2] not in self.keys), n))


def _key(points: int | Mapping[str, int]) -> int | tuple[tuple[str, int], ...]:
    return tuple(sorted(points.items())) if isinstance(points, Mapping) else points


@lru_cache(maxsize=4)
def _points(
    space: Space, points: int | tuple[tuple[str, int], ...], place: str, seed: int, scope: str
) -> Sequence[tuple[int, Any, str]]:
    """(place in the order, configuration, key) of each distinct point, shuffled by the study's seed."""
    counts = dict(points) if isinstance(points, tuple) else points
    found: dict[str, Any] = {}
    if not space.traits and prod(_values(c, counts) for c in space.columns) > MOST:
        raise _too_large()  # known without making them
    for i, config in enumerate(space.grid(counts, ends=place == "ends")):
        if i == MOST:
            raise _too_large()
        found.setdefault(space.key(config), config)
    keys = list(found)
    order = rng_for(seed, scope, "grid").permutation(len(keys))
    return [(i, found[keys[k]], keys[k]) for i, k in enumerate(order.tolist())]


def _values(column: Column, counts: int | Mapping[str, int]) -> int:
    if column.kind == "choice":
        return column.n
    k = counts if isinstance(counts, int) else counts.get(column.name, 3)
    return min(k, column.n or k)


def _too_large() -> SpaceError:
    mend = 'Take fewer values, e.g. Grid(points=2), or draw at random: searcher="random".'
    return SpaceError(f"This grid has more than {MOST:,} points. {mend}")
