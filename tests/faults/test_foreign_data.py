"""Data from elsewhere: pickles, NaN, files in another language, escape codes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.log import to_text

ROOT = Path(__file__).parents[2]
BY_VALUE = {"trimtab/run/_pickling.py", "trimtab/run/_worker.py"}  # parent to its own child, over memory they share


def test_nothing_that_is_stored_is_unpickled() -> None:
    """Only a worker loads a pickle: its own driver's, from memory that no file ever held."""
    found = set()
    for path in (ROOT / "trimtab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            calls = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
            if calls or {n.split(".")[0] for n in names} & {"pickle", "cloudpickle", "marshal", "shelve", "dill"}:
                found.add(path.relative_to(ROOT).as_posix())
    assert found <= BY_VALUE


def test_json_has_no_nan(tmp_path: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    assert json.loads(to_text({"a": [float("nan"), float("inf"), -float("inf")]}), parse_constant=refuse) == {
        "a": ["NaN", "Infinity", "-Infinity"]
    }
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", storage=tmp_path / "s.db", stop=[])
    study.optimize(lambda t: float("nan") if t.number else 1.0, trials=2)
    study.export(tmp_path / "s.json")
    rows = json.loads((tmp_path / "s.json").read_text("utf-8"), parse_constant=refuse)
    assert [row["state"] for row in rows] == ["finished", "failed"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("study.yaml", "name: digits\nminimize: loss\nspace:\n  x: !!python/object/apply:os.system ['true']\n"),
        ("study.json", '{"name": "digits", "minimize": "loss"}'),
        ("study.toml", "name: digits\n"),
        ("study.toml", "\x00\x01\x02"),
    ],
)
def test_a_study_file_in_another_language_is_told(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    argv = [sys.executable, "-m", "trimtab", "run", name]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert name in done.stderr
    assert "TOML" in done.stderr or "toml" in done.stderr
    assert "Traceback" not in done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {name}


def test_escape_codes_reach_no_terminal(tmp_path: Path) -> None:
    """A name, a choice and an error that hold escape codes: none of the verbs lets one through."""
    red, storage = "\x1b[31mred\x1b]0;title\x07", tmp_path / "s.db"
    study = tt.Study(f"s{red}", {"x": "0.0..1.0", "kind": [f"a{red}", "b"]}, minimize="loss", storage=storage, stop=[])

    def objective(trial: tt.Trial) -> float:
        if trial.number == 1:
            raise ValueError(red)
        return 1.0

    study.optimize(objective, trials=2)
    study.note(0, red)
    study.close()
    for words in (["show"], ["show", "0"], ["show", "1"], ["list"], ["show", "--failures"]):
        argv = [sys.executable, "-m", "trimtab", words[0], "s.db", *words[1:]]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr, words
        assert "\x07" not in done.stdout + done.stderr, words
