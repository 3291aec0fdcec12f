"""A few rows are coded value by value, without numpy: the same values as in bulk, to the bit."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import domains, spaces

from trimtab.space import Choice, Const, Float, Int, Space
from trimtab.space._arrays import FEW

some = settings(max_examples=150, deadline=None)
MANY = 3 * FEW
BEYOND = st.one_of(
    st.floats(-3.0, 4.0),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, 1.5, 2.5, np.nextafter(1.0, 0.0), 5e-324, math.nan, math.inf, -math.inf]),
)


def exactly(value: Any) -> Any:
    """The value in a form that tells 1 from 1.0 and 0.0 from -0.0."""
    if isinstance(value, float):
        return struct.pack("d", value)
    return [exactly(v) for v in value] if isinstance(value, list) else (type(value).__name__, repr(value))


def bits(config: dict[str, Any]) -> list[Any]:
    return [(name, exactly(value)) for name, value in config.items()]


def of_domains(found: list[Any]) -> Space:
    return Space({f"x{i}": domain for i, domain in enumerate(found)} | {"constant": Const("c")})


plain = st.lists(domains(), min_size=1, max_size=5).map(of_domains)


@some
@given(st.one_of(spaces(), plain), st.integers(0, 2**32))
def test_one_row_is_a_row_of_many(space: Space, seed: int) -> None:
    X = space.sample(np.random.default_rng(seed), MANY)
    configs = space.decode(X)
    assert [bits(space.decode(X[i : i + 1])[0]) for i in range(MANY)] == [bits(c) for c in configs]
    encoded = space.encode(configs)
    one_by_one = np.concatenate([space.encode([c]) for c in configs])
    assert one_by_one.tobytes() == encoded.tobytes()
    assert space.encode(configs[:FEW]).tobytes() == encoded[:FEW].tobytes()


@some
@given(plain, st.data())
def test_rows_from_anywhere(space: Space, data: st.DataObject) -> None:
    X = np.array(data.draw(st.lists(BEYOND, min_size=space.d, max_size=space.d)), dtype=np.float64)[None]
    many = space.decode(np.repeat(X, MANY, axis=0)) if np.isfinite(X).all() else None
    if many is not None:
        assert bits(space.decode(X)[0]) == bits(many[0])


@some
@given(plain, st.data())
def test_values_from_anywhere(space: Space, data: st.DataObject) -> None:
    odd = st.one_of(
        st.floats(), st.integers(-(10**30), 10**30), st.booleans(), st.none(), st.text(max_size=3),
        st.sampled_from([10**400, math.nan, "3.5", np.float64(2.0)]), st.lists(st.integers(), max_size=2),
    )  # fmt: skip
    config = {name: data.draw(odd) for name in space.names if data.draw(st.booleans())}
    with np.errstate(all="ignore"):
        assert space.encode([config]).tobytes() == space.encode([config] * MANY)[:1].tobytes()


@some
@given(plain, st.integers(0, 2**32))
def test_a_single_draw_is_the_first_of_many(space: Space, seed: int) -> None:
    if not {"simplex", "permutation", "subset"} & space.traits:
        one = space.sample_config(np.random.default_rng(seed))
        U = np.random.default_rng(seed).random((1, space.d))
        assert bits(one) == bits(space.decode(space.from_unit(np.repeat(U, MANY, axis=0)))[0])


def test_whole_numbers_beyond_what_floats_can_tell_apart() -> None:
    space = Space({"a": Int(10**17, 10**17 + 10), "b": Int(1, 10**18, log=True), "c": Int(3**30, 3**36, log=3)})
    X = space.sample(np.random.default_rng(0), MANY)
    configs = space.decode(X)
    assert {c["a"] for c in configs} == set(range(10**17, 10**17 + 11))
    assert all(isinstance(v, int) for c in configs for v in c.values())
    assert [space.decode(X[i : i + 1])[0] for i in range(MANY)] == configs


def test_what_is_missing_takes_its_default() -> None:
    space = Space({"a": Float(0, 1, default=0.25), "b": Choice(["p", "q"], default="q")})
    assert space.encode([{}]).tolist() == [[0.25, 1.0]]
    assert space.encode([{"a": math.nan, "b": "p"}]).tolist() == [[0.25, 0.0]]
