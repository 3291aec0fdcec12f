"""A two-arm bandit: views by tags, random keys of each arm's own, and an exhausted arm."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from trimtab.protocol import Run
from trimtab.schedule.full import Full
from trimtab.schedule.halving import Halving
from trimtab.search._registry import searcher
from trimtab.space import Choice, Float, Int, Space

sys.path.insert(0, str(Path(__file__).parent))
from bandit import Bandit
from lawful import Case, all_over, cold_as_warm, decided_again, killed_anywhere, losing

SPACE = Space({"x": Float(-5, 5), "k": Int(1, 9), "kind": Choice(["a", "b"]), "m": Float(0, 1, when="kind == 'a'")})
SMALL = Space({"kind": Choice(["a", "b"]), "k": Int(-3, 2)})


def curve(run: Run) -> Generator[tuple[float, Any], None, Any]:
    step, c = run.source_step, run.config
    while True:
        step += 1
        yield 1.0 + 0.1 * c["k"], {"loss": (c.get("x", 0.0) - 1) ** 2 + c.get("m", 0.5) + 5 * c["k"] / step}


def case(schedule: Any = None, trials: int = 24, space: Space = SPACE, other: str = "random", **more: Any) -> Case:
    arms = (searcher("tpe", startup=4), searcher(other))
    return Case(Bandit(arms), schedule or Full(max=3), space, curve, trials, more)


@pytest.mark.parametrize("workers", [1, 4])
def test_each_arm_sees_its_own_trials(workers: int) -> None:
    log = case().run(workers=workers)
    all_over(log)
    arms = [row.tags["arm"] for row in log.ledger.rows]
    assert set(arms) == {"tpe", "random"}
    for arm in ("tpe", "random"):
        view = log.history.view(tags={"arm": arm})
        assert [int(t) for t in view.numbers] == [i for i, a in enumerate(arms) if a == arm]
        assert len(view.X) == len(view.Y) == len(view) == arms.count(arm)
        assert {e.trial for e in view.events() if e.trial is not None} == {int(t) for t in view.numbers}
        assert set(view.reports().trial) == {int(t) for t in view.numbers}


@pytest.mark.parametrize("schedule", [Full(max=3), Halving(max=9)], ids=["full", "halving"])
def test_killed_anywhere(schedule: Any) -> None:
    killed_anywhere(case(schedule, trials=12), stride=2)


@pytest.mark.parametrize("schedule", [Full(max=3), Halving(max=9)], ids=["full", "halving"])
def test_decided_again(schedule: Any) -> None:
    for workers in (1, 4):
        assert decided_again(case(schedule), case(schedule).run(workers=workers)) >= 6


def test_caches_change_nothing() -> None:
    cold_as_warm(case())
    cold_as_warm(case(Halving(max=9)))


def test_an_exhausted_arm_leaves_the_rest_to_the_other() -> None:
    for workers in (1, 3):
        this = case(space=SMALL, trials=40, other="grid")
        log = this.run(workers=workers)
        all_over(log)
        keys = [SMALL.key(row.config) for row in log.ledger.rows]
        assert len(keys) == len(set(keys)) == 12, "the whole space once, then Done"
        assert all("arm" in row.tags for row in log.ledger.rows), "a repeat that is drawn anew keeps its arm"
        assert decided_again(this, log)


def test_machines_die() -> None:
    log = case().run(workers=4, watch=losing({3: 0, 7: 1, 8: 2}))
    all_over(log)
    decided_again(case(), log)
