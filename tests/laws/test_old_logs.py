"""Promise B: any later version reads, continues and analyses any older log; and promise A where it applies.

A log is never made again to please a test. If one here can no longer be read, that is a break of the format. If its
decisions come out differently, the method's revision must have been raised, which the test then accepts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trimtab.history import Ledger
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.study import Study
from trimtab.study.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from old_logs import FOLDER, MADE_BY, read, stored

LOGS = sorted(FOLDER.glob("*.jsonl"))
EXPECTED = {  # trials, finished, paused, failed, invalid, attempts in all, best trial and its value
    "full-0.1": (16, 14, 0, 1, 1, 16, 2, 0.25),
    "halving-0.1": (18, 2, 16, 0, 0, 29, 9, 0.5241187906245373),
    "define-by-run-0.1": (16, 16, 0, 0, 0, 16, 3, 0.04600213845594535),
}


def test_some_are_kept() -> None:
    assert {path.stem for path in LOGS} >= set(EXPECTED)


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.stem)
def test_it_says_what_it_said(path: Path) -> None:
    study = Study.load(stored(read(path)))
    counts, trials = study.counts, study.trials
    told = (*(counts[k] for k in ("finished", "paused", "failed", "invalid")), sum(t.attempts for t in trials))
    assert (len(trials), *told, study.best.number, study.best.value) == EXPECTED[path.stem]


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.stem)
def test_it_goes_on(path: Path) -> None:
    events = read(path)
    study = Study.load(stored(events))
    before = study.trials
    _, objective = MADE_BY[path.stem.rpartition("-")[0]]
    study.optimize(objective, more=9, display=False)
    assert len(study) == len(before) + 9
    assert list(study.log())[: len(events)] == events
    for old, new in zip(before, study.trials, strict=False):
        assert new.config == old.config
        assert old.state == "paused" or repr(new) == repr(old)
    assert verify(study._log.storage).decisions > 9


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.stem)
def test_its_decisions_come_out_the_same_here(path: Path) -> None:
    events = read(path)
    checked = verify(stored(events))
    assert checked.decisions > 0
    ledger = Ledger(lambda since: events[since:])
    ledger.extend(events)
    told = {row.method for row in ledger.rows}
    now = {f"{name}/{SEARCHERS.load(name).revision}" for name in SEARCHERS.names()}
    names = {body["scheduler"]["name"] for body in ledger.definitions}
    if checked.same_environment and told <= now and names <= set(SCHEDULERS.names()):
        assert checked.ok, f"{checked.first_difference}. If that is meant, raise the method's revision."
