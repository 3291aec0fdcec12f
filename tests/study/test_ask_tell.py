"""Asking and telling by hand: one handle, two handles, batches, leases, threads."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from trimtab.study.verify import verify

SPACE = {"x": tt.Float(-1, 1), "k": tt.Int(1, 3)}


def study(**settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0, "searcher": "random"} | settings
    return tt.Study("s", settings.pop("space", SPACE), **settings)


def states(s: tt.Study) -> list[str]:
    return [t.state for t in s.trials]


# ── asking ──


@pytest.mark.parametrize("n", [0, -1, "3", 2.5, True])
def test_ask_refuses_what_is_no_number_of_trials(n: Any) -> None:
    with pytest.raises(ValueError, match=r"ask\(n=.*at least 1"):
        study().ask(n)


def test_one_and_many() -> None:
    s = study()
    assert s.ask().number == 0
    assert [t.number for t in s.ask(n=np.int64(3))] == [1, 2, 3]
    assert [t.number for t in s.ask(1)] == [4]
    assert len({t["x"] for t in s.trials for t in [t.config]}) == 5
    assert s.counts["running"] == 5


def test_the_same_trials_one_by_one_as_in_a_batch() -> None:
    one, many = study(), study()
    assert [dict(one.ask().config) for _ in range(6)] == [dict(t.config) for t in many.ask(n=6)]


def test_fixed_values_are_fixed_and_the_rest_is_searched() -> None:
    s = study()
    s.enqueue({"x": 0.9})
    a, b = s.ask(fixed={"x": 0.25}), s.ask(fixed={"x": 0.25})
    assert a["x"] == b["x"] == 0.25, "neither the queue nor an earlier ask with the same values is in the way"
    assert a.config != b.config
    again = s.ask(fixed={"x": 0.25, "k": a["k"]})
    assert dict(again.config) == {"x": 0.25, "k": a["k"]}, "everything fixed: tried once more, as the user says"
    assert s.ask()["x"] == 0.9, "the queue is still there"
    assert verify(s._log.storage).ok


def test_fixed_values_must_fit() -> None:
    with pytest.raises(tt.SpaceError, match="outside"):
        study().ask(fixed={"x": 7})
    with pytest.raises(tt.SpaceError, match="'y' is not a parameter"):
        study().ask(fixed={"y": 7})
    with pytest.raises(TypeError, match="a dict"):
        study().ask(fixed=[("x", 1)])  # type: ignore[arg-type]


def test_nothing_is_asked_of_a_study_that_ended() -> None:
    s = study()
    t = s.ask()
    s.stop("enough of it")
    with pytest.raises(tt.StudyFinished, match=r'"s" has ended: enough of it. To go on: study.reopen\(\)'):
        s.ask()
    s.tell(t, 1.0)  # what is under way may still be told
    assert s.best.value == 1.0
    s.reopen()
    assert s.ask().number == 1


# ── telling ──


def test_values_of_every_kind() -> None:
    s = study()
    for value in (
        1,
        0.5,
        np.float32(0.5),
        np.int64(2),
        np.array(3.0),
        np.array([4.0]),
        {"loss": 5.0, "acc": np.float64(1)},
    ):
        s.tell(s.ask(), value)
    assert [t.value for t in s.trials] == [1.0, 0.5, 0.5, 2.0, 3.0, 4.0, 5.0]
    assert s.trial(6).metrics == {"loss": 5.0, "acc": 1.0}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("x", "'x'; a real number"), (True, "True; a real number"), (1j, "1j; a real number"), ([1.0], "not as a list"),
        ({"loss": "x"}, "'x'; a real number"), ({"loss": None}, "None; a real number"),
        ({"acc": 1.0}, 'returned {"acc": 1.0}, but the study minimizes "loss"'), ({}, "returned {}"),
        (None, "nothing was reported"), (object(), "a real number"),
    ],
)  # fmt: skip
def test_values_that_are_none_leave_the_trial_running(values: Any, says: str) -> None:
    s = study()
    t = s.ask()
    with pytest.raises(tt.ObjectiveError) as caught:
        s.tell(t, values)
    assert says in str(caught.value)
    assert states(s) == ["running"]
    s.tell(t, 1.0)
    assert states(s) == ["finished"]


def test_values_and_failed_exclude_each_other() -> None:
    s = study()
    with pytest.raises(tt.ObjectiveError, match="not both"):
        s.tell(s.ask(), 1.0, failed="no")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_a_failure(value: float) -> None:
    s = study(scheduler="halving", max_budget=9)
    s.tell(s.ask(), value)
    s.tell(s.ask(), {"loss": value})
    assert states(s) == ["failed", "failed"]
    assert s.trial(0).error == {"kind": "NonFinite", "text": f'"loss" is {value}'}
    assert s.failures()[0]["trials"] == [0, 1]


def test_wrong_trials() -> None:
    s = study()
    with pytest.raises(tt.NoResult, match=r'"s" has no trial 0: there are 0 .none yet.'):
        s.tell(0, 1.0)
    s.ask()
    for number in (99, -1):
        with pytest.raises(tt.NoResult, match=f"no trial {number}: there are 1 .0 to 0."):
            s.tell(number, 1.0)
    for nothing in ("0", 0.0, True, None, {"number": 0}):
        with pytest.raises(TypeError, match="is no trial"):
            s.tell(nothing, 1.0)  # type: ignore[arg-type]


def test_telling_twice() -> None:
    s = study()
    t = s.ask()
    s.tell(t, 1.0)
    version = s.history.version
    s.tell(t, 1.0)
    s.tell(0, {"loss": 1.0, "acc": 3.0})
    s.tell(t)
    assert s.history.version == version, "nothing new was said, and nothing written"
    with pytest.raises(
        tt.StudyMismatch, match=r"already ended \(finished\) with {'loss': 1.0}; this call says 2.0. To change"
    ):
        s.tell(t, 2.0)
    with pytest.raises(tt.StudyMismatch, match="this call says failed='oh'"):
        s.tell(t, failed="oh")


def test_after_a_failure_the_result_counts_and_another_failure_changes_nothing() -> None:
    s = study()
    t = s.ask()
    s.tell(t, failed="out of memory")
    assert (s.trial(t).error or {})["text"] == "out of memory"
    version = s.history.version
    s.tell(t, failed="again")
    assert s.history.version == version
    s.tell(t, 0.5)
    assert s.best.number == 0
    assert s.best.error is None
    assert s.counts["failed"] == 0
    assert s.counts["finished"] == s.counts["counted"] == 1


def test_cost_step_and_spread() -> None:
    s = study()
    s.tell(s.ask(), 1.0, cost=3.5, step=4, sem=0.1)
    s.tell(s.ask(), 1.0, cost={"seconds": 1, "dollars": 2}, sem={"loss": 0.2})
    assert s.trial(0).cost == {"seconds": 3.5}
    assert s.trial(0).step == 4
    assert s.trial(0).sem == {"loss": 0.1}
    assert s.trial(1).cost["dollars"] == 2
    assert s.trial(1).sem == {"loss": 0.2}


@pytest.mark.parametrize(
    "more",
    [{"sem": -1}, {"sem": "a"}, {"sem": math.nan}, {"sem": {"loss": -1}}, {"step": -1}, {"step": "a"},
     {"step": math.inf}, {"cost": -3}, {"cost": math.nan}, {"cost": {"gpu": "a"}}],
)  # fmt: skip
def test_what_comes_with_a_value_is_a_size(more: dict[str, Any]) -> None:
    s = study()
    trial = s.ask()
    with pytest.raises(tt.ObjectiveError, match="number"):
        s.tell(trial, 1.0, **more)
    assert s.trial(0).state == "running"
    s.tell(trial, 1.0)
    if "sem" in more:
        with pytest.raises(tt.ObjectiveError, match="number"):
            s.add({"x": 0.5, "k": 1}, 1.0, sem=more["sem"])


def test_what_was_reported_counts_where_nothing_is_told() -> None:
    s = study()
    t = s.ask()
    t.report(loss=3.0)
    t.report(loss=2.0, acc=0.5)
    s.tell(t)
    assert s.best.value == 2.0
    assert s.best.step == 2
    assert s.best.metrics == {"loss": 2.0, "acc": 0.5}


# ── rungs ──


def loss(trial: Any, step: float) -> float:
    return float(trial["x"] ** 2 + 1 / step)


def by_value(s: tt.Study, trial: Any) -> None:
    s.tell(trial, loss(trial, trial.budget))


def by_number(s: tt.Study, trial: Any) -> None:
    s.tell(trial.number, {"loss": loss(trial, trial.budget)})


def by_steps(s: tt.Study, trial: Any) -> None:
    for step in trial.steps():
        trial.report(loss=loss(trial, step))
    s.tell(trial)


def by_steps_and_value(s: tt.Study, trial: Any) -> None:
    for step in trial.steps():
        trial.report(loss=loss(trial, step))
    s.tell(trial, loss(trial, trial.budget))


@pytest.mark.parametrize("tell", [by_value, by_number, by_steps, by_steps_and_value])
@pytest.mark.parametrize("n", [1, 8])
def test_halving_by_hand_does_what_a_run_does(tell: Any, n: int) -> None:
    s = study(scheduler=tt.Halving(max=9))
    while len(s) < 9 or s.counts["paused"] > 8:
        for t in s.ask(n=min(n, max(1, 9 - len(s)))):
            tell(s, t)
    while not s.counts["finished"]:
        tell(s, s.ask())
    run = study(scheduler=tt.Halving(max=9))
    run.optimize(lambda t: loss(t, t.budget), trials=9)
    assert [(t.state, t.step, t.values) for t in s.trials[:9]] == [(t.state, t.step, t.values) for t in run.trials]
    assert s.counts["paused"] == 8
    assert verify(s._log.storage).ok


def test_a_rung_with_nothing_free_says_whom_it_waits_for() -> None:
    s = study(scheduler=tt.Halving(max=3, n=3), space={"k": tt.Int(1, 3)})
    batch = s.ask(n=8)
    assert [t.number for t in batch] == [0, 1, 2], "three configurations are all there are"
    with pytest.raises(tt.StudyFinished, match="nothing to try now"):
        s.ask()
    for t in batch:
        s.tell(t, float(t["k"]))
    up = s.ask(n=8)
    assert [(t.number, t.budget) for t in up] == [(next(t.number for t in batch if t["k"] == 1), 3.0)]


def test_telling_a_paused_trial_again() -> None:
    s = study(scheduler=tt.Halving(max=9))
    t = s.ask()
    s.tell(t, 0.5)
    s.tell(t, 0.5)
    assert states(s) == ["paused"]
    with pytest.raises(tt.StudyMismatch, match=r"already ended \(paused\)"):
        s.tell(t, 0.25)


# ── leases, handles, threads ──


def test_a_trial_whose_time_is_up_is_offered_again_and_the_first_result_wins() -> None:
    s = study()
    t = s.ask(expires=0.01)
    kept = s.ask(expires="2h")
    time.sleep(0.03)
    again = s.ask()
    assert (again.number, again.attempt, dict(again.config)) == (t.number, 2, dict(t.config))
    s.tell(t, failed="woke up too late")
    assert s.trial(t).state == "running", "a failure of an attempt that was given up is nobody's business"
    s.tell(t, 0.5)
    assert s.trial(t).state == "finished"
    with pytest.raises(tt.StudyMismatch):
        s.tell(again, 0.75)
    assert s.trial(kept).state == "running"
    assert s.counts["counted"] == 2


@pytest.mark.parametrize("expires", [-1, "x", "-2h", math.nan])
def test_durations_that_are_none(expires: Any) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        study().ask(expires=expires)


def test_two_handles_on_one_file(tmp_path: Path) -> None:
    a = study(storage=tmp_path / "s.db")
    b = study(storage=tmp_path / "s.db")
    assert (a.resumed, b.resumed) == (False, True)
    mine, theirs = a.ask(n=2), b.ask(n=2)
    assert [t.number for t in (*mine, *theirs)] == [0, 1, 2, 3]
    assert len({t["x"] for t in (*mine, *theirs)}) == 4
    a.tell(theirs[0].number, 1.0)
    with pytest.raises(tt.StudyMismatch, match="already ended"):
        b.tell(theirs[0], 2.0)
    b.tell(mine[0].number, failed="here")
    assert a.trial(0).state == "failed"
    assert len(a) == len(b) == 4
    assert verify(tmp_path / "s.db").ok


def test_threads_that_share_a_handle(tmp_path: Path) -> None:
    s = study(storage=tmp_path / "s.db", searcher=tt.TPE(startup=4))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(6):
                t = s.ask()
                t.report(loss=t["x"] ** 2)
                s.tell(t)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        before, counted, after = len(s.trials), s.counts["counted"], len(s.trials)
        assert before <= counted <= after  # a reader meanwhile; each look is at another moment
        time.sleep(0.005)
    assert not errors
    assert [t.number for t in s.trials] == list(range(24))
    assert set(states(s)) == {"finished"}
    assert verify(tmp_path / "s.db").ok


# ── the queue, and trials from elsewhere ──


def test_the_queue_goes_first_in_order_and_once() -> None:
    s = study()
    assert s.enqueue({"x": 0.5, "k": 2}, why="a hunch", tags={"who": "me"})
    assert s.enqueue({"x": 0.25})
    assert not s.enqueue({"k": 2, "x": 0.5})
    assert s.enqueue({"x": 0.5, "k": 2}, seed=7), "another seed is another trial"
    a, b, c, d = s.ask(n=4)
    assert dict(a.config) == {"x": 0.5, "k": 2}
    assert b["x"] == 0.25
    assert (dict(c.config), c.seed) == ({"x": 0.5, "k": 2}, 7)
    assert s.trial(a).cause == "queue"
    assert s.trial(a).tags == {"who": "me"}
    assert s.trial(d).cause == "new"
    assert not s.enqueue({"x": 0.25}), "it was queued before"


@pytest.mark.parametrize("config", [5, [{"x": 0.1}], None, "x=1"])
def test_enqueue_wants_one_configuration(config: Any) -> None:
    with pytest.raises(TypeError, match="a dict of names and values"):
        study().enqueue(config)


@pytest.mark.parametrize("seed", [-1, "a", 1.5, True])
def test_enqueue_wants_a_seed_that_is_one(seed: Any) -> None:
    with pytest.raises(ValueError, match="a whole number, at least 0"):
        study().enqueue({"x": 0.25}, seed=seed)


@pytest.mark.parametrize(("config", "says"), [({"x": 5}, "outside"), ({"y": 1}, "'y' is not"), ({"k": 1.5}, "k")])
def test_enqueue_refuses_what_is_outside(config: Any, says: str) -> None:
    s = study()
    with pytest.raises(tt.SpaceError, match=says):
        s.enqueue(config)
    assert s.ask().number == 0


def test_enqueued_before_and_after_a_resume(tmp_path: Path) -> None:
    s = study(storage=tmp_path / "s.db")
    s.enqueue({"x": 0.5})
    s = study(storage=tmp_path / "s.db")
    s.enqueue({"x": -0.5})
    s.optimize(lambda t: t["x"] ** 2, trials=3)
    assert [t.config["x"] for t in s.trials[:2]] == [0.5, -0.5]


def test_trials_from_elsewhere_do_not_count() -> None:
    s = study()
    t = s.add({"x": 0.0, "k": 1}, 0.1, tags={"from": "paper"}, sem=0.01)
    assert (t.number, t.state, t.cause, t.value, t.sem) == (0, "finished", "added", 0.1, {"loss": 0.01})
    s.optimize(lambda t: 1.0 + t["x"] ** 2, trials=4)
    assert len(s) == 5
    assert s.counts["counted"] == 4
    assert s.best.number == 0
    assert verify(s._log.storage).ok


def test_trials_from_elsewhere_must_fit() -> None:
    s = study()
    for config, values, error in (
        ({"x": 0.0}, 1.0, tt.SpaceError), ({"x": 9.0, "k": 1}, 1.0, tt.SpaceError),
        ({"x": 0.0, "k": 1}, {"acc": 1}, tt.ObjectiveError),
        ({"x": 0.0, "k": 1}, None, tt.ObjectiveError), ([0.0, 1], 1.0, TypeError),
    ):  # fmt: skip
        with pytest.raises(error):
            s.add(config, values)  # type: ignore[arg-type]
    assert len(s) == 0
    assert s.add({"x": 0.0, "k": 1}, math.nan).state == "failed"


def test_a_run_says_that_what_is_left_was_asked_for_by_hand() -> None:
    s = study()
    s.ask()
    s.ask(expires=1e-9)
    s.optimize(lambda trial: 0.5, trials=3, display=False)
    assert s.ended == (
        "nothing is left that a worker could do: all trials have been started; trials 0, 1 were asked for by hand"
    )
