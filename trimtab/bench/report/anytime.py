"""How good a method is while it runs: areas under regret curves, who is ahead when, and how soon.

Idea    A curve is a step function, so its area is a sum over steps, exact, with no grid. On the log scale every
        doubling of the budget counts alike, which is the headline; the final value comes second. Two methods are
        compared by a band around the difference of their curves that holds everywhere at once.
Source  Bootstrap of max |t|: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; performance profiles of
        times: Dolan and Moré, 2002, in the form of AlgoPerf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.report.estimate import (
    LEVEL,
    REPS,
    Estimate,
    bootstrap,
    draws,
    estimated,
    percentiles,
    plain,
    weighted_mean,
)
from trimtab.bench.report.ranks import pool_ranks
from trimtab.bench.report.scores import Scores

Floats = NDArray[np.float64]

R_MAX = 4.0  # AlgoPerf's: how many times slower than the fastest still counts
GRID = 25  # budgets, evenly spaced in log, over which ranks are averaged


def step_area(x: Floats, y: Floats, low: float, high: float, *, log: bool = True, before: float = 1.0) -> float:
    """Mean height over [low, high] of the step curve that is y[i] from x[i] on and `before` up to x[0].

    On the log scale a budget's weight is that of its logarithm.

    >>> step_area(np.array([1.0, 10.0]), np.array([1.0, 0.0]), 1.0, 100.0)
    0.5
    """
    if not 0 < low < high:
        raise ValueError(f"An area from {low:g} to {high:g}: the first must be above 0 and below the second.")
    edges = np.clip(np.concatenate([[low], x, [high]]), low, high)
    widths = np.diff(np.log(edges) if log else edges)
    return float(np.concatenate([[before], y]) @ widths / widths.sum())


@dataclass(frozen=True, eq=False, slots=True)
class Anytime:
    """Numbers that don't depend on where a run is stopped; smaller is better in all of them.

    auc_log   mean regret (clipped) over log budget;  auc_lin  over budget;  rank_auc  mean rank over log budget
    span      from which budget to which; of tasks with other budgets the upper end is their own
    """

    auc_log: Estimate
    auc_lin: Estimate
    rank_auc: Estimate
    span: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        estimates = {name: getattr(self, name).to_json() for name in ("auc_log", "auc_lin", "rank_auc")}
        return {**estimates, "span": plain(self.span)}


def anytime(scores: Scores, low: float | None = None, reps: int = REPS) -> Anytime:
    """Of all methods, from budget `low` (one evaluation, or 1 % of the budget if that is more) to each task's end.

    The end of a task is the largest budget that any run of it was given; a run that was given less is not compared.
    """
    high = task_ends(scores)
    first = low if low is not None else _first(scores, high)
    log_area = _area(scores, areas(scores, first, high, log=True), "regret over log budget", reps)
    linear = _area(scores, areas(scores, first, high, log=False), "regret over budget", reps)
    ends = high[np.isfinite(high)]
    last = float(ends.min()) if ends.size else float("nan")
    ranks = scores.on(np.geomspace(first, last, GRID) if last > first else [first])
    return Anytime(log_area, linear, pool_ranks(ranks, reps=reps), (first, float(ends.max()) if ends.size else last))


def log_area(scores: Scores, high: float, reps: int = REPS) -> Estimate:
    """The headline alone, (M,): of runs that were given `high`, up to there on every task."""
    ends = np.full(len(scores.tasks), float(high))
    return _area(scores, areas(scores, max(1.0, 0.01 * high), ends, log=True), "regret over log budget", reps)


def _area(scores: Scores, values: Floats, what: str, reps: int) -> Estimate:
    """(M,) means over tasks of areas (M, T, R)."""
    present = scores.present & ~np.isnan(values)
    value, lo, hi = bootstrap(lambda w, t: weighted_mean(values[..., None], w, t), present, what, reps=reps)
    return estimated(scores.methods, present, (value[:, 0], lo[:, 0], hi[:, 0]), what, ())


def task_ends(scores: Scores) -> Floats:
    """(T,) where each task's curves end, in the unit of the axis; NaN for a task that nobody ran."""
    if scores.axis == "share":
        return np.where(scores.present.any((0, 2)), 1.0, np.nan)
    if scores.axis == "seconds":  # nothing is promised in seconds: as far as any curve changes
        out = np.full(len(scores.tasks), np.nan)
        for (_, j, _), curve in scores.curves.items():
            if curve.x.size:
                out[j] = np.fmax(out[j], curve.x[-1])
        return out
    last: Floats = np.where(scores.present, scores.ends, -np.inf).max(axis=(0, 2), initial=-np.inf)
    return np.where(np.isfinite(last), last, np.nan)


