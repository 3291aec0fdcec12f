"""Running trials as draws: their mean is the prediction, each is what the model would say of such results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.gp import GP
from trimtab.search.gp._mixture import Mixture
from trimtab.search.gp._model import _matern, _squared
from trimtab.search.gp._pending import imagined
from trimtab.search.gp._state import State
from trimtab.search.gp._surrogate import Surrogate, surrogate
from trimtab.space import Choice, Float, Space

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1), "c": Choice(["a", "b"])})


def history_of(n: int, noise: float = 0.0, limit: bool = False) -> History:
    rng = np.random.default_rng(1)
    history = History.empty(SPACE, constraints=("over",) if limit else ())
    for number in range(n):
        config = SPACE.sample_config(rng)
        value = (config["x"] - 0.3) ** 2 + config["y"] * 0.2 + noise * rng.standard_normal()
        extra: dict[str, Any] = {"constraints": {"over": config["x"] - 0.6}} if limit else {}
        history.extend([started(number, config), ended(history, number, value, **extra)])
    return history


def model_of(history: History) -> Surrogate:
    model = surrogate(history, State(), "", 1000, None)
    assert isinstance(model, Surrogate)
    return model


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_each_draw_is_the_model_of_such_results(noise: float) -> None:
    model = model_of(history_of(15, noise))
    X = SPACE.sample(np.random.default_rng(3), 4)
    drawn = imagined(model, X, np.random.default_rng(0))
    believed = model.believing(X).objective
    assert isinstance(drawn, Mixture)
    assert len(drawn.members) == 8
    P = believed.S[15:] * believed.lengths
    Q = model.layout.features(SPACE.sample(np.random.default_rng(5), 20))
    for member in drawn.members:
        told = member.objective
        # what was drawn for the running rows, from what the factor and alpha say; then the textbook prediction
        K, _ = _matern(_squared(told.S, told.S), told.signal)
        K[np.diag_indices(19)] = told.signal + told.noise
        residuals = K @ told.alpha
        k, _ = _matern(_squared(Q / told.lengths, told.S), told.signal)
        np.testing.assert_allclose(told.predict(Q)[0], told.mean + k @ np.linalg.solve(K, residuals), rtol=1e-6)
        own = model.objective
        first, _ = _matern(_squared(own.S, own.S), own.signal)
        first[np.diag_indices(15)] = own.signal + own.noise
        np.testing.assert_allclose(residuals[:15], first @ own.alpha, atol=1e-6)  # what was measured stays
        assert member.best is not None
        assert model.best is not None
        assert member.best <= model.best
        np.testing.assert_allclose(told.predict(Q)[1], believed.predict(Q)[1])
    mean = np.mean([member.objective.predict(P)[0] for member in drawn.members], axis=0)
    np.testing.assert_allclose(mean, model.objective.predict(P)[0], atol=1e-9)


def test_draws_spread_as_the_model_does() -> None:
    model = model_of(history_of(12, 0.02))
    X = SPACE.sample(np.random.default_rng(3), 2)
    found = []
    for seed in range(400):
        drawn = imagined(model, X, np.random.default_rng(seed))
        assert isinstance(drawn, Mixture)
        found += [member.objective.alpha for member in drawn.members]
    believed = model.believing(X).objective
    K, _ = _matern(_squared(believed.S, believed.S), believed.signal)
    K[np.diag_indices(14)] = believed.signal + believed.noise
    values = np.array(found) @ K[:, 12:]  # new values less the mean
    mean, variance = model.objective.predict(believed.S[12:] * believed.lengths)
    np.testing.assert_allclose(values.mean(axis=0), mean - model.objective.mean, atol=1e-8)
    np.testing.assert_allclose(values.var(axis=0), variance + model.objective.noise, rtol=0.1)


def test_slopes_agree_with_differences_and_limits_hold() -> None:
    model = model_of(history_of(15, limit=True))
    drawn = imagined(model, SPACE.sample(np.random.default_rng(3), 3), np.random.default_rng(0))
    F = drawn.layout.features(SPACE.sample(np.random.default_rng(5), 6))
    value, by = drawn.slopes(F)
    np.testing.assert_allclose(value, drawn.score(F))
    for j in (0, 1):
        step = np.zeros(F.shape[1])
        step[j] = 1e-6
        told = (drawn.score(F + step) - drawn.score(F - step)) / 2e-6
        np.testing.assert_allclose(by[:, j], told, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("hyper", ["map", "laplace"])
def test_a_batch_of_draws_is_distinct_and_the_same_again(hyper: Any) -> None:
    history = history_of(20)
    searcher = GP(running="drawn", hyper=hyper)
    asked = Ask(number=20, n=6, move=20, seed=3)
    proposals = searcher.propose(history, asked)
    assert [p.config for p in proposals] == [p.config for p in searcher.propose(history_of(20), asked)]
    X = SPACE.encode([p.config or {} for p in proposals])
    apart = np.abs(X[:, None] - X).max(axis=2)[np.triu_indices(6, 1)]
    assert apart.min() > 1e-6  # nearer ones count as the same


def test_without_running_trials_nothing_is_drawn() -> None:
    model = model_of(history_of(10))
    assert imagined(model, np.empty((0, 3)), np.random.default_rng(0)) is model
    asked = Ask(number=10, move=10, seed=1)
    assert GP(running="drawn").propose(history_of(10), asked)[0].config == GP().propose(history_of(10), asked)[0].config


def test_a_wrong_word_is_named() -> None:
    with pytest.raises(ValueError, match="running is one of believed, drawn"):
        GP(running="guessed")  # type: ignore[arg-type]
