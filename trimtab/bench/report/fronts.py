"""How good a set of points of several objectives is. Everything is minimised.

Idea    Hypervolume is the volume that the points dominate below a reference point. After scaling the ideal to 0 and the
        nadir to 1 the reference is 1.1 in each objective, so that the ends of the front count too. The others measure
        the distance to a known front from one side (a better point costs nothing), which makes them Pareto compliant
        where plain IGD is not.
Source  Zitzler et al., Performance assessment of multiobjective optimizers, IEEE TEC 7(2), 2003 (hypervolume, epsilon,
        coverage); Ishibuchi et al., Modified distance calculation in IGD, EMO 2015 (IGD+); Hansen and Jaszkiewicz, 1998
        (R2).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from trimtab.parts import pareto

Floats = NDArray[np.float64]

REFERENCE = 1.1  # of scaled objectives, in each
WEIGHTS = 100  # of R2, about


def hypervolume(points: Floats, reference: Floats | float = REFERENCE) -> float:
    """Volume dominated by the rows of points (n, m) below the reference; rows with NaN are left out.

    >>> hypervolume(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]), 4.0)
    6.0
    """
    return pareto.hypervolume(_rows(points), np.broadcast_to(np.asarray(reference, float), points.shape[1:]).copy())


def hypervolume_curve(points: Floats, reference: Floats | float = REFERENCE) -> Floats:
    """(n,) hypervolume of the first 1, 2, … rows of points (n, m)."""
    m = points.shape[1]
    r = np.broadcast_to(np.asarray(reference, float), (m,)).copy()
    out = np.zeros(len(points))
    front = np.empty((0, m))
    total = 0.0
    for i, point in enumerate(points):
        if not (point < r).all() or (front <= point).all(axis=1).any():  # adds nothing (NaN is below nothing)
            out[i] = total
            continue
        # what the point adds is its own box, less what the front already holds of it
        total += float(np.prod(r - point)) - pareto.hypervolume(np.maximum(front, point), r)
        front = np.vstack([front[~(point <= front).all(axis=1)], point])
        out[i] = total
    return out


def igd_plus(points: Floats, front: Floats) -> float:
    """Mean over a known front (z, m) of what the nearest point lacks to reach it; inf without points."""
    return _distance(np.maximum(_gaps(points, front), 0.0))


def igd(points: Floats, front: Floats) -> float:
    """The same with the plain distance; a dominated point may come out better, so prefer IGD+."""
    return _distance(_gaps(points, front))


def additive_epsilon(points: Floats, front: Floats) -> float:
    """By how much all points must be moved down in every objective to reach the whole known front."""
    gaps = _gaps(points, front)
    return float(gaps.max(axis=2).min(axis=1).max()) if gaps.size else float("inf")


def coverage(a: Floats, b: Floats) -> float:
    """Share of the rows of b (n, m) that some row of a is at least as good as in every objective."""
    a, b = _rows(a), _rows(b)
    return float((a[:, None] <= b[None]).all(axis=2).any(axis=0).mean()) if len(b) else 0.0


def r2(points: Floats, ideal: Floats, weights: Floats | None = None) -> float:
    """Mean over weights of the best weighted Chebyshev distance to the ideal; smaller is better."""
    kept = _rows(points)
    if not len(kept):
        return float("inf")
    w = simplex(points.shape[1]) if weights is None else weights
    return float((w[:, None] * (kept - ideal)[None]).max(axis=2).min(axis=1).mean())


def simplex(m: int, least: int = WEIGHTS) -> Floats:
    """At least `least` evenly spread weight vectors (w, m) that sum to 1 (Das and Dennis, 1998)."""
    steps = 1
    while _count(steps, m) < least:
        steps += 1
    bars = np.array(list(combinations(range(steps + m - 1), m - 1)), float).reshape(-1, m - 1)
    ends = np.hstack([np.full((len(bars), 1), -1.0), bars, np.full((len(bars), 1), steps + m - 1)])
    parts: Floats = (np.diff(ends, axis=1) - 1) / steps
    return parts


def _count(steps: int, m: int) -> int:
    from math import comb

    return comb(steps + m - 1, m - 1)


def _rows(points: Floats) -> Floats:
    kept: Floats = points[~np.isnan(points).any(axis=1)]
    return kept


def _gaps(points: Floats, front: Floats) -> Floats:
    """(z, n, m) points less front."""
    gaps: Floats = _rows(points)[None] - front[:, None]
    return gaps


def _distance(gaps: Floats) -> float:
    return float(np.sqrt((gaps**2).sum(axis=2)).min(axis=1).mean()) if gaps.size else float("inf")
