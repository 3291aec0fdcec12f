"""Space: an immutable, ordered set of named domains with conditions and rules; configurations to arrays and back.

Idea    Search code works on X (n, d): numbers in [0, 1], codes of labels, nan for what is inactive or unknown. Only the
        edges see configurations, dicts of the active names in the order of declaration.
Order   Parameters are visited parents first (`_order`): a condition may name a parameter that is declared later. A
        circle is refused.
Bounds  A dependent bound is evaluated row by row, and X holds the place within that row's range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space import _arrays, _check, _draw, _forms, _sound
from trimtab.space._arrays import CODINGS, Parameter
from trimtab.space._build import Draft, expressions, flatten
from trimtab.space._coding import ABSENT, Column, Labels, Numeric
from trimtab.space._scale import FloatArray, edges
from trimtab.space.domains import Choice, Derived, Int
from trimtab.space.expression import BoolArray, Expression

Config = Mapping[str, Any]


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
        try:
            self._set_up(flatten(spec, _several(require), _several(forbid)))
        except RecursionError:
            raise SpaceError(
                "this space has dicts or lists within each other at too many levels. Flatten it."
            ) from None
        self._frozen = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "_frozen" in self.__dict__:
            raise AttributeError(f"a Space never changes: use space.replace({name}=…), which gives a new one.")
        super().__setattr__(name, value)

    def _set_up(self, draft: Draft) -> None:
        parameters: list[Parameter] = []
        columns: list[Column] = []
        for name, domain in draft.domains.items():
            made = CODINGS.get(type(domain))
            coding = made(name, domain) if made else None
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
        self._order = _sound.ordered(parameters)
        self._rules = [(r, True) for r in self.require] + [(r, False) for r in self.forbid]
        read = [e for p in parameters for e in expressions(p.domain).values()] + [r for r, _ in self._rules]
        self._read = frozenset(name for e in read for name in e.names)
        self._conditional = any(p.when is not None for p in parameters)
        self._gaps = any(p.when or p.bounds or isinstance(p.domain, Derived) for p in parameters)
        self._simple = not self._read and not self._gaps  # nothing depends on anything
        _sound.check_space(self)

    @classmethod
    def of(cls, source: Any) -> Space:
        """From a dataclass or pydantic model whose fields default to domains (or are Annotated so), or a dict."""
        return cls(_forms.spec_of(source))

    @property
    def d(self) -> int:
        return len(self.columns)

    # ── arrays ──

    def encode(self, configs: Sequence[Config]) -> FloatArray:
        """(n, d). Never raises on old configurations: numbers outside extrapolate, what is unknown is nan."""
        return _arrays.encode(self, configs)

    def decode(self, X: FloatArray) -> list[dict[str, Any]]:
        """Configurations: active names only, in order of declaration, labels and plain Python values."""
        return _arrays.decode(self, X)

    def from_unit(self, U: FloatArray) -> FloatArray:
        """Uniform numbers (n, d) in [0, 1) to X: through each parameter's prior, inactive columns nan."""
        return _arrays.from_unit(self, U)

    def feasible(self, X: FloatArray) -> BoolArray:
        """(n,): no rule is broken. A rule about inactive parameters is not broken."""
        return _arrays.feasible(self, X)

    def snap(self, X: FloatArray) -> FloatArray:
        """Where encode would put what decode makes of X: each row moved to the place of a configuration."""
        return _arrays.snap(self, X)

    def activate(self, X: FloatArray) -> FloatArray:
        """X with nan where inactive. What is nan though active stays nan."""
        return _arrays.walk(self, X).X if self._conditional else np.array(X, dtype=np.float64)

    def cells(self, j: int, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(low, high) of the cell of [0, 1] in which z (n,) lies in column j; z itself where it has no cells."""
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
    def _singles(self) -> list[tuple[str, int, Any, Any, Any]] | None:
        """To code a few rows without numpy: name, column, unit_of, value_of, constant value. None: not this space."""
        parameters = self._parameters.values()
        if not self._simple or any(p.coding and not isinstance(p.coding, Numeric | Labels) for p in parameters):
            return None
        return [
            (p.name, p.columns.start, p.coding.unit_of, p.coding.value_of, None)
            if isinstance(p.coding, Numeric | Labels)
            else (p.name, -1, None, None, p.domain.value)
            for p in parameters
        ]

    @cached_property
    def _canon(self) -> list[tuple[str, Any, Any]]:
        """For key(): name, how its value is written, the value of a Const."""
        coded = [p for p in self._parameters.values() if not isinstance(p.domain, Derived)]
        return [
            (p.name, p.coding.canon if isinstance(p.coding, Numeric) else None, getattr(p.domain, "value", ABSENT))
            for p in coded
        ]

    @cached_property
    def _integers(self) -> frozenset[str]:
        """Names whose values are whole numbers."""
        found: set[str] = set()
        for p in self._order:
            values = p.domain.labels if isinstance(p.domain, Choice) else [getattr(p.domain, "value", None)]
            whole = isinstance(p.domain, Int) or all(isinstance(v, int) and not isinstance(v, bool) for v in values)
            if isinstance(p.domain, Derived):
                whole = Expression.of(p.domain.expression).is_integral(found)
            if whole:
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
        """A whole configuration around given values: inactive ones dropped, missing ones drawn (else: defaults)."""
        return _draw.complete(self, partial, rng)

    def grid(self, k: int | Mapping[str, int], *, ends: bool = False) -> Iterator[dict[str, Any]]:
        """Every combination of k values of each number and all of the rest; active branches and rules respected."""
        return _draw.grid(self, k, ends)

    def neighbours(self, config: Config, rng: Generator, n: int = 4) -> list[dict[str, Any]]:
        """Configurations that differ in one parameter: each other label, n Gaussian steps of numbers, the next ones."""
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
        """Text, the same exactly for the same configuration: Int 3 and 3.0; but labels 1, 1.0, True, "1" are four."""
        return _check.key(self, config)

    def why_inactive(self, name: str, config: Config) -> str:
        """ "it needs optimizer == 'sgd'; this trial has 'adam'"."""
        return _check.why_inactive(self, name, config)

    def resolve(self, config: Config) -> dict[str, Any]:
        """The configuration with the objects that labels stand for. A space read from a log has labels only."""
        return {k: _object(self.domains.get(k), v) for k, v in config.items()}

    def branch(self, config: Config, name: str) -> tuple[Any, dict[str, Any]]:
        """The label chosen for `name`, and the parameters of that branch under their own names."""
        return _check.branch(self, config, name)

    def blocks(self, config: Config, name: str) -> list[dict[str, Any]]:
        """Of a Repeat, the parameters of each active block under their own names."""
        return _check.blocks(self, config, name)

    def nested(self, config: Config) -> dict[str, Any]:
        """The configuration in the shape of the declaration: {"lr": …, "model": {"svm": {"C": …}}}."""
        return _check.nested(self, config)

    # ── the space as a value ──

    def replace(self, **domains: Any) -> Space:
        """The same space with other or further domains. Dotted names: replace(**{"model.svm.C": …})."""
        return _forms.replaced(self, domains)

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


def _object(domain: Any, label: Any) -> Any:
    if isinstance(domain, Choice) and isinstance(domain.choices, dict) and label not in domain.branches:
        return domain.choices.get(label, label)
    return label
