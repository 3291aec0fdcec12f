"""What every scheduler has to keep."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from trimtab.history import History, Ledger, State
from trimtab.log import Event
from trimtab.protocol import TRAITS, Ask, Done, Need, Proposal, Run, Scheduler, Searcher, Start, Wait
from trimtab.run.simulated import Simulated
from trimtab.search.random import RandomSearch
from trimtab.space import Space
from trimtab.study._queued import queued
from trimtab.study._study import Study
from trimtab.study.verify import agreed, difference, rejudged, replayed
from trimtab.testing._chaos import random_log, study_of
from trimtab.testing._searchers import ask_of, prefixes
from trimtab.testing._worlds import FLAT, WORLDS, World, measured

Make = Callable[[], Scheduler]


@dataclass(frozen=True, slots=True)
class FirstOption:
    """A searcher that chooses: now and then the first paused trial it is offered, else a random draw."""

    name: ClassVar[str] = "first option"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = True
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if ask.options and (ask.fresh == 0 or ask.rng("choose").random() < 0.5):
            return [Proposal(resume=ask.options[0])]
        return RandomSearch().propose(history, ask)


def _searcher_for(make: Make) -> Searcher:
    return FirstOption() if make().needs_chooser else RandomSearch()


def worlds_for(make: Make) -> list[World]:
    return [world for world in WORLDS if world.name in ("mixed", "several", "by run")]


def cold_equals_warm(
    make: Make, *, events: int = 110, seeds: Sequence[int] = (0,), searcher: Searcher | None = None
) -> None:
    """At every prefix of random logs: the same starts and the same verdicts from a grown and a fresh history."""
    method = searcher or _searcher_for(make)
    for seed in seeds:
        for world in worlds_for(make):
            log = random_log(world, method, make(), seed=seed, events=events)
            for warm, cold, told in prefixes(log, seed=seed):
                where = f"{make().name} in a {world.name} study of seed {seed}, {told}"
                for n, fresh in ((1, None), (3, None), (2, 0)):  # 0: no more new trials
                    ask = replace(ask_of(cold, n), fresh=fresh)
                    acts = [make().next(h, queued(method, h._ledger), ask) for h in (warm, cold)]
                    assert repr(acts[0]) == repr(acts[1]), f"{where}:\n  warm {acts[0]!r}\n  cold {acts[1]!r}"
                    _sound(acts[0], cold._ledger, n)
                for row in cold._ledger.rows:
                    if row.state is State.RUNNING and row.step is not None and row.valid:
                        mine, theirs = make().judge(warm, row.number), make().judge(cold, row.number)
                        assert repr(mine) == repr(theirs), f"{where}, trial {row.number}: {mine!r} and {theirs!r}"


def _sound(acts: Sequence[Start] | Need | Wait | Done, ledger: Ledger, n: int) -> None:
    """At most n starts, all of different trials; those that go on are paused, or ran to the budget they had been given.

    The latter is what a rise of the budget needs: a trial that finished at the old top goes on to the new one.
    """
    if isinstance(acts, (Need, Wait)):
        return
    running = any(row.state is State.RUNNING and row.valid for row in ledger.rows)
    if isinstance(acts, Done):
        assert not running, f"done ({acts.why}) though a trial runs"
        return
    assert 0 < len(acts) <= n, f"{len(acts)} starts where 1 to {n} were asked for"
    resumed = [start.proposal.resume for start in acts if start.proposal.resume is not None]
    assert len(set(resumed)) == len(resumed), f"a trial is started twice in one decision: {resumed}"
    for trial in resumed:
        row = ledger.rows[trial]
        whole = row.state is State.FINISHED and row.budget is not None and (row.step or 0) >= row.budget
        assert row.state is State.PAUSED or whole, f"trial {trial} goes on, but it is {row.word} at step {row.step}"


def _curve(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, Any]:
    step = run.source_step
    while step < (run.budget or 9):
        step += 1
        yield 1.0 + 0.1 * run.config["k"], measured(run.config, step)


def simulated(make: Make, *, workers: int, trials: int = 30) -> Study:
    """A study of this scheduler in virtual time, run to its end."""
    study = study_of(Space(FLAT), _searcher_for(make), make(), seed=1)
    study.optimize(_objective, trials=trials, runner=Simulated(_curve, workers=workers))
    return study


def _objective(trial: Any) -> float:
    raise AssertionError("a simulation runs no objective")


def comes_to_an_end(make: Make) -> None:
    """With any number of workers a study ends, with as many trials as were allowed, none of them left running."""
    for workers in (1, 3, 8):
        study = simulated(make, workers=workers)
        counts = study.counts
        assert counts["counted"] == 30, f"{counts} with {workers} workers"
        assert counts["running"] == counts["queued"] == counts["failed"] == 0, f"{counts} with {workers} workers"
        assert counts["finished"] + counts["stopped"] > 0, "no trial ran to its end"
        log = list(study.log())
        for made, again in replayed(log, study.searcher, study.scheduler):
            assert agreed(made, again), f"with {workers} workers: {difference(made, again)}"
        for event, verdict in rejudged(log, study.scheduler):
            assert verdict.go == event.body["verdict"], f"with {workers} workers, event {event.seq}: now {verdict}"


def fresh_is_kept(make: Make) -> None:
    """With fresh=0 nothing new is started."""
    study = simulated(make, workers=4, trials=7)
    new = [e for e in study.log() if e.kind == "started" and e.body["cause"] == "new"]
    assert len(new) == 7


def verdicts_say_why(make: Make) -> None:
    """Whoever pauses or stops a trial says why."""
    for event in simulated(make, workers=2).log():
        _says_why(event)


def _says_why(event: Event) -> None:
    if event.kind == "judged":
        assert event.body["why"], f"event {event.seq} gives no reason"
        assert event.body["verdict"] in ("pause", "stop")


def declares_itself(make: Make) -> None:
    scheduler = make()
    assert scheduler.name
    assert scheduler.revision >= 1
    assert scheduler.resource in ("step", "fold")
    assert scheduler.listens in ("milestones", "all")
    assert scheduler == make(), "two with the same settings must be equal: make it a frozen dataclass"
    assert hash(scheduler) == hash(make())


SCHEDULER_CHECKS: Mapping[str, Callable[[Make], None]] = {
    check.__name__: check
    for check in (declares_itself, cold_equals_warm, comes_to_an_end, fresh_is_kept, verdicts_say_why)
}
