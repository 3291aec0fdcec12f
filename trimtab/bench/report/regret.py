"""Regret in a number a method: how far from the best, on average.

Idea    Single values stay as they are; what is averaged is clipped to [0, 1] first, so that one diverged run can't
        decide. The geometric mean tells 0.01 from 0.001 and so needs a floor, which says what counts as solved; the
        share of runs at the floor stands beside it. Beside random search the ratio is 1 for a method that is no better.
Source  HPO-B (normalised regret); bayesmark (random search's median as the yardstick).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.report.estimate import REPS, Estimate, bootstrap, cell_means, estimated, weighted_mean
from trimtab.bench.report.iqm import trimmed
from trimtab.bench.report.scores import Scores

Floats = NDArray[np.float64]

FLOOR = 1e-4  # a regret this small is as good as none: the spec's figure


def mean_regret(scores: Scores, reps: int = REPS) -> Estimate:
    """Arithmetic mean over tasks of the mean over runs."""
    values = scores.clipped
    numbers = bootstrap(lambda w, t: weighted_mean(values, w, t), scores.present, "mean", reps=reps)
    return estimated(scores.methods, scores.present, numbers, "mean normalised regret", scores.budgets)


def geometric_regret(scores: Scores, reps: int = REPS, floor: float = FLOOR) -> Estimate:
    """Geometric mean over tasks of the geometric mean over runs."""
    logs = np.log(np.maximum(scores.clipped, floor))
    numbers = bootstrap(lambda w, t: np.exp(weighted_mean(logs, w, t)), scores.present, "geometric", reps=reps)
    return estimated(
        scores.methods, scores.present, numbers, f"geometric mean of normalised regret, floor {floor:g}", scores.budgets
    )


def floor_share(scores: Scores, floor: float = FLOOR) -> Floats:
    """(M, B) share of runs at the floor of the geometric mean, over tasks alike."""
    solved = np.where(np.isnan(scores.values), np.nan, scores.values <= floor)
    return bootstrap(lambda w, t: weighted_mean(solved, w, t), scores.present, "floor", reps=0)[0]


def versus_random(scores: Scores, reps: int = REPS) -> Estimate:
    """IQM of regret over the regret of random search's median at the same budget: 1 is no better than random search.

    Tasks that random search solves by then can't be compared this way; they are left out and named.
    """
    solved = ~(scores.random > 0)  # unknown (NaN) too
    ratio = scores.clipped / np.where(solved, np.nan, scores.random)[None, :, None, :]
    numbers = bootstrap(lambda w, t: trimmed(ratio, w, t), scores.present, "random", reps=reps)
    left = [name for j, name in enumerate(scores.tasks) if solved[j].any()]
    said = (
        (f"{', '.join(left)}: random search's regret is 0 or unknown at some budget; left out of the ratio there.",)
        if left
        else ()
    )
    return estimated(
        scores.methods, scores.present, numbers, "IQM of regret over random search's", scores.budgets, said
    )


def task_regret(scores: Scores) -> Floats:
    """(M, T, B) mean over runs, clipped; NaN where a method was not run."""
    w = scores.present / np.maximum(scores.present.sum(-1, keepdims=True), 1)
    means: Floats = cell_means(scores.clipped, w[None])[0]
    return means
