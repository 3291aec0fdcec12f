"""Configurations to arrays and back, for a whole space at once.

Walk    Parameters are visited parents first, each column as a whole: its condition is evaluated over the columns
        already seen. A dependent bound is evaluated row by row, and X holds the place within that row's range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.errors import SpaceError
from trimtab.space import _check
from trimtab.space._coding import ABSENT, Coding, Labels, Numeric
from trimtab.space._scale import FloatArray
from trimtab.space._structured import Orders, Shares, Subsets
from trimtab.space.domains import Bool, Choice, Const, Derived, Float, Int
from trimtab.space.expression import BoolArray, Coded, Expression
from trimtab.space.structured import Permutation, Simplex, Subset

Config = Mapping[str, Any]

if TYPE_CHECKING:
    from trimtab.space.space import Space

FEW = 8  # rows up to which going value by value beats starting up numpy, a column each

CODINGS: dict[type, Any] = {
    Float: Numeric,
    Int: Numeric,
    Choice: Labels,
    Bool: Labels,
    Subset: Subsets,
    Permutation: Orders,
    Simplex: Shares,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name with all that is worked out once. bounds: expressions or numbers, when one of them depends on others."""

    name: str
    domain: Any
    coding: Coding | None
    when: Expression | None
    bounds: tuple[Any, Any] | None
    columns: slice

    def active(self, env: Mapping[str, Any]) -> bool:
        return self.when is None or self.when.holds(env)

    def bounds_in(self, env: Mapping[str, Any]) -> tuple[Any, Any] | None:
        """The bounds for one configuration; nan where they can't be known."""
        if self.bounds is None:
            return None
        low, high = (float(b.evaluate(env, math.nan)) if isinstance(b, Expression) else b for b in self.bounds)
        if not (math.isfinite(low) and math.isfinite(high)) or (self.domain.log is not False and low <= 0):
            return math.nan, math.nan
        return (math.ceil(low), math.floor(high)) if isinstance(self.domain, Int) else (low, high)


@dataclass(slots=True)
class Walk:
    """What one pass over X found. sound (n,): dependent bounds are in order."""

    X: FloatArray
    raw: dict[str, NDArray[Any]]
    seen: dict[str, Any]
    active: dict[str, BoolArray]
    sound: BoolArray


def encode(space: Space, configs: Sequence[Config]) -> FloatArray:
    """(n, d). Never raises on old configurations: numbers outside extrapolate, what is unknown is nan."""
    n = len(configs)
    if n <= FEW and (rows := _few_encoded(space, configs)) is not None:
        return np.array(rows, dtype=np.float64).reshape(n, space.d)
    X = np.full((n, space.d), math.nan)
    seen: dict[str, Any] = {}
    for p in space._order:
        active = None if p.when is None else p.when.truth(seen, n)[0]
        if p.coding is None:
            if p.name in space._read:
                seen[p.name] = _uncoded(p, seen, active, n)
            continue
        values = [config.get(p.name, math.nan) for config in configs]
        raw = p.coding.raw(values)
        default = getattr(p.domain, "default", None)
        if default is not None:
            absent = np.array([v is math.nan for v in values], dtype=bool)
            if absent.any():
                raw[absent] = p.coding.raw([default])[0]
        if active is not None:
            raw[~active] = math.nan
        if p.name in space._read:
            seen[p.name] = p.coding.seen(raw)
        X[:, p.columns] = p.coding.to_unit(raw, _bounds(p, seen, n))
    return X


def decode(space: Space, X: FloatArray) -> list[dict[str, Any]]:
    """Configurations: active names only, in order of declaration, labels and plain Python values."""
    if len(X) <= FEW and (few := _few_decoded(space, X)) is not None:
        return few
    found = walk(space, X, everything=True)
    lists = [_written(space, p, found, len(X)) for p in space._parameters.values()]
    rows = zip(*lists, strict=True) if lists else iter([()] * len(X))
    if not space._gaps and not bool(np.isnan(found.X).any()):
        return [dict(zip(space.names, row, strict=True)) for row in rows]
    return [{k: v for k, v in zip(space.names, row, strict=True) if v is not ABSENT} for row in rows]


def _few_encoded(space: Space, configs: Sequence[Config]) -> list[list[float]] | None:
    """encode() value by value, to the same bits; None where that takes the general way."""
    if space._singles is None:
        return None
    try:
        return [[of(config[name]) for name, _, of, _, _ in space._singles if of is not None] for config in configs]
    except (KeyError, TypeError, OverflowError):
        return None  # something is missing, unknown or of another type


