"""The trust region: how it grows, shrinks and starts anew, as a fold over the log; and the box it is.

A proposal notes the region it was made in. A trial that ends in the region it was proposed for moves that region; one
that outlived its region moves nothing, and one that another hand proposed counts for the region it ends in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab.log import Event
from trimtab.search.gp._acquire import Search
from trimtab.search.gp._state import State as Fits

if TYPE_CHECKING:
    from numpy.random import Generator

    from trimtab.history import History
    from trimtab.search.gp._features import Layout
    from trimtab.search.gp._surrogate import Surrogate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
KEY = "turbo"  # in the note of a proposal
GAIN = 1e-3  # of the way from the first trials' median to the best: less is no success
STRETCH = 4.0  # no side is so many times longer or shorter than the typical one
MOVED = 20  # columns that a candidate moves, on average, at most
Key = tuple[float, float]  # violation of constraints and value: smaller is better, in this order


@dataclass(frozen=True, slots=True)
class Rules:
    """Sides of the region at first, at least and at most; wins in a row to double, losses in a row to halve."""

    startup: int
    first: float
    least: float
    most: float
    wins: int
    losses: int


@dataclass(slots=True)
class Region:
    """The fold: where the newest region stands, and the newest fits.

    number      regions before this one
    side        of the box, as a part of the space's
    won, lost   successes or failures in a row
    best        what the region's best trial has come to
    members     trials that have ended in the region
    early       values of the first of them, until there are enough to tell how far values lie apart: `spread`
    owner       the region of each trial that runs
    """

    rules: Rules
    number: int = 0
    side: float = 0.0
    won: int = 0
    lost: int = 0
    best: Key = (np.inf, np.inf)
    members: set[int] = field(default_factory=set)
    early: list[float] = field(default_factory=list)
    spread: float | None = None
    owner: dict[int, int] = field(default_factory=dict)
    fits: Fits = field(default_factory=Fits)

    def step(self, event: Event, history: History) -> Region:
        self.fits.step(event, history)
        trial = event.trial
        if trial is None:
            return self
        if event.kind == "started":
            told = event.body.get("note", {}).get(KEY)
            if told is not None:
                self.owner[trial] = int(told)
        elif event.kind == "ended" and self.owner.pop(trial, self.number) == self.number:
            y, c, _ = history.outcome(event)
            self._ended(trial, y, c, event.body["state"] == "finished")
        return self

    def _ended(self, trial: int, y: Floats, c: Floats, finished: bool) -> None:
        """A trial that was paused ends more than once: it can fail the first time only, and succeed when finished."""
        again = trial in self.members
        self.members.add(trial)
        value = float(y[0]) if len(y) and np.isfinite(y[0]) else np.inf
        violated = np.nan_to_num(np.maximum(c, 0.0), nan=np.inf)
        key = (float(violated.sum()), value)
        won = finished and value < np.inf and self._better(key)
        if finished and value < np.inf:
            self.best = min(self.best, key)
        if self.spread is None:
            self._first(value)
        elif won:
            self.won, self.lost = self.won + 1, 0
        elif not again:
            self.won, self.lost = 0, self.lost + 1
        self._resize()

    def _first(self, value: float) -> None:
        if value < np.inf:
            self.early.append(value)
        if len(self.early) >= self.rules.startup:
            self.spread = float(np.median(self.early) - min(self.early))
            self.side = self.rules.first
            self.early = []

    def _better(self, key: Key) -> bool:
        if key[0] < self.best[0]:
            return True
        return key[0] == self.best[0] and self.best[1] - key[1] > GAIN * (self.spread or 0.0)

    def _resize(self) -> None:
        rules = self.rules
        if self.won >= rules.wins:
            self.side, self.won = min(2 * self.side, rules.most), 0
        elif self.lost >= rules.losses:
            self.side, self.lost = self.side / 2, 0
            if self.side < rules.least:
                self.number, self.best, self.spread = self.number + 1, (np.inf, np.inf), None
                self.won, self.members = 0, set()

    def rows(self, history: History) -> Bools:
        """Rows of the history that are this region's."""
        return np.isin(history.numbers, np.fromiter(self.members, np.int64, len(self.members)))


class Box(Search):
    """A search for the best next configuration around `centre` (d,). Of choices no more than `side` of them change."""

    def __init__(
        self,
        history: History,
        model: Surrogate,
        rng: Generator,
        candidates: int,
        starts: int,
        centre: Floats,
        side: float,
    ) -> None:
        super().__init__(history.space, model, rng, candidates, starts)
        self.centre, layout = centre, model.layout
        self.low, self.high = sides(layout, model.objective.lengths, centre, side)
        self.flips = max(1, int(np.ceil(side * len(layout.choices))))

    def _pool(self) -> Floats:
        """The centre with some columns drawn anew from the box."""
        d, m, rng = self.space.d, self.candidates, self.rng
        drawn = self._anywhere(m)
        numbers = self.layout.numbers
        low, high = self.low[numbers], self.high[numbers]
        drawn[:, numbers] = low + drawn[:, numbers] * (high - low)
        change = rng.random((m, d)) < min(1.0, MOVED / d)
        change[np.arange(m), rng.integers(d, size=m)] = True
        choices = self.layout.choices
        places = rng.random((m, len(choices))).argsort(axis=1).argsort(axis=1)
        change[:, choices] &= places < self.flips
        return self._mended(np.where(change | np.isnan(self.centre), drawn, self.centre))

    def _mended(self, X: Floats) -> Floats:
        X = super()._mended(X)
        numbers, choices = self.layout.numbers, self.layout.choices
        with np.errstate(invalid="ignore"):
            off = np.maximum(self.low[numbers] - X[:, numbers], X[:, numbers] - self.high[numbers])
        inside = ~(off > 1e-9).any(axis=1)
        here = self.centre[choices]
        flipped = (X[:, choices] != here) & ~np.isnan(X[:, choices]) & ~np.isnan(here)
        kept: Floats = X[inside & (flipped.sum(axis=1) <= self.flips)]
        return kept


def sides(layout: Layout, lengths: Floats, centre: Floats, side: float) -> tuple[Floats, Floats]:
    """The box (d,), (d,) around the centre: longer where the model says that a column matters less."""
    d = len(centre)
    low, high = np.zeros(d), np.ones(d)
    numbers = layout.numbers
    if not len(numbers):
        return low, high
    logs = np.log(lengths[layout.starts[numbers]])
    wide = side * np.exp(np.clip(logs - logs.mean(), -np.log(STRETCH), np.log(STRETCH)))
    cells = np.array([layout.space.columns[j].n for j in numbers.tolist()], np.float64)
    wide = np.maximum(wide, np.where(cells > 0, 2.5 / np.maximum(cells, 1.0), 0.0))  # a step either way at least
    middle = np.nan_to_num(centre[numbers], nan=0.5)
    low[numbers], high[numbers] = np.clip(middle - wide / 2, 0.0, 1.0), np.clip(middle + wide / 2, 0.0, 1.0)
    return low, high
