"""A bandit over child searchers: each arm sees its own trials, and the arm's record is a fold of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, log, sqrt
from typing import ClassVar

from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import TRAITS, Ask, Need, Proposal, Searcher


@dataclass
class _Record:
    pulls: dict[str, int] = field(default_factory=dict)
    wins: dict[str, int] = field(default_factory=dict)
    best: float = inf

    def step(self, event: Event, history: History) -> _Record:
        if event.trial is None:
            return self
        arm = history.tags(event.trial).get("arm")
        if event.kind == "started" and "config" in event.body and arm is not None:
            self.pulls[arm] = self.pulls.get(arm, 0) + 1
        elif event.kind == "ended":
            y = float(history.outcome(event)[0][0])
            if y < self.best:
                self.best = y
                if arm is not None:
                    self.wins[arm] = self.wins.get(arm, 0) + 1
        return self


@dataclass(frozen=True, slots=True)
class Bandit:
    """UCB1 over searchers; a win is a new best value."""

    arms: tuple[Searcher, ...]
    width: float = 0.5

    name: ClassVar[str] = "witness-bandit"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
        record: _Record = history.fold(self, _Record, _Record.step)
        total = sum(record.pulls.values())

        def bound(arm: str) -> float:
            n = record.pulls.get(arm, 0)
            return record.wins.get(arm, 0) / n + self.width * sqrt(log(total) / n) if n else inf

        for child in sorted(self.arms, key=lambda child: -bound(child.name)):
            tags = {"arm": child.name}
            proposals = child.propose(history.view(tags=tags), ask.into(child.name))
            if isinstance(proposals, Need):
                return proposals
            if proposals:  # none: this child has nothing new, ask the next
                return [replace(p, tags={**p.tags, **tags}) for p in proposals]
        return []
