"""What counts as a trial's result: several objectives, constraints, spread, folds, the best report, hidden metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import trimtab as tt
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search._registry import REGISTRY

SPACE = {"x": tt.Float(0, 1)}


def study(**settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0, "searcher": "random"} | settings
    return tt.Study("s", SPACE, **settings)


# ── several objectives ──


def two(values: Sequence[tuple[float, float]], **settings: Any) -> tt.Study:
    s = study(minimize="error", maximize="speed", **settings)
    return s.optimize(lambda t: dict(zip(("error", "speed"), values[t.number], strict=True)), trials=len(values))


def test_the_front_is_in_the_users_own_sense() -> None:
    s = two([(3, 1), (1, 1), (2, 5), (1, 1), (4, 9), (5, 8)])
    assert s.objectives == {"error": "min", "speed": "max"}
    front = s.front
    assert {t.number for t in front} >= {1, 2, 4}
    assert {t.number for t in front} <= {1, 2, 3, 4}
    assert s.trial(2).values == {"error": 2.0, "speed": 5.0}


def test_questions_for_one_objective() -> None:
    s = two([(1, 1), (2, 2), (3, 0)])
    with pytest.raises(tt.MultiObjective, match=r"has 2 objectives \(error, speed\).*Use study.front \(2 trials\)"):
        s.best  # noqa: B018
    with pytest.raises(tt.MultiObjective, match=r"Use trial\.values"):
        s.trial(0).value  # noqa: B018


def test_one_number_for_two_objectives() -> None:
    s = study(minimize=["a", "b"])
    with pytest.raises(tt.ObjectiveError, match=r'has 2 objectives .*Return {"a": …, "b": …}'):
        s.optimize(lambda t: 1.0, trials=2)
    with pytest.raises(tt.ObjectiveError, match='but the study minimizes "b"'):
        s.optimize(lambda t: {"a": 1.0}, trials=2)
    t = s.ask()
    with pytest.raises(tt.ObjectiveError, match="2 objectives"):
        s.tell(t, 1.0)
    s.tell(t, {"a": 1.0, "b": 2.0})
    with pytest.raises(tt.ObjectiveError, match='no value for the objective "b"'):
        s.add({"x": 0.5}, {"a": 1.0})
    s.optimize(lambda t: {"a": 1.0, "b": 2.0}, trials=3)
    assert {t.state for t in s.trials} == {"finished"}


def test_a_failure_is_on_no_front() -> None:
    s = study(minimize=["a", "b"]).optimize(
        lambda t: {"a": math.nan if t.number == 1 else 1.0, "b": float(t.number)}, trials=3
    )
    assert [t.state for t in s.trials] == ["finished", "failed", "finished"]
    assert [t.number for t in s.front] == [0]


def test_several_objectives_by_reports() -> None:
    def objective(trial: Any) -> None:
        for step in trial.steps(3):
            trial.report(a=1 / step, b=float(step))

    s = study(minimize=["a", "b"]).optimize(objective, trials=2)
    assert s.trial(0).values == {"a": 1 / 3, "b": 3.0}


def curve(trial: Any, a: float, b: float) -> None:
    for _ in trial.steps():
        trial.report(a=a, b=b)


def test_median_stops_only_what_is_worse_in_every_objective() -> None:
    s = study(minimize="a", maximize="b", scheduler=tt.Median(max=6, min_trials=3))
    values = [(1.0, 9.0), (2.0, 8.0), (3.0, 7.0), (4.0, 6.0), (9.0, 9.0), (1.0, 0.0), (9.0, 0.0), (1.5, 7.5)]
    s.optimize(lambda t: curve(t, *values[t.number]), trials=len(values))
    assert [t.state for t in s.trials] == ["finished"] * 3 + ["stopped"] + ["finished"] * 2 + ["stopped", "finished"]
    line = " ".join(s.explain(6)["lines"])
    assert "best a 9 at step 1 is worse than the median" in line
    assert "best b 0 at step 1 is worse than the median" in line


def test_median_with_one_objective_is_what_it_was() -> None:
    s = study(minimize="a", scheduler=tt.Median(max=6, min_trials=3))
    s.optimize(lambda t: curve(t, float(t.number), 0.0), trials=6)
    assert [t.state for t in s.trials] == ["finished"] * 3 + ["stopped"] * 3


def test_median_waits_for_an_objective_that_comes_late() -> None:
    def objective(trial: Any) -> None:
        for step in trial.steps():
            if step >= 3:
                trial.report(a=float(trial.number), b=float(trial.number))
            else:
                trial.report(a=float(trial.number))

    s = study(minimize=["a", "b"], scheduler=tt.Median(max=6, min_trials=3)).optimize(objective, trials=6)
    assert [(t.state, t.step) for t in s.trials[3:]] == [("stopped", 3)] * 3


# ── constraints ──


def test_the_best_is_feasible() -> None:
    s = study(constraints=["mem <= 8", "auc >= 0.9"])
    mem, auc = [9.0, 7.0, 6.0, 5.0], [0.95, 0.85, 0.9, 0.99]
    s.optimize(lambda t: {"loss": float(t.number), "mem": mem[t.number], "auc": auc[t.number]}, trials=4)
    assert s.best.number == 2
    assert s.best.constraints == pytest.approx({"mem <= 8": -2.0, "auc >= 0.9": 0.0})
    assert [t.feasible for t in s.trials] == [False, False, True, True]
    assert [t.number for t in s.front] == [2]


def test_none_feasible_says_how_close() -> None:
    s = study(constraints=["mem <= 8"]).optimize(lambda t: {"loss": 1.0, "mem": 8.5 + t.number}, trials=3)
    with pytest.raises(tt.NoResult) as caught:
        s.best  # noqa: B018
    assert str(caught.value) == (
        '"s" has no feasible trial yet (3 finished): all break "mem <= 8"; the closest misses by 0.5.'
    )
    assert s.front == []


def test_a_constraint_that_was_not_measured_does_not_hold() -> None:
    s = study(constraints=["mem <= 8"]).optimize(lambda t: {"loss": 1.0}, trials=2)
    assert math.isnan(s.trial(0).constraints["mem <= 8"])
    assert not s.trial(0).feasible
    with pytest.raises(tt.NoResult):
        s.best  # noqa: B018


def test_constraints_over_objectives_and_several_metrics() -> None:
    s = study(constraints=["loss + mem < 3", "mode in [1, 2] or loss < 0.5"])
    s.optimize(lambda t: {"loss": float(t.number), "mem": 1.0, "mode": 1.0}, trials=4)
    assert [t.feasible for t in s.trials] == [True, True, False, False]


# ── folds, spread, the report that counts ──


def test_folds_are_a_mean_with_its_spread() -> None:
    def objective(trial: Any) -> None:
        for fold in range(4):
            trial.report(loss=float(fold), step=1, fold=fold)

    s = study().optimize(objective, trials=1)
    assert s.best.value == 1.5
    assert s.best.sem["loss"] == pytest.approx(np.std([0, 1, 2, 3], ddof=1) / 2)


def test_a_spread_of_ones_own() -> None:
    s = study().optimize(lambda t: {"loss": 1.0, "sem": 0.25}, trials=1)
    assert s.best.sem == {"loss": 0.25}
    assert "sem" not in s.best.metrics
    s.tell(s.ask(), 2.0, sem=0.5)
    assert s.trial(1).sem == {"loss": 0.5}
    several = study(minimize=["a", "b"])
    with pytest.raises(tt.ObjectiveError, match="which objective is it of"):
        several.tell(several.ask(), {"a": 1, "b": 2}, sem=0.5)


@pytest.mark.parametrize(("value", "expected"), [("last", (3.0, 3)), ("best", (1.0, 2))])
def test_the_last_or_the_best_report(value: str, expected: tuple[float, int]) -> None:
    def objective(trial: Any) -> None:
        for loss in (2.0, 1.0, 3.0):
            trial.report(loss=loss, acc=-loss)

    s = study(value=value).optimize(objective, trials=1)
    assert (s.best.value, s.best.step) == expected
    assert s.best.metrics["acc"] == -s.best.value, "all of one step"
    s = study(value=value, minimize=None, maximize="acc").optimize(objective, trials=1)
    assert (-s.best.value, s.best.step) == expected


def test_a_return_beats_reports_and_they_fill_its_gaps() -> None:
    def objective(trial: Any) -> float:
        trial.report(loss=5.0, acc=0.5)
        return 1.0

    s = study().optimize(objective, trials=1)
    assert s.best.value == 1.0
    assert s.best.metrics == {"loss": 1.0, "acc": 0.5}


# ── hidden metrics ──

SEEN: list[Any] = []


@dataclass(frozen=True)
class Nosy:
    """A searcher that looks everywhere."""

    name: ClassVar[str] = "nosy"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: Any, ask: Ask) -> Sequence[Proposal]:
        for event in history.events():
            if event.kind != "defined":  # which has the names and roles of metrics, and no values
                SEEN.append(dict(event.body.get("metrics", {})))
        for number in history.numbers:
            SEEN.extend((dict(history.trial(int(number)).metrics), dict(history.reports(int(number)).metrics)))
        SEEN.append(dict(history.reports().metrics))
        return [Proposal(history.space.sample_config(ask.rng("x", ask.number + i))) for i in range(ask.n)]


def test_hidden_metrics_are_kept_and_never_shown_to_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    load = type(REGISTRY).load
    monkeypatch.setattr(type(REGISTRY), "load", lambda self, name: Nosy if name == "nosy" else load(self, name))

    def objective(trial: Any) -> Mapping[str, float]:
        trial.report(loss=1.0, test=99.0, other=1.0)
        return {"loss": 1.0, "test": 98.0, "more": 2.0}

    SEEN.clear()
    s = study(searcher=Nosy(), hidden=["test"]).optimize(objective, trials=4)
    assert any("other" in seen for seen in SEEN)
    assert any("more" in seen for seen in SEEN)
    assert not any("test" in seen for seen in SEEN)
    assert s.trial(0).metrics["test"] == 98.0, "its user may look"
    assert any(row.get("metrics_test") == 99.0 for row in s.to_dicts(reports=True))


# ── nothing yet ──


def test_nothing_yet() -> None:
    s = study()
    with pytest.raises(tt.NoResult, match=r'"s" has no finished trial yet \(no trials\), so there is no best'):
        s.best  # noqa: B018
    s.ask(n=2)
    s.tell(s.ask(), failed="x")
    with pytest.raises(tt.NoResult, match=r"\(2 running, 1 failed\).*study.failures\(\)"):
        s.best  # noqa: B018
    assert s.front == []


def test_before_anything_is_finished_the_best_of_those_that_came_furthest() -> None:
    s = study(scheduler=tt.Halving(max=9))
    for t in s.ask(n=9):
        s.tell(t, t["x"])
    assert s.best.state == "paused"
    assert s.best.value == min(t.value for t in s.trials)
