"""The one expression language: `when`, `require`, `forbid`, dependent bounds, constraints and stop rules.

Idea    Safe text over names: numbers, 'strings', [lists], + - * / % **, comparisons (also chained), in, not in, and, or,
        not, min max abs log log2 log10 sqrt exp round. It is stored as text and means the same everywhere.
Unknown A name without a value (an inactive parameter, a metric not yet reported, NaN) makes what is computed from it
        unknown. and/or/not follow Kleene: "false and unknown" is false, "true or unknown" is true. What an unknown
        condition means is the caller's choice: a `when` is then not met, a `require` not broken.
Numbers 1/0 is inf, log(0) is -inf, sqrt(-1) is nan as in numpy; a comparison with nan is false. True and 1 are different
        values, as in JSON; 1 and 1.0 are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space._grammar import NEGATED, Node, literal, parse, quoted, render

BoolArray = NDArray[np.bool_]


class _Unknown:
    """The value of what has none."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of labels as codes (n,): label i of the table, below 0 unknown. Compared label by label, not row by row."""

    codes: NDArray[np.int64]
    labels: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as text. Equal when they read the same apart from blanks and superfluous brackets.

    >>> Expression("a + b <= 1").evaluate({"a": 0.2, "b": 0.3})
    True
    """

    text: str = field(compare=False)
    known: Collection[str] = field(default=(), compare=False, repr=False)
    tree: Node = field(init=False, compare=False, repr=False)
    canonical: str = field(init=False, repr=False)
    names: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise SpaceError(f'An expression is text, as "layers > 2"; not {self.text!r}.')
        tree = parse(self.text, self.known)
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "canonical", render(tree))
        object.__setattr__(self, "names", tuple(dict.fromkeys(_names(tree))))
        object.__setattr__(self, "known", ())

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, given: str | Expression | Mapping[str, Any]) -> Expression:
        """From text, or from the shorthand {"optimizer": "sgd", "layers": [2, 3]}: equality, and membership of a list."""
        if isinstance(given, Expression):
            return given
        if isinstance(given, Mapping):
            if not given:
                raise SpaceError("when={} is empty. Leave it out, or write when={'optimizer': 'sgd'}.")
            parts = [
                f"{quoted(k)} {'in' if isinstance(v, list | tuple) else '=='} {literal(v)}" for k, v in given.items()
            ]
            return cls(" and ".join(parts))
        return cls(given)

    def renamed(self, rename: Mapping[str, str]) -> Expression:
        """The same expression about other names."""
        changed = {old: new for old, new in rename.items() if old in self.names and old != new}
        return Expression(render(self.tree, changed)) if changed else self

    def check_names(self, known: Collection[str], what: str) -> None:
        """SpaceError with the nearest known name when one is unknown. `what` begins the message."""
        for name in self.names:
            if name not in known:
                raise SpaceError(f'{what} names "{name}", which is not in this space. {did_you_mean(name, known)}')

    # ── one environment ──

    def evaluate(self, env: Mapping[str, Any], unknown: Any = None) -> Any:
        """The value for one set of names; `unknown` where names without a value leave it open."""
        value = _value(self.tree, env)
        return unknown if value is UNKNOWN else value

    def holds(self, env: Mapping[str, Any], unknown: bool = False) -> bool:
        """Whether it is true; `unknown` where that is open."""
        value = _truth(_value(self.tree, env))
        return unknown if value is UNKNOWN else bool(value)

    def violation(self, env: Mapping[str, Any]) -> float:
        """How far from true: at most 0 when true, above 0 when false, nan when unknown.

        a <= b: a - b. and: the largest, or: the smallest. a == b: the distance of numbers, else 0 or 1.
        """
        value = _violation(self.tree, env, True)
        return math.nan if value is UNKNOWN else float(value)

    # ── columns ──

    def truth(self, columns: Mapping[str, Any], n: int) -> tuple[BoolArray, BoolArray]:
        """(true (n,), unknown (n,)) over columns: float arrays (nan = unknown), Coded, or arrays of objects."""
        try:
            value, unknown = _truth_n(_over(self.tree, columns, n))
        except _RowByRow:
            values = [_truth(_value(self.tree, row)) for row in _rows(columns, self.names, n)]
            value = np.array([v is True for v in values], dtype=bool)
            unknown = np.array([v is UNKNOWN for v in values], dtype=bool)
        unknown = np.zeros(n, bool) if unknown is None else unknown
        return np.broadcast_to(np.asarray(value, dtype=bool), (n,)) & ~unknown, unknown

    def over(self, columns: Mapping[str, Any], n: int) -> NDArray[Any]:
        """(n,): booleans of a condition (unknown is False), else floats (unknown is nan)."""
        if self.is_condition:
            return self.truth(columns, n)[0]
        try:
            value, unknown = _over(self.tree, columns, n)
            numbers = np.broadcast_to(np.asarray(_numbers(value), dtype=float), (n,))
        except _RowByRow:
            values = [_value(self.tree, row) for row in _rows(columns, self.names, n)]
            return np.array([math.nan if v is UNKNOWN else float(v) for v in values])
        return numbers.copy() if unknown is None else np.where(unknown, math.nan, numbers)

    @property
    def is_condition(self) -> bool:
        """Whether it says yes or no, rather than a number."""
        return self.tree[0] in ("compare", "and", "or", "not") or (
            self.tree[0] == "const" and isinstance(self.tree[1], bool)
        )

    def is_integral(self, integers: Collection[str]) -> bool:
        """Whether it is a whole number whenever the names in `integers` are."""
        return _integral(self.tree, integers)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below this one."""
    kind = node[0]
    if kind in ("const", "name"):
        return ()
    if kind == "call":
        return tuple(node[2])
    return tuple(node[1]) if kind in ("compare", "and", "or", "list") else node[1:]


