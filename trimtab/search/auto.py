"""The searcher a study gets when none is named.

Idea    Choose by what the space and the study are, and say which was chosen and why.
Source  Own work. Today the choice is always TPE: it takes every kind of space and stays cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from trimtab.protocol import TRAITS, Ask, Need, Proposal, Searcher
from trimtab.search.tpe import TPE

if TYPE_CHECKING:
    from trimtab.history import History


@dataclass(frozen=True, slots=True)
class Auto:
    """Picks a method that suits the space: at present always tpe."""

    name: ClassVar[str] = "auto"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def choice(self, history: History) -> tuple[Searcher, str]:
        """The method this study gets, and the reason in words."""
        return TPE(), "it takes every kind of space and stays cheap"

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
        chosen, _ = self.choice(history)
        proposals = chosen.propose(history, ask)
        if isinstance(proposals, Need):
            return proposals
        return [replace(p, why={**p.why, "method": chosen.name}) for p in proposals]
