"""Tasks that stand for all of a bench: what is chosen, what is told of it, and what is refused."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.bench.picked import kendall, pick
from trimtab.bench.subset import task_points
from trimtab.cli import code_of
from trimtab.errors import TrimtabError, UnknownName

_spec = importlib.util.spec_from_file_location("_made_up_results", Path(__file__).parent / "_made_up_results.py")
assert _spec is not None
assert _spec.loader is not None
made_up: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made_up)

FEW = {name: made_up.SPEED[name] for name in ("random", "sobol", "gp", "tpe")}


def bench(**more: Any) -> Any:
    return made_up.results(speeds=FEW, seeds=3, kinds=(), **more)


def picked(results: Any, size: int = 4, names: Any = ()) -> Any:
    return pick(results, size, names, norms=made_up.norms(), task=made_up.task)


def test_a_choice_covers_better_than_a_usual_one() -> None:
    found = picked(bench())
    assert len(set(found.tasks)) == 4
    assert set(found.tasks) <= set(made_up.TASKS) == set(found.among)
    assert len(set(found.optimizers)) == 3
    assert found.whole <= min(
        picked(bench(), 4, names).whole for names in (("gp", "tpe", "random"), ("gp", "sobol", "tpe"))
    )
    assert found.discrepancy <= found.random <= found.usual
    assert found.best == ("gp", "gp")
    assert set(found.ranked) == set(FEW)
    assert found.tau is not None
    assert -1 <= found.tau <= 1
    assert found == picked(list(reversed(bench())))  # whatever the order of lines
    text = found.text()
    assert text.startswith("4 of 12 tasks, by how ")
    assert "gp is first on both" in text
    assert max(map(len, text.splitlines())) <= 80


def test_all_of_the_tasks_are_themselves() -> None:
    found = picked(bench(), 12, ("gp", "random"))
    assert found.tasks == found.among
    assert found.discrepancy == found.random == found.whole
    assert (found.tau, found.usual_tau) == (1.0, 1.0)


def test_optimizers_that_are_named_tell_tasks_apart_and_all_are_ranked() -> None:
    extra = made_up.results(made_up.TASKS[:5], {"hebo": 1.3}, seeds=3, kinds=())
    found = picked([*bench(), *extra], 3, ("tpe", "gp"))
    assert found.optimizers == ("tpe", "gp")
    assert len(found.among) == 12
    assert "hebo" not in found.ranked
    less = picked([*bench(), *extra], 3, ("hebo", "gp"))
    assert less.among == tuple(sorted(made_up.TASKS[:5]))
    assert "hebo" in less.ranked


def test_tasks_stopped_early_have_optimizers_of_their_own() -> None:
    both = made_up.results(speeds=FEW, seeds=3)
    found = picked(both, 2, ("asha+tpe", "dehb"))
    assert set(found.among) == set(made_up.STEPS_TASKS)
    with pytest.raises(TrimtabError, match=r"asha\+tpe ran none of the tasks of gp\."):
        picked(both, 2, ("gp", "asha+tpe"))


def test_runs_of_unequal_length_and_without_a_value_are_judged_too() -> None:
    results = bench()
    results = [
        replace(r, cell=replace(r.cell, budget=40.0), spent=40.0, trace=tuple(row for row in r.trace if row[0] <= 40))
        if r.cell.task == made_up.TASKS[0] and r.cell.optimizer == "gp"
        else replace(r, trace=()) if r.cell.seed == 1 and r.cell.optimizer == "sobol" else r
        for r in results
        if r.cell.seed < 2 or r.cell.optimizer != "tpe"
    ]  # fmt: skip
    assert len(picked(results, 4, ("gp", "sobol", "tpe")).among) == 12


@pytest.mark.parametrize(
    ("size", "names", "message"),
    [
        (13, (), "13 tasks can't be chosen: .* ran 12 tasks in common"),
        (3, ("gp",), "at least two optimizers, and here is only gp"),
        (3, ("gp", "gp"), "at least two optimizers, and here is only gp"),
        (3, ("gp", "tp"), "Did you mean 'tpe'"),
    ],
)
def test_what_can_not_be_chosen_is_said(size: int, names: Any, message: str) -> None:
    with pytest.raises(TrimtabError, match=message):
        picked(bench(), size, names)


def test_too_little_to_choose_from_is_said() -> None:
    with pytest.raises(TrimtabError, match="no results"):
        picked([])
    with pytest.raises(TrimtabError, match="here is only gp"):
        picked([r for r in bench() if r.cell.optimizer == "gp"])
    with pytest.raises(UnknownName):
        picked(bench(), 3, ("nobody", "gp"))
    many = [replace(r, cell=replace(r.cell, optimizer=f"{r.cell.optimizer}-{i}")) for r in bench() for i in range(2)]
    many = [r for r in many if r.state == "done"]
    with pytest.raises(TrimtabError, match="8 optimizers are too many to tell tasks apart by"):
        picked(many, 3, sorted({r.cell.optimizer for r in many}))
    none = [made_up.failed(m, "bbob/f1-d5-i1", 0, 100.0, "missing", "not here") for m in ("gp", "tpe")]
    with pytest.raises(TrimtabError, match="No run came to an end"):
        picked(none)


def test_seeds_that_were_not_run_take_no_part_in_points() -> None:
    costs = [[[0.0, 2.0], [4.0, np.nan]]]
    np.testing.assert_allclose(task_points(costs), [[0.25, 1.0]])
    with pytest.raises(ValueError, match="finite"):
        task_points([[[np.nan, np.nan], [4.0, 1.0]]])


def test_kendall_by_hand() -> None:
    up = np.arange(4.0)
    assert (kendall(up, up), kendall(up, -up), kendall(up, np.zeros(4))) == (1.0, -1.0, 0.0)
    assert kendall(up, np.array([0.0, 1.0, 3.0, 2.0])) == pytest.approx(4 / 6)
    assert kendall(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 6**0.5)


def test_as_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.jsonl"
    tasks = ("fixtures/branin_cat", "fixtures/hartmann6", "fixtures/hartmann6~noise=0.1")
    made = made_up.results(tasks, FEW, seeds=3, kinds=())
    file.write_text("".join(r.line() + "\n" for r in made))
    assert code_of(["bench", "subset", str(file), "--tasks", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["tasks"]) == 2
    assert told["among"] == sorted(tasks)
    assert code_of(["bench", "subset", str(file), "--tasks", "2", "--optimizers", "gp,random"]) == 0
    assert "2 of 3 tasks, by how gp and random ended on them" in capsys.readouterr().out
    assert code_of(["bench", "subset", str(file), "--tasks", "4"]) == 2
    assert "4 tasks can't be chosen: gp, random, sobol and tpe ran 3 tasks in common." in capsys.readouterr().err
