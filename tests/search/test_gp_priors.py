"""Priors that a space declares lead a Gaussian process at first, and mislead it only for a while."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.fixtures import Task, drive, ended, regret, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.gp import GP
from trimtab.search.gp._features import Layout
from trimtab.search.gp._tilt import tilt
from trimtab.space import Bool, Choice, Float, Int, Space

DECLARED = Space(
    {
        "n": Float(-5, 5, prior={"normal": [1.0, 0.5]}),
        "b": Float(0, 2, prior={"beta": [5, 2]}),
        "l": Float(1e-4, 1, log=True, prior={"normal": [1e-2, 0.5]}),
        "i": Int(1, 9, prior={"normal": [7, 1]}),
        "c": Choice(["p", "q", "r"], prior=[1, 8, 1]),
        "o": Choice([16, 32, 64], ordered=True, prior=[1, 1, 8]),
        "y": Bool(prior=0.9),
        "u": Float(0, 1),
        "deep": Float(0, 1, prior={"beta": [9, 2]}, when="y"),
    }
)
BEST = {"n": 1.0, "b": 1.6, "l": 1e-2, "i": 7, "c": "q", "o": 64, "y": True, "u": 0.5, "deep": 0.5}


def gain(config: dict[str, Any], weight: float = 1.0) -> float:
    layout = Layout(DECLARED)
    made = tilt(layout, weight)
    assert made is not None
    return float(made.slopes(layout.features(DECLARED.encode([config])))[0][0])


def test_the_modes_gain_most_and_what_has_no_prior_nothing() -> None:
    top = gain(BEST)
    worse = {"n": -2.0, "b": 0.2, "l": 0.5, "i": 2, "c": "p", "o": 16}
    for name, value in worse.items():
        assert gain({**BEST, name: value}) < top - 1, name
    assert gain({**BEST, "u": 0.1}) == gain({**BEST, "deep": 0.9}) == top
    assert gain({**BEST, "c": "p"}) - top == pytest.approx(np.log(1 / 8))
    assert gain(BEST, 0.5) == pytest.approx(top / 2)
    assert gain({**BEST, "n": -5.0}) > top - 12  # nothing is ruled out


def test_a_density_is_that_of_the_normal() -> None:
    ratio = gain({**BEST, "n": 1.5}) - gain(BEST)
    assert ratio == pytest.approx(-0.5, abs=0.03)  # one deviation off
    assert gain({**BEST, "l": 10**-1.5}) - gain(BEST) == pytest.approx(-0.5, abs=0.03)


def test_slopes() -> None:
    layout, h = Layout(DECLARED), 1e-7
    made = tilt(layout, 0.7)
    assert made is not None
    features = layout.features(DECLARED.sample(np.random.default_rng(0), 20))
    _, slopes = made.slopes(features)
    for j in range(3):
        moved = h * np.eye(features.shape[1])[j]
        by = (made.slopes(features + moved)[0] - made.slopes(features - moved)[0]) / (2 * h)
        np.testing.assert_allclose(slopes[:, j], by, rtol=1e-3, atol=1e-3)


def test_no_prior_or_no_trust_is_nothing() -> None:
    assert tilt(Layout(Space({"x": Float(0, 1)})), 1.0) is None
    assert tilt(Layout(DECLARED), 0.0) is None
    with pytest.raises(ValueError, match="trust must be at least 0"):
        GP(trust=-1)


def bowl(best: float, prior: dict[str, Any] | None) -> Task:
    space = Space({f"x{i}": Float(0, 1, prior=prior) for i in range(4)})
    return Task("bowl", space, lambda c: sum(abs(v - best) ** 1.5 for v in c.values()), 0.0, 14)


def median(gp: GP, task: Task, trials: int) -> float:
    return float(np.median([regret(gp, task, trials, s) for s in range(3)]))


def test_a_good_prior_helps_at_once_and_a_bad_one_is_left() -> None:
    gp = GP(candidates=128, starts=3)
    good, bad = {"normal": [0.83, 0.05]}, {"normal": [0.15, 0.1]}
    assert median(gp, bowl(0.8, good), 14) < median(gp, bowl(0.8, None), 14)
    misled = drive(gp, bowl(0.8, bad), 35)
    assert float(misled.Y.min()) < 0.2  # the prior's own mode costs 2.1


def test_proposals_follow_the_prior_before_the_model_knows_better() -> None:
    history, rng = History.empty(DECLARED), np.random.default_rng(0)
    for number in range(6):
        history.extend([started(number, DECLARED.sample_config(rng)), ended(history, number, float(rng.random()))])
    told = [gain({**BEST, **dict(p.config or {})}) for p in GP(trust=50).propose(history, Ask(number=7, n=3))]
    drawn = [gain({**BEST, **DECLARED.sample_config(rng)}) for _ in range(20)]
    assert np.mean(told) > np.mean(drawn)
