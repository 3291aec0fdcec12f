"""An engineer's day in a shell: the lines of the manual, one after the other, as they are typed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import trimtab
from trimtab.cli import code_of

SOLVER = """#!/usr/bin/env python3
import argparse
p = argparse.ArgumentParser()
p.add_argument("--alpha", type=float, default=1.0)
p.add_argument("--threads", type=int, default=1)
p.add_argument("file", nargs="?")
a = p.parse_args()
print("reading", a.file)
if a.alpha > 1.9:
    raise SystemExit("diverged")
print("final cost =", (a.alpha - 0.6) ** 2 + 0.01 * a.threads)
"""
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    solver = tmp_path / "solver"
    solver.write_text(SOLVER.replace("/usr/bin/env python3", sys.executable))
    solver.chmod(0o755)
    (tmp_path / "in.dat").write_text("7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    return tmp_path


@pytest.fixture
def say(here: Path, capfd: pytest.CaptureFixture[str]) -> Say:
    def run(line: str, *words: str) -> tuple[int, str, str]:
        code = code_of([*line.split()[1:], *words])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def test_the_lines_of_the_manual_in_their_order(here: Path, say: Say) -> None:
    code, text, _ = say("trimtab init -- ./solver --alpha 0.5 --threads 4 in.dat")
    assert code == 0
    text = text.replace('minimize = "time"', 'minimize = "cost"').replace("trials  = 60", "trials  = 4")
    text = text.replace("# [run.metrics]", "[run.metrics]").replace(
        "# score = 'regex:score", "cost = 'regex:final cost"
    )
    (here / "solver.toml").write_text("seed = 1\n" + text.replace("#:schema", "#"))

    code, out, err = say("trimtab run solver.toml --dry-run 3")
    assert (code, len(out.splitlines())) == (0, 3)
    assert out.splitlines()[0] == "./solver --alpha 0.5 --threads 4 in.dat"
    assert not (here / "solver.db").exists()

    code, out, err = say("trimtab try solver.toml alpha=0.3")
    assert code == 0
    assert err.startswith("./solver --alpha 0.3 --threads 4 in.dat\n")
    assert "reading in.dat" in out
    assert "cost 0.13" in out

    assert say("trimtab run solver.toml")[0] == 0
    assert say("trimtab run solver.toml")[1].startswith("solver: done — 4 of 4 trials, best cost ")  # again: says so
    assert "solver: 6 trials (2 of them now" in say("trimtab run solver.toml --more 2")[1]
    assert "solver: 8 trials" in say("trimtab run solver.toml --trials 8 --workers 2")[1]

    for target in ("solver.toml", "solver.db", ""):
        assert say(f"trimtab show {target}")[1].startswith("solver: 8 trials")
    assert say("trimtab show solver.toml 1")[1].startswith("trial 1   ")
    assert say("trimtab log solver.toml 0")[1].startswith("reading in.dat\nfinal cost = ")
    code, out, err = say("trimtab try solver.toml --trial 0")
    assert (code, out.splitlines()[0]) == (0, "reading in.dat")

    assert say("trimtab correct solver.toml 1 cost=3.2 --reason", "units")[:2] == (0, "trial 1: cost 3.2\n")
    assert say("trimtab invalidate solver.toml 1 --reason", "another machine")[0] == 0
    assert say("trimtab restore solver.toml 1")[0] == 0
    assert say("trimtab note solver.toml 1", "the fan was off")[1] == "solver: noted with trial 1.\n"
    assert say("trimtab enqueue solver.toml --trial 1 --seed 2")[1] == "solver: queued; it is tried next.\n"
    assert say("trimtab enqueue solver.toml alpha=1.95")[0] == 0
    assert say("trimtab run solver.toml --more 2")[0] == 0  # 1.95 diverges
    assert "ended with exit code 1" in say("trimtab show solver.toml --failures")[1]
    assert say("trimtab retry solver.toml")[1] == "solver: trial 9 will be tried again.\n"

    assert len(say("trimtab export solver.toml")[1].splitlines()) == 11
    assert say("trimtab export solver.toml -o trials.csv")[2] == "Wrote trials.csv.\n"
    assert len(json.loads(say("trimtab export solver.toml --json")[1])) == 10
    assert say("trimtab list solver.db")[1].startswith("solver   10 trials   best cost ")
    assert say("trimtab verify solver.toml")[0] == 0
    code, _, err = say("trimtab report solver.toml -o r.html")
    assert code == 2
    assert "report is a word for later" in err
    assert "Today: trimtab show solver.toml" in err
    assert say("trimtab run solver.toml --storage other.db --trials 4")[0] == 0
    code, out, _ = say("trimtab compare solver.toml other.db")
    assert code == 0
    assert out.startswith("cost (min)\n  a  solver  best ")
    assert "One run each: chance alone makes runs differ." in out
    assert set(json.loads(say("trimtab compare solver.toml other.db --json")[1])) == {
        "objective", "goal", "budget", "better", "text", "rows",
    }  # fmt: skip
    assert "a is better in 50% of the 4 pairs" in say("trimtab compare other.db other.db -- other.db other.db")[1]
    assert say("trimtab compare solver.toml")[2].startswith("trimtab: Which two? ")
    assert say("trimtab stop solver.toml")[1] == "solver: stopped.\n"
    assert say("trimtab run solver.toml")[1].startswith("solver: ended — stopped by the user")


def test_asked_for_and_told_by_a_shell_loop(here: Path, say: Say) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    (here / "trimtab").write_text(f'#!/bin/sh\nexec {sys.executable} -m trimtab "$@"\n')
    (here / "trimtab").chmod(0o755)
    (here / "study.toml").write_text(
        'minimize = "cost"\nsearcher = "random"\n[space]\nalpha = "0.1..1.5"\n"odd name" = ["it\'s", "$(touch no)"]\n'
    )
    loop = """
    set -e
    eval "$(./trimtab ask study.toml --format env)"
    ./trimtab tell study.toml "$TRIAL" cost="$(./solver --alpha "$alpha" | sed -n 's/final cost = //p')"
    echo "$TRIAL $odd_name"
    """
    env = os.environ | {"PYTHONPATH": str(Path(trimtab.__file__).parent.parent)}
    done = subprocess.run(["bash", "-c", loop], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("0 it's", "0 $(touch no)")
    assert not (here / "no").exists()
    assert trimtab.load(here / "study.db").trial(0).state == "finished"
