"""Pause and resume with real checkpoints under halving, here and in two worker processes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study.verify import verify


def train(trial: Any) -> None:
    """A curve whose state is a file: each step adds x, so a wrong or a lost checkpoint shows in the loss."""
    total = 0.0
    if trial.checkpoint:
        total, at = (float(v) for v in (trial.checkpoint / "state").read_text().split())
        trial.note(from_step=at)
    for step in trial.steps():
        total += trial["x"]
        with (trial.folder / "steps").open("a") as stream:
            stream.write(f"{step}\n")
        with trial.save_checkpoint() as folder:
            (folder / "state").write_text(f"{total!r} {step}")
        trial.report(loss=total)


def study(path: Path, **settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0, "searcher": "random", "scheduler": tt.Halving(max=9)} | settings
    return tt.Study("s", {"x": tt.Float(0, 1)}, storage=path / "s.db", **settings)


def checked(s: tt.Study, path: Path, trials: int = 9) -> None:
    """Each trial's total is x times its steps, and no step was run twice."""
    for t in s.trials[:trials]:
        assert t.value == pytest.approx(t.config["x"] * float(t.step or 0), rel=1e-12)
        done = (path / "s.runs" / f"{t.number:03d}" / "steps").read_text().split()
        assert [int(line) for line in done] == list(range(1, int(t.step or 0) + 1))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bracket(tmp_path: Path, workers: int) -> None:
    s = study(tmp_path).optimize(train, trials=9, workers=workers)
    ranked = sorted(s.trials, key=lambda t: float(t.config["x"]))
    assert [t.step for t in ranked] == [9.0, 3.0, 3.0] + [1.0] * 6
    assert [t.state for t in ranked] == ["finished"] + ["paused"] * 8
    assert ranked[0].notes["from_step"] == 3.0
    assert s.best.number == ranked[0].number
    checked(s, tmp_path)
    assert verify(tmp_path / "s.db").ok


def test_one_worker_and_two_come_to_the_same(tmp_path: Path) -> None:
    told = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        s = study(folder).optimize(train, trials=9, workers=workers)
        told.append([(dict(t.config), t.state, t.step, t.values) for t in s.trials])
    assert told[0] == told[1]


def test_in_parts(tmp_path: Path) -> None:
    for trials in (2, 5, 9):
        s = study(tmp_path).optimize(train, trials=trials)
    assert [t.state for t in s.trials].count("finished") >= 1
    assert max(float(t.step or 0) for t in s.trials) == 9
    assert verify(tmp_path / "s.db").ok
    checked(s, tmp_path)


