"""Random domains, spaces and expressions for property tests, here and in other rooms.

from strategies import spaces      # tests/space is not a package: see conftest.py
"""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from trimtab.space import Bool, Choice, Const, Derived, Float, Int, Permutation, Simplex, Space, Subset

names = st.text(alphabet="abcdefghij_", min_size=1, max_size=6).filter(lambda s: s not in ("in", "not", "or", "and"))
labels = st.one_of(st.integers(-5, 5), st.booleans(), st.text(max_size=4), st.floats(-3, 3), st.none())


@st.composite
def floats(draw: st.DrawFn, when: Any = None) -> Float:
    kind = draw(st.sampled_from(["line", "log", "step"]))
    if kind == "step":
        step = draw(st.sampled_from([0.1, 0.05, 0.25, 1.0, 0.003, 10.0]))
        low = draw(st.integers(-50, 50))
        digits = max(0, -math.floor(math.log10(step)) + 2)
        return Float(
            round(low * step, digits), round((low + draw(st.integers(1, 60))) * step, digits), step=step, when=when
        )
    low = draw(st.floats(1e-8, 1e3) if kind == "log" else st.floats(-1e6, 1e6))
    width = draw(st.floats(1.001, 1e6) if kind == "log" else st.floats(1e-3, 1e6))
    high = low * width if kind == "log" else low + width
    return Float(low, high, log=kind == "log", when=when)


@st.composite
def ints(draw: st.DrawFn, when: Any = None) -> Int:
    kind = draw(st.sampled_from(["plain", "step", "log", "powers"]))
    low = draw(st.integers(1, 500) if kind in ("log", "powers") else st.integers(-1000, 1000))
    if kind == "powers":
        return Int(low, low * draw(st.sampled_from([9, 30, 100])), log=draw(st.sampled_from([2, 3])), when=when)
    step = draw(st.integers(1, 9)) if kind == "step" else 1
    high = low + step * draw(st.integers(1, 400))
    return Int(low, high, log=kind == "log", step=step if kind == "step" else None, when=when)


@st.composite
def choices(draw: st.DrawFn, when: Any = None) -> Choice:
    values = draw(st.lists(labels, min_size=1, max_size=5, unique_by=lambda v: (type(v).__name__, v)))
    return Choice(values, ordered=draw(st.booleans()), when=when)


@st.composite
def structured(draw: st.DrawFn, when: Any = None) -> Any:
    of = [f"e{i}" for i in range(draw(st.integers(2, 5)))]
    kind = draw(st.sampled_from([Subset, Permutation, Simplex]))
    if kind is Subset:
        low = draw(st.integers(0, len(of)))
        return Subset(of, min=low, max=draw(st.integers(max(low, 1), len(of))), when=when)
    return kind(of, when=when)


def domains(when: Any = None) -> st.SearchStrategy[Any]:
    """Any domain that takes columns."""
    return st.one_of(floats(when), ints(when), choices(when), st.builds(Bool, when=st.just(when)), structured(when))


@st.composite
def spaces(draw: st.DrawFn, *, conditions: bool = True, rules: bool = True, most: int = 6) -> Space:
    """Spaces with conditions, nested choices, dependent bounds, constants, derived values, rules easy to keep."""
    found = draw(st.lists(names, min_size=1, max_size=most, unique=True))
    spec: dict[str, Any] = {}
    for name in found:
        spec[f"p_{name}"] = draw(domains())
    if conditions and draw(st.booleans()):
        spec["kind"] = Choice(["x", "y", "z"])
        spec["only_x"] = draw(domains(when="kind == 'x'"))
        spec["model"] = Choice(
            {
                "svm": Space({"C": draw(floats()), "k": Const("rbf")}),
                "tree": Space({"depth": draw(ints())}),
                "none": None,
            },
            when=draw(st.sampled_from([None, "kind != 'z'"])),
        )
        spec["deep"] = draw(domains(when="model == 'tree' and model.tree.depth % 2 == 0"))
    if draw(st.booleans()):
        spec |= {"u": Float(0.0, 1.0), "v": Float(0.0, "1 - u"), "w": Int(1, 9), "both": Derived("w * 2")}
    require = ["u <= 0.9 or w >= 2"] if rules and "u" in spec else []
    return Space(spec, require=require)
