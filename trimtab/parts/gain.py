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
        total = sum(self._width(j, mean[..., j], sd[..., j])[0] for j in range(mean.shape[2]))
        return _mean_over(np.asarray(total))[0]

    def slopes(self, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
        """The same, and what it changes by with each mean and sd, (s, c, m)."""
        parts = [self._width(j, mean[..., j], sd[..., j]) for j in range(mean.shape[2])]
        value, share = _mean_over(np.asarray(sum(width for width, _, _ in parts)))
        by_mean, by_sd = np.empty(mean.shape), np.empty(mean.shape)
        for j, (width, z, (low, high)) in enumerate(parts):
            chance, dense = log_ndtr(z), -0.5 * z * z - _HALF_LOG_2PI
            for log_part, out in ((chance, by_mean), (dense, by_sd)):
                with np.errstate(invalid="ignore", over="ignore"):
                    up = np.exp(_at(log_part, high) - width)
                    down = np.where(self.low[:, None, :, j] < 0, 0.0, np.exp(_at(log_part, low) - width))
                    each = np.where(share > 0, share * (up - down), 0.0)
                out[..., j] = np.nan_to_num(each).sum(axis=2)
        return value, -by_mean, by_sd

    def _width(self, j: int, mean: Floats, sd: Floats) -> tuple[Floats, Floats, tuple[Ints, Ints]]:
        """ln E[how much of a box's side the candidate has] (s, c, b), and the edges in deviations (s, c, k)."""
        z = (self.edges[j][:, None, :] - mean[..., None]) / sd[..., None]
        reach = log_h(z) + np.log(sd)[..., None]  # of everything below an edge
        low, high = np.maximum(self.low[:, :, j], 0), self.high[:, :, j]
        up = _at(reach, high)
        with np.errstate(divide="ignore"):
            less = np.log(-np.expm1(np.minimum(_at(reach, low) - up, 0.0)))
        return up + np.where(self.low[:, None, :, j] < 0, 0.0, less), z, (low, high)


def _ends(low: Floats, high: Floats) -> Floats:
    """The distinct finite values among both, in order."""
    ends: Floats = np.unique(np.concatenate([low[np.isfinite(low)], high]))
    return ends


def _at(values: Floats, index: Ints) -> Floats:
    """values (s, c, k) at the edges index (s, b), of each front its own: (s, c, b)."""
    if len(index) == 1:
        return values[:, :, index[0]]
    return np.stack([each[:, at] for each, at in zip(values, index, strict=True)])


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
