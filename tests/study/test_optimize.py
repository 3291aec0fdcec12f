"""optimize(): counts, errors of the objective, callbacks, time, signals, and several drivers on one study."""

from __future__ import annotations

import gc
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.run.inline import Inline
from trimtab.study import _times
from trimtab.study.verify import verify

SPACE = {"x": tt.Float(-1, 1)}
ROOT = Path(__file__).parent.parent.parent


def study(**settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0, "searcher": "random"} | settings
    return tt.Study("s", settings.pop("space", SPACE), **settings)


def states(s: tt.Study) -> list[str]:
    return [t.state for t in s.trials]


def square(trial: Any) -> float:
    return float(trial["x"] ** 2)


# ── how many ──


def test_one_trial() -> None:
    s = study().optimize(square, trials=1)
    assert s.best.number == 0
    assert s.ended == "all trials have been started"


def test_trials_is_a_total_and_more_is_on_top(caplog: pytest.LogCaptureFixture) -> None:
    s = study().optimize(square, trials=3)
    with caplog.at_level(logging.INFO):
        s.optimize(square, trials=3)
    assert "s: done, 3 of 3 trials" in caplog.text, "doing nothing is said"
    assert "more=" in caplog.text
    s.optimize(square, trials=2)
    assert len(s) == 3
    assert len(s.optimize(square, more=2)) == 5
    assert len(s.optimize(square, trials=6)) == 6


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        ({}, TypeError, "exactly one of trials="),
        ({"trials": 1, "more": 1}, TypeError, "not both|exactly one"),
        ({"trials": 0}, ValueError, "trials=0"),
        ({"more": -1}, ValueError, "more=-1"),
        ({"trials": "10"}, ValueError, "'10'"),
        ({"trials": 1.5}, ValueError, "1.5"),
        ({"trials": True}, ValueError, "True"),
        ({"trials": 1, "workers": 0}, ValueError, "workers=0"),
        ({"trials": 1, "timeout": "3 parsecs"}, ValueError, "no duration"),
        ({"trials": 1, "trial_timeout": -3}, ValueError, "no duration"),
    ],
)
def test_calls_that_make_no_sense(call: dict[str, Any], error: type[Exception], says: str) -> None:
    s = study()
    with pytest.raises(error, match=says):
        s.optimize(square, **call)
    assert len(s) == 0


def test_what_is_no_objective() -> None:
    with pytest.raises(TypeError, match="must be a function of a trial"):
        study().optimize(3, trials=1)  # type: ignore[arg-type]


def test_values_that_are_all_equal() -> None:
    s = study(searcher=tt.TPE(startup=3)).optimize(lambda t: 1.0, trials=12)
    assert s.best.number == 0
    assert len({t.config["x"] for t in s.trials}) == 12


# ── the default comes first ──


def test_the_default_configuration_is_trial_0() -> None:
    s = study(space={"x": tt.Float(-1, 1, default=0.5)}).optimize(square, trials=2)
    assert s.trial(0).config == {"x": 0.5}
    s = study(space={"x": tt.Float(-1, 1, default=0.5), "k": tt.Int(1, 9)}).optimize(square, trials=2)
    assert s.trial(0).config["x"] != 0.5, "only where every parameter has one"
    s = study(space={"x": tt.Float(-1, 1, default=0.5)})
    s.enqueue({"x": 0.25})
    assert s.optimize(square, trials=2).trial(0).config == {"x": 0.25}


# ── objectives that go wrong ──


def test_wrong_keys_set_the_trial_back_into_the_queue() -> None:
    s = study()
    with pytest.raises(tt.ObjectiveError) as caught:
        s.optimize(lambda t: {"acc": 0.91}, trials=4)
    assert str(caught.value) == (
        'Trial 0 returned {"acc": 0.91}, but the study minimizes "loss". '
        'Return {"loss": …}, or create the study with minimize="acc".'
    )
    assert states(s) == ["queued"]
    assert repr(s).startswith("Study('s', 1 queued")
    s.optimize(lambda t: {"loss": square(t), "acc": 0.91}, trials=4)
    assert states(s) == ["finished"] * 4
    assert s.trial(0).attempts == 2
    assert s.counts["counted"] == 4


