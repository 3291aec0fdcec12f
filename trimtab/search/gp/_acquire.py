"""Where the acquisition is largest: a pool of candidates, climbs along the slope, and sweeps over what has none.

Source  The alternation of gradients for numbers with exhaustive sweeps for the rest follows Optuna's GPSampler
        (Akiba et al., KDD 2019, release 4); the rest is own work.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.parts.descent import descend
from trimtab.search.gp._features import SWEPT, Layout
from trimtab.space import Subset

if TYPE_CHECKING:
    from trimtab.space import Space

Floats = NDArray[np.float64]
PARENTS = 5  # the best trials, whose surroundings half of the pool is drawn from
STEPS = 40  # evaluations of a climb
ROUNDS = 8  # of sweep and climb at most
SWEEPERS = 3  # of the candidates that have been climbed, so many are swept
HALVINGS = 12  # to where a rule begins to be broken
PAIRS = 64  # exchanges tried in a subset or an order
GRAIN = 1e6  # configurations that agree to 1e-6 are the same


class Beliefs(Protocol):
    """What a search needs: X (n, d) has the best first, lengths (p,) say how far one goes for something to change."""

    @property
    def layout(self) -> Layout: ...
    @property
    def X(self) -> Floats: ...
    @property
    def lengths(self) -> Floats: ...
    def score(self, features: Floats) -> Floats: ...
    def slopes(self, features: Floats) -> tuple[Floats, Floats]: ...


class Seen:
    """Configurations that have been tried, or are."""

    def __init__(self, X: Floats) -> None:
        self.keys = set(_keys(X))

    def new(self, X: Floats) -> NDArray[np.bool_]:
        return np.array([key not in self.keys for key in _keys(X)], bool)

    def add(self, X: Floats) -> None:
        self.keys.update(_keys(X))


def _keys(X: Floats) -> Iterator[bytes]:
    grains = np.where(np.isnan(X), -(2**40), np.rint(np.clip(X, -2, 2**20) * GRAIN)).astype(np.int64)
    return (row.tobytes() for row in grains)


class Search:
    """One search for the best next configuration."""

    def __init__(self, space: Space, model: Beliefs, rng: Generator, candidates: int, starts: int) -> None:
        self.space, self.model, self.rng = space, model, rng
        self.candidates, self.starts = candidates, starts
        self.layout = model.layout
        self.bound = bool({"rules", "conditional"} & space.traits)  # a climb may leave what is allowed
        self.home = _home(model.X, space.d)
        self.low, self.high = np.zeros(space.d), np.ones(space.d)  # what is searched of each column of numbers

    def best(self, seen: Seen) -> tuple[Floats, float] | None:
        """The best new configuration (d,) found and its score; None when every candidate has been tried."""
        pool = self._pool()
        pool = pool[seen.new(pool)]
        if not len(pool):
            return None
        score = self._score(pool)
        if _whole(self.space, self.candidates) is None:
            tops, told = self._climb(*self._begin(pool, score))
            tops, told = self._sweep(tops, told)
            pool, score = np.concatenate([tops, pool]), np.concatenate([told, score])
        for i in np.argsort(-score, kind="stable"):
            if seen.new(pool[i : i + 1])[0]:
                return pool[i], float(score[i])
        return None

    # ── candidates ──

    def _pool(self) -> Floats:
        whole = _whole(self.space, self.candidates)
        if whole is not None:
            return whole
        far = self.space.sample(self.rng, self.candidates - self.candidates // 2)
        return np.concatenate([self._near(self.candidates // 2), self._mended(far)])

    def _near(self, m: int) -> Floats:
        """Rows around the best trials: some coordinates moved a little or a lot, some drawn anew."""
        d, rng = self.space.d, self.rng
        X = self.model.X[rng.integers(min(PARENTS, len(self.model.X)), size=m)]
        fresh = self._anywhere(m)
        reach = np.exp(rng.uniform(np.log(0.01), np.log(0.3), (m, 1)))
        moved = X + reach * rng.standard_normal((m, d))
        change = rng.random((m, d)) < rng.uniform(0.2, 0.5, (m, 1))
        change[np.arange(m), rng.integers(d, size=m)] = True
        moved[:, self.layout.choices] = fresh[:, self.layout.choices]
        anew = np.isnan(X) | (change & (rng.random((m, d)) < 0.1))
        X = np.where(anew, fresh, np.where(change, moved, X))
        return self._mended(X)

    def _anywhere(self, m: int) -> Floats:
        """A value in every column, active or not."""
        out = self.rng.random((m, self.space.d))
        for j in self.layout.choices.tolist():
            out[:, j] = np.floor(out[:, j] * self.layout.sizes[j])
        return out

    def _mended(self, X: Floats) -> Floats:
        """Rows at the places of configurations, without those that break a rule."""
        X = self._placed(X)
        return X[self.space.feasible(X)] if "rules" in self.space.traits else X

    def _placed(self, X: Floats) -> Floats:
        numbers = self.layout.numbers
        X = X.copy()
        X[:, numbers] = np.clip(X[:, numbers], 0.0, 1.0)
        return self.space.snap(X)

    def _score(self, X: Floats) -> Floats:
        return self.model.score(self.layout.features(X))

    def _begin(self, pool: Floats, score: Floats) -> tuple[Floats, Floats]:
        """The best of the pool, others by chance in proportion to their improvement, and the best trial."""
        with np.errstate(invalid="ignore"):
            chance = score + self.rng.gumbel(size=len(score))
        chance[int(np.argmax(score))] = np.inf
        rows = np.argsort(-chance, kind="stable")[: max(1, self.starts - 1)]
        home = self._mended(np.where(np.isnan(self.model.X[:1]), self.home, self.model.X[:1]))
        X = np.concatenate([pool[rows], home])
        return X, np.concatenate([score[rows], self._score(home)])

    # ── numbers: along the slope ──

    def _climb(self, X: Floats, score: Floats) -> tuple[Floats, Floats]:
        columns = self.layout.sloped
        if not len(columns):
            return X, score
        features = self.layout.features(X)
        places, still = self.layout.starts[columns], np.isnan(X[:, columns])
        shares = [np.searchsorted(columns, [s.start, s.stop]).tolist() for s in self.layout.shares]

        def down(Z: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
            moved = features[rows]
            moved[:, places] = np.where(still[rows], moved[:, places], Z)
            value, slopes = self.model.slopes(moved)
            slopes = np.where(still[rows], 0.0, slopes[:, places])
            for a, b in shares:  # shares go on summing to 1
                slopes[:, a:b] -= slopes[:, a:b].mean(axis=1, keepdims=True)
            return -value, -slopes

        low, high = self.low[columns], self.high[columns]
        Z = np.where(still, 0.5, X[:, columns])
        scale = np.clip(self.model.lengths[places], 0.02, 0.3)
        Z, _ = descend(down, Z, low, high, scale=scale, steps=STEPS, tolerance=1e-3)
        moved = X.copy()
        moved[:, columns] = np.where(still, np.nan, Z)
        moved = self._reached(X, moved)
        told = self._score(moved)
        better = told > score
        return np.where(better[:, None], moved, X), np.where(better, told, score)

    def _reached(self, X: Floats, goal: Floats) -> Floats:
        """From each row of X as far towards its goal as rules and conditions let it.

        What is inactive stands at home: if it becomes active on the way, that shows.
        """
        if self.bound:
            goal = np.where(np.isnan(goal), self.home, goal)
        there = self._placed(goal)
        if not self.bound:
            return there
        left = np.flatnonzero(~self._allowed(X, there))
        if not len(left):
            return there
        there[left] = X[left]
        start = np.where(np.isnan(X[left]), self.home, X[left])
        low, high = np.zeros((len(left), 1)), np.ones((len(left), 1))
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            tried = self._placed(start + middle * (goal[left] - start))
            good = self._allowed(X[left], tried)
            there[left[good]] = tried[good]
            low, high = np.where(good[:, None], middle, low), np.where(good[:, None], high, middle)
        return there

    def _allowed(self, X: Floats, moved: Floats) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = (np.isnan(X) == np.isnan(moved)).all(axis=1)
        return same & self.space.feasible(moved)

    # ── the rest: value by value ──

    def _sweep(self, X: Floats, score: Floats) -> tuple[Floats, Floats]:
        """All other values of one parameter at a time, then up the slope again, until that changes nothing."""
        order = np.argsort(-score, kind="stable")
        X, score = X[order], score[order]
        for i in range(min(SWEEPERS, len(X))):
            for _ in range(ROUNDS):
                others = self._mended(self._others(X[i]))
                if not len(others):
                    break
                told = self._score(others)
                k = int(np.argmax(told))
                if not told[k] > score[i] + 1e-9:
                    break
                X[i], score[i] = others[k], told[k]
                X[i : i + 1], score[i : i + 1] = self._climb(X[i : i + 1], score[i : i + 1])
        return X, score

    def _others(self, x: Floats) -> Floats:
        """Rows that differ from x (d,) in one parameter that has no slope. What becomes active stands at home."""
        base = np.where(np.isnan(x), self.home, x)
        rows: list[Floats] = []

        def put(columns: list[int], values: list[float]) -> None:
            row = base.copy()
            row[columns] = values
            rows.append(row)

        for j, (k, n) in enumerate(zip(self.layout.sizes, self.layout.cells, strict=True)):
            if np.isnan(x[j]) or not (k or n):
                continue
            here = int(x[j]) if k else int(x[j] * n)
            near = range(k or n) if (k or n) <= SWEPT or k else [here + s for s in (-2, -1, 1, 2)]
            for v in near:
                if v != here and 0 <= v < (k or n):
                    put([j], [float(v) if k else (v + 0.5) / n])
        for s in self.layout.orders:
            if not np.isnan(x[s.start]):
                for i, j in self._pairs(s):
                    put([i, j], [base[j], base[i]])
        for s in _subsets(self.space):
            if not np.isnan(x[s.start]):
                for i, j in self._pairs(s, every=True):
                    if base[i] != base[j]:
                        put([i, j], [base[j], base[i]])
        for s in self.layout.shares:
            if not np.isnan(x[s.start]):
                for reach in (0.3, 0.1, 0.03, 0.01) * 2:
                    put(list(range(s.start, s.stop)), base[s] + reach * self.rng.standard_normal(s.stop - s.start))
        return np.array(rows).reshape(len(rows), len(x))

    def _pairs(self, s: slice, every: bool = False) -> list[tuple[int, int]]:
        """Neighbours, and others by chance; or all, where they are few enough."""
        columns = range(s.start, s.stop)
        all_ = [(i, j) for i in columns for j in columns if i < j]
        if len(all_) <= PAIRS:
            return all_
        drawn = self.rng.choice(len(all_), PAIRS, replace=False).tolist()
        return [*([] if every else pairwise(columns)), *(all_[i] for i in drawn)]


def _home(X: Floats, d: int) -> Floats:
    """For each column the value of the best trial in which it was active; X is best first."""
    home = np.full(d, 0.5)
    for j in range(d):
        there = np.flatnonzero(~np.isnan(X[:, j]))
        if len(there):
            home[j] = X[there[0], j]
    found: Floats = np.nan_to_num(home)
    return found


@lru_cache(maxsize=16)
def _whole(space: Space, most: int) -> Floats | None:
    """Every configuration (n, d) of a space that has at most so many."""
    if space.size > most:
        return None
    X: Floats = space.encode(list(space.grid(most)))
    X.flags.writeable = False
    return X


def _subsets(space: Space) -> list[slice]:
    return [s for name, s in space.slices.items() if isinstance(space.domains[name], Subset)]
