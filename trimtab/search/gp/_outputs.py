"""From objectives and constraints as they were measured to targets a Gaussian process can believe in.

Idea    Values are kept as they are up to a knee, five times as far above the best one as the median of the early
        trials; above it a value counts by the logarithm of its logarithm. One diverged run then costs the model
        nothing, and a smooth minimum stays as smooth as it was. Early trials, because the median of all comes down to
        the best as a search closes in, and a model that magnifies its own basin never looks elsewhere. Then mean 0 and
        deviation 1. A failed trial counts like the worst value. Constraints are squeezed from 0 outwards, so that the
        limit stays 0. Several objectives become one by weights drawn for the trial (augmented Chebyshev).
Source  Own work, near the half-rank warping of Song et al., The Vizier Gaussian Process Bandit Algorithm, 2024, section
        3.2, but smooth. Weights: Knowles, ParEGO, IEEE TEC 10(1), 2006, eq. 2.
Units   All is divided by a power of two first, so that neither 1e308 nor 1e-308 overflows, and a change of units by a
        power of two changes no bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp, ldexp

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
KNEE, EARLY = 5.0, 20
RHO = 0.05  # weight of the sum beside the maximum (ParEGO)


@dataclass(frozen=True)
class Target:
    """Standardised values (n,), the standardised variance of each where it was measured (0: not), and the way back.

    Squeezed: u for u <= 0, log(1 + log(1 + u)) above, where u = (value - knee) / width, in units of 2**power.
    """

    y: Floats
    noise: Floats
    knee: float = 0.0
    width: float = 1.0
    mean: float = 0.0
    sd: float = 1.0
    power: int = 0

    def back(self, z: float) -> float:
        """The value that a standardised one stands for."""
        u = self.mean + self.sd * z
        u = float(np.expm1(np.expm1(min(u, 6.0)))) if u > 0 else u
        value = self.knee + self.width * u
        try:
            return ldexp(value, self.power)
        except OverflowError:
            return float(np.copysign(np.inf, value))

    def forth(self, value: float) -> float:
        """The standardised one that a value becomes."""
        u = (float(_times_power(np.array(value), -self.power)) - self.knee) / self.width
        u = float(np.log1p(np.log1p(u))) if u > 0 else u
        return (u - self.mean) / self.sd

    @property
    def flat(self) -> bool:
        """All values are the same."""
        return not (self.y != 0).any()


def target(values: Floats, sem: Floats) -> Target:
    """values (n,): nan and inf for failed trials; sem (n,): standard errors, 0 where unknown."""
    n, good = len(values), np.isfinite(values)
    if not good.any():
        return Target(np.zeros(n), np.zeros(n))
    power = frexp(float(np.abs(values[good]).max()))[1] + 2
    y = np.where(good, values, 0.0)
    y, sem = _times_power(y, -power), _times_power(np.where(np.isfinite(sem) & good, sem, 0.0), -power)
    low, high = float(y[good].min()), float(y[good].max())
    width = KNEE * (float(np.median(y[good][:EARLY])) - low) or high - low
    if not width > 0:
        return Target(np.zeros(n), np.zeros(n))
    width = max(width, (high - low) * 2.0**-900)  # so that no quotient by it overflows
    knee = low + width
    u = (y - knee) / width
    above = np.log1p(np.maximum(u, 0.0))
    squeezed = np.where(u > 0, np.log1p(above), u)
    squeezed = np.where(good, squeezed, squeezed[good].max())
    slope = 1.0 / (1.0 + np.maximum(u, 0.0)) / (1.0 + above) / width
    mean, sd = float(squeezed.mean()), float(squeezed.std())
    if not sd > 0:
        return Target(np.zeros(n), np.zeros(n))
    noise = np.minimum((sem * slope / sd) ** 2, 1e2)
    return Target((squeezed - mean) / sd, noise, knee, width, mean, sd, power)


def limit(values: Floats) -> tuple[Floats, float]:
    """A constraint (n,), met at or below 0, as standardised targets, and where its limit is among them."""
    values = np.nan_to_num(values, posinf=1e300, neginf=-1e300)
    sizes = np.abs(values[values != 0])
    scale = float(np.median(sizes)) if len(sizes) else 1.0
    with np.errstate(over="ignore"):
        u = np.sign(values) * np.log1p(np.minimum(np.abs(values) / scale, 1e300))
    mean, sd = float(u.mean()), float(u.std()) or 1.0
    return (u - mean) / sd, -mean / sd


def scalarised(Y: Floats, rng: Generator) -> tuple[Floats, Floats]:
    """Objectives (n, m) as one, (n,), under weights (m,) drawn uniformly from the simplex; nan stays nan."""
    weights = -np.log1p(-rng.random(Y.shape[1]))
    weights /= weights.sum()
    parts = np.empty_like(Y)
    for j in range(Y.shape[1]):
        one = target(Y[:, j], np.zeros(len(Y))).y
        wide = float(np.ptp(one))
        parts[:, j] = (one - one.min()) / wide if wide > 0 else 0.0
    weighted = weights * parts
    out: Floats = weighted.max(axis=1) + RHO * weighted.sum(axis=1)
    out[~np.isfinite(Y).all(axis=1)] = np.nan
    return out, weights


def _times_power(x: Floats, power: int) -> Floats:
    """x · 2**power, exactly unless it underflows."""
    half = power // 2
    with np.errstate(over="ignore"):
        return np.ldexp(np.ldexp(x, half), power - half)
