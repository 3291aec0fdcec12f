"""Rungs and bracket sizes that the halving family shares.

Source  Li et al., Hyperband, JMLR 18, 2018, Algorithm 1; sizes as printed there ("jmlr") or floored ("floor").
"""

from __future__ import annotations

from functools import cache
from math import ceil, floor, inf, log

import numpy as np
from numpy.typing import NDArray

from trimtab.errors import Unsupported
from trimtab.parts.order import best_first


def check_rungs(name: str, low: float, high: float, eta: float) -> None:
    if not 0 < low <= high < inf:
        raise Unsupported(f"{name}(min={low:g}, max={high:g}): needs 0 < min <= max, and an end.")
    if not 1 < eta < inf:
        raise Unsupported(f"{name}(eta={eta:g}): eta is the factor between rungs and must be above 1. Usual: 3.")


def depth(low: float, high: float, eta: float) -> int:
    """s_max: how often the budget can be divided by eta. Safe against log(243)/log(3) = 4.999…"""
    return floor(log(high / low) / log(eta) + 1e-9)


@cache  # asked for at every verdict
def rungs(low: float, high: float, eta: float) -> tuple[float, ...]:
    """high·eta^-s … high. Whole numbers when low and high are; strictly rising; the last is high."""
    s = depth(low, high, eta)
    levels = [high * eta**-i for i in range(s, -1, -1)]
    if float(low).is_integer() and float(high).is_integer():
        levels = [float(max(1, round(v))) for v in levels]
    rising = [v for i, v in enumerate(levels) if i == 0 or v > levels[i - 1]]
    return (*rising[:-1], float(high))


def bracket(s: int, s_max: int, eta: float, sizing: str = "jmlr") -> list[int]:
    """How many trials stand on each rung of bracket s: [n_0, n_1, …, n_s]."""
    if sizing == "jmlr":
        n = ceil((s_max + 1) * eta**s / (s + 1) - 1e-9)
    else:
        n = int((s_max + 1) // (s + 1) * eta**s)
    return [floor(n * eta**-i + 1e-9) for i in range(s + 1)]


def ranked(Y: NDArray[np.float64], C: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of one rung, best first. A constraint that nobody there has measured yet says nothing about anybody."""
    return best_first(Y, C[:, ~np.isnan(C).all(axis=0)] if len(C) else C)
