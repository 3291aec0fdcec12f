"""Law 1: a decision is a function of the log. At every prefix of random logs, what grew equals what was built at once.

The logs come from trimtab.testing: real drivers, to which everything happens that may happen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.history import History, Ledger, State
from trimtab.log import Event
from trimtab.protocol import Scheduler, Searcher, Storage
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.schedule._registry import scheduler
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.search._registry import searcher
from trimtab.storage import Memory, open_storage
from trimtab.study.verify import verify
from trimtab.testing import SCHEDULER_CHECKS, SEARCHER_CHECKS, STORAGE_CHECKS, WORLDS, World, random_log
from trimtab.testing._chaos import Chaos
from trimtab.testing._searchers import prefixes

# Settings under which a method shows what it does within a hundred events; a new method gets its defaults.
SHORT: dict[str, dict[str, Any]] = {
    "tpe": {"startup": 4},
    "gp": {"startup": 4, "candidates": 32, "starts": 2},
    "turbo": {"startup": 4, "candidates": 32, "starts": 2},
    "forest": {"startup": 4, "trees": 8, "candidates": 100},
    "cqr": {"startup": 4, "rounds": 10, "candidates": 100},
    "cmaes": {"population": 4},
    "cem": {"population": 6},
    "median": {"max": 6, "min_trials": 2},
    "full": {"max": 4},
}
# Those whose proposals cost milliseconds are asked for at every 8th prefix only.
EVERY = {"gp": 8, "auto": 8, "turbo": 8, "forest": 8, "cqr": 8, "carbs": 8}
KNOWN_GAPS: dict[tuple[str, str], str] = {}  # (method, check) -> reason; a mended gap must leave the list


def make_searcher(name: str) -> Callable[[], Searcher]:
    return lambda: searcher(name, **SHORT.get(name, {}))


def make_scheduler(name: str) -> Callable[[], Scheduler]:
    settings = SHORT.get(name, {"max": 9} if "max" in SCHEDULERS.load(name).__dataclass_fields__ else {})
    return lambda: scheduler(name, **settings)


def gap(request: pytest.FixtureRequest, name: str, check: str) -> None:
    if reason := KNOWN_GAPS.get((name, check)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.mark.parametrize("check", sorted(SEARCHER_CHECKS))
@pytest.mark.parametrize("name", SEARCHERS.names())
def test_searchers(name: str, check: str, request: pytest.FixtureRequest) -> None:
    gap(request, name, check)
    more = {"every": EVERY[name]} if name in EVERY and check == "cold_equals_warm" else {}
    SEARCHER_CHECKS[check](make_searcher(name), **more)  # type: ignore[call-arg]


@pytest.mark.parametrize("check", sorted(SCHEDULER_CHECKS))
@pytest.mark.parametrize("name", SCHEDULERS.names())
def test_schedulers(name: str, check: str, request: pytest.FixtureRequest) -> None:
    gap(request, name, check)
    SCHEDULER_CHECKS[check](make_scheduler(name))


# ── columns and effective events ─────────────────────────────────────────────────────────────────────────────────


def effective(history: History) -> list[tuple[Any, ...]]:
    """What folds are stepped over, as they see it."""

    def step(seen: list[tuple[Any, ...]], event: Event, _: History) -> list[tuple[Any, ...]]:
        seen.append((event.seq, event.kind, event.trial, repr(event.body)))
        return seen

    return history.fold("effective events", list, step)


def columns(history: History) -> dict[str, Any]:
    curve, marks = history.reports(), history.at((1.0, 2.0, 3.0))
    found = {name: getattr(history, name) for name in ("X", "Y", "C", "state", "level", "numbers")}
    found |= {f"report {name}": getattr(curve, name) for name in ("trial", "step", "fold")}
    found |= {f"metric {name}": values for name, values in curve.metrics.items()}
    found |= {f"at {name}": getattr(marks, name) for name in ("trial", "level", "Y", "C")}
    return found | {"seconds": history.cost["seconds"]}


def same_columns(warm: History, cold: History, told: str) -> None:
    mine, theirs = columns(warm), columns(cold)
    assert list(mine) == list(theirs)
    assert "metric secret" not in mine
    for name, values in mine.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=f"{name}, {told}")
    assert effective(warm) == effective(cold), told
    for number in warm.numbers:
        assert repr(warm.trial(int(number))) == repr(cold.trial(int(number))), f"trial {number}, {told}"


def ends_say_what_columns_say(history: History, told: str) -> None:
    """Whoever folds over ends and whoever reads Y see the same values."""
    last = {event.trial: event for event in history.events() if event.kind == "ended"}
    for i, number in enumerate(history.numbers):
        if history.state[i] == State.RUNNING:
            continue
        y, c, _ = history.outcome(last[int(number)])
        np.testing.assert_array_equal(y, history.Y[i], err_msg=f"trial {number}, {told}")
        if history.state[i] != State.FAILED:
            np.testing.assert_array_equal(c, history.C[i], err_msg=f"trial {number}, {told}")


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.name)
def test_columns(world: World) -> None:
    same_at_every_prefix(world, seed=0)


def same_at_every_prefix(world: World, seed: int) -> None:
    log = random_log(world, searcher("random"), scheduler("halving", max=9), seed=seed, events=150)
    for warm, cold, told in prefixes(log, seed=seed):
        where = f"{world.name} study of seed {seed}, {told}"
        same_columns(warm, cold, where)
        ends_say_what_columns_say(cold, where)


def test_a_tail_that_was_dropped_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long logs keep only their newest events in memory; a cold fold reads the rest from the storage."""
    log = random_log(WORLDS[0], searcher("random"), scheduler("median", max=4), seed=3, events=300)
    whole, short = Ledger(lambda since: log[since:]), Ledger(lambda since: log[since:])
    for ledger in (whole, short):
        for event in log:
            ledger.extend([event])
            if ledger is short and len(ledger.tail) > 20:
                ledger.tail_from = ledger.tail[9].seq
                del ledger.tail[:10]
    assert short.tail_from > 0
    assert effective(History(whole)) == effective(History(short))


