"""The results in the repository can be read, belong to known tasks and optimizers, and make a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.bench import results
from trimtab.bench._optimizers import optimizer
from trimtab.bench.suites import DEV

FOLDER = Path(__file__).parents[2] / "benchmarks" / "results"
FILES = sorted(FOLDER.glob("*.jsonl"))

pytestmark = pytest.mark.skipif(not FILES, reason="an installed package has no kept results")


def test_each_line_is_of_the_suite() -> None:
    tasks = {name for group in DEV.groups for name in group.tasks}
    found = results(*FILES)
    assert {result.cell.task for result in found} <= tasks
    assert all(optimizer(name).name == name for name in {result.cell.optimizer for result in found})
    assert all(result.where.get("version") and result.where["date"] for result in found if result.state == "done")


def test_addresses_are_those_of_the_cells() -> None:
    """A changed hash would orphan every result that anybody keeps."""
    import json

    for file in FILES:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["address"] for line in lines] == [result.cell.address for result in results(file)]