def _names(node: Node) -> list[str]:
    return [node[1]] if node[0] == "name" else [name for child in children(node) for name in _names(child)]


def _integral(node: Node, integers: Collection[str]) -> bool:
    kind = node[0]
    if kind == "const":
        return isinstance(node[1], int) and not isinstance(node[1], bool)
    if kind == "name":
        return node[1] in integers
    if kind == "call":
        return node[1] == "round" or (node[1] in ("min", "max", "abs") and all(_integral(n, integers) for n in node[2]))
    return kind in ("+", "-", "*", "%") and all(_integral(n, integers) for n in node[1:])


# ── values ────────────────────────────────────────────────────────────────────


def _power(a: float, b: float) -> float:
    return float(np.float64(a) ** np.float64(b))


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: float(np.float64(a) / np.float64(b)),
    "%": lambda a, b: a % b if b else math.nan,
    "**": _power,
}
_FUNCTION: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": lambda a: round(a) if math.isfinite(a) else a,
    **{f.__name__: (lambda a, f=f: float(f(np.float64(a)))) for f in (np.log, np.log2, np.log10, np.sqrt, np.exp)},
}


def _value(node: Node, env: Mapping[str, Any]) -> Any:
    """The value of a node, or UNKNOWN."""
    kind = node[0]
    if kind == "const":
        return node[1]
    if kind == "name":
        value = env.get(node[1], UNKNOWN)
        return UNKNOWN if isinstance(value, float) and value != value else value
    if kind == "compare":
        return _compared(node, [_value(n, env) for n in node[1]])
    if kind in ("and", "or"):
        return _kleene(kind, [_truth(_value(n, env)) for n in node[1]])
    if kind == "not":
        value = _truth(_value(node[1], env))
        return UNKNOWN if value is UNKNOWN else not value
    if kind == "list":
        values = [_value(n, env) for n in node[1]]
        return UNKNOWN if any(v is UNKNOWN for v in values) else values
    values = [_value(n, env) for n in (node[2] if kind == "call" else node[1:])]
    if any(v is UNKNOWN for v in values):
        return UNKNOWN
    values = [_number(v) for v in values]
    with np.errstate(all="ignore"):
        if kind == "call":
            return _FUNCTION[node[1]](*values)
        return -values[0] if len(values) == 1 else _ARITHMETIC[kind](*values)


