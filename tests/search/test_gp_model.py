"""The Gaussian process as a piece of mathematics: slopes, factors, features, targets."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.parts.descent import descend
from trimtab.parts.logei import log_below, log_ei, log_ei_slopes, log_h
from trimtab.search.gp._features import Layout, gaps_of
from trimtab.search.gp._model import Data, Posterior, Singular, bounds, fit, inverse_factor, loss, prior_mode
from trimtab.search.gp._outputs import limit, scalarised, target
from trimtab.space import Bool, Choice, Float, Int, Permutation, Simplex, Space, Subset

RNG = np.random.default_rng
MIXED = Space(
    {
        "x": Float(0, 1),
        "n": Int(1, 9),
        "kind": Choice(["a", "b", "c"]),
        "m": Float(0, 1, when="kind == 'a'"),
        "deep": Choice(["p", "q"], when="kind == 'b'"),
    }
)


def drawn(n: int, space: Space = MIXED, seed: int = 0) -> tuple[Layout, Data]:
    rng = RNG(seed)
    layout = Layout(space)
    features = layout.features(space.sample(rng, n))
    y = np.sin(features @ rng.standard_normal(features.shape[1]) * 3) + 0.05 * rng.standard_normal(n)
    return layout, Data(features, layout.group, (y - y.mean()) / y.std(), np.zeros(n))


def test_slopes_of_the_likelihood() -> None:
    _, data = drawn(30)
    rng, low_high = RNG(1), bounds(data.groups)
    for _ in range(5):
        theta = np.clip(prior_mode(data.groups) + rng.standard_normal(data.groups + 2), *low_high)
        _, slopes = loss(theta, data)
        steps = 1e-4 * np.eye(len(theta))  # smaller ones lose more to rounding than they gain
        differences = [(loss(theta + s, data)[0] - loss(theta - s, data)[0]) / 2e-4 for s in steps]
        np.testing.assert_allclose(slopes, differences, atol=1e-6)


def posterior(n: int = 25) -> tuple[Layout, Posterior]:
    layout, data = drawn(n)
    return layout, Posterior.of(fit(data, [prior_mode(data.groups)], 60), data)


def test_slopes_of_predictions_and_of_log_ei() -> None:
    layout, model = posterior()
    F = layout.features(MIXED.sample(RNG(5), 20))
    _, variance, by_mean, by_variance = model.slopes(F)
    np.testing.assert_array_equal(model.predict(F)[1], variance)
    _, by_m, by_s = log_ei_slopes(-1.0, model.predict(F)[0], np.sqrt(variance))
    by_ei = by_m[:, None] * by_mean + (by_s / (2 * np.sqrt(variance)))[:, None] * by_variance
    for j in range(F.shape[1]):
        step = np.zeros(F.shape[1])
        step[j] = 1e-5
        (up, up_v), (down, down_v) = model.predict(F + step), model.predict(F - step)
        np.testing.assert_allclose(by_mean[:, j], (up - down) / 2e-5, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(by_variance[:, j], (up_v - down_v) / 2e-5, rtol=1e-5, atol=1e-7)
        ei = (log_ei(-1.0, up, np.sqrt(up_v)) - log_ei(-1.0, down, np.sqrt(down_v))) / 2e-5
        np.testing.assert_allclose(by_ei[:, j], ei, rtol=1e-4, atol=1e-5)


def test_a_fit_finds_what_it_was_drawn_from() -> None:
    """Length scales of a function that one of two features does not matter to."""
    rng = RNG(3)
    X = rng.random((60, 2))
    y = np.sin(9 * X[:, 0])
    data = Data(X, np.arange(2), (y - y.mean()) / y.std(), np.zeros(60))
    theta = fit(data, [prior_mode(2)], 60) / 1000
    assert theta[0] < theta[1] - 0.5
    assert np.exp(theta[3]) < 1e-4
    assert (np.rint(1000 * theta) == 1000 * theta).all()
    assert loss(theta, data)[0] < loss(prior_mode(2), data)[0] - 20


def test_growing_equals_starting_anew() -> None:
    _, data = drawn(40)
    theta = np.rint(1000 * prior_mode(data.groups))
    first = Data(data.features[:30], data.group, data.y[:30], data.noise[:30])
    grown = Posterior.of(theta, first).believing(data.features[30:])
    whole = Posterior.of(theta, data)
    np.testing.assert_allclose(grown.factor, whole.factor, atol=1e-10)
    F = data.features + 0.01
    np.testing.assert_allclose(grown.predict(F)[1], whole.predict(F)[1], atol=1e-10)
    np.testing.assert_allclose(grown.predict(F)[0], Posterior.of(theta, first).predict(F)[0], atol=1e-10)


def test_left_out_values_are_covered() -> None:
    """90 % intervals of leave-one-out predictions, on samples of the prior."""
    covered = []
    for seed in range(6):
        rng = RNG(seed)
        X = rng.random((60, 2))
        r = np.sqrt(5 * ((X[:, None] - X[None]) ** 2).sum(axis=2)) / 0.4
        K = (1 + r + r * r / 3) * np.exp(-r) + 0.01 * np.eye(60)
        y = np.linalg.cholesky(K) @ rng.standard_normal(60)
        data = Data(X, np.arange(2), (y - y.mean()) / y.std(), np.zeros(60))
        mean, variance = Posterior.of(fit(data, [prior_mode(2)], 60), data).left_out(data.y)
        covered.append(np.mean(np.abs(data.y - mean) <= 1.6449 * np.sqrt(variance)))
    assert 0.8 <= np.mean(covered) <= 0.97


def test_duplicated_inputs_factorise() -> None:
    features = np.tile(RNG(0).random((1, 3)), (25, 1))
    y = RNG(1).standard_normal(25)
    data = Data(features, np.arange(3), y, np.zeros(25))
    model = Posterior.of(fit(data, [prior_mode(3)], 60), data)
    mean, variance = model.predict(features[:1])
    assert np.isfinite(mean).all()
    assert abs(float(mean[0])) < 0.7
    assert 0 < float(variance[0]) < 1


def test_a_singular_covariance_gets_jitter_and_a_hopeless_one_an_error() -> None:
    ones = np.ones((5, 5))
    factor = inverse_factor(ones, 1.0)
    assert np.isfinite(factor).all()
    with pytest.raises(Singular):
        inverse_factor(-ones, 1.0)
    with pytest.raises(Singular):
        inverse_factor(np.full((3, 3), np.nan), 1.0)


# ── features ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_labels_are_at_distance_one_and_what_is_inactive_counts_for_nothing() -> None:
    layout = Layout(MIXED)
    X = MIXED.encode([
        {"x": 0.5, "n": 3, "kind": "a", "m": 0.2},
        {"x": 0.5, "n": 3, "kind": "c"},
        {"x": 0.5, "n": 3, "kind": "b", "deep": "p"},
        {"x": 0.5, "n": 3, "kind": "b", "deep": "q"},
    ])  # fmt: skip
    F = layout.features(X)
    kinds = slice(int(layout.starts[2]), int(layout.starts[3]))
    assert ((F[0, kinds] - F[1, kinds]) ** 2).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(((F[2] - F[3]) ** 2).sum(), 1.0)
    assert F[1, layout.starts[3]] == 0.5
    assert layout.groups == 5 + 2
    assert layout.group[-1] == 6
    assert (np.diff(layout.group) >= 0).all()


def test_two_configurations_that_differ_only_in_what_is_inactive_are_the_same() -> None:
    layout, model = posterior()
    X = MIXED.encode([{"x": 0.3, "n": 3, "kind": "c"}, {"x": 0.3, "n": 3, "kind": "c", "m": 0.9, "deep": "q"}])
    mean, variance = model.predict(layout.features(X))
    assert mean[0] == mean[1]
    assert variance[0] == variance[1]


def test_kernels_of_every_kind_of_space_are_covariances() -> None:
    space = Space(
        {
            "of": Subset(["p", "q", "r"], min=1),
            "order": Permutation(["u", "v", "w"]),
            "mix": Simplex(["s", "t", "u"]),
            "flag": Bool(),
            "y": Float(0, 1, when="flag == True"),
        }
    )
    layout = Layout(space)
    F = layout.features(space.sample(RNG(0), 60))
    data = Data(F, layout.group, RNG(1).standard_normal(60), np.zeros(60))
    theta = prior_mode(data.groups)
    theta[-1] = -20.0
    value, slopes = loss(theta, data)
    assert np.isfinite(value)
    assert np.isfinite(slopes).all()


def test_unknown_values_have_an_indicator_and_another_mark() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    X = np.array([[0.1, np.nan], [0.2, 0.5]])
    assert gaps_of(space, X) == (1,)
    with_gap, without = Layout(space, (1,)), Layout(space)
    F = with_gap.features(X)
    assert F[0].tolist() == [0.1, 0.5, 0.0]
    assert F[1].tolist() == [0.2, 0.5, 1.0]
    assert with_gap.mark != without.mark


# ── targets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_targets_keep_order_and_come_back() -> None:
    y = RNG(0).standard_normal(50) ** 2
    y[3], y[7] = 1e30, np.nan
    told = target(y, np.zeros(50))
    good = np.isfinite(y)
    assert (np.argsort(told.y[good], kind="stable") == np.argsort(y[good], kind="stable")).all()
    assert told.y[7] == told.y.max()
    np.testing.assert_allclose([told.back(z) for z in told.y[good]], y[good], rtol=1e-9, atol=1e-12)
    assert told.y[good & (y < 1)].std() > 0.1  # one diverged run does not flatten the rest


@pytest.mark.parametrize("wild", [[1e308, -1e308], [5e-324, 0.0], [1e-310, 2e-310], [1.0, 1.0], [np.inf, np.nan]])
def test_targets_of_extreme_values_are_finite(wild: list[float]) -> None:
    told = target(np.array(wild), np.zeros(2))
    assert np.isfinite(told.y).all()
    assert np.isfinite(told.noise).all()


def test_known_noise_is_measured_in_the_same_units() -> None:
    y = RNG(0).standard_normal(40)
    told = target(y, np.full(40, 0.1))
    np.testing.assert_allclose(np.sqrt(told.noise), 0.1 / y.std(), rtol=1e-9)


def test_a_limit_stays_where_it_is() -> None:
    values = np.array([-3.0, -1e300, 0.0, 2.0, np.inf, 1e-3])
    c, bound = limit(values)
    assert ((c <= bound + 1e-12) == (values <= 0)).all()
    assert np.isfinite(c).all()
    assert limit(np.zeros(4))[1] == 0.0


def test_weights_are_drawn_and_failures_stay_failures() -> None:
    Y = RNG(0).random((20, 3))
    Y[4, 1] = np.nan
    one, weights = scalarised(Y, RNG(1))
    assert np.isnan(one[4])
    assert np.isfinite(np.delete(one, 4)).all()
    assert weights.sum() == pytest.approx(1.0)
    worse = Y.copy()
    worse[0] += 5  # dominated by all
    assert np.nanargmax(scalarised(worse, RNG(1))[0]) == 0


# ── log expected improvement ─────────────────────────────────────────────────────────────────────────────────────


def test_log_h_at_known_places() -> None:
    z = np.array([-1.0, -5, -10, -30, -100, 0, 3])
    wanted = [
        -2.48512102571264, -16.744301162661, -55.5531220361224, -457.724653760598, -5010.12957880025,
        -0.918938533204673, 1.09873966532771,
    ]  # fmt: skip
    np.testing.assert_allclose(log_h(z), wanted, rtol=1e-10)


def test_log_ei_far_away_has_slopes() -> None:
    for z in (-1e8, -1e6, -1e3, -38.0, -1.0, 0.0, 40.0):
        value, by_mean, by_sd = log_ei_slopes(z, np.zeros(1), np.ones(1))
        assert np.isfinite([value[0], by_mean[0], by_sd[0]]).all()
        assert by_mean[0] <= 0 <= by_sd[0]
    steps = np.linspace(-200, 5, 4001)
    assert (np.diff(log_h(steps)) > 0).all()


def test_the_probability_of_a_limit_has_slopes() -> None:
    mean, sd = np.array([0.3, -2.0, 50.0]), np.array([0.5, 1.5, 1.0])
    value, by_mean, by_sd = log_below(0.0, mean, sd)
    assert np.isfinite(value).all()
    h = 1e-6
    np.testing.assert_allclose(
        by_mean, (log_below(0.0, mean + h, sd)[0] - log_below(0.0, mean - h, sd)[0]) / (2 * h), rtol=1e-5
    )
    np.testing.assert_allclose(
        by_sd, (log_below(0.0, mean, sd + h)[0] - log_below(0.0, mean, sd - h)[0]) / (2 * h), rtol=1e-5
    )


# ── descent ──────────────────────────────────────────────────────────────────────────────────────────────────────


def rosenbrock(X: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = X[:, 0], X[:, 1]
    f = 100 * (b - a * a) ** 2 + (1 - a) ** 2
    return f, np.stack([-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)], axis=1)


def test_descent_from_many_starts() -> None:
    low, high = np.full(2, -2.0), np.full(2, 2.0)
    starts = RNG(0).uniform(-2, 2, (12, 2))
    X, F = descend(rosenbrock, starts, low, high, scale=np.full(2, 0.3), steps=300, tolerance=1e-12)
    np.testing.assert_allclose(X, 1.0, atol=1e-3)
    assert (rosenbrock(starts, np.arange(12))[0] >= F).all()


def test_descent_stops_at_bounds_and_does_not_mix_starts() -> None:
    low, high = np.zeros(2), np.array([0.5, 2.0])
    starts = RNG(0).uniform(0, 0.5, (5, 2))
    X, _ = descend(rosenbrock, starts, low, high, scale=np.full(2, 0.3), steps=200, tolerance=1e-12)
    np.testing.assert_allclose(X, [[0.5, 0.25]] * 5, atol=1e-4)
    for i in range(5):
        alone, _ = descend(rosenbrock, starts[i : i + 1], low, high, scale=np.full(2, 0.3), steps=200, tolerance=1e-12)
        np.testing.assert_allclose(alone[0], X[i], atol=1e-9)


def test_descent_from_where_nothing_is_defined_stays() -> None:
    def void(X: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(X), np.inf), np.zeros(X.shape)

    X, F = descend(void, np.full((2, 2), 0.3), np.zeros(2), np.ones(2), scale=np.ones(2), steps=9, tolerance=1e-3)
    assert (X == 0.3).all()
    assert np.isinf(F).all()


def test_values_that_differ_by_all_magnitudes_there_are() -> None:
    y = np.array([1e-2, 2e-3, np.nan, 1e308, 3e-2, 1e-5, 1e308])
    made = target(y, np.zeros(len(y)))
    assert np.isfinite(made.y).all()
    assert not made.flat
    assert (made.noise == 0).all()
    assert made.y[3] == made.y[6] == made.y.max()
