"""Start, Wait and Done with several workers, trials that fail or are lost, and trials that only a hand can tell."""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trimtab.errors import StudyStopped
from trimtab.protocol import Ask, Done, Run, Start, Wait
from trimtab.run.simulated import Simulated
from trimtab.schedule.full import Full, start_new
from trimtab.schedule.halving import Halving
from trimtab.search.random import RandomSearch
from trimtab.space import Float, Int, Space
from trimtab.storage.memory import Memory
from trimtab.study._queued import mark
from trimtab.study._study import Study

sys.path.insert(0, str(Path(__file__).parent))
from lawful import Case, all_over, cold_as_warm, decided_again, losing

SPACE = Space({"x": Float(-5, 5)})


def curve(run: Run) -> Generator[tuple[float, Any], None, Any]:
    step = run.source_step
    while True:
        step += 1
        yield 1.0, {"loss": run.config["x"] ** 2 + 1 / step}


def test_every_slot_is_filled_before_time_passes() -> None:
    """A bracket of three on eight workers: the next brackets are begun in the same instant."""
    log = Case(RandomSearch(), Halving(max=3), SPACE, curve, 12).run(workers=8)
    events = log.storage.read(log.study, 0)[0]
    assert [e.at for e in events if e.kind == "started"][:8] == [0.0] * 8


@dataclass(frozen=True, slots=True)
class OneByOne(Full):
    """Begins one trial a decision, whatever is free: a scheduler need not fill all slots at once."""

    def next(self, history: Any, searcher: Any, ask: Ask) -> Any:
        acts = start_new(history, searcher, ask, until=2.0, budget=2.0)
        return acts[:1] if isinstance(acts, list) else acts


def test_a_scheduler_may_start_one_at_a_time() -> None:
    case = Case(RandomSearch(), OneByOne(), SPACE, curve, 12)
    log = cold_as_warm(case)
    events = log.storage.read(log.study, 0)[0]
    assert [e.at for e in events if e.kind == "started"] == [0.0] * 4 + [2.0] * 4 + [4.0] * 4
    decided_again(case, log)


def test_done_only_after_what_was_lost_has_ended() -> None:
    for turn in range(1, 12):
        case = Case(RandomSearch(), Halving(max=3), SPACE, curve, 5)
        log = case.run(workers=4, watch=losing({turn: 1, turn + 1: 0}))
        all_over(log)
        assert len(log.ledger.rows) == 5
        decided_again(case, log)


def test_losses_are_counted_for_each_piece_of_work() -> None:
    """Lost twice on its first rung and twice on its second: each is within the two that are retried."""
    losses: dict[int, int] = {}

    def watch(driver: Any) -> None:
        row = driver.log.ledger.rows[0] if driver.log.ledger.rows else None
        rung = 0 if row is None else int(row.budget or 0)
        if row is not None and 0 in driver.until and losses.get(rung, 0) < 2:
            losses[rung] = losses.get(rung, 0) + 1
            driver.runner.lose(0)

    def first_is_best(run: Run) -> Generator[tuple[float, Any], None, Any]:
        while True:
            yield 1.0, {"loss": float(run.trial)}

    log = Case(RandomSearch(), Halving(max=3), SPACE, first_is_best, 3).run(watch=watch)
    assert losses == {1: 2, 3: 2}
    assert log.ledger.rows[0].word == "finished"
    assert log.ledger.rows[0].attempt == 6


def test_given_up_after_more_losses_than_are_retried() -> None:
    def watch(driver: Any) -> None:
        if 0 in driver.until:
            driver.runner.lose(0)

    log = Case(RandomSearch(), Halving(max=3), SPACE, curve, 6).run(workers=2, watch=watch)
    all_over(log)
    assert log.ledger.rows[0].word == "lost"
    assert log.ledger.rows[0].attempt == 3
    assert sum(row.word == "finished" for row in log.ledger.rows) == 2


def test_nobody_waits_for_what_only_a_hand_can_tell() -> None:
    study = Study("s", SPACE, searcher="random", scheduler=Halving(max=3), storage=Memory(), seed=1)
    study.ask()
    study.optimize(None, trials=3, runner=Simulated(curve, workers=2))  # type: ignore[arg-type]
    assert "nothing is left that a worker could do" in study.ended
    assert study.counts["running"] == 1


def test_a_scheduler_that_waits_for_nothing_is_left() -> None:
    class Waits(Full):
        def next(self, history: Any, searcher: Any, ask: Ask) -> list[Start] | Wait | Done:
            return Wait("for better times")

    log = Case(RandomSearch(), Waits(), SPACE, curve, 3).run()
    assert not log.ledger.rows


def test_three_failures_stop_nothing_where_others_get_on() -> None:
    def some_fail(run: Run) -> Generator[tuple[float, Any], None, Any]:
        for step in range(1, 6):
            yield 1.0, {"loss": 1.0}
            if run.trial in (0, 1, 2) and step == 2:
                return ValueError("diverged")
        return {"loss": 1.0}

    log = Case(RandomSearch(), Full(), SPACE, some_fail, 8).run(workers=4)
    assert sum(row.word == "finished" for row in log.ledger.rows) == 5
    with pytest.raises(StudyStopped, match="The first 3 trials all failed"):
        Case(RandomSearch(), Full(), SPACE, some_fail, 8).run(workers=3)


def test_numbers_that_python_hashes_alike_are_not_repeats() -> None:
    space = Space({"k": Int(-2, -1)})
    assert hash(-1) == hash(-2)
    assert mark(space, {"k": -1}) != mark(space, {"k": -2})
    log = Case(RandomSearch(), Full(max=1), space, lambda run: iter([(1.0, {"loss": 0.0})]), 5).run()
    assert sorted(row.config["k"] for row in log.ledger.rows) == [-2, -1]