def _number(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, int | float | np.number):
        return value
    raise SpaceError(f"{value!r} is not a number: it can be compared with == and in, but not calculated with.")


def _truth(value: Any) -> Any:
    if value is UNKNOWN or isinstance(value, bool):
        return value
    if isinstance(value, int | float | np.number | np.bool_):
        return bool(value)
    raise SpaceError(f"{value!r} is neither true nor false. Compare it: optimizer == 'sgd'.")


def _kleene(kind: str, values: list[Any]) -> Any:
    decided = kind == "or"
    if any(v is decided for v in values):
        return decided
    return UNKNOWN if any(v is UNKNOWN for v in values) else not decided


def _compared(node: Node, values: list[Any]) -> Any:
    links = [
        UNKNOWN if a is UNKNOWN or b is UNKNOWN else compare(sign, a, b)
        for sign, a, b in zip(node[2], values, values[1:], strict=False)
    ]
    return links[0] if len(links) == 1 else _kleene("and", links)


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
    a, b = _number(a), _number(b)
    return bool(a < b if sign == "<" else a <= b if sign == "<=" else a > b if sign == ">" else a >= b)


def _violation(node: Node, env: Mapping[str, Any], wanted: bool) -> Any:
    """How far the node is from being `wanted`. Negation is pushed down to the comparisons."""
    kind = node[0]
    if kind == "not":
        return _violation(node[1], env, not wanted)
    if kind in ("and", "or"):
        parts = [_violation(n, env, wanted) for n in node[1]]
        return _worst(parts) if (kind == "and") == wanted else _best(parts)
    if kind == "compare" and len(node[2]) > 1:
        pairs = zip(node[1], node[2], node[1][1:], strict=False)
        parts = [_violation(("compare", (a, b), (sign,)), env, wanted) for a, sign, b in pairs]
        return _worst(parts) if wanted else _best(parts)
    if kind != "compare":
        value = _truth(_value(node, env))
        return UNKNOWN if value is UNKNOWN else float(value is not wanted)
    a, b = (_value(n, env) for n in node[1])
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


# ── columns: a value with what is unknown of it, (array or scalar, mask or None) ──

Pair = tuple[Any, "BoolArray | None"]


class _RowByRow(Exception):
    """These columns (lists, two columns of labels) are compared a row at a time."""


def _over(node: Node, columns: Mapping[str, Any], n: int) -> Pair:
    kind = node[0]
    if kind == "const":
        return node[1], None
    if kind == "name":
        return _column(columns.get(node[1]), n)
    if kind == "compare":
        pairs = [_over(o, columns, n) for o in node[1]]
        links = [_link(sign, a, b) for sign, a, b in zip(node[2], pairs, pairs[1:], strict=False)]
        return links[0] if len(links) == 1 else _kleene_n("and", links)
    if kind in ("and", "or"):
        return _kleene_n(kind, [_truth_n(_over(o, columns, n)) for o in node[1]])
    if kind == "not":
        value, unknown = _truth_n(_over(node[1], columns, n))
        return np.logical_not(value), unknown
    if kind == "list":
        pairs = [_over(o, columns, n) for o in node[1]]
        if any(isinstance(v, np.ndarray | Coded) for v, _ in pairs):
            raise _RowByRow
        return [v for v, _ in pairs], None
    pairs = [_over(o, columns, n) for o in (node[2] if kind == "call" else node[1:])]
    values, unknown = [_numbers(v) for v, _ in pairs], _either(*(u for _, u in pairs))
    with np.errstate(all="ignore"):
        return _calculate(node, values), unknown


def _calculate(node: Node, values: list[Any]) -> Any:
    if node[0] == "call":
        if node[1] in ("min", "max"):
            function = np.minimum if node[1] == "min" else np.maximum
            for value in values[1:]:
                values[0] = function(values[0], value)
            return values[0]
        return {"abs": np.abs, "round": np.round}.get(node[1], getattr(np, node[1]))(values[0])
    if len(values) == 1:
        return -values[0]
    if node[0] == "%":
        return np.where(values[1] == 0, math.nan, np.mod(values[0], values[1]))
    if node[0] in ("/", "**"):
        a, b = np.asarray(values[0], dtype=float), np.asarray(values[1], dtype=float)
        return a / b if node[0] == "/" else a**b
    return _ARITHMETIC[node[0]](*values)


