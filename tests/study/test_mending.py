"""Correct, invalidate, restore, retry, note, copy: the past is mended, and nothing of it is lost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study.verify import verify

SPACE = {"x": tt.Float(-1, 1)}


def study(trials: int = 4, **settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0, "searcher": "random"} | settings
    s = tt.Study("s", SPACE, **settings)
    return s.optimize(lambda t: float(t.number), trials=trials) if trials else s


def consistent(s: tt.Study) -> None:
    """The counts are those of the trials, however the study came to be as it is."""
    states = [t.state for t in s.trials]
    told = s.counts
    for word in ("finished", "stopped", "paused", "queued", "running", "invalid"):
        assert told[word] == states.count(word), word
    assert told["failed"] == states.count("failed") + states.count("lost")
    assert told["counted"] == sum(t.cause != "added" and t.state != "invalid" for t in s.trials)


def test_correct() -> None:
    s = study()
    assert s.best.number == 0
    told = s.correct(0, {"loss": 9.0, "units": 2}, reason="metres, not feet")
    assert told.value == 9.0
    assert told.metrics == {"loss": 9.0, "units": 2.0}
    assert s.best.number == 1
    s.correct(s.trial(3), -1, reason="a number will do")
    assert s.best.number == 3
    assert "metres, not feet" in s.explain(0)["lines"][-1]
    assert [e.body["values"] for e in s.log() if e.kind == "ended" and e.trial == 0] == [{"loss": 0.0}], "both are kept"
    consistent(s)


@pytest.mark.parametrize(
    ("trial", "values", "reason", "says"),
    [
        (0, {}, "r", "says no value"),
        (0, {"loss": math.nan}, "r", "invalidate"),
        (0, {"loss": math.inf}, "r", "invalidate"),
        (0, {"loss": "1"}, "r", "real number"),
        (0, [1.0], "r", "not as a list"),
        (0, None, "r", "real number"),
        (0, {"loss": 1.0}, "", "needs reason="),
        (0, {"loss": 1.0}, "  ", "needs reason="),
        (77, 1.0, "r", "no trial 77"),
    ],
)
def test_corrections_that_make_no_sense(trial: int, values: Any, reason: str, says: str) -> None:
    s = study()
    version = s.history.version
    with pytest.raises(tt.TrimtabError, match=says):
        s.correct(trial, values, reason=reason)
    assert s.history.version == version


def test_what_still_runs_is_not_corrected_nor_taken_out() -> None:
    s = study(0)
    s.ask()
    with pytest.raises(tt.StudyMismatch, match="Trial 0 is still running"):
        s.correct(0, 1.0, reason="r")
    with pytest.raises(tt.StudyMismatch, match=r"Trial 0 is running.*study.tell\(0"):
        s.invalidate(0, reason="r")


def test_correcting_a_failure_makes_it_a_result() -> None:
    s = study(0)
    s.tell(s.ask(), failed="lost the file")
    s.correct(0, 0.5, reason="found the file")
    assert (s.best.number, s.best.state, s.best.error) == (0, "finished", None)
    consistent(s)
    two = tt.Study("two", SPACE, minimize=["a", "b"])
    two.tell(two.ask(), failed="oh")
    with pytest.raises(tt.ObjectiveError, match='every objective is needed, "b" too'):
        two.correct(0, {"a": 1.0}, reason="r")
    with pytest.raises(tt.ObjectiveError, match="of which objective"):
        two.correct(0, 1.0, reason="r")


def test_correcting_recomputes_constraints() -> None:
    s = tt.Study("s", SPACE, minimize="loss", constraints=["mem <= 8"], seed=0)
    s.optimize(lambda t: {"loss": 1.0, "mem": 9.0}, trials=2)
    with pytest.raises(
        tt.NoResult, match=r'no feasible trial yet .2 finished.: all break "mem <= 8"; the closest misses by 1'
    ):
        s.best  # noqa: B018
    s.correct(1, {"mem": 7.5}, reason="measured with the cache")
    assert s.best.number == 1
    assert s.best.constraints == {"mem <= 8": -0.5}
    assert s.best.feasible


def test_invalidate_and_restore() -> None:
    s = study()
    s.invalidate([0, 1], reason="wrong data")
    assert [t.state for t in s.trials] == ["invalid", "invalid", "finished", "finished"]
    assert s.best.number == 2
    assert len(s.history) == 2
    assert s.counts["counted"] == 2
    consistent(s)
    version = s.history.version
    s.invalidate(0, reason="still wrong")
    s.restore(3)
    assert s.history.version == version, "what is so already is not written again"
    s.restore(1)
    assert s.best.number == 1
    consistent(s)
    s.optimize(lambda t: 5.0, trials=5)
    assert len(s) == 6, "invalid trials make room for new ones"
    with pytest.raises(tt.StudyMismatch, match=r"invalidate\(2\) needs reason="):
        s.invalidate(2, reason="")


def test_everything_invalid() -> None:
    s = study()
    s.invalidate(range(4), reason="wrong data")
    with pytest.raises(tt.NoResult, match="no finished trial yet"):
        s.best  # noqa: B018
    assert s.front == []
    s.optimize(lambda t: 5.0, trials=2)
    assert s.best.number == 4
    consistent(s)


def test_counts_stay_right_through_every_turn() -> None:
    s = study(0)
    trials = s.ask(n=4)
    s.tell(trials[0], 1.0)
    s.tell(trials[1], failed="a")
    s.tell(trials[2], failed="b")
    s.invalidate([1, 2], reason="r")
    consistent(s)
    s.correct(1, 3.0, reason="found it")
    consistent(s)
    with pytest.raises(tt.StudyMismatch, match=r"Trial 2 was invalidated.*study.restore\(2\)"):
        s.retry(2)
    s.tell(trials[2], 2.0)
    consistent(s)
    s.restore([1, 2])
    consistent(s)
    assert [t.state for t in s.trials] == ["finished", "finished", "finished", "running"]
    s.add({"x": 0.0}, 7.0)
    s.invalidate(4, reason="r")
    consistent(s)
    assert verify(s._log.storage).ok


def test_retry() -> None:
    s = study(0)
    s.optimize(lambda t: 1.0 if t.number in (0, 2) else 1 / 0, trials=5)
    assert s.retry() == [1, 3, 4]
    assert [t.state for t in s.trials] == ["finished", "queued", "finished", "queued", "queued"]
    consistent(s)
    configs = [t.config for t in s.trials]
    s.optimize(lambda t: 0.5, trials=5)
    assert [t.state for t in s.trials] == ["finished"] * 5
    assert [t.config for t in s.trials] == configs
    assert [t.attempts for t in s.trials] == [1, 2, 1, 2, 2]
    assert s.retry("failed") == s.retry("lost") == s.retry([]) == []
    consistent(s)
    assert verify(s._log.storage).ok


def test_retries_that_make_no_sense() -> None:
    s = study()
    with pytest.raises(tt.StudyMismatch, match=r"Trial 1 is finished, not failed.*study.enqueue\(study.trial\(1\)"):
        s.retry(1)
    with pytest.raises(tt.UnknownName, match="failed, lost"):
        s.retry("all")
    with pytest.raises(tt.NoResult):
        s.retry([0, 9])


def test_notes() -> None:
    s = study()
    s.note(0, "looks odd", tag={"a": [1, 2]}, thing=object)
    s.note(0, colour="red")
    s.note(text="of the study")
    s.note(1)
    told = s.attributes(0)
    assert (told["note"], told["tag"], told["colour"]) == ("looks odd", {"a": [1, 2]}, "red")
    assert isinstance(told["thing"], str), "what JSON can't hold becomes text"
    assert s.attributes() == {"note": "of the study"}
    assert s.attributes(1) == {}
    with pytest.raises(TypeError, match=r"the trial comes first: note\(17, 'odd'\); of the study: note\(text='odd'\)"):
        s.note("odd")  # type: ignore[arg-type]
    with pytest.raises(tt.NoResult):
        s.note(12, "x")


def test_copy_is_event_for_event(tmp_path: Path) -> None:
    s = study()
    s.note(0, "hello")
    s.correct(1, -1.0, reason="r")
    s.invalidate(2, reason="r")
    there = s.copy(tmp_path / "c.db")
    assert [(e.kind, dict(e.body)) for e in there.log()] == [(e.kind, dict(e.body)) for e in s.log()]
    assert there.best.number == s.best.number == 1
    assert there.counts == s.counts
    with pytest.raises(tt.StudyMismatch, match='"s" exists in'):
        s.save(tmp_path / "c.db")
    s.save(tmp_path / "c.db", name="t")
    assert [row["name"] for row in tt.studies(tmp_path / "c.db")] == ["s", "t"]
    a = [dict(t.config) for t in s.optimize(lambda t: 1.0, more=3).trials]
    b = [dict(t.config) for t in there.optimize(lambda t: 1.0, more=3).trials]
    assert a == b, "the copy goes on as the original would"
