"""Where each trial stands: the order by which methods that compare trials one by one know the better of two.

Finished trials first, then those cut short or paused, by how far they got; then infeasible ones, by how much they
violate; without a value there is no standing. Among equals the value, or with several objectives the place in
`order.best_first`. Source: constrained domination of Deb et al., NSGA-II, IEEE TEC 6(2), 2002.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.history import History, State
from trimtab.parts import order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DONE, CUT, INFEASIBLE, NONE = range(4)


@dataclass(frozen=True, slots=True)
class Standing:
    """Sorts by tier, then within (minus the level, or the violation), then value; all (n,), smaller is better."""

    tier: Ints
    within: Floats
    value: Floats

    def best_first(self, rows: Ints, *, newest: bool = False) -> Ints:
        """Those of `rows` that have a standing, best first; ties go to the older trial, or the newest."""
        rows = rows[self.tier[rows] < NONE]
        age = -rows if newest else rows
        return rows[np.lexsort((age, self.value[rows], self.within[rows], self.tier[rows]))]


def standing(history: History) -> Standing:
    """One row a trial of the history."""
    Y, C, state = history.Y, history.C, history.state
    void = np.isnan(Y).any(axis=1) | (state == State.RUNNING) | (state == State.FAILED)
    broken = order.violation(C)
    tier = np.where(state == State.FINISHED, DONE, CUT)
    tier[broken > 0] = INFEASIBLE
    tier[void] = NONE
    within = np.zeros(len(Y))
    cut = tier == CUT
    within[cut] = -np.nan_to_num(history.level[cut])
    within[tier == INFEASIBLE] = broken[tier == INFEASIBLE]
    if Y.shape[1] == 1:
        return Standing(tier, within, Y[:, 0])
    value = np.full(len(Y), np.inf)
    there = np.flatnonzero(~void)
    value[there[order.best_first(Y[there], C[there])]] = np.arange(len(there))
    return Standing(tier, within, value)
