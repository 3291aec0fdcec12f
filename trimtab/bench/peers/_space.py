"""A space in words that every other optimizer understands, and their answers back into configurations.

Idea    Numbers and labels only: a stepped number is the index of its step, a power its exponent, a choice the index of
        its label. Names are x00, x01, … because some packages reject dots and some sort by name. What is constant or
        derived is not sent. A condition is sent as parents and the values they must have, to those who know conditions;
        the others see every parameter always, and what is inactive is dropped from what they propose.
Refused What can't be said so, by name: rules, dependent bounds, permutations, subsets, simplices, conditions that tie
        two parameters with `or`, or that hang on a continuous or a derived value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trimtab.errors import Unsupported
from trimtab.space import Bool, Choice, Const, Derived, Expression, Float, Int, Space

SLACK = 1e-6  # of the range: how far outside rounding may carry a value; farther is nonsense
MOST_PARENT_VALUES = 1000  # of a whole number that a condition hangs on; each is tried


class PeerRefused(Unsupported):
    """The optimizer can't take this task: the message says what stands in the way."""


@dataclass(frozen=True, slots=True)
class Translated:
    """One parameter that is sent: `row` is what the peer reads, `value` turns a number of its into ours."""

    name: str
    row: dict[str, Any]
    value: Callable[[Any], Any]


