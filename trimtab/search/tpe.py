"""Tree-structured Parzen estimator (being written: random draws until it is there)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History


@dataclass(frozen=True, slots=True)
class TPE:
    """Samples where good trials are dense and bad ones are not."""

    startup: int = 10

    name: ClassVar[str] = "tpe"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return RandomSearch().propose(history, ask)