def _first(scores: Scores, high: Floats) -> float:
    known = high[np.isfinite(high)]
    least = float(known.min()) if known.size else 1.0
    return 0.01 * least if scores.axis != "evaluations" else min(max(1.0, 0.01 * least), 0.5 * least)


def areas(scores: Scores, low: float, high: Floats, *, log: bool) -> Floats:
    """(M, T, R) mean clipped regret of each run between low and its task's end."""
    out = np.full(scores.ends.shape, np.nan)
    for (i, j, k), curve in scores.curves.items():
        short = scores.axis == "evaluations" and scores.ends[i, j, k] < high[j] * (1 - 1e-9)
        if not short and high[j] > low:
            out[i, j, k] = step_area(curve.x, np.clip(curve.y, 0.0, 1.0), low, float(high[j]), log=log)
    return out


@dataclass(frozen=True, eq=False, slots=True)
class Band:
    """The difference of mean regret curves, A - B, with a band that holds at all budgets at once (95 %)."""

    budgets: Floats
    difference: Floats
    lo: Floats
    hi: Floats

    @property
    def ahead(self) -> tuple[float, float]:
        """Share of the budgets at which A, and at which B, is better beyond doubt."""
        return float((self.hi < 0).mean()), float((self.lo > 0).mean())


def band(scores: Scores, a: str, b: str, reps: int = 1000) -> Band:
    """Of methods a and b over the budgets of the scores, on the tasks that both ran."""
    value, samples = _differences(scores, a, b, reps)
    spread = samples.std(axis=0, ddof=1)
    far = np.abs(samples - value) / np.where(spread > 0, spread, np.inf)  # where nothing moves there is no width either
    reach = np.quantile(far.max(axis=1), LEVEL) * spread
    return Band(scores.budgets, value, value - reach, value + reach)


def dominance(scores: Scores, a: str, b: str, reps: int = REPS) -> tuple[float, float]:
    """Share of the budgets at which A, and at which B, is better with 95 % at each budget by itself."""
    lo, hi = percentiles(_differences(scores, a, b, reps)[1])
    return float((hi < 0).mean()), float((lo > 0).mean())


def _differences(scores: Scores, a: str, b: str, reps: int) -> tuple[Floats, Floats]:
    """(B,) mean regret of a less that of b, and (reps, B) bootstrap samples of it."""
    pair = scores.only(methods=[a, b]).common()[0]
    i, k = pair.methods.index(a), pair.methods.index(b)
    values, present = pair.clipped, pair.present
    whole = present / np.maximum(present.sum(-1, keepdims=True), 1)
    value = weighted_mean(values, whole[None], np.ones((1, len(pair.tasks))))[0]
    parts = [weighted_mean(values, w, t) for w, t in draws(present, reps, "difference", a, b)]
    every = np.concatenate(parts)
    return value[i] - value[k], every[:, i] - every[:, k]


def time_to(scores: Scores, within: float = 0.01) -> Floats:
    """(M, T, R) the budget at which a run first comes within `within` of the best that any run of the task ended with.

    `within` is a share of the way from that best to a single random evaluation. +inf: never; NaN: not run.
    """
    out = np.where(scores.present, np.inf, np.nan)
    final = np.full(len(scores.tasks), np.inf)
    for (_, j, _), curve in scores.curves.items():
        if curve.y.size:
            final[j] = min(final[j], curve.y[-1])
    for place, curve in scores.curves.items():
        best = final[place[1]]
        hit = np.flatnonzero(curve.y <= best + within * max(1.0 - best, 0.0)) if curve.y.size else np.empty(0, int)
        if hit.size:
            out[place] = curve.x[hit[0]]
    return out


def speed_profile(times: Floats, taus: Sequence[float] | Floats) -> Floats:
    """(M, len(taus)) share of tasks solved within tau times the fastest's time: times (M, T), inf is never."""
    found: Floats = (_slower(times)[..., None] <= np.asarray(taus, float)).mean(axis=1)
    return found


def profile_score(times: Floats, r_max: float = R_MAX) -> Floats:
    """(M,) area under the speed profile from 1 to r_max, as a share of the whole: 1 is the fastest everywhere."""
    saved = np.clip(r_max - _slower(times), 0.0, r_max - 1) / (r_max - 1)
    score: Floats = saved.mean(axis=1)
    return score


def _slower(times: Floats) -> Floats:
    """(M, T) times over the fastest's; inf for who never gets there or was not run."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = times / np.fmin.reduce(times, axis=0)
    return np.where(
        times == np.fmin.reduce(times, axis=0),
        np.where(np.isfinite(times), 1.0, np.inf),
        np.nan_to_num(ratio, nan=np.inf, posinf=np.inf),
    )
