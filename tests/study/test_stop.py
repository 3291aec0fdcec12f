"""Stop rules, stop() and reopen()."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.run.inline import Inline
from trimtab.study._stop import rules_from_json

SPACE = {"x": tt.Float(-1, 1)}


def study(*rules: Any, **settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0, "searcher": "random"} | settings
    return tt.Study("s", SPACE, stop=list(rules), **settings)


def falling(trial: Any) -> float:
    return 10.0 - trial.number


def test_target_both_ways() -> None:
    s = study(tt.Target(7.0)).optimize(falling, trials=50)
    assert len(s) == 4
    assert s.ended == "target 7 was reached by trial 3 (7)"
    s = study(tt.Target(2.0), minimize=None, maximize="acc").optimize(lambda t: t.number, trials=50)
    assert len(s) == 3


def test_a_target_is_for_feasible_trials() -> None:
    s = study(tt.Target(7.0), constraints=["mem <= 8"])
    s.optimize(lambda t: {"loss": falling(t), "mem": 9.0 if t.number < 5 else 1.0}, trials=50)
    assert len(s) == 6


def test_patience() -> None:
    s = study(tt.Patience(3)).optimize(lambda t: abs(t.number - 4), trials=50)
    assert len(s) == 8, "the best is trial 4, and three are no better"
    assert s.ended == "patience: 3 trials without improvement"
    assert len(study(tt.Patience(3)).optimize(lambda t: 1.0, trials=50)) == 4, "equal is no improvement"


def test_failures_in_a_row() -> None:
    s = study(tt.Failures(in_a_row=4))
    s.optimize(lambda t: 1.0 if t.number in (0, 3) else 1 / 0, trials=50)
    assert len(s) == 8
    assert s.ended == "failures: the last 4 trials all failed"


def test_time_over_all_runs() -> None:
    s = study(tt.Time(10.0))
    for _ in range(30):
        if s.ended.startswith("time"):
            break
        s.add({"x": 0.0}, 1.0)
        t = s.ask()
        s.tell(t, 1.0, cost=2.0)
        s.optimize(lambda t: 1.0, more=1)
    assert s.ended.startswith("time: the trials took 10 s of 10 s")


def test_any_one_ends_it_and_it_is_recorded() -> None:
    s = study(tt.Target(-5.0), tt.Patience(50), tt.Target(6.0)).optimize(falling, trials=50)
    assert len(s) == 5
    closed = [e.body for e in s.log() if e.kind == "closed"]
    assert [(c["rule"], c["text"]) for c in closed] == [("target", s.ended)]


def test_what_was_stopped_stays_so_until_reopened_or_redefined(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    s = study(tt.Target(7.0), storage=path).optimize(falling, trials=50)
    again = study(tt.Target(7.0), storage=path)
    assert again.changes == []
    assert len(again.optimize(falling, more=5)) == 4
    assert "target 7" in again.ended
    with pytest.raises(tt.StudyFinished, match="target 7 was reached"):
        again.ask()
    further = study(tt.Target(5.0), storage=path)
    assert further.changes == ["stop: target 7.0 → target 5.0"]
    assert len(further.optimize(falling, trials=50)) == 6
    none = study(storage=path)
    assert none.changes == ["stop: target 5.0 → none"], "stop=[] takes the rules away"
    assert len(none.optimize(falling, trials=9)) == 9
    assert s.counts["counted"] == 9


def test_stop_and_reopen_are_idempotent() -> None:
    s = study()
    s.stop("a")
    s.stop("b")
    s.optimize(falling, trials=3)
    assert (len(s), s.ended) == (0, "b")
    s.reopen()
    s.reopen()
    assert len(s.optimize(falling, trials=3)) == 3


def test_a_stop_while_trials_run_cancels_none_of_their_results() -> None:
    s = study()
    a, b = s.ask(n=2)
    s.stop()
    s.tell(a, 1.0)
    s.tell(b, failed="x")
    assert s.best.number == 0
    assert s.ended == ""


@pytest.mark.parametrize("stop", [tt.Target(1.0), ["target"], "target", [tt.Target], 5])
def test_what_is_no_rule(stop: Any) -> None:
    with pytest.raises(TypeError, match=r"a list of rules, such as \[tt.Target"):
        tt.Study("s", SPACE, stop=stop)


def test_time_of_every_attempt_counts() -> None:
    s = study(tt.Time("10 s"), retry={"times": 3, "on": ["lost"]})
    for _ in range(4):
        t = s.ask(expires=1e-9)
        s.tell(t, failed="no", cost=1.0)
    t = s.ask()
    s.tell(t, 1.0, cost={"seconds": 5.9, "joules": 3.0})
    assert s._log.ledger.spent == {"seconds": 9.9, "joules": 3.0}
    s.tell(s.ask(), 1.0, cost=0.2)
    assert s.optimize(falling, more=1).ended == "time: the trials took 10 s of 10 s"


def test_gpu_hours() -> None:
    class Cards(Inline):
        gpus = 2.0

    def half_an_hour(trial: Any) -> float:
        trial._started -= 1800
        return falling(trial)

    s = study(tt.GpuHours(3.0))
    s.optimize(half_an_hour, trials=50, runner=Cards(half_an_hour))
    assert len(s) == 3
    assert s.ended == "gpu_hours: 3 of 3 were used"
    assert s.trial(0).cost["gpu_seconds"] == pytest.approx(3600, rel=1e-3)
    assert s.to_dicts()[0]["seconds"] == pytest.approx(1800, rel=1e-3)


def test_a_table_says_the_same_as_a_list() -> None:
    table = {"target": 0.5, "patience": 60, "failures": False, "time": "24h", "gpu_hours": 100}
    rules = [tt.Target(0.5), tt.Patience(60), tt.Failures(None), tt.Time(86_400), tt.GpuHours(100)]
    a, b = (tt.Study("s", SPACE, stop=stop) for stop in (table, rules))
    assert a._log.ledger.definitions[0]["stop"] == b._log.ledger.definitions[0]["stop"]
    assert rules_from_json(a._log.ledger.definitions[0]["stop"]) == rules


@pytest.mark.parametrize(
    ("stop", "error", "says"),
    [
        ({"tagret": 1.0}, tt.UnknownName, "Did you mean 'target'"),
        ({"target": "low"}, TypeError, "target = 'low': a number was expected"),
        ({"patience": 2.5}, TypeError, "patience = 2.5: a whole number was expected"),
        ({"time": "soon"}, ValueError, "'soon' is no duration"),
        ({"failures": True}, TypeError, "failures = True"),
    ],
)
def test_tables_that_make_no_sense(stop: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        tt.Study("s", SPACE, stop=stop)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90),
        ("90s", 90),
        ("15 min", 900),
        ("2 hours", 7200),
        ("1 hr", 3600),
        ("1.5 days", 129_600),
        ("1h30m", 5400),
        ("500 ms", 0.5),
    ],
)
def test_durations_as_people_write_them(text: str, value: float) -> None:
    assert tt.Time(text) == tt.Time(value)
