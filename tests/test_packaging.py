"""The lower bounds that are declared are the ones that are tested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_lower_bounds_are_the_tested_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    chosen = [r for e in ("postgres", "parquet", "sklearn", "optuna", "bench") for r in extras[e]]
    declared = {*project["dependencies"], *(r for r in chosen if not r.startswith("trimtab["))}
    tested = [
        line.replace("==", ">=")
        for line in (ROOT / ".ci" / "oldest.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert sorted(tested) == sorted(declared)


def test_nothing_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        assert re.fullmatch(r"[\w.-]+>=[\d.]+", requirement), requirement
