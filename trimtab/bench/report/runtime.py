"""The horizontal view: how much budget it takes to reach a target.

Idea    The expected runtime of a method that is restarted until it hits: all that was spent, by successes up to the hit
        and by failures whole, over the number of hits. The share of (task, target) pairs reached within a budget is a
        curve over all tasks at once that needs no averaging of values of different meaning.
Source  Hansen et al., COCO: performance assessment, 2016 (ERT, runtime ECDF, simulated restarts).
Leaves  COCO's targets are absolute precisions 10^2 … 10^-8; ours are normalised regrets 1 … 10^-3, because expensive
        tuning is over long before 10^-8. COCO_TARGETS are there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.bench.report.estimate import REPS, Estimate, bootstrap, estimated, weighted_mean
from trimtab.bench.report.scores import Curve, Scores

Floats = NDArray[np.float64]

TARGETS = np.geomspace(1.0, 1e-3, 51)
COCO_TARGETS = np.geomspace(1e2, 1e-8, 51)
SAMPLES = 100  # simulated restarts for each task and target


def ert(hits: Sequence[float] | Floats, lengths: Sequence[float] | Floats) -> float:
    """Expected runtime to a target: hits (R,), inf where a run missed it, and the lengths (R,) of the runs.

    >>> ert([100, 200, np.inf, np.inf], [999, 999, 300, 500])
    550.0
    """
    at, whole = np.asarray(hits, float), np.asarray(lengths, float)
    known = ~np.isnan(at)
    at, whole = at[known], whole[known]
    hit = np.isfinite(at)
    if not hit.any():
        return float("inf")
    return float((at[hit].sum() + whole[~hit].sum()) / hit.sum())


def restarts(hits: Floats, lengths: Floats, samples: int = SAMPLES, *words: object) -> Floats:
    """(K, samples) runtimes to K targets when runs are drawn one after the other until one hits; inf if none can.

    hits (R, K), lengths (R,). The same runs are drawn for all targets: a sample is one method started again and again.
    """
    hit = np.isfinite(hits)
    spent = np.where(np.asarray(hit.any(axis=0))[:, None], np.zeros((hits.shape[1], samples)), np.inf)
    open_ = np.isfinite(spent)
    rng = rng_for(0, "restarts", *words)
    cost = np.where(hit, hits, lengths[:, None]).T
    while open_.any():
        drawn = rng.integers(0, len(hits), samples)
        spent += np.where(open_, cost[:, drawn], 0.0)
        open_ &= ~hit.T[:, drawn]
    return spent


def first_hits(curve: Curve, targets: Floats, *, staying: bool = False) -> Floats:
    """(targets,) where a run's regret first is at or below each target, +inf where it never is.

    staying: from where on it never rises above the target again (a recommendation may get worse on a noisy task).
    """
    if not curve.y.size:
        return np.full(len(targets), np.inf)
    if staying:
        ceiling = np.maximum.accumulate(curve.y[::-1])[::-1]  # the worst that is still to come; never rises
        at = (ceiling[None] > targets[:, None]).sum(axis=1)
    else:
        floor = np.minimum.accumulate(curve.y)
        at = (floor[None] > targets[:, None]).sum(axis=1)
    found: Floats = np.append(curve.x, np.inf)[at]
    return found


def hits(scores: Scores, targets: Floats = TARGETS, *, staying: bool = False) -> Floats:
    """(M, T, R, targets) first hits of all runs; NaN where not run."""
    out = np.full((*scores.ends.shape, len(targets)), np.nan)
    for place, curve in scores.curves.items():
        out[place] = first_hits(curve, targets, staying=staying)
    return out


def ert_table(scores: Scores, targets: Sequence[float] | Floats = (0.1, 0.01)) -> Floats:
    """(M, T, targets) expected runtimes; inf where no run hits, NaN where not run."""
    found = hits(scores, np.asarray(targets, float))
    out = np.full((*found.shape[:2], found.shape[3]), np.nan)
    lengths = _lengths(scores)
    for i, j in np.argwhere(scores.ran):
        for k in range(found.shape[3]):
            out[i, j, k] = ert(found[i, j, :, k], lengths[i, j])
    return out


@dataclass(frozen=True, eq=False, slots=True)
class Reached:
    """How soon each method comes to each target, over the tasks that all ran.

    ert     (M, T, targets) expected runtimes; inf where no run hits
    middle  their median over tasks (M, targets), with intervals over runs: inf where half the tasks have no hit
    share   (M, targets) of the runs that hit, every task alike
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    ert: Floats
    middle: Estimate
    share: Floats


