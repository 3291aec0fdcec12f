"""Sets of hyperparameters: they follow their posterior, predict better than the most probable one, and are logged."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from benchmarks.fixtures import BRANIN_CAT, drive, ended, regret, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.gp import GP, _mixture
from trimtab.search.gp._bayes import Sets, again, draw, effective, hmc, nearest_gaussian, potential, spread_ratio
from trimtab.search.gp._model import (
    DOUBT,
    QUIET,
    SPREAD,
    UNIT,
    Data,
    Posterior,
    _matern,
    _squared,
    fit,
    prior_mode,
    typical_length,
)
from trimtab.space import Float, Space

PLANE = Space({"x": Float(0, 1), "y": Float(0, 1)})
COVARIANCE = np.array([[1.0, 0.6], [0.6, 0.5]])
ROUND, BOX = np.eye(2), (np.full(2, -50.0), np.full(2, 50.0))


def drawn_world(seed: int, n: int = 12, d: int = 3, m: int = 100) -> tuple[Data, np.ndarray, np.ndarray]:
    """Data from the model's own prior, and m further points of the same function."""
    rng = np.random.default_rng(seed)
    lengths = np.exp(typical_length(d) + SPREAD * rng.standard_normal(d))
    signal, noise = np.exp(rng.standard_normal()), np.exp(QUIET + DOUBT * rng.standard_normal())
    X = rng.random((n + m, d))
    K = _matern(_squared(X / lengths, X / lengths), signal)[0] + 1e-8 * signal * np.eye(n + m)
    y = np.linalg.cholesky(K) @ rng.standard_normal(n + m) + np.sqrt(noise) * rng.standard_normal(n + m)
    y = (y - y[:n].mean()) / y[:n].std()
    return Data(X[:n], np.arange(d), y[:n], np.zeros(n)), X[n:], y[n:]


def surprise(sets: Sets, data: Data, X: np.ndarray, y: np.ndarray) -> float:
    """Minus the mean log predictive density of new values."""
    logs = []
    for theta in sets.theta:
        model = Posterior.of(UNIT * theta, data)
        mean, variance = model.predict(X)
        logs.append(
            -0.5 * (y - mean) ** 2 / (variance + model.noise) - 0.5 * np.log(2 * np.pi * (variance + model.noise))
        )
    return -float(np.logaddexp.reduce(np.array(logs) + sets.logs[:, None], axis=0).mean())


def likeliest(data: Data) -> Sets:
    return Sets(fit(data, [prior_mode(data.groups)], 60)[None] / UNIT, np.zeros(1), np.zeros(1))


@cache
def surprises(kind: Any, worlds: int) -> tuple[float, float]:
    """Mean surprise over worlds: of the most probable set, and of the sets drawn."""
    told = []
    for seed in range(worlds):
        data, X, y = drawn_world(seed)
        one = likeliest(data)
        sets = draw(kind, data, one.theta[0], np.random.default_rng(seed))
        told.append((surprise(one, data, X, y), surprise(sets, data, X, y)))
    alone, together = np.mean(told, axis=0)
    return float(alone), float(together)


# ── the posterior and its draws ──────────────────────────────────────────────────────────────────────────────────


def test_slopes_of_the_potential() -> None:
    data = drawn_world(0)[0]
    energy = potential(data)
    theta = np.array([0.3, -0.2, 1.0, 0.2, -3.0])
    by_steps = approx_fprime(theta, lambda t: energy(t)[0], 1e-6)
    np.testing.assert_allclose(energy(theta)[1], by_steps, rtol=1e-4, atol=1e-4)


def gaussian(theta: np.ndarray) -> tuple[float, np.ndarray]:
    pull = np.linalg.solve(COVARIANCE, theta - 1.0)
    return 0.5 * float((theta - 1.0) @ pull), pull


def test_hmc_follows_a_correlated_gaussian() -> None:
    """ACCEPTANCE: its covariance within 15 %. The draws start away from it, and in coordinates that don't suit it."""
    chains = np.array([hmc(gaussian, np.zeros(2), ROUND, *BOX, np.random.default_rng(s), 200, 2000) for s in range(2)])
    assert spread_ratio(chains) < 1.05
    both = chains.reshape(-1, 2)
    np.testing.assert_allclose(np.cov(both.T), COVARIANCE, rtol=0.15)
    np.testing.assert_allclose(both.mean(axis=0), 1.0, atol=0.1)


def test_hmc_stays_within_bounds_and_follows_the_density_there() -> None:
    """Half of a Gaussian: its mean is at √(2/π)."""
    flat = lambda t: (0.5 * float(t @ t), t)  # noqa: E731
    draws = hmc(flat, np.ones(1), np.eye(1), np.zeros(1), np.full(1, 9.0), np.random.default_rng(0), 200, 2000)
    assert draws.min() >= 0
    assert abs(float(draws.mean()) - np.sqrt(2 / np.pi)) < 0.06


def test_chains_that_disagree_are_told() -> None:
    rng = np.random.default_rng(0)
    assert spread_ratio(rng.standard_normal((2, 200, 3))) < 1.05
    assert spread_ratio(rng.standard_normal((2, 200, 3)) + np.array([0.0, 5.0])[:, None, None]) > 1.5


def test_the_nearest_gaussian_of_a_gaussian_is_it() -> None:
    mean, root = nearest_gaussian(gaussian, np.zeros(2), ROUND, np.random.default_rng(0))
    np.testing.assert_allclose(mean, 1.0, atol=0.02)
    np.testing.assert_allclose(root @ root.T, COVARIANCE, rtol=0.05)


