"""The whole budget for everyone.

Idea    Every trial runs to the end. The baseline of all early stopping.
Cost    O(1) a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal

from trimtab.errors import Unsupported
from trimtab.protocol import Ask, Done, Need, Searcher, Start, Verdict, Wait
from trimtab.schedule._words import STEPS, check_labels

if TYPE_CHECKING:
    from trimtab.history import History


@dataclass(frozen=True, slots=True)
class Full:
    """Every trial runs to its full budget.

    max     steps of a run; None: as many as the objective likes
    budget  the unit of steps, such as "epochs": for labels
    """

    max: float | None = None
    budget: str = STEPS

    name: ClassVar[str] = "full"
    revision: ClassVar[int] = 1
    resource: ClassVar[str] = "step"
    listens: ClassVar[Literal["milestones", "all"]] = "milestones"
    needs_chooser: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_labels("Full", self.budget)
        if self.max is not None and self.max < 1:
            raise Unsupported(f"Full(max={self.max}): the budget is a number of steps, at least 1.")

    @property
    def levels(self) -> tuple[float, ...]:
        return ()

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        return start_new(history, searcher, ask, until=inf if self.max is None else self.max, budget=self.max)

    def judge(self, history: History, trial: int) -> Verdict:
        return Verdict("on", inf)


def start_new(
    history: History, searcher: Searcher, ask: Ask, *, until: float, budget: float | None
) -> Sequence[Start] | Need | Wait | Done:
    """New trials to one first milestone: as many as are free and allowed, and as the searcher still has."""
    n = ask.n if ask.fresh is None else min(ask.n, ask.fresh)
    if n:
        mine = ask if n == ask.n and budget == ask.budget else replace(ask, n=n, budget=budget)
        proposals = searcher.propose(history, mine)
        if isinstance(proposals, Need):
            return proposals
        if proposals:
            return [Start(p, until, budget) for p in proposals]
    busy = bool((history.state == 1).any()) if len(history) else False
    why = "all trials have been started" if not n else "the searcher has nothing new to propose"
    return Wait(why) if busy else Done(why)
