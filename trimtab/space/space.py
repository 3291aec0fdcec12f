"""Space: an immutable, ordered set of named domains with conditions and rules; configurations to arrays and back.

Idea    Search code works on X (n, d): numbers in [0, 1], codes of labels, nan for what is inactive or unknown. Only the
        edges see configurations, dicts of the active names in the order of declaration.
Walk    Parameters are visited parents first (`_order`), each column as a whole: its condition is evaluated over the columns
        already seen. So a condition may name a parameter that is declared later; a cycle is refused.
Bounds  A dependent bound is evaluated row by row, and X holds the place within that row's range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space import _check, _draw, _forms
from trimtab.space._build import Draft, expressions, flatten
from trimtab.space._coding import ABSENT, Coding, Column, Numeric, coding_of
from trimtab.space._scale import FloatArray, edges
from trimtab.space.domains import Choice, Const, Derived, Int
from trimtab.space.expression import BoolArray, Coded, Expression

Config = Mapping[str, Any]


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
        low, high = (b.evaluate(env, math.nan) if isinstance(b, Expression) else b for b in self.bounds)
        return low, high


@dataclass(slots=True)
class Walk:
    """What one pass over X found. sound (n,): dependent bounds are in order."""

    X: FloatArray
    raw: dict[str, NDArray[Any]]
    seen: dict[str, Any]
    active: dict[str, BoolArray]
    sound: BoolArray


class Space:
    """What may vary.

    >>> space = Space({"lr": "1e-5..0.1 log", "layers": "1..8"}, require=["lr * layers < 0.5"])
    >>> space.names, space.d
    (('lr', 'layers'), 2)
    """

    names: tuple[str, ...]
    domains: Mapping[str, Any]
    columns: tuple[Column, ...]
    slices: Mapping[str, slice]
    require: tuple[Expression, ...]
    forbid: tuple[Expression, ...]

    def __init__(
        self,
        spec: Mapping[str, Any],
        require: Iterable[str | Expression] | str = (),
        forbid: Iterable[str | Expression] | str = (),
    ) -> None:
        if isinstance(spec, Space):
            require, forbid, spec = [*spec.require, *_several(require)], [*spec.forbid, *_several(forbid)], spec.domains
        if not isinstance(spec, Mapping):
            raise SpaceError(f"Space({spec!r}): give a dict of names and domains, or Space.of(a dataclass).")
        self._set_up(flatten(spec, _several(require), _several(forbid)))

    def _set_up(self, draft: Draft) -> None:
        parameters, columns = [], []
        for name, domain in draft.domains.items():
            coding = coding_of(name, domain)
            width = len(coding.columns) if coding else 0
            bounds = (domain.low, domain.high) if {"low", "high"} & expressions(domain).keys() else None
            place = slice(len(columns), len(columns) + width)
            parameters.append(Parameter(name, domain, coding, getattr(domain, "when", None), bounds, place))
            columns += coding.columns if coding else ()
        self._parameters = {p.name: p for p in parameters}
        self.names, self.domains = tuple(self._parameters), MappingProxyType(draft.domains)
        self.columns = tuple(columns)
        self.slices = MappingProxyType({p.name: p.columns for p in parameters if p.coding})
        self.require, self.forbid = tuple(draft.require), tuple(draft.forbid)
        self._order = _check.ordered(parameters)
        self._rules = [(r, True) for r in self.require] + [(r, False) for r in self.forbid]
        read = [e for p in parameters for e in expressions(p.domain).values()] + [r for r, _ in self._rules]
        self._read = frozenset(name for e in read for name in e.names)
        self._conditional = any(p.when is not None for p in parameters)
        self._simple = not self._conditional and not self._read  # nothing depends on anything
        _check.sound(self)

    @classmethod
    def of(cls, source: Any) -> Space:
        """From a dataclass or pydantic model whose fields default to domains (or are Annotated with them), or a dict."""
        return cls(_forms.spec_of(source))

    @property
    def d(self) -> int:
        return len(self.columns)

    # ── arrays ──

    def encode(self, configs: Sequence[Config]) -> FloatArray:
        """(n, d). Never raises on old configurations: numbers outside extrapolate, what is unknown is nan."""
        n = len(configs)
        X = np.full((n, self.d), math.nan)
        seen: dict[str, Any] = {}
        for p in self._order:
            active = None if p.when is None else p.when.truth(seen, n)[0]
            if p.coding is None:
                if p.name in self._read:
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
            if p.name in self._read:
                seen[p.name] = p.coding.seen(raw)
            X[:, p.columns] = p.coding.to_unit(raw, self._bounds(p, seen, n))
        return X

    def decode(self, X: FloatArray) -> list[dict[str, Any]]:
        """Configurations: active names only, in order of declaration, labels and plain Python values."""
        walk = self._walk(X, everything=True)
        lists = [self._written(p, walk, len(X)) for p in self._parameters.values()]
        if not self._conditional and not any(np.isnan(walk.X).any(axis=0)):
            return (
                [dict(zip(self.names, row, strict=True)) for row in zip(*lists, strict=True)]
                if lists
                else [{} for _ in X]
            )
        rows = zip(*lists, strict=True)
        return [{k: v for k, v in zip(self.names, row, strict=True) if v is not ABSENT} for row in rows]

    def _written(self, p: Parameter, walk: Walk, n: int) -> list[Any]:
        active = walk.active.get(p.name)
        if p.coding is not None:
            return p.coding.write(walk.raw[p.name])
        if isinstance(p.domain, Const):
            return (
                [p.domain.value] * n if active is None else [p.domain.value if a else ABSENT for a in active.tolist()]
            )
        return _check.derived_list(self, p, walk.seen[p.name])

    def from_unit(self, U: FloatArray) -> FloatArray:
        """Uniform numbers (n, d) in [0, 1) to X: through each parameter's prior, inactive columns nan."""
        X = np.array(U, dtype=np.float64)
        for p in self._order:
            if p.coding is not None:
                drawn = p.coding.draw(X[:, p.columns.start] if len(p.coding.columns) == 1 else X[:, p.columns])
                X[:, p.columns] = drawn[:, None] if drawn.ndim == 1 else drawn
        return self._walk(X).X if self._conditional else X

    def activate(self, X: FloatArray) -> FloatArray:
        """X with nan where inactive. What is nan though active stays nan."""
        return self._walk(X).X if self._conditional else np.array(X, dtype=np.float64)

    def feasible(self, X: FloatArray) -> BoolArray:
        """(n,): no rule is broken. A rule about inactive parameters is not broken."""
        n = len(X)
        if not self._rules and not any(p.bounds for p in self._order):
            return np.ones(n, bool)
        walk = self._walk(X)
        return np.logical_and.reduce([walk.sound, *self._kept(walk, n)])

    def _kept(self, walk: Walk, n: int) -> list[BoolArray]:
        kept = []
        for rule, wanted in self._rules:
            true, unknown = rule.truth(walk.seen, n)
            kept.append((true | unknown) if wanted else ~true)
        return kept

    def _walk(self, X: FloatArray, everything: bool = False) -> Walk:
        X = np.array(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != self.d:
            raise SpaceError(f"an array of shape {X.shape} does not fit this space: it has {self.d} columns.")
        n = len(X)
        walk = Walk(X, {}, {}, {}, np.ones(n, bool))
        for p in self._order:
            active = None
            if p.when is not None:
                walk.active[p.name] = active = p.when.truth(walk.seen, n)[0]
                X[~active, p.columns] = math.nan
            if not everything and p.name not in self._read and p.bounds is None:
                continue
            if p.coding is None:
                walk.seen[p.name] = _uncoded(p, walk.seen, active, n)
                continue
            bounds = self._bounds(p, walk.seen, n)
            if bounds is not None:
                crossed = np.greater(bounds[0], bounds[1])
                walk.sound &= ~(crossed if active is None else crossed & active)
            walk.raw[p.name] = raw = p.coding.from_unit(X[:, p.columns], bounds)
            if p.name in self._read:
                walk.seen[p.name] = p.coding.seen(raw)
        return walk

    def _bounds(self, p: Parameter, seen: Mapping[str, Any], n: int) -> tuple[Any, Any] | None:
        if p.bounds is None:
            return None
        low, high = (
            np.asarray(b.over(seen, n) if isinstance(b, Expression) else np.full(n, float(b))) for b in p.bounds
        )
        if p.domain.log is not False:
            low = np.where(low > 0, low, math.nan)  # no place on a log scale: unknown, as is all that follows
        if isinstance(p.coding, Numeric) and p.coding.whole:
            low, high = np.ceil(low), np.floor(high)
        return low, high

    def cells(self, j: int, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(low, high) of the cell of [0, 1] in which z (n,) lies in column j; z itself where the column has no cells."""
        z = np.asarray(z, dtype=np.float64)
        scale = self._scales[j]
        return (z, z) if scale is None else scale.cell(z)

    def column_cells(self, j: int) -> FloatArray | None:
        """(K + 1,): where the cells of column j begin and end; None for a continuous column or a choice."""
        scale = self._scales[j]
        return None if scale is None else edges(scale)

    @cached_property
    def _scales(self) -> list[Any]:
        found: list[Any] = [None] * self.d
        for p in self._order:
            scale = getattr(p.coding, "scale", None)
            if scale is not None and scale.n:
                found[p.columns.start] = scale
        return found

    @cached_property
    def _picks(self) -> list[tuple[str, Any, slice, Any]]:
        """For a space where nothing depends on anything: name, how to draw it, its columns, its constant value."""
        return [
            (p.name, p.coding.pick if p.coding else None, p.columns, getattr(p.domain, "value", None))
            for p in self._parameters.values()
        ]

    @cached_property
    def _canon(self) -> list[tuple[str, Any, Any]]:
        """For key(): name, how its value is written, the value of a Const."""
        coded = [p for p in self._parameters.values() if not isinstance(p.domain, Derived)]
        return [(p.name, p.coding and p.coding.canon, getattr(p.domain, "value", ABSENT)) for p in coded]

    @cached_property
    def _integers(self) -> frozenset[str]:
        """Names whose values are whole numbers."""
        found: set[str] = set()
        for p in self._order:
            values = p.domain.labels if isinstance(p.domain, Choice) else [getattr(p.domain, "value", None)]
            if isinstance(p.domain, Int) or all(isinstance(v, int) and not isinstance(v, bool) for v in values) or (isinstance(p.domain, Derived) and p.domain.expression.is_integral(found)):
                found.add(p.name)
        return frozenset(found)

    def _known(self, name: str) -> None:
        if name not in self.domains:
            raise SpaceError(f"{name!r} is not a parameter of this space. {did_you_mean(name, self.names)}")

    # ── drawing ──

    def sample(self, rng: Generator, n: int) -> FloatArray:
        """X (n, d): independent draws from the priors, all feasible."""
        return _draw.sample(self, rng, n)

    def sample_config(self, rng: Generator) -> dict[str, Any]:
        """One configuration from the same distribution as sample(), quickly."""
        return _draw.sample_config(self, rng)

    def complete(self, partial: Config, rng: Generator | None = None) -> dict[str, Any]:
        """A whole configuration around the given values: inactive ones dropped, missing ones drawn (default without rng)."""
        return _draw.complete(self, partial, rng)

    def grid(self, k: int | Mapping[str, int], *, ends: bool = False) -> Iterator[dict[str, Any]]:
        """Every combination of k values of each number and all values of the rest; active branches and rules respected."""
        return _draw.grid(self, k, ends)

    def neighbours(self, config: Config, rng: Generator, n: int = 4) -> list[dict[str, Any]]:
        """Configurations that differ in one parameter: each other label, n Gaussian steps of a number, its next values."""
        return _draw.neighbours(self, config, rng, n)

    @cached_property
    def size(self) -> float:
        """How many configurations there are (inactive parameters not counted), or inf."""
        return _draw.size(self)

    @cached_property
    def default(self) -> dict[str, Any] | None:
        """The configuration of all defaults; None when an active parameter has none, or a rule forbids it."""
        try:
            return self.check(self.complete({}))
        except SpaceError:
            return None

    # ── configurations ──

    def check(self, config: Config, *, partial: bool = False) -> dict[str, Any]:
        """The configuration in normal form, or SpaceError naming the parameter, its value and what it may be."""
        return _check.check(self, config, partial)

    def inside(self, config: Config) -> bool:
        """Whether this space could propose it."""
        try:
            self.check(config)
        except SpaceError:
            return False
        return True

    def key(self, config: Config) -> str:
        """Text that is the same exactly for the same configuration: Int 3 and 3.0 are, labels 1, 1.0, True and "1" are not."""
        return _check.key(self, config)

    def why_inactive(self, name: str, config: Config) -> str:
        """ "it needs optimizer == 'sgd'; this trial has 'adam'"."""
        return _check.why_inactive(self, name, config)

    def resolve(self, config: Config) -> dict[str, Any]:
        """The configuration with the objects that labels stand for. Needs the space as declared, not as read from a log."""
        return {k: _object(self.domains.get(k), v) for k, v in config.items()}

    def branch(self, config: Config, name: str) -> tuple[Any, dict[str, Any]]:
        """The label chosen for `name`, and the parameters of that branch under their own names."""
        return _check.branch(self, config, name)

    def nested(self, config: Config) -> dict[str, Any]:
        """The configuration in the shape of the declaration: {"lr": …, "model": {"svm": {"C": …}}}."""
        return _check.nested(self, config)

    # ── the space as a value ──

    def replace(self, **domains: Any) -> Space:
        """The same space with other domains for some names (or with new names). Dotted names: replace(**{"model.svm.C": …})."""
        return Space({**self.domains, **domains}, self.require, self.forbid)

    def drop(self, *names: str) -> Space:
        """The same space without these parameters."""
        return _forms.drop(self, names)

    def diff(self, new: Space) -> list[str]:
        """One line a parameter that `new` changes; SpaceError for a change that old trials can't follow."""
        return _forms.diff(self, new)

    @cached_property
    def traits(self) -> frozenset[str]:
        """What a method must be able to handle: conditional, rules, subset, permutation, simplex."""
        kinds = {type(d).__name__.lower() for d in self.domains.values()} & {"subset", "permutation", "simplex"}
        rules = bool(self._rules) or any(p.bounds for p in self._order)
        return frozenset(kinds | ({"conditional"} if self._conditional else set()) | ({"rules"} if rules else set()))

    def to_json(self) -> dict[str, Any]:
        """JSON that from_json reads back exactly. Labels are kept, objects behind them are not."""
        return _forms.to_json(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Space:
        return cls(*_forms.from_json(data))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        mine, theirs = list(self.domains.items()), list(other.domains.items())
        return mine == theirs and self.require == other.require and self.forbid == other.forbid

    def __hash__(self) -> int:
        return hash((tuple(self.domains.items()), self.require, self.forbid))

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.domains

    def __getitem__(self, name: str) -> Any:
        return self.domains[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return Space, (dict(self.domains), self.require, self.forbid)

    def __repr__(self) -> str:
        return _forms.text(self)

    def _repr_html_(self) -> str:
        return _forms.html(self)


def _several(rules: Iterable[str | Expression] | str | Expression) -> list[str | Expression]:
    return [rules] if isinstance(rules, str | Expression) else list(rules)


def _uncoded(p: Parameter, seen: Mapping[str, Any], active: BoolArray | None, n: int) -> Any:
    """The column of a Const or Derived as expressions read it."""
    if isinstance(p.domain, Derived):
        assert isinstance(p.domain.expression, Expression)
        values = p.domain.expression.over(seen, n)
        return values if active is None else np.where(active, values.astype(float), math.nan)
    codes = np.zeros(n, np.int64) if active is None else np.where(active, 0, -1)
    return Coded(codes, (p.domain.value,))


def _object(domain: Any, label: Any) -> Any:
    if isinstance(domain, Choice) and isinstance(domain.choices, dict) and label not in domain.branches:
        return domain.choices.get(label, label)
    return label
