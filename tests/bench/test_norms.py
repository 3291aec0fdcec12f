"""The constants of tasks: medians of random search, read back, and a search that finds what is known to be best."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import norms as command
from trimtab._random import rng_for
from trimtab.bench import norms, runs
from trimtab.bench._families import task
from trimtab.bench.cell import Cell
from trimtab.bench.norms import SIZES, Norm, medians, norm


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A norms.json of this test's own."""
    monkeypatch.setattr(norms, "FILE", tmp_path / "norms.json")
    norms._rows.cache_clear()
    yield norms.FILE
    norms._rows.cache_clear()


# ── medians ──────────────────────────────────────────────────────────────────


def test_medians_are_those_of_many_random_searches() -> None:
    losses = rng_for(0, "losses").exponential(size=500)
    found = medians(losses)
    for n in (1, 5, 25):
        least = losses[rng_for(1, "draws").integers(0, 500, (20000, n))].min(axis=1)
        assert found[n] == pytest.approx(np.median(least), rel=0.03)
    assert list(found) == list(SIZES)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_ten_draws_are_the_quantile_of_the_source() -> None:
    """1 - (1/2)^(1/10) = 0.0670: of 1,000 losses the 67th, from 1 counted."""
    assert medians(np.arange(1.0, 1001.0), (10,)) == {10: 67.0}


def test_random_search_scores_one_against_itself() -> None:
    losses = rng_for(2, "losses").normal(size=2000)
    found, best = medians(losses), losses.min() - 0.1
    runs = losses[rng_for(3, "runs").integers(0, 2000, (400, 200))]
    for n in SIZES:
        score = (np.median(runs[:, :n].min(axis=1)) - best) / (found[n] - best)
        assert score == pytest.approx(1, abs=0.07)


def test_draws_that_break_a_constraint_are_worse_than_any() -> None:
    losses = np.array([5.0, 1.0, 3.0, *[np.inf] * 7])
    found = medians(losses, (1, 2, 3, 10))
    assert found[1] == 3.0  # the median is infeasible: that of the feasible ones
    assert found[2] == 3.0  # the third of ten, 5, is worse than that
    assert found[10] == 1.0


# ── reading ──────────────────────────────────────────────────────────────────


def test_between_stored_numbers_the_scale_is_log_n() -> None:
    made = Norm(0.0, True, {1: 8.0, 10: 4.0, 100: 2.0})
    assert made.reference == 8.0
    assert [made.at(n) for n in (1, 10, 100, 1000, 0.5)] == [8, 4, 2, 2, 8]
    assert made.at(10**0.5) == pytest.approx(6)


def test_another_revision_has_no_constants(file: Path) -> None:
    made = task("fixtures/branin_cat")
    file.write_text(
        json.dumps({made.name: {"revision": 1, "draws": 1, "exact": True, "best": 1.0, "random": {"1": 2.0}}})
    )
    assert norm(made) == Norm(1.0, True, {1: 2.0})
    assert norm(replace(made, revision=2)) is None
    assert norm(replace(made, name="fixtures/other")) is None


def test_no_file_no_constants(file: Path) -> None:
    assert norm(task("fixtures/branin_cat")) is None


def test_the_file_that_comes_along_is_sound() -> None:
    rows = json.loads(norms.FILE.read_text(encoding="utf-8"))
    assert list(rows) == sorted(rows)
    for name, row in rows.items():
        assert set(row) == {"revision", "draws", "exact", "best", "random"}, name
        assert [int(n) for n in row["random"]] == list(SIZES)
        values, best = list(row["random"].values()), row["best"]
        falling = values[0] >= values[-1] and best <= values[-1] + 1e-6
        rising = values[0] <= values[-1] and best >= values[-1] - 1e-6
        assert falling or rising, name
    for name in ("fixtures/hartmann6", "fixtures/zdt1_d5", "fixtures/branin_con"):
        made = task(name)
        assert norm(made).best == made.best
        assert norm(made).exact


# ── the command ──────────────────────────────────────────────────────────────


def test_the_command_writes_a_line_a_task_and_the_same_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["fixtures/branin_con", "fixtures/zdt1_*", "--draws", "60"]
    assert command.main(argv) == 0
    first = file.read_text()
    assert len(first.splitlines()) == 4  # two braces, two tasks
    assert command.main(argv) == 0
    assert capsys.readouterr().out.count("\n") == 2  # the second time there was nothing to do
    assert command.main([*argv, "--again"]) == 0
    assert file.read_text() == first
    norms._rows.cache_clear()
    made = task("fixtures/branin_con")
    assert norm(made).best == made.best
    assert norm(made).at(1) >= norm(made).at(200) > made.best


def test_a_task_that_is_not_there_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["fixtures/branin_cta"]) == 1
    assert "Did you mean 'branin_cat'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["fixtures/branin_cat", "fixtures/hartmann6", "curves/net10", "fixtures/branin_con"])
def test_the_long_search_finds_what_is_known(name: str) -> None:
    made = task(name)
    X = made.space.sample(rng_for(0, "test"), 300)
    Y = command.evaluated(made, X)
    seen = command.long_search(made, X, Y, 6000)
    spread = np.median(Y[np.isfinite(Y)]) - made.best
    assert 0 <= seen.min() - made.best + 1e-9 < 0.002 * spread


def test_several_goals_are_hypervolumes() -> None:
    made = replace(task("fixtures/zdt1_d5"), best=None, exact=False)
    row = command.norm_of(made, 100)
    assert row["random"]["1"] <= row["random"]["200"] < row["best"] <= 0.8766666667
    assert row["best"] > 0.8
    assert row["exact"] is False


def test_a_best_that_a_run_has_beaten_is_raised_and_a_proven_one_stays(file: Path, tmp_path: Path) -> None:
    row = {"revision": 1, "draws": 10, "exact": False, "best": 20.0, "random": {"1": 30.0}}
    command.keep("fixtures/branin_cat", row)
    command.keep("fixtures/hartmann6", row | {"exact": True})
    command.keep("fixtures/zdt1_d5", row | {"best": 0.1})
    path = tmp_path / "seen.jsonl"
    cells = [Cell(f"fixtures/{name}", "random", 0, 30) for name in ("branin_cat", "hartmann6", "zdt1_d5")]
    runs.run(cells, path, jobs=1)
    found = {result.cell.task: result.trace for result in runs.results(path)}
    command.main(["--seen", str(path)])
    kept = command.kept()
    assert kept["fixtures/branin_cat"]["best"] == min(20.0, found["fixtures/branin_cat"][-1][2])
    assert kept["fixtures/hartmann6"]["best"] == 20.0
    assert kept["fixtures/zdt1_d5"]["best"] >= 0.1
