"""Ranks, crowding and hypervolume against brute force and numbers worked out by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from trimtab.parts.pareto import contributions, crowding, front, hypervolume, hypervolume_subset, ranks


def brute_ranks(Y: np.ndarray) -> np.ndarray:
    out = np.full(len(Y), -1)
    r = 0
    while (out < 0).any():
        left = np.flatnonzero(out < 0)
        best = [i for i in left if not any((Y[k] <= Y[i]).all() and (Y[k] < Y[i]).any() for k in left)]
        out[best] = r
        r += 1
    return out


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_ranks_equal_brute_force(m: int) -> None:
    rng = np.random.default_rng(m)
    for n in (0, 1, 2, 60):
        Y = np.round(rng.random((n, m)), 1)  # many duplicates
        assert ranks(Y).tolist() == brute_ranks(Y).tolist()
        assert front(Y).tolist() == np.flatnonzero(brute_ranks(Y) == 0).tolist() if n else True


@pytest.mark.slow
def test_ranks_of_500_points_in_three_dimensions() -> None:
    rng = np.random.default_rng(0)
    Y = rng.random((500, 3))
    Y[rng.integers(0, 500, 100)] = Y[rng.integers(0, 500, 100)]
    assert ranks(Y).tolist() == brute_ranks(Y).tolist()


def test_ranks_stop_early() -> None:
    Y = np.random.default_rng(0).random((200, 3))
    full, some = ranks(Y), ranks(Y, enough=50)
    cut = some.max()
    assert (some == np.minimum(full, cut)).all()
    assert (some < cut).sum() >= 50


def test_infinities_are_ranked() -> None:
    Y = np.array([[np.inf, 0.0], [0.0, np.inf], [np.inf, np.inf], [-np.inf, 5.0]])
    assert ranks(Y).tolist() == [0, 1, 2, 0]


def test_hypervolume_by_hand() -> None:
    Y = np.array([[0.1, 0.9], [0.4, 0.5], [0.8, 0.2]])
    assert hypervolume(Y, np.ones(2)) == pytest.approx(0.39, abs=1e-12)
    assert hypervolume(np.array([[2.0, 0.0]]), np.ones(2)) == 0.0
    assert hypervolume(np.empty((0, 2)), np.ones(2)) == 0.0
    assert contributions(Y, np.ones(2)) == pytest.approx([0.3 * 0.1, 0.4 * 0.4, 0.2 * 0.3], abs=1e-12)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_hypervolume_equals_inclusion_and_exclusion(m: int) -> None:
    rng = np.random.default_rng(m)
    Y = np.vstack([rng.random((7, m)), np.full((1, m), 0.5), np.full((1, m), 0.5)])
    total = 0.0
    for k in range(1, len(Y) + 1):
        for some in combinations(range(len(Y)), k):
            total -= (-1) ** k * float(np.prod(1.0 - Y[list(some)].max(axis=0)))
    assert hypervolume(Y, np.ones(m)) == pytest.approx(total, abs=1e-12)


def test_subset_is_greedy_and_old_first() -> None:
    Y = np.random.default_rng(1).random((12, 2))
    reference = np.ones(2)
    chosen: list[int] = []
    for _ in range(4):
        gains = [-1.0 if i in chosen else hypervolume(Y[[*chosen, i]], reference) for i in range(12)]
        chosen.append(int(np.argmax(gains)))
    assert hypervolume_subset(Y, 4, reference).tolist() == chosen
    assert hypervolume_subset(np.full((5, 2), 0.5), 3, reference).tolist() == [0, 1, 2]
    assert hypervolume_subset(Y, 99, reference).tolist() == list(range(12))


def test_crowding_by_hand() -> None:
    Y = np.array([[0.0, 4.0], [1.0, 2.0], [1.0, 2.0], [4.0, 0.0]])
    assert crowding(Y).tolist() == [np.inf, 2.0, 0.0, np.inf]
