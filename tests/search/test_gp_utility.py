"""The Gaussian process where a quality is weighed against a cost: formulas, the gain of both, and what is found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask, Proposal
from trimtab.search.gp import GP
from trimtab.search.gp._outputs import target
from trimtab.search.gp._state import State
from trimtab.search.gp._utility import formula
from trimtab.search.gp._worth import Worth, _back, _forth, worth
from trimtab.space import Choice, Float, Space
from trimtab.storage import Memory

PLANE = Space({"x": Float(0, 1), "y": Float(0, 1)})
SMALL: dict[str, Any] = {"candidates": 64, "starts": 3}
UTILITIES: list[dict[str, float]] = [
    {"log": 0.0},
    {"log": 0.3},
    {"harmonic": 3.0},
    {"harmonic": 3.0, "beta": 2.0},
    {"target": 3.0},
    {"target": 3.0, "power": 0.5},
]
GOALS = {"quality": "max", "latency": "min"}


def two(c: Mapping[str, Any]) -> tuple[float, float]:
    return 0.9 - (c["x"] - 0.7) ** 2 - 0.5 * (c.get("y", 0.4) - 0.4) ** 2, 10.0 ** c["x"] * (1 + c.get("y", 0.0))


def seen(n: int, noise: float = 0.0, limits: Any = None, space: Space = PLANE, seed: int = 0) -> History:
    rng = np.random.default_rng(seed)
    history = History.empty(space, GOALS, ("g <= 0",) if limits else ())
    for number in range(n):
        config = space.sample_config(rng)
        quality, cost = two(config)
        values = [quality + noise * rng.standard_normal(), cost * math.exp(noise * rng.standard_normal())]
        end = ended(history, number, values, [limits(config)] if limits else ())
        history.extend([started(number, config), end])
    return history


def model(history: History, utility: Mapping[str, float], limit: float | None = None, number: int = 0) -> Worth:
    state: State = history.fold(("gp", "state"), State, State.step)
    made = worth(history, state, "", 1000, 0.0, utility, "latency", limit)
    assert isinstance(made, Worth)
    return made.by_turns(number)


def asked(history: History, n: int = 1, **settings: Any) -> list[Proposal]:
    settings = {**SMALL, "cost": "latency", "utility": {"log": 0.3}, **settings}
    return list(GP(**settings).propose(history, Ask(len(history), move=len(history), n=n)))


# ── the formulas ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_formulas_by_hand() -> None:
    E, L = np.array([0.8, 0.5]), np.log([2.0, 6.0])
    assert formula({"log": 0.3}).value(E, L) == pytest.approx([0.56 - 0.3 * np.log(2), 0.35 - 0.3 * np.log(6)])
    s = np.exp(-np.array([2.0, 6.0]) / 3)
    assert formula({"harmonic": 3.0}).value(E, L) == pytest.approx(2 / (1 / E + 1 / s))
    assert formula({"harmonic": 3.0, "beta": 2.0}).value(E, L) == pytest.approx(5 * E * s / (4 * s + E))
    assert formula({"target": 3.0}).value(E, L) == pytest.approx(E * np.array([2 / 3, 2.0]) ** -0.07)


@pytest.mark.parametrize("utility", UTILITIES)
def test_formulas_rise_with_quality_fall_with_cost_and_turn_back(utility: dict[str, float]) -> None:
    rule, rng = formula(utility), np.random.default_rng(0)
    E, L = rng.uniform(-0.5, 1.5, 300), rng.uniform(-3, 5, 300)
    by_E, by_L = rule.slopes(E, L)
    assert (by_E > 0).all()
    assert (by_L <= 0).all()
    h = 1e-6
    assert by_E == pytest.approx((rule.value(E + h, L) - rule.value(E - h, L)) / (2 * h), abs=1e-6)
    assert by_L == pytest.approx((rule.value(E, L + h) - rule.value(E, L - h)) / (2 * h), abs=1e-6)
    for U in (-0.4, 0.0, 0.2, 0.9):
        assert rule.value(rule.needed(U, L), L) == pytest.approx(np.full(300, U), abs=1e-9)


def test_there_and_back() -> None:
    told = target(np.array([1.0, 1.2, 1.3, 1.5, 90.0, 1e5]), np.zeros(6))
    z = np.linspace(told.y.min() - 1, told.y.max(), 50)
    values, by = _back(told, z)
    assert values == pytest.approx([told.back(v) for v in z])
    again, back = _forth(told, values)
    assert again == pytest.approx(z)
    assert by * back == pytest.approx(np.ones(50))


# ── the gain ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("utility", UTILITIES)
def test_the_gain_is_that_of_many_draws_and_so_are_its_slopes(utility: dict[str, float]) -> None:
    made, rng = model(seen(15), utility), np.random.default_rng(1)
    mean, sd = rng.normal(0, 0.7, 6), rng.uniform(0.1, 0.6, 6)
    middle, spread = rng.normal(0, 0.7, 6), rng.uniform(0.05, 0.4, 6)

    def worth_of(z: Any, v: Any) -> Any:
        logs = made.price.middle + made.price.width * (middle + spread * v)
        return made.formula.value(-_back(made.target, mean + sd * z)[0], logs)

    best = float(np.quantile(worth_of(0.0, 0.0), 0.7))
    log, slopes = made._gain(best, mean, sd, middle, spread)
    z, v = rng.standard_normal((2, 200_000, 1))
    told = np.maximum(worth_of(z, v) - best, 0.0).mean(axis=0)
    often = told > 0.2 * told.max()
    assert np.exp(log)[often] == pytest.approx(told[often], rel=0.1)
    given = [mean, sd, middle, spread]
    for k in range(4):
        up, down = ([each + sign * 1e-6 * (i == k) for i, each in enumerate(given)] for sign in (1, -1))
        rise = (made._gain(best, *up)[0] - made._gain(best, *down)[0]) / 2e-6
        assert slopes[k] == pytest.approx(rise, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("utility", UTILITIES)
def test_far_from_the_best_there_is_a_slope_and_no_nan(utility: dict[str, float]) -> None:
    made, n = model(seen(15), utility), 40
    far = np.linspace(-1e3, 1e3, n)
    for sd in (1e-6, 1e-2, 3.0):
        for best in (-5.0, 0.0, 0.5, 5.0):
            log, slopes = made._gain(best, far, np.full(n, sd), far[::-1] * 0.01, np.full(n, sd))
            assert np.isfinite(log).all()
            assert np.isfinite(slopes).all()
    log, slopes = made._gain(0.6, np.array([3.0]), np.array([0.05]), np.zeros(1), np.full(1, 0.05))
    assert log[0] < -500
    assert slopes[0, 0] < -100


@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.parametrize(("limit", "number"), [(None, 0), (5.0, 0), (5.0, 1)])
def test_slopes_are_those_of_the_score(utility: dict[str, float], limit: float | None, number: int) -> None:
    made = model(seen(15, limits=lambda c: c["y"] - 0.8), utility, limit, number)
    made = made.believing(PLANE.encode([{"x": 0.3, "y": 0.3}]))
    features = np.random.default_rng(1).random((6, 2))
    value, slopes = made.slopes(features)
    assert value == pytest.approx(made.score(features))
    for j in range(2):
        step = np.zeros(2)
        step[j] = 1e-6
        rise = (made.score(features + step) - made.score(features - step)) / 2e-6
        assert slopes[:, j] == pytest.approx(rise, rel=2e-2, abs=2e-2)


# ── a history as it comes ────────────────────────────────────────────────────────────────────────────────────────


def test_failed_trials_and_costs_without_a_logarithm_are_no_best() -> None:
    history = seen(8)
    for number, latency in ((8, 0.0), (9, -2.0)):
        history.extend([started(number, {"x": 0.1, "y": 0.1}), ended(history, number, [5.0, latency])])
    history.extend([started(10, {"x": 0.2, "y": 0.2}), Event("ended", {"state": "failed"}, 10, 1)])
    made = model(history, {"log": 0.3})
    assert made.whose is not None
    assert made.whose < 8
    assert len(made.X) == 8
    (proposal,) = asked(history)
    assert f"trial {made.whose} so far" in str(proposal.why["text"])


def test_no_cost_above_zero_is_said() -> None:
    history = History.empty(PLANE, GOALS)
    for number in range(6):
        history.extend([started(number, {"x": number / 6, "y": 0.1}), ended(history, number, [0.5, 0.0])])
    with pytest.raises(ValueError, match="no trial has a latency above 0"):
        asked(history)


@pytest.mark.parametrize("values", [lambda q, c: (0.5, c), lambda q, c: (q, 2.0), lambda q, c: (0.5, 2.0)])
def test_where_one_of_the_two_never_changes(values: Any) -> None:
    history = History.empty(PLANE, GOALS)
    rng = np.random.default_rng(0)
    for number in range(9):
        config = PLANE.sample_config(rng)
        history.extend([started(number, config), ended(history, number, values(*two(config)))])
    made = model(history, {"log": 0.3})
    q, c = values(*two(history.config(int(made.whose or 0))))
    assert made.best == pytest.approx(0.7 * q - 0.3 * math.log(c))
    assert asked(history)[0].config


def test_every_second_trial_is_sought_by_the_utility_itself() -> None:
    history = seen(12, noise=0.05, limits=lambda c: c["y"] - 0.5)
    two_, one = (model(history, {"log": 0.3}, number=k) for k in (0, 1))
    assert two_.whole is None
    assert one.whole is not None
    assert len(one.fit.theta) == 4  # of both, of the utility, and of the constraint
    place = PLANE.encode([{"x": 0.2, "y": 0.1}])
    assert one.believing(place).score(place)[0] < one.score(place)[0]
    two_and_one = asked(history, 2)
    assert two_and_one[0].note
    assert not two_and_one[1].note


def test_noise_constraints_and_a_limit() -> None:
    noisy = model(seen(20, noise=0.1), {"log": 0.3})
    assert noisy.best is not None
    history = seen(20, limits=lambda c: c["y"] - 0.3)
    fast = model(history, {"log": 0.0}, 3.0)
    assert fast.whose is not None
    config = history.config(fast.whose)
    assert config["y"] <= 0.3
    assert two(config)[1] <= 3.0
    none = model(seen(10, limits=lambda c: 1.0), {"log": 0.3})
    assert none.best is None
    assert "nothing feasible is known yet" in str(asked(seen(10, limits=lambda c: 1.0))[0].why["text"])


def test_a_quality_that_is_minimised_counts_the_other_way() -> None:
    up, down = History.empty(PLANE, GOALS), History.empty(PLANE, {"error": "min", "latency": "min"})
    rng = np.random.default_rng(0)
    for number in range(10):
        config = PLANE.sample_config(rng)
        quality, cost = two(config)
        up.extend([started(number, config), ended(up, number, [quality, cost])])
        down.extend([started(number, config), ended(down, number, [-quality, cost])])
    assert asked(up)[0].config == asked(down)[0].config


def test_branches_batches_and_the_order_of_what_runs() -> None:
    space = Space({"k": Choice(["a", "b"]), "x": Float(0, 1), "y": Float(0, 1, when="k == 'b'")})
    batch = [p.config or {} for p in asked(seen(14, space=space), 4)]
    assert len({repr(sorted(c.items())) for c in batch}) == 4
    assert all(("y" in c) == (c["k"] == "b") for c in batch)
    one, other = seen(12), seen(12)
    places = [dict(p.config or {}) for p in asked(one, 2)]
    one.extend([started(12, places[0]), started(13, places[1])])
    other.extend([started(12, places[1]), started(13, places[0])])
    found = [PLANE.encode([asked(h)[0].config or {}]) for h in (one, other)]
    assert found[0] == pytest.approx(found[1], abs=1e-9)


def test_cold_equals_warm() -> None:
    warm = seen(9)
    (first,) = asked(warm)
    warm.extend([started(9, first.config or {}, first.note), ended(warm, 9, two(first.config or {}))])
    cold = History.empty(PLANE, GOALS)
    cold.extend([replace(e) for e in (warm._log or [])[1:]])
    assert asked(warm, 2) == asked(cold, 2)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("utility", "says"),
    [
        ({}, "one of log, harmonic, target was expected"),
        ({"log": 0.3, "target": 2.0}, "one of log, harmonic, target was expected"),
        ({"log": 1.0}, "at least 0, and below 1"),
        ({"log": 0.3, "beta": 1.0}, "'log' does not take 'beta'"),
        ({"harmonic": 3.0, "power": 1.0}, "'harmonic' does not take 'power'; what else it takes is 'beta'"),
        ({"harmonic": 0.0}, "harmonic must be above 0"),
        ({"target": math.nan}, "target must be above 0"),
        ({"target": "fast"}, "target is a number"),
    ],
)
def test_formulas_that_make_no_sense(utility: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GP(cost="latency", utility=utility)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cost": None}, "needs cost="),
        ({"several": "ehvi"}, "leave several out"),
        ({"prefer": {"quality": 2.0}}, "leave prefer out"),
        ({"hyper": "laplace"}, "leave hyper out"),
        ({"running": "drawn"}, "leave running out"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GP(**{"cost": "latency", "utility": {"log": 0.3}, **settings})


@pytest.mark.parametrize(
    ("goals", "settings", "says"),
    [
        ({"loss": "min"}, {}, "for two objectives, a quality and latency; this study's objectives are loss"),
        ({"quality": "max", "seconds": "min"}, {}, "objectives are quality, seconds"),
        ({"quality": "max", "latency": "max"}, {}, "latency is maximised"),
        ({"error": "min", "latency": "min"}, {"utility": {"harmonic": 3.0}}, "error is minimised"),
        ({"percent": "max", "latency": "min"}, {"utility": {"harmonic": 3.0}}, "percent = 80"),
    ],
)
def test_studies_that_it_does_not_fit(goals: dict[str, str], settings: dict[str, Any], says: str) -> None:
    history = History.empty(PLANE, goals)
    for number in range(6):
        values = [80.0 - number, 1.0 + number][: len(goals)]
        history.extend([started(number, {"x": number / 6, "y": 0.1}), ended(history, number, values)])
    with pytest.raises(ValueError, match=says):
        asked(history, **settings)


# ── what is found ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("w", "best"), [(1e-3, 0.7), (0.1, 0.57207), (0.3, 0.20659)])
def test_the_best_of_a_line_is_the_one_worked_out_by_hand(w: float, best: float) -> None:
    """1 - (x - .7)² against 10^x: the utility is largest at .7 - w ln 10 / (2 (1 - w))."""
    assert best == pytest.approx(0.7 - w * math.log(10) / (2 * (1 - w)), abs=2e-3)
    for seed in range(3):
        gp = GP(**SMALL, cost="T", utility={"log": w})
        space: Any = {"x": "0.0..1.0"}
        study = tt.Study("line", space, maximize="E", minimize="T", storage=Memory(), seed=seed, searcher=gp)
        for _ in range(14):
            trial = study.ask()
            study.tell(trial, {"E": 1 - (trial["x"] - 0.7) ** 2, "T": 10 ** trial["x"]})
        found = max(study.front, key=lambda t: (1 - w) * t.values["E"] - w * math.log(t.values["T"]))
        assert found.config["x"] == pytest.approx(best, abs=0.01)
