"""Uniform random search.

Idea    Each proposal is an independent draw from the space, or from the prior where the user gave one.
        The baseline every method has to beat.
Source  Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, 2012.
Cost    O(d) per proposal; the history is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trimtab.protocol import TRAITS, Ask, Proposal

if TYPE_CHECKING:
    from trimtab.history import History


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Independent draws from the space: the baseline."""

    name: ClassVar[str] = "random"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        space = history.space
        why = {"text": "a random draw"}
        return [Proposal(space.sample_config(ask.rng("random", ask.number + i)), why=why) for i in range(ask.n)]
