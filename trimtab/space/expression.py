"""The one expression language: `when`, `require`, `forbid`, dependent bounds, constraints and stop rules.

Idea    Safe text over names: numbers, 'strings', [lists], + - * / % **, comparisons (also chained), in, not in, and,
        or, not, min max abs log log2 log10 sqrt exp round. It is stored as text and means the same everywhere.
Unknown A name without a value (an inactive parameter, a metric not yet reported, NaN) makes what is computed from it
        unknown. and/or/not follow Kleene: "false and unknown" is false, "true or unknown" is true. What an unknown
        condition means is the caller's choice: a `when` is then not met, a `require` not broken.
Numbers 1/0 is inf, log(0) is -inf, sqrt(-1) is nan as in numpy; a comparison with nan is false. True and 1 are two
        values, as in JSON; 1 and 1.0 are equal.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space import _columns
from trimtab.space._columns import BoolArray, Coded
from trimtab.space._grammar import Node, literal, parse, quoted, render
from trimtab.space._values import UNKNOWN, compare, same, truth_of, value_of, violation_of

__all__ = ["UNKNOWN", "BoolArray", "Coded", "Expression", "children", "compare", "same"]


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
        """From text, or the shorthand {"optimizer": "sgd", "layers": [2, 3]}: equality, and membership of a list."""
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
        value = value_of(self.tree, env)
        return unknown if value is UNKNOWN else value

    def holds(self, env: Mapping[str, Any], unknown: bool = False) -> bool:
        """Whether it is true; `unknown` where that is open."""
        value = truth_of(value_of(self.tree, env))
        return unknown if value is UNKNOWN else bool(value)

    def violation(self, env: Mapping[str, Any]) -> float:
        """How far from true: at most 0 when true, above 0 when false, nan when unknown.

        a <= b: a - b. and: the largest, or: the smallest. a == b: the distance of numbers, else 0 or 1.
        """
        value = violation_of(self.tree, env, True)
        return math.nan if value is UNKNOWN else float(value)

    # ── columns ──

    def truth(self, columns: Mapping[str, Any], n: int) -> tuple[BoolArray, BoolArray]:
        """(true (n,), unknown (n,)) over columns: float arrays (nan = unknown), Coded, or arrays of objects."""
        return _columns.truth(self.tree, self.names, columns, n)

    def over(self, columns: Mapping[str, Any], n: int) -> NDArray[Any]:
        """(n,): booleans of a condition (unknown is False), else floats (unknown is nan)."""
        if self.is_condition:
            return self.truth(columns, n)[0]
        return _columns.numbers(self.tree, self.names, columns, n)

    @property
    def is_condition(self) -> bool:
        """Whether it says yes or no, rather than a number."""
        return self.tree[0] in ("compare", "and", "or", "not") or (
            self.tree[0] == "const" and isinstance(self.tree[1], bool)
        )

    def is_integral(self, integers: Collection[str]) -> bool:
        """Whether it is a whole number whenever the names in `integers` are."""
        return integral(self.tree, integers)


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


def integral(node: Node, integers: Collection[str]) -> bool:
    kind = node[0]
    if kind == "const":
        return isinstance(node[1], int) and not isinstance(node[1], bool)
    if kind == "name":
        return node[1] in integers
    if kind == "call":
        return node[1] == "round" or (node[1] in ("min", "max", "abs") and all(integral(n, integers) for n in node[2]))
    return kind in ("+", "-", "*", "%") and all(integral(n, integers) for n in node[1:])
