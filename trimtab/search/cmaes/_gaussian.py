"""The normal distribution of CMA-ES and how a ranked generation moves it. Knows nothing of studies.

A sample is mean + sigma · scale · root z with z standard normal and root = B D the root of C. `scale` is there for the
discrete coordinates: the margin (_margin.py) holds their spread up while sigma shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
WIDEST = 1.0  # standard deviation of a coordinate of [0, 1] at most: beyond it a sample is as good as uniform
WORST = 1e14  # condition of C beyond which its root is noise
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Rates:
    """Weights and learning rates for a generation of λ in d dimensions (Hansen, The CMA Evolution Strategy, table 1).

    weights (λ,): best first; the second half is negative (active update)
    """

    weights: Floats
    mu_eff: float
    c_sigma: float
    damping: float
    c_path: float
    c_one: float
    c_mu: float
    chi: float

    @property
    def positive(self) -> Floats:
        return np.maximum(self.weights, 0.0)


@lru_cache(maxsize=64)
def rates(n: int, d: int, full: bool) -> Rates:
    """For n results. Without covariances there are fewer numbers to learn, and they are learned (d + 2)/3 times faster
    (Ros & Hansen, PPSN 2008)."""
    raw = log((n + 1) / 2) - np.log(np.arange(1, n + 1))
    up, down = np.maximum(raw, 0.0), np.minimum(raw, 0.0)
    mu_eff = float(up.sum() ** 2 / (up**2).sum())
    mu_down = float(down.sum() ** 2 / (down**2).sum()) if down.any() else 0.0
    c_one = 2 / ((d + 1.3) ** 2 + mu_eff)
    c_mu = 2 * (mu_eff - 2 + 1 / mu_eff) / ((d + 2) ** 2 + mu_eff)
    if not full:
        c_one, c_mu = (d + 2) / 3 * c_one, (d + 2) / 3 * c_mu
    c_one = min(1.0, c_one)
    c_mu = max(min(1 - c_one, c_mu), 1e-12)
    c_sigma = (mu_eff + 2) / (d + mu_eff + 5)
    room = min(1 + c_one / c_mu, 1 + 2 * mu_down / (mu_eff + 2), max(1 - c_one - c_mu, 0.0) / (d * c_mu))
    weights = up / up.sum()
    if down.any():
        weights = weights + room * down / -down.sum()
    weights.flags.writeable = False
    return Rates(
        weights,
        mu_eff,
        c_sigma,
        damping=1 + 2 * max(0.0, sqrt((mu_eff - 1) / (d + 1)) - 1) + c_sigma,
        c_path=(4 + mu_eff / d) / (d + 4 + 2 * mu_eff / d),
        c_one=c_one,
        c_mu=c_mu,
        chi=sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d)),
    )


@dataclass(frozen=True, slots=True)
class Gaussian:
    """N(mean, (sigma · scale)² C) and the two evolution paths.

    C          (d, d), or (d,): its diagonal, when covariances are not learned
    basis      (d, d) eigenvectors of C, or None; lengths (d,) roots of its eigenvalues. They may be a few updates old.
    updates    how many generations it has learned from
    """

    mean: Floats
    sigma: float
    scale: Floats
    C: Floats
    basis: Floats | None
    lengths: Floats
    path_sigma: Floats
    path_c: Floats
    updates: int = 0
    rooted: int = 0  # updates when the root was made

    @classmethod
    def start(cls, mean: Floats, sigma: float, full: bool, C: Floats | None = None) -> Gaussian:
        d = len(mean)
        diagonal = np.ones(d) if C is None else np.diag(C).copy()
        whole = (np.eye(d) if C is None else C) if full else diagonal
        made = cls(mean, sigma, np.ones(d), whole, None, np.sqrt(diagonal), np.zeros(d), np.zeros(d))
        return made if C is None or not full else rooted(made)

    @property
    def full(self) -> bool:
        return self.C.ndim == 2

    @property
    def spread(self) -> Floats:
        """Standard deviation (d,) of each coordinate."""
        variance = np.diagonal(self.C) if self.full else self.C
        return self.sigma * self.scale * np.sqrt(variance)

    def steps(self, Z: Floats) -> Floats:
        """Standard normal Z (n, d) to steps (n, d) distributed as N(0, C)."""
        Y = Z * self.lengths
        return Y if self.basis is None else Y @ self.basis.T

    def white(self, Y: Floats) -> Floats:
        """C^-½ times each row of Y (n, d)."""
        if self.basis is None:
            return Y / self.lengths
        return ((Y @ self.basis) / self.lengths) @ self.basis.T

    def at(self, Z: Floats) -> Floats:
        """Samples (n, d) from standard normal Z (n, d)."""
        return self.mean + self.sigma * self.scale * self.steps(Z)

    def steps_to(self, V: Floats) -> Floats:
        """The steps (n, d) that lead to V (n, d)."""
        return (V - self.mean) / (self.sigma * self.scale)


def rooted(g: Gaussian) -> Gaussian:
    """With the root of C as it now is."""
    if not g.full:
        return replace(g, lengths=np.sqrt(np.maximum(g.C, TINY)), rooted=g.updates)
    values, basis = np.linalg.eigh(g.C)
    values = np.maximum(values, max(float(values[-1]), TINY) * 1e-16)
    return replace(g, basis=basis, lengths=np.sqrt(values), rooted=g.updates)


def condition(g: Gaussian) -> float:
    return float((g.lengths.max() / max(g.lengths.min(), 1e-150)) ** 2)


def updated(g: Gaussian, V: Floats, told: Bools, free: Bools | None = None) -> Gaussian:
    """The distribution after a generation: V (n, d), best first.

    told (n,)    rows that were not drawn from this distribution (late ones, other people's): their steps are cut to a
                 length that a sample could have had, and sigma grows by a factor e at most (Hansen, Injecting external
                 solutions into CMA-ES, arXiv 1110.4181, 2011)
    free (n, d)  coordinates that were inactive: they move no mean
    """
    n, d = V.shape
    r = rates(n, d, g.full)
    Y = g.steps_to(V)
    white = g.white(Y)
    norms = np.sqrt((white * white).sum(axis=1))
    if told.any():
        longest = sqrt(d) + 2 * d / (d + 2)
        cut = np.where(told, np.minimum(1.0, longest / np.maximum(norms, TINY)), 1.0)
        Y, norms = Y * cut[:, None], norms * cut
    up = r.positive
    step = up @ Y
    moved = step if free is None else up @ np.where(free, 0.0, Y)
    mean = g.mean + g.sigma * g.scale * moved
    path_sigma = (1 - r.c_sigma) * g.path_sigma + sqrt(r.c_sigma * (2 - r.c_sigma) * r.mu_eff) * g.white(step[None])[0]
    length = float(np.sqrt(path_sigma @ path_sigma))
    growth = r.c_sigma / r.damping * (length / r.chi - 1)
    sigma = g.sigma * exp(min(growth, 1.0))
    short = length / sqrt(1 - (1 - r.c_sigma) ** (2 * (g.updates + 1))) < (1.4 + 2 / (d + 1)) * r.chi
    path_c = (1 - r.c_path) * g.path_c + short * sqrt(r.c_path * (2 - r.c_path) * r.mu_eff) * step
    lost = (1 - short) * r.c_path * (2 - r.c_path)
    weights = np.where(r.weights < 0, r.weights * d / np.maximum(norms, 1e-8) ** 2, r.weights)
    keep = 1 + r.c_one * lost - r.c_one - r.c_mu * float(r.weights.sum())
    if g.full:
        C = keep * g.C + r.c_one * np.outer(path_c, path_c) + r.c_mu * (Y.T * weights) @ Y
        C = 0.5 * (C + C.T)
    else:
        C = np.maximum(keep * g.C + r.c_one * path_c**2 + r.c_mu * weights @ Y**2, TINY)
    after = replace(g, mean=mean, sigma=sigma, C=C, path_sigma=path_sigma, path_c=path_c, updates=g.updates + 1)
    after = replace(after, sigma=sigma * min(1.0, WIDEST / float(after.spread.max())))
    often = int(1 / (10 * d * (r.c_one + r.c_mu)))  # in many dimensions C changes little in one update
    return rooted(after) if after.updates - g.rooted >= often else after
