"""Hypervolume and its companions: hand-computed numbers, moocore's, invariances."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.bench.report.fronts import (
    additive_epsilon,
    coverage,
    hypervolume,
    hypervolume_curve,
    igd,
    igd_plus,
    r2,
    simplex,
)

A = np.array([[1.0, 3], [2, 2], [3, 1]])


def test_hypervolume_by_hand() -> None:
    assert hypervolume(A, 4.0) == 6.0
    assert hypervolume(np.vstack([A, [3, 3]]), 4.0) == 6.0  # a dominated point adds nothing
    assert hypervolume(np.vstack([A, [0, 9]]), 4.0) == 6.0  # nor one beyond the reference
    assert hypervolume(np.vstack([A, [np.nan, 0]]), 4.0) == 6.0
    assert hypervolume(A[::-1] + 10, 14.0) == 6.0
    assert hypervolume(np.empty((0, 2)), 4.0) == 0.0


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_hypervolume_is_moocores(m: int) -> None:
    moocore = pytest.importorskip("moocore")
    points = np.random.default_rng(m).uniform(0, 1.2, (40, m))
    assert hypervolume(points) == pytest.approx(moocore.hypervolume(points, ref=np.full(m, 1.1)), rel=1e-10)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_curve_is_the_hypervolume_of_every_prefix(m: int) -> None:
    points = np.random.default_rng(m).uniform(0, 1.2, (25, m))
    points[3] = points[1]
    points[7, 0] = np.nan
    want = [hypervolume(points[: i + 1]) for i in range(len(points))]
    found = hypervolume_curve(points)
    np.testing.assert_allclose(found, want, atol=1e-12)
    assert (np.diff(found) >= 0).all()


def test_four_objectives_agree_with_counting() -> None:
    rng = np.random.default_rng(0)
    points, drawn = rng.uniform(0, 1, (12, 4)), rng.uniform(0, 1.1, (100_000, 4))
    hit = np.zeros(len(drawn), bool)
    for point in points:
        hit |= (point <= drawn).all(axis=1)
    volume, error = hit.mean() * 1.1**4, hit.std() / len(hit) ** 0.5 * 1.1**4
    assert abs(hypervolume(points) - volume) < 3 * error


def test_distances_by_hand() -> None:
    a, z = np.array([[0.5, 2.0]]), np.array([[0.0, 2], [1, 1], [2, 0]])
    assert igd_plus(a, z) == pytest.approx(1.1667, abs=5e-5)
    assert igd(a, z) == pytest.approx(1.3727, abs=5e-5)
    assert additive_epsilon(a, z) == 2.0
    assert igd_plus(np.vstack([a, [0.5, 3.0]]), z) == igd_plus(a, z)
    assert igd_plus(z, z) == igd(z, z) == additive_epsilon(z, z) == 0.0
    assert igd_plus(np.empty((0, 2)), z) == np.inf


def test_distances_are_moocores() -> None:
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng(1)
    a, z = rng.uniform(0, 1, (20, 3)), rng.uniform(0, 1, (30, 3))
    assert igd_plus(a, z) == pytest.approx(moocore.igd_plus(a, ref=z))
    assert igd(a, z) == pytest.approx(moocore.igd(a, ref=z))
    assert additive_epsilon(a, z) == pytest.approx(moocore.epsilon_additive(a, ref=z))


def test_coverage() -> None:
    assert coverage(A, A + 1) == 1.0
    assert coverage(A + 1, A) == 0.0
    assert coverage(np.array([[1.0, 3.0]]), A) == pytest.approx(1 / 3)


def test_r2_and_its_weights() -> None:
    w = simplex(2)
    assert w.shape == (100, 2)
    np.testing.assert_allclose(w.sum(axis=1), 1.0)
    assert simplex(3).shape == (105, 3)
    better, worse = r2(A, np.zeros(2)), r2(A + 0.5, np.zeros(2))
    assert better < worse
    assert r2(np.array([[1.0, 1.0]]), np.zeros(2), np.array([[0.5, 0.5], [1.0, 0.0]])) == 0.75
    assert r2(np.empty((0, 2)), np.zeros(2)) == np.inf