def _column(column: Any, n: int) -> Pair:
    if column is None:
        return 0.0, np.ones(n, bool)
    if isinstance(column, Coded):
        return column, None
    if not isinstance(column, np.ndarray):
        return (0.0, np.ones(n, bool)) if isinstance(column, float) and column != column else (column, None)
    if column.dtype == object:
        raise _RowByRow
    if column.dtype.kind != "f":
        return column, None
    unknown = np.isnan(column)
    return column, unknown if unknown.any() else None


def _either(*masks: BoolArray | None) -> BoolArray | None:
    known = [m for m in masks if m is not None]
    return np.logical_or.reduce(known) if known else None


def _numbers(value: Any) -> Any:
    """What can be calculated with; labels become numbers when they all are."""
    if isinstance(value, np.ndarray):
        return value.astype(float) if value.dtype.kind == "b" else value
    if isinstance(value, Coded):
        if not all(isinstance(label, int | float) for label in value.labels):
            raise _RowByRow  # which raises the error, if a row really gets there
        return np.array([*value.labels, math.nan], dtype=float)[value.codes]
    return _number(value)


def _truth_n(pair: Pair) -> Pair:
    value, unknown = pair
    if isinstance(value, Coded):
        table = [bool(_truth(label)) for label in value.labels]
        return np.array([*table, False])[value.codes], _either(unknown, value.codes < 0)
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind == "b" else value != 0, unknown
    return _truth(value), unknown


def _kleene_n(kind: str, pairs: list[Pair]) -> Pair:
    unknown = _either(*(u for _, u in pairs))
    function = np.logical_and if kind == "and" else np.logical_or
    if unknown is None:
        return function.reduce(np.broadcast_arrays(*(v for v, _ in pairs))), None
    decided = np.zeros(len(unknown), bool)
    for value, u in pairs:
        here = np.logical_not(value) if kind == "and" else value
        decided = decided | (here if u is None else here & ~u)
    return decided if kind == "or" else ~decided, unknown & ~decided


def _link(sign: str, left: Pair, right: Pair) -> Pair:
    """One comparison of two columns."""
    (a, u), (b, v) = left, right
    unknown = _either(u, v)
    for column, other, flip in ((a, b, False), (b, a, True)):
        if isinstance(column, Coded) and not isinstance(other, Coded | np.ndarray):
            table = [compare(sign, other, x) if flip else compare(sign, x, other) for x in column.labels]
            return np.array([*table, False])[column.codes], _either(unknown, column.codes < 0)
    if isinstance(a, Coded) or isinstance(b, Coded):
        raise _RowByRow
    if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
        return compare(sign, a, b), unknown
    if sign in ("in", "not in"):
        if not isinstance(b, list):
            raise _RowByRow
        hits = np.logical_or.reduce([np.zeros(len(a), bool), *(_link("==", (a, None), (x, None))[0] for x in b)])
        return (hits if sign == "in" else ~hits), unknown
    if sign in ("==", "!="):
        alike = (
            _is_flag(a) == _is_flag(b) and not isinstance(a, str | list | None) and not isinstance(b, str | list | None)
        )
        equal = (a == b) if alike else np.zeros(np.broadcast(np.asarray(a, object), np.asarray(b, object)).shape, bool)
        return (equal if sign == "==" else ~equal), unknown
    a, b = _numbers(a), _numbers(b)
    with np.errstate(invalid="ignore"):
        return {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[sign](a, b), unknown


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, np.ndarray) and value.dtype.kind == "b")


def _rows(columns: Mapping[str, Any], names: tuple[str, ...], n: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for name in names:
        column = columns.get(name, UNKNOWN)
        if isinstance(column, Coded):
            values = [column.labels[c] if c >= 0 else UNKNOWN for c in column.codes.tolist()]
        elif isinstance(column, np.ndarray):
            values = column.tolist()
        else:
            values = [column] * n
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows
