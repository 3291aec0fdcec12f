"""A few tasks that stand for many: because they cover what tasks are like, or because they foretell the mean.

Cover     a task is a point: how well each of a few unlike optimizers did on it, scaled to 0..1. A subset is good when
          its star discrepancy is small: no box at the origin holds much more or less of it than its volume says.
Foretell  a subset is good when a weighted sum of its scores ranks configurations as the mean over all tasks does.
Source    the discrepancy and the shift heuristic: Clément, Doerr & Paquete, Star discrepancy subset selection, 2022,
          applied to benchmarks by Benjamins et al., carps, 2025. `select_tasks`: Becktepe et al., ARLBench, 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from trimtab._random import rng_for

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Tasks = tuple[int, ...]
Splits = Sequence[tuple[IntArray, IntArray]]  # rows to fit on, rows to judge on

LARGEST = 5 * 10**7  # boxes that are enumerated: 3 axes of 360 points; more would need a heuristic
JITTER = 1e-9  # two tasks in one place have no order along an axis
EXHAUSTIVE = 200_000  # subsets that are all tried; more: greedy, then swaps
FOLDS = 5
BATCH = 10_000  # subsets whose forecasts are ranked at once


# ── cover ─────────────────────────────────────────────────────────────────────


def task_points(costs: ArrayLike, *, log: bool = False) -> FloatArray:
    """Tasks as points (tasks, optimizers) of the unit cube, from final costs (tasks, optimizers, seeds).

    Smaller is better. Scaled per task over all its runs, then the mean over seeds; NaN is a seed that was not run.
    log=True: for points that clump.
    """
    values = np.asarray(costs, float)
    if values.ndim != 3 or np.isinf(values).any() or np.isnan(values).all(axis=2).any():
        raise ValueError(f"costs of shape {values.shape}: give finite numbers (tasks, optimizers, seeds)")
    low, high = np.nanmin(values, axis=(1, 2), keepdims=True), np.nanmax(values, axis=(1, 2), keepdims=True)
    points: FloatArray = np.nanmean((values - low) / np.where(high > low, high - low, 1), axis=2)
    if log:
        points = np.log10(points + 1e-10)
        low, high = points.min(), points.max()
        points = (points - low) / (high - low if high > low else 1)
    return points


def star_discrepancy(points: ArrayLike) -> float:
    """The largest gap between the share of points in a box at the origin and the box's volume; points (k, d) in 0..1.

    >>> star_discrepancy([[0.5, 0.5]])
    0.75
    """
    return _worst_box(_checked(points))[0]


def representative(points: ArrayLike, k: int, *, restarts: int = 50, seed: int = 0) -> IntArray:
    """Rows of k points (k,) with a small star discrepancy, in rising order; the best of `restarts` descents."""
    given = _checked(points)
    if not 1 <= k <= len(given):
        raise ValueError(f"k={k}: there are {len(given)} points to choose from")
    rng = rng_for(seed, "subset")
    jittered = np.clip(given + JITTER * rng.random(given.shape), 0.0, 1.0)
    best, chosen = np.inf, np.arange(k)
    for _ in range(restarts):
        value, rows = _descend(jittered, rng.permutation(len(given))[:k], rng)
        if value < best:
            best, chosen = value, rows
    return np.sort(chosen).astype(np.int64)


def dev_and_test(points: ArrayLike, k: int, *, restarts: int = 50, seed: int = 0) -> tuple[IntArray, IntArray]:
    """Two disjoint subsets: k points, and k of those that are left."""
    given = _checked(points)
    dev = representative(given, k, restarts=restarts, seed=seed)
    left = np.setdiff1d(np.arange(len(given)), dev)
    return dev, left[representative(given[left], k, restarts=restarts, seed=seed)]


def _checked(points: ArrayLike) -> FloatArray:
    given = np.asarray(points, float)
    if given.ndim != 2 or not len(given) or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"points of shape {given.shape}: give (k, d) numbers from 0 to 1")
    if (len(given) + 1) ** given.shape[1] > LARGEST:
        raise ValueError(f"{len(given)} points in {given.shape[1]} dimensions are too many boxes: use fewer axes")
    return given


def _worst_box(points: FloatArray) -> tuple[float, FloatArray, bool]:
    """(discrepancy, upper corner (d,), whether it holds too many). The supremum is reached at coordinates of points, or
    1; counts at all corners at once are cumulative sums over the grid that these span."""
    k, d = points.shape
    edges = [np.unique(np.append(points[:, j], 1.0)) for j in range(d)]
    place = tuple(np.searchsorted(edges[j], points[:, j]) for j in range(d))
    closed = np.zeros([len(edge) for edge in edges])
    np.add.at(closed, place, 1.0)
    for j in range(d):
        closed = np.cumsum(closed, axis=j)
    opened = np.zeros_like(closed)  # points strictly below the corner: the closed count one step down on every axis
    opened[(slice(1, None),) * d] = closed[(slice(None, -1),) * d]
    volume = np.ones(())
    for edge in edges:
        volume = np.multiply.outer(volume, edge)
    over, under = closed / k - volume, volume - opened / k
    full = bool(over.max() >= under.max())
    gap = over if full else under
    at = np.unravel_index(int(np.argmax(gap)), gap.shape)
    return float(gap[at]), np.array([edges[j][at[j]] for j in range(d)]), full


def _descend(points: FloatArray, chosen: IntArray, rng: Generator) -> tuple[float, IntArray]:
    """Swaps a border point of the worst box for one further out (too many) or further in (too few), until no swap of
    that kind helps."""
    orders = np.argsort(points, axis=0, kind="stable")
    ranks = np.argsort(orders, axis=0, kind="stable")
    value, corner, full = _worst_box(points[chosen])
    while True:
        for out, new in _swaps(points, chosen, corner, orders, ranks, 1 if full else -1, rng):
            tried = np.where(chosen == out, new, chosen)
            found = _worst_box(points[tried])
            if found[0] < value:
                (value, corner, full), chosen = found, tried
                break
        else:
            return value, chosen


def _swaps(
    points: FloatArray,
    chosen: IntArray,
    corner: FloatArray,
    orders: IntArray,
    ranks: IntArray,
    step: int,
    rng: Generator,
) -> Iterator[tuple[int, int]]:
    """(point of the subset, point to take for it), nearest first, axes in turn from a random one."""
    n, d = points.shape
    taken = np.zeros(n, bool)
    taken[chosen] = True
    borders = []
    for j in range(d):
        inside = chosen[points[chosen, j] <= corner[j]]  # the point that fixes the border, or the next one below it
        borders.append(int(inside[np.argmax(points[inside, j])]) if len(inside) else -1)
    start = int(rng.integers(d))
    for offset in range(1, n):
        for j in ((start + i) % d for i in range(d)):
            if borders[j] < 0:
                continue
            place = int(ranks[borders[j], j]) + step * offset
            if 0 <= place < n and not taken[orders[place, j]]:
                yield borders[j], int(orders[place, j])


# ── foretell ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Selection:
    """A subset of tasks that foretells the mean over all.

    tasks     their places, rising
    error     1 - Spearman's correlation with the mean rank over all tasks, cross-validated; 0 is perfect
    weights   of each task's percentile rank in the forecast, fitted on all configurations
    left_out  correlation of the forecast with the mean over the *other* tasks: `error` is flattered by the subset's own
              share in the mean; NaN when there are no others
    """

    tasks: tuple[int, ...]
    error: float
    weights: tuple[float, ...]
    left_out: float


def select_tasks(scores: ArrayLike, size: int, *, keep: int = 5, seed: int = 42) -> list[Selection]:
    """The best subsets of `size` tasks, best first; scores (configurations, tasks[, seeds]), greater is better.

    A configuration that is NaN for a seed failed on that task, and ranks last there.
    """
    values = np.asarray(scores, float)
    if values.ndim == 3:
        values = values.mean(axis=2)  # NaN in one seed: an unstable configuration
    if values.ndim != 2 or len(values) < 2 * FOLDS:
        raise ValueError(f"scores of shape {values.shape}: give (configurations, tasks[, seeds]), {2 * FOLDS} or more")
    n, t = values.shape
    if not 1 <= size <= t:
        raise ValueError(f"size={size}: there are {t} tasks to choose from")
    ranks = _percentiles(values)
    folds = np.array_split(rng_for(seed, "folds").permutation(n), FOLDS)
    splits = [(np.setdiff1d(np.arange(n), fold), np.sort(fold)) for fold in folds]
    if comb(t, size) <= EXHAUSTIVE:
        tried = _errors(ranks, list(combinations(range(t), size)), splits)
    else:
        tried = _greedy(ranks, size, splits)
    best = sorted(tried, key=lambda tasks: (tried[tasks], tasks))[:keep]
    return [_selection(ranks, tasks, tried[tasks]) for tasks in best]


def _percentiles(values: FloatArray) -> FloatArray:
    """Each column as shares of the rows that are not above it, ties averaged, NaN as 0."""
    from scipy.stats import rankdata

    ranks = np.zeros_like(values)
    for j in range(values.shape[1]):
        there = ~np.isnan(values[:, j])
        if there.any():
            ranks[there, j] = rankdata(values[there, j]) / there.sum()
    return ranks


def _spearman(forecasts: FloatArray, target: FloatArray) -> FloatArray:
    """(m,): the correlation of ranks of each column (n, m) with the target (n,); 0 where a side is constant, for it
    foretells nothing."""
    from scipy.stats import rankdata

    x, y = rankdata(forecasts, axis=0), rankdata(target)
    x, y = x - x.mean(axis=0), y - y.mean()
    scale = np.sqrt((x * x).sum(axis=0) * (y @ y))
    correlation: FloatArray = (y @ x) / np.where(scale > 0, scale, np.inf)
    return correlation


def _errors(ranks: FloatArray, subsets: Sequence[Tasks], splits: Splits) -> dict[Tasks, float]:
    """Of each subset 1 - Spearman's correlation on the rows that its weights were not fitted on, mean over folds."""
    from scipy.optimize import nnls

    target, errors = ranks.mean(axis=1), np.zeros(len(subsets))
    for train, test in splits:
        fitted, wanted, unseen = ranks[train], target[train], ranks[test]
        for start in range(0, len(subsets), BATCH):
            some = slice(start, start + BATCH)
            forecasts = [unseen[:, tasks] @ nnls(fitted[:, tasks], wanted)[0] for tasks in map(list, subsets[some])]
            errors[some] += 1 - _spearman(np.array(forecasts).T, target[test])
    return dict(zip(subsets, (errors / len(splits)).tolist(), strict=True))


