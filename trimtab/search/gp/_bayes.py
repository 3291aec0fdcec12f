"""Several sets of hyperparameters instead of the most probable one.

Idea    With few trials many length scales explain the data, and the most probable ones alone are too sure of
        themselves. Here the acquisition is the logarithm of its mean over sets drawn from their posterior:
        laplace  from the Gaussian that has the posterior's peak and curvature, weighted by what they are worth
        starts   the posterior's peaks that several starts lead to, weighted by their heights
        vi       from the Gaussian, of any covariance, that is nearest to the posterior
        hmc      by Hamiltonian Monte Carlo
Source  Lalchand & Rasmussen, Approximate Inference for Fully Bayesian Gaussian Process Regression, AABI 2019; MacKay,
        Information Theory, Inference, and Learning Algorithms, 2003, chapters 27 and 30.5; step sizes: Hoffman &
        Gelman, The No-U-Turn Sampler, JMLR 15, 2014, section 3.2; weights are cut as by Ionides, Truncated Importance
        Sampling, JCGS 17(2), 2008. Own work: the draws of vi are ± an orthogonal basis, so that their second moments
        are exact however few they are.
Units   All is in logarithms of the hyperparameters, under priors of the logarithms that peak where those of the fit do.
        With the fit's own priors, whose logarithms are typically larger, sets predicted functions drawn from these
        priors better still, but searches were led astray: much of what is smooth was taken for noise.
Cost    In likelihoods with slopes, p hyperparameters: laplace p + 40, starts 8 · 40, vi 80 · p, hmc about 8,000.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.parts.descent import descend
from trimtab.search.gp._model import DOUBT, QUIET, SPREAD, UNIT, Data, Singular, bounds, loss, typical_length

Floats = NDArray[np.float64]
Potential = Callable[[Floats], tuple[float, Floats]]
Hyper = Literal["map", "laplace", "starts", "vi", "hmc"]
LOGGED = ("vi", "hmc")  # dear ones: their sets are drawn now and then, logged, and weighted anew in between
SETS = 10
WIDEST = 3.0  # standard deviations of a Gaussian approximation are at most so large, in nats
TWO = 2.0  # draws of it lie within so many standard deviations
LEAST = 1e-3  # share of the weight below which a set isn't worth its cost
STARTS, APART, CLOSE = 8, 0.1, 2.0  # starts; peaks that differ by less are one; those lower by more don't count
CHAINS, WARM, KEPT, EVERY = 2, 200, 50, 5  # kept: of each chain, every fifth of 50 is a set
LEAPS, ACCEPT = (10, 15), 0.8
TURNS = 40  # evaluations of a descent


@dataclass(frozen=True)
class Sets:
    """Hyperparameters (s, p) in nats, the logarithms of their weights (s,), which sum to 1, and what each cost (s,)."""

    theta: Floats
    logs: Floats
    height: Floats


def potential(data: Data) -> Potential:
    """Minus the log posterior density of the logarithms of the hyperparameters, and its slopes."""

    def told(theta: Floats) -> tuple[float, Floats]:
        return loss(theta, data)

    return told


def draw(kind: Hyper, data: Data, theta: Floats, rng: Generator) -> Sets:
    """Sets of hyperparameters; theta: a good one, where to begin."""
    energy, (low, high) = potential(data), bounds(data.groups)
    if kind == "starts":
        return _peaks(energy, data.groups, theta, rng)
    peak = lowest(energy, theta[None], low, high)[0][0]
    root = _root(energy, peak, low, high)
    if kind == "laplace":
        return _weighted(energy, peak, root, low, high, rng)
    if kind == "vi":
        return _even(energy, *nearest_gaussian(_mirrored(energy, low, high), peak, root, rng), low, high, rng)
    chains = [hmc(energy, peak, root, low, high, rng) for _ in range(CHAINS)]
    found = np.concatenate([chain[::EVERY] for chain in chains])
    return Sets(found, np.full(len(found), -np.log(len(found))), np.array([energy(t)[0] for t in found]))


def again(sets: Sets, data: Data) -> Sets:
    """The same sets, weighted by how much more probable further data have made them."""
    energy = potential(data)
    height = np.array([energy(t)[0] for t in sets.theta])
    logs = sets.logs + sets.height - height
    return _cut(Sets(sets.theta, logs, height))


def effective(sets: Sets) -> float:
    """How many sets of equal weight they are worth."""
    return float(1.0 / np.exp(2 * sets.logs).sum())


def lowest(energy: Potential, starts: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    def all_(T: Floats, _: NDArray[np.int64]) -> tuple[Floats, Floats]:
        told = [energy(t) for t in T]
        return np.array([v for v, _ in told]), np.array([g for _, g in told])

    return descend(all_, starts, low, high, scale=np.ones(len(low)), steps=TURNS, tolerance=1e-3)


# ── peaks and curvatures ──


def _root(energy: Potential, peak: Floats, low: Floats, high: Floats) -> Floats:
    """A square root (p, p) of the covariance that the curvature at the peak stands for."""
    p, step = len(peak), 1e-3
    centre = energy(peak)[1]
    H = np.empty((p, p))
    for j in range(p):
        moved = peak.copy()
        by = step if peak[j] + step <= high[j] else -step
        moved[j] += by
        H[j] = (energy(moved)[1] - centre) / by
    if not np.isfinite(H).all():
        raise Singular
    curve, axes = np.linalg.eigh(0.5 * (H + H.T))
    root: Floats = axes / np.sqrt(np.maximum(curve, WIDEST**-2))
    return root


def _weighted(energy: Potential, peak: Floats, root: Floats, low: Floats, high: Floats, rng: Generator) -> Sets:
    Z = np.clip(rng.standard_normal((SETS, len(peak))), -TWO, TWO)
    Z[0] = 0.0
    theta = _folded(peak + Z @ root.T, low, high)[0]
    height = np.array([energy(t)[0] for t in theta])
    return _cut(Sets(theta, 0.5 * (Z * Z).sum(axis=1) - height, height))


def _even(energy: Potential, mean: Floats, root: Floats, low: Floats, high: Floats, rng: Generator) -> Sets:
    theta = _folded(mean + rng.standard_normal((SETS, len(mean))) @ root.T, low, high)[0]
    height = np.array([energy(t)[0] for t in theta])
    return _cut(Sets(theta, np.where(np.isfinite(height), 0.0, -np.inf), height))


def _peaks(energy: Potential, q: int, theta: Floats, rng: Generator) -> Sets:
    low, high = bounds(q)
    typical = np.array([*[typical_length(q)] * q, 0.0, QUIET])
    spread = np.array([*[SPREAD] * q, 1.0, DOUBT])
    drawn = typical + spread * rng.standard_normal((STARTS - 1, q + 2))
    found, height = lowest(energy, np.clip(np.concatenate([theta[None], drawn]), low, high), low, high)
    chosen: list[int] = []
    for i in np.argsort(height, kind="stable").tolist():
        apart = all(np.abs(found[i] - found[j]).max() > APART for j in chosen)
        if apart and height[i] - height.min() <= CLOSE and len(chosen) < SETS:
            chosen.append(i)
    return _cut(Sets(found[chosen], -height[chosen], height[chosen]))


def _cut(sets: Sets) -> Sets:
    """Weights as shares, none above 1/√s of their sum before it was cut, without those that hardly count."""
    if not np.isfinite(sets.logs).any():
        raise Singular
    w = np.exp(sets.logs - sets.logs.max())
    w = np.minimum(w, w.sum() / np.sqrt(len(w)))
    w /= w.sum()
    kept = w >= LEAST
    return Sets(sets.theta[kept], np.log(w[kept] / w[kept].sum()), sets.height[kept])


def _folded(theta: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """theta mirrored at the bounds until it is within, and the signs that slopes get by it."""
    wide = high - low
    place = np.mod(theta - low, 2 * wide)
    back = place > wide
    return low + np.where(back, 2 * wide - place, place), np.where(back, -1.0, 1.0)


def _mirrored(energy: Potential, low: Floats, high: Floats) -> Potential:
    """The same within the bounds, and its mirror image beyond them."""

    def told(theta: Floats) -> tuple[float, Floats]:
        inside, signs = _folded(theta, low, high)
        value, slopes = energy(inside)
        return value, signs * slopes

    return told


# ── the nearest Gaussian ──


def nearest_gaussian(energy: Potential, mean: Floats, root: Floats, rng: Generator) -> tuple[Floats, Floats]:
    """The mean and a lower root of the covariance that maximise the evidence bound over 2p draws."""
    p = len(mean)
    rows, columns = (each.astype(np.int64) for each in np.tril_indices(p))
    basis = np.linalg.qr(rng.standard_normal((p, p)))[0] * np.sqrt(p)
    E = np.concatenate([basis, -basis])
    diagonal = np.flatnonzero(rows == columns).astype(np.int64)
    L = np.linalg.cholesky(root @ root.T)
    start = L[rows, columns]
    start[diagonal] = np.log(start[diagonal])

    def bound(V: Floats, _: NDArray[np.int64]) -> tuple[Floats, Floats]:
        values, slopes = np.empty(len(V)), np.empty(V.shape)
        for i, v in enumerate(V):
            T = _lower(v[p:], rows, columns, diagonal, p)
            told = [energy(v[:p] + T @ e) for e in E]
            G = np.array([g for _, g in told])
            by = (G.T @ E)[rows, columns] / len(E)
            by[diagonal] = by[diagonal] * np.diag(T) - 1.0
            values[i] = float(np.mean([f for f, _ in told])) - float(v[p:][diagonal].sum())
            slopes[i] = np.concatenate([G.mean(axis=0), by])
        return values, slopes

    v0 = np.concatenate([mean, start])[None]
    wide = np.concatenate([np.full(p, 10.0), np.full(len(start), WIDEST)])
    wide[p + diagonal] = 8.0  # logarithms: from a few ten-thousandths to `WIDEST`
    low, high = v0[0] - wide, v0[0] + wide
    high[p + diagonal] = np.maximum(np.log(WIDEST), v0[0, p + diagonal])
    scale = np.full(v0.shape[1], 0.3)
    found, _ = descend(bound, v0, low, high, scale=scale, steps=TURNS, tolerance=1e-2)
    return found[0, :p], _lower(found[0, p:], rows, columns, diagonal, p)


def _lower(
    flat: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], diagonal: NDArray[np.int64], p: int
) -> Floats:
    T = np.zeros((p, p))
    values = flat.copy()
    values[diagonal] = np.exp(values[diagonal])
    T[rows, columns] = values
    return T


# ── Hamiltonian Monte Carlo ──


def hmc(
    energy: Potential,
    start: Floats,
    root: Floats,
    low: Floats,
    high: Floats,
    rng: Generator,
    warm: int = WARM,
    kept: int = KEPT,
) -> Floats:
    """`kept` draws (kept, p) of one chain, made in coordinates in which the posterior is nearly round."""
    p, mirrored = len(start), _mirrored(energy, low, high)

    def told(z: Floats) -> tuple[float, Floats]:
        value, slopes = mirrored(start + root @ z)
        return value, root.T @ slopes

    z = rng.standard_normal(p)
    value, slope = told(z)
    while not np.isfinite(value):
        z = 0.5 * z
        value, slope = told(z)
    draws = np.empty((kept, p))
    step, averaged, pull = 0.5 * p**-0.25, 0.0, 0.0
    anchor = np.log(10 * step)
    for t in range(1, warm + kept + 1):
        if t > warm:
            step = float(np.exp(averaged))
        momentum = rng.standard_normal(p)
        before = value + 0.5 * float(momentum @ momentum)
        y, height, by = z, value, slope
        for _ in range(int(rng.integers(LEAPS[0], LEAPS[1] + 1))):
            momentum = momentum - 0.5 * step * by
            y = y + step * momentum
            height, by = told(y)
            if not np.isfinite(height):
                break
            momentum = momentum - 0.5 * step * by
        gain = before - height - 0.5 * float(momentum @ momentum)
        chance = float(np.exp(min(gain, 0.0))) if np.isfinite(gain) else 0.0
        if rng.random() < chance:
            z, value, slope = y, height, by
        if t <= warm:  # dual averaging
            pull += (ACCEPT - chance - pull) / (t + 10)
            log_step = anchor - np.sqrt(t) / 0.05 * pull
            share = t**-0.75
            averaged = share * log_step + (1 - share) * averaged
            step = float(np.exp(np.clip(log_step, -12, 2)))
        else:
            draws[t - warm - 1] = _folded(start + root @ z, low, high)[0]
    return draws


def spread_ratio(chains: Floats) -> float:
    """The largest split R̂ of chains (c, n, p): 1 where halves of chains agree (Gelman & Rubin, 1992)."""
    half = chains.shape[1] // 2
    parts = np.concatenate([chains[:, :half], chains[:, half : 2 * half]])
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    between = half * parts.mean(axis=1).var(axis=0, ddof=1)
    ratio = ((half - 1) / half * within + between / half) / np.maximum(within, 1e-300)
    return float(np.sqrt(ratio.max()))


def thousandths(theta: Floats) -> Floats:
    """As a fit is logged."""
    whole: Floats = np.rint(UNIT * theta)
    return whole
