"""Subsets of tasks: star discrepancy against values worked out by hand and by brute force; what foretells the mean."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from trimtab.bench.subset import dev_and_test, representative, select_tasks, star_discrepancy, task_points


def brute(points: np.ndarray) -> float:
    """The definition, box by box."""
    k, d = points.shape
    worst = 0.0
    for corner in product(*([*points[:, j], 1.0] for j in range(d))):
        volume = float(np.prod(corner))
        worst = max(worst, volume - (points < corner).all(axis=1).sum() / k)
        worst = max(worst, (points <= corner).all(axis=1).sum() / k - volume)
    return worst


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([[(2 * i - 1) / 20] for i in range(1, 11)], 0.05),
        ([[0.5, 0.5]], 0.75),
        ([[(5**0.5 - 1) / 2] * 2], 0.618034),
        ([[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]], 0.4375),
        ([[0, 0], [0.25, 0.5], [0.5, 0.25], [0.75, 0.75]], 0.5),  # Hammersley's first four
        ([[1.0, 1.0]], 1.0),
    ],
)
def test_star_discrepancy_of_known_sets(points: list[list[float]], expected: float) -> None:
    assert star_discrepancy(points) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_star_discrepancy_is_its_definition(d: int) -> None:
    rng = np.random.default_rng(d)
    for _ in range(10):
        points = rng.random((7, d))
        assert star_discrepancy(points) == pytest.approx(brute(points), abs=1e-12)
        ties = np.round(points, 1)
        assert star_discrepancy(ties) == pytest.approx(brute(ties), abs=1e-12)


def test_shifts_beat_2000_random_subsets() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((60, 3))
    random = min(star_discrepancy(points[rng.permutation(60)[:10]]) for _ in range(2000))
    chosen = representative(points, 10, restarts=20)
    assert len(set(chosen.tolist())) == 10
    assert (np.diff(chosen) > 0).all()
    assert star_discrepancy(points[chosen]) < random
    assert (representative(points, 10, restarts=20) == chosen).all()


def test_subsets_of_tied_and_of_all_points() -> None:
    points = np.repeat([[0.2, 0.2], [0.8, 0.8]], 5, axis=0)
    assert sorted(points[representative(points, 2, restarts=5)][:, 0]) == [0.2, 0.8]
    assert representative(points, 10, restarts=1).tolist() == list(range(10))


def test_dev_and_test_share_nothing() -> None:
    points = np.random.default_rng(1).random((30, 2))
    dev, test = dev_and_test(points, 8, restarts=5)
    assert len({*dev.tolist(), *test.tolist()}) == 16
    assert star_discrepancy(points[test]) < 0.35


def test_tasks_as_points() -> None:
    costs = [[[0.0, 2.0], [4.0, 4.0]], [[5.0, 5.0], [5.0, 5.0]]]  # the second task tells nobody apart
    np.testing.assert_allclose(task_points(costs), [[0.25, 1.0], [0.0, 0.0]])
    logged = task_points(np.random.default_rng(0).random((9, 3, 4)) ** 8, log=True)
    assert (logged.min(), logged.max()) == (0.0, 1.0)


def factors(copies: int = 6, configs: int = 128) -> np.ndarray:
    """Tasks that are copies of one of two latent factors, with noise of .3."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(configs, 2))
    return np.repeat(latent, copies, axis=1) + 0.3 * rng.normal(size=(configs, 2 * copies))


def test_two_tasks_foretell_two_factors() -> None:
    scores = factors()
    one, two, three = (select_tasks(scores, size)[0] for size in (1, 2, 3))
    assert one.error == pytest.approx(0.25, abs=0.1)
    assert two.error == pytest.approx(0.03, abs=0.02)
    assert two.tasks[0] < 6 <= two.tasks[1]  # one of each factor
    assert 0 <= two.error - three.error < 0.02  # little gain
    assert all(weight > 0 for weight in two.weights)
    assert two.left_out == pytest.approx(1 - two.error, abs=0.05)
    assert [one.error for one in select_tasks(scores, 2)] == sorted(one.error for one in select_tasks(scores, 2))


def test_the_greedy_way_finds_as_good_a_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = factors()
    best = select_tasks(scores, 2)[0]
    monkeypatch.setattr("trimtab.bench.subset.EXHAUSTIVE", 10)
    assert select_tasks(scores, 2)[0].error <= best.error * 1.2


def test_a_failed_configuration_ranks_last() -> None:
    scores = np.stack([factors(), factors()], axis=2)
    scores[7, :, 1] = np.nan
    whole = select_tasks(scores, 2)[0]
    last = np.where(np.arange(128)[:, None] == 7, -1e9, factors())
    assert whole.tasks == select_tasks(last, 2)[0].tasks
    assert whole.error == pytest.approx(select_tasks(last, 2)[0].error, abs=0.01)
    assert np.isnan(select_tasks(factors(1), 2)[0].left_out)  # both tasks: none are left


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: star_discrepancy([[1.5]]), "numbers from 0 to 1"),
        (lambda: star_discrepancy(np.full((100, 8), 0.5)), "too many boxes"),
        (lambda: representative([[0.5]], 2), "1 points to choose from"),
        (lambda: task_points([[1.0]]), "tasks, optimizers, seeds"),
        (lambda: select_tasks(np.ones((20, 3)), 4), "3 tasks to choose from"),
        (lambda: select_tasks(np.ones((4, 3)), 1), "10 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
