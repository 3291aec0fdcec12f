"""A study on a real PostgreSQL server: two driver processes share one total, nothing is lost, and verify agrees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trimtab.study import load
from trimtab.study.verify import verify

SCRIPT = """
import sys
from trimtab.space import Choice, Float, Space
from trimtab.study import Study

space = Space({"x": Float(-5, 5), "kind": Choice(["a", "b"]), "m": Float(0, 1, when="kind == 'a'")})

def objective(trial):
    for step in trial.steps():
        with trial.save_checkpoint() as folder:
            (folder / "step").write_text(str(step))
        trial.report(loss=(trial["x"] - 1) ** 2 + 5 / step)

study = Study("shared", space, minimize="loss", storage=sys.argv[1], searcher="tpe", scheduler="halving", max_budget=9,
              seed=3, folder=sys.argv[2])
study.optimize(objective, trials=24, workers=int(sys.argv[3]), display=False)
"""


def test_two_drivers_share_a_study(pg_url: str, tmp_path: Path) -> None:
    script = tmp_path / "drive.py"
    script.write_text(SCRIPT)
    call = [sys.executable, str(script), pg_url, str(tmp_path / "runs")]
    drivers = [subprocess.Popen([*call, workers], stderr=subprocess.PIPE, text=True) for workers in ("1", "2")]
    for driver in drivers:
        _, err = driver.communicate(timeout=240)
        assert driver.returncode == 0, err
    study = load(pg_url, "shared")
    trials = study.trials
    assert [t.number for t in trials] == list(range(24))
    assert {t.state for t in trials} <= {"finished", "paused"}
    assert len({e.by for e in study.log() if e.kind == "started"}) == 2
    found = verify(pg_url, "shared")
    assert found.ok, found.first_difference
    study.close()
