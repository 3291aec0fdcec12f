"""A Gaussian process: Matérn-5/2 with a length scale a group of features, its fit and its predictions.

Idea    Hyperparameters are the most probable ones under priors (MAP), found along analytic slopes. The mean is a
        constant under N(0, 1); given the rest it has a closed form, so it is not searched for.
Source  Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.8 and 5.9, section 5.4.2. Priors of
        length scales and noise: Hvarfner, Hellsten & Nardi, Vanilla Bayesian Optimization Performs Great in High
        Dimensions, ICML 2024; but noise may be as small as 1e-10, and its prior is wider.
Units   Targets are standardised: everything here is in standard deviations of the (transformed) objective.
Cost    O(n³ + n²p) an evaluation of the likelihood, with no array larger than n².
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri, dtrtri

from trimtab.parts.descent import descend

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOISE, SIGNAL, LENGTH = (log(1e-10), 2.0), (-5.0, 4.0), (log(0.025), log(1e3))  # bounds of ln σ_n², ln σ_f², ln ℓ
QUIET, DOUBT = -4.0, 2.5  # ln σ_n² under its prior. With 1 for 2.5, as in the paper, functions without noise that span
# decades were modelled as noise: median regret 48 instead of 1.1 on a 4-d Dixon-Price (development tasks, 8 seeds)
SPREAD = sqrt(3.0)  # of ln ℓ under its prior
LADDER = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # times σ_f², added to the diagonal until it factorises
LEAST = 1e-12  # variance of a prediction
UNIT = 1000  # hyperparameters are kept, and logged, in thousandths of a nat


class Singular(Exception):
    """The covariance could not be factorised with any jitter."""


@dataclass(frozen=True)
class Data:
    """features (n, p), their length scales' groups (p,), targets (n,), and the known part of their noise (n,)."""

    features: Floats
    group: Ints
    y: Floats
    noise: Floats

    @property
    def groups(self) -> int:
        return int(self.group[-1]) + 1 if len(self.group) else 0


def typical_length(groups: int) -> float:
    """The mean of ln ℓ under its prior: it grows with √d, so that correlations stay alike in any dimension."""
    return sqrt(2.0) + 0.5 * log(max(groups, 1))


def prior_mode(groups: int) -> Floats:
    """Where a fit starts that knows nothing: [ln ℓ …, ln σ_f², ln σ_n²]."""
    length = max(typical_length(groups) - SPREAD**2, LENGTH[0])
    return np.array([*[length] * groups, 0.0, QUIET - DOUBT**2 / 2])


def bounds(groups: int) -> tuple[Floats, Floats]:
    pairs = [LENGTH] * groups + [SIGNAL, NOISE]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def _squared(A: Floats, B: Floats) -> Floats:
    """Squared distances (a, b) of rows, seen from one of them: rows that lie close together cancel less."""
    A, B = A - B[:1], B - B[:1]
    r2 = -2.0 * (A @ B.T)
    r2 += (A * A).sum(axis=1)[:, None]
    r2 += (B * B).sum(axis=1)
    return np.maximum(r2, 0.0, out=r2)


def _matern(r2: Floats, signal: float) -> tuple[Floats, Floats]:
    """k and dk/d(r²), both finite at 0."""
    r = np.sqrt(5.0 * r2)
    e = signal * np.exp(-r)
    slope = (-5.0 / 6.0) * e * (1.0 + r)
    return e * (1.0 + r + r * r / 3.0), slope


def loss(theta: Floats, data: Data) -> tuple[float, Floats]:
    """Minus the log posterior of the hyperparameters (up to a constant), and its slopes; inf where singular."""
    q, n = data.groups, len(data.y)
    signal, noise = np.exp(theta[q]), np.exp(theta[q + 1])
    S = data.features * np.exp(-theta[:q])[data.group]
    K, slope = _matern(_squared(S, S), signal)
    K[np.diag_indices(n)] = signal
    C = K.copy()
    C[np.diag_indices(n)] += noise + data.noise
    L, failed = dpotrf(C.T, lower=1, clean=1, overwrite_a=1)
    if failed:
        return np.inf, np.zeros(q + 2)
    half_log_det = np.log(np.diag(L)).sum()
    inverse = _mirrored(dpotri(L, lower=1, overwrite_c=1)[0])
    pull, ones = inverse @ data.y, inverse.sum(axis=1)
    mean = pull.sum() / (1.0 + ones.sum())
    alpha = pull - mean * ones
    value = 0.5 * (data.y - mean) @ alpha + half_log_det + 0.5 * mean * mean
    W = inverse - np.outer(alpha, alpha)
    M = W * slope
    each = 2.0 * (M.sum(axis=1) @ (S * S) - (S * (M @ S)).sum(axis=0))  # Σ_ab M_ab (S_a - S_b)², for each feature
    slopes = np.empty(q + 2)
    slopes[:q] = -np.bincount(data.group, each, q)
    slopes[q] = 0.5 * (W * K).sum()
    slopes[q + 1] = 0.5 * noise * np.trace(W)
    prior, by = _prior(theta, q)
    return float(value + prior), slopes + by