@pytest.mark.parametrize("kind", ["laplace", "starts", "vi", pytest.param("hmc", marks=pytest.mark.slow)])
def test_sets_are_shares_within_bounds(kind: Any) -> None:
    data = drawn_world(3)[0]
    sets = draw(kind, data, likeliest(data).theta[0], np.random.default_rng(0))
    assert 1 <= len(sets.theta) <= 20
    assert np.isclose(np.exp(sets.logs).sum(), 1)
    assert np.exp(sets.logs).min() >= 1e-3 * (1 - 1e-9)
    assert np.isfinite(sets.theta).all()
    repeated = draw(kind, data, likeliest(data).theta[0], np.random.default_rng(0))
    np.testing.assert_array_equal(sets.theta, repeated.theta)


@pytest.mark.parametrize("kind", ["laplace", "vi"])
def test_sets_predict_better_than_the_most_probable_one(kind: Any) -> None:
    """ACCEPTANCE, where it is cheap: 20 data sets drawn from the prior."""
    alone, together = surprises(kind, 20)
    assert together <= alone + 0.02


@pytest.mark.slow
def test_hmc_predicts_better_than_the_most_probable_one() -> None:
    alone, together = surprises("hmc", 20)
    assert together <= alone


@pytest.mark.slow
def test_sets_lose_nothing_on_branin() -> None:
    """ACCEPTANCE: 20 evaluations, the median regret at most 1.2 times that of the most probable ones."""
    mine, theirs = (np.median([regret(gp, BRANIN_CAT, 20, s) for s in range(20)]) for gp in (GP(hyper="laplace"), GP()))
    assert mine <= 1.2 * theirs


def test_old_sets_are_weighted_by_new_data() -> None:
    """A set under which new values were likely gains weight."""
    data, X, y = drawn_world(1)
    sets = draw("hmc", data, likeliest(data).theta[0], np.random.default_rng(0))
    more = Data(np.concatenate([data.features, X[:5]]), data.group, np.concatenate([data.y, y[:5]]), np.zeros(17))
    weighed = again(sets, more)
    assert np.isclose(np.exp(weighed.logs).sum(), 1)
    assert effective(weighed) < effective(sets)
    favoured = sets.theta[int(np.argmin([potential(more)(t)[0] - potential(data)(t)[0] for t in sets.theta]))]
    np.testing.assert_array_equal(weighed.theta[int(np.argmax(weighed.logs))], favoured)


# ── in a search ──────────────────────────────────────────────────────────────────────────────────────────────────


def filled(n: int, gp: GP) -> History:
    history = History.empty(PLANE)
    for number in range(n):
        (proposal,) = gp.propose(history, Ask(number=number, move=number))
        config = dict(proposal.config or {})
        cost = (config["x"] - 0.3) ** 2 + (config["y"] - 0.7) ** 2
        history.extend([started(number, config, proposal.note), ended(history, number, cost)])
    return history


@pytest.mark.parametrize("kind", ["laplace", "starts", "vi", pytest.param("hmc", marks=pytest.mark.slow)])
def test_proposals_follow_from_the_log(kind: Any) -> None:
    gp = GP(hyper=kind, candidates=64, starts=2)
    warm = filled(12, gp)
    cold = History.empty(PLANE)
    cold.extend(list(warm.events())[1:])
    ask = Ask(number=12, move=12, n=2)
    mine, theirs = gp.propose(warm, ask), gp.propose(cold, ask)
    assert repr(mine) == repr(theirs)
    assert mine[0].config != mine[1].config
    assert float(warm.Y.min()) < 0.05


def test_dear_sets_are_logged_and_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    gp = GP(hyper="vi", candidates=64, starts=2)
    calls = []
    plain = _mixture.draw
    monkeypatch.setattr(_mixture, "draw", lambda *a: (calls.append(1), plain(*a))[1])
    history = filled(14, gp)
    noted = sum("gp sets" in event.body.get("note", {}) for event in history.events())
    assert noted == len(calls)
    assert 1 <= noted < 9  # of nine proposals of the model


def test_what_is_logged_fits_in_a_note() -> None:
    theta = np.full((20, 102), -12.345)
    sets = Sets(theta, np.full(20, -np.log(20)), np.zeros(20))
    told = _mixture._told(sets, "abcdefgh", 50, 3000)
    assert told is not None
    assert len(str(told)) <= 3000
    assert 2 <= len(told["theta"]) < 20
    assert np.isclose(np.exp(told["logs"]).sum(), 1, atol=0.01)
    assert _mixture._told(replace(sets, theta=np.full((20, 2000), 1.0)), "abcdefgh", 50, 3000) is None


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ValueError, match="hyper is one of map, laplace"):
        GP(hyper="nuts")  # type: ignore[arg-type]


def test_constraints_and_failures() -> None:
    gp = GP(hyper="laplace", candidates=64, starts=2)
    history, rng = History.empty(PLANE, constraints=["c <= 0"]), np.random.default_rng(0)
    for number in range(12):
        config = PLANE.sample_config(rng)
        value = None if number % 4 == 0 else config["x"]
        history.extend([started(number, config), ended(history, number, value, [config["y"] - 0.5])])
    assert len(gp.propose(history, Ask(number=12, n=3))) == 3


def test_a_study_of_equal_values_goes_on() -> None:
    history = History.empty(PLANE)
    rng = np.random.default_rng(0)
    for number in range(8):
        history.extend([started(number, PLANE.sample_config(rng)), ended(history, number, 1.0)])
    assert GP(hyper="laplace").propose(history, Ask(number=8))


def test_drives() -> None:
    assert len(drive(GP(hyper="starts", candidates=64, starts=2), BRANIN_CAT, 10)) == 10
