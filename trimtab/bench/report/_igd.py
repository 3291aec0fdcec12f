"""IGD+ of runs with several goals, to the best front that all runs together found.

Idea    No front is kept for most tasks, so what everybody found together stands for it: a number to compare within one
        report, not across reports. The hypervolume regret beside it has constants that stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.cell import Result
from trimtab.bench.report._sift import method_name
from trimtab.bench.report._worth import Goals, scaled
from trimtab.bench.report.estimate import Estimate, bootstrap, estimated
from trimtab.bench.report.fronts import igd_plus
from trimtab.bench.report.iqm import trimmed
from trimtab.bench.report.scores import Scores
from trimtab.bench.task import Task
from trimtab.parts import pareto

Floats = NDArray[np.float64]

POINTS = 500  # of the front, at most


def igd_plus_of(scores: Scores, results: Sequence[Result], task: Callable[[str], Task] | None = None) -> Estimate:
    """The interquartile mean over runs and tasks of the IGD+ after the last budget of the scores (M, 1)."""
    goals, budget = Goals(task), float(scores.budgets[-1])
    values = np.full((*scores.present.shape, 1), np.nan)
    for j, name in enumerate(scores.tasks):
        mine = [r for r in results if r.cell.task == name and method_name(r) in scores.methods and r.trace]
        points = {(method_name(r), r.cell.seed): _points(r, goals, budget) for r in mine}
        front = _front([found for found in points.values() if len(found)])
        for (method, seed), found in points.items():
            if front is not None and seed in scores.seeds:
                values[scores.methods.index(method), j, scores.seeds.index(seed), 0] = igd_plus(found, front)
    values[~scores.present] = np.nan
    numbers = bootstrap(lambda w, t: trimmed(values, w, t), scores.present, "igd", reps=1000)
    return estimated(scores.methods, scores.present, numbers, "IGD+ to the front of all runs", (budget,))


def _points(r: Result, goals: Goals, budget: float) -> Floats:
    rows = [row[2:] for row in r.trace if row[0] <= budget * (1 + 1e-9)]
    return scaled(np.array(rows, float).reshape(len(rows), -1), goals(r.cell.task)) if rows else np.empty((0, 2))


def _front(points: Sequence[Floats]) -> Floats | None:
    """What no other point beats, thinned to so many along the first goal."""
    if not points:
        return None
    every = np.unique(np.concatenate(points), axis=0)
    kept: Floats = every[pareto.front(every)]
    if len(kept) > POINTS:
        kept = kept[np.linspace(0, len(kept) - 1, POINTS).round().astype(int)]
    return kept
