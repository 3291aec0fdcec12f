"""There and back: configurations, arrays, JSON, keys; on random spaces."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import floats, ints, spaces

from trimtab.space import Float, Int, Space

few = settings(max_examples=60, deadline=None)


@few
@given(spaces(), st.integers(0, 2**32))
def test_configs_come_back_from_arrays(space: Space, seed: int) -> None:
    X = space.sample(np.random.default_rng(seed), 12)
    configs = space.decode(X)
    again = space.encode(configs)
    assert again.shape == (12, space.d)
    back = space.decode(again)
    assert [list(c) for c in back] == [list(c) for c in configs]
    for a, b in zip(configs, back, strict=True):
        for name, value in a.items():
            assert type(b[name]) is type(value)
            if isinstance(value, float):
                assert math.isclose(b[name], value, rel_tol=1e-9, abs_tol=1e-9)
            elif not isinstance(value, dict):
                assert b[name] == value
    assert (np.isnan(again) == np.isnan(X)).all()
    assert space.feasible(X).all()


@few
@given(spaces(), st.integers(0, 2**32))
def test_what_is_drawn_passes_the_check_and_has_one_key(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for config in [*space.decode(space.sample(rng, 5)), space.sample_config(rng), space.complete({}, rng)]:
        assert space.check(config) == config
        assert list(space.check(config)) == list(config)
        assert space.inside(config)
        shuffled = dict(reversed(list(config.items())))
        assert space.key(shuffled) == space.key(config)
        assert space.key(json.loads(json.dumps(config))) == space.key(config)


@few
@given(spaces())
def test_json_is_exact(space: Space) -> None:
    text = json.dumps(space.to_json(), allow_nan=False)
    again = Space.from_json(json.loads(text))
    assert again == space
    assert hash(again) == hash(space)
    assert again.columns == space.columns
    assert json.dumps(again.to_json()) == text
    X = space.sample(np.random.default_rng(0), 5)
    assert again.decode(X) == space.decode(X)


@few
@given(spaces(), st.integers(0, 2**32))
def test_one_by_one_agrees_with_all_at_once(space: Space, seed: int) -> None:
    """The scalar path, fed the same uniform numbers, gives what the vectorised path gives."""
    U = np.random.default_rng(seed).random((6, space.d))
    X = space.from_unit(U)
    kept = space.feasible(X)
    for u, keep, config in zip(U, kept, space.decode(X), strict=True):
        if keep:
            one = space.sample_config(_Replay(u))  # type: ignore[arg-type]
            assert list(one) == list(config)
            for name, value in one.items():
                same = math.isclose(value, config[name], rel_tol=1e-12) if isinstance(value, float) else None
                assert value == config[name] or same


class _Replay:
    """A generator that gives these numbers once."""

    def __init__(self, u: np.ndarray) -> None:
        self.u = u

    def random(self, d: int) -> np.ndarray:
        assert d == len(self.u)
        return self.u


@given(st.one_of(floats(), ints()), st.floats(0, 1))
@settings(deadline=None)
def test_numbers_stay_inside_and_come_back(domain: Float | Int, u: float) -> None:
    space = Space({"x": domain})
    (config,) = space.decode(np.array([[u]]))
    assert domain.low <= config["x"] <= domain.high  # type: ignore[operator]
    z = space.encode([config])
    low, high = space.cells(0, z[:, 0])
    assert low[0] - 1e-9 <= u <= high[0] + 1e-9 or math.isclose(z[0, 0], u, abs_tol=1e-6)
    assert space.decode(z) == [config] or isinstance(config["x"], float)


@given(ints(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_cells_tile_the_unit_interval_and_agree(domain: Int, seed: int) -> None:
    space = Space({"n": domain})
    edges = space.column_cells(0)
    assert edges is not None
    assert edges[0] == 0
    assert edges[-1] == 1
    assert len(edges) == space.columns[0].n + 1 == space.size + 1
    assert (np.diff(edges) > 0).all()
    z = np.random.default_rng(seed).random(20)
    low, high = space.cells(0, z)
    i = np.searchsorted(edges, z, side="right") - 1
    np.testing.assert_allclose(low, edges[i], atol=1e-9)
    np.testing.assert_allclose(high, edges[i + 1], atol=1e-9)
    middles = (edges[:-1] + edges[1:])[:, None] / 2
    values = [c["n"] for c in space.decode(middles)]
    assert values == sorted(set(values))  # a value a cell


@given(spaces(), st.integers(0, 2**32))
@few
def test_arrays_of_any_numbers_decode_to_configs_of_the_space(space: Space, seed: int) -> None:
    """What a model proposes may lie anywhere."""
    X = np.random.default_rng(seed).normal(0.5, 2.0, (8, space.d))
    np.testing.assert_allclose(space.snap(X), space.encode(space.decode(X)), atol=1e-12)
    for config, sound in zip(space.decode(X), space.feasible(X), strict=True):
        if sound:
            assert space.check(config) == config
