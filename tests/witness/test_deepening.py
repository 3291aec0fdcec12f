"""Iterative deepening: a study of halving to 9 steps is defined again with 27, and its paused trials go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from trimtab.history import History, Ledger
from trimtab.protocol import Run
from trimtab.run.simulated import Simulated
from trimtab.schedule.halving import Halving
from trimtab.space import Float, Int, Space
from trimtab.storage.memory import Memory
from trimtab.study._study import Study
from trimtab.study.verify import verify

SPACE = Space({"x": Float(-5, 5), "k": Int(1, 9)})
STAR = 4  # the trial that is the best at every step


class Curve:
    """Counts the steps that were paid for."""

    def __init__(self, breaks: bool = False) -> None:
        self.paid: Counter[tuple[int, float]] = Counter()
        self.breaks = breaks

    def __call__(self, run: Run) -> Generator[tuple[float, Any], None, Any]:
        step = run.source_step
        while True:
            step += 1
            if self.breaks and run.trial == STAR and step > 9:
                return MemoryError("too long")
            self.paid[run.trial, step] += 1
            yield 1.0, {"loss": 1 / step if run.trial == STAR else 1 + run.config["x"] ** 2 + run.config["k"] / step}


def deepened(searcher: str, workers: int, fresh: int = 18, breaks: bool = False) -> tuple[Study, Curve]:
    storage, curve = Memory(), Curve(breaks)
    first = Study("deep", SPACE, searcher=searcher, scheduler=Halving(max=9), storage=storage, seed=3)
    first.optimize(None, trials=9, runner=Simulated(curve, workers=workers))  # type: ignore[arg-type]
    assert first.trial(STAR).state == "finished"
    assert Counter(t.step for t in first.trials) == {1: 6, 3: 2, 9: 1}
    second = Study("deep", SPACE, scheduler=Halving(max=27), storage=storage)
    assert second.changes == ["scheduler: halving(max=9) → halving(max=27)"]
    second.optimize(None, trials=9 + fresh, runner=Simulated(curve, workers=workers))  # type: ignore[arg-type]
    return second, curve


@pytest.mark.parametrize("searcher", ["random", "tpe"])
@pytest.mark.parametrize("workers", [1, 4])
def test_goes_on_with_what_is_there(searcher: str, workers: int) -> None:
    study, curve = deepened(searcher, workers)
    assert max(curve.paid.values()) == 1, "nothing is run twice"
    assert Counter(t.step for t in study.trials) == {1: 18, 3: 6, 9: 2, 27: 1}, "as one run to 27 would have ended"
    assert study.best.number == STAR
    assert study.best.step == 27, "what had finished at the old top goes on, too"
    assert study.counts["finished"] == 1
    assert study.counts["paused"] == 26
    assert verify(study._log.storage, "deep").ok


@pytest.mark.parametrize("workers", [1, 4])
def test_cold_reads_the_same(workers: int) -> None:
    study, _ = deepened("tpe", workers)
    events = list(study.log())
    cold = Ledger(lambda since: events[since:])
    cold.extend(events)
    assert cold.counts == study._log.ledger.counts
    history = History(cold)
    for column in ("X", "Y", "state", "level"):
        assert (getattr(history, column) == getattr(study.history, column)).all()


def test_without_new_trials_it_is_over_at_once() -> None:
    study, curve = deepened("random", 1, fresh=0)
    assert len(study.trials) == 9
    assert max(curve.paid.values()) == 1


@pytest.mark.parametrize("workers", [1, 4])
def test_the_star_fails_further_up(workers: int) -> None:
    study, curve = deepened("tpe", workers, breaks=True)
    assert study.trial(STAR).state == "failed"
    assert study.counts["running"] == 0
    assert max(curve.paid.values()) == 1
    assert study.counts["failed"] == 1
    assert verify(study._log.storage, "deep").ok
