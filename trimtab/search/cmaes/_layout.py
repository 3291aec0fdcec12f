"""Which columns of a space CMA-ES treats how, where its distributions start, and draws from them."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.search.cmaes._gaussian import Gaussian
from trimtab.search.cmaes._labels import Labels
from trimtab.search.cmaes._margin import chance

if TYPE_CHECKING:
    from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
FULL = 100  # columns up to which covariances are learned: beyond, there are more of them than a study has trials
PROBES = 512  # quantiles that tell the prior of labels
WIDTH = 0.1  # of the normal distribution around each good trial of others (α of WS-CMA-ES)


@dataclass(frozen=True, slots=True)
class Layout:
    """numeric: columns under the normal distribution; choices: columns of labels; columns with one value are neither.

    edges    of each numeric column the bounds of its cells, None where it is continuous
    alpha    the least chance of leaving the likeliest value of a discrete column
    middle   (d,) the medians of the prior; prior (k, K) its chances of labels
    plain    what a draw decodes to is the draw itself, but for cells
    """

    d: int
    numeric: Ints
    choices: Ints
    sizes: Ints
    edges: tuple[tuple[float, ...] | None, ...]
    alpha: float
    middle: Floats
    prior: Floats
    finite: bool
    plain: bool

    @classmethod
    def of(cls, space: Space) -> Layout:
        kinds = [(c.kind, c.n) for c in space.columns]
        choices = [j for j, (kind, n) in enumerate(kinds) if kind == "choice" and n > 1]
        numeric = [j for j, (kind, n) in enumerate(kinds) if kind != "choice" and n != 1]
        cells = [space.column_cells(j) for j in numeric]
        edges = tuple(None if c is None else tuple(c.tolist()) for c in cells)
        sizes = np.array([kinds[j][1] for j in choices], np.int64)
        middle = np.nan_to_num(space.from_unit(np.full((1, space.d), 0.5))[0], nan=0.5)
        discrete = sum(e is not None for e in edges) + len(choices)
        return cls(
            space.d, np.array(numeric, np.int64), np.array(choices, np.int64), sizes, edges, chance(discrete), middle,
            _label_prior(space, choices, sizes), finite=space.size < inf,
            plain=all(e is None for e in edges) and not space.traits,
        )  # fmt: skip

    @property
    def smooth(self) -> Bools:
        """Which numeric columns have no cells."""
        return np.array([e is None for e in self.edges], np.bool_)

    def repeats(self, x: Floats) -> bool:
        """Whether x (d,) may well be drawn twice: nothing that is continuous lies inside its range."""
        v = x[self.numeric[self.smooth]]
        return self.finite or not ((v > 0.0) & (v < 1.0)).any()

    def start(self, sigma: float, x: Floats | None = None) -> tuple[Gaussian, Labels]:
        """Around x (d,), or the middle of the prior."""
        mean = self.middle if x is None else np.where(np.isnan(x), self.middle, x)
        gaussian = Gaussian.start(mean[self.numeric], sigma, full=len(self.numeric) <= FULL)
        return gaussian, Labels.start(self.prior, self.sizes, self.alpha)

    def around(self, X: Floats) -> tuple[Gaussian, Labels]:
        """Around good trials X (n, d): a normal distribution at each of them, seen as one (Nomura et al., Warm Starting
        CMA-ES, AAAI 2021)."""
        n, d = len(X), len(self.numeric)
        codes = X[:, self.choices]
        counts = (codes[:, :, None] == np.arange(self.prior.shape[1])).sum(axis=0)
        labels = Labels.start((counts + self.prior) / (counts.sum(axis=1, keepdims=True) + 1.0), self.sizes, self.alpha)
        V = np.where(np.isnan(X), self.middle, X)[:, self.numeric]
        if not d:
            return Gaussian.start(np.zeros(0), 1.0, full=False), labels
        full = d <= FULL
        centred = V - V.mean(axis=0)
        C = WIDTH**2 * np.eye(d) + centred.T @ centred / n
        log_det = float(np.linalg.slogdet(C)[1]) if full else float(np.log(np.diag(C)).sum())
        return Gaussian.start(V.mean(axis=0), exp(log_det / (2 * d)), full, C / exp(log_det / d)), labels

    # ── draws ────────────────────────────────────────────────────────────────────────────────────────────────────

    def vectors(self, g: Gaussian, seed: int, n: int) -> Floats:
        """The first n draws (n, d_numeric) of a seed, inside [0, 1]."""
        Z = rng_for(seed, "normal").standard_normal((n, len(self.numeric)))
        return np.clip(g.at(Z), 0.0, 1.0)

    def draws(self, space: Space, g: Gaussian, labels: Labels, seed: int, n: int) -> tuple[Floats, Floats]:
        """The first n draws of a seed: as X (n, d), inactive columns NaN, and as vectors (n, d_numeric)."""
        V = self.vectors(g, seed, n)
        X = np.tile(self.middle, (n, 1))
        X[:, self.numeric] = V
        if len(self.choices):
            X[:, self.choices] = labels.draw(rng_for(seed, "labels").random((n, len(self.choices))))
        return (X if self.plain else space.snap(X)), V

    def placed(self, space: Space, v: Floats, x: Floats) -> Floats:
        """Where what v (d_numeric,) decodes to would be encoded, next to the labels of x (d,)."""
        if self.plain:
            return v
        X = np.where(np.isnan(x), self.middle, x)[None]
        X[:, self.numeric] = v
        placed: Floats = space.snap(X)[0, self.numeric]
        return placed


def _label_prior(space: Space, choices: list[int], sizes: Ints) -> Floats:
    """The chance (k, K) of each label, from even quantiles of all parameters alike."""
    prior = np.zeros((len(choices), int(sizes.max()) if len(sizes) else 0))
    if not choices:
        return prior
    drawn = space.from_unit(np.repeat((np.arange(PROBES)[:, None] + 0.5) / PROBES, space.d, axis=1))
    for row, j, size in zip(prior, choices, sizes.tolist(), strict=True):
        codes = drawn[~np.isnan(drawn[:, j]), j].astype(np.int64)
        row[:size] = np.bincount(codes, minlength=size)[:size] + 1e-9
    total: Floats = prior / prior.sum(axis=1, keepdims=True)
    return total
