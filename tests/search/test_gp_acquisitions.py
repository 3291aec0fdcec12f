"""What a Gaussian process may seek: slopes are right, draws follow the model, and each of them finds things."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.fixtures import HARTMANN6, ended, regret, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.gp import ACQUISITION, GP, HYPER
from trimtab.search.gp._acquisitions import caution, lower, mixed, path, seeking
from trimtab.search.gp._model import Data, Posterior
from trimtab.search.random import RandomSearch
from trimtab.space import Choice, Float, Space

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1), "c": Choice(["a", "b"])})


def history_of(n: int, **more: Any) -> History:
    history, rng = History.empty(SPACE, **more), np.random.default_rng(0)
    for number in range(n):
        config = SPACE.sample_config(rng)
        cost = (config["x"] - 0.3) ** 2 + (config["y"] - 0.7) ** 2 + (config["c"] == "b")
        limits = [config["x"] - 0.5] if more.get("constraints") else []
        history.extend([started(number, config), ended(history, number, cost, limits)])
    return history


def test_caution_is_as_published() -> None:
    assert caution(20, 20) == pytest.approx(6.5, abs=0.05)


@pytest.mark.parametrize("rule", [lower(2.0), mixed(np.array([0.2, 0.5, 0.3]), 2.0)])
def test_slopes_of_the_rules(rule: Any) -> None:
    mean, sd, h = np.array([-1.0, 0.2, 3.0]), np.array([0.3, 1.0, 0.5]), 1e-6
    _, by_mean, by_sd = rule(0.1, mean, sd)
    np.testing.assert_allclose(by_mean, (rule(0.1, mean + h, sd)[0] - rule(0.1, mean - h, sd)[0]) / (2 * h), rtol=1e-4)
    np.testing.assert_allclose(by_sd, (rule(0.1, mean, sd + h)[0] - rule(0.1, mean, sd - h)[0]) / (2 * h), rtol=1e-4)


def test_drawn_functions_have_the_models_mean_and_spread_and_right_slopes() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((8, 2))
    data = Data(X, np.arange(2), np.sin(5 * X[:, 0]) + X[:, 1], np.zeros(8))
    model = Posterior.of(np.array([-700.0, -300.0, 0.0, -6000.0]), data)
    at = rng.random((6, 2))
    draws = np.array([path(model, np.random.default_rng(s)).slopes(at)[0] for s in range(600)])
    mean, variance = model.predict(at)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=4 * np.sqrt(variance.max() / 600) + 0.01)
    np.testing.assert_allclose(draws.std(axis=0), np.sqrt(variance), rtol=0.15, atol=0.01)
    one, h = path(model, np.random.default_rng(0)), 1e-6
    for j in range(2):
        by = (one.slopes(at + h * np.eye(2)[j])[0] - one.slopes(at - h * np.eye(2)[j])[0]) / (2 * h)
        np.testing.assert_allclose(one.slopes(at)[1][:, j], by, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ACQUISITION)
@pytest.mark.parametrize("hyper", ["map", "laplace"])
@pytest.mark.parametrize("constraints", [[], ["c <= 0"]])
def test_slopes_in_a_search(kind: Any, hyper: Any, constraints: list[str]) -> None:
    history = history_of(15, constraints=constraints)
    gp, ask = GP(hyper=hyper), Ask(number=15)
    from trimtab.search.gp._state import State

    state = history.fold(("gp", "state"), State, State.step)
    model = gp._surrogate(history, ask, state)
    assert not isinstance(model, str)
    model = seeking(model.believing(history.X[:2] * 0.9), kind, np.random.default_rng(0), 15)
    features = model.layout.features(SPACE.sample(np.random.default_rng(1), 5))
    value, slopes = model.slopes(features)
    np.testing.assert_allclose(value, model.score(features), rtol=1e-9)
    h = 1e-6
    for j in range(2):
        moved = h * np.eye(features.shape[1])[j]
        by = (model.score(features + moved) - model.score(features - moved)) / (2 * h)
        np.testing.assert_allclose(slopes[:, j], by, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ACQUISITION)
def test_each_proposes_a_batch_that_follows_from_the_log(kind: Any) -> None:
    gp = GP(acquisition=kind, candidates=64, starts=2)
    history = history_of(12)
    batch = gp.propose(history, Ask(number=12, move=12, n=3))
    assert len({tuple((p.config or {}).values()) for p in batch}) == 3
    history.forget()
    assert repr(batch) == repr(gp.propose(history, Ask(number=12, move=12, n=3)))


@pytest.mark.parametrize("kind", ["ucb", "thompson", "portfolio"])
def test_each_is_better_than_chance(kind: Any) -> None:
    gp = GP(acquisition=kind, candidates=128, starts=3)
    mine = np.median([regret(gp, HARTMANN6, 40, s) for s in range(3)])
    theirs = np.median([regret(RandomSearch(), HARTMANN6, 40, s) for s in range(3)])
    assert mine < theirs


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ValueError, match="acquisition is one of logei, ucb, thompson, portfolio"):
        GP(acquisition="ei")  # type: ignore[arg-type]
    assert GP().hyper in HYPER