def test_wrong_keys_in_worker_processes() -> None:
    s = study()
    with pytest.raises(tt.ObjectiveError, match='minimizes "loss"'):
        s.optimize(lambda t: {"acc": 0.91}, trials=4, workers=2)
    assert set(states(s)) == {"queued"}
    s.optimize(lambda t: t["x"] ** 2, trials=4)
    assert states(s) == ["finished"] * 4


@pytest.mark.parametrize("workers", [1, 2])
def test_three_failures_at_the_start_stop_it_and_are_tried_first_next_time(workers: int) -> None:
    s = study()

    def broken(trial: Any) -> float:
        raise NameError("name 'nett' is not defined")

    with pytest.raises(tt.StudyStopped) as caught:
        s.optimize(broken, trials=50, workers=workers)
    text = str(caught.value)
    for part in (
        "trials all failed in the same place",
        "in broken",
        "NameError: name 'nett'",
        "are tried first",
        "in_a_row=None",
    ):
        assert part in text
    began = len(s)
    assert 3 <= began <= 3 + workers
    configs = [dict(t.config) for t in s.trials]
    s.optimize(square, trials=began + 1)
    assert [dict(t.config) for t in s.trials][:began] == configs
    assert states(s) == ["finished"] * (began + 1)
    assert s.failures() == []


def test_to_go_on_in_spite_of_failures() -> None:
    s = study(stop=[tt.Failures(in_a_row=None)])
    s.optimize(lambda t: 1 / 0, trials=5)
    assert states(s) == ["failed"] * 5
    s.optimize(lambda t: 1 / 0, trials=5)
    assert [t.attempts for t in s.trials] == [1] * 5, "and they aren't tried again"


def test_a_failure_among_successes_is_data() -> None:
    s = study().optimize(lambda t: 1 / 0 if t.number in (2, 3, 4, 5) else square(t), trials=8)
    assert states(s).count("failed") == 4
    group = s.failures()[0]
    assert (group["kind"], group["count"], group["trials"]) == ("ZeroDivisionError", 4, [2, 3, 4, 5])
    assert "test_optimize.py" in group["where"]


def test_reject_is_an_answer_and_never_stops_a_study() -> None:
    def reject(trial: Any) -> float:
        raise tt.Reject("lr too high for this batch")

    s = study().optimize(reject, trials=5)
    assert states(s) == ["failed"] * 5
    assert s.trial(0).error == {"kind": "Reject", "text": "lr too high for this batch"}
    s.optimize(reject, trials=6)
    assert [t.attempts for t in s.trials] == [1] * 6, "it is not tried again"


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "forget `return`"),
        ("0.3", "the text '0.3'"),
        (True, "a bool"),
        ([1.0], "name the values"),
        ({}, "empty dict"),
        ({"loss": "0.3"}, "the text"),
        (1j, "complex"),
        (float("nan"), "no finite number"),
        (float("-inf"), "no finite number"),
        (10**400, "too large"),
        (object(), "a number was expected"),
    ],
)
def test_returns_that_are_no_value_fail_their_trial(returned: Any, says: str) -> None:
    s = study().optimize(lambda t: 1.0 if t.number == 0 else returned, trials=2)
    assert states(s) == ["finished", "failed"]
    assert says in str((s.trial(1).error or {})["text"])


