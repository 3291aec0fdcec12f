"""One total order: value, fronts, constraints, missing values, ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.parts.order import best_first, best_rows, over_folds, violation


def test_one_objective_by_value_then_age_then_nothing() -> None:
    Y = np.array([[3.0], [np.nan], [1.0], [1.0], [np.inf], [-np.inf]])
    assert best_first(Y).tolist() == [5, 2, 3, 0, 4, 1]


def test_feasible_first_then_by_violation() -> None:
    Y = np.array([[1.0], [2.0], [0.0], [-5.0], [np.nan]])
    C = np.array([[0.0], [-1.0], [2.0], [0.5], [-9.0]])
    assert best_first(Y, C).tolist() == [0, 1, 3, 2, 4]


def test_a_constraint_that_was_not_measured_is_the_worst_violation() -> None:
    C = np.array([[np.nan, -1.0], [100.0, -1.0]])
    assert violation(C)[0] == np.inf
    assert best_first(np.zeros((2, 1)), C).tolist() == [1, 0]


def test_constraints_count_in_units_of_their_size() -> None:
    C = np.array([[1000.0, 0.0], [0.0, 2.0], [1000.0, 1.0], [-1000.0, -1.0]])
    assert violation(C).tolist() == [1.0, 2.0, 2.0, 0.0]


def test_fronts_come_whole_and_in_order() -> None:
    Y = np.array([[5.0, 5.0], [1.0, 5.0], [6.0, 6.0], [2.0, 3.0], [4.0, 1.0], [3.0, 4.0]])
    order = best_first(Y).tolist()
    assert set(order[:3]) == {1, 3, 4}
    assert order[3:] == [5, 0, 2]
    assert best_rows(Y, 4).tolist() == [1, 3, 4, 5]
    assert len(best_rows(Y, 2)) == 2
    assert set(best_rows(Y, 2).tolist()) < {1, 3, 4}
    assert best_rows(Y, 0).tolist() == []


@given(st.integers(0, 3), st.integers(1, 4), st.integers(0, 12), st.integers(0, 2))
def test_is_a_permutation_that_scaling_leaves_alone(seed: int, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    Y, C = np.round(rng.random((n, m)), 1), rng.normal(size=(n, k))
    order = best_first(Y, C)
    assert sorted(order.tolist()) == list(range(n))
    assert best_first(Y * 4.0, C).tolist() == order.tolist()


def test_easy_folds_are_no_merit() -> None:
    hard = np.array([0.0, 10.0])
    values = np.array([[1.0, np.nan], [2.0, 12.0], [0.5, 10.5], [np.nan, np.nan]])
    out = over_folds(values)
    np.testing.assert_allclose(out[:3], np.array([1.0, 2.0, 0.5]) + hard.mean(), atol=1e-6)
    assert np.isnan(out[3])
    full = np.array([[1.0, 4.0], [3.0, 2.0]])
    assert over_folds(full) == pytest.approx([2.5, 2.5])
