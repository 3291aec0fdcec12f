"""Synchronous successive halving, with pause and resume.

Idea    n trials run to the first rung; the best 1/eta of them go on to the next; and so on. A rung waits for all its
        members; workers that are free meanwhile start the next bracket. The unpromoted stay paused, never stopped, so
        a later rise of max can go on with them.
Source  Jamieson & Talwalkar, AISTATS 2016; Li et al., Hyperband, JMLR 18, 2018, Algorithm 1 (one bracket).
Cost    O(rung) a decision.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import floor, inf
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from trimtab.errors import Unsupported
from trimtab.parts.order import best_first
from trimtab.protocol import Ask, Done, Need, Proposal, Searcher, Start, Verdict, Wait
from trimtab.schedule._rungs import check_rungs, rungs
from trimtab.schedule._words import STEPS, aim, at, by, check_labels, without

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.history._view import Levels
    from trimtab.log import Event


@dataclass(slots=True)
class _Bracket:
    members: list[int] = field(default_factory=list)
    up: dict[int, list[int]] = field(default_factory=dict)  # rung -> trials promoted to it, in order
    size: int | None = None  # settled when the first of them is promoted


@dataclass(slots=True)
class _Seen:
    brackets: list[_Bracket] = field(default_factory=list)
    out: set[int] = field(default_factory=set)  # failed, stopped, or finished before their time: they go no further
    home: dict[int, int] = field(default_factory=dict)  # trial -> its bracket
    touched: set[int] = field(default_factory=set)  # brackets that may owe a start: something has happened in them
    came: dict[int, float] = field(default_factory=dict)  # trial -> the step at which it was paused last
    running: dict[int, float] = field(default_factory=dict)  # trial -> the budget it was started with

    def step(self, event: Event, history: History) -> _Seen:
        trial, body = event.trial, event.body
        if trial in self.home:
            self.touched.add(self.home[trial])
        if event.kind == "started" and trial is not None:
            self.running[trial] = body.get("budget", inf)
        if event.kind == "started" and "bracket" in body.get("tags", {}):
            assert trial is not None
            tags = body["tags"]
            while len(self.brackets) <= tags["bracket"]:
                self.brackets.append(_Bracket())
            bracket = self.brackets[tags["bracket"]]
            self.touched.add(tags["bracket"])
            if tags["rung"] == 0:
                bracket.members.append(trial)
                self.home[trial] = tags["bracket"]
            else:
                bracket.up.setdefault(tags["rung"], []).append(trial)
        elif event.kind == "ended" and trial is not None:
            budget = self.running.pop(trial, inf)
            top = body["state"] == "finished" and (body.get("step") or 0) >= budget  # goes on if max is raised
            if body["state"] == "paused":
                self.came[trial] = body.get("step") or 0.0
            elif not top:
                self.out.add(trial)
        return self


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving: the best 1/eta of each rung go on, the rest stay paused.

    max     steps of a full run
    min     steps of the first rung
    eta     the factor between rungs
    n       trials in a bracket; None: as many as leave one on the top rung (eta to the number of divisions)
    budget  the unit of steps, such as "epochs": for labels
    metric  judge by this reported metric, smaller is better ("-val/accuracy": larger), or as the study says of an
            objective; None: the objectives
    """

    max: float
    min: float = 1
    eta: float = 3
    n: int | None = None
    budget: str = STEPS
    metric: str | None = None

    name: ClassVar[str] = "halving"
    revision: ClassVar[int] = 1
    resource: ClassVar[str] = "step"
    listens: ClassVar[Literal["milestones", "all"]] = "milestones"
    needs_chooser: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_rungs("Halving", self.min, self.max, self.eta)
        check_labels("Halving", self.budget, self.metric)
        if self.n is not None and (not isinstance(self.n, Integral) or self.n < 1):
            raise Unsupported(f"Halving(n={self.n!r}): how many trials a bracket has is a whole number, at least 1.")

    @property
    def levels(self) -> tuple[float, ...]:
        return rungs(self.min, self.max, self.eta)

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        levels = self.levels
        seen = history.fold(replace(self, budget=STEPS), _Seen, _Seen.step)  # the label decides nothing
        n0 = self.n or round(self.eta ** (len(levels) - 1))
        starts: list[Start] = []
        if ask.fresh == 0:  # no new trials will fill those that lack some: they go on with those they have
            seen.touched.update(b for b, bracket in enumerate(seen.brackets) if len(bracket.members) < n0)
        for b in sorted(seen.touched):
            owed = self._promotions(history, seen, b, n0, ask)
            starts += owed[: ask.n - len(starts)]
            if len(starts) == ask.n:
                return starts
            if not owed:
                seen.touched.discard(b)
        b = len(seen.brackets) - 1
        if b < 0 or len(seen.brackets[b].members) >= n0:
            b += 1
        room = n0 - (len(seen.brackets[b].members) if b < len(seen.brackets) else 0)
        n = min(ask.n - len(starts), room, ask.n if ask.fresh is None else ask.fresh)
        if n > 0:
            proposals = searcher.propose(history, replace(ask, n=n, budget=levels[0], levels=levels))
            if isinstance(proposals, Need):
                return starts or proposals
            tags = {"bracket": b, "rung": 0}
            starts += [Start(p, levels[0], levels[0], tags, f"bracket {b}, rung 0") for p in proposals]
        if starts:
            return starts
        if (history.state == 1).any():
            return Wait("a rung waits for its last members")
        return Done("every bracket has come to its end")

    def _promotions(self, history: History, seen: _Seen, b: int, n0: int, ask: Ask) -> list[Start]:
        """The starts that the highest complete rung of one bracket still owes."""
        bracket = seen.brackets[b]
        filled = len(bracket.members) >= n0 or ask.fresh == 0
        if not filled:
            return []
        levels, rung, members = self.levels, 0, bracket.members
        marks = self._marks(history)
        while rung < len(levels) - 1:
            row = {t: r for t in members if (r := marks.rows.get((t, levels[rung]))) is not None}
            if any(t not in row and t not in seen.out and not self._unmeasured(seen, t, levels[rung]) for t in members):
                return []  # synchronous: wait for all
            arrived, rows = list(row), list(row.values())
            order = best_first(marks.Y[rows], marks.C[rows])
            good = np.asarray(np.isfinite(marks.Y[rows]).all(axis=1))
            ranked = [arrived[i] for i in order]
            fit = [arrived[i] for i in order if good[i] and arrived[i] not in seen.out]
            best = fit[: floor(len(members) / self.eta + 1e-9)]
            done = bracket.up.get(rung + 1, [])
            owed = [t for t in best if t not in done][: max(0, len(best) - len(done))]
            if owed:  # those whose pause is still under way come next time
                return self._go_on(b, rung + 1, [t for t in owed if t not in seen.running], ranked)
            if not done:
                break
            members, rung = done, rung + 1
        return []

    def _unmeasured(self, seen: _Seen, trial: int, level: float) -> bool:
        """Paused at its rung without the metric that decides there: the others don't wait for it."""
        return self.metric is not None and seen.came.get(trial, 0.0) >= level

    def _marks(self, history: History) -> Levels:
        return history.at(self.levels, by=aim(history, self.metric))

    def _go_on(self, b: int, rung: int, trials: list[int], ranked: list[int]) -> list[Start]:
        tags: dict[str, Any] = {"bracket": b, "rung": rung}
        here, level = self.levels[rung - 1 : rung + 1]
        why = f"of {len(ranked)}{by(self.metric)} at {at(self.budget, here)}, goes on to {at(self.budget, level)}"
        return [Start(Proposal(resume=t), level, level, tags, f"rank {ranked.index(t) + 1} {why}") for t in trials]

    def judge(self, history: History, trial: int) -> Verdict:
        levels = self.levels
        curve = history.reports(trial)
        step = float(curve.step.max()) if len(curve) else 0.0
        if step >= levels[-1]:
            return Verdict("on", float("inf"))
        told, k = f"reached its rung at {at(self.budget, step)}", bisect_right(levels, step)
        if self.metric is not None and k and (trial, levels[k - 1]) not in self._marks(history).rows:
            return Verdict("pause", why=told + without(self.metric))
        return Verdict("pause", why=f"{told}; waits for the others")
