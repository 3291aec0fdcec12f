"""Virtual time against real time: the same study on the process runner, with an objective that sleeps."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from trimtab.history import History
from trimtab.protocol import TRAITS, Ask, Proposal, Run
from trimtab.run.simulated import Model, Simulated
from trimtab.space import Int, Space
from trimtab.storage import Memory
from trimtab.study import Study

SPACE = Space({"x": Int(0, 8)})
LOSSES = (5.0, 3.0, 8.0, 1.0, 7.0, 2.0, 6.0, 4.0, 0.0)
TAKES = {  # what a step takes: chosen so that no two things that decide something come within 2 of each other
    "promotion": (4, 11, 2, 2, 11, 3, 2, 10, 2),
    "stopping": (2, 10, 3, 2, 3, 8, 6, 3, 2),
}
UNIT = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class Row:
    """Proposes x = 0, 1, 2, … 8."""

    name: ClassVar[str] = "row of nine"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> list[Proposal]:
        return [Proposal({"x": x}) for x in range(ask.number, min(ask.number + ask.n, 9))]


def virtual(kind: str) -> Model:
    def curve(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
        for _ in range(9):
            yield TAKES[kind][run.config["x"]] * UNIT, {"loss": LOSSES[run.config["x"]]}

    return curve


def in_order(kind: str, runner: Any = None, objective: Any = None) -> tuple[list[tuple[Any, ...]], float]:
    """Every start and end of an attempt in the order of the log, and the time from the first to the last."""
    scheduler = {"method": "asha", "type": kind, "eta": 3}
    study = Study(
        "r", SPACE, minimize="loss", searcher=Row(), scheduler=scheduler, max_budget=9, seed=0, storage=Memory()
    )
    study.optimize(objective, trials=9, workers=2, runner=runner, display=False)
    told = [e for e in study.log() if e.kind in ("started", "ended")]
    order = [(e.kind, e.trial, e.attempt, e.body.get("until"), e.body.get("state"), e.body.get("step")) for e in told]
    return order, told[-1].at - told[0].at


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["promotion", "stopping"])
def test_what_runs_in_virtual_time_runs_so_in_real_time(kind: str, tmp_path: Path) -> None:
    def sleeps(trial: Any) -> None:
        (tmp_path / f"{trial.number}").touch()
        while len(list(tmp_path.iterdir())) < 2:  # the first two begin together, whatever processes take to come up
            time.sleep(0.005)
        for _ in trial.steps(9):
            time.sleep(TAKES[kind][trial.config["x"]] * UNIT)
            trial.report(loss=LOSSES[trial.config["x"]])

    expected, makespan = in_order(kind, Simulated(virtual(kind), workers=2, checkpoints=False))
    order, took = in_order(kind, objective=sleeps)
    assert order == expected
    assert makespan < took < makespan + 6
