"""One unit more for the trial that deserves it: every paused trial is an option, and the searcher chooses.

Source  The loop of DyHPO (Wistuba et al., NeurIPS 2022) and freeze-thaw, with a stub in the model's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from trimtab.history import History, State
from trimtab.protocol import TRAITS, Ask, Done, Need, Proposal, Searcher, Start, Verdict, Wait


@dataclass(frozen=True, slots=True)
class Dynamic:
    max: float
    step: float = 1

    name: ClassVar[str] = "witness-dynamic"
    revision: ClassVar[int] = 1
    resource: ClassVar[str] = "step"
    listens: ClassVar[Literal["milestones", "all"]] = "milestones"
    needs_chooser: ClassVar[bool] = True

    @property
    def levels(self) -> tuple[float, ...]:
        return ()

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        paused = np.flatnonzero(history.state == State.PAUSED)
        order = paused[np.argsort(history.Y[paused, 0], kind="stable")]
        options = tuple(int(t) for t in history.numbers[order])
        proposals = searcher.propose(history, replace(ask, budget=self.step, options=options))
        if isinstance(proposals, Need):
            return proposals
        if proposals:
            return [Start(p, self._until(history, p), self.max) for p in proposals]
        running = bool((history.state == State.RUNNING).any())
        return Wait("nothing to choose from") if running else Done("nothing is left to go on with")

    def _until(self, history: History, proposal: Proposal) -> float:
        if proposal.resume is None:
            return self.step
        return float(history.reports(proposal.resume).step.max()) + self.step

    def judge(self, history: History, trial: int) -> Verdict:
        return Verdict("on") if history.reports(trial).step.max() >= self.max else Verdict("pause", why="one unit done")


@dataclass(frozen=True, slots=True)
class Stub:
    """Chooses by chance: a new trial, or one of the best paused ones."""

    explore: float = 0.4

    name: ClassVar[str] = "witness-chooser"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = True
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        rng, left, out, new = ask.rng("choice"), list(ask.options), list[Proposal](), 0
        for _ in range(ask.n):
            may = ask.fresh is None or new < ask.fresh
            if may and (not left or rng.random() < self.explore):
                config = history.space.sample_config(ask.rng("new", ask.number + new))
                out.append(Proposal(config, why={"text": "something new"}))
                new += 1
            elif left:
                out.append(Proposal(resume=left.pop(int(rng.integers(min(3, len(left)))))))
        return out
