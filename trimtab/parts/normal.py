"""The normal distribution without scipy, whose import costs more than a thousand proposals.

cdf and log_mass go through math.erfc value by value, so a value's result never depends on its neighbours in the
array: what is computed one by one equals what is computed in bulk, bit for bit.
"""

from __future__ import annotations

from functools import cache
from math import erfc, log, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROOT_HALF = sqrt(0.5)
_SMALLEST = 1e-300  # stands for a mass that underflowed; its log is -690

_STEP, _END = 1 / 128, 6.5  # of the quantile's table, which is small enough to stay in the processor's nearest cache


def below(x: float) -> float:
    """P(N(0, 1) <= x): cdf of one value."""
    return 0.5 * erfc(x * -ROOT_HALF)


def cdf(x: Floats) -> Floats:
    """P(N(0, 1) <= x), accurate in the left tail."""
    scaled = (x * -ROOT_HALF).ravel().tolist()
    return 0.5 * np.array([erfc(v) for v in scaled]).reshape(x.shape)


def log_mass(edges: Floats) -> Floats:
    """log P(edges[..., i] < N(0, 1) < edges[..., i + 1]), (..., k + 1) -> (..., k); edges ascend."""
    low, high = edges[..., :-1], edges[..., 1:]
    left, right = cdf(edges), cdf(-edges)
    # to the right of 0 both cdfs are near 1 and their difference is lost: take it from the other tail
    mass = np.where(low + high > 0, right[..., :-1] - right[..., 1:], left[..., 1:] - left[..., :-1])
    logs: Floats = np.log(np.maximum(mass, _SMALLEST))
    return logs


def logs(x: Floats) -> Floats:
    """Natural logs, equal bit for bit to math.log of each (numpy's own may differ from it in the last place)."""
    return np.array([log(v) for v in x.tolist()])


@cache
def _table() -> tuple[Floats, Floats]:
    x = np.arange(-_END, _END + _STEP / 2, _STEP)
    return cdf(x), x


def quantile(p: Floats) -> Floats:
    """The inverse of cdf, for draws: read off a table, to within 1e-5·|x| up to ±6.5, where it ends."""
    P, x = _table()
    found: Floats = np.interp(p, P, x)
    return found
