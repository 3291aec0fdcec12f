"""The three policies for configurations tried before, and spaces that have no more."""

from __future__ import annotations

from typing import Any

import pytest

import trimtab as tt
from trimtab.study.verify import verify

SIX = {"a": tt.Int(1, 3), "b": tt.Bool()}


def run(policy: str, trials: int, **settings: Any) -> tuple[tt.Study, list[int]]:
    ran: list[int] = []

    def objective(trial: Any) -> float:
        ran.append(trial.number)
        return float(trial["a"] + trial["b"])

    settings = {"searcher": "random", "seed": 0} | settings
    s = tt.Study("s", settings.pop("space", SIX), minimize="loss", duplicates=policy, **settings)
    return s.optimize(objective, trials=trials), ran


def configs(s: tt.Study) -> list[tuple[Any, ...]]:
    return [tuple(t.config.values()) for t in s.trials]


@pytest.mark.parametrize("searcher", ["random", "tpe", "sobol", "halton", "grid"])
def test_avoid_tries_each_once_and_ends_when_all_were_tried(searcher: str) -> None:
    s, _ = run("avoid", 50, searcher=searcher)
    assert len(configs(s)) == len(set(configs(s))) == 6
    assert s.ended
    assert s.ended != "all trials have been started"
    assert verify(s._log.storage).ok
    with pytest.raises(tt.StudyFinished, match="nothing to try now"):
        s.ask()


def test_the_last_of_a_larger_space_are_found() -> None:
    s, _ = run("avoid", 130, space={"a": tt.Int(1, 60), "b": tt.Bool()})
    assert len(set(configs(s))) == 120


def test_allow_repeats() -> None:
    s, ran = run("allow", 20)
    assert len(s) == len(ran) == 20
    assert len(set(configs(s))) <= 6


def test_reuse_copies_the_result() -> None:
    s, ran = run("reuse", 30)
    assert len(s) == 30
    assert len(ran) == len(set(configs(s))) <= 6
    assert all(t.value == t.config["a"] + t.config["b"] for t in s.trials)
    copies = [t for t in s.trials if "reused" in t.notes]
    assert len(copies) == 30 - len(ran)
    assert all(s.trial(int(t.notes["reused"])).config == t.config for t in copies)


def test_a_user_may_repeat_what_a_searcher_may_not() -> None:
    s, _ = run("avoid", 6)
    assert s.enqueue({"a": 1, "b": True})
    assert dict(s.ask().config) == {"a": 1, "b": True}
    assert dict(s.ask(fixed={"a": 2, "b": False}).config) == {"a": 2, "b": False}


def test_failed_and_running_ones_were_tried_and_invalid_ones_were_not() -> None:
    s = tt.Study("s", {"a": tt.Int(1, 3)}, minimize="loss", seed=0, searcher="random")
    one, two, three = s.ask(n=3)
    s.tell(one, failed="x")
    s.tell(two, 1.0)
    with pytest.raises(tt.StudyFinished):
        s.ask()
    s.invalidate(two.number, reason="wrong data")
    assert s.ask()["a"] == two["a"]
    s.tell(three, 1.0)


def test_one_configuration() -> None:
    s, _ = run("avoid", 5, space={"a": tt.Const(3), "b": tt.Const(1)})
    assert configs(s) == [(3, 1)]
    s, _ = run("allow", 5, space={"a": tt.Const(3), "b": tt.Const(1)})
    assert len(s) == 5


def test_values_that_python_takes_for_equal_are_apart() -> None:
    s = tt.Study("s", {"a": tt.Choice([1, True, 1.0, "1"])}, minimize="loss", seed=0, searcher="random")
    s.optimize(lambda t: 0.0, trials=10)
    assert sorted(type(t.config["a"]).__name__ for t in s.trials) == ["bool", "float", "int", "str"]


def test_the_policy_may_change() -> None:
    s, _ = run("avoid", 6)
    store = s._log.storage
    again = tt.Study("s", SIX, duplicates="allow", storage=store)
    assert again.changes == ["duplicates: avoid → allow"]
    assert len(again.optimize(lambda t: 0.0, more=3)) == 9
    with pytest.raises(tt.UnknownName, match="allow, avoid, reuse"):
        tt.Study("s", SIX, duplicates="never", storage=store)


def test_every_configuration_of_numbers_and_conditions_is_found() -> None:
    space = {"a": tt.Int(1, 20), "b": tt.Choice(["x", "y"]), "c": tt.Int(1, 9, when="b == 'x'")}
    study = tt.Study("s", space, minimize="loss", searcher="random", seed=1)
    study.optimize(lambda t: t["a"], trials=500)
    assert len(study.trials) == tt.Space(space).size == 200
