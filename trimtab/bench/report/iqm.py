"""Interquartile mean, performance profile, probability of improvement.

Idea    The mean of the middle half of all runs on all tasks: as steady as the median of many, and one diverged run, or
        one task that everybody solves, moves it little. Every task weighs alike, however many runs it has.
Source  Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021.
Leaves  The reference trims whole runs (scipy's trim_mean), we trim exactly a quarter of the weight: the same whenever
        the number of runs divides by four, and steady in between. And one draw of the bootstrap serves all budgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.report.estimate import REPS, Bools, Estimate, bootstrap, estimated, too_few, weighted_mean
from trimtab.bench.report.scores import Scores

Floats = NDArray[np.float64]

TIE = 8  # decimals of normalised regret beyond which runs are tied


def interquartile_mean(values: Floats, weights: Floats | None = None) -> float:
    """Of any array; NaN is left out.

    >>> interquartile_mean(np.arange(1.0, 9.0))
    4.5
    """
    flat = np.asarray(values, float).ravel()
    w = np.ones_like(flat) if weights is None else np.asarray(weights, float).ravel()
    return float(_middle(flat, w[:, None])[0])


def trimmed(values: Floats, weights: Floats, tasks: Floats) -> Floats:
    """IQM (k, M, B) of values (M, T, R, B) under weights (k, M, T, R) over runs and (k, T) over tasks."""
    k, m = weights.shape[:2]
    out = np.empty((k, m, values.shape[-1]))
    for i in range(m):
        w = np.ascontiguousarray((weights[:, i] * tasks[:, :, None]).reshape(k, -1).T)
        for b in range(values.shape[-1]):
            out[:, i, b] = _middle(values[i, :, :, b].ravel(), w)
    return out


def _middle(values: Floats, weights: Floats) -> Floats:
    """(k,) mean of the middle half of the weight: values (n,), weights (n, k)."""
    kept = np.flatnonzero(~np.isnan(values))
    if not kept.size:
        return np.full(weights.shape[1], np.nan)
    order = kept[np.argsort(values[kept], kind="stable")]
    v = values[order]
    upto = np.cumsum(weights[order], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        upto /= upto[-1].copy()  # NaN for a draw without weight
    np.clip(upto, 0.25, 0.75, out=upto)
    endless = np.isinf(v)
    if endless.any():  # 0 * inf is no number: an infinite value counts only if any of it is in the middle
        share = np.diff(upto, axis=0, prepend=0.25) / 0.5
        tail = np.where((share[endless] > 0).any(axis=0), np.inf, 0.0)
        found: Floats = v[~endless] @ share[~endless] + tail
        return found
    # sum of v[i] * (upto[i] - upto[i - 1]), summed by parts
    found = (0.75 * v[-1] - 0.25 * v[0] - np.diff(v) @ upto[:-1] + 0.0 * upto[-1]) / 0.5
    return found


def iqm(scores: Scores, reps: int = REPS, *, lean: bool = True, resample_tasks: bool = False) -> Estimate:
    """IQM of the normalised regret, clipped to [0, 1]."""
    values = scores.clipped
    numbers = bootstrap(
        lambda w, t: trimmed(values, w, t), scores.present, "iqm", reps=reps, lean=lean, resample_tasks=resample_tasks
    )
    return estimated(scores.methods, scores.present, numbers, "IQM of normalised regret", scores.budgets)


def optimality_gap(scores: Scores, gamma: float = 1.0, reps: int = REPS) -> Estimate:
    """gamma less the mean of min(score, gamma), where a run's score is 1 - regret: how far from solved."""
    gap = gamma - np.minimum(1.0 - scores.clipped, gamma)
    numbers = bootstrap(lambda w, t: weighted_mean(gap, w, t), scores.present, "gap", reps=reps)
    return estimated(scores.methods, scores.present, numbers, "optimality gap", scores.budgets)


def profile(scores: Scores, taus: Sequence[float] | Floats, budget: int = -1, reps: int = REPS) -> Estimate:
    """Share of runs with a regret of at most tau, for each tau (M, len(taus)): the higher the better."""
    grid = np.asarray(taus, float)
    raw = scores.values[..., budget]
    within = np.where(np.isnan(raw)[..., None], np.nan, raw[..., None] <= grid)
    numbers = bootstrap(lambda w, t: weighted_mean(within, w, t), scores.present, "profile", reps=reps)
    return estimated(scores.methods, scores.present, numbers, "share of runs within tau", grid)


