"""Define by run: the space is the hull of everything that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab import Choice, Const, Float, Int, Space, SpaceError
from trimtab.study._grow import grown
from trimtab.study.verify import verify


def hull(*domains: Any) -> Any:
    space = Space({"x": domains[0]})
    for domain in domains[1:]:
        space = grown(space, {"x": [None, Space({"x": domain}).to_json()]})
    return space.domains["x"]


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        ([Float(0, 1), Float(0, 1)], Float(0, 1)),
        ([Float(0, 1), Float(-1, 0.5)], Float(-1, 1)),
        ([Float(0, 1, step=0.25), Float(0.5, 2, step=0.25)], Float(0, 2, step=0.25)),
        ([Int(0, 10, step=2), Int(1, 11, step=2)], Int(0, 11)),  # two grids that don't meet
        ([Int(1, 8, log=True), Int(2, 9)], Int(1, 9)),
        ([Const(1), Int(1, 3)], Int(1, 3)),
        ([Int(1, 3), Const(7)], Int(1, 7)),
        ([Int(1, 7, step=3), Const(4)], Int(1, 7, step=3)),
        ([Int(1, 7, step=3), Const(5)], Int(1, 7)),
        ([Float(1, 2, log=True), Const(0.0)], Float(0, 2)),
        ([Const(3), Const(3)], Const(3)),
        ([Const(3), Const(1)], Int(1, 3)),
        ([Const(3), Const(0.5)], Float(0.5, 3)),
        ([Const("a"), Const(None)], Choice(["a", None])),
        ([Choice(["a", "b"]), Const("c")], Choice(["a", "b", "c"])),
        ([Choice(["a"]), Choice(["b", "a"])], Choice(["a", "b"])),
        ([Float(0, 1, when="k > 1"), Float(0, 2)], Float(0, 2, when="k > 1")),
    ],
)  # fmt: skip
def test_hull(domains: list[Any], expected: Any) -> None:
    if getattr(domains[0], "when", None) is not None:
        space = grown(Space({"k": Int(0, 3), "x": domains[0]}), {"x": [0, Space({"x": domains[1]}).to_json()]})
        assert space.domains["x"] == expected
    else:
        assert hull(*domains) == expected


@pytest.mark.parametrize("domains", [[Int(1, 3), Float(0, 1)], [Int(1, 3), Const(0.5)], [Int(1, 3), Const(True)]])
def test_another_kind_is_refused(domains: list[Any]) -> None:
    with pytest.raises(SpaceError, match=r"x was a Int in earlier trials .* give it another name"):
        hull(*domains)


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────


def branches(trial: Any) -> float:
    kind = trial.choice("kind", ["a", "b", None])
    x: float = trial.float("x", -5, 5)
    if kind == "a":
        return x * x + float(trial.float("decay", 1e-4, 1, log=True))
    if kind == "b":
        return x * x + 0.5 + int(trial.int("k", 1, 9, step=2))
    layers = trial.int("layers", 1, 3)
    return x * x + 5 + sum(trial.int(f"units_{i}", 1, 4) for i in range(layers))


def test_conditions_become_part_of_the_space() -> None:
    study = tt.minimize(branches, trials=40, seed=0)
    whens = {name: getattr(d.when, "text", None) for name, d in study.space.domains.items()}
    assert whens == {
        "kind": None, "x": None, "decay": "kind in ['a']", "k": "kind in ['b']", "layers": "kind in [None]",
        "units_0": "kind in [None]", "units_1": "layers >= 2", "units_2": "layers >= 3",
    }  # fmt: skip
    assert study.best.value < 0.3


def test_what_only_some_trials_have_is_searched() -> None:
    """Without conditions no trial has every name, and nothing is learnt: the median of ten seeds is 0.06."""
    best = sorted(tt.minimize(branches, trials=60, seed=seed, searcher="tpe").best.value for seed in range(5))
    assert best[2] < 0.03


def test_a_resumed_study_and_an_undisturbed_one_are_the_same(tmp_path: Path) -> None:
    whole = tt.minimize(branches, trials=30, seed=1, storage=tmp_path / "a.db")
    for total in (7, 19, 30):
        parts = tt.minimize(branches, trials=total, seed=1, storage=tmp_path / "b.db")
        parts.close()
    assert [t.config for t in tt.load(tmp_path / "b.db").trials] == [t.config for t in whole.trials]
    found = verify(tmp_path / "a.db")
    assert found.ok, found.first_difference


def test_by_hand_it_is_the_same() -> None:
    study = tt.Study("s", minimize="value", seed=1)
    for _ in range(30):
        trial = study.ask()
        study.tell(trial, branches(trial))
    assert [t.config for t in study.trials] == [t.config for t in tt.minimize(branches, trials=30, seed=1).trials]


def test_a_searcher_that_takes_no_conditions_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tt.RandomSearch, "takes", frozenset({"objectives"}))
    study = tt.minimize(branches, trials=20, seed=0, searcher="random")
    assert all(domain.when is None for domain in study.space.domains.values())
    study.optimize(branches, more=2)


def test_a_condition_that_is_proved_wrong_goes() -> None:
    def objective(trial: Any) -> float:
        kind = trial.choice("kind", ["a", "b"])
        if kind == "a" or trial.number >= 12:
            trial.float("late", 0, 1)
        return float(trial.float("x", 0, 1))

    study = tt.minimize(objective, trials=12, seed=0)
    study.ask()
    assert study.space.domains["late"].when.text == "kind in ['a']"
    study.optimize(objective, more=12)
    study.ask()
    assert study.space.domains["late"].when is None
