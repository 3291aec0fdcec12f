"""--json: the shapes that programs rely on. Keys may be added here, never taken away."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.cli import code_of

STUDY = {
    "name", "storage", "objectives", "constraints", "seed", "counts", "ended", "searcher", "scheduler", "space", "best",
    "front",
}  # fmt: skip
TRIAL = {
    "number", "state", "values", "metrics", "constraints", "sem", "config", "step", "seconds", "began", "ended", "seed",
    "method", "cause", "attempts", "tags", "notes", "error",
}  # fmt: skip
COUNTS = {"queued", "running", "paused", "finished", "stopped", "failed", "invalid", "counted"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "o.py").write_text(
        "def objective(trial):\n"
        "    if trial.number == 1:\n        raise ValueError('unlucky')\n"
        "    for step in trial.steps(2):\n        trial.report(loss=trial['x'] / step, size=3)\n"
    )
    (tmp_path / "d.toml").write_text(
        'name = "d"\nminimize = "loss"\nconstraints = ["size <= 8"]\nsearcher = "random"\nseed = 3\n'
        '[space]\nx = "0.0..1.0 default=0.5"\n[run]\nfunction = "o.py:objective"\ntrials = 3\n'
    )
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], line: str, code: int = 0) -> Any:
    assert code_of(line.split()) == code
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    return json.loads(out)


def test_a_run_a_study_and_a_trial(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "run d.toml --dry-run 2 --json")
    assert [set(row) for row in rows] == [{"trial", "seed", "config", "command"}] * 2
    run = told(capsys, "run d.toml --json")
    assert set(run) == STUDY | {"result", "trials", "seconds"}
    assert (run["result"], run["trials"], run["counts"]["finished"]) == ("done", 3, 2)
    assert told(capsys, "run d.toml --json")["seconds"] is None  # there was nothing to do
    study = told(capsys, "show d.toml --json")
    assert set(study) == STUDY
    assert set(study["counts"]) >= COUNTS
    assert set(study["best"]) == TRIAL
    assert study["objectives"] == {"loss": "min"}
    trial = told(capsys, "show d.toml 0 --json")
    assert set(trial) == TRIAL | {"why", "reports", "files"}
    assert trial["reports"][1] == {"step": 2.0, "fold": None, "metrics": {"loss": 0.25, "size": 3.0}}
    failed = told(capsys, "show d.toml 1 --json")
    assert set(failed["error"]) == {"kind", "text", "where"}
    assert failed["error"]["where"].startswith("o.py:3 in objective")
    assert failed["values"] == {}


def test_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "run d.toml --json")
    (row,) = told(capsys, "list d.toml --json")
    assert set(row) == {"name", "objectives", "trials", "best", "age", "counts"}
    assert row["age"] >= 0
    (group,) = told(capsys, "show d.toml --failures --json")
    assert (group["kind"], group["trials"]) == ("ValueError", [1])
    assert set(told(capsys, "verify d.toml --json")) >= {"name", "decisions", "agree", "ok", "first_difference"}
    assert {m["name"] for m in told(capsys, "methods --json")} >= {"auto", "tpe", "full"}
    (tpe,) = told(capsys, "methods tpe --json")
    assert tpe["settings"]["startup"] == {
        "default": 10,
        "required": False,
        "meaning": "trials before the first model: random draws, with several objectives a Latin hypercube",
    }
    asked = told(capsys, "ask d.toml")
    assert set(asked) == {"trial", "seed", "budget", "config"}


def test_without_a_result(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "o.py").write_text("def objective(trial):\n    raise tt\n")
    (here / "d.toml").write_text((here / "d.toml").read_text() + "[stop]\nfailures = false\n")
    run = told(capsys, "run d.toml --json", code=1)
    assert (run["result"], run["best"], run["front"]) == ("none finished", None, [])
    assert told(capsys, "run d.toml --json", code=1)["result"] == "none finished"  # again, with nothing to do


def test_what_is_no_number_is_null(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tt.Study("n", {"x": tt.Float(0, 1)}, constraints=["size <= 8"], storage="n.db")
    trial = study.ask()
    study.tell(trial, {"loss": 1.0})  # size was never measured
    study.close()
    assert told(capsys, "show n.db 0 --json")["constraints"] == {"size <= 8": None}