def test_sys_exit_fails_a_trial_and_not_the_program() -> None:
    s = study().optimize(lambda t: 1.0 if t.number != 1 else sys.exit(3), trials=3)
    assert states(s) == ["finished", "failed", "finished"]
    assert "sys.exit(3)" in str((s.trial(1).error or {})["text"])


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_inside_the_objective_pauses_the_run(workers: int) -> None:
    s = study()

    def interrupted(trial: Any) -> float:
        if trial.number == 1:
            raise KeyboardInterrupt
        return float(trial["x"] ** 2)

    s.optimize(interrupted, trials=6, workers=workers)
    assert s.ended == "paused"
    assert s.trial(1).state == "queued"
    assert len(s) < 6 or workers > 1
    s.optimize(square, trials=6)
    assert states(s) == ["finished"] * 6
    assert s.trial(1).attempts == 2


# ── callbacks, time ──


def test_an_objective_that_raises_it_itself_does_not_block_the_study(caplog: pytest.LogCaptureFixture) -> None:
    def objective(trial: Any) -> float:
        if trial.number == 1:
            raise KeyboardInterrupt
        return 1.0

    s = study()
    for _ in range(2):
        with caplog.at_level(logging.INFO):
            assert s.optimize(objective, trials=4).ended == "paused"
    assert states(s) == ["finished", "queued"]
    assert "s: trial 1 was left by Ctrl-C or a debugger; it goes on next time" in caplog.text
    assert s.optimize(objective, trials=4).ended == "all trials have been started"
    assert states(s) == ["finished", "failed", "finished", "finished"]
    error = s.trial(1).error
    assert error is not None
    assert (error["kind"], error["text"].startswith("the objective was left by Keyb")) == ("KeyboardInterrupt", True)


