"""Studies without a declared space: it is the hull of what objectives ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study.verify import verify


def study(**settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0} | settings
    return tt.Study("s", **settings)


def objective(trial: Any) -> float:
    x = trial.float("x", 0, 5)
    if trial.choice("kind", ["a", "b"]) == "a":
        return float(x + trial.int("k", 1, 3))
    return float(x + (0.5 if trial.bool("flag") else 0.0))


def test_the_space_grows_with_what_is_asked_for() -> None:
    s = study().optimize(objective, trials=20)
    assert set(s.space.names) == {"x", "kind", "k", "flag"}
    assert {t.state for t in s.trials} == {"finished"}
    for t in s.trials:
        assert set(t.config) == {"x", "kind", "k" if t.config["kind"] == "a" else "flag"}, "only what was asked for"
    assert verify(s._log.storage).ok


@pytest.mark.parametrize("workers", [1, 2])
def test_in_worker_processes_too(workers: int) -> None:
    s = study(searcher="random").optimize(objective, trials=6, workers=workers)
    assert {t.state for t in s.trials} == {"finished"}
    assert "x" in s.space


def test_the_same_seed_the_same_study() -> None:
    a, b = (study().optimize(objective, trials=12) for _ in range(2))
    assert [t.config for t in a.trials] == [t.config for t in b.trials]


def test_widening_keeps_what_was_seen() -> None:
    s = study().optimize(lambda t: t.float("x", 0, 1), trials=12)
    before = [t.config for t in s.trials]
    s.optimize(lambda t: t.float("x", -5, 5), more=12)
    assert (s.space["x"].low, s.space["x"].high) == (-5, 5)
    assert [t.config for t in s.trials[:12]] == before
    assert min(t.config["x"] for t in s.trials) < 0
    s.optimize(lambda t: t.float("x", 0, 1), more=3)
    assert s.space["x"].low == -5, "the hull never shrinks"
    assert all(0 <= t.config["x"] <= 1 for t in s.trials[24:]), "and a trial gets what it asked for"
    assert verify(s._log.storage).ok


def test_new_options() -> None:
    s = study().optimize(lambda t: 1.0 if t.choice("c", ["a"]) == "a" else 0.0, trials=3)
    s.optimize(lambda t: 1.0 if t.choice("c", ["b", "a"]) == "a" else 0.0, more=6)
    assert len(s) == 9, "all that is known was tried, but there may be more"
    assert list(s.space["c"].choices) == ["a", "b"]
    assert s.best.config == {"c": "b"}


def test_a_change_of_kind_is_refused_and_the_trial_waits() -> None:
    s = study().optimize(lambda t: t.float("x", 0, 1), trials=2)
    with pytest.raises(tt.SpaceError, match="x was a Float in earlier trials and is a Choice now"):
        s.optimize(lambda t: float(t.choice("x", ["1", "2"])), more=2)
    assert s.trials[-1].state == "queued"
    s.optimize(lambda t: t.float("x", 0, 1), trials=4)
    assert [t.state for t in s.trials] == ["finished"] * 4


def test_one_name_with_two_domains_in_one_trial_fails_it() -> None:
    s = study()
    s.optimize(lambda t: t.float("x", 0, 1) + (t.float("x", 0, 2) if t.number == 1 else 0), trials=2)
    assert [t.state for t in s.trials] == ["finished", "failed"]
    assert "asked for twice" in str((s.trial(1).error or {})["text"])


def test_asked_twice_alike_it_is_the_same() -> None:
    s = study().optimize(lambda t: t.float("x", 0, 1) - t.float("x", 0, 1), trials=2)
    assert [t.value for t in s.trials] == [0.0, 0.0]


def test_the_queue() -> None:
    s = study()
    assert s.enqueue({"x": 1.0})
    assert s.enqueue({"x": 2.0, "kind": "b"}), "another configuration"
    assert not s.enqueue({"x": 1.0})
    assert s.enqueue({"x": 77.0}), "outside what will be asked for: that can't be known yet"
    s.optimize(objective, trials=5)
    assert s.trial(0).config["x"] == 1.0
    assert (s.trial(1).config["x"], s.trial(1).config["kind"]) == (2.0, "b")
    assert 0 <= float(s.trial(2).config["x"]) <= 5
    t = s.ask(fixed={"x": 3.0})
    assert objective(t) >= 3.0
    assert t.float("x", 0, 5) == 3.0


def test_by_hand() -> None:
    s = study()
    for _ in range(12):
        t = s.ask()
        t.report(loss=(t.float("x", -5, 5) - 2) ** 2)
        s.tell(t)
    assert len(s.space) == 1
    t = s.ask()
    s.tell(t, (t.float("x", -9, 5) - 2) ** 2)
    assert s.space["x"].low == -9, "asked for without a report"
    assert s.trials[-1].config.keys() == {"x"}
    assert verify(s._log.storage).ok
    assert s.best.config.keys() == {"x"}


def test_a_batch_before_anything_is_known() -> None:
    s = study()
    batch = s.ask(n=4)
    assert [t.number for t in batch] == [0, 1, 2, 3]
    for t in batch:
        s.tell(t, t.float("x", 0, 1))
    assert len({t.config["x"] for t in s.trials}) == 4


def test_trials_from_elsewhere_need_names_that_are_known() -> None:
    s = study().optimize(lambda t: t.float("x", 0, 1), trials=1)
    assert s.add({"x": 0.5}, 3.0).cause == "added"
    with pytest.raises(tt.SpaceError, match="'z' is not a parameter"):
        s.add({"z": 1.0}, 3.0)


def test_resumed_and_then_declared(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    study(storage=path).optimize(objective, trials=4)
    s = study(storage=path)
    assert (s.changes, len(s.optimize(objective, more=2))) == ([], 6)
    space = {"x": tt.Float(0, 5), "kind": tt.Choice(["a", "b"]), "k": tt.Int(1, 3, when="kind == 'a'")}
    s = tt.Study("s", space, minimize="loss", storage=path)
    assert s.changes
    s.optimize(lambda t: t["x"] + t.get("k", 0), more=2)
    assert len(s) == 8
    with pytest.raises(tt.SpaceError):
        s.enqueue({"x": 77.0})


def test_declared_spaces_refuse_to_be_asked() -> None:
    s = tt.Study("s", {"x": tt.Float(0, 1)}, minimize="loss")
    with pytest.raises(tt.StudyStopped, match=r"has a declared space; read it: trial\[.x.\]"):
        s.optimize(lambda t: t.float("x", 0, 1), trials=9)


def test_minimize() -> None:
    s = tt.minimize(lambda t: (t.float("x", -5, 5) - 2) ** 2, trials=40, seed=0)
    assert abs(s.best.config["x"] - 2) < 0.5
    assert s.objectives == {"value": "min"}
