"""Hyperband × differential evolution: promotions chosen by the searcher, then mutants at every rung."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from trimtab.protocol import Run
from trimtab.search.random import RandomSearch
from trimtab.space import Float, Int, Space

sys.path.insert(0, str(Path(__file__).parent))
from hyperband_de import Evolution, Hyperband
from lawful import Case, all_over, cold_as_warm, decided_again, killed_anywhere, losing

SPACE = Space({"x": Float(-5, 5), "k": Int(1, 9)})


def curve(run: Run) -> Generator[tuple[float, Any], None, Any]:
    step = run.source_step
    while True:
        step += 1
        if run.config["x"] > 4.5:
            return ValueError("diverged")
        yield 1.0 + 0.1 * run.config["k"], {"loss": (run.config["x"] - 1) ** 2 + 5 * run.config["k"] / step}


def case(searcher: Any = None, trials: int = 40) -> Case:
    return Case(searcher or Evolution(), Hyperband(), SPACE, curve, trials)


def starts(log: Any) -> list[tuple[int, int, str, float]]:
    events = log.storage.read(log.study, 0)[0]
    tags = [(e.body["tags"], e.body) for e in events if e.kind == "started" and e.body["cause"] != "retry"]
    return [(t["bracket"], t["rung"], body["cause"], body["budget"]) for t, body in tags]


@pytest.mark.parametrize("workers", [1, 4])
def test_rounds_are_filled_as_in_the_paper(workers: int) -> None:
    log = case().run(workers=workers)
    all_over(log)
    told = starts(log)
    count = Counter(told)
    assert sum(n for (_, _, cause, _), n in count.items() if cause == "new") == 40
    assert count[0, 0, "new", 1.0] == 9
    assert count[0, 1, "promote", 3.0] == 3
    assert count[0, 2, "promote", 9.0] == 1
    assert [count[b, 0, "new", level] for b, level in ((1, 3.0), (2, 9.0))] == [3, 3]
    assert not any(cause == "new" for b, rung, cause, _ in told if b < 3 and rung)
    assert count[3, 1, "new", 3.0] == 3, "from the second round on, mutants start at the higher rungs"
    assert all(cause == "new" for b, rung, cause, _ in told if 3 <= b < 5)


def test_killed_anywhere() -> None:
    killed_anywhere(case(trials=30))


def test_decided_again() -> None:
    for workers in (1, 4):
        assert decided_again(case(), case().run(workers=workers)) > 50


def test_caches_change_nothing() -> None:
    cold_as_warm(case())


def test_machines_die() -> None:
    for where in range(3):
        log = case().run(workers=4, watch=losing({5: where, 9: where, 30: where, 33: where, 34: where}))
        all_over(log)
        assert len(log.ledger.rows) == 40
        assert any(row.attempt > 1 for row in log.ledger.rows)
        decided_again(case(), log)


def test_a_searcher_that_does_not_choose_gets_plain_hyperband() -> None:
    log = case(RandomSearch(), 30).run(workers=4)
    count = Counter(starts(log))
    assert count[3, 1, "promote", 3.0] == 3
    all_over(log)
    killed_anywhere(case(RandomSearch(), 20), stride=3)
