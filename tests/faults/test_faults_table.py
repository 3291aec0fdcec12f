"""The table of faults is complete, and every test that it names exists."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TABLE = {
    int(n): row
    for group in tomllib.loads((TESTS / "faults" / "faults.toml").read_text("utf-8")).values()
    for n, row in group.items()
}
LATER = {74}  # there is no dashboard yet


@cache
def named_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_"))


def test_every_fault_has_its_row() -> None:
    assert sorted(TABLE) == list(range(1, 85))


@pytest.mark.parametrize("n", sorted(TABLE))
def test_what_holds_it_exists(n: int) -> None:
    fault, behaviour, *tests = TABLE[n]
    assert fault
    assert tests
    if n in LATER:
        return
    assert behaviour
    for test in tests:
        file, _, name = test.partition("::")
        assert named_in(file), f"{file} has no tests"
        assert name == "*" or name in named_in(file), test
