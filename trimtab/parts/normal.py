"""The normal distribution without scipy, whose import costs more than a thousand proposals.

cdf and log_mass go through math.erfc value by value, so a value's result never depends on its neighbours in the
array: what is computed one by one equals what is computed in bulk, bit for bit.
"""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ROOT_HALF = sqrt(0.5)
_SMALLEST = 1e-300  # stands for a mass that underflowed; its log is -690

# Rational approximation of the quantile (P. J. Acklam, 2003), relative error below 1.2e-9.
_A = (-3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02, 1.383577518672690e02, -3.066479806614716e01,
      2.506628277459239e00)  # fmt: skip
_B = (
    -5.447609879822406e01,
    1.615858368580409e02,
    -1.556989798598866e02,
    6.680131188771972e01,
    -1.328068155288572e01,
    1.0,
)
_C = (-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00, -2.549732539343734e00,
      4.374664141464968e00, 2.938163982698783e00)  # fmt: skip
_D = (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1.0)
_TAIL = 0.02425


def cdf(x: Floats) -> Floats:
    """P(N(0, 1) <= x), accurate in the left tail."""
    scaled = (x * -_ROOT_HALF).ravel().tolist()
    return 0.5 * np.array([erfc(v) for v in scaled]).reshape(x.shape)


def log_mass(edges: Floats) -> Floats:
    """log P(edges[..., i] < N(0, 1) < edges[..., i + 1]), (..., k + 1) -> (..., k); edges ascend."""
    low, high = edges[..., :-1], edges[..., 1:]
    left, right = cdf(edges), cdf(-edges)
    # to the right of 0 both cdfs are near 1 and their difference is lost: take it from the other tail
    mass = np.where(low + high > 0, right[..., :-1] - right[..., 1:], left[..., 1:] - left[..., :-1])
    logs: Floats = np.log(np.maximum(mass, _SMALLEST))
    return logs


def quantile(p: Floats) -> Floats:
    """The inverse of cdf for 0 < p < 1."""
    shape, p = p.shape, np.maximum(p.ravel(), _SMALLEST)
    centred = p - 0.5
    square = centred * centred
    x: Floats = centred * _horner(_A, square) / _horner(_B, square)
    far = np.flatnonzero(np.abs(centred) > 0.5 - _TAIL)
    if far.size:
        tail = np.minimum(p[far], np.maximum(1.0 - p[far], _SMALLEST))
        root = np.sqrt(-2.0 * np.log(tail))
        x[far] = np.copysign(_horner(_C, root) / _horner(_D, root), centred[far])
    return x.reshape(shape)


def _horner(coefficients: tuple[float, ...], x: Floats) -> Floats:
    total = coefficients[0] * x
    for c in coefficients[1:-1]:
        total += c
        total *= x
    total += coefficients[-1]
    return total
