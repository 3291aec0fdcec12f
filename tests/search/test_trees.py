"""Trees: the arithmetic of a forest against slow and obvious versions of it, and against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.parts.trees import ABSENT, Forest, forest

Floats = NDArray[np.float64]
NUMBERS = np.zeros(3, np.int64)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rows(n: int, seed: int = 0) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Three numbers, two choices of four labels, and a value that needs a number, a choice and both together."""
    draw = rng(seed)
    F = np.column_stack([draw.random((n, 3)), draw.integers(4, size=(n, 2))])
    y = (F[:, 0] - 0.4) ** 2 + 0.3 * np.isin(F[:, 3], (1, 2)) + 0.2 * (F[:, 1] > 0.5) * (F[:, 4] == 3)
    return F, y, np.array([0, 0, 0, 4, 4])


def walked(model: Forest, tree: int, f: Floats) -> int:
    """The leaf that one row comes to, a step at a time."""
    at = tree
    while model.feature[at] >= 0:
        j = model.feature[at]
        if model.sizes[j]:
            left = bool(model.lefts[int(model.threshold[at]), int(f[j])])
        else:
            left = f[j] <= model.threshold[at]
        at = int(model.child[at]) + (not left)
    return at


def test_total_variance_against_a_loop() -> None:
    F, y, sizes = rows(80)
    model = forest(F, y, sizes, rng(1), trees=12)
    fresh, _, _ = rows(50, seed=5)
    mean, var = model.predict(fresh)
    for i, f in enumerate(fresh):
        leaves = [walked(model, t, f) for t in range(12)]
        m, v = model.mean[leaves], model.var[leaves]
        assert mean[i] == pytest.approx(m.mean(), abs=1e-10)
        assert var[i] == pytest.approx((v + m * m).mean() - m.mean() ** 2, abs=1e-10)
    assert (var > 0).all()


def test_leaves_hold_the_mean_and_variance_of_the_rows_that_come_to_them() -> None:
    F, y, sizes = rows(60)
    model = forest(F, y, sizes, rng(1), trees=4, min_split=6)
    drawn = rng(1).integers(60, size=(4, 60))  # what the forest draws first
    for t in range(4):
        leaves = np.array([walked(model, t, f) for f in F[drawn[t]]])
        for leaf in np.unique(leaves):
            inside = y[drawn[t]][leaves == leaf]
            assert model.weight[leaf] == len(inside)
            assert model.mean[leaf] == pytest.approx(inside.mean(), abs=1e-12)
            assert model.var[leaf] == pytest.approx(inside.var(), abs=1e-12)


def test_the_first_split_is_the_best_there_is() -> None:
    """Of all splits by a number, and of all subsets of labels."""
    F, y, sizes = rows(40)
    model = forest(F, y, sizes, rng(3), trees=6, share=1.0)
    drawn = rng(3).integers(40, size=(6, 40))
    for t in range(6):
        X, z = F[drawn[t]], y[drawn[t]]

        def left_over(left: NDArray[np.bool_], z: Floats = z) -> float:
            if left.all() or not left.any():
                return np.inf
            return float(z[left].var() * left.sum() + z[~left].var() * (~left).sum())

        found = [left_over(X[:, j] <= v) for j in range(3) for v in X[:, j]]
        found += [left_over(np.isin(X[:, j], [k for k in range(4) if m >> k & 1])) for j in (3, 4) for m in range(16)]
        j, threshold = model.feature[t], model.threshold[t]
        left = model.lefts[int(threshold)][X[:, j].astype(int)] if sizes[j] else X[:, j] <= threshold
        assert left_over(left) == pytest.approx(min(found), abs=1e-12)


def test_as_good_as_scikit_learns() -> None:
    from sklearn.ensemble import RandomForestRegressor

    F, y, sizes = rows(300)
    fresh, truth, _ = rows(500, seed=9)
    wide = np.column_stack([F[:, :3], *(F[:, [j]] == np.arange(4) for j in (3, 4))])
    wide_fresh = np.column_stack([fresh[:, :3], *(fresh[:, [j]] == np.arange(4) for j in (3, 4))])
    theirs = RandomForestRegressor(30, max_features=5 / 6, min_samples_split=3, random_state=0).fit(wide, y)
    error = float(((theirs.predict(wide_fresh) - truth) ** 2).mean())
    mine = float(((forest(F, y, sizes, rng()).predict(fresh)[0] - truth) ** 2).mean())
    assert mine < 1.2 * error


def test_what_is_absent_is_told_apart_by_one_split() -> None:
    F = np.array([[ABSENT], [ABSENT], [ABSENT], [0.7], [0.8], [0.9]])
    model = forest(F, np.array([1.0, 1, 1, 0, 0, 0]), np.zeros(1, np.int64), rng(), trees=20)
    mean, _ = model.predict(np.array([[0.01], [ABSENT]]))
    assert mean[0] < 0.1
    assert mean[1] > 0.9


def test_believed_rows_change_the_leaves_they_come_to_and_no_others() -> None:
    F, y, sizes = rows(40)
    model = forest(F, y, sizes, rng(1), trees=8)
    told = model.believing(F[:1], np.array([5.0]))
    leaves = model.leaves(F[:1])[:, 0]
    assert (told.weight[leaves] == model.weight[leaves] + 1).all()
    w = model.weight[leaves]
    np.testing.assert_allclose(told.mean[leaves], (w * model.mean[leaves] + 5) / (w + 1))
    others = np.delete(np.arange(len(model.mean)), leaves)
    np.testing.assert_allclose(told.mean[others], model.mean[others])
    assert model.predict(F[:1])[0] < told.predict(F[:1])[0]


@pytest.mark.parametrize("value", [np.zeros(12), np.exp2(np.arange(12) * 40.0)])
def test_flat_and_wild_values(value: Floats) -> None:
    F = rng().random((12, 3))
    mean, var = forest(F, value, NUMBERS, rng(), trees=5).predict(F)
    assert np.isfinite(mean).all()
    assert (var >= 0).all()


def test_one_row_and_equal_rows() -> None:
    one = forest(np.array([[0.5, 0.5, 0.5]]), np.array([2.0]), NUMBERS, rng(), trees=3)
    assert one.predict(np.zeros((2, 3)))[0].tolist() == [2.0, 2.0]
    same = forest(np.full((9, 3), 0.5), np.arange(9.0), NUMBERS, rng(), trees=3)
    assert (same.feature == -1).all()
    assert (same.predict(np.zeros((1, 3)))[1] > 0).all()


def test_trees_on_fewer_rows() -> None:
    F, y, sizes = rows(400)
    model = forest(F, y, sizes, rng(), trees=5, rows=50)
    assert model.weight[:5].tolist() == [50.0] * 5


def test_numbers_below_zero_are_split_like_others() -> None:
    F = np.column_stack([np.repeat([-1.0, -0.7, -0.6, 0.0], 6)])
    model = forest(F, np.repeat([0.0, 1.0, 2.0, 3.0], 6), np.zeros(1, np.int64), rng(), share=1.0)
    assert (model.weight > 0).all()
    assert np.isfinite(model.mean).all()