def _few_decoded(space: Space, X: FloatArray) -> list[dict[str, Any]] | None:
    """decode() value by value, to the same bits; None where that takes the general way."""
    singles, shape = space._singles, (len(X), space.d)
    if singles is None or not isinstance(X, np.ndarray) or X.shape != shape or X.dtype != np.float64:
        return None
    rows: list[list[float]] = X.tolist()
    if not all(math.isfinite(sum(row)) for row in rows):  # nan and inf show in a sum
        return None
    return [{name: at(row[j]) if at else value for name, j, _, at, value in singles} for row in rows]


def _written(space: Space, p: Parameter, found: Walk, n: int) -> list[Any]:
    active = found.active.get(p.name)
    if p.coding is not None:
        return p.coding.write(found.raw[p.name])
    if isinstance(p.domain, Const):
        return [p.domain.value] * n if active is None else [p.domain.value if a else ABSENT for a in active.tolist()]
    return _check.derived_list(space, p, found.seen[p.name])


def from_unit(space: Space, U: FloatArray) -> FloatArray:
    """Uniform numbers (n, d) in [0, 1) to X: through each parameter's prior, inactive columns nan."""
    X = np.array(U, dtype=np.float64)
    for p in space._order:
        if p.coding is not None:
            X[:, p.columns] = p.coding.draw(X[:, p.columns])
    return walk(space, X).X if space._conditional else X


def snap(space: Space, X: FloatArray) -> FloatArray:
    """See Space.snap."""
    found = walk(space, X, everything=True)
    for p in space._order:
        if p.coding is not None:
            bounds = _bounds(p, found.seen, len(X))
            found.X[:, p.columns] = p.coding.to_unit(found.raw[p.name].astype(np.float64), bounds)
    return found.X


def feasible(space: Space, X: FloatArray) -> BoolArray:
    """(n,): no rule is broken. A rule about inactive parameters is not broken."""
    n = len(X)
    if not space._rules and not any(p.bounds for p in space._order):
        return np.ones(n, bool)
    found = walk(space, X)
    sound: BoolArray = np.logical_and.reduce([found.sound, *kept(space, found, n)])
    return sound


def kept(space: Space, walk: Walk, n: int) -> list[BoolArray]:
    kept = []
    for rule, wanted in space._rules:
        true, unknown = rule.truth(walk.seen, n)
        kept.append((true | unknown) if wanted else ~true)
    return kept


def walk(space: Space, X: FloatArray, everything: bool = False) -> Walk:
    X = np.array(X, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] != space.d:
        raise SpaceError(f"an array of shape {X.shape} does not fit this space: it has {space.d} columns.")
    n = len(X)
    walk = Walk(X, {}, {}, {}, np.ones(n, bool))
    for p in space._order:
        active = None
        if p.when is not None:
            walk.active[p.name] = active = p.when.truth(walk.seen, n)[0]
            X[~active, p.columns] = math.nan
        if not everything and p.name not in space._read and p.bounds is None:
            continue
        if p.coding is None:
            walk.seen[p.name] = _uncoded(p, walk.seen, active, n)
            continue
        bounds = _bounds(p, walk.seen, n)
        if bounds is not None:
            fits = np.less_equal(bounds[0], bounds[1])  # not where a bound is unknown
            walk.sound &= fits if active is None else fits | ~active
        walk.raw[p.name] = raw = p.coding.from_unit(X[:, p.columns], bounds)
        if p.name in space._read:
            walk.seen[p.name] = p.coding.seen(raw)
    return walk


def _bounds(p: Parameter, seen: Mapping[str, Any], n: int) -> tuple[Any, Any] | None:
    if p.bounds is None:
        return None
    low, high = (np.asarray(b.over(seen, n) if isinstance(b, Expression) else np.full(n, float(b))) for b in p.bounds)
    known = np.isfinite(low) & np.isfinite(high) & ((low > 0) | (p.domain.log is False))
    low, high = np.where(known, low, math.nan), np.where(known, high, math.nan)
    if isinstance(p.domain, Int):
        low, high = np.ceil(low), np.floor(high)
    return low, high


def _uncoded(p: Parameter, seen: Mapping[str, Any], active: BoolArray | None, n: int) -> Any:
    """The column of a Const or Derived as expressions read it."""
    if isinstance(p.domain, Derived):
        assert isinstance(p.domain.expression, Expression)
        values = p.domain.expression.over(seen, n)
        return values if active is None else np.where(active, values.astype(float), math.nan)
    codes = np.zeros(n, np.int64) if active is None else np.where(active, 0, -1)
    return Coded(codes, (p.domain.value,))
