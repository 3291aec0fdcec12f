"""The README tells the truth: its Python runs as a script without a guard, its files load, its commands exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab

ROOT = Path(trimtab.__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.skipif(not README.exists(), reason="an installed package has no README")


def blocks(kind: str) -> list[str]:
    return [body for word, body in BLOCK.findall(README.read_text(encoding="utf-8")) if word == kind]


def script(text: str, folder: Path) -> str:
    """What a block prints, run as a file of its own."""
    file = folder / "block.py"
    file.write_text(text, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(file)], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_blocks_run_as_scripts(number: int, tmp_path: Path) -> None:
    printed = script(blocks("python")[number], tmp_path)
    if printed:
        assert printed == blocks("text")[number], f"the README shows another output; it is now:\n{printed}"


def test_python_blocks_run_again_on_the_study_they_made(tmp_path: Path) -> None:
    first = blocks("python")[0]
    assert script(first, tmp_path) == script(first, tmp_path)


def test_toml_blocks_load() -> None:
    import tomllib

    from trimtab.cli._toml import plan_of

    for text in blocks("toml"):
        plan = plan_of(tomllib.loads(text), Path("block.toml"))
        space = plan.make_space()
        assert space is not None
        assert space.default is not None


def test_the_table_of_commands_names_real_ones() -> None:
    from trimtab.cli import trimtab as group

    rows = re.findall(r"^\| `trimtab ([^`]+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 9
    for row in rows:
        verb, *words = shlex.split(row.partition(">")[0])
        command = group.commands[verb]
        options = [w for w in words[: words.index("--")] if w.startswith("-")] if "--" in words else words
        known = {o for p in command.params for o in p.opts}
        assert {w for w in options if w.startswith("-")} <= known, row


def test_the_commands_are_those_that_ci_runs() -> None:
    ci = ROOT / ".ci" / "run"
    if not ci.exists():
        pytest.skip("no .ci here")
    for block in blocks("sh"):
        assert f"'{block.strip()}'" in ci.read_text()


def test_the_example_says_what_the_readme_says() -> None:
    import tomllib

    told, real = tomllib.loads(blocks("toml")[0]), tomllib.loads((ROOT / "examples" / "digits.toml").read_text())
    assert told["space"]["model"]["branches"]["svm"] == real["space"]["model"]["branches"]["svm"]
    assert told["run"] == real["run"]


@pytest.mark.slow
def test_the_first_command_does_what_it_says(tmp_path: Path) -> None:
    """The shell block on a shortened study, in a checkout of its own; packages come from this environment."""
    pytest.importorskip("sklearn")
    import shutil

    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.db*", "*.runs"))
    last = (
        blocks("sh")[0]
        .strip()
        .split(" && ")[-1]
        .replace(".venv/bin/trimtab", f"{shlex.quote(sys.executable)} -m trimtab")
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for wanted in ("digits: 4 trials in ", "digits: done — 4 of 4 trials"):
        done = subprocess.run(f"{last} --trials 4", shell=True, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert wanted in done.stdout
    shown = subprocess.run(
        [sys.executable, "-m", "trimtab", "run", "examples/solver.toml", "--trials", "8"],
        cwd=tmp_path, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "solver: 8 trials in " in shown.stdout
