"""Asynchronous successive halving: nobody waits for a rung to fill.

Idea    A trial that has come to a rung is compared with all that have been there so far. "stopping": it goes on while
        it is among the best 1/eta of them, else it is stopped for good; nothing is paused, so no checkpoints are
        needed. "promotion": every trial pauses at its rung, and a free worker goes on with the best 1/eta of the
        highest rung that has one; what is behind is only paused, and later arrivals may still lift it.
        With several objectives the order is non-dominated rank, then what a trial adds to its front; feasible before
        infeasible.
Source  Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, Algorithm 2 (promotion); the
        stopping form as in Syne Tune and Ray.
Differs Stopping: the best so far always goes on, and ties with it do; a trial is compared with those that came to
        the rung before it, so that the verdict is the same whenever it is asked for. Promotion: a trial that failed
        gives its place to the next; at the end of a study in which nothing has come to the top, the best of the
        highest rung goes on until it is there.
Cost    O(rung) a decision.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import floor, inf
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from trimtab.errors import UnknownName, Unsupported
from trimtab.protocol import Ask, Done, Need, Proposal, Searcher, Start, Verdict, Wait
from trimtab.schedule._rungs import check_rungs, ranked, rungs
from trimtab.schedule._words import STEPS, aim, at, by, check_labels, named, without

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trimtab.history import History
    from trimtab.history._view import Levels
    from trimtab.log import Event

TYPES = ("stopping", "promotion")


@dataclass(slots=True)
class _Seen:
    """What promotions depend on."""

    levels: tuple[float, ...]
    names: tuple[str, ...]  # what a report has to measure to count at a rung
    sent: dict[int, float] = field(default_factory=dict)  # trial -> the level it was last started for
    reach: dict[int, int] = field(default_factory=dict)  # trial -> how many levels its measurements have come to
    idle: set[int] = field(default_factory=set)  # paused at its level, or through with it: may go on
    out: set[int] = field(default_factory=set)  # failed, stopped, or ended before their time: go no further
    open: set[int] = field(default_factory=set)  # rungs that may owe a promotion: something has happened there

    def step(self, event: Event, history: History) -> _Seen:
        trial, body = event.trial, event.body
        if trial is None:
            return self
        if event.kind == "started":
            self.sent[trial] = body.get("budget", inf)
            self.idle.discard(trial)
        elif event.kind == "reported" and all(name in body["metrics"] for name in self.names):
            before, now = self.reach.get(trial, 0), bisect_right(self.levels, max(body["step"]))
            if now > before:
                self.reach[trial] = now
                self.open.update(range(before, now))
        elif event.kind == "ended":
            whole = body["state"] == "finished" and (body.get("step") or 0) >= self.sent.get(trial, inf)
            (self.idle if body["state"] == "paused" or whole else self.out).add(trial)  # whole: max may be raised
            self.open.update(range(self.reach.get(trial, 0)))
        return self


@dataclass(frozen=True, slots=True)
class ASHA:
    """Stops (or pauses) trials that are not among the best 1/eta of those that came as far, without waiting for others.

    max       steps of a full run
    min       steps of the first rung
    eta       the factor between rungs; 4 with more than a hundred workers
    type      stopping: needs no checkpoints; promotion: pauses, and goes on from checkpoints
    brackets  2 or 3 where early curves mislead: so many ways to begin, at min, min * eta, …
    budget    the unit of steps, such as "epochs": for labels
    metric    judge by this reported metric, smaller is better ("-val/accuracy": larger), or as the study says of an
              objective; None: the objectives
    """

    max: float
    min: float = 1
    eta: float = 3
    type: str = "stopping"
    brackets: int = 1
    budget: str = STEPS
    metric: str | None = None

    name: ClassVar[str] = "asha"
    revision: ClassVar[int] = 1
    resource: ClassVar[str] = "step"
    listens: ClassVar[Literal["milestones", "all"]] = "milestones"
    needs_chooser: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_rungs("ASHA", self.min, self.max, self.eta)
        check_labels("ASHA", self.budget, self.metric)
        if self.type not in TYPES:
            raise UnknownName(self.type, among=TYPES, kind="type of ASHA")
        if not isinstance(self.brackets, Integral) or not 1 <= self.brackets <= len(self.levels):
            raise Unsupported(
                f"ASHA(brackets={self.brackets}): 1 to {len(self.levels)}, the number of rungs from "
                f"{self.min:g} to {self.max:g}. Usual: 1."
            )

    @property
    def levels(self) -> tuple[float, ...]:
        return rungs(self.min, self.max, self.eta)

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        promotes = self.type == "promotion"
        starts = self._promotions(history, ask.n) if promotes else []
        room = ask.n - len(starts)
        n = room if ask.fresh is None else min(room, ask.fresh)
        if n:
            new = self._new(history, searcher, ask, n)
            if isinstance(new, Need):
                return starts or new
            starts += new
        if starts:
            return starts
        why = "all trials have been started" if ask.fresh == 0 else "the searcher has nothing new to propose"
        if bool((history.state == 1).any()):
            return Wait(why)
        return (promotes and self._to_the_top(history)) or Done(why)

    # ── new trials ───────────────────────────────────────────────────────────────────────────────────────────────

    def _new(self, history: History, searcher: Searcher, ask: Ask, n: int) -> list[Start] | Need:
        """Up to n new trials, as many as begin in the same bracket: one call of the searcher, for one level."""
        bracket = self._bracket(ask, ask.number)
        n = next((i for i in range(1, n) if self._bracket(ask, ask.number + i) != bracket), n)
        levels = self.levels
        proposals = searcher.propose(history, replace(ask, n=n, budget=levels[bracket], levels=levels))
        if isinstance(proposals, Need):
            return proposals
        tags = {"bracket": bracket} if self.brackets > 1 else {}
        starts = []
        for proposal in proposals:
            from_ = proposal.source[1] if proposal.source is not None else 0.0
            first = next((v for v in levels[bracket:] if v > from_), levels[-1])
            starts.append(Start(proposal, first, first if self.type == "promotion" else levels[-1], tags))
        return starts

    def _bracket(self, ask: Ask, number: int) -> int:
        """Drawn so that every bracket gets about as many steps."""
        if self.brackets == 1:
            return 0
        share = np.array([1 / (self.levels[s] * (len(self.levels) - s)) for s in range(self.brackets)])
        return int(ask.rng("bracket", number).choice(self.brackets, p=share / share.sum()))

    # ── going on ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _promotions(self, history: History, n: int) -> list[Start]:
        """The best paused trials of the highest rungs that owe a promotion."""
        levels, seen = self.levels, self._seen(history)
        seen.open.discard(len(levels) - 1)
        marks = self._marks(history) if seen.open else None
        starts: list[Start] = []
        for k in sorted(seen.open, reverse=True):
            assert marks is not None
            owed = []
            for bracket in range(min(self.brackets, k + 1)):
                rows = self._rows(history, marks, levels[k], bracket)
                ready = self._order(marks, rows, seen)
                owed += [
                    (t, k, i + 1, len(rows))
                    for i, t in enumerate(ready[: floor(len(rows) / self.eta + 1e-9)])
                    if t in seen.idle and seen.sent[t] < levels[k + 1]
                ]
            starts += [self._go_on(*told) for told in owed[: n - len(starts)]]
            if len(starts) == n:
                break
            if not owed:  # what is only proposed may yet be refused, and is owed still
                seen.open.discard(k)
        return starts

    def _to_the_top(self, history: History) -> list[Start]:
        """Nothing new will come: if nobody has reached the top, the best of the highest rung goes on."""
        levels, seen, marks = self.levels, self._seen(history), self._marks(history)
        if not len(marks.level) or marks.level.max() >= levels[-1]:
            return []
        for k in range(len(levels) - 2, -1, -1):
            rows = np.flatnonzero(marks.level == levels[k])
            for i, t in enumerate(self._order(marks, rows, seen)):
                if t in seen.idle and seen.sent[t] < levels[k + 1]:
                    return [self._go_on(t, k, i + 1, len(rows))]
        return []

    def _seen(self, history: History) -> _Seen:
        """Kept under what decides: not under the label."""
        judged_by = aim(history, self.metric)
        names = history.objectives if judged_by is None else judged_by[:1]
        return history.fold(replace(self, budget=STEPS), lambda: _Seen(self.levels, names), _Seen.step)

    def _marks(self, history: History) -> Levels:
        return history.at(self.levels, by=aim(history, self.metric))

    def _order(self, marks: Levels, rows: NDArray[np.int64], seen: _Seen) -> list[int]:
        """The trials of a rung that may go on, best first."""
        order = rows[ranked(marks.Y[rows], marks.C[rows])]
        good = np.isfinite(marks.Y[order]).all(axis=1)
        return [t for t in marks.trial[order[good]].tolist() if t not in seen.out]

    def _go_on(self, trial: int, k: int, rank: int, of: int) -> Start:
        here, level = self.levels[k], self.levels[k + 1]
        why = f"rank {rank} of {of}{by(self.metric)} at {at(self.budget, here)}, goes on to {at(self.budget, level)}"
        return Start(Proposal(resume=trial), level, level, why=why)

    def _rows(self, history: History, marks: Levels, level: float, bracket: int) -> NDArray[np.int64]:
        """The rows of one rung of one bracket, in the order of arrival."""
        rows: NDArray[np.int64] = np.flatnonzero(marks.level == level)
        if self.brackets > 1:
            mine = [history.tags(t).get("bracket", 0) == bracket for t in marks.trial[rows].tolist()]
            rows = rows[np.array(mine, bool)]
        return rows

    # ── verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def judge(self, history: History, trial: int) -> Verdict:
        curve = history.reports(trial)
        step = float(curve.step.max()) if len(curve) else 0.0
        bracket = history.tags(trial).get("bracket", 0) if self.brackets > 1 else 0
        levels = self.levels[bracket:]
        k = bisect_right(levels, step)
        if k == len(levels):
            return Verdict("on", inf)
        if self.type == "promotion":
            return self._waits(history, trial, step, levels[k - 1] if k else None)
        return self._compared(history, trial, bracket, levels[k - 1], levels[k]) if k else Verdict("on", levels[0])

    def _waits(self, history: History, trial: int, step: float, level: float | None) -> Verdict:
        """A pause. Without the metric that decides, it lasts until another metric does."""
        told = f"came to {at(self.budget, step)}"
        if self.metric is not None and level is not None and (trial, level) not in self._marks(history).rows:
            return Verdict("pause", why=told + without(self.metric))
        return Verdict("pause", why=f"{told}; goes on when among the best 1/{self.eta:g}{by(self.metric)} there")

    def _compared(self, history: History, trial: int, bracket: int, level: float, ahead: float) -> Verdict:
        """Among the best 1/eta of those that had come to this level when it came?"""
        marks, here = self._marks(history), at(self.budget, level)
        row = marks.rows.get((trial, level))
        if row is None:  # it reported nothing to judge by, or came from another trial's checkpoint
            return Verdict("on", ahead)
        rows = self._rows(history, marks, level, bracket)
        rows = rows[: int(np.searchsorted(rows, row)) + 1]
        if not np.isfinite(marks.Y[row]).all():
            return Verdict("stop", why=f"has no {named(self.metric)} at {here}")
        rank, of = _rank(marks.Y[rows], marks.C[rows]), len(rows)
        if rank <= max(1, floor(of / self.eta + 1e-9)):
            return Verdict("on", ahead)
        told = f"rank {rank} of {of}{by(self.metric)} at {here}"
        return Verdict("stop", why=f"{told}, not among the best 1/{self.eta:g}")


def _rank(Y: NDArray[np.float64], C: NDArray[np.float64]) -> int:
    """The place of the last row, counted from 1; it shares the best place of those that equal it."""
    if Y.shape[1] == 1 and not C.shape[1]:  # the usual study needs no order of all the others
        return int((Y[:, 0] < Y[-1, 0]).sum()) + 1
    order = ranked(Y, C)
    same = (Y[-1] == Y).all(axis=1) & ((C[-1] == C) | (np.isnan(C) & np.isnan(C[-1]))).all(axis=1)
    return int(np.flatnonzero(same[order])[0]) + 1
