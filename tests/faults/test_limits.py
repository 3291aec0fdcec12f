"""Limits of the machine: files, processes, clocks, and threads that never let go of the interpreter."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.run import processes
from trimtab.study.verify import verify

FILES = """
import os, resource, sys
import trimtab as tt
from trimtab.run.processes import Processes

def make(name):
    return tt.Study(name, {"x": "0.0..1.0"}, minimize="loss", storage=sys.argv[1], searcher="random", seed=0)

make("first").optimize(lambda t: t["x"], trials=2, workers=1, trial_timeout=60)  # everything is imported and open
study = make("second")
limit = max(map(int, os.listdir("/proc/self/fd"))) + 1 + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
study.optimize(lambda t: t["x"], trials=20, workers=8)
assert [t.state for t in study.trials] == ["finished"] * 20
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_too_many_open_files_lower_the_number_of_workers(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", FILES, str(tmp_path / "s.db"), "8"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "of 8 workers could be started ([Errno 24] Too many open files): going on with these." in done.stderr
    assert verify(tmp_path / "s.db", "second").ok


def test_no_process_at_all_is_an_error_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "Group", refuse)
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss")
    with pytest.raises(tt.TrimtabError, match=r"No worker process could be started: Resource .*ulimit -u"):
        study.optimize(lambda t: t["x"], trials=4, workers=2)
    assert study.optimize(lambda t: t["x"], trials=4).counts["counted"] == 4  # and nothing was lost


def test_what_waits_for_a_worker_is_given_back_when_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = processes.Group, []

    def two(*given: Any, **named: Any) -> Any:
        if len(made) == 2:
            raise OSError(24, "Too many open files")
        made.append(real(*given, **named))
        return made[-1]

    monkeypatch.setattr(processes, "Group", two)
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", seed=0)

    def objective(trial: tt.Trial) -> float:
        import time

        time.sleep(0.2)
        return float(trial["x"])

    study.optimize(objective, trials=8, workers=6, timeout=0.05)
    study.optimize(objective, trials=8)
    assert [t.state for t in study.trials] == ["finished"] * 8


def test_workers_are_fresh_interpreters_and_nothing_is_forked(tmp_path: Path) -> None:
    def objective(trial: tt.Trial) -> float:
        import os
        import threading

        trial.note(parent=os.getppid(), threads=threading.active_count(), pid=os.getpid())
        return 1.0

    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)  # what makes fork dangerous
    thread.start()
    try:
        study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss")
        study.optimize(objective, trials=2, workers=2)
    finally:
        stop.set()
        thread.join()
    assert multiprocessing.current_process().pid not in {t.notes["pid"] for t in study.trials}
    assert Path(f"/proc/{study.trials[0].notes['pid']}").exists() is False  # and all are gone


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_changes_no_decision_and_no_duration(
    jump: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moved = time.time, [0.0]

    def run(name: str, jumps: bool) -> tt.Study:
        study = tt.Study(name, {"x": "0.0..1.0"}, minimize="loss", storage=tmp_path / "s.db", searcher="tpe", seed=0)

        def objective(trial: tt.Trial) -> float:
            if jumps and trial.number == 5:
                moved[0] = jump
            return float(trial["x"])

        study.optimize(objective, trials=12, timeout=60)
        return study

    still = run("still", jumps=False)
    monkeypatch.setattr(time, "time", lambda: real() + moved[0])
    jumped = run("jumped", jumps=True)
    assert [t.config for t in jumped.trials] == [t.config for t in still.trials]
    assert [t.state for t in jumped.trials] == ["finished"] * 12
    assert all(0 <= t.cost["seconds"] < 60 for t in jumped.trials)  # monotonic, not by the clock
    assert verify(tmp_path / "s.db", "jumped").ok
