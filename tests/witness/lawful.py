"""The laws every method is held to, as functions over a pair of methods: killed = undisturbed, replay, cold = warm.

A Case is a study in virtual time. `Contract` stands around its scheduler and holds both sides of the protocol to
their words while the study runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from trimtab.history import History, State
from trimtab.protocol import Ask, Done, Need, Start, Verdict, Wait
from trimtab.study._driver import Driver
from trimtab.study._log import Log
from trimtab.study.verify import agreed, difference, rejudged, replayed

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from crashing import Fuse, run_to_end, story

TIMES = ("took", "seconds", "cost")


@dataclass(frozen=True)
class Case:
    """What is run: the two methods and what they are run on."""

    searcher: Any
    scheduler: Any
    space: Any
    model: Any
    trials: int
    more: Mapping[str, Any] = field(default_factory=dict)  # of run_to_end

    def run(self, fuse: Fuse | None = None, workers: int = 1, forget: Random | None = None, **more: Any) -> Log:
        plan = Contract(self.scheduler, forget)
        settings = {**self.more, **more}
        return run_to_end(
            self.space, self.searcher, plan, self.model, trials=self.trials, fuse=fuse or Fuse(), workers=workers,
            **settings,
        )  # fmt: skip


class Contract:
    """A scheduler that is watched; with `forget`, every cache is dropped before some of its decisions."""

    def __init__(self, plan: Any, forget: Random | None = None) -> None:
        self._plan, self._forget = plan, forget

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plan, name)

    def next(self, history: History, searcher: Any, ask: Ask) -> Any:
        self._drop(history)
        once = _Once(searcher)
        acts = self._plan.next(history, once, ask)
        if isinstance(acts, (Need, Wait)):
            return acts
        running = {int(t) for t in history.numbers[history.state == State.RUNNING]}
        if isinstance(acts, Done):
            assert not running, f"Done, but {running} are running"
            return acts
        resumed = [s.proposal.resume for s in acts if s.proposal.resume is not None]
        new = [s for s in acts if s.proposal.resume is None]
        assert all(isinstance(s, Start) and (s.proposal.config is None) != (s.proposal.resume is None) for s in acts)
        assert len(acts) <= ask.n
        assert len(set(resumed)) == len(resumed)
        assert not running & set(resumed), "a running trial was started"
        assert ask.fresh is None or len(new) <= ask.fresh
        for s in acts:
            if s.proposal.source is not None:
                trial, step = s.proposal.source
                assert step in history.checkpoints(trial)
        return acts

    def judge(self, history: History, trial: int) -> Verdict:
        self._drop(history)
        verdict: Verdict = self._plan.judge(history, trial)
        return verdict

    def _drop(self, history: History) -> None:
        if self._forget is not None and self._forget.random() < 0.5:
            history.forget()


class _Once:
    """A searcher whose proposals are taken once."""

    def __init__(self, searcher: Any) -> None:
        self._searcher, self._taken = searcher, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._searcher, name)

    def propose(self, history: History, ask: Ask) -> Any:
        assert not self._taken, "proposals were taken twice in one decision"
        assert ask.n >= 1
        proposals = self._searcher.propose(history, ask)
        self._taken = bool(proposals)
        return proposals


def killed_anywhere(case: Case, stride: int = 1) -> None:
    """Law 4: killed at any append or submit, before it or after it, and started again: the same trials."""
    fuse = Fuse()
    undisturbed = story(case.run(fuse))
    for at in range(1, fuse.count + 1, stride):
        for after in (True, False):
            told = story(case.run(Fuse(at, after)))
            for was, now in zip(undisturbed, told, strict=False):
                assert now == was, f"killed {'after' if after else 'before'} act {at} of {fuse.count}"
            assert len(told) == len(undisturbed), f"killed at act {at} of {fuse.count}"


def decided_again(case: Case, log: Log) -> int:
    """Law 1: every decision and every verdict of the log, made again from what it had seen. Returns how many."""
    events = list(log.storage.read(log.study, 0)[0])
    count = 0
    plans: tuple[Any, ...] = (case.scheduler, Contract(case.scheduler, _Always()))
    for plan in plans:
        count = 0
        for made, again in replayed(events, case.searcher, plan):
            assert agreed(made, again), difference(made, again)
            count += 1
        for event, verdict in rejudged(events, plan):
            assert (event.body["verdict"], event.body["why"]) == (verdict.go, verdict.why), event
            count += 1
    return count


def cold_as_warm(case: Case, workers: int = 4, seeds: int = 5) -> Log:
    """Law 1: caches dropped at random points change nothing, with several workers either. Returns the log."""
    log = case.run(workers=workers)
    warm = events_of(log)
    for seed in range(seeds):
        assert events_of(case.run(workers=workers, forget=Random(seed))) == warm
    return log


def events_of(log: Log) -> list[tuple[Any, ...]]:
    """The whole log, but for the seconds that things took."""
    events = log.storage.read(log.study, 0)[0]
    return [(e.kind, e.trial, e.attempt, e.at, {k: v for k, v in e.body.items() if k not in TIMES}) for e in events]


class _Always(Random):
    def random(self) -> float:
        return 0.0


def losing(moments: Mapping[int, int]) -> Callable[[Driver], None]:
    """For Driver.watch: at the n-th turn of the loop the machine under the moments[n]-th of the running trials dies."""
    turn = 0

    def watch(driver: Driver) -> None:
        nonlocal turn
        turn += 1
        running = sorted(driver.until)
        if turn in moments and running:
            driver.runner.lose(running[moments[turn] % len(running)])  # type: ignore[attr-defined]

    return watch


def all_over(log: Log) -> None:
    """Nothing is left open: every trial has a final or a paused end."""
    assert all(row.word in ("finished", "stopped", "paused", "failed", "lost") for row in log.ledger.rows)
    assert not log.ledger.alive
    assert not log.ledger.waiting


__all__ = ["Case", "Contract", "all_over", "cold_as_warm", "decided_again", "events_of", "killed_anywhere", "losing"]
