"""Genetic operators: what they keep, what they change, and their distributions by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trimtab.parts import genes
from trimtab.parts.genes import Genes
from trimtab.space import Choice, Float, Int, Permutation, Simplex, Space, Subset

SPACE = Space(
    {
        "x": Float(-5, 5),
        "k": Int(1, 9),
        "wide": Int(1, 1000, log=True),
        "two": Int(0, 1),
        "half": Float(0, 2, step=0.5),
        "kind": Choice(["a", "b", "c"]),
        "m": Float(0, 1, when="kind == 'a'"),
        "one": Choice(["z"]),
        "of": Subset(["p", "q", "r"], min=1),
        "order": Permutation(["u", "v", "w"]),
        "shares": Simplex(["s", "t"]),
    }
)
GENES = Genes.of(SPACE)
MOVES = {"gauss": genes.gauss(), "polynomial": genes.polynomial(), "anywhere": genes.anywhere}


def rows(n: int, seed: int = 0) -> tuple[Any, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return SPACE.sample(rng, n), rng


def crossed(A: Any, B: Any, rng: np.random.Generator) -> dict[str, Any]:
    first, second = genes.sbx(A, B, GENES.labels, rng)
    return {
        "uniform": genes.uniform(A, B, rng),
        "one point": genes.one_point(A, B, rng),
        "blend": genes.blend(A, B, GENES.labels, rng),
        "sbx 1": first,
        "sbx 2": second,
    }


def test_children_are_configurations() -> None:
    X, rng = rows(200)
    fresh = GENES.fresh(rng, 100)
    assert not np.isnan(fresh).any()
    for name, child in crossed(X[:100], X[100:], rng).items():
        mended = GENES.mended(child, fresh)
        assert all(SPACE.inside(config) for config in SPACE.decode(mended)), name
        np.testing.assert_array_equal(SPACE.encode(SPACE.decode(mended)), mended)
        np.testing.assert_array_equal(np.isnan(mended), np.isnan(SPACE.activate(mended)))


def test_genes_come_from_parents() -> None:
    X, rng = rows(200)
    A, B = X[:100], X[100:]
    lost = np.isnan(A) & np.isnan(B)
    for name, child in crossed(A, B, rng).items():
        np.testing.assert_array_equal(np.isnan(child), lost, err_msg=name)
        mine = (child == A) | (child == B) | lost
        numbers = name not in ("uniform", "one point")
        assert mine[:, GENES.labels > 0].all() if numbers else mine.all(), name


def test_equal_parents_have_equal_children() -> None:
    X, rng = rows(50)
    for name, child in crossed(X, X, rng).items():
        np.testing.assert_array_equal(child, X, err_msg=name)


def test_one_point_cuts_once() -> None:
    rng = np.random.default_rng(0)
    child = genes.one_point(np.zeros((500, 6)), np.ones((500, 6)), rng)
    assert (np.diff(child, axis=1) >= 0).all()
    assert set(child.sum(axis=1)) == {1.0, 2.0, 3.0, 4.0, 5.0}  # each parent gives something
    np.testing.assert_array_equal(genes.one_point(np.zeros((3, 1)), np.ones((3, 1)), rng), 0.0)


def test_blend_covers_the_wider_interval() -> None:
    rng = np.random.default_rng(0)
    child = genes.blend(np.full((20_000, 1), 0.4), np.full((20_000, 1), 0.6), np.zeros(1, np.int64), rng, alpha=0.5)
    assert 0.3 <= child.min() < 0.301
    assert 0.699 < child.max() <= 0.7
    assert child.std() == pytest.approx(0.4 / np.sqrt(12), rel=0.02)


def test_sbx_keeps_the_middle_and_the_room() -> None:
    rng, n = np.random.default_rng(0), 50_000
    a, b = np.full((n, 1), 0.4), np.full((n, 1), 0.6)
    first, second = genes.sbx(a, b, np.zeros(1, np.int64), rng, eta=2.0)
    np.testing.assert_allclose(first + second, 1.0, atol=1e-12)  # as both ends have the same room
    beta = np.abs(first - second)[first + second != 0] / 0.2
    assert (beta < 1 - 1e-12).mean() == pytest.approx(0.25, abs=0.02)  # half are crossed, half of those contract
    first, second = genes.sbx(np.full((n, 1), 0.01), b, np.zeros(1, np.int64), rng, eta=1.0)
    assert min(first.min(), second.min()) >= 0.0
    assert max(first.max(), second.max()) <= 1.0


class Said:
    """A generator that says what it is told to."""

    def __init__(self, u: float) -> None:
        self.u = u

    def random(self, n: int) -> Any:
        return np.full(n, self.u)


def test_polynomial_by_hand() -> None:
    move: Any = genes.polynomial(eta=3.0)
    # Deb: u < ½ goes down by 1 - (2u + (1 - 2u)(1 - z)^(η+1))^(1/(η+1)); at u = 0 it arrives at the bound
    assert move(np.array([0.3]), Said(0.2))[0] == pytest.approx(0.3 - 1 + (0.4 + 0.6 * 0.7**4) ** 0.25)
    assert move(np.array([0.3]), Said(0.9))[0] == pytest.approx(0.3 + 1 - (0.2 + 0.8 * 0.3**4) ** 0.25)
    assert move(np.array([0.3]), Said(0.0))[0] == pytest.approx(0.0)
    assert move(np.array([0.3]), Said(1.0))[0] == pytest.approx(1.0)
    assert move(np.array([0.3]), Said(0.5))[0] == pytest.approx(0.3)


@pytest.mark.parametrize("name", MOVES)
def test_a_hit_gene_has_another_value(name: str) -> None:
    X, rng = rows(400)
    chosen = genes.hit(X, rng, 0.2)
    Y = genes.mutated(GENES, X, chosen, rng, MOVES[name])
    np.testing.assert_array_equal(Y[~chosen], X[~chosen])
    np.testing.assert_array_equal(np.isnan(Y), np.isnan(X))
    assert ((Y >= 0) & (np.maximum(GENES.labels - 1, 1) >= Y) | np.isnan(Y)).all()
    snapped = GENES.mended(Y, GENES.fresh(rng, 400))
    for parameter in ("x", "k", "wide", "two", "half", "kind"):
        j = SPACE.slices[parameter].start
        assert (snapped[chosen[:, j], j] != X[chosen[:, j], j]).all(), parameter


def test_labels_change_to_each_other_alike() -> None:
    genes_of = Genes.of(Space({"kind": Choice(["a", "b", "c", "d"])}))
    rng = np.random.default_rng(0)
    X = np.full((9_000, 1), 2.0)
    Y = genes.mutated(genes_of, X, np.ones_like(X, bool), rng, genes.gauss())
    assert sorted(set(Y[:, 0])) == [0.0, 1.0, 3.0]
    np.testing.assert_allclose([(code == Y).mean() for code in (0, 1, 3)], 1 / 3, atol=0.02)


def test_how_many_are_hit() -> None:
    X, rng = rows(4_000)
    there = ~np.isnan(X)
    assert genes.hit(X, rng, 0.1)[there].mean() == pytest.approx(0.1, abs=0.01)
    assert not genes.hit(X, rng, 0.5)[~there].any()
    assert genes.hit(X, rng, 0.0, least=1).sum(axis=1).tolist() == [1] * len(X)
    assert genes.hit(np.empty((3, 0)), rng, 0.5, least=1).shape == (3, 0)


def test_a_narrowed_range_takes_old_rows_in() -> None:
    new = Genes.of(Space({"x": Float(-1, 1), "kind": Choice(["a", "b"])}))
    X = new.inside(new.space.encode([{"x": -4.0, "kind": "c"}, {"x": 0.5, "kind": "b"}]))
    assert X[:, 0].tolist() == [0.0, 0.75]
    assert np.isnan(X[0, 1])
    assert X[1, 1] == 1.0
