"""Candidates: all of a small space; else draws from the whole of it, and changes of what is best so far."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trimtab.space import Space

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
GRAIN = 1e6  # configurations that agree to 1e-6 are the same
NEAREST, FARTHEST = 0.005, 0.3  # how far a number is moved, as a part of its range


@dataclass(frozen=True)
class Pool:
    """Rows (m, d) of a space, each the place of an allowed configuration."""

    space: Space
    rng: Generator

    @property
    def choices(self) -> list[int]:
        return [j for j, c in enumerate(self.space.columns) if c.kind == "choice"]

    def first(self, parents: Floats, m: int) -> Floats:
        """All configurations where there are at most m; else m: half of them near the parents (best first)."""
        whole = whole_of(self.space, m)
        if whole is not None:
            return whole
        near = self.near(parents, m // 2) if len(parents) else parents[:0]
        return np.concatenate([near, self.mended(self.space.sample(self.rng, m - len(near)))])

    def near(self, parents: Floats, m: int) -> Floats:
        """Changes of parents drawn by chance: several values at once, moved a little or a lot, or drawn anew."""
        rng, d = self.rng, self.space.d
        X = parents[rng.integers(len(parents), size=m)]
        change = rng.random((m, d)) < rng.uniform(0.1, 0.5, (m, 1))
        change[np.arange(m), rng.integers(d, size=m)] = True
        reach = np.exp(rng.uniform(np.log(NEAREST), np.log(FARTHEST), (m, 1)))
        return self._changed(X, change, reach, anew=0.1)

    def beside(self, parents: Floats, each: int) -> Floats:
        """So many changes of each parent, in one value."""
        rng, d = self.rng, self.space.d
        X = np.repeat(parents, each, axis=0)
        there = np.where(np.isnan(X), 0.0, rng.random(X.shape))  # what is inactive can't be changed
        change = np.arange(d) == np.argmax(there, axis=1)[:, None]
        reach = np.exp(rng.uniform(np.log(NEAREST), np.log(FARTHEST), (len(X), 1)))
        return self._changed(X, change, reach, anew=0.0)

    def _changed(self, X: Floats, change: Bools, reach: Floats, anew: float) -> Floats:
        """What becomes active is drawn, unless the parent had it."""
        rng = self.rng
        fresh = rng.random(X.shape)
        moved = X + reach * rng.standard_normal(X.shape)
        for j in self.choices:
            n = self.space.columns[j].n
            fresh[:, j] = np.floor(fresh[:, j] * n)
            moved[:, j] = (X[:, j] + 1 + np.floor(rng.random(len(X)) * max(n - 1, 1))) % n  # another label
        if anew:
            moved = np.where(rng.random(X.shape) < anew, fresh, moved)
        return self.mended(np.where(np.isnan(X), fresh, np.where(change, moved, X)))

    def mended(self, X: Floats) -> Floats:
        """Rows at the places of configurations, without those that break a rule."""
        numbers = [j for j, c in enumerate(self.space.columns) if c.kind != "choice"]
        X = X.copy()
        X[:, numbers] = np.clip(X[:, numbers], 0.0, 1.0)
        X = self.space.snap(X)
        return X[self.space.feasible(X)] if "rules" in self.space.traits else X


class Seen:
    """Configurations that have been tried, or are."""

    def __init__(self, X: Floats) -> None:
        self.marks = marks(X)

    def new(self, X: Floats) -> Bools:
        return ~np.isin(marks(X), self.marks)

    def add(self, X: Floats) -> None:
        self.marks = np.concatenate([self.marks, marks(X)])


def marks(X: Floats) -> NDArray[np.uint64]:
    """(n,): a number for each row that those of the same configuration share."""
    grains = np.where(np.isnan(X), -(2**40), np.rint(np.clip(X, -2, 2**20) * GRAIN)).astype(np.int64).astype(np.uint64)
    out = np.zeros(len(X), np.uint64)
    for column in grains.T:  # wraps around, as hashes do
        out = (out ^ column) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(29)
    return out


@lru_cache(maxsize=16)
def whole_of(space: Space, most: int) -> Floats | None:
    """Every configuration (n, d) of a space that has at most so many."""
    if space.size > most:
        return None
    X: Floats = space.encode(list(space.grid(most)))
    X.flags.writeable = False
    return X
