"""Which configuration to run once more where results are noisy: SMAC's intensification, read off the log.

Idea    The incumbent is the configuration with the most runs, of several the one with the best mean. A challenger runs
        on until it has as many, and is dropped as soon as its mean over the runs it has is worse than the incumbent's
        over the same ones: the k-th runs of all configurations have the same seed. For each further configuration the
        incumbent earns one more run. At least every second trial is a new configuration.
Source  Hutter, Hoos & Leyton-Brown, SMAC, LION 2011, algorithm 2; one run at a time in place of doublings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab.history import State
from trimtab.parts.order import violation
from trimtab.search.forest._pool import marks
from trimtab.search.forest._table import Results

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """Configurations in the order of their first trial: that trial's row, and the values of all runs; nan: running.

    of  (n,): the configuration of each trial
    """

    first: Ints
    values: list[Floats]
    of: Ints

    @classmethod
    def among(cls, X: Floats, y: Floats) -> Runs:
        """X (n, d), y (n,): nan of a trial that runs, inf of one that failed or is infeasible."""
        _, first, of = np.unique(marks(X), return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        of = rank[of.ravel()]
        order = np.argsort(of, kind="stable")
        return cls(np.sort(first), np.split(y[order], np.cumsum(np.bincount(of))[:-1]), of)

    @classmethod
    def of_history(cls, history: History) -> Runs:
        y = np.where(np.isfinite(history.Y[:, 0]) & ~(violation(history.C) > 0), history.Y[:, 0], np.inf)
        return cls.among(history.X, np.where(history.state == State.RUNNING, np.nan, y))

    @property
    def means(self) -> Floats:
        """(n,): of each trial, the mean over the runs of its configuration that have ended."""
        means = np.array([v[~np.isnan(v)].mean() if not np.isnan(v).all() else np.nan for v in self.values])
        found: Floats = means[self.of]
        return found

    def next(self, most: int, startup: int) -> tuple[int, int] | None:
        """The row of a trial whose configuration to run again, and which run of it that is; None: try a new one."""
        if any(len(v) > 1 and np.isnan(v).any() for v in self.values):
            return None  # one at a time
        ended = {i: v for i, v in enumerate(self.values) if not np.isnan(v).any() and np.isfinite(v).all()}
        if not ended or len(self.of) >= 2 * len(self.first) or len(self.first) < startup:
            return None
        best = min(ended, key=lambda i: (-len(ended[i]), ended[i].mean(), i))
        told = ended[best]
        rivals = [i for i, v in ended.items() if len(v) < len(told) and v.mean() <= told[: len(v)].mean()]
        if rivals:
            chosen = min(rivals, key=lambda i: (ended[i].mean(), i))
        elif len(told) < min(most, len(self.first) - startup + 2):
            chosen = best
        else:
            return None
        return int(self.first[chosen]), len(ended[chosen])


def averaged(results: Results, runs: Runs, history: History) -> Results:
    """The same results, each the mean over the runs of its configuration."""
    means = runs.means[history.state != State.RUNNING]
    return replace(results, Y=np.where(np.isfinite(means), means, results.Y[:, 0])[:, None])
