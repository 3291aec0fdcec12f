"""The digits example itself, killed half-way and run again with one worker: the same trials as an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trimtab.errors import NoResult
from trimtab.study import load
from trimtab.study.verify import verify

EXAMPLES = Path(__file__).parents[2] / "examples"
TRIALS = 14

pytest.importorskip("sklearn", reason="the example tunes scikit-learn models")


def digits(folder: Path) -> subprocess.Popen[bytes]:
    """`trimtab run digits.toml` in a folder of its own, with one worker; a session of its own, to kill it whole."""
    folder.mkdir(exist_ok=True)
    for name in ("digits.py", "digits.toml"):
        shutil.copy(EXAMPLES / name, folder)
    call = [sys.executable, "-m", "trimtab", "run", "digits.toml", "--trials", str(TRIALS), "--workers", "1", "--plain"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(call, cwd=folder, env=env, stdout=subprocess.DEVNULL, start_new_session=True)


def trials(folder: Path) -> list[tuple[object, ...]]:
    study = load(folder / "digits.db")
    told = [(t.number, t.state, dict(t.config), t.seed, dict(t.values), dict(t.sem)) for t in study.trials]
    study.close()
    return told


def ended(folder: Path) -> int:
    if not (folder / "digits.db").exists():
        return 0
    try:
        study = load(folder / "digits.db")
    except NoResult:  # the file is there, the study not yet
        return 0
    done = study.counts["finished"]
    study.close()
    return done


@pytest.mark.slow
def test_killed_half_way_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert digits(whole).wait(timeout=300) == 0
    first = digits(killed)
    late = time.monotonic() + 200
    try:
        while time.monotonic() < late and ended(killed) < TRIALS // 2:
            time.sleep(0.05)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    assert ended(killed) < TRIALS
    assert digits(killed).wait(timeout=300) == 0
    assert trials(killed) == trials(whole)
    assert len(trials(whole)) == TRIALS
    assert verify(killed / "digits.db").ok
