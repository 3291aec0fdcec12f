"""Define by run through the inline runner: late names, ranges that widen, and a retry that gets the same values."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from trimtab.history import State
from trimtab.protocol import Run
from trimtab.run.inline import Inline
from trimtab.run.trial import Trial
from trimtab.schedule.full import Full
from trimtab.schedule.halving import Halving
from trimtab.search._registry import searcher

sys.path.insert(0, str(Path(__file__).parent))
from lawful import Case, all_over, cold_as_warm, decided_again, killed_anywhere

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from crashing import Fuse


class FragileInline(Inline):
    """An inline runner with a clock of its own, whose submits may be the last thing a driver does."""

    def __init__(self, objective: Any, fuse: Fuse) -> None:
        ticks = count()
        super().__init__(objective, clock=lambda: float(next(ticks)))
        self.fuse = fuse

    def submit(self, run: Run) -> None:
        self.fuse.around(lambda: Inline.submit(self, run))


def objective(t: Trial) -> float:
    """A name that is always there, one that comes with a branch, one that widens, and one asked for after a report."""
    x = t.float("x", -5, 5)
    kind = t.choice("kind", ["a", "b"] if t.number < 4 else ["a", "b", "c"])
    loss = (x - 1) ** 2 + {"a": 0.0, "b": 0.5, "c": 0.2}[kind]
    if kind == "a":
        loss += t.float("a.rate", 1e-4, 1e-1, log=True)
    depth = t.int("depth", 1, 3 if t.number % 3 else 6)
    for step in t.steps():
        t.report(loss=loss + depth / step, step=step)
    if depth > 2:
        loss += 0.1 * t.float("late", 0, 1)
    return loss + depth / (t.budget or 1)


def case(name: str, schedule: Any = None, trials: int = 14) -> Case:
    method = searcher(name, startup=4) if name == "tpe" else searcher(name)
    more = {"runner": lambda fuse: FragileInline(objective, fuse)}
    return Case(method, schedule or Full(max=3), None, None, trials, more)


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_the_space_grows(name: str) -> None:
    log = case(name, trials=20).run()
    all_over(log)
    space, rows = log.ledger.space, log.ledger.rows
    assert set(space.domains) == {"x", "kind", "a.rate", "depth", "late"}
    assert tuple(space.domains["kind"].choices) == ("a", "b", "c")
    assert (space.domains["depth"].low, space.domains["depth"].high) == (1, 6)
    for row in rows:
        assert row.state is State.FINISHED
        assert ("a.rate" in row.config) == (row.config["kind"] == "a"), "what was not asked for is not there"
        assert ("late" in row.config) == (row.config["depth"] > 2)
        assert row.config["depth"] <= (3 if row.number % 3 else 6)
    X = log.history.X
    assert X.shape == (20, 5)
    assert (X == X).sum() == sum(len(row.config) for row in rows)


@pytest.mark.parametrize("name", ["random", "tpe"])
@pytest.mark.parametrize("schedule", [Full(max=3), Halving(max=3)], ids=["full", "halving"])
def test_killed_anywhere(name: str, schedule: Any) -> None:
    killed_anywhere(case(name, schedule, trials=10))


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_decided_again(name: str) -> None:
    for schedule in (Full(max=3), Halving(max=3)):
        this = case(name, schedule)
        assert decided_again(this, this.run()) >= 14


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_caches_change_nothing(name: str) -> None:
    cold_as_warm(case(name, Halving(max=3)), workers=1)
