"""Scores with random search as the yardstick: 1 is no better than random, 0 the best value known.

Idea    The median score compares the median run with random search's median after as many evaluations. The mean score
        clips at the median of a single random evaluation, averages, and divides by what random search gets on average;
        100 times what is left to 1 is the number of a leaderboard.
Source  Turner et al., Bayesian Optimization is Superior to Random Search, NeurIPS 2020 competition track (bayesmark).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.report.evp import best_of, best_of_quantile

Floats = NDArray[np.float64]


def reported(visible: Floats, report: Floats | None = None) -> Floats:
    """(…, n) what stands after 1, 2, … evaluations: `report` where `visible` is lowest, or that lowest itself."""
    if report is None:
        return np.asarray(np.minimum.accumulate(visible, axis=-1))
    lowest = np.minimum.accumulate(visible, axis=-1)
    fresh = np.concatenate([np.ones((*visible.shape[:-1], 1), bool), lowest[..., 1:] < lowest[..., :-1]], axis=-1)
    at = np.maximum.accumulate(np.where(fresh, np.arange(visible.shape[-1]), 0), axis=-1)
    return np.asarray(np.take_along_axis(report, at, axis=-1))


def median_score(runs: Floats, best: Floats, random: Floats, evaluations: NDArray[np.int64] | None = None) -> Floats:
    """(M, P, t) scores of runs (M, P, N, t): incumbents of N runs of M methods on P problems after `evaluations` (t,).

    best (P,); random (P, pool) single random evaluations of each problem.
    """
    m = np.arange(1, runs.shape[-1] + 1) if evaluations is None else evaluations
    typical = np.array([[best_of_quantile(pool, int(n)) for n in m] for pool in random])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((np.median(runs, axis=2) - best[:, None]) / (typical - best[:, None]))


def mean_score(runs: Floats, best: Floats, random: Floats) -> Floats:
    """(M, t) grand means over problems of the clipped scores: 0 is the best known, 1 a single random evaluation."""
    return np.asarray(_clipped(runs, best, random).mean(axis=(1, 2)))


def normed_mean(runs: Floats, best: Floats, random: Floats, evaluations: NDArray[np.int64] | None = None) -> Floats:
    """(M, t) the mean score divided by random search's own after as many evaluations: 1 is random, 0 the best known."""
    m = np.arange(1, runs.shape[-1] + 1) if evaluations is None else evaluations
    single = _clipped(random[None, :, :, None], best, random)[0, :, :, 0]
    w = best_of(random.shape[1], m)  # unbiased; the pool must be as large as the largest number of evaluations
    typical = np.mean([w @ np.sort(pool)[::-1] for pool in single], axis=0)
    return np.asarray(mean_score(runs, best, random) / typical)


def leaderboard(runs: Floats, best: Floats, random: Floats) -> Floats:
    """(M,) 100 for the best value known everywhere at the end, 0 for a single random evaluation."""
    return np.asarray(100 * (1 - mean_score(runs, best, random)[:, -1]))


def _clipped(runs: Floats, best: Floats, random: Floats) -> Floats:
    clip = np.median(random, axis=1)
    span = np.where(clip > best, clip - best, 1.0)[:, None, None]
    scaled = (np.minimum(runs, clip[:, None, None]) - best[:, None, None]) / span
    return np.asarray(np.clip(scaled, -1.0, 1.0))
