"""What a call of Study(…) may say: of a new study, of a stored one, and in the words of other tools."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt

SPACE = {"x": tt.Float(-1, 1)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


def stored(path: Path, **settings: Any) -> tt.Study:
    first = {"minimize": "loss", "seed": 3, "searcher": "random"} | settings
    return tt.Study("s", SPACE, storage=path, **first).optimize(
        lambda t: {"loss": t["x"] ** 2, "lat": 1.0, "mem": 1.0}, trials=3
    )


# ── the same call resumes ──


def test_the_same_call_changes_nothing(path: Path) -> None:
    settings: dict[str, Any] = {
        "constraints": ["mem <= 8"], "hidden": ["test"], "scheduler": "halving", "max_budget": 9,
        "stop": [tt.Patience(90)], "retry": {"times": 1, "on": ["failed"]}, "duplicates": "allow", "value": "best",
    }  # fmt: skip
    first = stored(path, **settings)
    events = len(list(first.log()))
    again = tt.Study("s", SPACE, storage=path, minimize="loss", seed=3, searcher="random", **settings)
    assert (first.resumed, again.resumed, again.changes) == (False, True, [])
    assert len(list(again.log())) == events
    assert again.seed == 3


def test_what_is_left_out_stays(path: Path) -> None:
    stored(path, constraints=["mem <= 8"], hidden=["test"], scheduler="halving", max_budget=9, duplicates="allow")
    s = tt.Study("s", storage=path, minimize="loss")
    assert s.changes == []
    assert s.history.constraints == ("mem <= 8",)
    assert s._log.ledger.hidden == ("test",)
    assert (s.searcher.name, s.scheduler, len(s.space)) == ("random", tt.Halving(max=9), 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"searcher": "tpe"}, ["searcher: random → tpe"]),
        ({"searcher": tt.TPE(startup=7)}, ["searcher: random → tpe"]),
        ({"scheduler": "median", "max_budget": 9}, ["scheduler: full → median"]),
        ({"max_budget": 9}, ["scheduler: full() → full(max=9)"]),
        ({"duplicates": "reuse"}, ["duplicates: avoid → reuse"]),
        ({"value": "best"}, ["value: last → best"]),
        ({"retry": {"times": 0}}, ["retry: {'times': 2, 'on': ['lost']} → {'times': 0}"]),
        ({"stop": [tt.Target(0.0)]}, ["stop: none → target 0.0"]),
        ({"hidden": ["test"]}, ["hidden: test"]),
    ],
)
def test_what_may_change_is_recorded_and_said(path: Path, change: dict[str, Any], says: list[str]) -> None:
    stored(path)
    s = tt.Study("s", storage=path, **change)
    assert s.changes == says
    assert [e.body.get("why") for e in s.log() if e.kind == "defined"][-1] == "; ".join(says)
    assert tt.Study("s", storage=path, **change).changes == [], "the second time it is what it was"
    assert len(s.optimize(lambda t: {"loss": t["x"] ** 2, "mem": 1.0}, more=2)) == 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 4}, "has the seed 3; this call says seed=4"),
        (
            {"maximize": "loss"},
            'minimizes "loss"; this call says maximize="loss".*Objectives can\'t change.*if_exists="new"',
        ),
        ({"minimize": "acc"}, 'minimizes "loss"; this call says minimize="acc"'),
        ({"minimize": ["loss", "lat"]}, 'says minimize="loss", "lat"'),
        ({"constraints": ["mem <= 6"]}, "has no constraints; this call says .'mem <= 6'.*Constraints can't change"),
    ],
)
def test_what_may_not_change(path: Path, change: dict[str, Any], says: str) -> None:
    stored(path)
    with pytest.raises(tt.StudyMismatch, match=says):
        tt.Study("s", storage=path, **change)


def test_max_budget_only_rises(path: Path) -> None:
    stored(path, scheduler="halving", max_budget=9)
    s = tt.Study("s", storage=path, max_budget=27)
    assert s.scheduler == tt.Halving(max=27), "the scheduler stays what it was"
    for lower in ({"max_budget": 9}, {"scheduler": tt.Halving(max=3)}, {"scheduler": "full", "max_budget": 1}):
        with pytest.raises(tt.StudyMismatch, match=r'"s" has max_budget 27; this call says .* can only rise'):
            tt.Study("s", storage=path, **lower)


def test_another_handle_follows_a_change_of_methods(path: Path) -> None:
    old = stored(path)
    tt.Study("s", storage=path, searcher=tt.TPE(startup=2))
    old.ask()
    assert old.trials[-1].method.startswith("tpe")
    tt.Study("s", storage=path, searcher="sobol")
    old.optimize(lambda t: {"loss": 1.0, "mem": 1.0}, more=1)
    assert old.trials[-1].method.startswith("sobol")


# ── names ──


def test_if_exists(path: Path) -> None:
    stored(path)
    with pytest.raises(tt.StudyMismatch, match=r'"s" exists in .*if_exists="resume"'):
        tt.Study("s", SPACE, storage=path, if_exists="error")
    assert [tt.Study("s", SPACE, storage=path, if_exists="new").name for _ in range(2)] == ["s-2", "s-3"]
    assert tt.Study("t", SPACE, storage=path, if_exists="error").name == "t"
    assert tt.Study("u", SPACE, storage=path, if_exists="new").name == "u", "a free name is taken as it is"
    assert len(tt.load(path, "s")) == 3
    with pytest.raises(tt.UnknownName, match="error, new, resume"):
        tt.Study("s", SPACE, storage=path, if_exists="overwrite")


def test_load_studies_delete(path: Path) -> None:
    with pytest.raises(tt.StorageError, match="does not exist"):
        tt.load(path)
    with pytest.raises(tt.StorageError, match="does not exist"):
        tt.studies(path)
    assert not path.exists(), "looking makes no file"
    stored(path)
    assert tt.load(path).name == "s"
    tt.Study("t", SPACE, storage=path)
    with pytest.raises(tt.StudyMismatch, match=r"holds 2 studies \(s, t\).*name='s'"):
        tt.load(path)
    with pytest.raises(tt.UnknownName, match="Known: s, t"):
        tt.load(path, "nope")
    told = {row["name"]: row for row in tt.studies(path)}
    assert (told["s"]["trials"], told["s"]["finished"], told["t"]["best"]) == (3, 3, None)
    assert told["s"]["best"] == tt.load(path, "s").best.value
    with pytest.raises(tt.UnknownName):
        tt.delete(path, "nope")
    tt.delete(path, "t")
    tt.delete(path, "s")
    assert tt.studies(path) == []
    with pytest.raises(tt.NoResult, match="holds no study yet"):
        tt.load(path)


# ── what makes no sense ──


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"name": ""}, tt.StudyMismatch, "needs a name"),
        ({"name": 5}, tt.StudyMismatch, "this one is 5"),
        ({"space": 5}, tt.SpaceError, "give a dict"),
        ({"storage": 5}, tt.StorageError, "is no storage"),
        ({"seed": "0"}, ValueError, "seed='0'"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"seed": 1.5}, ValueError, "seed=1.5"),
        ({"seed": True}, ValueError, "seed=True"),
        ({"max_budget": 0}, tt.Unsupported, "at least 1"),
        ({"minimize": []}, tt.StudyMismatch, "names no metric"),
        ({"minimize": 5}, TypeError, "a name, or a list of names"),
        ({"minimize": "a", "maximize": "a"}, tt.StudyMismatch, "named twice"),
        ({"minimize": "step"}, tt.StudyMismatch, "step"),
        ({"constraints": ["mem"]}, tt.SpaceError, 'The constraint "mem" is no condition.*"mem <= 8"'),
        ({"constraints": ["mem <="]}, tt.SpaceError, "mem <="),
        ({"constraints": ["m < 1", "m < 1"]}, tt.StudyMismatch, "twice"),
        ({"minimize": "loss", "hidden": ["loss"]}, tt.StudyMismatch, "can't be a test metric"),
        ({"duplicates": "no"}, tt.UnknownName, "allow, avoid, reuse"),
        ({"value": "mean"}, tt.UnknownName, "best, last"),
        ({"searcher": "tpee"}, tt.UnknownName, "'tpe'"),
        ({"scheduler": "halvin"}, tt.UnknownName, "'halving'"),
        ({"scheduler": "halving"}, TypeError, 'scheduler="halving" needs max_budget='),
        ({"scheduler": tt.Full(max=3), "max_budget": 3}, tt.StudyMismatch, "max= of its own"),
        ({"retry": {"tiems": 2}}, TypeError, "it says"),
        ({"retry": {"times": -1}}, TypeError, "whole number"),
        ({"retry": {"on": "lost"}}, TypeError, "list of words"),
        ({"retry": 3}, TypeError, "it says"),
        ({"max_budget": float("nan")}, TypeError, "Full: max=nan: a finite number"),
        ({"max_budget": float("inf")}, TypeError, "Full: max=inf: a finite number"),
        ({"max_budget": 10**400}, TypeError, "a finite number"),
        ({"max_budget": "9"}, TypeError, "Full: max='9' is text. Write a number, as max=9"),
        ({"max_budget": Decimal(9)}, TypeError, "a finite number"),
        ({"max_budget": float("inf"), "scheduler": "asha"}, tt.Unsupported, "and an end"),
        ({"scheduler": {"method": "asha", "max": 9, "eta": float("inf")}}, tt.Unsupported, "eta=inf"),
        ({"scheduler": {"method": "asha", "max": 9, "brackets": 1.5}}, tt.Unsupported, r"brackets=1.5\): 1 to 3"),
        ({"scheduler": {"method": "halving", "max": 9, "n": 2.5}}, tt.Unsupported, r"n=2.5\): how many trials"),
        ({"scheduler": {"method": "halving", "max": 9, "n": -3}}, tt.Unsupported, "at least 1"),
        ({"searcher": tt.TPE(startup=float("nan"))}, TypeError, "TPE: startup=nan: a finite number"),
        ({"stop": {"target": float("nan")}}, ValueError, r"Target\(nan\): a finite number"),
        ({"stop": {"patience": 0}}, ValueError, r"Patience\(0\): a whole number, at least 1"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], error: type[Exception], says: str) -> None:
    settings = {"name": "s", "space": SPACE} | settings
    with pytest.raises(error, match=says):
        tt.Study(settings.pop("name"), settings.pop("space"), **settings)


@pytest.mark.parametrize("rule", [tt.Target, tt.Patience, tt.Failures, tt.GpuHours])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a", True])
def test_a_rule_of_no_number(rule: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{rule.__name__}\({value!r}\)"):
        rule(value)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    again = {
        "scheduler": "asha", "max_budget": np.int64(9), "retry": {"times": np.int64(1), "on": ["crash"]},
        "stop": [tt.Target(np.float32(0.5)), tt.Patience(np.int64(50))], "storage": tmp_path / "n.db",
    }  # fmt: skip
    made = tt.Study("n", SPACE, minimize="loss", seed=np.int64(3), **again)
    made.optimize(lambda trial: 1.0, trials=np.int64(2), callbacks=lambda study, event: None)  # one needs no list
    assert len(made) == 2
    assert tt.Study("n", SPACE, minimize="loss", seed=np.int64(3), **again).changes == []
    with pytest.raises(TypeError, match=r"callbacks=3\): functions f\(study, event\)"):
        made.optimize(lambda trial: 1.0, more=1, callbacks=3)  # type: ignore[arg-type]


def test_one_name_needs_no_list() -> None:
    s = tt.Study("s", SPACE, minimize="loss", constraints="mem <= 8", hidden="test")
    assert (s.history.constraints, s._log.ledger.hidden) == (("mem <= 8",), ("test",))


def test_a_seed_is_drawn_once_and_kept(path: Path) -> None:
    a = tt.Study("a", SPACE, storage=path)
    assert tt.Study("a", SPACE, storage=path).seed == a.seed != tt.Study("b", SPACE, storage=path).seed
    assert tt.Study("a", SPACE, storage=path, seed=a.seed).seed == a.seed


# ── the words of other tools ──


@pytest.mark.parametrize(
    ("keyword", "says"),
    [
        ("sampler", "searcher="),
        ("search_alg", "searcher="),
        ("pruner", "scheduler="),
        ("direction", "minimize= or maximize="),
        ("directions", "minimize= or maximize="),
        ("metric", "minimize= or maximize="),
        ("load_if_exists", "if_exists="),
        ("study_name", "first argument"),
        ("random_state", "seed="),
        ("spce", "Did you mean 'space'"),
    ],
)
def test_foreign_keywords_of_study(keyword: str, says: str) -> None:
    with pytest.raises(TypeError) as caught:
        tt.Study("s", **{keyword: None})  # type: ignore[arg-type]
    assert f'Study() has no argument "{keyword}"' in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "says"),
    [
        ("n_trials", "trimtab says trials= (the study's total) or more= (so many more)."),
        ("num_samples", "trials="),
        ("n_jobs", "workers="),
        ("resources", "per_trial="),
        ("catch", "a failing trial is recorded"),
        ("show_progress_bar", "display="),
        ("trails", "Did you mean 'trials'"),
    ],
)
def test_foreign_keywords_of_optimize(keyword: str, says: str) -> None:
    with pytest.raises(TypeError) as caught:
        tt.Study("s", SPACE).optimize(lambda t: 0.0, **{keyword: 1})
    assert f'Study.optimize() has no argument "{keyword}"' in str(caught.value)
    assert says in str(caught.value)


def test_minimize_passes_settings_on_and_translates_the_rest(path: Path) -> None:
    s = tt.minimize(lambda t: t.float("x", -1, 1) ** 2, trials=3, storage=path, searcher="random", name="quick", seed=1)
    assert (s.name, s.seed, s.searcher.name, len(tt.load(path))) == ("quick", 1, "random", 3)
    with pytest.raises(TypeError, match=r'minimize\(\) has no argument "n_trials"'):
        tt.minimize(lambda t: 0.0, n_trials=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r'Study\(\) has no argument "storag"'):
        tt.minimize(lambda t: 0.0, trials=3, storag=path)


def test_a_loaded_study_has_all_it_needs(path: Path) -> None:
    stored(path, constraints=["mem <= 8"])
    s = tt.load(path)
    assert s.objectives == {"loss": "min"}
    s.optimize(lambda t: {"loss": t["x"] ** 2, "mem": 2.0}, more=2)
    assert len(s) == 5
    assert repr(s).startswith("Study('s', 5 finished, ")
