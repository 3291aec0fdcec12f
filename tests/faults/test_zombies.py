"""Drivers and workers that come back from the dead, and those that only look dead."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.log import Event
from trimtab.study import _beat
from trimtab.study.verify import verify


def make(path: Path) -> tt.Study:
    return tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", storage=path, searcher="random", seed=0)


def test_a_late_word_is_kept_and_not_counted(tmp_path: Path) -> None:
    study = make(tmp_path / "s.db")
    first = study.ask()
    log = study._log
    log.write(Event("ended", {"state": "lost", "step": None}, 0, 1))  # its driver was taken for dead
    second = study.ask()
    assert (second.number, second.attempt) == (0, 2)
    log.write(Event("reported", {"step": [1], "loss": [99.0]}, 0, 1, by="zombie"))  # the first attempt wakes up
    study.tell(second, {"loss": 0.25})
    log.write(Event("ended", {"state": "finished", "values": {"loss": 99.0}}, 0, 1, by="zombie"))
    assert study.trial(0).value == 0.25
    assert study.best.value == 0.25
    assert study.counts["counted"] == 1
    assert any(e.body.get("values") == {"loss": 99.0} for e in study.log())  # kept all the same
    assert first.number == 0
    assert verify(tmp_path / "s.db").ok


def test_an_objective_that_silences_its_driver_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in the driver's own thread that holds the interpreter for a minute: another driver may take its trial."""
    monkeypatch.setattr(_beat, "LEASE", 0.2)
    other = make(tmp_path / "s.db")
    seen: list[object] = []

    def objective(trial: tt.Trial) -> float:
        if trial.number == 0:
            monkeypatch.setattr(type(other._log.storage), "beat", lambda *_: None)  # no sign of life from here on
            time.sleep(0.5)
            other.optimize(lambda t: 2.0, trials=1)
            seen.append(other.trial(0).value)
        return 1.0

    make(tmp_path / "s.db").optimize(objective, trials=2)
    study = make(tmp_path / "s.db")
    assert seen == [2.0]
    assert [t.value for t in study.trials] == [2.0, 1.0]  # the first result counts
    assert [t.attempts for t in study.trials] == [2, 1]
    assert verify(tmp_path / "s.db").ok


def test_a_busy_worker_silences_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life come from the driver: what a worker process does, however busy, does not matter."""
    monkeypatch.setattr(_beat, "LEASE", 0.4)

    def objective(trial: tt.Trial) -> float:
        sum(range(60_000_000))  # one call that never lets go of the interpreter
        return 1.0

    beats = []
    study = make(tmp_path / "s.db")
    storage = type(study._log.storage)
    real = storage.beat
    monkeypatch.setattr(storage, "beat", lambda *given: beats.append(time.monotonic()) or real(*given))
    study.optimize(objective, trials=2, workers=2)
    assert len(beats) >= 3
    assert [t.attempts for t in study.trials] == [1, 1]
