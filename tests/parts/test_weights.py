"""Features of weights: what no order of units changes, what moves, and what a large network is told as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trimtab.parts.context import MOST, context_columns
from trimtab.parts.weights import weight_features


def network(rng: np.random.Generator, hidden: int = 32) -> dict[str, Any]:
    return {
        "fc1.weight": rng.normal(0, 0.5, (hidden, 10)),
        "fc1.bias": rng.normal(0, 0.1, hidden),
        "fc2.weight": rng.normal(0, 0.3, (3, hidden)),
        "fc2.bias": rng.normal(0, 0.1, 3),
    }


def permuted(state: dict[str, Any], order: Any) -> dict[str, Any]:
    """The same function: its hidden units in another order."""
    first, bias = state["fc1.weight"][order], state["fc1.bias"][order]
    return {**state, "fc1.weight": first, "fc1.bias": bias, "fc2.weight": state["fc2.weight"][:, order]}


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_hidden_units_changes_nothing(seed: int) -> None:
    """Section 41: to 1e-10."""
    rng = np.random.default_rng(seed)
    first, last, now = network(rng), network(rng), network(rng)
    order = rng.permutation(32)
    told = weight_features(now, first, last)
    again = weight_features(*(permuted(s, order) for s in (now, first, last)))
    assert list(told) == list(again)
    assert len(told) == 2 * (4 + 2 + 2) + 2 * (4 + 2)
    for name, value in told.items():
        assert again[name] == pytest.approx(value, abs=1e-10), name


def test_by_hand() -> None:
    W = np.array([[3.0, 0.0], [0.0, -4.0], [0.0, 0.01]])
    told = weight_features({"w": W}, first={"w": W / 2}, last={"w": np.zeros((3, 2))})
    assert told["w mean"] == pytest.approx(W.mean())
    assert told["w sd"] == pytest.approx(W.std())
    assert told["w largest"] == 4.0
    assert told["w zeros"] == pytest.approx(4 / 6)
    assert told["w norm"] == pytest.approx(np.linalg.norm(W, 2), rel=1e-6)
    assert told["w rank"] == pytest.approx((W**2).sum() / 16.0, rel=1e-4)
    assert told["w moved"] == pytest.approx(1.0)
    assert told["w step"] == pytest.approx(np.linalg.norm(W))  # from zero: not in parts of what was


@pytest.mark.parametrize("shape", [(40, 30), (3, 500), (64, 3, 3, 3), (1, 7)])
def test_the_norm_is_nearly_the_largest_singular_value(shape: tuple[int, ...]) -> None:
    W = np.random.default_rng(1).normal(size=shape)
    exact = np.linalg.norm(W.reshape(len(W), -1), 2)
    norm = weight_features({"w": W})["w norm"]
    assert 0.85 * exact <= norm <= exact * (1 + 1e-12)


def test_what_is_odd_is_survived() -> None:
    told = weight_features(
        {
            "zero": np.zeros((4, 4)),
            "wild": np.array([[np.nan, np.inf], [-np.inf, 1e300]]),
            "count": np.array(7),
            "mask": np.array([True, False]),
            "none": np.empty((0, 3)),
            "one": np.float32(0.5),
            "deep": {"er": {"w": np.ones((2, 2), np.float16)}},
        }
    )
    assert {name.rpartition(" ")[0] for name in told} == {"zero", "wild", "one", "deep.er.w"}
    assert np.isfinite(list(told.values())).all()
    assert told["zero norm"] == told["zero rank"] == 0.0
    assert told["deep.er.w rank"] == pytest.approx(1.0)
    assert weight_features({}) == {}


def test_networks_of_different_depth_have_the_same_features() -> None:
    rng = np.random.default_rng(0)
    names = []
    for depth in (8, 30):
        state: dict[str, Any] = {"stem": rng.normal(size=(8, 3, 3, 3))}
        for i in range(depth):
            state |= {f"{i}.weight": rng.normal(size=(8, 8)), f"{i}.bias": rng.normal(size=8)}
        names.append(list(weight_features(state, first=state)))
    assert names[0] == names[1]
    assert "matrices norm spread" in names[0]
    assert "kernels moved" in names[0]


@pytest.mark.slow
def test_tensors_of_torch() -> None:
    torch = pytest.importorskip("torch")
    W = torch.arange(6, dtype=torch.bfloat16, requires_grad=True).reshape(2, 3)
    told = weight_features({"w": W, "steps": torch.tensor(3)})
    assert told == weight_features({"w": np.arange(6.0).reshape(2, 3)})


# ── as columns of a model ────────────────────────────────────────────────────────────────────────────────────────


def test_columns_are_few_and_whole() -> None:
    rng = np.random.default_rng(0)
    F = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 200)) * 10.0 ** rng.integers(-5, 5, 200)
    F[:, 7] = 3.0
    F[5], F[6, :100] = np.nan, np.nan
    columns, group = context_columns(F)
    assert columns.shape == (50, len(group))
    assert 3 <= columns.shape[1] - 1 <= MOST
    assert group.tolist() == [0] * (columns.shape[1] - 1) + [1]
    assert np.isfinite(columns).all()
    np.testing.assert_array_equal(columns[:, -1], np.arange(50) != 5)


@pytest.mark.parametrize("F", [np.empty((4, 0)), np.full((4, 2), np.nan), np.ones((4, 2)), np.empty((0, 3))])
def test_what_tells_nothing_is_no_column(F: Any) -> None:
    columns, group = context_columns(F)
    assert columns.shape == (len(F), len(group))
    assert not columns.size or np.ptp(columns) == 0


def test_one_diverged_network_leaves_the_others_apart() -> None:
    F = np.arange(30.0)[:, None] + np.zeros((30, 2))
    F[3] = 1e300
    columns, _ = context_columns(F)
    others = np.delete(columns[:, 0], 3)
    assert np.isfinite(columns).all()
    assert np.ptp(others) > 0.5
