"""A storage that goes away in the middle of a run: results are kept in a file, then written; nothing is lost."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.errors import StorageAway
from trimtab.storage import sql
from trimtab.study import _log
from trimtab.study.verify import verify

number = itertools.count()


@pytest.fixture
def url(pg_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TRIMTAB_UNSENT", str(tmp_path / "unsent"))
    monkeypatch.setattr(sql, "PATIENCE", 0.2)
    monkeypatch.setattr(_log, "AGAIN", 0.05)
    return pg_url


def make(url: str, **given: Any) -> tt.Study:
    name = given.pop("name", None) or f"away{next(number)}"
    return tt.Study(name, {"x": "0.0..1.0"}, minimize="loss", storage=url, searcher="random", seed=0, **given)


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "unsent").glob("*.jsonl"))


@pytest.mark.parametrize("seconds", [1.0, pytest.param(30.0, marks=pytest.mark.slow)])
def test_a_run_waits_and_its_results_arrive(seconds: float, url: str, pg_server: Any, tmp_path: Path) -> None:
    study = make(url)
    seen: list[int] = []

    def objective(trial: tt.Trial) -> float:
        if trial.number == 3:
            pg_server.stop()
            threading.Timer(seconds, pg_server.start).start()
        return float(trial["x"])

    def look(study: tt.Study, event: Any) -> None:
        seen.append(len(kept(tmp_path)))

    began = time.monotonic()
    study.optimize(objective, trials=8, callbacks=[look])
    assert time.monotonic() - began > seconds
    assert [t.state for t in study.trials] == ["finished"] * 8
    assert [t.attempts for t in study.trials] == [1] * 8
    assert not kept(tmp_path)  # what had waited there has arrived
    assert verify(url, study.name).ok


def test_a_run_that_gives_up_leaves_its_results_for_the_next(
    url: str, pg_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trimtab.study import _driver

    monkeypatch.setattr(_driver, "AWAY", 0.5)
    study = make(url)

    def objective(trial: tt.Trial) -> float:
        if trial.number == 2:
            pg_server.stop()
        return float(trial["x"])

    try:
        with pytest.raises(StorageAway, match=r"Is the server running.*What was measured waits in .*unsent.*jsonl"):
            study.optimize(objective, trials=5)
        assert len(kept(tmp_path)) == 1
        with kept(tmp_path)[0].open("a") as file:
            file.write('{"id": "cut off in the mid')
    finally:
        pg_server.start()
    again = make(url, name=study.name)
    assert again.trial(2).state == "finished"
    assert not kept(tmp_path)
    again.optimize(lambda t: t["x"], trials=5)
    assert [t.state for t in again.trials] == ["finished"] * 5
    assert [t.attempts for t in again.trials] == [1] * 5


def test_a_value_told_by_hand_waits_too(url: str, pg_server: Any, tmp_path: Path) -> None:
    study = make(url)
    first, second = study.ask(n=2)
    pg_server.stop()
    try:
        with pytest.raises(StorageAway, match="stored when the study is next opened"):
            study.tell(first, {"loss": 0.5})
        assert len(kept(tmp_path)) == 1
    finally:
        pg_server.start()
    study.tell(second, {"loss": 0.25})
    assert [t.value for t in study.trials] == [0.5, 0.25]
    assert not kept(tmp_path)
    study.tell(first, {"loss": 0.5})  # once more is harmless


FULL = """
import os, resource, sys, warnings
import trimtab as tt

study = tt.Study("full", {"x": "0.0..1.0"}, minimize="loss", storage=sys.argv[1], searcher="random", seed=0)

def objective(trial):
    if trial.number == 2:  # from here on no file may grow: what a full disk says
        size = max(os.path.getsize(sys.argv[1]), os.path.getsize(sys.argv[1] + "-wal"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return trial["x"]

study.optimize(objective, trials=5)
"""


def test_a_full_disk_is_told_and_not_waited_for(tmp_path: Path) -> None:
    env = {**os.environ, "TRIMTAB_UNSENT": str(tmp_path / "unsent")}
    file = str(tmp_path / "s.db")
    done = subprocess.run([sys.executable, "-c", FULL, file], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "StorageFull" in done.stderr
    assert "What was saved is safe" in done.stderr
    assert "What was measured waits in" in done.stderr
    os.environ["TRIMTAB_UNSENT"] = str(tmp_path / "unsent")
    try:
        study = make(file, name="full")
    finally:
        del os.environ["TRIMTAB_UNSENT"]
    assert study.trial(2).state == "finished"
    study.optimize(lambda t: t["x"], trials=5)
    assert [t.state for t in study.trials] == ["finished"] * 5
    assert verify(file).ok
