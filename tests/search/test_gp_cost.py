"""The Gaussian process where trials differ in cost: what is read, how much it counts, and what is not sought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from benchmarks.fixtures import ended, started
from trimtab.bench.tasks.fixtures import BRANIN, branin
from trimtab.history import History, Ledger
from trimtab.log import Event
from trimtab.protocol import Ask, Proposal
from trimtab.search.gp import GP
from trimtab.search.gp._cost import costs_of, prices, share
from trimtab.search.gp._state import State
from trimtab.search.gp._surrogate import Surrogate, surrogate
from trimtab.space import Choice, Float, Space
from trimtab.storage import Memory

LINE = Space({"x": Float(0, 1)})
PLANE = Space({"x": Float(0, 1), "y": Float(0, 1)})
SMALL: dict[str, Any] = {"candidates": 64, "starts": 3}


def dear(c: Mapping[str, Any]) -> float:
    """From 1 to 100."""
    return float(100.0 ** c["x"])


def seen(n: int, costs: Any = dear, kind: str = "seconds", seed: int = 0, space: Space = PLANE) -> History:
    """Two equal bowls, one where trials are cheap and one where they are dear."""
    history, rng = History.empty(space), np.random.default_rng(seed)
    for number in range(n):
        config = space.sample_config(rng)
        value = min((config["x"] - v) ** 2 for v in (0.2, 0.8)) + (config.get("y", 0.5) - 0.5) ** 2
        cost = costs(config) if callable(costs) else costs[number]
        told: dict[str, Any] = {"cost": {kind: cost}} if cost is not None else {}
        history.extend([started(number, config), ended(history, number, value, **told)])
    return history


def model(history: History, limit: float | None = None, hyper: Any = None) -> Surrogate:
    state: State = history.fold(("gp", "state"), State, State.step)
    made = surrogate(history, state, "", 1000, None, None, hyper, 0.0, costs_of(history, "seconds"), limit)
    assert isinstance(made, Surrogate)
    return made


def asked(history: History, n: int = 1, fresh: int | None = None, **settings: Any) -> list[Proposal]:
    number = len(history)
    found = GP(**{**SMALL, "cost": "seconds", **settings}).propose(history, Ask(number, move=number, n=n, fresh=fresh))
    return list(found)


# ── the acquisition ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [None, 20.0])
@pytest.mark.parametrize("hyper", [None, "laplace"])
def test_slopes_are_those_of_the_score(limit: float | None, hyper: Any) -> None:
    sets = None if hyper is None else (hyper, np.random.default_rng(0))
    made = model(seen(15), limit, sets).paying(0.7)
    features = np.random.default_rng(1).random((6, 2))
    value, slopes = made.slopes(features)
    assert value == pytest.approx(made.score(features))
    for j in range(2):
        step = np.zeros(2)
        step[j] = 1e-6
        rise = (made.score(features + step) - made.score(features - step)) / 2e-6
        assert slopes[:, j] == pytest.approx(rise, rel=1e-2, abs=1e-2)


def test_the_logarithm_of_the_cost_is_taken_off() -> None:
    made, features = model(seen(20)), np.random.default_rng(2).random((9, 2))
    plain, full = made.paying(0.0).score(features), made.paying(1.0).score(features)
    assert made.price is not None
    logs = np.log([made.price.expected(row[None]) for row in features]) - made.price.middle
    assert plain - full == pytest.approx(logs)
    assert logs + made.price.middle == pytest.approx(features[:, 0] * math.log(100), abs=0.15)


def test_of_two_equal_places_the_cheap_one_is_tried_until_the_budget_ends() -> None:
    spent = np.array(
        [[dear(asked(seen(8, seed=s), fresh=left)[0].config or {}) for left in (1000, 0)] for s in range(6)]
    )
    assert np.median(spent[:, 0]) < 0.5 * np.median(spent[:, 1])
    history = seen(20)
    shares = [share(history, Ask(20, fresh=fresh), 20, "seconds", costs_of(history, "seconds")) for fresh in (1000, 20)]
    assert shares == pytest.approx([(1 - 20 / 1020) ** 0.5, 0.5**0.5])


# ── the budget ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_share_follows_the_budget_that_is_nearer_its_end() -> None:
    log: list[Event] = []
    ledger = Ledger(lambda since: log[since:])
    space: Any = {"x": "0.0..1.0"}
    study = tt.Study("s", space, minimize="loss", storage=Memory(), stop={"time": 100.0, "gpu_hours": 1.0})
    for x in (0.1, 0.3):
        study.enqueue({"x": x})
        study.tell(study.ask(), 1.0, cost={"seconds": 20.0, "gpu_seconds": 60.0})
    log.extend(study._log.storage.read(study._log.study, 0)[0])
    ledger.extend(log)
    history = History(ledger)

    def left(cost: str, ask: Ask) -> float:
        return share(history, ask, ask.number, cost, costs_of(history, cost))

    assert left("seconds", Ask(2)) == pytest.approx(0.6**0.5)
    assert left("seconds", Ask(2, fresh=2)) == pytest.approx(0.5**0.5)
    assert left("gpu_seconds", Ask(2)) == pytest.approx((1 - 120 / 3600) ** 0.5)
    assert left("seconds", Ask(2, fresh=0)) == 0.0


def test_without_a_budget_the_cost_counts_in_full() -> None:
    history = seen(3)
    assert share(history, Ask(3), 3, "seconds", costs_of(history, "seconds")) == 1.0


# ── what was logged ──────────────────────────────────────────────────────────────────────────────────────────────


def test_costs_that_say_nothing_are_left_out_and_failed_trials_count() -> None:
    costs = [3.0, None, 0.0, -1.0, 5.0, math.inf, 2.0]
    history = seen(7, costs)
    history.extend([started(7, {"x": 0.9, "y": 0.9})])
    history.extend([Event("ended", {"state": "failed", "cost": {"seconds": 70.0}}, 7, 1)])
    history.extend([started(8, {"x": 0.8, "y": 0.9})])  # runs
    told = costs_of(history, "seconds")
    found = prices(told[:8], np.random.default_rng(0).random((8, 2)), np.arange(2), 4.0)
    assert found is not None
    assert np.exp(found.middle + found.width * found.data.y) == pytest.approx([3, 5, 2, 70])
    assert found.within.tolist() == [True, True, True, True, False, True, True, False]
    assert asked(history)[0].config


@pytest.mark.parametrize("costs", [[None] * 8, [None] * 7 + [3.0], [0.0] * 8])
def test_without_costs_it_is_gp(costs: list[float | None]) -> None:
    history = seen(8, costs)
    with_, without = asked(history)[0], asked(history, cost=None)[0]
    assert with_.config == without.config
    assert with_.note == without.note


def test_costs_that_are_all_the_same_change_nothing() -> None:
    history = seen(9, [4.0] * 9)
    one, other = asked(history)[0], asked(history, cost=None)[0]
    assert PLANE.encode([one.config or {}]) == pytest.approx(PLANE.encode([other.config or {}]), abs=1e-3)
    assert "at a cost of about 4 seconds" in str(one.why["text"])


def test_another_kind_of_cost_and_a_metric() -> None:
    by_kind = seen(12, kind="dollars")
    assert costs_of(by_kind, "dollars") == pytest.approx([dear(by_kind.config(n)) for n in range(12)])
    by_metric = History.empty(PLANE)
    for number in range(12):
        config = by_kind.config(number)
        end = ended(by_metric, number, by_kind.Y[number], metrics={"flops": dear(config)}, cost={"seconds": 1.0})
        by_metric.extend([started(number, config), end])
    assert asked(by_metric, cost="flops")[0].config == asked(by_kind, cost="dollars")[0].config


def test_a_trial_that_went_on_costs_both_parts() -> None:
    history = seen(3, kind="dollars")
    history.extend([started(3, {"x": 0.5, "y": 0.5})])
    for state in ("paused", "finished"):
        body = {"state": state, "values": {"loss": 1.0}, "cost": {"dollars": 2.0}}
        history.extend([Event("ended", body, 3, 1)])
        if state == "paused":
            config = {"x": 0.5, "y": 0.5}
            history.extend([Event("started", {"cause": "resume", "attempt": 2, "config": config}, 3, 2)])
    assert costs_of(history, "dollars")[3] == pytest.approx(4.0)


def test_a_limit_keeps_away_from_what_would_cost_more() -> None:
    history = seen(25)
    for number in range(25, 33):
        (proposal,) = asked(history, limit=10.0, fresh=1)
        config = dict(proposal.config or {})
        assert dear(config) < 12
        history.extend([started(number, config, proposal.note), ended(history, number, 1.0, cost={"seconds": 1.0})])
    loose = model(seen(25), 1e9)
    tight = model(seen(25), 10.0)
    assert loose.best is not None
    assert tight.best is not None
    assert loose.best <= tight.best


# ── what a searcher keeps ────────────────────────────────────────────────────────────────────────────────────────


def test_cold_equals_warm() -> None:
    studies = [seen(n) for n in (9, 10)]
    other = seen(9)
    assert asked(studies[0])[0] == asked(other)[0]
    (first,) = asked(other)
    grown = seen(9)
    grown.extend([started(9, first.config or {}, first.note), ended(grown, 9, 0.3, cost={"seconds": 9.0})])
    once = History.empty(PLANE)
    once.extend([replace(e) for e in (grown._log or [])[1:]])
    assert asked(grown, 2) == asked(once, 2)


def test_batches_differ_and_branches_are_covered() -> None:
    when = Space({"k": Choice(["a", "b"]), "x": Float(0, 1), "y": Float(0, 1, when="k == 'b'")})
    history = seen(14, space=when)
    batch = [p.config or {} for p in asked(history, 4)]
    assert len({repr(sorted(c.items())) for c in batch}) == 4
    assert all(("y" in c) == (c["k"] == "b") for c in batch)


def test_what_it_reads_is_declared() -> None:
    assert not GP().reads_time
    assert GP(cost="seconds").reads_time
    assert not GP(cost="latency", utility={"log": 0.1}).reads_time


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"limit": 3.0}, "limit.*needs cost="),
        ({"cost": "seconds", "limit": 0.0}, "above 0"),
        ({"cost": "seconds", "acquisition": "ucb"}, "logei"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GP(**settings)


def test_a_study_that_it_does_not_fit() -> None:
    with pytest.raises(ValueError, match="no trial has logged 'flop'; what they have is seconds"):
        asked(seen(8), cost="flop")
    with pytest.raises(ValueError, match="is the objective of this study"):
        asked(seen(8), cost="loss")
    two = History.empty(PLANE, ["a", "b"])
    with pytest.raises(ValueError, match="one objective, and this study has a, b"):
        asked(two)


# ── what it is worth ─────────────────────────────────────────────────────────────────────────────────────────────


def best_for(searcher: Any, seed: int, budget: float) -> float:
    """Regret when so much has been spent on Branin's function, along whose first parameter trials get dearer."""
    space: Any = {"x": "0.0..1.0", "y": "0.0..1.0"}
    study = tt.Study("s", space, minimize="loss", storage=Memory(), seed=seed, searcher=searcher, stop={"time": budget})
    best, spent = math.inf, 0.0
    while spent < budget:
        trial = study.ask()
        value = branin(-5 + 15 * trial["x"], 15 * trial["y"]) - BRANIN
        spent += dear(trial.config)
        best = min(best, value) if spent <= budget else best
        study.tell(trial, value, cost={"seconds": dear(trial.config)})
    return best


@pytest.mark.slow
def test_more_is_found_for_the_same_cost() -> None:
    plain, aware = ([best_for(gp, s, 500.0) for s in range(5)] for gp in (GP(**SMALL), GP(**SMALL, cost="seconds")))
    assert np.median(aware) < 0.3 * np.median(plain)  # measured with all candidates: 0.0002 against 0.6
