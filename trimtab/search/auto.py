"""The searcher a study gets when none is named.

Idea    A Gaussian process finds most with few trials, and costs more the more there are; TPE takes any number of them.
        So: the first as long as a model of the whole space is affordable and the log is what it was measured on. In a
        conditional space both in turn: TPE is quicker to leave a branch, the model to finish one.
Source  Own work, from the medians that benchmarks/gp_quality.py prints, on numeric, mixed, conditional and constrained
        tasks, and the costs of benchmarks/gp_speed.py.
Takes   Everything. What is chosen follows from the log, so it is the same for every reader of it, and may change as
        the log grows. Beyond `few` trials the log's times count, too: a proposal by a model may take `share` of what a
        trial takes. Where none are logged (virtual time) no model is chosen there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from trimtab.history import State
from trimtab.log import Event
from trimtab.protocol import TRAITS, Ask, Need, Proposal, Searcher
from trimtab.search.gp import GP
from trimtab.search.tpe import TPE

if TYPE_CHECKING:
    from trimtab.history import History

TURNS = 10  # trials from which two methods take turns in a conditional space
LATEST = 8  # decisions by the model whose times count
WIDE = 300  # columns of the encoded space: up to 150 a model was ahead of TPE, and beyond 580 no fit is kept


@dataclass(frozen=True, slots=True)
class Auto:
    """Picks a method that suits the study: gp while trials are few or cost more than it does, else tpe.

    few     trials up to which the whole space is modelled as a Gaussian process, whatever that takes
    share   from then on it is while a proposal takes at most this share of what a trial takes; else it is tpe's
    """

    few: int = 250
    share: float = 0.05

    name: ClassVar[str] = "auto"
    revision: ClassVar[int] = 6
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.few < 0:
            raise ValueError(f"Auto(few={self.few}): few must be at least 0.")
        if not self.share >= 0:
            raise ValueError(f"Auto(share={self.share}): share must be at least 0.")

    def choice(self, history: History, at_once: int = 1) -> tuple[Searcher, str]:
        """The method this study gets as it stands, and the reason in words. at_once: how many proposals are asked."""
        n, d, state = len(history), history.space.d, history.state
        if history.definitions[-1].get("open"):
            return TPE(), "the space becomes known only as trials run"
        if d > WIDE:
            return TPE(), f"{d} columns are too many for a Gaussian process"
        if ((state == State.STOPPED) | (state == State.PAUSED)).any():
            return TPE(), "trials are cut short, and it ranks them by how far they came"
        if n >= self.few:
            return self._by_cost(history, n)
        if "conditional" in history.space.traits and n >= TURNS:
            turn = TPE() if n // max(at_once, 1) % 2 == 0 else GP()
            return turn, "gp and tpe take turns, since the space has branches"
        trials = f"{n} trial{'s' * (n != 1)}"
        return GP(), f"a model of the whole space finds most with few trials, and {trials} {_are(n)} few"

    def _by_cost(self, history: History, n: int) -> tuple[Searcher, str]:
        """The model as long as its newest proposals, for the trials there are now, were cheap beside the trials."""
        times: Times = history.fold(("auto", "times"), Times, Times.step)
        spent = history.cost["seconds"]
        spent = spent[np.isfinite(spent)][-LATEST:]
        if not times.taken or not len(spent):
            return TPE(), f"the study has come to {n} trials, and gp is for the first {self.few}"
        mine, theirs = times.for_trials(n), float(spent.mean())
        told = f"a proposal by gp takes about {mine:.2g} s and a trial {theirs:.2g} s"
        return (GP(), told) if mine <= self.share * theirs else (TPE(), told)

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
        chosen, _ = self.choice(history, ask.n)
        proposals = chosen.propose(history, ask)
        if isinstance(proposals, Need):
            return proposals
        return [replace(p, why={**p.why, "method": chosen.name}) for p in proposals]


@dataclass(slots=True)
class Times:
    """The fold: seconds a proposal of the newest decisions by the model, and of how many trials it was made."""

    taken: list[tuple[float, int]] = field(default_factory=list)

    def step(self, event: Event, history: History) -> Times:
        body = event.body
        if event.kind == "started" and "took" in body and body.get("why", {}).get("method") == GP.name:
            self.taken.append((body["took"] / body["ask"].get("n", 1), event.trial or 0))
            del self.taken[:-LATEST]
        return self

    def for_trials(self, n: int) -> float:
        """What a proposal would take now: with the square of the trials, between those of a fit and of a prediction."""
        each = [seconds * (n / max(number, 1)) ** 2 for seconds, number in self.taken]
        return sum(each) / len(each)


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
