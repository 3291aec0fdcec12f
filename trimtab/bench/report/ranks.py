"""Average rank, worked out exactly over all ways to pair the runs.

Idea    Runs of different methods are not pairs, so a method's rank on a task is its expected rank when each sends a
        run drawn at random: 1 + the chance that another is better + half the chance of a tie, summed over the others. A
        failed run is worse than any other and ties with other failures.
Source  Expected ranks follow from linearity of expectation; that the ranks depend on who else is in the pool is why
        friedman.py shows what changes when one leaves.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.report.estimate import REPS, Bools, Estimate, bootstrap, estimated
from trimtab.bench.report.iqm import TIE
from trimtab.bench.report.scores import Scores

Floats = NDArray[np.float64]
Missing = Literal["drop", "worst"]


def expected_ranks(values: Floats) -> Floats:
    """(M,) expected ranks from runs (M, R), smaller is better; a method without runs (all NaN) gets the worst rank, M.

    >>> expected_ranks(np.array([[1.0, 3.0], [2.0, 2.0]]))
    array([1.5, 1.5])
    """
    present = ~np.isnan(values)
    whole = present / np.maximum(present.sum(-1, keepdims=True), 1)
    out: Floats = _ranks(_beaten(values), present, whole[None])[0]
    return out


def task_ranks(scores: Scores) -> Floats:
    """(M, T, B) expected rank on each task; a method that was not run there has the worst."""
    out = np.empty((len(scores.methods), len(scores.tasks), len(scores.budgets)))
    for j in range(len(scores.tasks)):
        for b in range(len(scores.budgets)):
            out[:, j, b] = expected_ranks(scores.values[:, j, :, b])
    return out


def mean_rank(scores: Scores, reps: int = REPS, *, missing: Missing = "drop", resample_tasks: bool = False) -> Estimate:
    """Mean over tasks of the expected rank, (M, B).

    missing   "drop": over the tasks that all methods ran (at each budget); "worst": over all tasks, and who was not run
              there has the worst rank.
    """
    values = np.round(scores.values, TIE)
    there: Bools = ~np.isnan(values)
    used: Bools = np.all(there.any(2), axis=0) if missing == "drop" else np.any(there, axis=(0, 2))  # (T, B)
    tables: dict[int, dict[int, Floats]] = {}
    for j, b in np.argwhere(used):
        tables.setdefault(j, {})[b] = _beaten(values[:, j, :, b])

    def statistic(w: Floats, tasks: Floats) -> Floats:
        total = np.zeros((len(w), len(scores.methods), len(scores.budgets)))
        count = np.zeros((len(w), 1, len(scores.budgets)))
        for j, losses in tables.items():
            for b, lost in losses.items():
                ranks = _ranks(lost, there[:, j, :, b], w[:, :, j])
                total[:, :, b] += ranks * tasks[:, j, None]
                count[:, :, b] += tasks[:, j, None]
        return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)

    numbers = bootstrap(statistic, scores.present, "ranks", reps=reps, resample_tasks=resample_tasks)
    return estimated(scores.methods, scores.present, numbers, "mean rank", scores.budgets, _said(scores, used, missing))


def pool_ranks(scores: Scores, reps: int = REPS) -> Estimate:
    """(M,) the mean over all budgets of the mean rank, over the tasks that all methods ran.

    A rank is linear in who beats whom, so the budgets are averaged first and the runs drawn once.
    """
    values = np.round(scores.values, TIE)
    there: Bools = np.any(~np.isnan(values), axis=-1)
    used = np.flatnonzero(np.all(there.any(-1), axis=0))
    lost = {}
    for j in used:
        full = [b for b in range(len(scores.budgets)) if (~np.isnan(values[:, j, :, b])).any(-1).all()]
        lost[j] = np.mean([_beaten(values[:, j, :, b]) for b in full], axis=0) if full else None

    def statistic(w: Floats, tasks: Floats) -> Floats:
        total, count = np.zeros((len(w), len(scores.methods))), np.zeros((len(w), 1))
        for j, table in lost.items():
            if table is not None:
                total += _ranks(table, there[:, j], w[:, :, j]) * tasks[:, j, None]
                count += tasks[:, j, None]
        return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)

    numbers = bootstrap(statistic, scores.present, "rank over budgets", reps=reps)
    return estimated(scores.methods, scores.present, numbers, "mean rank over log budget", ())


def _said(scores: Scores, used: Bools, missing: Missing) -> tuple[str, ...]:
    """Who is missing where, in a line a task."""
    ran = scores.ran
    verb = "left out" if missing == "drop" else "worst rank"
    said = [
        f"{name}: not run by {', '.join(m for i, m in enumerate(scores.methods) if not ran[i, j])} ({verb})"
        for j, name in enumerate(scores.tasks)
        if not ran[:, j].all()
    ]
    short = [
        f"at {scores.budgets[b]:g}: {lost} of {len(used)} tasks were not given so much by all methods"
        for b in range(used.shape[1])
        if missing == "drop" and (lost := int((ran.all(0) & ~used[:, b]).sum()))
    ]
    return (*said, *short)


def _beaten(values: Floats) -> Floats:
    """(M·R, M·R) 1 where the run of the column beats that of the row, ½ on a tie, 0 within a method or not run."""
    m, r = values.shape
    flat = np.round(values, TIE).ravel()
    with np.errstate(invalid="ignore"):
        lost: Floats = (flat[None] < flat[:, None]) + 0.5 * (flat[None] == flat[:, None])
    own = np.repeat(np.arange(m), r)
    lost[own[:, None] == own[None]] = 0.0
    return lost


def _ranks(lost: Floats, there: Bools, weights: Floats) -> Floats:
    """(k, M) from losses (M·R, M·R), runs (M, R) and weights (k, M, R) that sum to 1 over a method's runs."""
    k, m, r = weights.shape
    some = there.any(1)
    w = np.ascontiguousarray(weights * there)
    total = w.sum(-1, keepdims=True)
    # a draw of nothing but runs that were not given this much says nothing: all that were count alike
    w = np.where(total > 0, w / np.where(total > 0, total, 1.0), there / np.maximum(there.sum(-1, keepdims=True), 1))
    against = (w.reshape(k, m * r) @ lost.T).reshape(k, m, r)
    ranks = 1.0 + (w * against).sum(-1)
    out: Floats = np.where(some, ranks, float(m))
    return out
