"""timeout="slurm": a run ends in order before its job does. scontrol is played by a script on PATH."""

from __future__ import annotations

import os
import time
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study._times import GRACE, slurm_end, until


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("SLURM")]:
        monkeypatch.delenv(name)


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def plays(says: str, code: int = 0) -> None:
        program = tmp_path / "scontrol"
        program.write_text(f"#!/bin/sh\n[ \"$1 $2 $3 $4\" = 'show job -o 77' ] || exit 3\necho '{says}'\nexit {code}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    return plays


def test_the_environment_says_when_the_job_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "2000000000")
    assert slurm_end() == 2e9
    assert until("slurm", 0.0) == 2e9 - GRACE
    assert until("slurm", 0.0, 30) == 2e9 - 30


def test_else_scontrol_does(scontrol: Any) -> None:
    scontrol("JobId=77 JobName=x RunTime=00:10:00 TimeLimit=01:00:00 EndTime=2033-05-18T03:33:20 Deadline=N/A")
    assert slurm_end() == datetime(2033, 5, 18, 3, 33, 20).timestamp()
    scontrol("JobId=77 TimeLimit=UNLIMITED EndTime=Unknown")
    assert slurm_end() == inf


def test_where_nobody_knows(scontrol: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scontrol("slurm_load_jobs error: Invalid job id specified", code=1)
    with pytest.raises(
        ValueError, match=r'scontrol does not say when job 77 ends .* Give seconds, or text such as "4h"'
    ):
        slurm_end()
    monkeypatch.delenv("SLURM_JOB_ID")
    s = tt.Study("s", {"x": tt.Float(0, 1)}, minimize="loss")
    with pytest.raises(ValueError, match=r"this is no SLURM job \(\$SLURM_JOB_ID is not set\)"):
        s.optimize(lambda t: t["x"], trials=3, timeout="slurm")
    assert len(s) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_ends_before_its_job_does(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """Trials with steps go back at their next one; a deaf one is ended while there is still time to store that."""

    def objective(trial: Any) -> None:
        if trial.number == 0:
            time.sleep(60)
        for _ in trial.steps(100_000):
            time.sleep(0.01)

    s = tt.Study("s", {"x": tt.Float(0, 1)}, minimize="loss", seed=0)
    end = int(time.time()) + 8
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(end))
    s.optimize(objective, trials=9, workers=workers, timeout="slurm", grace=4)
    assert s.ended == "the time for this run is up"
    assert s.counts["queued"] == s.counts["counted"] == workers
    assert time.time() < end + 20, "far less on a quiet machine"
