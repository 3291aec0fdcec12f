"""Pareto ranks and hypervolume. All objectives are minimised.

Source  Ranks: Deb et al., NSGA-II, IEEE TEC 6(2), 2002. Hypervolume: a sweep for two and three objectives,
        slices of it for more. The greedy subset is within 1 - 1/e of the best one, because hypervolume is submodular
        (Nemhauser et al., 1978).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def front(Y: Floats) -> Ints:
    """Rows of Y (n, m) that no other row dominates, oldest first. Equal rows don't dominate each other.

    >>> front(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 3.0]]))
    array([0, 1])
    """
    return np.flatnonzero(_is_front(Y))


def ranks(Y: Floats, enough: int | None = None) -> Ints:
    """Non-dominated rank (n,) of each row of Y (n, m): 0 is the front, 1 the front of the rest, …

    With `enough`, ranking stops once so many rows are ranked; the others get the next rank.
    """
    n = len(Y)
    out = np.zeros(n, np.int64)
    if not n or not Y.shape[1]:
        return out
    if Y.shape[1] == 1:
        return np.unique(Y[:, 0], return_inverse=True)[1].reshape(n).astype(np.int64)
    points, inverse = np.unique(Y, axis=0, return_inverse=True)  # sorted: nobody is dominated by a later one
    inverse = inverse.reshape(n)
    rank = _ranks_2d(points[:, 1]) if Y.shape[1] == 2 else _peel(points, enough)
    return rank[inverse]


def _ranks_2d(second: Floats) -> Ints:
    """Ranks of distinct points sorted by (first, second): a point goes to the first front whose last second is larger.

    The fronts' last seconds ascend, so a binary search finds it: O(n log n) in all.
    """
    last: list[float] = []
    out = np.empty(len(second), np.int64)
    for i, value in enumerate(second.tolist()):
        at = bisect_right(last, value)
        out[i] = at
        if at == len(last):
            last.append(value)
        else:
            last[at] = value
    return out


def _peel(points: Floats, enough: int | None) -> Ints:
    """Ranks of distinct points in lexicographic order, front by front."""
    out = np.zeros(len(points), np.int64)
    left, rank, done = np.arange(len(points)), 0, 0
    while left.size:
        out[left] = rank
        if enough is not None and done >= enough:
            break
        best = _is_front_sorted(points[left])
        done += int(best.sum())
        left = left[~best]
        rank += 1
    return out


def _is_front(Y: Floats) -> NDArray[np.bool_]:
    points, inverse = np.unique(Y, axis=0, return_inverse=True)
    if Y.shape[1] <= 2:  # of sorted points those stay whose last value is below all before
        low = np.minimum.accumulate(points[:, -1])
        alone = np.append(True, points[1:, -1] < low[:-1]) if Y.shape[1] == 2 else np.arange(len(points)) == 0
    else:
        alone = _is_front_sorted(points)
    found: NDArray[np.bool_] = alone[inverse.reshape(len(Y))]
    return found


def _is_front_sorted(points: Floats) -> NDArray[np.bool_]:
    """Of distinct points in lexicographic order; each front point found throws out all it dominates."""
    found = np.zeros(len(points), bool)
    left = np.arange(len(points))
    while left.size:
        head, rest = left[0], left[1:]
        found[head] = True  # nothing before it dominates it, and nothing after it can
        left = rest[(points[rest] < points[head]).any(axis=1)]
    return found


def crowding(Y: Floats) -> Floats:
    """Crowding distance (n,) inside one front: the ends are infinite, an extra copy of a point gets 0."""
    n, m = Y.shape
    out = np.zeros(n)
    points, first = np.unique(Y, axis=0, return_index=True)
    total = np.zeros(len(points))
    for j in range(m):
        by = np.argsort(points[:, j], kind="stable")
        v = points[by, j]
        finite = v[np.isfinite(v)]
        width = finite[-1] - finite[0] if finite.size else 0.0
        total[by[[0, -1]]] = np.inf
        if width > 0 and len(v) > 2:
            with np.errstate(invalid="ignore"):
                gap = (v[2:] - v[:-2]) / width
            total[by[1:-1]] += np.where(np.isnan(gap), 0.0, gap)
    out[first] = total
    return out


def hypervolume(Y: Floats, reference: Floats) -> float:
    """Exact volume that the rows of Y (n, m) dominate within the box below `reference` (m,).

    Points that are not below the reference in every objective add nothing. O(n log n) for two objectives, O(n²) at
    worst for three, and a factor n for each further one.

    >>> hypervolume(np.array([[0.1, 0.9], [0.4, 0.5], [0.8, 0.2]]), np.array([1.0, 1.0]))
    0.39
    """
    inside = Y[(reference > Y).all(axis=1)]
    if not len(inside):
        return 0.0
    return _volume(inside if Y.shape[1] <= 3 else inside[front(inside)], np.asarray(reference, float))


def _volume(Y: Floats, reference: Floats) -> float:
    m = Y.shape[1]
    if m == 1:
        return float(reference[0] - Y.min())
    Y = Y[np.argsort(Y[:, -1], kind="stable")]
    if m <= 3:
        points = Y.tolist() if m == 3 else [[*y, 0.0] for y in Y.tolist()]
        return _sweep(points, float(reference[0]), float(reference[1]), float(reference[2]) if m == 3 else 1.0)
    thickness = np.diff(np.append(Y[:, -1], reference[-1]))
    total = 0.0
    for i in range(
        len(Y)
    ):  # between the last values of i and i + 1 the first i + 1 points dominate what their rest does
        if thickness[i] > 0:
            slab = Y[: i + 1, :-1]
            total += float(thickness[i]) * _volume(slab[front(slab)], reference[:-1])
    return total


def _sweep(points: list[list[float]], right: float, top: float, end: float) -> float:
    """Volume below three bounds; points come in the order of their third value, and the area in the first two grows.

    xs ascend and ys descend along the staircase of that area; each point enters and leaves it at most once.
    """
    xs: list[float] = []
    ys: list[float] = []
    area = volume = 0.0
    height = points[0][2]
    for x, y, z in points:
        volume += area * (z - height)
        height = z
        p = bisect_right(xs, x)
        if p and ys[p - 1] <= y:
            continue
        first = bisect_left(xs, x)
        last = first
        ceiling, left = (ys[first - 1] if first else top), x
        while last < len(xs) and ys[last] >= y:  # these steps vanish under the new one
            area += (xs[last] - left) * (ceiling - y)
            left, ceiling = xs[last], ys[last]
            last += 1
        area += ((xs[last] if last < len(xs) else right) - left) * (ceiling - y)
        xs[first:last], ys[first:last] = [x], [y]
    return volume + area * (end - height)


def contributions(Y: Floats, reference: Floats) -> Floats:
    """What each row of Y (n, m) alone adds to the hypervolume of all, (n,)."""
    whole = hypervolume(Y, reference)
    rows = np.arange(len(Y))
    return np.array([whole - hypervolume(Y[rows != i], reference) for i in rows])


def hypervolume_subset(Y: Floats, k: int, reference: Floats) -> Ints:
    """k rows of Y (n, m) chosen greedily for their joint hypervolume, in the order of choice; ties to the older.

    Lazy: a row's gain only shrinks as others are chosen, so an old gain that is too small needs no new look.
    """
    n = len(Y)
    if k >= n:
        return np.arange(n)
    Y = np.minimum(Y, reference)
    gain = np.prod(reference - Y, axis=1)
    fresh = np.zeros(n, np.int64)  # how many were chosen when the gain was computed
    chosen: list[int] = []
    base = 0.0
    while len(chosen) < k:
        i = int(np.argmax(gain))
        if fresh[i] != len(chosen):
            gain[i] = max(0.0, hypervolume(Y[[*chosen, i]], reference) - base)
            fresh[i] = len(chosen)
            continue
        chosen.append(i)
        base = hypervolume(Y[chosen], reference)
        gain[i] = -1.0
    return np.array(chosen, np.int64)
