"""CONTRIBUTING.md shows a whole searcher. It is taken from the page, installed as a package of its own, and used."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from doc_pages import BLOCK, ROOT, environment

PAGE = ROOT / "CONTRIBUTING.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="an installed package has no such page")

USE = """
import trimtab as tt

space = tt.Space({"x": tt.Float(-5, 5), "kind": tt.Choice(["a", "b"]), "k": tt.Int(1, 9, when="kind == 'a'")})

def objective(trial):
    return (trial["x"] - 1) ** 2 + trial.get("k", 5) / 10

study = tt.Study("climbed", space, minimize="loss", storage="climbed.db", searcher="climb", seed=0)
study.optimize(objective, trials=12)
study = tt.Study("climbed", storage="climbed.db", searcher={"method": "climb", "fresh": 0.1})
study.optimize(objective, trials=25, workers=2)
print(study.searcher, study.counts["finished"], {t.method for t in study.trials})
"""


def installed(folder: Path) -> dict[str, str]:
    """The environment in which the page's package is installed, as pip leaves it behind."""
    files = {body.splitlines()[0].lstrip("# "): body for _, _, body in BLOCK.findall(PAGE.read_text(encoding="utf-8"))}
    assert {"climb.py", "pyproject.toml", "test_climb.py"} <= files.keys()
    site = folder / "site"
    points = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]
    info = site / "climb-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: climb\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "\n".join(f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in point.items()) for group, point in points.items())
    )
    (site / "climb.py").write_text(files["climb.py"])
    (folder / "test_climb.py").write_text(files["test_climb.py"])
    env = environment(folder, {})
    return env | {"PYTHONPATH": f"{site}:{env['PYTHONPATH']}"}


def test_the_searcher_of_the_page_is_found_used_and_lawful(tmp_path: Path) -> None:
    env = installed(tmp_path)

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shown = run("trimtab", "methods", "climb")
    assert "One step away from the best trial so far" in shown
    assert "the share of fresh draws" in shown
    (tmp_path / "use.py").write_text(USE)
    assert run("python", "-W", "error", "use.py") == "Climb(fresh=0.1) 25 {'climb/1'}\n"
    assert "came out the same" in run("trimtab", "verify", "climbed.db")
    said = run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_climb.py")
    assert "1 passed" in said


def test_it_is_short() -> None:
    code = next(body for _, _, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if "class Climb" in body)
    lines = [line for line in code.splitlines() if line.strip() and not re.match(r"\s*(#|from |import )", line)]
    assert len(lines) <= 30