def improvement(scores: Scores, x: str, y: str, reps: int = REPS) -> Estimate:
    """P(a run of x beats a run of y) at each budget, mean over the tasks that both ran; ties count half."""
    pair = scores.only(methods=[x, y])
    a, b = pair.methods.index(x), pair.methods.index(y)
    U = _wins(pair.values[a], pair.values[b])

    def statistic(w: Floats, t: Floats) -> Floats:
        return _chance(U, w[:, a], w[:, b], t)[:, None]

    value, lo, hi = bootstrap(statistic, pair.present, "improvement", reps=reps)
    refused, said = too_few(pair.present, pair.methods)
    if refused.any():
        lo, hi = np.full_like(lo, np.nan), np.full_like(hi, np.nan)
    what, at = f"P({x} better than {y})", tuple(map(float, scores.budgets))
    return Estimate((x,), value, lo, hi, n=(int(pair.present.sum()),), at=at, what=what, warnings=said)


def improvements(scores: Scores, budget: int = -1) -> Floats:
    """(M, M) P(row's run beats column's run), mean over the tasks that both ran; ½ on the diagonal."""
    return chances(scores, budget, reps=0).values


def chances(scores: Scores, budget: int = -1, reps: int = REPS) -> Estimate:
    """The same with intervals, all pairs at once: values, lo, hi (M, M)."""
    m = len(scores.methods)
    values = np.round(scores.values[..., budget], TIE)  # (M, T, R)
    there: Bools = ~np.isnan(values)

    def statistic(w: Floats, tasks: Floats) -> Floats:
        total, count = np.zeros((len(w), m, m)), np.zeros((len(w), m, m))
        for j in range(len(scores.tasks)):
            won, both = _pairs(values[:, j], there[:, j], w[:, :, j])
            total += won * tasks[:, j, None, None]
            count += both * tasks[:, j, None, None]
        return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)

    numbers = bootstrap(statistic, scores.present, "chances", reps=reps)
    for number in numbers:
        np.fill_diagonal(number, 0.5)
    return estimated(scores.methods, scores.present, numbers, "P(row better than column)", range(m))


def _pairs(values: Floats, there: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """(k, M, M) how much each method wins of each on one task, and whether both were drawn there.

    values, there (M, R), weights (k, M, R).
    """
    k, m, r = weights.shape
    w = weights * there
    total = w.sum(-1, keepdims=True)
    w = w / np.where(total > 0, total, 1.0)
    flat = values.ravel()
    with np.errstate(invalid="ignore"):
        beats = (flat[:, None] < flat[None]) + 0.5 * (flat[:, None] == flat[None])  # (M·R, M·R)
    won = np.empty((k, m, m))
    for i in range(m):  # against all runs of method i at once
        column = beats[:, i * r : (i + 1) * r]
        won[:, :, i] = ((w[:, i] @ column.T).reshape(k, m, r) * w).sum(-1)
    drawn = total[..., 0] > 0
    return won, (drawn[:, :, None] & drawn[:, None]).astype(float)


def _wins(x: Floats, y: Floats) -> Floats:
    """(B, T, R, R) 1 where run r of x is better than run s of y, ½ on a tie, NaN where either was not run."""
    x, y = np.round(x, TIE), np.round(y, TIE)
    a, b = np.moveaxis(x, -1, 0)[..., :, None], np.moveaxis(y, -1, 0)[..., None, :]
    won = np.where(a < b, 1.0, np.where(a == b, 0.5, 0.0))
    known: Floats = np.where(np.isnan(a) | np.isnan(b), np.nan, won)
    return known


def _chance(U: Floats, wx: Floats, wy: Floats, tasks: Floats) -> Floats:
    """(k, B) from wins (B, T, R, R), weights (k, T, R) of either and (k, T) of tasks."""
    known = ~np.isnan(U)
    both = np.einsum("ktr,btrs,kts->kbt", wx, known.astype(float), wy, optimize=True)
    won = np.einsum("ktr,btrs,kts->kbt", wx, np.where(known, U, 0.0), wy, optimize=True)
    there = both > 0
    each = np.where(there, won / np.where(there, both, 1.0), 0.0)
    total = np.einsum("kbt,kt->kb", each, tasks)
    count = np.einsum("kbt,kt->kb", there.astype(float), tasks)
    return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)
