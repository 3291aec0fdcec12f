"""A module that starts a study when it is imported: refused where it would start workers without end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import trimtab as tt

def objective(trial):
    return trial["x"]

study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", storage="s.db")
study.optimize(objective, trials=4, workers=2)
"""
STUDY = """
name = "t"
minimize = "loss"
[space]
x = "0.0..1.0"
[run]
function = "train.py:objective"
trials = 4
workers = 2
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    began = time.monotonic()
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=120)
    assert time.monotonic() - began < 100
    return done


def test_a_module_that_starts_a_study_when_a_worker_imports_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    done = run(tmp_path, "-c", "import sys; sys.path.insert(0, '.'); import train")  # workers import it by its name
    assert done.returncode != 0
    assert 'The study "s" was started while a worker imported the objective' in done.stderr
    assert 'belongs under: if __name__ == "__main__":' in done.stderr
    assert run(tmp_path, "train.py").returncode == 0  # run as a script it needs no guard


def test_a_file_that_starts_a_study_when_the_shell_imports_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "study.toml").write_text(STUDY)
    done = run(tmp_path, "-m", "trimtab", "run", "study.toml")
    assert done.returncode == 2
    assert 'The study "s" was started while study.toml imported train.py' in done.stderr
    assert "Traceback" not in done.stderr
