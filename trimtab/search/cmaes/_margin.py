"""Discrete coordinates: the least chance that a sample leaves the cell of the mean.

Without it a spread far below a cell's width would draw one value for ever. Source: Hamano, Saito, Nomura & Shirakawa,
CMA-ES with Margin, GECCO 2022; the chance as in CatCMA with Margin, GECCO 2025.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trimtab.parts.normal import quantile
from trimtab.search.cmaes._gaussian import Gaussian

NEVER = 0.73  # chance that no discrete parameter of a sample leaves the most likely value


def chance(discrete: int) -> float:
    """Of leaving it, for each of so many discrete parameters."""
    return float(1.0 - NEVER ** (1.0 / discrete)) if discrete else 0.0


def with_margin(g: Gaussian, edges: Sequence[Sequence[float] | None], alpha: float) -> Gaussian:
    """g with mean and scale moved as little as gives each side at least alpha / 2 (the only side alpha).

    edges  of each coordinate: where its cells begin and end, ascending from 0 to 1; None: continuous
    """
    mean, scale, spread = g.mean.copy(), g.scale.copy(), g.spread.tolist()
    one, two = quantile(np.array([1.0 - alpha, 1.0 - alpha / 2])).tolist()
    for j, edge in enumerate(edges):
        if edge is None:
            continue
        m, s, last = float(mean[j]), max(spread[j], 1e-300), len(edge) - 2
        i = min(max(bisect_right(edge, m) - 1, 0), last)
        low, high = edge[i], edge[i + 1]
        if i == 0 or i == last:  # one neighbour: come nearer to it
            reach = one * s
            mean[j] = max(m, high - reach) if i == 0 else min(m, low + reach)
            continue
        a, b = (m - low) / s, (high - m) / s
        if a <= two and b <= two:
            continue
        a, b = min(a, two), min(b, two)
        width = (high - low) / (a + b)
        mean[j] = low + a * width
        scale[j] *= width / s
    return replace(g, mean=mean, scale=scale)