@dataclass(frozen=True)
class Translation:
    """A space and the rows that were made of it."""

    space: Space
    parameters: tuple[Translated, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [p.row for p in self.parameters]

    def config(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a peer proposed as a configuration; ValueError says what is nonsense about it."""
        coded = {p.name: p for p in self.parameters}
        values: dict[str, Any] = {}
        for name in _parents_first(self.space):
            domain = self.space.domains[name]
            if domain.when is not None and not domain.when.holds(values):
                continue
            if isinstance(domain, Const):
                values[name] = domain.value
            elif isinstance(domain, Derived):
                values[name] = Expression.of(domain.expression).evaluate(values)
            else:
                values[name] = _value(coded[name], given)
        wanted = {name: values[name] for name in values if name in coded}
        return self.space.check(wanted)


def described(space: Space) -> list[dict[str, Any]]:
    """The rows of a space with its conditions.

    >>> described(Space({"lr": "1e-5..0.1 log"}))
    [{'name': 'x00', 'kind': 'float', 'low': 1e-05, 'high': 0.1, 'log': True, 'label': 'lr', 'when': []}]
    """
    return translate(space, conditions=True).rows


def translate(space: Space, *, conditions: bool) -> Translation:
    """The space for a peer; without `conditions` every parameter stands for itself. PeerRefused if it can't be said."""
    for word in ("require", "forbid"):
        if rules := getattr(space, word):
            raise PeerRefused(f'the rule {word} "{rules[0].text}" can\'t be told to another optimizer')
    order = _parents_first(space)
    sent = [name for name in order if not isinstance(space.domains[name], Const | Derived)]
    if not sent:
        raise PeerRefused("every parameter is constant: there is nothing to search")
    width = len(str(len(sent) - 1))
    found: list[Translated] = []
    for i, name in enumerate(sent):
        row, value = _row(name, space.domains[name])
        row = {"name": f"x{i:0{max(2, width)}d}", **row, "label": name}
        found.append(Translated(name, row, value))
    short = {p.name: p for p in found}
    for p in found:
        p.row["when"] = _when(space, p.name, short) if conditions else []
    return Translation(space, tuple(found))


def _parents_first(space: Space) -> list[str]:
    """Names so that whatever a condition or a derived value reads comes before it; else as declared."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in order:
            return
        domain = space.domains[name]
        for e in (domain.when, getattr(domain, "expression", None)):
            for parent in e.names if isinstance(e, Expression) else ():
                visit(parent)
        order[name] = None

    for name in space.names:
        visit(name)
    return list(order)


# ── one parameter ─────────────────────────────────────────────────────────────


def _row(name: str, domain: Any) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    if isinstance(domain, Choice | Bool):
        labels = domain.labels
        ordered = isinstance(domain, Choice) and domain.ordered
        return {"kind": "choice", "choices": list(labels), "ordered": ordered}, lambda k: labels[k]
    if not isinstance(domain, Float | Int):
        raise PeerRefused(f"{name} is a {type(domain).__name__}, which other optimizers don't know")
    low, high = domain.low, domain.high
    if isinstance(low, Expression | str) or isinstance(high, Expression | str):
        raise PeerRefused(f"the bounds of {name} depend on other parameters")
    if isinstance(domain, Int) and domain.log is not True and domain.log is not False:
        first, count = domain.exponents()
        base = domain.log
        return _whole(0, count - 1), lambda k: base ** (first + k)
    if domain.step is not None and domain.step != 1:
        start, step = Decimal(repr(low)), Decimal(repr(domain.step))
        kind = type(low)
        return _whole(0, int((Decimal(repr(high)) - start) / step)), lambda k: kind(start + k * step)
    if isinstance(domain, Int):
        return _whole(int(low), int(high), log=bool(domain.log)), int
    return {"kind": "float", "low": low, "high": high, "log": domain.log}, float


def _whole(low: int, high: int, *, log: bool = False) -> dict[str, Any]:
    return {"kind": "int", "low": low, "high": high, "log": log}


def _value(p: Translated, given: Mapping[str, Any]) -> Any:
    row = p.row
    if row["name"] not in given:
        raise ValueError(f"{p.name} is missing from what it proposed")
    raw = given[row["name"]]
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueError(f"{p.name} is {raw!r}, no finite number")
    low, high = (0, len(row["choices"]) - 1) if row["kind"] == "choice" else (row["low"], row["high"])
    slack = SLACK * (high - low)
    if row["kind"] == "float":
        if not low - slack <= raw <= high + slack:
            raise ValueError(f"{p.name} is {raw!r}, outside {low}..{high}")
        return p.value(min(max(raw, low), high))
    if abs(raw - round(raw)) > SLACK or not low <= round(raw) <= high:
        raise ValueError(f"{p.name} is {raw!r}, no whole number from {low} to {high}")
    return p.value(round(raw))


# ── conditions ────────────────────────────────────────────────────────────────


def _when(space: Space, name: str, sent: Mapping[str, Translated]) -> list[dict[str, Any]]:
    """[{"parent": "x00", "in": [0, 2]}, …]: all must hold."""
    when = space.domains[name].when
    if when is None:
        return []
    tree = when.tree
    parts = list(tree[1]) if tree[0] == "and" else [tree]
    found: dict[str, list[int]] = {}
    for part in parts:
        parent, values = _part(space, name, _expression(part), sent)
        if parent is not None:
            found[parent] = [v for v in values if v in found.get(parent, values)]
    return [{"parent": parent, "in": values} for parent, values in found.items()]


def _expression(tree: Any) -> Expression:
    from trimtab.space._grammar import render

    return Expression(render(tree))


def _part(space: Space, name: str, part: Expression, sent: Mapping[str, Translated]) -> tuple[str | None, list[int]]:
    """The parent that one clause of a condition hangs on, and which of its values meet it; None: it is always met."""
    constants = {n: d.value for n, d in space.domains.items() if isinstance(d, Const) and d.when is None}
    open_names = [n for n in part.names if n not in constants]
    if not open_names:
        if part.holds(constants):
            return None, []
        raise PeerRefused(f'{name} is never there: its condition "{part.text}" does not hold')
    if len(open_names) > 1 or open_names[0] not in sent:
        raise PeerRefused(f'the condition of {name}, "{part.text}", can\'t be said as values of one parameter')
    parent = sent[open_names[0]]
    low, high = (
        (0, len(parent.row["choices"]) - 1)
        if parent.row["kind"] == "choice"
        else (parent.row["low"], parent.row["high"])
    )
    if parent.row["kind"] == "float" or high - low >= MOST_PARENT_VALUES:
        raise PeerRefused(
            f'the condition of {name}, "{part.text}", hangs on {parent.name}, which has no list of values'
        )
    return parent.row["name"], [
        k for k in range(low, high + 1) if part.holds({**constants, parent.name: parent.value(k)})
    ]
