"""Boxes that fill what a front leaves undominated below a reference point. All objectives are minimised.

Idea    A point adds to the hypervolume what it dominates of these boxes and nothing else; and what it dominates of a
        box is a product over the objectives. So the expected gain is a sum of products, exactly, when the objectives
        are independent.
Source  The sweep is own work: the staircase of two objectives while the third rises. Each point ends some steps and
        begins at most two, so there are at most 2n + 1 boxes for three objectives (as Lacour, Klamroth & Fonseca,
        Computers & Operations Research 79, 2017, count them), n + 1 for two; slices of these for more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Step = tuple[float, float, float, float]  # of the staircase: left, right, top, and the third value at which it began
Box = tuple[tuple[float, ...], tuple[float, ...]]
END = -np.inf


def boxes(Y: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Lower and upper corners (b, m) of disjoint boxes: all below `reference` (m,) that no row of Y (n, m) dominates.

    Lower corners may be -inf.

    >>> low, high = boxes(np.array([[0.25, 0.5]]), np.array([1.0, 1.0]))
    >>> high
    array([[0.25, 1.  ],
           [1.  , 0.5 ]])
    """
    m = len(reference)
    inside = np.unique(Y[(reference > Y).all(axis=1)], axis=0)
    found = _boxes(inside.tolist(), [float(r) for r in reference])
    corners = np.array(found, np.float64).reshape(len(found), 2, m)
    return corners[:, 0], corners[:, 1]


def _boxes(points: list[list[float]], reference: list[float]) -> list[Box]:
    m = len(reference)
    if m == 1:
        return [((END,), (min([p[0] for p in points], default=reference[0]),))]
    if m <= 3:
        return _sweep(points, reference)
    points = sorted(points, key=lambda p: p[-1])
    levels = [END, *(p[-1] for p in points), reference[-1]]
    found: list[Box] = []
    for k in range(len(points) + 1):
        if levels[k] < levels[k + 1]:
            flat = _boxes([p[:-1] for p in points[:k]], reference[:-1])
            found += [((*low, levels[k]), (*high, levels[k + 1])) for low, high in flat]
    return found


def _sweep(points: list[list[float]], reference: list[float]) -> list[Box]:
    """Two or three objectives: steps lie side by side, their tops descend."""
    solid = len(reference) == 3
    steps: list[Step] = [(END, reference[0], reference[1], END)]
    found: list[Box] = []
    for p in sorted(points, key=lambda p: p[-1]) if solid else points:
        x, y, z = p[0], p[1], p[2] if solid else END
        first = next(i for i, s in enumerate(steps) if s[1] > x)
        last = first
        while last < len(steps) and steps[last][2] > y:
            last += 1
        if last == first:
            continue  # dominated
        hit = steps[first:last]
        found += [((max(s[0], x), END, s[3]), (s[1], s[2], z)) for s in hit if s[3] < z]
        kept = [(hit[0][0], x, hit[0][2], hit[0][3])] if hit[0][0] < x else []
        steps[first:last] = [*kept, (x, hit[-1][1], y, z)]
    if not solid:
        return [((s[0], END), (s[1], s[2])) for s in steps]
    return found + [((s[0], END, s[3]), (s[1], s[2], reference[2])) for s in steps]
