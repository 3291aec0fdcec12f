"""All paused trials are options: a searcher that chooses, one unit at a time."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from trimtab.errors import Unsupported
from trimtab.log import Event
from trimtab.protocol import Ask, Proposal, Run
from trimtab.search.random import RandomSearch
from trimtab.space import Choice, Float, Space
from trimtab.storage.memory import Memory
from trimtab.study._queued import queued

sys.path.insert(0, str(Path(__file__).parent))
from dynamic import Dynamic, Stub
from lawful import Case, all_over, cold_as_warm, decided_again, killed_anywhere, losing

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from crashing import new_log

SPACE = Space({"x": Float(-5, 5), "kind": Choice(["a", "b"])})
CASE = Case(Stub(), Dynamic(max=5), SPACE, lambda run: curve(run), trials=12)


def curve(run: Run) -> Generator[tuple[float, Any], None, Any]:
    step = run.source_step
    while True:
        step += 1
        yield 1.0 + (run.config["kind"] == "a"), {"loss": run.config["x"] ** 2 + 5 / step}


@pytest.mark.parametrize("workers", [1, 4])
def test_everything_goes_on_in_the_end(workers: int) -> None:
    log = CASE.run(workers=workers)
    all_over(log)
    rows = log.ledger.rows
    assert len(rows) == 12
    assert all(row.word == "finished" and row.step == 5 for row in rows), "the total limits new trials only"
    assert all(row.attempt == 5 for row in rows), "one unit an attempt, and none repeated"


def test_killed_anywhere() -> None:
    killed_anywhere(Case(Stub(), Dynamic(max=3), SPACE, curve, trials=8), stride=2)


def test_decided_again() -> None:
    for workers in (1, 4):
        assert decided_again(CASE, CASE.run(workers=workers)) > 60


def test_caches_change_nothing() -> None:
    cold_as_warm(CASE)


def test_machines_die() -> None:
    for where in range(3):
        log = CASE.run(workers=3, watch=losing({4: where, 5: where, 11: where, 30: where}))
        all_over(log)
        assert all(row.word == "finished" for row in log.ledger.rows)
        decided_again(CASE, log)


def test_what_is_enqueued_comes_first_and_counts() -> None:
    log = new_log(Memory(), SPACE, Stub(), Dynamic(max=5))
    log.write(*(Event("enqueued", {"config": {"x": float(i), "kind": "a"}, "key": str(i)}) for i in range(3)))
    proposals = queued(Stub(explore=0), log.ledger).propose(log.history, Ask(number=0, n=4, fresh=2, options=()))
    assert [p.config["x"] for p in proposals] == [0.0, 1.0], "no more new ones than there may be"


def test_only_options_may_go_on() -> None:
    class Stranger(Stub):
        def propose(self, history: Any, ask: Ask) -> list[Proposal]:
            return [Proposal(resume=7)]

    log = new_log(Memory(), SPACE, Stub(), Dynamic(max=5))
    with pytest.raises(Unsupported, match=r"chose trial 7 .* among \[1, 2\]"):
        queued(Stranger(), log.ledger).propose(log.history, Ask(number=3, n=1, options=(1, 2)))


def test_a_searcher_that_does_not_choose_is_refused() -> None:
    with pytest.raises(Unsupported, match="needs a searcher that chooses"):
        new_log(Memory(), SPACE, RandomSearch(), Dynamic(max=5))
