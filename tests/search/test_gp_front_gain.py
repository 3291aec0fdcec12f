"""Boxes under a front, and the expected gain in hypervolume over them."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.parts.boxes import boxes
from trimtab.parts.gain import Gain, ehvi
from trimtab.parts.pareto import hypervolume

STAIRCASE = np.array([[0.1, 0.9], [0.4, 0.5], [0.8, 0.2]])


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_boxes_fill_what_the_front_leaves(m: int) -> None:
    """Their volume and the hypervolume make up the whole box, ties and dominated rows included."""
    rng = np.random.default_rng(m)
    for trial in range(40):
        Y = 1.2 * rng.random((int(rng.integers(0, 25)), m))
        Y = np.round(5 * Y) / 5 if trial % 3 == 0 else Y
        low, high = boxes(Y, np.ones(m))
        volume = np.prod(high - np.maximum(low, 0.0), axis=1).sum()
        assert volume + hypervolume(Y, np.ones(m)) == pytest.approx(1.0, abs=1e-12)


def test_boxes_are_disjoint_undominated_and_few() -> None:
    rng = np.random.default_rng(0)
    Y = rng.random((30, 3))
    low, high = boxes(Y, np.ones(3))
    assert len(low) <= 2 * len(Y) + 1
    points = rng.random((2000, 3))
    inside = ((points[:, None] > low) & (points[:, None] < high)).all(axis=2).sum(axis=1)
    dominated = (points[:, None] > Y).all(axis=2).any(axis=1)
    assert (inside == ~dominated).all()


def test_no_front_leaves_one_box() -> None:
    low, high = boxes(np.empty((0, 3)), np.ones(3))
    assert high.tolist() == [[1.0, 1.0, 1.0]]
    assert np.isinf(low).all()


def test_ehvi_is_exact_in_two_dimensions() -> None:
    """The value of the specification, and a Monte Carlo estimate within three of its standard errors."""
    mean, sd = np.array([0.5, 0.4]), np.array([0.2, 0.3])
    exact = float(ehvi(STAIRCASE, np.ones(2), mean[None], sd[None])[0])
    assert exact == pytest.approx(0.07594, abs=5e-6)
    drawn = mean + sd * np.random.default_rng(0).standard_normal((40_000, 2))
    low, high = boxes(STAIRCASE, np.ones(2))
    part = np.clip(high - drawn[:, None], 0.0, np.where(np.isinf(low), np.inf, high - low))
    gains = part.prod(axis=2).sum(axis=1)
    assert abs(gains.mean() - exact) < 3 * gains.std() / 200


@pytest.mark.parametrize("m", [2, 3])
def test_ehvi_agrees_with_hypervolumes_of_draws(m: int) -> None:
    rng = np.random.default_rng(m)
    front, reference = rng.random((6, m)), np.ones(m)
    mean, sd = np.full(m, 0.5), np.linspace(0.1, 0.3, m)
    base = hypervolume(front, reference)
    drawn = mean + sd * rng.standard_normal((8000, m))
    gains = np.array([hypervolume(np.vstack([front, y]), reference) - base for y in drawn])
    exact = float(ehvi(front, reference, mean[None], sd[None])[0])
    assert abs(gains.mean() - exact) < max(3 * gains.std() / len(drawn) ** 0.5, 0.02 * exact)


@pytest.mark.parametrize("m", [2, 3])
def test_below_a_floor_nothing_is_gained(m: int) -> None:
    """The gain of a draw is that of the draw lifted to the floor; objectives without a floor have -inf."""
    rng = np.random.default_rng(m)
    front, reference, floor = rng.random((6, m)), np.ones(m), np.full(m, -np.inf)
    floor[0] = front[:, 0].min() - 0.01
    mean, sd = np.full(m, 0.3), np.linspace(0.3, 0.1, m)
    base = hypervolume(front, reference)
    drawn = np.maximum(mean + sd * rng.standard_normal((8000, m)), floor)
    gains = np.array([hypervolume(np.vstack([front, y]), reference) - base for y in drawn])
    exact = float(np.exp(Gain.over([front], reference, floor).log(mean[None, None], sd[None, None]))[0])
    assert abs(gains.mean() - exact) < max(3 * gains.std() / len(drawn) ** 0.5, 0.02 * exact)
    assert exact < float(ehvi(front, reference, mean[None], sd[None])[0])


@pytest.mark.parametrize("floor", [None, 0.02, -0.5])
@pytest.mark.parametrize(("m", "fronts"), [(2, 1), (3, 1), (2, 3), (4, 1)])
def test_slopes_are_those_of_the_logarithm(m: int, fronts: int, floor: float | None) -> None:
    """Also for a candidate that is hopeless, one that beats everything, and one that is as good as known."""
    rng = np.random.default_rng(m + fronts)
    known = [rng.random((int(rng.integers(3, 9)), m)) for _ in range(fronts)]
    gain = Gain.over(known, np.ones(m), None if floor is None else np.append(floor, np.full(m - 1, -np.inf)))
    mean, sd = rng.random((fronts, 5, m)), np.exp(rng.normal(size=(fronts, 5, m)) - 2)
    mean[:, 1] += 5
    mean[:, 2] -= 3
    mean[:, 3] += 60
    sd[:, 4] = 1e-3
    value, by_mean, by_sd = gain.slopes(mean, sd)
    assert np.isfinite(value).all()
    assert value == pytest.approx(gain.log(mean, sd))
    for s, c, j in np.ndindex(*mean.shape):
        step = np.zeros_like(mean)
        step[s, c, j] = 1e-5 * sd[s, c, j]
        up, down = gain.log(mean + step, sd), gain.log(mean - step, sd)
        assert by_mean[s, c, j] == pytest.approx((up - down)[c] / (2 * step[s, c, j]), rel=1e-4, abs=1e-4)
        up, down = gain.log(mean, sd + step), gain.log(mean, sd - step)
        assert by_sd[s, c, j] == pytest.approx((up - down)[c] / (2 * step[s, c, j]), rel=1e-4, abs=1e-4)


def test_equal_points_count_once() -> None:
    twice = np.concatenate([STAIRCASE, STAIRCASE])
    at = np.array([[0.5, 0.4], [0.4, 0.5]]), np.array([[0.2, 0.3], [0.1, 0.1]])
    assert ehvi(twice, np.ones(2), *at) == pytest.approx(ehvi(STAIRCASE, np.ones(2), *at), rel=1e-12)
