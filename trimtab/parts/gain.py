"""The expected gain in hypervolume, its logarithm and its slopes, exact for independent objectives.

Idea    The gain is a sum over the boxes that a front leaves undominated, of products over the objectives: of each box
        side the part that a candidate may be expected to have. Everything is done in logarithms, so that a candidate
        that is sure to be dominated still knows which way is up. Several fronts are averaged over: those that noise or
        trials that still run may have made of one.
Source  Emmerich, Giannakoglou & Naujoks, Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian
        Random Field Metamodels, IEEE TEC 10(4), 2006; averages over fronts: Daulton, Balandat & Bakshy, Parallel
        Bayesian Optimization of Multiple Noisy Objectives with Expected Hypervolume Improvement, NeurIPS 2021; the
        logarithm: Ament et al., NeurIPS 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from trimtab.parts.boxes import boxes
from trimtab.parts.logei import log_ei_slopes, log_h

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))
TINY = 1e-300
_LOGS = np.linspace(np.log(1e-7), 0.0, 64)
NODES, NODE_WIDTHS = np.exp(_LOGS), np.exp(_LOGS) * (_LOGS[1] - _LOGS[0])
NODE_WIDTHS[-1] *= 0.5


@dataclass(frozen=True)
class Gain:
    """The boxes of one or several fronts (s), ready for sums over them.

    edges  for each objective the distinct ends of boxes, (s, k)
    low    (s, b, m) where a box begins among the edges; -1: nowhere, it has no lower end
    high   (s, b, m) where it ends; low = high: padding
    """

    edges: Sequence[Floats]
    low: Ints
    high: Ints

    @classmethod
    def over(cls, fronts: Sequence[Floats], reference: Floats, floor: Floats | None = None) -> Gain:
        """fronts: (n, m) each, whose dominated rows do no harm; floor (m,): below it nothing is gained."""
        found = [boxes(Y, reference) for Y in fronts]
        if floor is not None:
            found = [(np.where(np.isinf(low), np.minimum(floor, high), low), high) for low, high in found]
        m, b = len(reference), max(len(high) for _, high in found)
        low, high = np.zeros((len(found), b, m), np.int64), np.zeros((len(found), b, m), np.int64)
        edges: list[Floats] = []
        for j in range(m):
            own = [_ends(below[:, j], above[:, j]) for below, above in found]
            k = max(len(e) for e in own)
            edges.append(np.stack([np.concatenate([e, np.repeat(e[-1:], k - len(e))]) for e in own]))
            for s, (below, above) in enumerate(found):
                count = len(above)
                high[s, :count, j] = np.searchsorted(own[s], above[:, j])
                low[s, :count, j] = np.where(np.isinf(below[:, j]), -1, np.searchsorted(own[s], below[:, j]))
        return cls(edges, low, high)

    def log(self, mean: Floats, sd: Floats) -> Floats:
        """ln of the expected gain (c,) of candidates with mean and sd (s, c, m)."""
        return _mean_over(self._width(mean, sd)[0].sum(axis=2))[0]

    def slopes(self, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
        """The same, and what it changes by with each mean and sd, (s, c, m)."""
        width, z = self._width(mean, sd)
        value, share = _mean_over(width.sum(axis=2))
        _, low, high, without = self._places
        by: list[Floats] = []
        for log_part in (log_ndtr(z), -0.5 * z * z - _HALF_LOG_2PI):
            with np.errstate(invalid="ignore", over="ignore"):
                each = np.exp(_at(log_part, high) - width)
                each -= np.where(without, 0.0, np.exp(_at(log_part, low) - width))
                each = np.where(share[:, :, None] > 0, share[:, :, None] * each, 0.0)
            by.append(np.nan_to_num(each, copy=False).sum(axis=3))
        return value, -by[0], by[1]

    @cached_property
    def _places(self) -> tuple[Floats, Ints, Ints, NDArray[np.bool_]]:
        """All objectives in one array: edges (s, 1, m, k), where boxes begin and end among them (s, 1, m, b), and
        which have no lower end."""
        k = max(edges.shape[1] for edges in self.edges)
        edges = np.stack([np.pad(e, ((0, 0), (0, k - e.shape[1])), mode="edge") for e in self.edges], axis=1)
        low, high = self.low.transpose(0, 2, 1)[:, None], self.high.transpose(0, 2, 1)[:, None]
        return edges[:, None], np.maximum(low, 0), high, low < 0

    def _width(self, mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
        """ln E[how much of each side of a box the candidate has] (s, c, m, b), the edges in deviations (s, c, m, k)."""
        edges, low, high, without = self._places
        z = (edges - mean[..., None]) / sd[..., None]
        reach = log_h(z) + np.log(sd)[..., None]  # of everything below an edge
        up = _at(reach, high)
        with np.errstate(divide="ignore"):
            less = np.log(-np.expm1(np.minimum(_at(reach, low) - up, 0.0)))
        return up + np.where(without, 0.0, less), z


def _ends(low: Floats, high: Floats) -> Floats:
    """The distinct finite values among both, in order."""
    ends: Floats = np.unique(np.concatenate([low[np.isfinite(low)], high]))
    return ends


def _at(values: Floats, index: Ints) -> Floats:
    """values (s, c, m, k) at the edges index (s, 1, m, b), of each front and objective its own: (s, c, m, b)."""
    s, c, m, k = values.shape
    flat = index + k * np.arange(m)[:, None]
    values = values.reshape(s, c, m * k)
    if s == 1:
        out: Floats = values[0].take(flat.reshape(-1), axis=1)
    else:
        out = np.take_along_axis(values, flat.reshape(s, 1, -1), axis=2)
    return out.reshape(s, c, m, -1)


def _mean_over(logs: Floats) -> tuple[Floats, Floats]:
    """ln of the mean over s of the sum over boxes, (s, c, b) -> (c,), and each term's share of it."""
    top = logs.max(axis=(0, 2), keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(logs - top)
    total = terms.sum(axis=(0, 2), keepdims=True)
    with np.errstate(divide="ignore"):
        value: Floats = (np.log(total) + top)[0, :, 0] - float(np.log(len(logs)))
    return value, terms / np.maximum(total, TINY)


def ehvi(front: Floats, reference: Floats, mean: Floats, sd: Floats) -> Floats:
    """The expected gain in hypervolume (c,) of candidates whose objectives are N(mean, sd²), (c, m), independent.

    >>> staircase = np.array([[0.1, 0.9], [0.4, 0.5], [0.8, 0.2]])
    >>> ehvi(staircase, np.ones(2), np.array([[0.5, 0.4]]), np.array([[0.2, 0.3]])).round(5)
    array([0.07594])
    """
    return np.exp(Gain.over([front], reference).log(mean[None], sd[None]))


@dataclass(frozen=True)
class Weighted:
    """The expected gain of objectives made one: of their weighted sum, or of the largest weighted one (Chebyshev).

    weights, ideal  (m,): weighted is weights · (value - ideal)
    best            (s,) the least that is known, in each of s fronts
    """

    weights: Floats
    ideal: Floats
    best: Floats
    largest: bool

    @classmethod
    def over(cls, fronts: Sequence[Floats], weights: Floats, ideal: Floats, largest: bool) -> Weighted:
        parts = [weights * (Y - ideal) for Y in fronts]
        return cls(weights, ideal, np.array([(p.max(1) if largest else p.sum(1)).min() for p in parts]), largest)

    def log(self, mean: Floats, sd: Floats) -> Floats:
        return self.slopes(mean, sd)[0]

    def slopes(self, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
        """As of Gain."""
        mean, sd = self.weights * (mean - self.ideal), self.weights * sd
        best = self.best[:, None]
        if self.largest:
            logs, by_mean, by_sd = _below(best[..., None], mean, sd)
        else:
            spread = np.sqrt((sd * sd).sum(axis=2))
            each, one_mean, one_sd = log_ei_slopes(0.0, mean.sum(axis=2) - best, spread)
            logs = each[..., None]
            by_mean = np.broadcast_to(one_mean[..., None, None], (*logs.shape, mean.shape[2]))
            by_sd = (one_sd / spread)[..., None, None] * sd[:, :, None, :]
        value, share = _mean_over(logs)
        return (
            value,
            self.weights * (share[..., None] * by_mean).sum(axis=2),
            self.weights * (share[..., None] * by_sd).sum(axis=2),
        )


def _below(best: Floats, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
    """The terms (s, c, q), as logarithms, of ∫ P(all objectives < t) dt up to `best`, and by what each changes.

    The step away from `best` grows by a constant factor, from far below the smallest deviation to where nothing is.
    """
    reach = np.maximum(8.0 * sd.max(axis=2) + np.maximum(best[..., 0] - mean.max(axis=2), 0.0), TINY)
    t = best - reach[..., None] * NODES
    z = (t[..., None] - mean[:, :, None, :]) / sd[:, :, None, :]
    each = log_ndtr(z)
    logs = each.sum(axis=3) + np.log(reach)[..., None] + np.log(NODE_WIDTHS)
    ratio = np.exp(-0.5 * z * z - _HALF_LOG_2PI - each) / sd[:, :, None, :]
    return logs, -ratio, -ratio * z
