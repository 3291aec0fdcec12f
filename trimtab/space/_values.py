"""What an expression says of one set of names: its value, whether it holds, how far from true it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np

from trimtab.errors import SpaceError
from trimtab.space._grammar import NEGATED, Node


class _Unknown:
    """The value of what has none."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = _Unknown()


def _power(a: float, b: float) -> float:
    return float((np.float64(a) + 0.0) ** np.float64(b))


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: float(np.float64(a) / (np.float64(b) + 0.0)),
    "%": lambda a, b: a % b if b else math.nan,
    "**": _power,
}
_FUNCTION: dict[str, Callable[..., Any]] = {
    "min": lambda *v: math.nan if any(x != x for x in v) else min(v),
    "max": lambda *v: math.nan if any(x != x for x in v) else max(v),
    "abs": abs,
    "round": lambda a: round(a) if math.isfinite(a) else a,
    **{f.__name__: (lambda a, f=f: float(f(np.float64(a)))) for f in (np.log, np.log2, np.log10, np.sqrt, np.exp)},
}


def value_of(node: Node, env: Mapping[str, Any]) -> Any:
    """The value of a node, or UNKNOWN."""
    kind = node[0]
    if kind == "const":
        return node[1]
    if kind == "name":
        value = env.get(node[1], UNKNOWN)
        if isinstance(value, np.generic):
            value = value.item()
        return UNKNOWN if isinstance(value, float) and value != value else value
    if kind == "compare":
        return _compared(node, [value_of(n, env) for n in node[1]])
    if kind in ("and", "or"):
        return kleene(kind, [truth_of(value_of(n, env)) for n in node[1]])
    if kind == "not":
        value = truth_of(value_of(node[1], env))
        return UNKNOWN if value is UNKNOWN else not value
    if kind == "list":
        values = [value_of(n, env) for n in node[1]]
        return UNKNOWN if any(v is UNKNOWN for v in values) else values
    values = [value_of(n, env) for n in (node[2] if kind == "call" else node[1:])]
    if any(v is UNKNOWN for v in values):
        return UNKNOWN
    values = [number_of(v) for v in values]
    with np.errstate(all="ignore"), suppress(OverflowError):
        if kind == "call":
            return _FUNCTION[node[1]](*values)
        return -values[0] if len(values) == 1 else ARITHMETIC[kind](*values)
    return math.inf  # whole numbers beyond all floats


def number_of(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, int | float | np.number):
        return value
    raise SpaceError(f"{value!r} is not a number: it can be compared with == and in, but not calculated with.")


def truth_of(value: Any) -> Any:
    if value is UNKNOWN or isinstance(value, bool):
        return value
    if isinstance(value, int | float | np.number | np.bool_):
        return bool(value)
    raise SpaceError(f"{value!r} is neither true nor false. Compare it: optimizer == 'sgd'.")


def kleene(kind: str, values: list[Any]) -> Any:
    decided = kind == "or"
    if any(v is decided for v in values):
        return decided
    return UNKNOWN if any(v is UNKNOWN for v in values) else not decided


def _compared(node: Node, values: list[Any]) -> Any:
    links = [
        UNKNOWN if a is UNKNOWN or b is UNKNOWN else compare(sign, a, b)
        for sign, a, b in zip(node[2], values, values[1:], strict=False)
    ]
    return links[0] if len(links) == 1 else kleene("and", links)


def same(a: Any, b: Any) -> bool:
    """Equal as JSON values: True is not 1, but 1 is 1.0."""
    if isinstance(a, bool | np.bool_) or isinstance(b, bool | np.bool_):
        return isinstance(a, bool | np.bool_) and isinstance(b, bool | np.bool_) and bool(a) == bool(b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def compare(sign: str, a: Any, b: Any) -> bool:
    """a sign b for two known values."""
    if sign in ("==", "!="):
        return same(a, b) == (sign == "==")
    if sign in ("in", "not in"):
        if not isinstance(b, list | tuple):
            raise SpaceError(f"{b!r} is no list: write `in [1, 2]`, or == for a single value.")
        return any(same(a, x) for x in b) == (sign == "in")
    a, b = number_of(a), number_of(b)
    return bool(a < b if sign == "<" else a <= b if sign == "<=" else a > b if sign == ">" else a >= b)


def violation_of(node: Node, env: Mapping[str, Any], wanted: bool) -> Any:
    """How far the node is from being `wanted`. Negation is pushed down to the comparisons."""
    kind = node[0]
    if kind == "not":
        return violation_of(node[1], env, not wanted)
    if kind in ("and", "or"):
        parts = [violation_of(n, env, wanted) for n in node[1]]
        return _worst(parts) if (kind == "and") == wanted else _best(parts)
    if kind == "compare" and len(node[2]) > 1:
        pairs = zip(node[1], node[2], node[1][1:], strict=False)
        parts = [violation_of(("compare", (a, b), (sign,)), env, wanted) for a, sign, b in pairs]
        return _worst(parts) if wanted else _best(parts)
    if kind != "compare":
        value = truth_of(value_of(node, env))
        return UNKNOWN if value is UNKNOWN else float(value is not wanted)
    a, b = (value_of(n, env) for n in node[1])
    if a is UNKNOWN or b is UNKNOWN:
        return UNKNOWN
    return _distance(node[2][0] if wanted else NEGATED[node[2][0]], a, b, compare(node[2][0], a, b) is wanted)


def _distance(sign: str, a: Any, b: Any, true: bool) -> float:
    numbers = all(isinstance(x, int | float | np.number) and not isinstance(x, bool) for x in (a, b))
    if sign in ("in", "not in", "!=") or not numbers:
        return float(not true)
    gap = abs(a - b) if sign == "==" else a - b if sign in ("<", "<=") else b - a
    if true:
        return min(float(gap), 0.0) if gap == gap else 0.0  # inf <= inf
    return max(float(gap), 5e-324) if gap == gap else math.inf  # a < a is broken, though the gap is 0


def _worst(parts: list[Any]) -> Any:
    known = [p for p in parts if p is not UNKNOWN]
    worst = max(known, default=-math.inf)
    return worst if worst > 0 or len(known) == len(parts) else UNKNOWN


def _best(parts: list[Any]) -> Any:
    known = [p for p in parts if p is not UNKNOWN]
    best = min(known, default=math.inf)
    return best if best <= 0 or len(known) == len(parts) else UNKNOWN