def _prior(theta: Floats, q: int) -> tuple[float, Floats]:
    """-ln p: ℓ ~ LogNormal(√2 + ½ ln d, √3), ln σ_f² ~ N(0, 1), σ_n² ~ LogNormal(-4, 2.5)."""
    off = (theta[:q] - typical_length(q)) / SPREAD
    far = (theta[q + 1] - QUIET) / DOUBT
    value = 0.5 * (off @ off) + theta[:q].sum() + 0.5 * theta[q] ** 2 + 0.5 * far * far + theta[q + 1]
    return float(value), np.concatenate([off / SPREAD + 1.0, [theta[q], far / DOUBT + 1.0]])


def _mirrored(A: Floats) -> Floats:
    """A symmetric matrix from its lower half."""
    lower = np.tril(A)
    out: Floats = lower + np.tril(A, -1).T
    return out


def fit(data: Data, starts: list[Floats], steps: int) -> Floats:
    """The most probable hyperparameters that are found from the starts, in thousandths of a nat: whole numbers."""
    low, high = bounds(data.groups)

    def both(T: Floats, _: Ints) -> tuple[Floats, Floats]:
        told = [loss(t, data) for t in T]
        return np.array([v for v, _ in told]), np.array([g for _, g in told])

    found, values = descend(both, np.array(starts), low, high, scale=np.ones(len(low)), steps=steps, tolerance=5e-3)
    best: Floats = found[int(np.argmin(values))]
    return np.rint(UNIT * best)


@dataclass(frozen=True)
class Posterior:
    """What the data say under fixed hyperparameters. Rows are those of the data, then those pending.

    lengths   (p,) of each feature;  S (n, p) the features in units of these
    alpha     (n,) C⁻¹(y - mean); 0 for pending rows, whose believed value is the prediction (kriging believer)
    factor    (n, n) the inverse of the Cholesky factor, lower
    """

    lengths: Floats
    signal: float
    noise: float
    mean: float
    S: Floats
    alpha: Floats
    factor: Floats

    @classmethod
    def of(cls, theta: Floats, data: Data) -> Posterior:
        """theta as fit() gives it."""
        q, n = data.groups, len(data.y)
        theta = theta / UNIT
        signal, noise = float(np.exp(theta[q])), float(np.exp(theta[q + 1]))
        lengths = np.exp(theta[:q])[data.group]
        S = data.features / lengths
        K, _ = _matern(_squared(S, S), signal)
        K[np.diag_indices(n)] = signal + noise + data.noise
        factor = inverse_factor(K, signal)
        half, ones = factor @ data.y, factor.sum(axis=1)
        mean = float(half @ ones / (1.0 + ones @ ones))
        return cls(lengths, signal, noise, mean, S, factor.T @ (half - mean * ones), factor)

    @property
    def noisy(self) -> bool:
        """Whether noise is a part of the signal that matters: then no single value is to be trusted."""
        return self.noise > 0.01 * self.signal

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Mean and variance (m,) of the objective without its noise."""
        k, _ = _matern(_squared(features / self.lengths, self.S), self.signal)
        v = k @ self.factor.T
        return self.mean + k @ self.alpha, np.maximum(self.signal - (v * v).sum(axis=1), LEAST)

    def slopes(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean, variance, and what they change by with each feature, (m, p)."""
        T = features / self.lengths
        k, slope = _matern(_squared(T, self.S), self.signal)
        v = k @ self.factor.T
        variance = self.signal - (v * v).sum(axis=1)
        a, b = slope * self.alpha, slope * (v @ self.factor)
        by_mean = 2.0 * (T * a.sum(axis=1)[:, None] - a @ self.S) / self.lengths
        by_variance = -4.0 * (T * b.sum(axis=1)[:, None] - b @ self.S) / self.lengths
        return self.mean + k @ self.alpha, np.maximum(variance, LEAST), by_mean, by_variance

    def believing(self, features: Floats) -> Posterior:
        """With further rows (m, p) at which the prediction is taken for the value: only variances change.

        The inverse factor grows by a block: of [[L, 0], [B, D]] it is [[L⁻¹, 0], [-D⁻¹BL⁻¹, D⁻¹]].
        """
        n, m = len(self.alpha), len(features)
        T = features / self.lengths
        k, _ = _matern(_squared(T, self.S), self.signal)
        own, _ = _matern(_squared(T, T), self.signal)
        own[np.diag_indices(m)] = self.signal + self.noise
        B = k @ self.factor.T
        corner = inverse_factor(own - B @ B.T, self.signal)
        factor = np.zeros((n + m, n + m))
        factor[:n, :n] = self.factor
        factor[n:, :n] = -corner @ (B @ self.factor)
        factor[n:, n:] = corner
        alpha = np.concatenate([self.alpha, np.zeros(m)])
        return replace(self, S=np.concatenate([self.S, T]), alpha=alpha, factor=factor)

    def left_out(self, y: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of each value (n,) as the others predict it (Rasmussen & Williams, eq. 5.12)."""
        precision = (self.factor * self.factor).sum(axis=0)
        return y - self.alpha / precision, 1.0 / precision


def inverse_factor(C: Floats, signal: float) -> Floats:
    """The inverse of the Cholesky factor of C, with as little jitter as it takes."""
    for jitter in LADDER:
        A = C.copy()
        A[np.diag_indices(len(A))] += jitter * signal
        L, failed = dpotrf(A.T, lower=1, clean=1, overwrite_a=1)
        if not failed:
            inverse, failed = dtrtri(L, lower=1)
            if not failed and np.isfinite(inverse).all():
                return np.ascontiguousarray(inverse)
    raise Singular
