"""Whether a later run's objective is still the one that the earlier trials were made with."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study._objective import changed, parts_of, program_parts

SCRIPT = '''
"""A script."""
EPOCHS = 3
calls = 0

class Net:
    def __init__(self, width): self.width = width
    def loss(self): return helper(self.width)

def helper(x):
    """Squares."""
    return x * x  # by hand

def objective(trial):
    global calls
    calls += 1
    return Net(trial["x"]).loss() + EPOCHS
'''


def load(tmp_path: Path, text: str, file: str = "train.py") -> Any:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (("x * x", "x * x * x"), ["helper"]),
        (("EPOCHS = 3", "EPOCHS = 4"), ["EPOCHS"]),
        (("self.width = width", "self.width = -width"), ["Net"]),
        (("+ EPOCHS", "- EPOCHS"), ["objective"]),
        (("calls = 0", "calls = 7"), []),
        (("  # by hand", ""), []),
        (('"""Squares."""', '"""Its square."""'), []),
        (("return x * x", "return (\n        x * x\n    )"), ["helper"]),
        (("x * x", "x  *  x"), []),
        (("def helper", "\n\ndef unused(): pass\n\ndef helper"), []),
    ],
)
def test_what_counts_as_a_change(tmp_path: Path, edit: tuple[str, str], names: list[str]) -> None:
    old = parts_of(load(tmp_path / "a", SCRIPT).objective)
    new = parts_of(load(tmp_path / "b", SCRIPT.replace(*edit), "renamed.py").objective)
    assert set(old) == {"objective", "Net", "helper", "EPOCHS"}
    assert changed(old, new) == names


def test_callables_of_every_kind() -> None:
    def made(size: int, power: int = 2) -> Any:
        def objective(trial: Any, power: int = power) -> float:
            return float(trial["x"] ** power * size)

        return objective

    class Model:
        def __init__(self, size: int) -> None:
            self.size = size

        def __call__(self, trial: Any) -> float:
            return float(self.size)

        def fit(self, trial: Any) -> float:
            return 0.0

    assert set(parts_of(made(3))) == {"objective", "size", "default 0 of objective"}
    assert changed(parts_of(made(3)), parts_of(made(3))) == []
    assert changed(parts_of(made(3)), parts_of(made(4))) == ["size"]
    assert changed(parts_of(made(3)), parts_of(made(3, 3))) == ["default 0 of objective"]
    assert set(parts_of(functools.partial(made(3), power=3))) >= {"objective", "power"}
    assert set(parts_of(Model(1))) == {"Model"}
    assert set(parts_of(Model(1).fit)) == {"Model.fit", "Model"}
    assert parts_of(len) == {}
    assert parts_of(os.path.join) == {}, "a library's function is not the user's own"


def test_lambdas_are_told_apart_on_one_line() -> None:
    a, b, c = (lambda t: t["x"]), (lambda t: t["x"] + 1), (lambda t: t["x"])
    assert changed(parts_of(a), parts_of(c)) == []
    assert changed(parts_of(a), parts_of(b)) == ["<lambda>"]
    other = {"<lambda>": "py2.7:000000000000"}
    assert changed(parts_of(a), other) == [], "bytecodes of two Pythons say nothing"
    in_set = [parts_of(eval("lambda t: t in {'a', 'b', 'c', 'd'}")) for _ in range(2)]
    assert in_set[0] == in_set[1]


def test_hashes_are_the_same_in_every_process(tmp_path: Path) -> None:
    load(tmp_path, SCRIPT)
    code = (
        "import train; from trimtab.study._objective import parts_of; print(sorted(parts_of(train.objective).items()))"
    )
    code += "; print(parts_of(lambda t: t in {'a', 'b', 'c', 'd'}))"
    path = os.pathsep.join([str(tmp_path), str(Path(tt.__file__).parent.parent)])
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1


def test_of_a_program_its_line_and_the_files_it_names(tmp_path: Path) -> None:
    (tmp_path / "solver").write_bytes(b"\x7fELF 1")
    (tmp_path / "in.dat").write_text("3")
    command = ["./solver", "--alpha={alpha}", ["--restart", "{restart}"], "in.dat"]
    old = program_parts(command, tmp_path)
    assert set(old) == {"command", "solver", "in.dat"}
    (tmp_path / "solver").write_bytes(b"\x7fELF 2")
    assert changed(old, program_parts(command, tmp_path)) == ["solver"]
    assert changed(old, program_parts(command[:-1], tmp_path)) == ["command", "solver", "in.dat"]
