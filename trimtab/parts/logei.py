"""The logarithm of expected improvement, and its slopes, for every distance from the best value.

Idea    EI = σ·h(z) with h(z) = φ(z) + zΦ(z) and z = (best - μ)/σ. Far from the best value h underflows, and whoever
        climbs it sees a plain; its logarithm is as good a guide at z = -1e8 as at 0.
Source  Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023, eq. 9 and
        appendix A.2 (three pieces).
"""

from __future__ import annotations

from math import log, pi

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr

Floats = NDArray[np.float64]
_HALF_LOG_2PI, _HALF_LOG_HALF_PI = 0.5 * log(2 * pi), 0.5 * log(pi / 2)
_ROOT_2PI, _ROOT_HALF = (2 * pi) ** 0.5, 0.5**0.5
NEAR, FAR = -1.0, -1e6  # where one piece ends and the next begins
LEAST = 1e-300  # of a standard deviation


def log_h(z: Floats) -> Floats:
    """ln(φ(z) + zΦ(z)), (…) -> (…), to about 1e-13 of its size."""
    near = np.maximum(z, NEAR)
    out: Floats = np.log(np.exp(-0.5 * near * near) / _ROOT_2PI + near * np.exp(log_ndtr(near)))
    low = z <= NEAR
    if low.any():
        t = np.maximum(z[low], FAR)
        w = np.log(erfcx(-t * _ROOT_HALF) * -t) + _HALF_LOG_HALF_PI
        w = np.minimum(w, -1e-16)  # rounding may bring it to 0, where log(1 - e^w) is -inf
        middle = np.where(w > -log(2), np.log(-np.expm1(w)), np.log1p(-np.exp(np.minimum(w, -0.1))))
        out[low] = -0.5 * z[low] ** 2 - _HALF_LOG_2PI + np.where(z[low] > FAR, middle, -2 * np.log(-z[low]))
    return out


def log_ei(best: float, mean: Floats, sd: Floats) -> Floats:
    """ln of the expected improvement (…) on `best`, which is to be minimised."""
    sd = np.maximum(sd, LEAST)
    out: Floats = log_h((best - mean) / sd) + np.log(sd)
    return out


def log_ei_slopes(best: float, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
    """log_ei, and its derivatives by the mean and by the standard deviation."""
    sd = np.maximum(sd, LEAST)
    z = (best - mean) / sd
    h = log_h(z)
    by_mean: Floats = -np.exp(log_ndtr(z) - h) / sd  # -Φ/(hσ)
    by_sd: Floats = np.exp(-0.5 * z * z - _HALF_LOG_2PI - h) / sd  # φ/(hσ)
    return h + np.log(sd), by_mean, by_sd


def log_below(limit: float, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
    """ln P(N(mean, sd²) <= limit), and its derivatives by the mean and by the standard deviation."""
    sd = np.maximum(sd, LEAST)
    z = (limit - mean) / sd
    out: Floats = log_ndtr(z)
    ratio = np.exp(-0.5 * z * z - _HALF_LOG_2PI - out)  # φ/Φ
    return out, -ratio / sd, -ratio * z / sd
