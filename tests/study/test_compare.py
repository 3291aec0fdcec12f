"""Two studies side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import trimtab as tt


def run(values: Sequence[float], name: str = "s", **settings: Any) -> tt.Study:
    given = iter(values)
    study = tt.Study(name, {"x": tt.Float(0, 1)}, seed=0, searcher="random", **({"minimize": "loss"} | settings))
    return study.optimize(lambda t: next(given), trials=len(values), display=False)


def test_one_run_each() -> None:
    found = tt.compare(run([5, 4, 3, 1], "a"), run([4, 2, 2], "b"))
    a, b = found.rows
    assert (found.budget, found.goal, found.objective) == (3, "min", "loss")
    assert (a.best, a.trial, a.same, a.needed) == (1.0, 3, 3.0, 4)
    assert (b.best, b.trial, b.same, b.needed) == (2.0, 1, 2.0, None)
    assert found.better is None
    assert "One run each" in found.text
    assert str(found).splitlines()[1:3] == [
        "  a  a  best 1 (trial 3; 4 trials); after 3 trials 3; as good as the other side after 4",
        "  b  b  best 2 (trial 1; 3 trials); after 3 trials 2; never as good as the other side",
    ]
    assert list(found.table()["needed"].fillna(0)) == [4, 0]
    with pytest.raises(tt.Unsupported, match="no figures yet"):
        found.plot()


def test_several_runs_and_the_users_own_sense() -> None:
    a = [run([0.5, 0.9], maximize="acc", minimize=None), run([0.8, 0.8], maximize="acc", minimize=None)]
    b = [run([0.7, 0.85], maximize="acc", minimize=None), run([0.1, 0.8], maximize="acc", minimize=None)]
    found = tt.compare(a, b)
    assert [r.same for r in found.rows] == [0.9, 0.8, 0.85, 0.8]
    assert found.better == (1 + 1 + 0 + 0.5) / 4
    assert "a is better in 62% of the 4 pairs" in found.text


def test_failed_and_infeasible_trials_take_their_turn() -> None:
    def objective(trial: Any) -> Any:
        if trial.number == 0:
            raise ValueError
        return {"loss": float(trial.number), "mem": 9.0 if trial.number == 1 else 1.0}

    study = tt.Study("s", {"x": tt.Float(0, 1)}, minimize="loss", constraints=["mem <= 8"], seed=0)
    study.optimize(objective, trials=4, display=False)
    assert tt.compare(study, study).rows[0].needed == 3


def test_what_can_not_be_compared() -> None:
    one = run([1.0])
    with pytest.raises(tt.StudyMismatch, match="maximize acc; minimize loss"):
        tt.compare(one, run([1.0], maximize="acc", minimize=None))
    with pytest.raises(tt.NoResult, match="nothing to compare"):
        tt.compare(one, tt.Study("empty", {"x": tt.Float(0, 1)}, minimize="loss"))
    two = tt.Study("two", {"x": tt.Float(0, 1)}, minimize=["a", "b"])
    with pytest.raises(tt.MultiObjective):
        tt.compare(two, two)
    with pytest.raises(TypeError, match="a study, or a list"):
        tt.compare([], [])
    with pytest.raises(TypeError, match="a study, or a list"):
        tt.compare(one, "one.db")  # type: ignore[arg-type]
