"""The columns of a space for methods that draw numbers from one distribution and labels from others."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
PROBES = 2520  # quantiles that tell the prior of labels: even shares of up to ten labels come out exactly


@dataclass(frozen=True, slots=True)
class Layout:
    """numeric: columns of numbers; choices: columns of labels, sizes (k,) how many; columns with one value are neither.

    edges    of each numeric column the bounds of its cells, None where it is continuous: smooth (d_numeric,)
    middle   (d,) the medians of the prior; prior (k, K) its chances of labels
    finite   there are finitely many configurations
    plain    what a draw decodes to is the draw itself
    apart    what a column of a draw decodes to depends on no other, but for whether it is active
    """

    d: int
    numeric: Ints
    choices: Ints
    sizes: Ints
    edges: tuple[tuple[float, ...] | None, ...]
    smooth: Bools
    middle: Floats
    prior: Floats
    finite: bool
    plain: bool
    apart: bool

    @classmethod
    def of(cls, space: Space) -> Layout:
        kinds = [(c.kind, c.n) for c in space.columns]
        choices = [j for j, (kind, n) in enumerate(kinds) if kind == "choice" and n > 1]
        numeric = [j for j, (kind, n) in enumerate(kinds) if kind != "choice" and n != 1]
        cells = [space.column_cells(j) for j in numeric]
        edges = tuple(None if c is None else tuple(c.tolist()) for c in cells)
        smooth = np.array([c is None for c in cells], np.bool_)
        sizes = np.array([kinds[j][1] for j in choices], np.int64)
        middle = np.nan_to_num(space.from_unit(np.full((1, space.d), 0.5))[0], nan=0.5)
        return cls(
            space.d, np.array(numeric, np.int64), np.array(choices, np.int64), sizes, edges, smooth, middle,
            _label_prior(space, choices, sizes), finite=space.size < inf,
            plain=all(e is None for e in edges) and not space.traits, apart=space.traits <= {"conditional"},
        )  # fmt: skip

    @property
    def discrete(self) -> int:
        """How many columns have separate values."""
        return sum(e is not None for e in self.edges) + len(self.choices)

    def repeats(self, x: Floats) -> bool:
        """Whether x (d,) may well be drawn twice: nothing that is continuous lies inside its range."""
        v = x[self.numeric[self.smooth]]
        return self.finite or not ((v > 0.0) & (v < 1.0)).any()

    def rows(self, space: Space, V: Floats, codes: Floats | Ints) -> Floats:
        """Rows of X (n, d), inactive columns NaN, from vectors (n, d_numeric) in [0, 1] and labels (n, k)."""
        X = np.tile(self.middle, (len(V), 1))
        X[:, self.numeric] = V
        X[:, self.choices] = codes
        return X if self.plain else space.snap(X)

    def alike(self, V: Floats, W: Floats, within: float) -> bool:
        """Whether numbers V (n, d_numeric) surely decode to what W does; NaN is like everything."""
        if not self.apart:
            return False
        off = np.abs(V - W)
        for j, edges in enumerate(self.edges):
            if edges is not None:
                off[:, j] *= np.searchsorted(edges[1:-1], V[:, j]) != np.searchsorted(edges[1:-1], W[:, j])
        return not (off > within).any()

    def placed(self, space: Space, V: Floats, X: Floats) -> Floats:
        """Where what numbers V (n, d_numeric) decode to would be encoded, next to the labels of X (n, d)."""
        if self.plain:
            return V
        filled = np.where(np.isnan(X), self.middle, X)
        filled[:, self.numeric] = V
        placed: Floats = space.snap(filled)[:, self.numeric]
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
