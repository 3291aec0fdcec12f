"""The pool of worker processes: real processes, really killed."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.errors import ObjectiveError, Reject
from trimtab.protocol import Run, Runner
from trimtab.run.processes import Processes

ROOT = Path(__file__).parents[2]


def a_run(trial: int = 0, **changes: Any) -> Run:
    return Run(**{"trial": trial, "attempt": 1, "config": {"x": 2.0}, "seed": 5, "until": math.inf, **changes})


def finish(runner: Processes, n: int = 1, seconds: float = 30.0) -> list[Any]:
    """All events until `n` trials have ended."""
    events: list[Any] = []
    end = time.monotonic() + seconds
    while sum(e.kind == "ended" for e in events) < n:
        assert time.monotonic() < end, f"only {events}"
        events += runner.collect(1.0)
    return events


def one(objective: Any, run: Run | None = None, **settings: Any) -> dict[str, Any]:
    with Processes(objective, **settings) as runner:
        runner.submit(run or a_run())
        return dict(finish(runner)[-1].body)


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends within the time (a zombie has ended)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_lambdas_closures_and_captured_data_travel():
    table = np.arange(10.0)

    def closure(trial):
        return {"loss": table[int(trial["x"])], "pid": os.getpid()}

    runner: Runner = Processes(closure, workers=2)
    with runner:  # type: ignore[attr-defined]
        for trial in range(2):
            runner.submit(a_run(trial))
        assert runner.free() == 0
        events = finish(runner, 2)  # type: ignore[arg-type]
        pids = {e.body["returned"]["pid"] for e in events}
        assert len(pids) == 2
        assert os.getpid() not in pids
        assert all(e.body["returned"]["loss"] == 2.0 for e in events)
        assert all(e.body["cost"]["seconds"] >= 0 for e in events)
        assert runner.free() == 2
    assert one(lambda trial: trial["x"] ** 2)["returned"] == 4.0


def test_milestones_go_back_and_forth():
    def objective(trial):
        for step in trial.steps():
            trial.report(loss=1 / step)

    with Processes(objective) as runner:
        runner.submit(a_run(until=1, budget=27))
        rungs = []
        while not (events := runner.collect(5.0)) or events[-1].kind != "ended":
            rungs.append(events[-1].body["step"][-1])
            go = {"go": "on", "until": rungs[-1] * 3} if rungs[-1] < 9 else {"go": "pause"}
            runner.send(0, 1, go)
        assert rungs == [1, 3, 9]
        assert (events[-1].body["state"], events[-1].body["step"]) == ("paused", 9)


def test_fast_reports_come_as_columns():
    def objective(trial):
        for step in trial.steps():
            trial.report(loss=step)

    with Processes(objective) as runner:
        runner.submit(a_run(budget=200))
        events = finish(runner)
    steps = [s for e in events if e.kind == "reported" for s in e.body["step"]]
    assert steps == list(range(1, 201))
    assert len(events) <= 4


def test_failures_are_told_with_their_line():
    def objective(trial):
        raise ValueError("bad width")

    body = one(objective)
    assert body["state"] == "failed"
    assert body["error"]["text"] == "bad width"
    assert body["error"]["where"].endswith('in objective   raise ValueError("bad width")')

    def rejects(trial):
        raise Reject("too big")

    assert one(rejects)["error"] == {"kind": "Reject", "text": "too big"}


@pytest.mark.parametrize(
    ("number", "state", "kind", "says"),
    [
        (signal.SIGKILL, "lost", "killed", "SIGKILL (out of memory?)"),
        (signal.SIGHUP, "lost", "killed", "SIGHUP"),
        (signal.SIGABRT, "failed", "crash", "SIGABRT"),
    ],
)
def test_a_killed_worker_takes_only_its_own_trial(number, state, kind, says):
    def objective(trial):
        trial.report(loss=1.0)
        if trial.number == 0:
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)  # under nohup, SIGHUP is ignored
            os.kill(os.getpid(), number)
        return 1.0

    with Processes(objective, workers=1) as runner:
        runner.submit(a_run(0))
        body = finish(runner)[-1].body
        assert (body["state"], body["error"]["kind"], body["step"]) == (state, kind, 1)
        assert says in body["error"]["text"]
        assert runner.free() == 1
        runner.submit(a_run(1))
        assert finish(runner)[-1].body["state"] == "finished"


def test_a_death_is_seen_though_a_forked_child_holds_the_pipe(tmp_path):
    def objective(trial):
        if (child := os.fork()) == 0:
            time.sleep(60)
        (tmp_path / "pid").write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)

    started = time.monotonic()
    assert one(objective)["error"]["kind"] == "killed"
    assert time.monotonic() - started < 10
    assert gone(int((tmp_path / "pid").read_text()))


def test_leaving_the_process_is_a_failure_with_its_code():
    body = one(lambda trial: os._exit(7))
    assert (body["state"], body["error"]["kind"]) == ("failed", "crash")
    assert "exit code 7" in body["error"]["text"]
    assert "sys.exit(3)" in one(lambda trial: sys.exit(3))["error"]["text"]


def test_a_segfault_is_named(tmp_path):
    body = one(lambda trial: ctypes.string_at(0), folder=tmp_path)
    assert (body["state"], "SIGSEGV" in body["error"]["text"]) == ("failed", True)
    assert "Segmentation fault" in (tmp_path / "000/stderr").read_text()


def test_time_out_ends_the_trial_and_all_it_started(tmp_path):
    def stubborn(trial):
        child = subprocess.Popen(["sleep", "60"], start_new_session=False)
        (tmp_path / "pid").write_text(str(child.pid))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        trial.report(loss=1.0)
        time.sleep(60)

    started = time.monotonic()
    body = one(stubborn, trial_timeout=0.5, grace=0.3)
    assert time.monotonic() - started < 10
    assert (body["state"], body["error"]["kind"], body["step"]) == ("failed", "timeout", 1)
    assert "0.5 s" in body["error"]["text"]
    assert gone(int((tmp_path / "pid").read_text()))


def test_time_out_can_be_obeyed():
    def objective(trial):
        for step in trial.steps(10_000):
            trial.report(loss=step)
            time.sleep(0.01)

    body = one(objective, trial_timeout="300ms", grace=30)
    assert (body["state"], body["error"]["kind"]) == ("failed", "timeout")
    assert body["step"] > 1


def test_requests_reach_a_running_trial():
    def objective(trial):
        for step in trial.steps(10_000):
            trial.report(loss=step)
            time.sleep(0.01)

    for go, state in [("pause", "paused"), ("stop", "stopped"), ("cancel", "cancelled"), ("kill", "cancelled")]:
        with Processes(objective) as runner:
            runner.submit(a_run())
            while not runner.collect(5.0):
                pass
            runner.send(0, 1, {"go": go})
            body = finish(runner)[-1].body
            assert body["state"] == state
            assert body["step"] >= 1


def test_a_memory_cap_is_a_memory_error_and_no_more():
    def hungry(trial):
        return float(np.ones(int(trial["x"])).sum())

    with Processes(hungry, per_trial={"memory": "1500MB"}, workers=1) as runner:
        runner.submit(a_run(0, config={"x": 4e8}))
        body = finish(runner)[-1].body
        assert (body["state"], body["error"]["kind"]) == ("failed", "MemoryError")
        runner.submit(a_run(1, config={"x": 10}))
        body = finish(runner)[-1].body
        assert body["returned"] == 10.0
        assert 5 < body["cost"]["memory"] < 1500


def test_memory_filled_bit_by_bit_is_told_too():
    def hungry(trial):
        held = []
        while True:
            held.append(bytearray(10_000))

    body = one(hungry, per_trial={"memory": "1GB"}, workers=1)
    assert (body["state"], body["error"]["kind"]) == ("failed", "MemoryError")
    assert body["error"]["where"].endswith("held.append(bytearray(10_000))")


def test_output_goes_to_files_by_trial_and_attempt(tmp_path):
    def talks(trial):
        print(f"trial {trial.number} attempt {trial.attempt}")
        os.system("echo from a child >&2")
        return 1.0

    with Processes(talks, folder=tmp_path) as runner:
        for trial, attempt in [(0, 1), (1, 1), (0, 2)]:
            runner.submit(a_run(trial, attempt=attempt))
            finish(runner)
    assert (tmp_path / "000/stdout").read_text() == "trial 0 attempt 1\ntrial 0 attempt 2\n"
    assert (tmp_path / "001/stdout").read_text() == "trial 1 attempt 1\n"
    assert (tmp_path / "001/stderr").read_text() == "from a child\n"


def test_output_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("trimtab.run._pool.OUTPUT_LIMIT", 10_000)

    def talks(trial):
        for i in range(10_000):
            print(f"line {i}")
        return 1.0

    one(talks, folder=tmp_path)
    text = (tmp_path / "000/stdout").read_text()
    assert len(text) < 10_000
    assert text.startswith("line 0\n")
    assert text.endswith("line 9999\n")
    assert "bytes left out" in text


def test_what_cannot_travel_is_named_before_any_trial():
    lock = threading.Lock()

    def objective(trial):
        with lock:
            return 1.0

    with pytest.raises(ObjectiveError, match=r'uses "lock" \(lock\), which lives in this process only.*workers=1'):
        Processes(objective)


def test_what_cannot_be_loaded_fails_by_name():
    class Bad:
        def __reduce__(self):
            return (exec, ("import no_such_module",))

    bad = Bad()
    body = one(lambda trial: bad)
    assert (body["state"], body["error"]["kind"]) == ("failed", "ModuleNotFoundError")
    assert "no_such_module" in body["error"]["text"]


def test_workers_are_warm_and_can_be_recycled():
    def pid(trial):
        return os.getpid()

    def pids(**settings: Any) -> list[float]:
        with Processes(pid, workers=1, **settings) as runner:
            seen = []
            for trial in range(4):
                runner.submit(a_run(trial))
                seen.append(finish(runner)[-1].body["returned"])
            return seen

    assert len(set(pids())) == 1
    assert len(set(pids(recycle=2))) == 2


def test_a_worker_killed_while_idle_is_replaced():
    with Processes(lambda trial: os.getpid(), workers=1) as runner:
        runner.submit(a_run(0))
        pid = int(finish(runner)[-1].body["returned"])
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        runner.submit(a_run(1))
        assert finish(runner)[-1].body["returned"] != pid


def test_threads_are_shared_out_and_devices_cut(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    monkeypatch.setattr("trimtab.run._slots.cores", lambda: 8)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)

    def seen(trial):
        trial.note(gpu=os.environ["CUDA_VISIBLE_DEVICES"], threads=os.environ["OMP_NUM_THREADS"])
        time.sleep(0.2)
        return 1.0

    with Processes(seen, per_trial={"gpu": 1}) as runner:
        assert runner.workers == 2
        for trial in range(2):
            runner.submit(a_run(trial))
        notes = [e.body["notes"] for e in finish(runner, 2)]
    assert {n["gpu"] for n in notes} == {"3", "GPU-5"}
    assert {n["threads"] for n in notes} == {"4"}


SCRIPT = """
    import math, os, sys, time
    from trimtab.protocol import Run
    from trimtab.run.processes import Processes

    print("the script runs")
    WIDTH = 3

    class Net:
        def loss(self, x):
            return WIDTH * x

    def objective(trial):
        print("pid", os.getpid(), flush=True)
        if "--hang" in sys.argv:
            time.sleep(1)  # until the line above has gone on its way: what relays it needs the lock, too
            sum(range(10**13))  # holds the interpreter's lock: no thread of the worker can notice anything
        return Net().loss(trial["x"])

    runner = Processes(objective, workers=2)
    for trial in range(2):
        runner.submit(Run(trial=trial, attempt=1, config={"x": trial}, seed=0, until=math.inf))
    ended = []
    while len(ended) < 2:
        ended += runner.collect(1.0)
    print(sorted(e.body["returned"] for e in ended))
    runner.close()
"""


def test_a_script_without_a_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.count("the script runs") == 1
    assert said.stdout.endswith("[0.0, 3.0]\n")
    assert said.stderr == ""
    said = subprocess.run(
        [sys.executable, "-"],
        input=textwrap.dedent(SCRIPT),
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )  # as a notebook: __main__ has no file
    assert said.stdout.endswith("[0.0, 3.0]\n")


def test_when_the_driver_is_killed_its_workers_end(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script, "--hang"], env=env, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        lines = [driver.stdout.readline() for _ in range(3)]
        pids = [int(line.split()[1]) for line in lines if line.startswith("pid")]
        assert len(pids) == 2
        driver.kill()
    assert all(gone(pid) for pid in pids)


def test_close_leaves_nobody_behind(tmp_path):
    def objective(trial):
        (tmp_path / "pid").write_text(str(os.getpid()))
        trial.report(loss=1)
        time.sleep(60)

    runner = Processes(objective)
    runner.submit(a_run())
    while not runner.collect(5.0):
        pass
    runner.close(kill=True)
    assert gone(int((tmp_path / "pid").read_text()))
