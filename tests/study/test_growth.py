"""Another space on resume: what may change, what becomes of old trials, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from trimtab.study.verify import verify

FIRST: dict[str, Any] = {"x": tt.Float(-1, 1), "k": tt.Int(1, 3), "c": tt.Choice(["a", "b"])}


def loss(trial: Any) -> float:
    return float(trial["x"] ** 2 + trial.get("k", 0) / 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    tt.Study("s", FIRST, minimize="loss", seed=0, storage=path, searcher="random").optimize(loss, trials=8)
    return path


def with_(path: Path, **domains: Any) -> tt.Study:
    """The study with some domains changed; None takes one away."""
    space = {name: domain for name, domain in (FIRST | domains).items() if domain is not None}
    return tt.Study("s", space, storage=path)


def go_on(s: tt.Study, trials: int = 12) -> list[Any]:
    """New trials, all of them inside the new space; old ones as they were; and every decision recomputable."""
    before = [dict(t.config) for t in s.trials]
    s.optimize(loss, more=trials)
    assert [dict(t.config) for t in s.trials[: len(before)]] == before
    new = s.trials[len(before) :]
    assert all(t.state == "finished" and s.space.inside(t.config) for t in new)
    assert verify(s._log.storage, "s").ok
    return new


def test_the_same_space_is_no_change(path: Path) -> None:
    assert with_(path).changes == []
    assert tt.Study("s", tt.Space(FIRST), storage=path).changes == []
    assert tt.Study("s", storage=path).changes == []
    assert [e.kind for e in tt.load(path).log()].count("defined") == 1


def test_widening(path: Path) -> None:
    s = with_(path, x=tt.Float(-3, 3))
    assert s.changes == ["x: Float(-1.0, 1.0) → Float(-3.0, 3.0)"]
    assert np.abs(s.history.X[:, 0]).max() <= 1
    assert any(abs(t.config["x"]) > 1 for t in go_on(s))


def test_narrowing_keeps_old_trials_as_evidence(path: Path) -> None:
    best = tt.load(path).best
    s = with_(path, x=tt.Float(0.5, 1), k=tt.Int(2, 3))
    assert len(s.changes) == 2
    assert len(s.history) == 8
    assert s.best == best, "outside, and still the best that was seen"
    assert (best.outside, s.best.outside) == (False, True)
    assert not s.space.inside(s.best.config)
    assert all(0.5 <= t.config["x"] <= 1 and t.config["k"] >= 2 for t in go_on(s))
    with pytest.raises(tt.SpaceError, match="outside"):
        s.enqueue({"x": 0.0})


def test_what_was_queued_waits_for_a_space_that_has_it(path: Path) -> None:
    s = tt.load(path)
    s.enqueue({"x": -0.75})
    s = with_(path, x=tt.Float(0, 1))
    go_on(s, 2)
    s = with_(path)
    assert go_on(s, 1)[0].config["x"] == -0.75


def test_a_new_parameter(path: Path) -> None:
    s = with_(path, n=tt.Float(0, 1, default=0.5), o=tt.Float(0, 1))
    assert [line.split(":")[0] for line in s.changes] == ["n", "o"]
    assert "old trials count as 0.5" in s.changes[0]
    assert "unknown in old trials" in s.changes[1]
    X, n = s.history.X, list(s.space.names).index("n")
    assert (X[:, n] == 0.5).all()
    assert np.isnan(X[:, n + 1]).all()
    assert all({"n", "o"} <= set(t.config) for t in go_on(s))
    assert "n" not in s.trial(0).config, "the log keeps what was run"


def test_a_retired_parameter(path: Path) -> None:
    s = with_(path, k=None)
    assert s.changes == ["k: retired (was Int(1, 3))"]
    assert s.history.X.shape == (8, 2)
    assert all("k" not in t.config for t in go_on(s))
    assert "k" in s.trial(0).config


def test_choices_come_and_go(path: Path) -> None:
    s = with_(path, c=tt.Choice(["a", "b", "new"]))
    assert "new" in {t.config["c"] for t in go_on(s)}
    s = with_(path, c=tt.Choice(["new"]))
    assert {t.config["c"] for t in go_on(s)} == {"new"}
    assert len(s.history) == 32
    assert tt.load(path).space["c"].choices


def test_conditions_and_rules_may_come(path: Path) -> None:
    s = with_(path, k=tt.Int(1, 3, when="c == 'a'"))
    assert len(s.changes) == 1
    assert all(("k" in t.config) == (t.config["c"] == "a") for t in go_on(s))
    s = tt.Study("s", tt.Space(FIRST, require=["x < 0.5"]), storage=path)
    assert s.changes
    assert all(t.config["x"] < 0.5 for t in go_on(s))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": tt.Int(0, 1)}, 'x was a Float and is now an Int.*another name, as "x_2"'),
        ({"c": tt.Float(0, 1)}, 'c was a Choice and is now a Float.*"c_2"'),
        ({"x": tt.Float(1e-3, 1, log=True)}, 'no place on a log scale.*"x_2"'),
    ],
)
def test_what_old_trials_can_not_follow_is_refused(path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(tt.SpaceError, match=says):
        with_(path, **change)
    assert tt.Study("s", FIRST, storage=path).changes == [], "and nothing was written"


def test_a_log_scale_where_all_values_have_a_place(path: Path) -> None:
    tt.Study("t", {"x": tt.Float(0.1, 1)}, storage=path, seed=1).optimize(loss, trials=3)
    s = tt.Study("t", {"x": tt.Float(1e-3, 1, log=True)}, storage=path)
    assert len(s.changes) == 1
    assert len(s.optimize(loss, more=3)) == 6


@pytest.mark.parametrize("searcher", ["tpe", "sobol", "halton", "latin", "grid", "random"])
def test_every_searcher_goes_on_in_another_space(tmp_path: Path, searcher: str) -> None:
    path = tmp_path / "s.db"
    settings: dict[str, Any] = {"minimize": "loss", "seed": 0, "storage": path, "searcher": searcher}
    tt.Study("s", FIRST, **settings).optimize(loss, trials=15)
    go_on(tt.Study("s", FIRST | {"x": tt.Float(-3, 0), "n": tt.Int(1, 5)}, storage=path))


def test_spaces_are_made_from_the_one_there(path: Path) -> None:
    s = tt.load(path)
    s = tt.Study("s", s.space.replace(x=tt.Float(-2, 2)).drop("c"), storage=path)
    assert [line.split(":")[0] for line in s.changes] == ["x", "c"]
    assert s.space.names == ("x", "k")


def test_a_handle_that_was_open_follows(path: Path) -> None:
    old = tt.Study("s", FIRST, storage=path)
    with_(path, x=tt.Float(5, 6))
    assert old.ask()["x"] >= 5
    assert old.space["x"].low == 5
    old.optimize(loss, more=2)
    assert all(t.config["x"] >= 5 for t in old.trials[8:])


def test_under_halving_paused_trials_outside_go_on(tmp_path: Path) -> None:
    path, seen = tmp_path / "s.db", set[int]()

    def objective(trial: Any) -> None:
        seen.add(trial.number)
        for step in trial.steps():
            trial.report(loss=loss(trial) + 1 / step)

    s = tt.Study("s", FIRST, minimize="loss", seed=0, storage=path, scheduler=tt.Halving(max=9), searcher="random")
    s.optimize(objective, trials=5)
    s = with_(path, x=tt.Float(0.9, 1))
    s.optimize(objective, trials=9)
    assert [t.state for t in s.trials].count("finished") == 1
    assert [t.state for t in s.trials].count("paused") == 8
    assert all(t.config["x"] >= 0.9 for t in s.trials[5:])
    assert s.best.number < 5, "an old trial, better than what the narrow range has, went on to the end"
    assert verify(path).ok
