"""The Parzen estimator: against the obvious slow one, as a density, and independent of how it was reached."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.search.tpe import _density
from trimtab.search.tpe._density import Layout, Parzen

STEPS = [None, np.linspace(0, 1, 7), np.array([0.0, 0.4, 0.65, 0.85, 1.0]), None, None]
SIZES = [0, 0, 0, 3, 0]
FLOOR, PRIOR_WEIGHT = 0.03, 1.0


def layout() -> Layout:
    return Layout(STEPS, SIZES)


def rows(rng: np.random.Generator, n: int) -> np.ndarray:
    Z = rng.random((n, 5))
    Z[:, 1] = (np.floor(Z[:, 1] * 6) + 0.5) / 6  # many ties
    Z[:, 3] = np.floor(Z[:, 3] * 3)
    return Z


def make(numbers: Sequence[int], Z: np.ndarray) -> Parzen:
    density = Parzen(layout(), floor=FLOOR, prior_weight=PRIOR_WEIGHT)
    density.update(numbers, [], Z)
    return density


def logs(density: Parzen, Z: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    return density.log_density(density.layout.features(Z), weights)


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def obvious(z: np.ndarray, numbers: Sequence[int], Z: np.ndarray) -> float:
    """The density as the paper has it, one kernel and one parameter at a time."""
    n = len(Z)
    total = PRIOR_WEIGHT * math.prod(kernel(z[j], j, 0.5, 1.0, None, n) for j in range(5))
    for i in range(n):
        product = 1.0
        for j in range(5):
            sigma = 0.0
            if not SIZES[j]:
                column = sorted([(Z[k, j], numbers[k]) for k in range(n)] + [(0.5, -1)])
                at = column.index((Z[i, j], numbers[i]))
                gaps = [column[at][0] - column[at - 1][0]] if at else []
                gaps += [column[at + 1][0] - column[at][0]] if at + 1 < len(column) else []
                sigma = min(max(*gaps, 0.0, FLOOR, (n + 2) ** -2) if gaps else 0.0, 1.0)
            product *= kernel(z[j], j, Z[i, j], sigma, Z[i, j], n)
        total += product
    return total / (n + PRIOR_WEIGHT)


def kernel(z: float, j: int, centre: float, sigma: float, label: float | None, n: int) -> float:
    if SIZES[j]:
        share = PRIOR_WEIGHT / (n + 1)
        return 1 / SIZES[j] if label is None else ((z == label) + share) / (1 + SIZES[j] * share)
    inside = phi((1 - centre) / sigma) - phi(-centre / sigma)
    edges = STEPS[j]
    if edges is None:
        return math.exp(-0.5 * ((z - centre) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi)) / inside
    cell = int(np.searchsorted(edges[1:-1], z, "right"))
    return (phi((edges[cell + 1] - centre) / sigma) - phi((edges[cell] - centre) / sigma)) / inside


@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
def test_equals_the_obvious_density(n: int) -> None:
    rng = np.random.default_rng(n)
    numbers, Z, probes = list(range(3, 3 + n)), rows(rng, n), rows(rng, 20)
    expected = [math.log(obvious(z, numbers, Z)) for z in probes]
    np.testing.assert_allclose(logs(make(numbers, Z), probes), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 30])
@pytest.mark.parametrize(
    ("edges", "size"),
    [(None, 0), (np.linspace(0, 1, 12), 0), (np.linspace(0, 1, 101), 0), (None, 5)],
    ids=["real", "11 values", "100 values", "choice"],
)
def test_integrates_to_one(n: int, edges: np.ndarray | None, size: int) -> None:
    density = Parzen(Layout([edges], [size]), floor=FLOOR, prior_weight=1.0)
    Z = np.random.default_rng(n).random((n, 1))
    density.update(range(n), [], np.floor(Z * size) if size else Z)
    if size:
        grid, weight = np.arange(size)[:, None], 1.0
    elif edges is None:
        grid, weight = (np.arange(20_000)[:, None] + 0.5) / 20_000, 1 / 20_000
    else:
        grid = ((edges[1:] + edges[:-1]) / 2)[:, None]
        weight = 1.0 if len(edges) < 50 else 1 / (len(edges) - 1)  # the fine one counts as continuous
    assert np.exp(logs(density, grid.astype(float))).sum() * weight == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=60), st.integers(0, 5), st.integers(1, 9))
def test_does_not_depend_on_how_it_was_reached(moves: list[tuple[bool, int]], seed: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    Z, probes = rows(rng, 61), rows(rng, 5)
    density = Parzen(layout(), floor=FLOOR, prior_weight=PRIOR_WEIGHT)
    there = set(range(20, 45))
    density.update(sorted(there), [], Z[sorted(there)])
    for start in range(0, len(moves), block):
        wanted = set(there)
        for add, number in moves[start : start + block]:
            (wanted.add if add else wanted.discard)(number)
        add, drop = sorted(wanted - there), sorted(there - wanted)
        density.update(add, drop, Z[add])
        there = wanted
    fresh = make(sorted(there), Z[sorted(there)])
    n = len(there) + 1
    assert density.numbers == fresh.numbers
    assert np.array_equal(density.W[:n], fresh.W[:n])
    assert np.array_equal(logs(density, probes), logs(fresh, probes))
    assert np.array_equal(
        density.sample(np.random.default_rng(1), 9), fresh.sample(np.random.default_rng(1), 9), equal_nan=True
    )


def test_in_plain_floats_as_in_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    Z, made = rows(np.random.default_rng(7), 90), []
    for singly in (0, 10**6):
        monkeypatch.setattr(_density, "SINGLY", singly)
        density = make(range(20), Z[:20])
        for i in range(20, 90):
            density.update([i], [i - 15] if i % 3 == 0 else [], Z[i : i + 1])
        n = len(density) + 1
        made.append((density.W[:n], density.shape[:n]))
    for singly, in_bulk in zip(*made, strict=True):
        np.testing.assert_array_equal(singly, in_bulk)


def test_samples_follow_the_density() -> None:
    rng = np.random.default_rng(0)
    density = make(range(4), rows(rng, 4))
    Z = density.sample(rng, 40_000)
    assert ((Z >= 0) & (np.array([1, 1, 1, 2, 1]) >= Z)).all()
    ratio = np.exp(logs(make(range(0), np.empty((0, 5))), Z) - logs(density, Z))
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)  # E_p[q/p] = 1 for any density q that p covers


def test_weights_scale_the_kernels() -> None:
    rng = np.random.default_rng(3)
    density = make(range(9), rows(rng, 9))
    probes = rows(rng, 5)
    np.testing.assert_allclose(logs(density, probes, np.ones(10)), logs(density, probes), rtol=1e-12)
    only = logs(density, density.Z[4:5], np.eye(10)[4] + 1e-300)
    assert only > logs(density, density.Z[4:5])


def test_small_floors_do_not_depend_on_how_it_was_reached_either() -> None:
    rng = np.random.default_rng(5)
    layout, X = Layout([None, None], [0, 0]), rng.random((60, 2))
    stepwise = Parzen(layout, floor=1e-3, prior_weight=1.0)
    there: list[int] = []
    for i in range(60):
        drop = there[i % 7 :: 9] if i > 40 else []
        there = [t for t in there if t not in drop] + [i]
        stepwise.update([i], drop, X[i : i + 1])
        at_once = Parzen(layout, floor=1e-3, prior_weight=1.0)
        at_once.update(there, [], X[there])
        assert (stepwise.W[: len(there) + 1] == at_once.W[: len(there) + 1]).all()
