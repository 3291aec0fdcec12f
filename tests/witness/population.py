"""Population based training: losers are stopped, and a clone of a winner with a perturbed config takes their place.

Source  Jaderberg et al., Population Based Training of Neural Networks, 2017: truncation selection, perturbation.
Log     A member is a line of trials with one tag; each clone has its source and its parents. judge() stops, next()
        clones. With fewer workers than members a member pauses at its milestone until the others have caught up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np

from trimtab.history import History, State
from trimtab.log import Event
from trimtab.protocol import Ask, Done, Need, Proposal, Searcher, Start, Verdict, Wait


@dataclass
class _Lines:
    newest: dict[int, int] = field(default_factory=dict)  # member -> its present trial

    def step(self, event: Event, history: History) -> _Lines:
        if event.kind == "started" and "member" in event.body.get("tags", {}):
            assert event.trial is not None
            self.newest[event.body["tags"]["member"]] = event.trial
        return self


@dataclass(frozen=True, slots=True)
class Population:
    max: float
    ready: float
    members: int = 4
    share: float = 0.25

    name: ClassVar[str] = "witness-pbt"
    revision: ClassVar[int] = 1
    resource: ClassVar[str] = "step"
    listens: ClassVar[Literal["milestones", "all"]] = "milestones"
    needs_chooser: ClassVar[bool] = False

    @property
    def levels(self) -> tuple[float, ...]:
        return ()

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        lines: dict[int, int] = history.fold(self, _Lines, _Lines.step).newest
        missing = [m for m in range(self.members) if m not in lines]
        n = min(ask.n, len(missing), len(missing) if ask.fresh is None else ask.fresh)
        if n:
            proposals = searcher.propose(history, replace(ask, n=n, budget=self.max))
            if isinstance(proposals, Need):
                return proposals
            if proposals:
                return [Start(p, self.ready, self.max, {"member": m}) for p, m in zip(proposals, missing, strict=False)]
        starts: list[Start] = []
        fresh = ask.n if ask.fresh is None else ask.fresh
        for member, trial in sorted(lines.items(), key=lambda line: (self._step(history, line[1]), line[0])):
            state, step = int(history.state[trial]), self._step(history, trial)
            if state == State.PAUSED:
                starts.append(Start(Proposal(resume=trial), step + self.ready, self.max, {"member": member}))
            elif state in (State.STOPPED, State.FAILED) and fresh > 0:
                clone = self._clone(history, lines, ask, ask.number + sum(s.proposal.resume is None for s in starts))
                if clone is not None:
                    at = clone.source[1]  # type: ignore[index]
                    starts.append(Start(clone, at + self.ready, self.max, {"member": member}, "takes a loser's place"))
                    fresh -= 1
        if starts:
            return starts[: ask.n]
        busy = any(history.state[t] == State.RUNNING for t in lines.values())
        return Wait("members are under way") if busy else Done("every member has come to its end")

    def _clone(self, history: History, lines: dict[int, int], ask: Ask, number: int) -> Proposal | None:
        """A winner's newest checkpoint with another config; None where nobody has one."""
        live = [t for t in lines.values() if history.state[t] not in (State.STOPPED, State.FAILED)]
        able = [t for t in live if history.checkpoints(t)]
        if not able:
            return None
        rng = ask.rng("exploit", number)
        score = {t: self._score(history, t, history.checkpoints(t)[-1]) for t in able}
        best = sorted(able, key=lambda t: (score[t], t))[: ceil(self.share * len(able))]
        winner = best[int(rng.integers(len(best)))]
        source = (winner, history.checkpoints(winner)[-1])
        x = history.space.encode([history.config(winner)])
        x = np.clip(x + rng.choice([-0.1, 0.1], x.shape), 0, 1)
        return Proposal(history.space.decode(x)[0], source=source, parents={"init": source})

    def judge(self, history: History, trial: int) -> Verdict:
        step = self._step(history, trial)
        if step >= self.max:
            return Verdict("on")
        at = step // self.ready * self.ready  # after an interruption the last report may lie between milestones
        marks = history.at(tuple(self.ready * i for i in range(1, 1 + int(self.max // self.ready)))).of(at)
        value = {int(t): float(y) for t, y in zip(marks.trial, marks.Y[:, 0], strict=True)}
        rank = sum(v < value[trial] for t, v in value.items())
        if len(value) >= self.members and rank >= len(value) * (1 - self.share):
            return Verdict("stop", why=f"rank {rank + 1} of {len(value)} at step {at:g}")
        lines = history.fold(self, _Lines, _Lines.step).newest
        waiting = [t for t in lines.values() if history.state[t] != State.RUNNING and self._step(history, t) < step]
        if len(lines) < self.members or waiting:
            return Verdict("pause", why="others have yet to come so far")
        return Verdict("on", at + self.ready)

    def _step(self, history: History, trial: int) -> float:
        curve = history.reports(trial)
        return float(curve.step.max()) if len(curve) else 0.0

    def _score(self, history: History, trial: int, step: float) -> float:
        curve: Any = history.reports(trial)
        name = history.objectives[0]
        return float(history.sign(name) * curve.metrics[name][curve.step <= step][-1])
