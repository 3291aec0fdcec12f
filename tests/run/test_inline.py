"""One trial at a time, in this thread, with a driver that sits further up the same stack."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from trimtab.errors import StorageError
from trimtab.log import Event
from trimtab.protocol import Run, Runner
from trimtab.run._batch import join
from trimtab.run.inline import Inline


def a_run(**changes: Any) -> Run:
    return Run(**{"trial": 0, "attempt": 1, "config": {"x": 2.0}, "seed": 5, "until": math.inf, **changes})


def test_collect_runs_what_submit_stored():
    seen = []

    def objective(trial):
        seen.append(threading.current_thread())
        return trial["x"] ** 2

    runner: Runner = Inline(objective, clock=lambda: 42.0)
    assert runner.free() == 1
    runner.submit(a_run())
    assert (runner.free(), seen) == (0, [])
    (event,) = runner.collect(0)
    assert seen == [threading.main_thread()]
    assert (event.kind, event.trial, event.attempt, event.at) == ("ended", 0, 1, 42.0)
    assert (event.body["state"], event.body["returned"]) == ("finished", 4.0)
    assert runner.free() == 1
    assert runner.collect(0) == []


def test_milestones_reach_the_driver_and_its_answer_the_trial():
    runner = Inline(lambda trial: [trial.report(loss=s) for s in trial.steps()] and None)
    handed: list[list[Event]] = []

    def pump(events):
        handed.append(list(events))
        step = events[-1].body["step"][-1]
        runner.send(0, 1, {"go": "on", "until": 9} if step < 9 else {"go": "pause"})
        runner.send(99, 1, {"go": "kill"})  # unknown trials are nobody's business

    runner.pump = pump
    runner.submit(a_run(until=3, budget=81))
    (end,) = runner.collect(0)
    assert [[e.body["step"] for e in batch] for batch in handed] == [[[1, 2, 3]], [[4, 5, 6, 7, 8, 9]]]
    assert handed[1][0].body["metrics"] == {"loss": [4, 5, 6, 7, 8, 9]}
    assert (end.body["state"], end.body["step"]) == ("paused", 9)


def test_reports_without_milestones_come_at_the_end_as_one_event():
    runner = Inline(lambda trial: [trial.report(loss=s) for s in trial.steps()] and None)
    runner.submit(a_run(budget=100))
    reported, end = runner.collect(0)
    assert reported.body["step"] == list(range(1, 101))
    assert len(reported.body["seconds"]) == 100
    assert end.body["state"] == "finished"


def test_old_reports_are_handed_over_every_second(monkeypatch):
    monkeypatch.setattr("trimtab.run.inline.HAND_OVER", 0.0)
    runner, handed = Inline(lambda trial: [trial.report(loss=s) for s in trial.steps()] and None), []
    runner.pump = handed.extend
    runner.submit(a_run(budget=3))
    (end,) = runner.collect(0)
    assert [e.body["step"] for e in handed] == [[1], [2], [3]]
    assert end.kind == "ended"


def test_the_drivers_own_error_is_not_the_objectives(monkeypatch):
    def hides(trial):
        try:
            trial.report(loss=1)
        except Exception:
            return 1.0

    def pump(events):
        raise StorageError("disk full")

    runner = Inline(hides)
    runner.pump = pump
    runner.submit(a_run(until=1, budget=3))
    with pytest.raises(StorageError, match="disk full"):
        runner.collect(0)
    assert runner.free() == 1


def test_interrupt_asks_for_the_end_of_the_step():
    def objective(trial):
        for step in trial.steps():
            if step == 3:
                runner.interrupt("pause")
            trial.report(loss=step)

    runner = Inline(objective)
    runner.submit(a_run(budget=10))
    reported, end = runner.collect(0)
    assert reported.body["step"] == [1, 2, 3]
    assert end.body["state"] == "paused"
    assert not runner.interrupted


def test_ctrl_c_in_the_objective_cancels_and_is_remembered():
    def objective(trial):
        raise KeyboardInterrupt

    runner = Inline(objective)
    runner.submit(a_run())
    (end,) = runner.collect(0)
    assert end.body["state"] == "cancelled"
    assert runner.interrupted


def test_joining_keeps_order_and_columns():
    def said(trial, step, **metrics):
        return Event(
            "reported", {"step": [step], "metrics": {k: [v] for k, v in metrics.items()}}, trial, 1, float(step)
        )

    saved = Event("saved", {"step": 2}, 0, 1)
    events = [
        said(0, 1, a=1),
        said(1, 1, a=5),
        said(0, 2, a=2),
        saved,
        said(0, 3, a=3),
        said(0, 4, b=4),
        said(1, 2, a=6),
    ]
    got = [(e.kind, e.trial, e.body["step"]) for e in join(events)]
    assert got == [
        ("reported", 0, [1, 2]),
        ("reported", 1, [1, 2]),
        ("saved", 0, 2),
        ("reported", 0, [3]),
        ("reported", 0, [4]),
    ]
    assert events[0].body["step"] == [1]  # what came in is untouched
