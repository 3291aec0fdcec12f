"""Hyperband with a searcher that may choose, and differential evolution that chooses: DEHB of two halves.

Source  Awad et al., DEHB, IJCAI 2021. In the first round of brackets higher rungs are filled with promotions that the
        population rule picks; from the second round on, with new mutants that start at that rung's budget.
Log     bracket and rung of a start are its tags, budget its level; the target slot is its note. Folds read them and
        never work them out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, ClassVar, Literal

import numpy as np

from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask, Done, Need, Proposal, Searcher, Start, Verdict, Wait
from trimtab.schedule._rungs import bracket, rungs


@dataclass
class _Brackets:
    rungs: dict[tuple[int, int], list[int]] = field(default_factory=dict)  # (bracket, rung) -> trials, as started
    running: set[int] = field(default_factory=set)
    good: set[int] = field(default_factory=set)  # paused where they are: may go on

    def step(self, event: Event, history: History) -> _Brackets:
        trial = event.trial
        if trial is not None and event.kind == "started":
            tags = event.body["tags"]
            self.rungs.setdefault((tags["bracket"], tags["rung"]), []).append(trial)
            self.running.add(trial)
            self.good.discard(trial)
        elif trial is not None and event.kind == "ended":
            self.running.discard(trial)
            if event.body["state"] == "paused":
                self.good.add(trial)
        return self


@dataclass(frozen=True, slots=True)
class Hyperband:
    """Brackets one after the other, rungs synchronous; idle workers begin the next bracket."""

    max: float = 9
    min: float = 1
    eta: float = 3

    name: ClassVar[str] = "witness-hyperband"
    revision: ClassVar[int] = 1
    resource: ClassVar[str] = "step"
    listens: ClassVar[Literal["milestones", "all"]] = "milestones"
    needs_chooser: ClassVar[bool] = False

    @property
    def levels(self) -> tuple[float, ...]:
        return rungs(self.min, self.max, self.eta)

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        seen: _Brackets = history.fold(self, _Brackets, _Brackets.step)
        begun = 1 + max((b for b, _ in seen.rungs), default=-1)
        for b in range(begun if ask.fresh == 0 else begun + 1):
            acts = self._fill(history, seen, searcher, ask, b)
            if acts:
                return acts
        return Wait("rungs wait for their last members") if seen.running else Done("every bracket is at its end")

    def _fill(
        self, history: History, seen: _Brackets, searcher: Searcher, ask: Ask, b: int
    ) -> Sequence[Start] | Need | None:
        """Starts for the lowest rung of bracket b that has room; None where it must wait or is at its end."""
        s_max = len(self.levels) - 1
        s = s_max - b % (s_max + 1)
        levels, sizes = self.levels[s_max - s :], bracket(s, s_max, self.eta, "floor")
        for k, (level, size) in enumerate(zip(levels, sizes, strict=True)):
            there = seen.rungs.get((b, k), [])
            options = self._options(history, seen, b, k, levels) if k else ()
            room = size - len(there)
            if room > 0 and (options or ask.fresh != 0):
                tags = {"bracket": b, "rung": k}
                if k and not searcher.chooses:
                    proposals: Any = [Proposal(resume=t) for t in options[: min(room, ask.n)]]
                else:
                    n = min(ask.n, room, inf if ask.fresh is None else ask.fresh + len(options))
                    wish = replace(ask, n=int(n), budget=level, levels=levels, options=options, tags=tags)
                    proposals = searcher.propose(history, wish)
                if isinstance(proposals, Need):
                    return proposals
                if proposals:
                    return [Start(p, level, level, tags, f"bracket {b}, rung {k}") for p in proposals]
            if any(t in seen.running for t in there):
                return None
        return None

    def _options(self, history: History, seen: _Brackets, b: int, k: int, levels: Sequence[float]) -> tuple[int, ...]:
        """Paused members of the rung below, best first."""
        at = history.at(levels).of(levels[k - 1])
        value = {int(t): float(y) for t, y in zip(at.trial, at.Y[:, 0], strict=True)}
        below = [t for t in seen.rungs.get((b, k - 1), []) if t in seen.good and np.isfinite(value.get(t, np.nan))]
        return tuple(sorted(below, key=lambda t: (value[t], t)))

    def judge(self, history: History, trial: int) -> Verdict:
        step = float(history.reports(trial).step.max())
        return Verdict("on") if step >= self.max else Verdict("pause", why=f"at its rung, step {step:g}")


@dataclass
class _Populations:
    slots: dict[float, dict[int, int]] = field(default_factory=dict)  # level -> slot -> the trial that holds it
    fitness: dict[tuple[float, int], float] = field(default_factory=dict)  # (level, trial)
    started: dict[float, int] = field(default_factory=dict)  # level -> how many were
    aim: dict[int, tuple[float, int]] = field(default_factory=dict)  # running trial -> (level, slot)

    def step(self, event: Event, history: History) -> _Populations:
        trial, body = event.trial, event.body
        if event.kind == "started" and "slot" in body.get("note", {}):
            assert trial is not None
            level = body["budget"]
            self.started[level] = self.started.get(level, 0) + 1
            self.aim[trial] = (level, body["note"]["slot"])
        elif event.kind == "ended" and trial in self.aim:
            level, slot = self.aim.pop(trial)
            y = float(history.outcome(event)[0][0])
            if np.isfinite(y):
                self.fitness[level, trial] = y
                holder = self.slots.setdefault(level, {}).get(slot)
                if holder is None or y <= self.fitness[level, holder]:  # ties replace: plateaus are walked
                    self.slots[level][slot] = trial
        return self


@dataclass(frozen=True, slots=True)
class Evolution:
    """DE/rand/1/bin on one population a level, parents from the level below."""

    factor: float = 0.5
    crossover: float = 0.5

    name: ClassVar[str] = "witness-de"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = frozenset()
    chooses: ClassVar[bool] = True
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        pop: _Populations = history.fold(self, _Populations, _Populations.step)
        level, first_round = ask.budget or 0.0, ask.tags["bracket"] < len(ask.levels)
        begun, size = pop.started.get(level, 0), len(pop.slots.get(level, {}))
        if ask.tags["rung"] and (first_round or ask.fresh == 0):
            held = set(pop.slots.get(level, {}).values())
            chosen = [t for t in ask.options if t not in held][: ask.n]
            return [Proposal(resume=t, note={"slot": begun + i}) for i, t in enumerate(chosen)]
        out = []
        for i in range(ask.n if ask.fresh is None else min(ask.n, ask.fresh)):
            rng = ask.rng("de", ask.number + i)
            slot = begun + i if first_round or not size else (begun + i) % size
            x = rng.random(history.space.d) if first_round else self._mutant(history, pop, level, slot, rng)
            out.append(Proposal(history.space.decode(x[None])[0], note={"slot": slot}))
        return out

    def _mutant(self, history: History, pop: _Populations, level: float, slot: int, rng: Any) -> Any:
        X, slots = history.X_all, pop.slots
        below = max((v for v in slots if v < level), default=level)
        pool = sorted(slots.get(below, {}).values())
        if len(pool) < 3:
            pool = sorted({t for held in slots.values() for t in held.values()})
        target = X[slots[level][slot]] if slot in slots.get(level, {}) else rng.random(X.shape[1])
        a, b, c = X[rng.choice(pool, 3, replace=len(pool) < 3)]
        v = a + self.factor * (b - c)
        outside = (v < 0) | (v > 1)
        v[outside] = rng.random(int(outside.sum()))
        cross = rng.random(len(v)) < self.crossover
        cross[rng.integers(len(v))] = True
        return np.where(cross, v, target)
