"""What an expression says of whole columns: (n,) values, each with what is unknown of them.

A pair is (array or scalar, mask or None). Columns of labels are compared label by label through a table; what can't be
done so (lists, two columns of labels) is done a row at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.space._grammar import Node
from trimtab.space._values import ARITHMETIC, UNKNOWN, compare, number_of, truth_of, value_of

BoolArray = NDArray[np.bool_]
Pair = tuple[Any, "BoolArray | None"]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of labels as codes (n,): places in `labels`, below 0 unknown."""

    codes: NDArray[np.int64]
    labels: Sequence[Any]


class _RowByRow(Exception):
    """These columns are compared a row at a time."""


def truth(node: Node, names: tuple[str, ...], columns: Mapping[str, Any], n: int) -> tuple[BoolArray, BoolArray]:
    """(true (n,), unknown (n,)): never both."""
    try:
        value, mask = _truth_n(_over(node, columns, n))
    except _RowByRow:
        values = [truth_of(value_of(node, row)) for row in _rows(columns, names, n)]
        value = np.array([v is True for v in values], dtype=bool)
        mask = np.array([v is UNKNOWN for v in values], dtype=bool)
    unknown = np.zeros(n, dtype=bool) if mask is None else mask
    return np.broadcast_to(np.asarray(value, dtype=bool), (n,)) & ~unknown, unknown


def numbers(node: Node, names: tuple[str, ...], columns: Mapping[str, Any], n: int) -> NDArray[np.float64]:
    """(n,): nan where unknown."""
    try:
        value, unknown = _over(node, columns, n)
        found = np.broadcast_to(np.asarray(_numbers(value), dtype=np.float64), (n,))
    except _RowByRow:
        values = [value_of(node, row) for row in _rows(columns, names, n)]
        return np.array([math.nan if v is UNKNOWN else float(number_of(v)) for v in values], dtype=np.float64)
    return found.copy() if unknown is None else np.where(unknown, math.nan, found)


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
        return getattr(np, node[1])(values[0])  # numpy calls them by the same names
    if len(values) == 1:
        return -values[0]
    if node[0] == "%":
        return np.where(values[1] == 0, math.nan, np.mod(values[0], values[1]))
    if node[0] in ("/", "**"):
        a, b = (np.asarray(v, dtype=float) + 0.0 for v in values)  # + 0.0: there is no -0.0 here, and 1/0 is inf
        return a / b if node[0] == "/" else a**b
    return ARITHMETIC[node[0]](*values)


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
    return number_of(value)


def _truth_n(pair: Pair) -> Pair:
    value, unknown = pair
    if isinstance(value, Coded):
        table = [bool(truth_of(label)) for label in value.labels]
        return np.array([*table, False])[value.codes], _either(unknown, value.codes < 0)
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind == "b" else value != 0, unknown
    return truth_of(value), unknown


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
