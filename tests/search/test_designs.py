"""Sobol, Halton and Latin hypercube: even, balanced, and the same from anywhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search import searcher
from trimtab.space import Choice, Float, Int, Space


def unit(d: int) -> Space:
    return Space({f"x{j}": Float(0, 1) for j in range(d)})


def drawn(method: str, space: Space, n: int, start: int = 0, seed: int = 0, **settings: object) -> list[dict]:
    proposals = searcher(method, **settings).propose(History.empty(space), Ask(number=start, n=n, seed=seed))
    return [dict(p.config) for p in proposals]


def median_discrepancy(method: str, d: int) -> float:
    from scipy.stats import qmc

    found = []
    for seed in range(20):
        points = [list(c.values()) for c in drawn(method, unit(d), 64, seed=seed)]
        found.append(qmc.discrepancy(np.array(points), method="CD"))
    return float(np.median(found))


@pytest.mark.parametrize("d", [4, 6, 10])
def test_sobol_is_more_even_than_random(d: int) -> None:
    assert median_discrepancy("sobol", d) <= 0.5 * median_discrepancy("random", d)


@pytest.mark.parametrize("method", ["halton", "latin"])
def test_others_are_more_even_than_random(method: str) -> None:
    assert median_discrepancy(method, 4) <= 0.5 * median_discrepancy("random", 4)


def test_categories_are_balanced() -> None:
    space = Space({"a": Choice(list("wxyz")), "x": Float(0, 1), "b": Choice(list("wxyz"))})
    for seed in range(5):
        configs = drawn("sobol", space, 64, seed=seed)
        for name in "ab":
            assert Counter(c[name] for c in configs) == dict.fromkeys("wxyz", 16)


@pytest.mark.parametrize("method", ["sobol", "halton", "latin", "random"])
def test_point_i_belongs_to_trial_i(method: str) -> None:
    space = Space({"x": Float(1e-3, 1, log=True), "n": Int(1, 5), "c": Choice(["a", "b"])})
    whole = drawn(method, space, 64)
    assert drawn(method, space, 32) + drawn(method, space, 32, start=32) == whole
    assert drawn(method, space, 3, start=130)[1:] == drawn(method, space, 2, start=131)
    assert drawn(method, space, 64, seed=1) != whole
    assert [drawn(method, space, 1, start=i)[0] for i in (0, 5, 63)] == [whole[i] for i in (0, 5, 63)]


def test_latin_hypercube_takes_every_part_once() -> None:
    for block in range(2):
        configs = drawn("latin", unit(3), 20, start=20 * block, size=20)
        for name in ("x0", "x1", "x2"):
            assert sorted(int(c[name] * 20) for c in configs) == list(range(20))


def test_inactive_parameters_are_dropped_and_the_index_stays() -> None:
    flat = Space({"c": Choice(["a", "b"]), "x": Float(0, 1), "y": Float(0, 1)})
    nested = Space({"c": Choice(["a", "b"]), "x": Float(0, 1, when="c == 'a'"), "y": Float(0, 1)})
    for whole, part in zip(drawn("sobol", flat, 32), drawn("sobol", nested, 32), strict=True):
        assert part == {k: v for k, v in whole.items() if k != "x" or whole["c"] == "a"}


@pytest.mark.parametrize("method", ["sobol", "halton", "latin"])
def test_rules_are_kept(method: str) -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)}, require=["x + y < 0.5"])
    assert all(c["x"] + c["y"] < 0.5 for c in drawn(method, space, 40))


@pytest.mark.parametrize("method", ["sobol", "halton", "latin", "random", "tpe"])
def test_nothing_to_vary_is_no_error(method: str) -> None:
    assert drawn(method, Space({}), 2) == [{}, {}]


def test_size_of_a_cube_is_checked() -> None:
    with pytest.raises(ValueError, match="size must be at least 1"):
        searcher("latin", size=0)
