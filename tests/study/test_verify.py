"""verify: what it counts, and when a difference is no fault."""

from __future__ import annotations

from typing import Any

import pytest

import trimtab as tt
from trimtab.log import Event
from trimtab.storage import Memory
from trimtab.study.verify import Verified, verify


def study(**settings: Any) -> tt.Study:
    def objective(trial: Any) -> None:
        for step in trial.steps():
            trial.report(loss=trial["x"] ** 2 + 1 / step)

    made = tt.Study("v", {"x": "-5.0..5.0"}, minimize="loss", seed=1, max_budget=9, **settings)
    return made.optimize(objective, trials=18)


def again(made: tt.Study, change: Any) -> Verified:
    """Verify a copy of the log in which `change` has had its way with each event."""
    events = [Event(e.kind, change(e.kind, dict(e.body)), e.trial, e.attempt, e.at, e.by) for e in made.log()]
    store = Memory()
    number, _ = store.create("v", events[0])
    store.append(number, events[1:], "copy")
    return verify(store)


def test_starts_and_verdicts_are_counted() -> None:
    found = again(study(scheduler="halving"), lambda kind, body: body)
    assert found.ok
    assert found.same_environment
    assert found.decisions >= 18
    assert found.verdicts == found.upheld > 0


def test_a_changed_configuration_is_found() -> None:
    def change(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "config": {"x": 0.0}} if body.get("ask", {}).get("number") == 7 else body

    found = again(study(scheduler="full", searcher="random"), change)
    assert (found.agree, found.ok) == (found.decisions - 1, False)
    assert found.first_difference is not None
    assert found.first_difference.startswith("trial 7 ")


def test_a_verdict_that_would_not_be_given_is_found() -> None:
    def change(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "verdict": "stop"} if kind == "judged" and body["seen"] < 12 else body

    found = again(study(scheduler="halving"), change)
    assert found.upheld < found.verdicts
    assert not found.ok


@pytest.mark.parametrize("part", ["searcher", "scheduler"])
def test_another_revision_is_another_environment(part: str) -> None:
    def change(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, part: {**body[part], "revision": 0}} if kind == "defined" else body

    assert not again(study(scheduler="halving"), change).same_environment
