"""PBT: members stop, clones take their place, and the schedule that was learned can be read back."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from trimtab.protocol import Run
from trimtab.run.inline import Inline
from trimtab.run.trial import Trial
from trimtab.search.random import RandomSearch
from trimtab.space import Float, Space
from trimtab.storage.memory import Memory
from trimtab.study._driver import Driver

sys.path.insert(0, str(Path(__file__).parent))
from lawful import Case, all_over, cold_as_warm, decided_again, killed_anywhere, losing
from population import Population

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from crashing import new_log

SPACE = Space({"h": Float(0, 1)})


class Training:
    """theta climbs with a rate that h decides, best where h follows theta; a checkpoint is the theta of a step."""

    def __init__(self, fails: tuple[int, ...] = ()) -> None:
        self.saved: dict[str, float] = {}
        self.runs: list[Run] = []
        self.fails = fails

    def __call__(self, run: Run) -> Generator[tuple[float, Any], None, Any]:
        self.runs.append(run)
        step, theta = run.source_step, self.saved[run.source] if run.source else 0.0
        while True:
            step += 1
            if run.trial in self.fails and step == 5:
                return ValueError("diverged")
            theta += 0.1 * (1 - abs(run.config["h"] - theta))
            self.saved[f"simulated/{run.trial}/{run.attempt}/{step:g}"] = theta
            yield 1.0 + run.config["h"], {"loss": -theta}


def case(trials: int = 40, members: int = 4, fails: tuple[int, ...] = ()) -> Case:
    return Case(RandomSearch(), Population(max=12, ready=3, members=members), SPACE, Training(fails), trials)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_losers_make_place_for_clones(workers: int) -> None:
    this = case()
    log = this.run(workers=workers)
    all_over(log)
    rows = log.ledger.rows
    clones = [row for row in rows if row.cause == "clone"]
    assert clones
    assert sum(row.word == "stopped" for row in rows) == len(clones)
    assert sum(row.word == "finished" for row in rows) == 4, "four lines reach the end"
    assert all(row.step == 12 for row in rows if row.word == "finished")
    for row in clones:
        trial, step = row.source
        assert row.parents == {"init": (trial, step)}
        first = next(run for run in this.model.runs if run.trial == row.number)
        assert (first.source_step, first.until) == (step, step + 3), "a clone counts on from its source"
        curve = log.ledger.reports.curve(log.ledger.reports.rows_of(row.number))
        assert curve.step.min() == step + 1
        marks = log.history.at((3, 6, 9, 12))
        assert (marks.level[marks.trial == row.number] > step).all(), "it was never at the levels before"


def test_the_schedule_is_the_chain_of_sources() -> None:
    this = case()
    log = this.run(workers=3)
    rows = log.ledger.rows
    best = min((r for r in rows if r.word == "finished"), key=lambda r: r.values["loss"])
    chain, at = [], 12.0
    row = best
    while True:
        chain.append((row.config["h"], at))
        if row.source is None:
            break
        (number, at), row = row.source, rows[row.source[0]]
        assert row.number == number
    theta, step = 0.0, 0.0
    for h, end in reversed(chain):
        while step < end:
            theta, step = theta + 0.1 * (1 - abs(h - theta)), step + 1
    assert -theta == best.values["loss"]


def test_killed_anywhere() -> None:
    killed_anywhere(case(12))


def test_decided_again() -> None:
    for workers in (1, 4):
        this = case()
        assert decided_again(this, this.run(workers=workers)) >= 5


def test_caches_change_nothing() -> None:
    cold_as_warm(case())


def test_members_fail_and_machines_die() -> None:
    failed: set[int] = set()
    for where in range(4):
        this = case(fails=(1, 3))
        log = this.run(workers=4, watch=losing({8: where, 15: where, 16: where, 25: where}))
        all_over(log)
        rows = log.ledger.rows
        failed |= {row.number for row in rows if row.word == "failed"}
        assert sum(row.word == "finished" for row in rows) == 4, "clones take the place of those that failed, too"
        assert any(row.attempt > 1 for row in rows)
        decided_again(this, log)
    assert failed == {1, 3}


def test_without_trials_left_the_others_go_on() -> None:
    log = case(trials=5).run(workers=2)
    all_over(log)
    assert len(log.ledger.rows) == 5


def test_clones_load_real_checkpoints(tmp_path: Path) -> None:
    """The same through the inline runner, with files: a clone begins with its source's weights, one step on."""
    began: dict[int, tuple[float, int]] = {}

    def train(t: Trial) -> None:
        theta = float((t.checkpoint / "theta").read_text()) if t.checkpoint else 0.0
        for step in t.steps():
            began.setdefault(t.number, (theta, step))
            theta += 0.1 * (1 - abs(t["h"] - theta))
            if step % 3 == 0:
                with t.save_checkpoint() as folder:
                    (folder / "theta").write_text(repr(theta))
            t.report(loss=-theta)

    plan = Population(max=12, ready=3)
    log = new_log(Memory(), SPACE, RandomSearch(), plan)
    place = lambda trial, attempt: str(tmp_path / f"{trial}" / f"{attempt}")  # noqa: E731
    Driver(log, RandomSearch(), plan, Inline(train, SPACE), trials=20, folder=place).run()
    all_over(log)
    rows = log.ledger.rows
    clones = [row for row in rows if row.cause == "clone"]
    assert clones
    for row in clones:
        trial, step = row.source
        source = log.history.reports(trial)
        assert began[row.number] == (-float(source.metrics["loss"][source.step == step][0]), step + 1)
