"""Hierarchical bandit: change one parameter at a time, online, where every result is noisy and may drift.

Idea    Two rounds of upper confidence bounds: which parameter to change, then its value; numbers are cut into a few
        cells. A result counts for the parameter that was changed and for every value that was set, older ones less and
        less. So each trial is close to the best that is known, which is what a system that serves users can afford.
Source  Auer, Cesa-Bianchi & Fischer, Finite-time Analysis of the Multiarmed Bandit Problem, Machine Learning 47, 2002;
        discounts: Garivier & Moulines, On Upper-Confidence Bound Policies for Switching Bandit Problems, ALT 2011; the
        hierarchy: Fu et al., AutoRAG-HP: Automatic Online Hyper-Parameter Tuning for Retrieval-Augmented Generation,
        arXiv 2406.19251, 2024.
Takes   One objective; everything but lists and shares. Running trials count as pulls without a result; failed and
        infeasible ones as the worst result; those cut short at their value, or the median of the others where that is
        worse. A trial that was given counts for its values.
Cost    O(d · n) an ask, n the trials that still count: about 700 at a discount of .99.
Leaves  the source in this: the parameters that stay have the values of the best mean, not those they were last set to;
        bounds are in units of the deviation of results under one value, and results are cut off where they are far
        from the others. Where the study avoids duplicates, a pull that has been made moves within its cell, else to the
        next best value. The first trial is the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, log
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.history import State as Ended
from trimtab.log import JSON, Event
from trimtab.parts.order import violation
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
KEY = "hier-ucb"  # in the note of a proposal: the parameter that it changes
FORGOTTEN = 1e-3  # a result that counts for less is left out
FENCE = 3.0  # results further from the quartiles than so many times their distance count as being there (Tukey)
CALM = 0.02  # of the range of results: the least deviation, lest bounds vanish where nothing is noisy
DRAWS = 64  # within a cell, or anywhere, until a configuration is new


@dataclass(frozen=True, slots=True)
class HierUCB:
    """Changes one parameter at a time by upper confidence bounds; for noisy objectives and duplicates="allow".

    alpha     how much is explored: bounds are alpha · deviation · √(8 ln t / n) above the means
    discount  what a result still counts for a trial later; 1: nothing is forgotten
    cells     into so many a number is cut; whole numbers of no more values keep them all
    """

    alpha: float = 0.5
    discount: float = 0.99
    cells: int = 8

    name: ClassVar[str] = "hier-ucb"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS - {"objectives", "subset", "permutation", "simplex"}
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < float("inf"):
            raise ValueError(f"HierUCB(alpha={self.alpha}): alpha must be at least 0, and finite.")
        if not 0 < self.discount <= 1:
            raise ValueError(f"HierUCB(discount={self.discount}): discount must be above 0 and at most 1.")
        if self.cells < 2:
            raise ValueError(f"HierUCB(cells={self.cells}): cells must be at least 2.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if not history.space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        pulls: Pulls = history.fold(("hier-ucb", ask.scope), lambda: Pulls(ask.scope), Pulls.step)
        table = Table.of(history, pulls, self, ask)
        numbers = range(ask.number, ask.number + ask.n)
        return [table.pull(number, ask.rng("hier-ucb", number)) for number in numbers]

    def recommend(self, history: History) -> dict[str, Any]:
        """The values with the best means, all together: what to go on with. It need not have been a trial."""
        pulls: Pulls = history.fold(("hier-ucb", ""), lambda: Pulls(""), Pulls.step)
        best = Table.of(history, pulls, self, Ask(0)).best(history.X[_recent(history, self.discount)])
        config: dict[str, Any] = history.space.decode(best[None])[0]
        return config


@dataclass(slots=True)
class Pulls:
    """The fold: the parameter that each trial changed, as its place in names (-1: none), and what has been tried."""

    scope: str
    names: dict[str, int] = field(default_factory=dict)
    changed: list[int] = field(default_factory=list)
    tried: set[int] = field(default_factory=set)

    def step(self, event: Event, history: History) -> Pulls:
        if event.kind == "started" and event.trial is not None:
            self.changed += [-1] * (event.trial + 1 - len(self.changed))
            told = (event.body.get("note") or {}).get(KEY)
            if told is not None and told.get("in", "") == self.scope:
                self.changed[event.trial] = self.names.setdefault(told["changes"], len(self.names))
        elif event.kind == "ended" and event.trial is not None:
            self.tried.add(hash(history.X_all[event.trial].tobytes()))
        return self


@dataclass(slots=True)
class Arms:
    """The arms of one choice. n, total, square: discounted counts, sums of results and of their squares; waiting: how
    many running trials pull each."""

    n: Floats
    total: Floats
    square: Floats
    waiting: Floats

    @classmethod
    def of(cls, k: int, codes: Ints, weight: Floats, reward: Floats) -> Arms:
        """codes (n,): which of the k arms each trial pulled, -1: none. reward: nan where it still runs."""
        ended = (codes >= 0) & ~np.isnan(reward)
        at, w, r = codes[ended], weight[ended], reward[ended]
        n, total, square = (np.bincount(at, v, k).astype(np.float64) for v in (w, w * r, w * r * r))
        return cls(
            n, total, square, np.bincount(codes[(codes >= 0) & np.isnan(reward)], minlength=k).astype(np.float64)
        )

    @property
    def mean(self) -> Floats:
        """(k,) nan: never pulled."""
        known = self.n > FORGOTTEN
        return np.where(known, self.total / np.where(known, self.n, 1.0), np.nan)

    def bounds(self, alpha: float) -> Floats:
        """(k,) upper ones; inf: never pulled."""
        n, mean = self.n + self.waiting, self.mean
        known = ~np.isnan(mean)
        free = self.n.sum() - known.sum()
        within = (self.square - self.n * np.where(known, mean, 0.0) ** 2)[known].sum()
        # Results lie in [0, 1], where the deviation is at most 1/2: that is the bound of UCB1 itself.
        deviation = float(np.clip(np.sqrt(max(within, 0.0) / free), CALM, 0.5)) if free > 1 else 0.5
        reach = alpha * 2 * deviation * np.sqrt(2 * log(max(float(n.sum()), 1.0)) / np.maximum(n, FORGOTTEN))
        return np.where(known, mean + reach, np.where(self.waiting > 0, 0.5 + reach, np.inf))


@dataclass(slots=True)
class Table:
    """All that one ask needs. values: for each column where its arms are; low, high: its arms, and those of the choice
    between columns; columns: of the parameters that can be changed; busy: what is running."""

    space: Space
    alpha: float
    scope: str
    values: list[Floats]
    low: list[Arms]
    high: Arms
    columns: Ints
    start: Floats
    fixed: Floats
    tried: set[int] | None  # None: duplicates are allowed
    busy: set[int]
    first: bool

    @classmethod
    def of(cls, history: History, pulls: Pulls, settings: HierUCB, ask: Ask) -> Table:
        space, recent = history.space, _recent(history, settings.discount)
        X, running = history.X[recent], history.state[recent] == Ended.RUNNING
        numbers = history.numbers[recent]
        weight = settings.discount ** (numbers.max(initial=0) - numbers).astype(np.float64)
        reward = np.where(running, np.nan, rewards(history, recent))
        start, given = _start(space)
        values = [_values(space, j, settings.cells, given[j]) for j in range(space.d)]
        low = [Arms.of(len(v), _codes(v, X[:, j]), weight, reward) for j, v in enumerate(values)]
        names = [c.name for c in space.columns]
        place = {name: j for j, name in enumerate(names)}
        fixed = np.where([name in ask.fixed for name in names], space.encode([ask.fixed])[0], np.nan)
        columns = np.array([place.get(name, -1) for name in pulls.names] + [-1], np.int64)
        changed = np.array([pulls.changed[number] for number in numbers.tolist()], np.int64)
        again = history.definitions[-1].get("duplicates", "avoid") == "allow"
        busy = {hash(x.tobytes()) for x in history.X[history.state == Ended.RUNNING]}
        return cls(
            space, settings.alpha, ask.scope, values, low, Arms.of(space.d, columns[changed], weight, reward),
            np.array([j for j, v in enumerate(values) if len(v) > 1 and names[j] not in ask.fixed], int),
            start, fixed, None if again else pulls.tried, busy, not len(history),
        )  # fmt: skip

    def base(self) -> Floats:
        """(d,) the values of the best means, whatever is inactive."""
        x = self.start.copy()
        for j, arms in enumerate(self.low):
            mean = arms.mean
            if not np.isnan(mean).all():
                x[j] = self.values[j][int(np.nanargmax(mean))]
        return np.where(np.isnan(self.fixed), x, self.fixed)

    def best(self, known: Floats) -> Floats:
        """(d,) the same, or where a rule forbids it, what is best of its changes of one value and the trials known."""
        base = self.base()
        if self.space.feasible(self.space.snap(base[None]))[0]:
            return base
        near = [self._moved(base, j, i) for j in self.columns.tolist() for i in range(len(self.values[j]))]
        X = self.space.snap(np.array([*near, *known]))
        X = X[self.space.feasible(X)]
        if not len(X):
            return base
        means = np.array(
            [np.nan_to_num(a.mean[_codes(v, z)]) for v, a, z in zip(self.values, self.low, X.T, strict=True)]
        )
        found: Floats = X[int(np.argmax(np.where(np.isnan(X.T), 0.0, means).sum(axis=0)))]
        return found

    def pull(self, number: int, rng: Generator) -> Proposal:
        """The next trial, which is counted as running from now on."""
        if self.first:
            self.first = False
            x = self._allowed(self.base()[None])
            if x is not None:
                return self._told(x, None, "the defaults")
        base = self.base()
        active = ~np.isnan(self.space.activate(base[None])[0])
        columns = self.columns[active[self.columns]]
        for j in columns[_downwards(self.high.bounds(self.alpha)[columns], rng)].tolist():
            for i in _downwards(self.low[j].bounds(self.alpha), rng).tolist():
                x = self._allowed(self._moved(base, j, i)[None])
                if x is None and self.tried is not None:
                    x = self._within(base, j, i, rng)
                if x is not None:
                    label = self.space.columns[j].name
                    return self._told(x, j, f"changes {label}; the others have their best values so far")
        return self._elsewhere(rng)

    def _moved(self, base: Floats, j: int, i: int) -> Floats:
        x = base.copy()
        x[j] = self.values[j][i]
        return x

    def _within(self, base: Floats, j: int, i: int, rng: Generator) -> Floats | None:
        """A new value of the same cell, where it has more than one."""
        values = self.values[j]
        if self.space.columns[j].kind == "choice":
            return None
        edges = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])
        X = np.tile(base, (DRAWS, 1))
        X[:, j] = edges[i] + (edges[i + 1] - edges[i]) * rng.random(DRAWS)
        return self._allowed(X)

    def _elsewhere(self, rng: Generator) -> Proposal:
        """Where no change of one value is new and allowed: of random draws the one whose values are best together."""
        X = self.space.sample(rng, DRAWS)
        score = np.zeros(len(X))
        for j, arms in enumerate(self.low):
            codes, bounds = _codes(self.values[j], X[:, j]), np.minimum(arms.bounds(self.alpha), 1.0)
            score += np.where(codes >= 0, bounds[codes], 0.5)
        X = X[np.argsort(-score, kind="stable")]
        x = self._allowed(X)
        return self._told(X[0] if x is None else x, None, "the best of random draws: no change of one value is new")

    def _allowed(self, X: Floats) -> Floats | None:
        """The first row (d,) that breaks no rule and, where that matters, is new."""
        X = self.space.snap(X)
        for i in np.flatnonzero(self.space.feasible(X)).tolist():
            if self.tried is None or ((key := hash(X[i].tobytes())) not in self.tried and key not in self.busy):
                found: Floats = X[i]
                return found
        return None

    def _told(self, x: Floats, j: int | None, text: str) -> Proposal:
        for values, arms, z in zip(self.values, self.low, x, strict=True):
            if not np.isnan(z):
                arms.waiting[_codes(values, np.array([z]))[0]] += 1
        note: dict[str, JSON] = {}
        if j is not None:
            self.high.waiting[j] += 1
            note = {KEY: {"changes": self.space.columns[j].name} | ({"in": self.scope} if self.scope else {})}
        self.busy.add(hash(x.tobytes()))
        return Proposal(self.space.decode(x[None])[0], note=note, why={"text": text})


def rewards(history: History, rows: slice) -> Floats:
    """(n,) from 0, the worst, to 1, the best that is not far from the others."""
    y, state = history.Y[rows, 0] * 2.0**-4, history.state[rows]  # so that no difference overflows
    good = np.isfinite(y) & ~(violation(history.C[rows]) > 0)
    if not good.any():
        return np.zeros(len(y))
    q1, q3 = np.quantile(y[good], [0.25, 0.75])
    low, high = y[good].min(), y[good].max()
    if q3 > q1:
        low, high = max(low, q1 - FENCE * (q3 - q1)), min(high, q3 + FENCE * (q3 - q1))
    r = np.clip((high - np.where(good, y, high)) / (high - low), 0.0, 1.0) if high > low else np.full(len(y), 0.5)
    whole = good & (state == Ended.FINISHED)
    cut = good & ~whole
    if whole.any() and cut.any():
        r = np.where(cut, np.minimum(r, np.median(r[whole])), r)
    return np.where(good, r, 0.0)


def _recent(history: History, discount: float) -> slice:
    """The rows whose results still count."""
    newest = len(history)
    return slice(max(0, newest - ceil(log(FORGOTTEN) / log(discount))) if discount < 1 else 0, newest)


def _values(space: Space, j: int, cells: int, default: float) -> Floats:
    """Where the arms of column j are: (k,) rising. In the cell of the default, if there is one (else nan), there."""
    column, edges = space.columns[j], space.column_cells(j)
    if column.kind == "choice":
        return np.arange(column.n, dtype=np.float64)
    if edges is not None and len(edges) - 1 <= cells:
        middles: Floats = (edges[1:] + edges[:-1]) / 2
        return middles
    z = (np.arange(cells) + 0.5) / cells
    if edges is not None:
        at = np.unique(np.clip(np.searchsorted(edges, z, side="right") - 1, 0, len(edges) - 2))
        z = (edges[at] + edges[at + 1]) / 2
    if not np.isnan(default):
        z[int(np.argmin(np.abs(z - default)))] = default
    return z


def _codes(values: Floats, z: Floats) -> Ints:
    """(n,) the arm each z is nearest to; -1: inactive, or an unknown label."""
    codes: Ints = np.searchsorted((values[1:] + values[:-1]) / 2, z, side="right")
    return np.where(np.isnan(z), -1, codes)


def _downwards(score: Floats, rng: Generator) -> Ints:
    """Places from the largest to the smallest; equals in an order of chance."""
    order: Ints = np.lexsort((rng.random(len(score)), -score))
    return order


def _start(space: Space) -> tuple[Floats, Floats]:
    """(d,) the defaults, the middle of what has none; and (d,) the defaults alone, nan where there is none."""
    middle = space.from_unit(np.full((1, space.d), 0.5))[0]
    plain = np.array([c.n // 2 if c.kind == "choice" else 0.5 for c in space.columns])
    given: Mapping[str, Any] = {
        name: domain.default for name, domain in space.domains.items() if getattr(domain, "default", None) is not None
    }
    told = space.encode([given])[0]
    return np.where(np.isnan(told), np.where(np.isnan(middle), plain, middle), told), told
