"""Answers from outside: asked once, logged, never asked again; errors fall back."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from trimtab.errors import StudyStopped
from trimtab.history import History
from trimtab.protocol import Ask, Need, Proposal, Run
from trimtab.schedule.full import Full
from trimtab.schedule.halving import Halving
from trimtab.space import Choice, Float, Space

sys.path.insert(0, str(Path(__file__).parent))
from bandit import Bandit
from lawful import Case, all_over, cold_as_warm, decided_again, killed_anywhere, losing
from oracle import Oracle

from trimtab.search.random import RandomSearch

SPACE = Space({"x": Float(-5, 5), "kind": Choice(["a", "b"])})


def curve(run: Run) -> Generator[tuple[float, Any], None, Any]:
    step = run.source_step
    while True:
        step += 1
        yield 1.0 + (run.config["kind"] == "a"), {"loss": run.config["x"] ** 2 + 5 / step}


class Script:
    """The oracle: a good answer, then an exception, then nonsense, then something outside the space."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, need: Need) -> Any:
        self.asked.append(need.key)
        number = need.request["trial"]
        if number % 4 == 1:
            raise TimeoutError("the server is down")
        if number % 4 == 2:
            return "I would try something smaller."
        return {"x": 9.0 if number % 4 == 3 else 4.0 / (1 + number), "kind": "b"}


def case(trials: int = 12, schedule: Any = None, searcher: Any = None) -> Case:
    return Case(searcher or Oracle(), schedule or Full(max=2), SPACE, curve, trials, {"answer": Script()})


@pytest.mark.parametrize("workers", [1, 4])
def test_answers_and_fallbacks(workers: int) -> None:
    this = case()
    log = this.run(workers=workers)
    all_over(log)
    assert len(log.ledger.rows) == 12
    assert [row.config["x"] for row in log.ledger.rows if row.number % 4 == 0] == [4.0, 4 / 5, 4 / 9]
    assert sorted(this.more["answer"].asked, key=lambda k: int(k.split("/")[1])) == [
        f"witness-oracle/{i}" for i in range(12)
    ], "each was asked once"
    errors = [body["error"] for body in log.ledger.answers.values() if "error" in body]
    assert errors == ["TimeoutError: the server is down"] * 3


def test_nobody_answers() -> None:
    log = case(4).run(answer=None)
    all_over(log)
    assert len(log.ledger.rows) == 4
    assert all(body["error"] == "nobody here answers 'llm' questions" for body in log.ledger.answers.values())


@pytest.mark.parametrize("schedule", [Full(max=2), Halving(max=9)], ids=["full", "halving"])
def test_killed_anywhere(schedule: Any) -> None:
    killed_anywhere(case(10, schedule))


def test_decided_again_without_asking() -> None:
    for workers in (1, 4):
        this = case(12, Halving(max=9))
        log = this.run(workers=workers)
        asked = len(this.more["answer"].asked)
        assert decided_again(this, log) > 10
        assert len(this.more["answer"].asked) == asked


def test_caches_change_nothing() -> None:
    cold_as_warm(case(12, Halving(max=9)))


def test_an_arm_may_need_something() -> None:
    this = case(searcher=Bandit((Oracle(), RandomSearch())))
    for workers in (1, 4):
        log = this.run(workers=workers, watch=losing({4: 0, 9: 1}))
        all_over(log)
        decided_again(this, log)
    killed_anywhere(case(6, searcher=Bandit((Oracle(), RandomSearch()))))


def test_what_has_its_answer_is_not_asked_for_ever() -> None:
    class Deaf(Oracle):
        def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
            return Need("the same", "llm")

    with pytest.raises(StudyStopped, match="asks 'the same' again although the log has an answer"):
        case(searcher=Deaf()).run()