def test_a_larger_budget_goes_on_with_the_paused(tmp_path: Path) -> None:
    study(tmp_path).optimize(train, trials=9)
    s = study(tmp_path, scheduler=tt.Halving(max=27))
    s.optimize(train, trials=27)
    assert s.best.step == 27
    assert len([t for t in s.trials if t.step == 9]) == 2
    checked(s, tmp_path, 27)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_after_a_checkpoint_goes_on_from_it(tmp_path: Path, workers: int) -> None:
    mark = tmp_path / "failed"

    def objective(trial: Any) -> None:
        if trial.checkpoint and trial.budget == 9 and not mark.exists():
            mark.touch()
            raise RuntimeError("a node went away")
        train(trial)

    s = study(tmp_path, retry={"times": 1, "on": ["RuntimeError"]}).optimize(objective, trials=9, workers=workers)
    assert mark.exists()
    assert [t.step for t in s.trials if t.state == "finished"] == [9.0]
    assert max(t.attempts for t in s.trials) == 4
    checked(s, tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("at", [2, 4])
def test_a_crash_between_save_and_report_leaves_something_to_report(tmp_path: Path, at: int, workers: int) -> None:
    def objective(trial: Any) -> None:
        if trial.attempt == 2:
            assert trial.checkpoint is not None
        for step in trial.steps():
            with trial.save_checkpoint() as folder:
                (folder / "state").write_text(str(step))
            if step == at and trial.attempt == 1:
                raise RuntimeError("a node went away")
            trial.report(loss=trial["x"] / step)

    s = study(tmp_path, scheduler=tt.Full(max=4), retry={"times": 1, "on": ["RuntimeError"]})
    s.optimize(objective, trials=1, workers=workers)
    (trial,) = s.trials
    assert (trial.state, trial.step, trial.value) == ("finished", 4.0, trial.config["x"] / 4)
    sources = [e.body.get("source") for e in s.log() if e.kind == "started"]
    assert sources == [None, [0, 2 if at == 2 else 3]]


def test_ctrl_c_in_the_middle_loses_no_step(tmp_path: Path) -> None:
    def objective(trial: Any) -> None:
        total = 0.0
        if trial.checkpoint:
            total = float((trial.checkpoint / "state").read_text())
        for step in trial.steps():
            if trial.budget == 9 and step == 6 and trial.attempt == 3:
                raise KeyboardInterrupt
            total += trial["x"]
            with (trial.folder / "steps").open("a") as stream:
                stream.write(f"{step}\n")
            with trial.save_checkpoint() as folder:
                (folder / "state").write_text(repr(total))
            trial.report(loss=total)

    s = study(tmp_path).optimize(objective, trials=9)
    assert s.ended == "paused"
    assert s.counts["queued"] == 1
    s.optimize(objective, trials=9)
    assert [t.step for t in s.trials if t.state == "finished"] == [9.0]
    checked(s, tmp_path)


def test_without_checkpoints_steps_are_repeated_and_the_result_is_right(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def objective(trial: Any) -> None:
        assert trial.checkpoint is None
        total = 0.0
        for _ in trial.steps():
            total += trial["x"]
            trial.report(loss=total)

    with caplog.at_level(logging.WARNING):
        s = study(tmp_path).optimize(objective, trials=9)
    assert [t.step for t in s.trials if t.state == "finished"] == [9.0]
    assert s.best.value == pytest.approx(s.best.config["x"] * 9)
    assert caplog.text.count("starts again from step 1: no checkpoint was saved (1 step will be repeated)") == 1
    assert verify(tmp_path / "s.db").ok


def test_a_checkpoint_that_breaks_is_not_published(tmp_path: Path) -> None:
    def objective(trial: Any) -> None:
        for step in trial.steps():
            try:
                with trial.save_checkpoint() as folder:
                    (folder / "state").write_text("half")
                    raise OSError("disk full")
            except OSError:
                pass
            trial.report(loss=trial["x"] / step)

    s = study(tmp_path).optimize(objective, trials=3)
    assert {t.state for t in s.trials} <= {"paused", "finished"}
    assert not [e for e in s.log() if e.kind == "saved"]


def test_by_hand_with_checkpoints(tmp_path: Path) -> None:
    s = study(tmp_path)
    while not s.counts["finished"]:
        for t in s.ask(n=max(1, 9 - len(s))):
            train(t)
            s.tell(t)
    assert s.best.step == 9
    for t in s.trials[:9]:
        assert t.value == pytest.approx(t.config["x"] * float(t.step or 0))


def test_killed_between_save_and_report_of_the_only_step(tmp_path: Path) -> None:
    """Nothing would be left to report after that checkpoint, so the step is done again."""

    def objective(trial: tt.Trial) -> None:
        import os
        import signal

        for step in trial.steps():
            with trial.save_checkpoint() as folder:
                (folder / "state").write_text(str(step))
            if trial.number == 1 and not (tmp_path / "killed").exists():
                (tmp_path / "killed").write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
            trial.report(loss=trial["x"])

    study = tt.Study(
        "s", {"x": "0.0..1.0"}, minimize="loss", storage=tmp_path / "s.db", seed=0, max_budget=1,
        retry={"times": 3, "on": ["lost"]},
    )  # fmt: skip
    study.optimize(objective, trials=3, workers=2)
    assert [t.state for t in study.trials] == ["finished"] * 3
    assert study.trial(1).attempts == 2
    assert verify(tmp_path / "s.db").ok


def test_what_a_trial_cost_is_the_sum_of_its_attempts() -> None:
    s = tt.Study("s", {"x": tt.Float(0, 1)}, minimize="loss", seed=0, scheduler="halving", max_budget=9)

    def objective(trial: Any) -> None:
        trial._started -= 10.0
        for _ in trial.steps():
            trial.report(loss=trial["x"])

    s.optimize(objective, trials=9)
    spent = {t.attempts: t.cost["seconds"] for t in s.trials}
    assert {n: round(seconds, -1) for n, seconds in spent.items()} == {1: 10.0, 2: 20.0, 3: 30.0}
    assert s.history.cost["seconds"].sum() == pytest.approx(s._log.ledger.spent["seconds"])
