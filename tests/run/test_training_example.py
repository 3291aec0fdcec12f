"""examples/train.py: a run that was paused and went on is the one that was never paused, to the last bit."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt

FILE = Path(__file__).parents[2] / "examples" / "train.py"
CONFIG = {"lr": 0.1, "width": 8, "batch": 256, "optimizer": "momentum", "momentum": 0.9}


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    pytest.importorskip("sklearn")
    return runpy.run_path(str(FILE), run_name="example")


def test_paused_and_gone_on_is_never_paused(example: dict[str, Any], tmp_path: Path) -> None:
    objective, space = example["objective"], example["SPACE"]
    whole = tt.Trial.fixed(CONFIG, budget=6, space=space, folder=tmp_path / "whole")
    objective(whole)
    first = tt.Trial.fixed(CONFIG, budget=6, space=space, pause=2, folder=tmp_path / "first")
    objective(first)
    rest = tt.Trial.fixed(CONFIG, budget=6, space=space, checkpoint=first.saved, folder=tmp_path / "rest")
    objective(rest)
    assert first.reports + rest.reports == whole.reports
    assert [r["step"] for r in rest.reports] == [3, 4, 5, 6]


def test_a_study_of_it(example: dict[str, Any], tmp_path: Path) -> None:
    s = tt.Study("net", example["SPACE"], minimize="error", storage=tmp_path / "net.db", scheduler="asha", max_budget=9,
                 seed=0)  # fmt: skip
    s.optimize(example["objective"], trials=8)
    assert s.counts["stopped"] > 2
    assert s.best.step == 9
    assert s.best.value < s.trial(0).value
    s.close()