def test_methods_never_see_a_test_metric() -> None:
    for world in WORLDS:
        log = random_log(world, searcher("random"), scheduler("median", max=4), seed=5, events=150)
        ledger = Ledger(lambda since, log=log: log[since:])
        ledger.extend(log)
        for event in History(ledger).events():
            if event.kind in ("reported", "ended"):
                assert "secret" not in event.body.get("metrics", {}), event


def test_the_generator_makes_everything_happen() -> None:
    """A law that is checked on dull logs says little."""
    kinds, states, causes, late = set(), set(), set(), 0
    for seed in range(4):
        for world in WORLDS:
            chaos = Chaos(world, searcher("random"), scheduler("halving", max=9), seed)
            for event in chaos.run(200):
                kinds.add(event.kind)
                states.add(event.body.get("state") if event.kind == "ended" else None)
                causes.add(event.body.get("cause") if event.kind == "started" else None)
                late += event.by == "late"
            ledger = chaos.study._log.ledger
            assert ledger.era > 0
    assert kinds == {
        "defined", "enqueued", "started", "reported", "judged", "ended", "saved", "dropped", "amended", "answered",
        "noted", "closed",
    }  # fmt: skip
    assert states >= {"finished", "paused", "failed", "lost", "cancelled"}
    assert causes >= {"new", "queue", "promote", "retry", "added"}
    assert late > 10


def test_a_seed_gives_one_log() -> None:
    made = [
        random_log(WORLDS[0], searcher("tpe", startup=4), scheduler("full", max=4), seed=7, events=200) for _ in "ab"
    ]
    told = [[(e.kind, e.trial, e.attempt, {**e.body, "took": 0}) for e in log] for log in made]
    assert told[0] == told[1]


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.name)
@pytest.mark.parametrize("name", SCHEDULERS.names())
def test_every_decision_of_a_wild_log_can_be_made_again(name: str, world: World) -> None:
    chaos = Chaos(world, searcher("tpe", startup=4), make_scheduler(name)(), seed=2)
    chaos.run(200)
    checked = verify(chaos.storage)
    assert checked.ok, checked.first_difference
    assert checked.decisions > 10


# ── more of the same ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHERS.names())
def test_searchers_on_many_logs(name: str) -> None:
    SEARCHER_CHECKS["cold_equals_warm"](make_searcher(name), events=160, seeds=range(1, 5), every=EVERY.get(name, 1))  # type: ignore[call-arg]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULERS.names())
def test_schedulers_on_many_logs(name: str) -> None:
    SCHEDULER_CHECKS["cold_equals_warm"](make_scheduler(name), events=200, seeds=range(1, 7))  # type: ignore[call-arg]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 7))
def test_columns_of_many_logs(seed: int) -> None:
    for world in WORLDS:
        same_at_every_prefix(world, seed)


# ── storages ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("check", sorted(STORAGE_CHECKS))
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_storages(kind: str, check: str, tmp_path: Path) -> None:
    made: list[Storage] = [Memory()]

    def open_() -> Storage:
        if kind == "sqlite":
            made.append(open_storage(tmp_path / "a.db"))
        return made[-1]

    STORAGE_CHECKS[check](open_)
    for storage in made:
        storage.close()
