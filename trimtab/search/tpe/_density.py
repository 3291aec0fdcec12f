"""A Parzen estimator over mixed columns that grows and shrinks row by row.

Idea    log Π_j k_j(c_j | z_ij) is linear in features of the candidate c: a truncated normal gives c²·a + c·b + const,
        an integer's cells and a category give one entry of a table. So the log kernels of all candidates under all
        observations are one matrix product, features (m, F) times coefficients (F, n).
Terms   Row 0 is the prior, row i + 1 the i-th observation, in the order of their numbers. Nothing depends on the
        order of insertions and removals: a density reached in steps equals one built at once, bit for bit (law 1).
        So each result is computed value by value from contiguous arrays, and sums run in a fixed order.
Source  Kernels and the neighbour rule for bandwidths: Bergstra et al., Algorithms for Hyper-Parameter Optimization,
        NeurIPS 2011. Its smallest bandwidth: Watanabe, Tree-Structured Parzen Estimator, arXiv 2304.11127, 2023.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from functools import reduce
from math import ceil, erfc, log, log1p, pi
from operator import add as plus

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.parts import normal
from trimtab.parts.normal import ROOT_HALF

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Gaps = dict[tuple[int, int], float]  # (column, number) -> larger gap to the neighbours

FEW = 8  # smaller densities are built anew each time, as all are whose smallest bandwidth depends on their size
TABLED = 64  # columns of at most so many values are integrated over their cells; finer ones count as continuous,
# which at the smallest bandwidth errs by less than 3e-3 of a kernel's mass, and that only beside the bounds
PRIOR = -1  # the prior's number in the sorted columns: its centre is a neighbour like any other
KEPT = 4096  # tables of cells kept at most
SINGLY = 64  # up to so many coefficients are computed in plain floats, which for a new trial takes half the time
HUGE = 600.0  # no log of a kernel may be larger, if it is to be a float's
_HALF_LOG_2PI = 0.5 * log(2 * pi)


class Layout:
    """Which columns a density has, and where they stand in a row of features [c² …, c …, 1, tables …].

    edges[j]  ascending borders in [0, 1] of the cells of a discrete ordered column, or None
    sizes[j]  number of categories of a choice, or 0
    """

    def __init__(self, edges: Sequence[Floats | None], sizes: Sequence[int]) -> None:
        self.d, self.sizes = len(sizes), tuple(sizes)
        self.edges = {j: e for j, e in enumerate(edges) if e is not None and len(e) <= TABLED + 1 and not sizes[j]}
        choices = [j for j in range(self.d) if sizes[j]]
        real = [j for j in range(self.d) if not sizes[j] and j not in self.edges]
        self.real, self.choices = np.array(real, np.int64), np.array(choices, np.int64)
        self.ordered = [j for j in range(self.d) if not sizes[j]]
        self.is_real = np.isin(np.arange(self.d), self.real)
        self.place = np.where(self.is_real, np.cumsum(self.is_real) - 1, -1)  # of a real column among the real ones
        self.places: list[int] = self.place.tolist()
        self.k = np.array([sizes[j] for j in choices], np.float64)
        self.offset: dict[int, int] = {}
        self.tables: dict[tuple[int, float, float], Floats] = {}
        self.width = 2 * len(real) + 1
        for j in [*self.edges, *choices]:
            self.offset[j] = self.width
            self.width += sizes[j] or len(self.edges[j]) - 1
        self.choice_at = np.array([self.offset[j] for j in choices], np.int64)
        self.is_choice = np.zeros(self.width, bool)
        for j in choices:
            self.is_choice[self.offset[j] : self.offset[j] + sizes[j]] = True
        self.log_sizes = float(np.log(self.k).sum())

    def table(self, j: int, z: float, s: float) -> Floats:
        """Log masses of the cells of column j under a kernel at z of bandwidth s. Kept: few differ."""
        found = self.tables.get((j, z, s))
        if found is None:
            if len(self.tables) >= KEPT:
                self.tables.clear()
            logs = normal.log_mass((self.edges[j] - z) / s)
            found = self.tables[j, z, s] = logs - np.log(np.exp(logs).sum())
        return found

    def features(self, Z: Floats) -> Floats:
        """(m, d) -> (m, F)."""
        m, r = len(Z), len(self.real)
        out = np.zeros((m, self.width))
        c = Z if r == self.d else Z[:, self.real]
        np.multiply(c, c, out=out[:, :r])
        out[:, r : 2 * r] = c
        out[:, 2 * r] = 1.0
        rows = np.arange(m)
        for j, edges in self.edges.items():
            out[rows, self.offset[j] + np.searchsorted(edges[1:-1], Z[:, j], "right")] = 1.0
        if len(self.choices):
            out[rows[:, None], self.choice_at + Z[:, self.choices].astype(np.int64)] = 1.0
        return out


def _grown(old: Floats, *shape: int) -> Floats:
    new = np.zeros(shape)
    if old.size:
        new[: len(old)] = old
    return new


def _place(values: list[float], who: list[int], value: float, number: int) -> int:
    """Where (value, number) stands, or would: equal values are in the order of their numbers."""
    p = bisect_left(values, value)
    if p < len(values) and values[p] == value:
        p = bisect_left(who, number, p, bisect_right(values, value, p))
    return p


class Parzen:
    """A mixture of one kernel per observation and the prior: N(mid, range) truncated, or uniform categories.

    Bandwidth of an observation in an ordered column: the larger gap to its neighbours (the inner one at the ends),
    at least `floor` and (n + 2)^-2, at most the range.
    """

    def __init__(self, layout: Layout, *, floor: float, prior_weight: float) -> None:
        self.layout, self.floor, self.prior_weight = layout, floor, prior_weight
        self.few = max(FEW, ceil(floor**-0.5) - 2)
        self.wide = len(layout.ordered) * (1.0 - log(floor)) + len(layout.choices) * 10.0 > HUGE
        self.numbers: list[int] = []
        self.sorted: dict[int, tuple[list[float], list[int]]] = {j: ([0.5], [PRIOR]) for j in layout.ordered}
        self._room(16)
        self.Z[0], self.shape[0] = np.where(np.isin(np.arange(layout.d), layout.ordered), 0.5, -1.0), np.nan
        ordered = np.array(layout.ordered, np.int64)
        self._fill(np.zeros(len(ordered), np.int64), ordered, np.ones(len(ordered)))
        self._sum_up(np.zeros(1, np.int64))

    def _room(self, rows: int) -> None:
        layout = self.layout
        self.Z, self.shape = _grown(self.Z, rows, layout.d), _grown(self.shape, rows, layout.d, 3)
        self.const, self.W = _grown(self.const, rows, len(layout.real)), _grown(self.W, rows, layout.width)

    Z: Floats = np.empty(0)  # (rows, d) observations
    shape: Floats = np.empty(0)  # (rows, d, 3) bandwidth, normal mass of the kernel below 0, and inside [0, 1]
    const: Floats = np.empty(0)  # (rows, reals) the log kernels' constants
    W: Floats = np.empty(0)  # (rows, F) coefficients of the features

    def __len__(self) -> int:
        return len(self.numbers)

    def update(self, add: Sequence[int], drop: Collection[int], X: Floats) -> None:
        """Take in the observations `add`, rows X (len(add), d), and let go of `drop`."""
        n = len(self.numbers) + len(add) - len(drop)
        if min(n, len(self.numbers)) < self.few or len(add) + len(drop) > max(FEW, n // 8):
            self._rebuild(add, drop, X)
            return
        gaps: Gaps = {}
        for number in drop:
            self._take_out(number, gaps)
        for number, z in zip(add, X, strict=True):
            self._put_in(number, z, gaps)
        self._settle(gaps)

    # ── in steps ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _shift(self, at: int, by: int) -> None:
        """Open (by=1) or close (by=-1) a gap at row `at`."""
        n = len(self.numbers) + 1
        if n + by > len(self.Z):
            self._room(2 * len(self.Z))
        if by > 0 and at == n:
            return
        for a in (self.Z, self.shape, self.const, self.W):
            if by > 0:
                a[at + 1 : n + 1] = a[at:n]
            else:
                a[at : n - 1] = a[at + 1 : n]

    def _put_in(self, number: int, z: Floats, gaps: Gaps) -> None:
        """Gaps change for the neighbours, too. Those that were and stay below the floor need not be noted."""
        at = bisect_left(self.numbers, number)
        self._shift(at + 1, 1)
        self.numbers.insert(at, number)
        self._begin(at + 1, z)
        row, low = z.tolist(), 0.999 * self.floor  # sums of gaps are rounded
        for j, (values, who) in self.sorted.items():
            value = row[j]
            p, last = _place(values, who, value, number), len(values)
            left = value - values[p - 1] if p else 0.0
            right = values[p] - value if p < last else 0.0
            gaps[j, number] = left if left > right else right
            if p:
                outer = values[p - 1] - values[p - 2] if p > 1 else 0.0
                if outer > low or left + right > low:
                    gaps[j, who[p - 1]] = left if left > outer else outer
            if p < last:
                outer = values[p + 1] - values[p] if p + 1 < last else 0.0
                if outer > low or left + right > low:
                    gaps[j, who[p]] = right if right > outer else outer
            values.insert(p, value)
            who.insert(p, number)

    def _begin(self, row: int | slice, z: Floats) -> None:
        """A row's choices, which never change; its bandwidths are still unknown."""
        self.Z[row], self.shape[row], self.W[row] = z, np.nan, 0.0
        layout = self.layout
        if len(layout.choices):
            block = np.atleast_2d(z)[:, layout.choices].astype(np.int64) + layout.choice_at
            self.W[np.arange(len(self.W))[row].reshape(-1, 1), block] = 1.0

    def _take_out(self, number: int, gaps: Gaps) -> None:
        at = bisect_left(self.numbers, number)
        row, low = self.Z[at + 1].tolist(), 0.999 * self.floor
        for j, (values, who) in self.sorted.items():
            p = _place(values, who, row[j], number)
            del values[p], who[p]
            gaps.pop((j, number), None)
            last = len(values) - 1
            between = values[p] - values[p - 1] if 0 < p <= last else 0.0
            if p:
                outer = values[p - 1] - values[p - 2] if p > 1 else 0.0
                if outer > low or between > low or p > last:
                    gaps[j, who[p - 1]] = between if between > outer else outer
            if p <= last:
                outer = values[p + 1] - values[p] if p < last else 0.0
                if outer > low or between > low or not p:
                    gaps[j, who[p]] = between if between > outer else outer
        self._shift(at + 1, -1)
        del self.numbers[at]

    def _settle(self, gaps: Gaps) -> None:
        """Bandwidths and coefficients where a neighbour has come or gone."""
        for j in self.layout.ordered:
            gaps.pop((j, PRIOR), None)  # its bandwidth is the range, always
        if len(gaps) <= SINGLY:
            self._settle_singly(gaps)
            return
        numbers = self.numbers
        rows = np.array([bisect_left(numbers, number) + 1 for _, number in gaps], np.int64)
        dims = np.array([j for j, _ in gaps], np.int64)
        self._bandwidths(rows, dims, np.array(list(gaps.values())))

    def _settle_singly(self, gaps: Gaps) -> None:
        """_bandwidths() in plain floats: the same operations on every value in the same order, so the same bits."""
        layout, least = self.layout, max(self.floor, (len(self.numbers) + 2) ** -2)
        d, r, width, places = layout.d, len(layout.real), layout.width, layout.places
        Z, shape, const, W = self.Z.reshape(-1), self.shape.reshape(-1), self.const.reshape(-1), self.W.reshape(-1)
        rows: dict[int, int] = {}
        summed: set[int] = set()
        for (j, number), gap in gaps.items():
            row = rows.get(number)
            if row is None:
                row = rows[number] = bisect_left(self.numbers, number) + 1
            s, at = least if gap < least else min(gap, 1.0), row * d + j
            if shape.item(3 * at) == s:
                continue
            z = Z.item(at)
            below, above = 0.5 * erfc(z / -s * -ROOT_HALF), 0.5 * erfc((1.0 - z) / -s * -ROOT_HALF)
            mass = 1.0 - below - above
            shape[3 * at], shape[3 * at + 1], shape[3 * at + 2] = s, below, mass
            p = places[j]
            if p < 0:
                self._tabulate(row, j, z, s)
                continue
            precision = 1.0 / (s * s)
            slope = z * precision
            W[row * width + p], W[row * width + p + r] = -0.5 * precision, slope
            const[row * r + p] = -0.5 * z * slope - log(s * mass) - _HALF_LOG_2PI
            summed.add(row)
        for row in summed:
            W[row * width + 2 * r] = reduce(plus, const[row * r : row * r + r].tolist())

    # ── at once ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _rebuild(self, add: Sequence[int], drop: Collection[int], X: Floats) -> None:
        gone = set(drop)
        keep = [i for i, number in enumerate(self.numbers) if number not in gone]
        numbers = np.array([self.numbers[i] for i in keep] + list(add), np.int64)
        Z = np.concatenate([self.Z[1:][keep], np.reshape(X, (len(add), self.layout.d))])
        order = np.argsort(numbers, kind="stable")
        numbers, Z = numbers[order], Z[order]
        n = len(numbers)
        if n + 1 > len(self.Z):
            self._room(max(n + 1, 2 * len(self.Z)))
        self.numbers = numbers.tolist()
        self._begin(slice(1, n + 1), Z)
        if not n or not self.sorted:
            self.sorted = {j: ([0.5], [PRIOR]) for j in self.layout.ordered}
            return
        rows, dims, gaps = [], [], []
        for j in self.layout.ordered:
            values, who = np.append(Z[:, j], 0.5), np.append(numbers, PRIOR)
            by = np.lexsort((who, values))
            values, who = values[by], who[by]
            self.sorted[j] = values.tolist(), who.tolist()
            steps = np.diff(values)
            gap = np.maximum(np.append(0.0, steps), np.append(steps, 0.0))
            inside = by < n
            rows.append(by[inside] + 1)
            dims.append(np.full(n, j))
            gaps.append(gap[inside])
        self._bandwidths(np.concatenate(rows), np.concatenate(dims), np.concatenate(gaps))

    # ── coefficients ─────────────────────────────────────────────────────────────────────────────────────────────

    def _bandwidths(self, rows: Ints, dims: Ints, gaps: Floats) -> None:
        least = max(self.floor, (len(self.numbers) + 2) ** -2)
        s = np.minimum(np.maximum(gaps, least), 1.0)
        new = self.shape.reshape(-1, 3)[rows * self.layout.d + dims, 0] != s  # NaN, a new row, differs from everything
        if not new.all():
            rows, dims, s = rows[new], dims[new], s[new]
        if len(s):
            self._fill(rows, dims, s)
            self._sum_up(rows)

    def _fill(self, rows: Ints, dims: Ints, s: Floats) -> None:
        """Coefficients of these rows in these columns, whose bandwidths are s; all three (k,)."""
        layout, k = self.layout, len(s)
        flat = rows * layout.d + dims
        z = self.Z.ravel()[flat]
        outside = normal.cdf(np.concatenate((z, 1.0 - z)) / -np.concatenate((s, s)))
        mass = 1.0 - outside[:k] - outside[k:]
        self.shape.reshape(-1, 3)[flat] = np.array((s, outside[:k], mass)).T
        i, p, r, z_, s_, mass_ = rows, dims, len(layout.real), z, s, mass
        if r < layout.d:
            real = layout.is_real[dims]
            i, p, z_, s_, mass_ = rows[real], layout.place[dims[real]], z[real], s[real], mass[real]
        precision = 1.0 / (s_ * s_)
        slope = z_ * precision
        at, W = i * layout.width + p, self.W.reshape(-1)  # flat indices: half the price of pairs
        W[at] = -0.5 * precision
        W[at + r] = slope
        self.const.reshape(-1)[i * r + p] = -0.5 * z_ * slope - normal.logs(s_ * mass_) - _HALF_LOG_2PI
        for j in layout.edges:
            for each in np.flatnonzero(dims == j).tolist():
                self._tabulate(int(rows[each]), j, float(z[each]), float(s[each]))

    def _tabulate(self, row: int, j: int, z: float, s: float) -> None:
        table, start = self.layout.table(j, z, s), self.layout.offset[j]
        self.W[row, start : start + len(table)] = table

    def _sum_up(self, rows: Ints) -> None:
        if len(self.layout.real):  # accumulate adds one after the other, whatever the shape
            if len(rows) > 1:
                rows = np.array(list(dict.fromkeys(rows.tolist())), np.int64)
            self.W[rows, 2 * len(self.layout.real)] = np.add.accumulate(self.const[rows], axis=1)[:, -1]

    # ── use ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _match(self) -> tuple[float, float]:
        """log((1 + π)/π), what agreement in a choice adds; and what all choices give without it, Σ log(π/(1 + Kπ))."""
        share = self.prior_weight / (len(self.numbers) + 1)
        return log1p(1.0 / share), float(np.log(share / (1.0 + self.layout.k * share)).sum())

    def _even(self) -> Floats:
        """Weights (n + 1,), prior first, when all observations count alike."""
        return np.append(self.prior_weight, np.ones(len(self.numbers)))

    def log_density(self, features: Floats, weights: Floats | None = None) -> Floats:
        """(m, F) -> (m,) log densities. weights (n + 1,), prior first; None: prior_weight, then 1 each."""
        n, layout = len(self.numbers), self.layout
        apart: float | Floats = 0.0
        if len(layout.k):
            match, apart = self._match()
            features = features * np.where(layout.is_choice, match, 1.0)
        logs = np.matmul(features, self.W[: n + 1].T)
        if len(layout.k):  # the prior's categories are uniform
            logs[:, 0] -= layout.log_sizes + apart
        weights = self._even() if weights is None else weights
        weights = weights / weights.sum()
        if self.wide:  # else no kernel is too large for a float, and the prior is never too small for one
            top = np.maximum.reduce(logs, axis=1)
            logs, apart = logs - top[:, None], top + apart
        out: Floats = np.log(np.matmul(np.exp(logs, out=logs), weights)) + apart
        return out

    def sample(self, rng: Generator, m: int, weights: Floats | None = None) -> Floats:
        """(m, d) draws. weights as in log_density."""
        n, layout = len(self.numbers), self.layout
        weights = self._even() if weights is None else weights
        U = rng.random((m, layout.d + 1))
        total = weights.cumsum()
        which = total.searchsorted(U[:, 0] * total[-1], "right")
        np.minimum(which, n, out=which)
        U = U[:, 1:]
        Z: Floats = self.Z.take(which, axis=0)
        if layout.ordered:
            c = slice(None) if len(layout.ordered) == layout.d else layout.ordered
            shape = self.shape.take(which, axis=0)[:, c]
            p = U[:, c] * shape[:, :, 2]
            p += shape[:, :, 1]
            drawn = normal.quantile(p)
            drawn *= shape[:, :, 0]
            drawn += Z[:, c]
            np.maximum(drawn, 0.0, out=drawn)
            Z[:, c] = np.minimum(drawn, 1.0, out=drawn)
        if len(layout.choices):
            share = self.prior_weight / (n + 1)
            loose = layout.k * share / (1.0 + layout.k * share)
            loose = np.where(which[:, None] == 0, 1.0, loose)
            u = U[:, layout.choices]
            free = np.minimum(np.floor(u / loose * layout.k), layout.k - 1)
            Z[:, layout.choices] = np.where(u < loose, free, Z[:, layout.choices])
        return Z
