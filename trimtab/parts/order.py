"""One total order of trials for everything that has to say which is better: several objectives, constraints, folds.

Feasible before infeasible, infeasible ones by how much they violate. Among feasible ones the value, when there is one
objective; else non-dominated rank, and within a front those first that add most hypervolume (up to three objectives
and 200 rows) or are least crowded. Without a value: last. Ties go to the older trial. Source: constrained domination of
Deb et al., NSGA-II, IEEE TEC 6(2), 2002.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.parts import pareto

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EXACT = 200  # largest front whose hypervolume contributions are worked out


def violation(C: Floats) -> Floats:
    """Total violation (n,) of C (n, k), each constraint in units of its median size; NaN, not measured, counts as ∞."""
    if not C.shape[1]:
        return np.zeros(len(C))
    scale = np.ones(C.shape[1])
    for j in range(C.shape[1]):
        sizes = np.abs(C[np.isfinite(C[:, j]), j])
        if sizes.size and np.median(sizes) > 0:
            scale[j] = np.median(sizes)
    total: Floats = np.where(np.isnan(C), np.inf, np.maximum(C, 0.0) / scale).sum(axis=1)
    return total


def best_first(Y: Floats, C: Floats | None = None) -> Ints:
    """Rows of Y (n, m), minimised, best first; C (n, k) holds constraints, feasible at or below 0.

    >>> best_first(np.array([[3.0], [np.nan], [1.0], [1.0]]))
    array([2, 3, 0, 1])
    """
    n = len(Y)
    void = np.isnan(Y).any(axis=1)
    broken = violation(C) if C is not None else np.zeros(n)
    first, second = np.zeros(n), np.zeros(n)
    good = np.flatnonzero(~void & (broken <= 0))
    if Y.shape[1] == 1:
        first[good] = Y[good, 0]
    elif good.size:
        first[good] = rank = pareto.ranks(Y[good])
        for r in np.unique(rank):
            rows = good[rank == r]
            second[rows] = -_spread(Y[rows])
    bad = ~void & (broken > 0)
    first[bad] = broken[bad]
    tier = np.where(void, 2, np.where(bad, 1, 0))
    order: Ints = np.lexsort((second, first, tier))
    return order


def _spread(Y: Floats) -> Floats:
    """How much each member (n,) of one front matters to it."""
    if len(Y) > EXACT or Y.shape[1] > 3 or not np.isfinite(Y).all():
        return pareto.crowding(Y)
    low, high = Y.min(axis=0), Y.max(axis=0)
    scaled = (Y - low) / np.where(high > low, high - low, 1.0)
    return pareto.contributions(scaled, np.full(Y.shape[1], 1.1))


def best_rows(Y: Floats, k: int) -> Ints:
    """k rows of Y (n, m): whole fronts, and of the one that doesn't fit a greedy hypervolume subset; oldest first."""
    if k >= len(Y):
        return np.arange(len(Y))
    rank = pareto.ranks(Y, enough=k)
    whole = np.cumsum(np.bincount(rank))
    last = int(np.searchsorted(whole, k, "right"))  # the first front that doesn't fit
    chosen = np.flatnonzero(rank < last)
    rest = np.flatnonzero(rank == last)
    more = k - len(chosen)
    if len(rest) > max(EXACT, more):  # of a huge front only the least crowded are looked at
        rest = np.sort(rest[np.argsort(-pareto.crowding(Y[rest]), kind="stable")[: max(EXACT, more)]])
    if more:
        members = np.clip(Y[rest], -1e300, 1e300)
        low, high = members.min(axis=0), members.max(axis=0)
        scaled = (members - low) / np.where(high > low, high - low, 1.0)
        picked = pareto.hypervolume_subset(scaled, more, np.full(Y.shape[1], 1.1))
        chosen = np.sort(np.concatenate([chosen, rest[picked]]))
    return chosen


def over_folds(values: Floats) -> Floats:
    """One value (n,) a trial from its folds (n, f), NaN where a fold has not run.

    A trial that has only seen the easy folds must not look better for it: a row effect and a fold effect are fitted
    to what is there, and a trial's value is its mean as if it had run all folds.
    """
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    rows, columns = np.maximum(there.sum(axis=1), 1), np.maximum(there.sum(axis=0), 1)
    fold = np.zeros(values.shape[1])
    trial = np.zeros(len(values))
    for _ in range(20):  # backfitting; converges at once when all folds are there
        trial = (filled - np.where(there, fold, 0.0)).sum(axis=1) / rows
        fold = (filled - np.where(there, trial[:, None], 0.0)).sum(axis=0) / columns
        fold -= fold.mean()
    trial = (filled - np.where(there, fold, 0.0)).sum(axis=1) / rows
    return np.where(there.any(axis=1), trial, np.nan)
