"""Who is better in a small population: fronts under constrained domination, and who of the last front has to go.

Source  Constrained domination, fronts and crowding: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm:
        NSGA-II, IEEE TEC 6(2), 2002. Directions and niches: Deb & Jain, NSGA-III, IEEE TEC 18(4), 2014.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from trimtab.parts import pareto

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def classes(tier: Floats, within: Floats) -> Ints:
    """(n,): 0 for the best tier and, in a tier, the least `within`, 1 for what comes next, …; equal ones share one."""
    order = np.lexsort((within, tier))
    step = (np.diff(tier[order]) > 0) | (np.diff(within[order]) > 0)
    out = np.empty(len(tier), np.int64)
    out[order] = np.append(0, np.cumsum(step))
    return out


def ranks(tier: Floats, within: Floats, Y: Floats) -> Ints:
    """Fronts (n,) of Y (n, m), minimised: 0 is the best. Every front of a class comes before those of the next."""
    group = classes(tier, within)
    if group[group.argmax()] == 0:
        return pareto.ranks(Y)
    out, before = np.zeros(len(Y), np.int64), 0
    for c in range(int(group.max()) + 1):
        rows = np.flatnonzero(group == c)
        own = pareto.ranks(Y[rows]) if len(rows) > 1 else np.zeros(1, np.int64)
        out[rows] = before + own
        before += int(own.max()) + 1
    return out


def crowded(rank: Ints, Y: Floats, front: int | None = None) -> Floats:
    """Minus the crowding distances (n,), each within its own front; of one front only where it is given."""
    count = np.bincount(rank)
    out = np.where(count[rank] == 1, -np.inf, 0.0)  # alone on its front
    for r in np.flatnonzero(count > 1).tolist() if front is None else (front,):
        rows = np.flatnonzero(rank == r)
        out[rows] = -pareto.crowding(Y[rows])
    return out


# ── NSGA-III ─────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def directions(m: int, most: int) -> Floats:
    """At most about `most` directions (h, m), evenly spread over the simplex: one layer or, in many dimensions, two."""
    if m == 1:
        return np.ones((1, 1))
    parts = 1
    while comb(parts + m, m - 1) <= most:  # one part more still fits
        parts += 1
    found = _lattice(m, parts)
    if parts < m:  # one layer so coarse has no direction inside the simplex: a smaller one there
        inner = _lattice(m, max(1, parts - 1))
        found = np.concatenate([found, 0.5 * inner + 0.5 / m])
    found.flags.writeable = False
    return found


def _lattice(m: int, parts: int) -> Floats:
    """All (h, m) of multiples of 1/parts that sum to 1."""
    bars = np.array(list(combinations(range(parts + m - 1), m - 1)), np.int64).reshape(-1, m - 1)
    ends = np.full((len(bars), 1), -1), np.full((len(bars), 1), parts + m - 1)
    out: Floats = (np.diff(np.hstack([ends[0], bars, ends[1]]), axis=1) - 1) / parts
    return out


def scaled(Y: Floats, best: Bools) -> Floats:
    """Y (n, m) with the ideal point at 0 and the plane through the extreme points at Σ = 1; `best` is the first front.

    Where these points span no plane, or one that cuts an axis absurdly, the worst values of the front stand in for it.
    """
    finite = np.clip(Y, -1e150, 1e150)
    shifted = finite - finite.min(axis=0)
    m, first = Y.shape[1], shifted[best]
    nadir = first.max(axis=0)
    if m > 1 and len(first) >= m:
        weights = np.where(np.eye(m) > 0, 1.0, 1e6)  # per axis: the point that lies nearest to it
        spread = np.where(nadir > 0, nadir, 1.0)
        extreme = first[[int(np.argmin((first / spread * w).max(axis=1))) for w in weights]]
        try:
            cut = 1.0 / np.linalg.solve(extreme / spread, np.ones(m)) * spread
        except np.linalg.LinAlgError:
            cut = np.zeros(m)
        if (cut > 1e-6 * nadir).all() and (cut <= 10.0 * nadir).all():
            nadir = cut
    out: Floats = shifted / np.where(nadir > 0, nadir, 1.0)
    return out


def niches(points: Floats, ways: Floats) -> tuple[Ints, Floats]:
    """For each point (n, m) the direction it lies nearest to, and how far from it; the further, the worse."""
    unit = ways / np.linalg.norm(ways, axis=1, keepdims=True)
    along = points @ unit.T
    apart = np.sqrt(np.maximum((points * points).sum(axis=1)[:, None] - along * along, 0.0))
    near = apart.argmin(axis=1)
    return near, apart[np.arange(len(points)), near]


def sought(rank: Ints, Y: Floats, most: int) -> Floats:
    """How many members (n,) go in each one's direction, and, below 1, how far it is from it."""
    ways = directions(Y.shape[1], most)
    near, apart = niches(scaled(Y, rank == 0), ways)
    out: Floats = np.bincount(near, minlength=len(ways))[near] + apart / (1.0 + apart)
    return out