def test_callbacks_get_every_event_and_can_not_break_a_run(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def broken(s: tt.Study, event: Any) -> None:
        raise RuntimeError("my callback")

    s = study().optimize(square, trials=3, callbacks=[broken, lambda s, e: seen.append(e.kind)])
    assert seen == ["started", "ended"] * 3
    assert caplog.text.count("RuntimeError: my callback") == 1, "shown once"
    assert states(s) == ["finished"] * 3


def test_a_callback_may_stop_the_study() -> None:
    def enough(s: tt.Study, event: Any) -> None:
        if event.kind == "ended" and event.trial == 2:
            s.stop("enough")

    s = study().optimize(square, trials=50, callbacks=[enough])
    assert len(s) == 4, "the next one had begun already"
    assert s.ended == "enough"
    assert len(s.optimize(square, more=2)) == 4, "it stays stopped"
    s.reopen()
    assert len(s.optimize(square, more=2)) == 6


def test_the_time_of_a_call() -> None:
    s = study()
    s.optimize(square, timeout=0)
    assert len(s) == 0
    began = time.monotonic()
    s.optimize(lambda t: (time.sleep(0.02), square(t))[1], timeout="0.2s")
    assert 0.1 < time.monotonic() - began < 5
    assert s.ended == "the time for this run is up"
    assert 1 < len(s) < 15
    assert set(states(s)) == {"finished"}


def test_a_run_in_a_thread_while_others_read(tmp_path: Path) -> None:
    s = study(storage=tmp_path / "s.db", searcher=tt.TPE(startup=3))
    thread = threading.Thread(target=lambda: s.optimize(lambda t: (time.sleep(0.003), square(t))[1], trials=25))
    thread.start()
    while thread.is_alive():
        assert s.counts["counted"] <= 25
        trials = s.trials
        assert [t.number for t in trials] == list(range(len(trials)))
        s.note(text="reading along")
    assert states(s) == ["finished"] * 25
    assert verify(tmp_path / "s.db").ok


def test_rerun_shows_the_error_and_records_nothing() -> None:
    s = study().optimize(lambda t: 1 / 0 if t.number == 1 else square(t), trials=2)
    version = s.history.version
    with pytest.raises(ZeroDivisionError):
        s.rerun(1, lambda t: 1 / 0)
    seen: list[Any] = []
    assert s.rerun(s.trial(0), lambda t: (seen.append((dict(t.config), t.seed)), square(t))[1]) == s.trial(0).value
    assert seen == [(s.trial(0).config, s.trial(0).seed)]
    assert s.history.version == version


# ── what an objective gets ──


def test_objects_behind_labels_and_branches() -> None:
    relu, tanh = object(), object()
    space = {
        "act": tt.Choice({"relu": relu, "tanh": tanh}),
        "model": tt.Choice(
            {"svm": tt.Space({"C": tt.Float(1e-3, 1e3, log=True)}), "forest": tt.Space({"depth": tt.Int(2, 20)})}
        ),
        "m": tt.Float(0, 1, when="act == 'relu'"),
    }
    seen = []

    def objective(trial: Any) -> float:
        kind, settings = trial.branch("model")
        assert set(settings) == ({"C"} if kind == "svm" else {"depth"})
        assert trial.config.nested()["model"] == {kind: settings}
        assert trial["act"] is trial.config["act"] is (relu if "m" in trial.config else tanh)
        if trial["act"] is tanh:
            with pytest.raises(KeyError, match="inactive"):
                trial["m"]
            assert trial.get("m", 0.9) == 0.9
        with pytest.raises(KeyError, match="No parameter is called"):
            trial["momentum"]
        seen.append(trial["act"])
        return float(trial["act"] is tanh)

    s = tt.Study("s", space, minimize="loss", seed=1).optimize(objective, trials=12)
    assert states(s) == ["finished"] * 12, s.failures()
    assert set(seen) == {relu, tanh}
    assert s.best.config["act"] == "relu", "what is read from the log has the label"
    assert s.space.resolve(s.best.config)["act"] is relu
    assert s.rerun(s.best, objective) == 0.0


def test_what_a_study_in_memory_put_into_files_goes_with_it(tmp_path: Path) -> None:
    s = study().optimize(lambda t: t["x"], trials=2, workers=2)
    home = s._home()
    assert (home / "000" / "stdout").exists()
    del s
    gc.collect()
    assert not home.exists()
    s = study().optimize(lambda t: t["x"], trials=2, workers=2)
    home = s._home()
    s.save(tmp_path / "s.db").close()
    del s
    gc.collect()
    assert (home / "000" / "stdout").exists(), "it was saved, and its checkpoints are there"
    shutil.rmtree(home)


# ── several processes ──

SCRIPT = """
    import sys, time
    import trimtab as tt
    def objective(trial):
        for step in trial.steps(10):
            time.sleep(float(sys.argv[3]))
            trial.report(loss=trial["x"] ** 2 / step)
    s = tt.Study("s", {"x": tt.Float(-1, 1)}, minimize="loss", seed=0, searcher="random", storage=sys.argv[1])
    print("ready", flush=True)
    s.optimize(objective, trials=int(sys.argv[2]))
    print(s.ended, flush=True)
"""


def start(path: Path, trials: int, pause: float) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(path), str(trials), str(pause)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def until(truth: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_two_drivers_share_the_total(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    both = [start(path, 16, 0.005) for _ in range(2)]
    told = [p.communicate(timeout=60) for p in both]
    assert [p.returncode for p in both] == [0, 0], told
    s = tt.load(path)
    assert states(s) == ["finished"] * 16
    assert len({e.by for e in s.log() if e.kind == "started"}) == 2, "both had a part in it"
    assert verify(path).ok


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_pauses_at_the_next_step_and_the_same_call_goes_on(tmp_path: Path, sign: signal.Signals) -> None:
    path = tmp_path / "s.db"
    process = start(path, 5, 0.05)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    s = tt.Study("s", SPACE, minimize="loss", storage=path)
    until(lambda: len(s) > 1)
    began = time.monotonic()
    process.send_signal(sign)
    out, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 10, "nothing keeps the program alive"
    assert (process.returncode, out) == (0, "paused\n"), errors
    assert s.counts["queued"] == 1
    assert s.counts["failed"] == 0
    s.optimize(lambda t: square(t), trials=5)
    assert states(s) == ["finished"] * 5


def test_killed_and_started_again(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    process = start(path, 5, 0.05)
    assert process.stdout is not None
    process.stdout.readline()
    s = tt.load(path)
    until(lambda: len(s) > 1)
    process.kill()
    process.communicate(timeout=30)
    s.optimize(square, trials=5)
    assert states(s) == ["finished"] * 5
    assert max(t.attempts for t in s.trials) == 2


def test_stopped_from_another_process(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    process = start(path, 500, 0.02)
    assert process.stdout is not None
    process.stdout.readline()
    s = tt.Study("s", SPACE, minimize="loss", storage=path)
    until(lambda: len(s) > 1)
    s.stop("the cluster is needed")
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "the cluster is needed\n"), errors
    assert s.counts["failed"] == 0


def test_a_storage_that_goes_away_is_an_error_and_never_a_new_study(tmp_path: Path) -> None:
    s = study(storage=tmp_path / "s.db")

    def objective(trial: Any) -> float:
        if trial.number == 2:
            for file in tmp_path.glob("s.db*"):
                file.unlink()
        return square(trial)

    with pytest.raises(tt.StorageError, match="deleted or moved while in use"):
        s.optimize(objective, trials=5)
    assert not (tmp_path / "s.db").exists()


# ── how long, and on what ──


def test_until_the_end_of_a_slurm_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="no SLURM job"):
        study().optimize(square, trials=1, timeout="slurm")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "5000")
    assert (_times.until("slurm", 1000.0, 90.0), _times.until(None, 1.0), _times.until("2h", 100.0)) == (
        4910.0,
        math.inf,
        7300.0,
    )
    s = study().optimize(square, trials=5, timeout="slurm")
    assert (len(s), s.ended) == (0, "the time for this run is up")
    monkeypatch.delenv("SLURM_JOB_END_TIME")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    program = tmp_path / "scontrol"
    program.write_text("#!/bin/sh\necho JobId=$5 StartTime=2030-01-01T00:00:00 EndTime=$END Deadline=N/A\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("END", "2030-01-01T02:00:00")
    assert _times.slurm_end() == datetime(2030, 1, 1, 2).timestamp()
    monkeypatch.setenv("END", "Unknown")
    assert _times.slurm_end() == math.inf


def test_workers_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Pool(Inline):
        def __init__(self, objective: Any, *_: Any, workers: Any, **__: Any) -> None:
            asked.append(workers)
            super().__init__(objective)

    monkeypatch.setattr("trimtab.run.processes.Processes", Pool)
    study().optimize(square, trials=1)
    assert asked == [], "one, and here"
    study().optimize(square, trials=1, per_trial={"cpu": 1})
    study().optimize(square, trials=1, per_trial={"cpu": 1}, workers=1)
    study().optimize(square, trials=1, workers=3)
    assert asked == [None, 1, 3], "as many as fit, where there is something to fit"


def test_a_gpu_that_is_not_there_is_an_error_before_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    s = study()
    with pytest.raises(tt.TrimtabError, match="per_trial asks for 1 GPU a trial, and this machine has none"):
        s.optimize(square, trials=3, per_trial={"gpu": 1})
    assert len(s) == 0


def test_what_was_queued_first_does_not_cost_the_baseline() -> None:
    study = tt.Study("s", {"x": tt.Float(0, 1, default=0.25)}, minimize="loss", seed=0)
    study.enqueue({"x": 0.75})
    study.optimize(lambda t: t["x"], trials=3)
    assert [t.config["x"] for t in study.trials][:2] == [0.75, 0.25]
    again = tt.Study("t", {"x": tt.Float(0, 1, default=0.25)}, minimize="loss", seed=0)
    again.enqueue({"x": 0.25})
    again.optimize(lambda t: t["x"], trials=2)
    assert [t.config["x"] for t in again.trials].count(0.25) == 1