def _greedy(ranks: FloatArray, size: int, splits: Splits) -> dict[Tasks, float]:
    """Task by task, then single swaps until none helps: all that was tried of the wanted size, with its error."""
    t = ranks.shape[1]
    chosen: Tasks = ()
    tried: dict[Tasks, float] = {}
    for _ in range(size):
        tried = _errors(ranks, [tuple(sorted((*chosen, j))) for j in range(t) if j not in chosen], splits)
        chosen = min(tried, key=lambda tasks: (tried[tasks], tasks))
    while True:
        outside = [j for j in range(t) if j not in chosen]
        swapped = [tuple(sorted((*chosen[:i], *chosen[i + 1 :], j))) for i in range(size) for j in outside]
        tried |= _errors(ranks, [tasks for tasks in swapped if tasks not in tried], splits)
        best = min(tried, key=lambda tasks: (tried[tasks], tasks))
        if best == chosen:
            return tried
        chosen = best


def _selection(ranks: FloatArray, tasks: tuple[int, ...], error: float) -> Selection:
    from scipy.optimize import nnls

    inside = ranks[:, list(tasks)]
    weights = nnls(inside, ranks.mean(axis=1))[0]
    others = np.delete(ranks, list(tasks), axis=1)
    left_out = float("nan")
    if others.shape[1]:
        left_out = float(_spearman((inside @ weights)[:, None], others.mean(axis=1))[0])
    return Selection(tasks, error, tuple(float(w) for w in weights), left_out)
