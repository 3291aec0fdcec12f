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
from scipy.linalg.blas import dsymm, dsyr, dtrmm
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtri

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


def _squared(A: Floats, B: Floats, out: Floats | None = None) -> Floats:
    """Squared distances (a, b) of rows, seen from one of them: rows that lie close together cancel less."""
    A, B = A - B[:1], B - B[:1]
    r2: Floats = np.matmul(_beside(-2.0 * A, _norms(A), 1.0), _beside(B, 1.0, _norms(B)).T, out=out)
    return np.maximum(r2, 0.0, out=r2)


def _norms(A: Floats) -> Floats:
    out: Floats = np.einsum("ij,ij->i", A, A)
    return out


def _diagonal(A: Floats) -> Floats:
    """Of a square array without gaps: a view."""
    return A.reshape(-1)[:: len(A) + 1]


def _beside(A: Floats, *columns: Floats | float) -> Floats:
    """A with further columns."""
    n, p = A.shape
    out = np.empty((n, p + len(columns)))
    out[:, :p] = A
    for j, column in enumerate(columns, start=p):
        out[:, j] = column
    return out


def _matern(r2: Floats, signal: float) -> tuple[Floats, Floats]:
    """k and dk/d(r²), both finite at 0. k takes the place of r2."""
    r2, slope = _unscaled(r2, log(signal), np.empty_like(r2), np.empty_like(r2))
    slope *= -5.0 / 6.0
    return r2, slope


def _unscaled(r2: Floats, log_signal: float, r: Floats, e: Floats) -> tuple[Floats, Floats]:
    """k in the place of r2, and -6/5 · dk/d(r²) in that of r. Large arrays are dear to make, so none is made here."""
    r2 *= 5.0
    np.sqrt(r2, out=r)
    np.subtract(log_signal, r, out=e)
    np.exp(e, out=e)
    r += 1.0
    r2 *= 1.0 / 3.0
    r2 += r
    r2 *= e
    r *= e
    return r2, r


def covariances(A: Floats, B: Floats, signal: float) -> Floats:
    """k (a, b) of rows in units of their length scales."""
    r2 = _squared(A, B)
    return _unscaled(r2, log(signal), np.empty_like(r2), np.empty_like(r2))[0]


def loss(theta: Floats, data: Data, room: Floats | None = None) -> tuple[float, Floats]:
    """Minus the log posterior of the hyperparameters (up to a constant), and its slopes; inf where singular.

    room (3, n, n): where to work
    """
    q, n = data.groups, len(data.y)
    signal, noise = float(np.exp(theta[q])), float(np.exp(theta[q + 1]))
    S = data.features * np.exp(-theta[:q])[data.group]
    r2, r, C = np.empty((3, n, n)) if room is None else room
    K, slope = _unscaled(_squared(S, S, r2), float(theta[q]), r, C)
    _diagonal(K)[:] = signal
    C[:] = K
    _diagonal(C)[:] += noise + data.noise
    L, failed = dpotrf(C.T, lower=1, clean=1, overwrite_a=1)  # in C, as all that follows: its upper half
    if failed:
        return np.inf, np.zeros(q + 2)
    half_log_det = np.log(np.diag(L)).sum()
    pull, ones = dpotrs(L, _beside(data.y[:, None], 1.0), lower=1)[0].T
    mean = pull.sum() / (1.0 + ones.sum())
    alpha = pull - mean * ones
    value = 0.5 * (data.y - mean) @ alpha + half_log_det + 0.5 * mean * mean
    W = dsyr(-1.0, alpha, lower=1, a=dpotri(L, lower=1, overwrite_c=1)[0], overwrite_a=1)
    trace = float(np.trace(W))
    slopes = np.empty(q + 2)
    slopes[q] = np.vdot(C, K) - 0.5 * trace * signal
    slopes[q + 1] = 0.5 * noise * trace
    slope *= C
    T = dsymm(1.0, slope.T, _beside(S, 1.0), lower=1)
    each = T[:, -1] @ (S * S) - np.einsum("ij,ij->j", S, T[:, :-1])  # ½ Σ_ab M_ab (S_a - S_b)², for each feature
    slopes[:q] = 5.0 / 3.0 * np.bincount(data.group, each, q)
    prior, by = _prior(theta, q)
    return float(value + prior), slopes + by


def _prior(theta: Floats, q: int) -> tuple[float, Floats]:
    """-ln p: ℓ ~ LogNormal(√2 + ½ ln d, √3), ln σ_f² ~ N(0, 1), σ_n² ~ LogNormal(-4, 2.5)."""
    off = (theta[:q] - typical_length(q)) / SPREAD
    far = (theta[q + 1] - QUIET) / DOUBT
    value = 0.5 * (off @ off) + theta[:q].sum() + 0.5 * theta[q] ** 2 + 0.5 * far * far + theta[q + 1]
    return float(value), np.concatenate([off / SPREAD + 1.0, [theta[q], far / DOUBT + 1.0]])


def fit(data: Data, starts: list[Floats], steps: int) -> Floats:
    """The most probable hyperparameters that are found from the starts, in thousandths of a nat: whole numbers."""
    low, high = bounds(data.groups)
    room = np.empty((3, len(data.y), len(data.y)))

    def both(T: Floats, _: Ints) -> tuple[Floats, Floats]:
        told = [loss(t, data, room) for t in T]
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
        K = covariances(S, S, signal)
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
        k = covariances(features / self.lengths, self.S, self.signal)
        mean = self.mean + k @ self.alpha
        return mean, np.maximum(self.signal - _norms(whitened(k, self.factor)), LEAST)

    def slopes(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean, variance, and what they change by with each feature, (m, p)."""
        T = features / self.lengths
        k, slope = _matern(_squared(T, self.S), self.signal)
        mean = self.mean + k @ self.alpha
        v = whitened(k, self.factor)
        variance = self.signal - _norms(v)
        by_mean = self.moved(T, slope * self.alpha)
        by_variance = -2.0 * self.moved(T, slope * unwhitened(v, self.factor))
        return mean, np.maximum(variance, LEAST), by_mean, by_variance

    def moved(self, T: Floats, weights: Floats) -> Floats:
        """Σ_b weights_ab · what the squared distance of T_a and S_b changes by with each feature, (m, p)."""
        out: Floats = 2.0 * (T * weights.sum(axis=1)[:, None] - weights @ self.S) / self.lengths
        return out

    def believing(self, features: Floats) -> Posterior:
        """With further rows (m, p) at which the prediction is taken for the value: only variances change.

        The inverse factor grows by a block: of [[L, 0], [B, D]] it is [[L⁻¹, 0], [-D⁻¹BL⁻¹, D⁻¹]].
        """
        n, m = len(self.alpha), len(features)
        T = features / self.lengths
        k, own = covariances(T, self.S, self.signal), covariances(T, T, self.signal)
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


def whitened(k: Floats, factor: Floats) -> Floats:
    """k (m, n) times the transpose of a lower factor, in the place of k."""
    out: Floats = dtrmm(1.0, factor.T, k.T, lower=0, trans_a=1, overwrite_b=1).T
    return out


def unwhitened(v: Floats, factor: Floats) -> Floats:
    """v (m, n) times a lower factor, in the place of v."""
    out: Floats = dtrmm(1.0, factor.T, v.T, lower=0, overwrite_b=1).T
    return out


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
