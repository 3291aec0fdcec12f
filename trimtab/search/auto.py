"""The searcher a study gets when none is named.

Idea    A Gaussian process finds most with few trials, and costs more the more there are; TPE takes any number of them.
        So: the first as long as a model of the whole space is affordable and the log is what it was measured on.
Source  Own work, from the medians that benchmarks/gp_quality.py prints, on numeric, mixed, conditional and constrained
        tasks, and the costs of benchmarks/gp_speed.py.
Takes   Everything. What is chosen follows from the space, the study and its trials, so it is the same for every
        reader of the log, and may change as the log grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from trimtab.history import State
from trimtab.protocol import TRAITS, Ask, Need, Proposal, Searcher
from trimtab.search.gp import GP
from trimtab.search.tpe import TPE

if TYPE_CHECKING:
    from trimtab.history import History

WIDE = 50  # columns of the encoded space: beyond it a fit has too many length scales for so few trials


@dataclass(frozen=True, slots=True)
class Auto:
    """Picks a method that suits the study: gp while trials are few, else tpe.

    few   trials up to which the whole space is modelled as a Gaussian process; from then on it is tpe's
    """

    few: int = 250

    name: ClassVar[str] = "auto"
    revision: ClassVar[int] = 3
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.few < 0:
            raise ValueError(f"Auto(few={self.few}): few must be at least 0.")

    def choice(self, history: History) -> tuple[Searcher, str]:
        """The method this study gets as it stands, and the reason in words."""
        n, d, state = len(history), history.space.d, history.state
        if history.definitions[-1].get("open"):
            return TPE(), "the space becomes known only as trials run"
        if d > WIDE:
            return TPE(), f"{d} columns are too many for a Gaussian process"
        if ((state == State.STOPPED) | (state == State.PAUSED)).any():
            return TPE(), "trials are cut short, and it ranks them by how far they came"
        if n >= self.few:
            return TPE(), f"the study has come to {n} trials, and gp is for the first {self.few}"
        trials = f"{n} trial{'s' * (n != 1)}"
        return GP(), f"a model of the whole space finds most with few trials, and {trials} {_are(n)} few"

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
        chosen, _ = self.choice(history)
        proposals = chosen.propose(history, ask)
        if isinstance(proposals, Need):
            return proposals
        return [replace(p, why={**p.why, "method": chosen.name}) for p in proposals]


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
