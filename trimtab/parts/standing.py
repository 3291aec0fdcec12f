"""Where each trial stands: the order by which methods that compare trials one by one know the better of two.

Finished trials first, then those cut short or paused, by how far they got; then infeasible ones, by how much they
violate; without a value there is no standing. Among equals the value, or with several objectives the place that
`order.best_first` gives. Source: constrained domination of Deb et al., NSGA-II, IEEE TEC 6(2), 2002.
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
    """Sorts by tier, then within (minus the level, or the violation), then value; smaller is better.

    tier, within (n,); Y (n, m)
    """

    tier: Ints
    within: Floats
    Y: Floats

    @property
    def value(self) -> Floats:
        """(n,) of the first objective."""
        return self.Y[:, 0]

    def best_first(self, rows: Ints, most: int | None = None, *, newest: bool = False) -> Ints:
        """Those of `rows` that have a standing, best first, at most so many; ties go to the older trial, or the newest.

        With several objectives ask for no more than you need: fronts of thousands of trials take their time.
        """
        rows = rows[self.tier[rows] < NONE]
        if self.Y.shape[1] > 1:
            return self._by_fronts(rows, most)
        age = -rows if newest else rows
        return rows[np.lexsort((age, self.value[rows], self.within[rows], self.tier[rows]))][:most]

    def _by_fronts(self, rows: Ints, most: int | None) -> Ints:
        """Whoever has the same tier and the same within is ranked by fronts, among themselves."""
        rows = rows[np.lexsort((rows, self.within[rows], self.tier[rows]))]
        most = len(rows) if most is None else most
        new = (np.diff(self.tier[rows]) != 0) | (np.diff(self.within[rows]) != 0)
        chosen: list[Ints] = []
        for group in np.split(rows, np.flatnonzero(new) + 1):
            if len(group) > most > 0:
                group = group[order.best_rows(self.Y[group], most)]
            chosen.append(group[order.best_first(self.Y[group])] if len(group) > 1 else group)
            most -= len(group)
            if most <= 0:
                break
        return np.concatenate(chosen) if chosen else rows


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
    return Standing(tier, within, Y)
