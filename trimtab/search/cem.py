"""Cross-entropy method: draw from simple distributions, fit them to the best draws, and repeat.

Idea    Numbers come from normal distributions cut off at their bounds, labels from a table of chances, all
        independent, or numbers correlated. The next distributions are fitted to the best fifth of a generation, or to
        all of it by weights, and smoothed with the old: the M-step of EM, whose E-step is that choice or those weights.
Source  Rubinstein & Kroese, The Cross-Entropy Method, Springer 2004; smoothing and decaying noise: Botev et al.,
        Handbook of Statistics 31, 2013, chapter 3; for hyperparameters: Li & Li, Cross-Entropy Optimization for
        Hyperparameter Optimization …, arXiv 2409.09240, 2024.
Takes   Everything but several objectives. Results are used as they come in, late ones in the next generation; stopped
        and paused trials rank after finished ones, by how far they got, then infeasible ones, by how much they violate,
        then failed ones. Inactive parameters are fitted to the elites that have them.
Cost    O(d) a proposal, O(population · d) a generation; correlated O(d²) and O(population · d² + d³).
Leaves  the sources in this: whole numbers keep a spread of a part of their cell, so that they can leave it; once all
        spreads have collapsed it begins anew around the best trial; a draw that has been tried counts with its known
        result, and another is drawn in its place. Correlated numbers are a Gaussian copula of the ones cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab._random import rng_for
from trimtab.parts.normal import cdf, quantile
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search._generation import DONE, Birth, Result, Row, State, best_first, children
from trimtab.search._layout import Layout
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Space

Floats = NDArray[np.float64]
KEY = "cem"  # in the note of a proposal
WIDE, AGAIN = 0.5, 0.2  # spread at the beginning, and around the best trial when it begins anew
NARROW = 1e-3  # spread of every continuous parameter at which it does
CELL = 0.3  # of a cell's width: the least spread of a whole number (a guess: one draw in ten leaves the cell's middle)
FEWEST = 3  # elites from which a spread can be told
LEAST = 1e-6  # eigenvalue of a matrix of correlations
FULL = 10  # trials of a generation a number, from which correlations can


@dataclass(frozen=True, slots=True)
class CEM:
    """Draws from distributions that are fitted, again and again, to the best draws.

    population  trials of a generation; None: five a parameter (ten where shape is "full"), at least 20
    elite       the best share of them, to which the next distributions are fitted
    smoothing   the weight of the new fit, against the distribution before
    noise       added to each spread, divided by the number of the generation
    floor       chance of a label, as a part of an even one, that is never lost
    shape       "axes": numbers are drawn each for itself; "full": correlated, if a generation has ten trials a number
    soft        every finished trial counts, by exp(-gap / (soft · the median gap)), where gap is how much worse it is
                than the best of its generation; None: the elite counts, and no other
    """

    population: int | None = None
    elite: float = 0.2
    smoothing: float = 0.7
    noise: float = 0.001
    floor: float = 0.05
    shape: Literal["axes", "full"] = "axes"
    soft: float | None = None

    name: ClassVar[str] = "cem"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS - {"objectives"}
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.population is not None and self.population < 2:
            raise ValueError(f"CEM(population={self.population}): a generation needs at least 2 trials.")
        for name in ("elite", "smoothing"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"CEM({name}={getattr(self, name)}): {name} must be above 0 and at most 1.")
        if not 0 <= self.noise <= 1:
            raise ValueError(f"CEM(noise={self.noise}): noise is a part of a parameter's range, from 0 to 1.")
        if not 0 <= self.floor < 1:
            raise ValueError(f"CEM(floor={self.floor}): floor must be at least 0 and below 1.")
        if self.shape not in ("axes", "full"):
            raise ValueError(f'CEM(shape={self.shape!r}): shape is "axes" or "full".')
        if self.soft is not None and not 0 < self.soft < float("inf"):
            raise ValueError(f"CEM(soft={self.soft}): soft must be above 0, and finite.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if not history.space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        with one_thread():
            state: State[Cloud] = history.fold(
                (KEY, self, ask.scope), lambda: self._fresh(history.space, ask.scope), State.step
            )
            return children(history, ask, state)

    def _fresh(self, space: Space, scope: str) -> State[Cloud]:
        layout = Layout.of(space)
        return State(KEY, scope, partial(Cloud.start, self, layout), layout)


@dataclass(frozen=True, slots=True)
class Cloud:
    """The distributions. mean, spread (d_numeric,): normal ones, cut off at 0 and 1; q (k, K): chances of labels.

    joint     correlations of the normal ones (d_numeric, d_numeric); None: they are independent
    age       generations since it last began
    summit    the best result, and where it lay (d_numeric,), (k,)
    """

    settings: CEM
    layout: Layout
    mean: Floats
    spread: Floats
    q: Floats
    joint: Floats | None = None
    age: int = 0
    restarts: int = 0
    summit: tuple[Result, Floats, Floats] | None = None

    @classmethod
    def start(cls, settings: CEM, layout: Layout, strangers: Sequence[tuple[Result, Floats]]) -> Cloud:
        """From the prior; earlier trials of others, a generation of them at least, count as one."""
        cloud = cls(settings, layout, layout.middle[layout.numeric], np.full(len(layout.numeric), WIDE), layout.prior)
        cloud = replace(cloud, joint=cloud._independent())
        good = [(result, x) for result, x in strangers if result.good]
        if len(good) < cloud.population:
            return cloud
        order = best_first([result for result, _ in good])
        rows = [_row_of(layout, *good[i]) for i in order.tolist()]
        return cloud._fitted(rows)

    @property
    def population(self) -> int:
        each = FULL if self.settings.shape == "full" else 5
        return self.settings.population or max(20, each * (len(self.layout.numeric) + len(self.layout.choices)))

    @property
    def text(self) -> str:
        where = f" after {self.restarts} restart{'s' * (self.restarts > 1)}" if self.restarts else ""
        if not len(self.mean):
            return f"by the labels of the best{where}"
        return f"drawn within {float(self.spread.mean()):.2g} of the mean of the best{where}"

    def numbers(self, births: Sequence[Birth]) -> Floats:
        return self._at(np.array([rng_for(b.seed, "numbers").random((b.row + 1, len(self.mean)))[-1] for b in births]))

    def _at(self, U: Floats) -> Floats:
        """Normal numbers, cut off at 0 and 1, from uniform ones (n, d_numeric)."""
        if self.joint is not None:
            Z, U = quantile(U), np.zeros_like(U)
            for z, row in zip(Z.T, _root(self.joint), strict=True):  # not Z @ root: the same for one row as for many
                U += z[:, None] * row
            U = cdf(U)
        low, high = cdf(-self.mean / self.spread), cdf((1.0 - self.mean) / self.spread)
        return np.clip(self.mean + self.spread * quantile(low + U * (high - low)), 0.0, 1.0)

    def draws(self, space: Space, seed: int, n: int) -> tuple[Floats, Floats]:
        V = self._at(rng_for(seed, "numbers").random((n, len(self.mean))))
        U = rng_for(seed, "labels").random((n, len(self.q)))
        codes = np.minimum((U[:, :, None] >= np.cumsum(self.q, axis=1)).sum(axis=2), self.layout.sizes - 1)
        return self.layout.rows(space, V, codes), V

    def after(self, rows: Sequence[Row], space: Space) -> Cloud:
        best = rows[0]
        summit = self.summit
        if summit is None or best_first([summit[0], best.result])[0] == 1:
            summit = best.result, best.v, best.codes
        moved = replace(self._fitted(rows), age=self.age + 1, summit=summit)
        return moved._anew() if moved._over() else moved

    def _fitted(self, rows: Sequence[Row]) -> Cloud:
        """Maximum likelihood of the elites, best first in rows, and a part of what it was before."""
        settings = self.settings
        elites, weight = self._chosen(rows)
        a, noise = settings.smoothing, settings.noise / (self.age + 1)
        V = np.array([np.where(row.free, np.nan, row.v) for row in elites])
        W = np.where(np.isnan(V), 0.0, weight[:, None])
        total = W.sum(axis=0)
        told = total > 0
        many = told & (total**2 >= FEWEST * (W**2).sum(axis=0))  # as so many of equal weight would tell
        mean = (W * np.nan_to_num(V)).sum(axis=0) / np.where(told, total, 1.0)
        gap = np.where(np.isnan(V), 0.0, V - mean)
        spread = np.sqrt((W * gap**2).sum(axis=0) / np.where(told, total, 1.0))
        joint = self._correlations(W, gap, a)
        mean = np.where(told, a * mean + (1 - a) * self.mean, self.mean)
        spread = np.where(many, a * spread + (1 - a) * self.spread + noise, self.spread)
        q = self._chances(elites, weight, a)
        return replace(self, mean=mean, spread=np.maximum(spread, self._least(mean)), q=q, joint=joint)

    def _chosen(self, rows: Sequence[Row]) -> tuple[list[Row], Floats]:
        """Who is fitted to, and what each of them counts (n,)."""
        elites = [row for row in rows[: ceil(self.settings.elite * len(rows))] if row.result.good] or list(rows[:1])
        done = [row for row in rows if row.result.tier == DONE]
        if self.settings.soft is None or not done:
            return elites, np.ones(len(elites))
        gap = np.array([row.result.y for row in done]) - done[0].result.y
        scale = self.settings.soft * float(np.median(gap))
        return done, np.exp(-gap / scale) if scale > 0 else (gap == 0).astype(np.float64)

    def _correlations(self, W: Floats, gap: Floats, a: float) -> Floats | None:
        """Of what is fitted to, smoothed with those before, where enough of it has both numbers."""
        if self.joint is None:
            return None
        both = (W > 0).astype(np.float64)
        products, squares = (W * gap).T @ gap, (W * gap**2).T @ both  # of j where k is known, too
        size = np.sqrt(squares * squares.T)
        fitted = np.where(size > 0, products / np.where(size > 0, size, 1.0), 0.0)
        known = ((W.T @ both) ** 2 >= FEWEST * ((W**2).T @ both)) & (size > 0)
        joint = np.where(known, a * fitted + (1 - a) * self.joint, self.joint)
        np.fill_diagonal(joint, 1.0)
        return joint

    def _independent(self) -> Floats | None:
        d = len(self.mean)
        return np.eye(d) if self.settings.shape == "full" and self.population >= FULL * d else None

    def _chances(self, elites: Sequence[Row], weight: Floats, a: float) -> Floats:
        if not len(self.q):
            return self.q
        codes = np.array([row.codes for row in elites])
        counts = ((codes[:, :, None] == np.arange(self.q.shape[1])) * weight[:, None, None]).sum(axis=0)
        total = counts.sum(axis=1, keepdims=True)
        q = np.where(total > 0, a * counts / np.where(total > 0, total, 1.0) + (1 - a) * self.q, self.q)
        even = (np.arange(self.q.shape[1]) < self.layout.sizes[:, None]) / self.layout.sizes[:, None]
        floored: Floats = (1 - self.settings.floor) * q + self.settings.floor * even
        return floored

    def _least(self, mean: Floats) -> Floats:
        """The least spread (d_numeric,): of whole numbers a part of the cell that the mean is in."""
        least = np.full(len(mean), 1e-12)
        for j, edges in enumerate(self.layout.edges):
            if edges is not None:
                i = min(max(int(np.searchsorted(edges, mean[j], side="right")) - 1, 0), len(edges) - 2)
                least[j] = CELL * (edges[i + 1] - edges[i])
        return least

    def _over(self) -> bool:
        """Whether every distribution has collapsed: spreads to nothing or a cell's part, chances to their floor."""
        narrow = self.spread < np.where(self.layout.smooth, NARROW, 1.1 * self._least(self.mean))
        certain = self.q.max(axis=1) > 1 - 1.1 * self.settings.floor if len(self.q) else np.ones(0, bool)
        return bool(narrow.all() and certain.all())

    def _anew(self) -> Cloud:
        """Around the best trial."""
        assert self.summit is not None
        _, v, codes = self.summit
        even = (np.arange(self.q.shape[1]) < self.layout.sizes[:, None]) / np.maximum(self.layout.sizes[:, None], 1)
        there = np.where(np.isnan(codes)[:, None], self.q, codes[:, None] == np.arange(self.q.shape[1]))
        return replace(
            self,
            mean=v,
            spread=np.maximum(np.full(len(v), AGAIN), self._least(v)),
            q=0.5 * there + 0.5 * even,
            joint=self._independent(),
            age=0,
            restarts=self.restarts + 1,
        )


def _root(joint: Floats) -> Floats:
    """(d, d) symmetric: independent numbers times it have these correlations. Exact for independent ones."""
    if (joint == np.eye(len(joint))).all():
        return joint
    values, vectors = np.linalg.eigh(joint)  # correlations of pairs need not be those of any whole
    values = np.maximum(values, LEAST)
    root = (vectors * np.sqrt(values)) @ vectors.T
    scaled: Floats = root / np.sqrt((root**2).sum(axis=0))
    return scaled


def _row_of(layout: Layout, result: Result, x: Floats) -> Row:
    v = x[layout.numeric]
    return Row(result, v, x[layout.choices], np.isnan(v), told=True)
