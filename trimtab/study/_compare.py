"""Two studies of the same objective, side by side: what each found, how soon, and after equally many trials.

Nothing is claimed that the numbers don't carry: two single runs differ by chance alone, so a probability is given only
where there are several runs of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab._extras import need
from trimtab.errors import MultiObjective, NoResult, StudyMismatch, Unsupported
from trimtab.history import State

if TYPE_CHECKING:
    import pandas as pd

    from trimtab.history import History
    from trimtab.study._study import Study


@dataclass(frozen=True, slots=True)
class Found:
    """What one study found. Values are in the study's own sense.

    trials   that have ended;  best, trial  its best value and whose it is;  sem  its measured spread, None without one
    same     its best value after as many trials as the shortest of the compared studies has
    needed   trials until it was as good as the best of the other side; None: it never was
    """

    side: str
    study: str
    trials: int
    best: float
    trial: int
    sem: float | None
    same: float
    needed: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What compare() found. better: of all pairs of runs, the share in which a is better after equally many trials."""

    objective: str
    goal: str
    budget: int
    rows: tuple[Found, ...]
    better: float | None

    @property
    def text(self) -> str:
        """The finding in a sentence or two."""
        a, b = ([r.same for r in self.rows if r.side == side] for side in "ab")
        first = f"After {self.budget} trials each: {self.objective} {_middle(a):.4g} (a) and {_middle(b):.4g} (b)."
        if self.better is None:
            return f"{first} One run each: chance alone makes runs differ. Repeat both with other seeds to know."
        return f"{first} a is better in {self.better:.0%} of the {len(a) * len(b)} pairs of runs."

    def table(self) -> pd.DataFrame:
        """One row a study."""
        frames: Any = need("pandas", extra="pandas", to="make a data frame")
        names = Found.__slots__
        table: pd.DataFrame = frames.DataFrame([[getattr(r, n) for n in names] for r in self.rows], columns=list(names))
        return table

    def plot(self) -> Any:
        raise Unsupported("There are no figures yet. The numbers are in .table(), the finding in .text.")

    def __str__(self) -> str:
        wide = max(len(r.study) for r in self.rows)
        lines = [
            f"  {r.side}  {r.study:<{wide}}  best {r.best:.6g}"
            + (f" ± {r.sem:.2g}" if r.sem is not None else "")
            + f" (trial {r.trial}; {r.trials} trials); after {self.budget} trials {r.same:.6g}; "
            + (f"as good as the other side after {r.needed}" if r.needed else "never as good as the other side")
            for r in self.rows
        ]
        return "\n".join([f"{self.objective} ({self.goal})", *lines, self.text])


def compare(a: Study | Sequence[Study], b: Study | Sequence[Study]) -> Comparison:
    """Compare two studies, or two groups of runs of the same study with other seeds."""
    sides: list[list[Any]] = [list(s) if isinstance(s, (list, tuple)) else [s] for s in (a, b)]
    if not all(side and all(hasattr(s, "objectives") for s in side) for side in sides):
        raise TypeError("compare(a, b): each is a study, or a list of studies.")
    goals = {tuple(study.objectives.items()) for side in sides for study in side}
    if len(goals) > 1:
        told = "; ".join(sorted(", ".join(f"{g}imize {n}" for n, g in goal) for goal in goals))
        raise StudyMismatch(f"compare() wants studies of one objective; these have: {told}.")
    if len(next(iter(goals))) != 1:
        raise MultiObjective("compare() wants studies with one objective. Of several: compare their .front.")
    ((objective, goal),) = next(iter(goals))
    curves = [[_best_so_far(study) for study in side] for side in sides]
    budget = min(len(c) for side in curves for c in side)
    ends = [[float(c[-1]) for c in side] for side in curves]
    rows = []
    for side, others in ((0, 1), (1, 0)):
        goal_value = float(np.median(ends[others]))
        for study, curve in zip(sides[side], curves[side], strict=True):
            reached = np.flatnonzero(curve <= goal_value)
            rows.append(_found("ab"[side], study, curve, budget, int(reached[0]) + 1 if len(reached) else None))
    return Comparison(objective, goal, budget, tuple(rows), _share(curves, budget))


def _best_so_far(study: Study) -> Any:
    """The best value after 1, 2, … ended trials (n,); smaller is better; inf while there is none."""
    history: History = study.history
    over = np.isin(history.state, (State.FINISHED, State.STOPPED, State.FAILED))
    y = history.Y[over, 0].copy()
    feasible = (history.C[over] <= 0).all(axis=1) if history.constraints else np.ones(len(y), bool)
    y[np.isnan(y) | ~feasible | (history.state[over] != State.FINISHED)] = math.inf
    curve = np.minimum.accumulate(y) if len(y) else y
    if not len(curve) or not math.isfinite(curve[-1]):
        raise NoResult(f'"{study.name}" has no finished trial yet, so there is nothing to compare.')
    return curve


def _found(side: str, study: Study, curve: Any, budget: int, needed: int | None) -> Found:
    best, sign = study.best, float(study._log.ledger.signs[0])
    name = next(iter(study.objectives))
    same = sign * float(curve[budget - 1])
    return Found(side, study.name, len(curve), best.value, best.number, best.sem.get(name), same, needed)


def _share(curves: Sequence[Sequence[Any]], budget: int) -> float | None:
    """Of all pairs, the share in which a is better; a tie counts half. None where one side is a single run."""
    if min(map(len, curves)) < 2:
        return None
    a, b = (np.array([c[budget - 1] for c in side]) for side in curves)
    return float(np.mean((a[:, None] < b) + 0.5 * (a[:, None] == b)))


def _middle(values: Sequence[float]) -> float:
    return float(np.median(values))
