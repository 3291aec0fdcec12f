"""The runner in virtual time by itself: steps of any size, delays, the time that decisions take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from math import inf
from typing import Any

import pytest

from trimtab.history import Ledger
from trimtab.protocol import Run
from trimtab.run.simulated import Delays, Simulated
from trimtab.schedule.asha import ASHA
from trimtab.search.random import RandomSearch
from trimtab.testing._chaos import random_log
from trimtab.testing._worlds import WORLDS


def a_run(trial: int = 0, **changes: Any) -> Run:
    return Run(**{"trial": trial, "attempt": 1, "config": {"x": 2.0}, "seed": 5, "until": inf, **changes})


def told(runner: Simulated) -> list[tuple[Any, ...]]:
    """Everything that happens until nothing more does: (time, kind, trial, step, state)."""
    out: list[tuple[Any, ...]] = []
    while events := runner.collect(1.0):
        for e in events:
            step = e.body["step"]
            out.append((e.at, e.kind, e.trial, step[0] if isinstance(step, list) else step, e.body.get("state")))
            if e.kind == "reported" and runner._live[e.trial or 0].waits:
                runner.send(e.trial or 0, 1, {"go": "stop"})
    return out


def halves(run: Run) -> Generator[Any, Any, float]:
    """Steps of a half, then work that reports nothing."""
    step = 0.0
    while step < 1:
        step += 0.5
        yield 2.0, {"loss": step}, step
    yield 3.0, None
    return 7.0


def test_steps_may_be_of_any_size_and_work_may_be_silent() -> None:
    runner = Simulated(halves)
    runner.submit(a_run())
    assert told(runner) == [
        (2, "reported", 0, 0.5, None),
        (4, "reported", 0, 1.0, None),
        (7, "ended", 0, 1.0, "finished"),
    ]
    assert runner.busy == 7


def test_a_model_hears_its_next_milestone() -> None:
    heard: list[float] = []

    def listens(run: Run) -> Generator[Any, Any, None]:
        for _ in range(3):
            heard.append((yield 1.0, {"loss": 0.0}))

    runner = Simulated(listens)
    runner.submit(a_run(until=1.0))
    runner.collect(1.0)
    runner.send(0, 1, {"go": "on", "until": 3.0})
    told(runner)
    assert heard == [3.0, 3.0]  # it was stopped at the third


def test_a_plain_iterator_is_a_model_too() -> None:
    runner = Simulated(lambda run: iter([(1.0, {"loss": 1.0}), (1.0, {"loss": 2.0})]))  # type: ignore[arg-type, return-value]
    runner.submit(a_run())
    assert [at for at, *_ in told(runner)] == [1, 2, 2]


@pytest.mark.parametrize(
    ("delays", "times"),
    [
        (Delays(), [2, 4, 7]),
        (Delays(start=1), [3, 5, 8]),
        (Delays(result=0.5), [2.5, 4.5, 7]),  # the trial itself does not wait for its reports to arrive
        (Delays(complete=1), [2, 4, 8]),
        (Delays(stop=1, after=1), [2, 4, 7]),
    ],
)
def test_delays(delays: Delays, times: list[float]) -> None:
    runner = Simulated(halves, delays=delays)
    runner.submit(a_run())
    assert [at for at, *_ in told(runner)] == times


def test_a_worker_is_free_again_after_the_delays_of_a_stop() -> None:
    runner = Simulated(halves, delays=Delays(stop=1, after=0.5))
    runner.submit(a_run(until=0.5))
    assert [e.kind for e in runner.collect(1.0)] == ["saved", "reported"]
    runner.send(0, 1, {"go": "stop"})
    assert runner.free() == 0
    assert runner.collect(0.0) == []
    (end,) = runner.collect(1.0)
    assert (end.at, end.body["state"], end.body["step"], runner.free()) == (3.5, "stopped", 0.5, 1)


def test_the_time_of_decisions_passes_when_it_is_counted() -> None:
    clock = [0.0]
    runner = Simulated(halves, workers=2, overhead=lambda: clock[0])
    clock[0] += 1.0  # the first decision
    runner.submit(a_run())
    clock[0] += 2.5  # the second takes longer than the first trial's step
    assert runner.now() == 3.5
    runner.submit(a_run(1))
    (late,) = runner.collect(1.0)
    assert (late.at, late.trial) == (3.5, 0)
    (other,) = runner.collect(1.0)  # a trial goes on while others are decided about
    assert (other.at, other.trial) == (5.0, 0)


def test_a_trial_that_is_lost_leaves_nothing_behind() -> None:
    runner = Simulated(halves)
    runner.submit(a_run())
    runner.lose(0)
    runner.collect(0.0)
    runner.submit(a_run(attempt=2))
    assert [at for at, *_ in told(runner)] == [2, 4, 7]


@pytest.mark.parametrize("world", [world for world in WORLDS if world.name in ("mixed", "several")], ids=str)
def test_the_ledger_knows_whose_what_runs_is(world: Any) -> None:
    log = random_log(world, RandomSearch(), ASHA(max=9), seed=4, events=250)
    ledger = Ledger(lambda since: [])
    judged = 0
    for event in log:
        ledger.extend([event])
        judged += event.kind == "judged"
        assert ledger.owners == Counter(row.owner for row in ledger.alive.values())
        assert ledger.judged == judged


def thrice(run: Run) -> Generator[Any, Any, None]:
    for step in range(3):
        yield 1.0 + (run.trial == 2), {"loss": float(step)}


def test_trials_that_come_to_a_step_together_are_heard_together() -> None:
    runner = Simulated(thrice, workers=3)
    for trial in range(3):
        runner.submit(a_run(trial))
    heard = []
    while events := runner.collect(1.0):
        heard.append([(e.at, e.trial, e.kind) for e in events])
    assert heard[0] == [(1.0, 0, "reported"), (1.0, 1, "reported")]
    assert heard[1] == [(2.0, 2, "reported"), (2.0, 0, "reported"), (2.0, 1, "reported")]
    assert all(len({trial for _, trial, _ in together}) == len(together) for together in heard)  # each once
    ends = [(at, trial) for together in heard for at, trial, kind in together if kind == "ended"]
    assert ends == [(3.0, 0), (3.0, 1), (6.0, 2)]