def reached(scores: Scores, targets: Sequence[float] | Floats = (0.1, 0.01), reps: int = REPS) -> Reached:
    """ERT for a table; every method is asked the same tasks."""
    both = scores.common()[0]
    found = hits(both, np.asarray(targets, float))
    hit = np.isfinite(found)
    cost = np.where(hit, found, np.nan_to_num(_lengths(both))[..., None])

    def statistic(weights: Floats, tasks: Floats) -> Floats:
        spent = np.einsum("kmtr,mtrq->kmtq", weights, cost)
        ended = np.einsum("kmtr,mtrq->kmtq", weights, hit.astype(float))
        times = np.divide(spent, ended, out=np.full_like(spent, np.inf), where=ended > 0)
        middle: Floats = np.median(times, axis=2) if both.tasks else np.full(times[:, :, 0].shape, np.nan)
        return middle

    ends = np.where(np.isnan(found), np.nan, hit)
    share = bootstrap(lambda w, t: weighted_mean(ends, w, t), both.present, "share", reps=0)[0]
    # not lean: that mends the spread of means, and one hit in five would be missed in more draws than it should be
    value, lo, hi = bootstrap(statistic, both.present, "reached", reps=reps, lean=False)
    numbers = value, np.minimum(lo, value), np.maximum(hi, value)  # a median jumps: draws may pile up on one side of it
    middle = estimated(both.methods, both.present, numbers, "expected evaluations to a target", targets)
    return Reached(both.methods, both.tasks, ert_table(both, targets), middle, share)


def solved(scores: Scores, targets: Floats = TARGETS, reps: int = REPS) -> Estimate:
    """Share of (task, target, run) reached within each budget of the scores, (M, B), with intervals: the ECDF without
    restarts. It only rises, and ends at the share that was ever reached."""
    found = hits(scores, targets)
    share = np.stack(
        [np.where(np.isnan(found[..., 0]), np.nan, (found <= b).mean(-1)) for b in scores.budgets], axis=-1
    )
    numbers = bootstrap(lambda w, t: weighted_mean(share, w, t), scores.present, "solved", reps=reps)
    return estimated(scores.methods, scores.present, numbers, "share of targets reached", scores.budgets)


@dataclass(frozen=True, eq=False, slots=True)
class Ecdf:
    """Share of (task, target, restart sample) reached within x, which may exceed the longest run.

    x (X,), y (M, X);  solved (M,) what is reached ever;  log_runtime (M,) mean log10 x, what is not reached counting
    the largest x: the area above the curve
    """

    methods: tuple[str, ...]
    x: Floats
    y: Floats
    solved: Floats
    log_runtime: Floats


def ecdf(
    scores: Scores,
    x: Sequence[float] | Floats | None = None,
    targets: Floats = TARGETS,
    *,
    samples: int = SAMPLES,
    dimensions: Mapping[str, int] | None = None,
) -> Ecdf:
    """With simulated restarts, over the tasks that all methods ran. A task with a single run can't be restarted.

    dimensions   of each task by name: x is then evaluations over dimension, as COCO draws it
    """
    both = scores.common()[0]
    found, lengths = hits(both, targets), _lengths(both)
    m, t = found.shape[:2]
    times = np.full((m, t, len(targets), samples), np.inf)
    for i in range(m):
        for j in range(t):
            runs, name = both.present[i, j], both.tasks[j]
            drawn = restarts(found[i, j, runs], lengths[i, j, runs], samples, both.methods[i], name)
            times[i, j] = drawn / (dimensions or {}).get(name, 1)
    flat = times.reshape(m, t * len(targets) * samples)
    top = float(np.max(flat, where=np.isfinite(flat), initial=1.0))
    grid = np.geomspace(min(1.0, top), max(top, 1.0), 101) if x is None else np.asarray(x, float)
    if not flat.size:  # nobody shares a task
        none = np.full(m, np.nan)
        return Ecdf(both.methods, grid, np.full((m, len(grid)), np.nan), none, none)
    y = np.stack([(flat <= b).mean(axis=1) for b in grid], axis=1)
    late = np.log10(np.minimum(flat, grid[-1])).mean(axis=1)
    return Ecdf(both.methods, grid, y, np.isfinite(flat).mean(axis=1), late)


def _lengths(scores: Scores) -> Floats:
    """(M, T, R) what an unsuccessful run costs, in the unit of the axis."""
    if scores.axis == "share":
        return np.where(scores.present, 1.0, np.nan)
    if scores.axis == "seconds":
        raise ValueError("Runtimes need what a run was given, and no run is given seconds. Use axis='evaluations'.")
    return scores.ends
