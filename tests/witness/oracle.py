"""A searcher that asks somebody outside: an answer missing from the log is a Need, an error a reason to fall back.

Source  The loop of LLAMBO and of every human-guided search, with a script in the oracle's place. Proposals stay pure
        functions of the log, because the log holds the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from trimtab.errors import SpaceError
from trimtab.history import History
from trimtab.protocol import TRAITS, Ask, Config, Need, Proposal
from trimtab.search.random import RandomSearch


@dataclass(frozen=True, slots=True)
class Oracle:
    """Asks for each configuration; a useless answer gets a random draw in its place."""

    kind: str = "llm"

    name: ClassVar[str] = "witness-oracle"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
        out: list[Proposal] = []
        for number in range(ask.number, ask.number + ask.n):
            key = f"{self.name}{ask.scope}/{number}"
            told = history.answer(key)
            if told is None:
                finite = [float(y) for y in history.Y[:, 0] if y == y]
                return out or Need(key, self.kind, {"trial": number, "best": min(finite, default=None)})
            config = self._usable(history, told.get("answer"))
            if config is not None:
                out.append(Proposal(config, why={"text": "the oracle's word"}))
            else:
                single = Ask(number, seed=ask.seed, scope=f"{ask.scope}/fallback")
                why = {"text": f"a random draw: {told.get('error', 'the answer is no configuration')}"}
                out.append(Proposal(RandomSearch().propose(history, single)[0].config, why=why))
        return out

    def _usable(self, history: History, answer: object) -> Config | None:
        if not isinstance(answer, dict):
            return None
        try:
            return history.space.check(answer)
        except SpaceError:
            return None
