"""Whether a space makes sense, checked once when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space._arrays import Parameter, from_unit, kept, walk
from trimtab.space._build import expressions
from trimtab.space._grammar import Node
from trimtab.space.domains import Bool, Choice
from trimtab.space.expression import children, same

if TYPE_CHECKING:
    from trimtab.space.space import Space


def ordered(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Parents first; otherwise as declared. SpaceError naming the circle if there is one."""
    by_name = {p.name: p for p in parameters}
    done: dict[str, Parameter] = {}
    trail: list[str] = []

    def visit(p: Parameter) -> None:
        if p.name in done:
            return
        if p.name in trail:
            circle = " → ".join([*trail[trail.index(p.name) :], p.name])
            raise SpaceError(f"{p.name}: these depend on each other in a circle: {circle}. Break it at one of them.")
        trail.append(p.name)
        for expression in expressions(p.domain).values():
            for name in expression.names:
                visit(by_name[name])
        trail.pop()
        done[p.name] = p

    for p in parameters:
        visit(p)
    return list(done.values())


def check_space(space: Space) -> None:
    """SpaceError for a default off the grid, a label that is never taken, an expression that can't be computed."""
    for p in space._order:
        default = getattr(p.domain, "default", None)
        if p.coding is not None and default is not None and p.bounds is None:
            try:
                p.coding.check(default, None)
            except SpaceError as error:
                raise SpaceError(f"{p.name}: default={default!r}: {error}") from None
        for what, expression in expressions(p.domain).items():
            _check_labels(space, expression.tree, f'{p.name}: {what}="{expression.text}"')
    for rule, wanted in space._rules:
        _check_labels(space, rule.tree, f'{"require" if wanted else "forbid"} "{rule.text}"')
    if space._read:
        _rehearse(space)


def _rehearse(space: Space) -> None:
    """Everything once over a few rows, so that "text + 1" is an error now and not at trial 17."""
    rows = 4 * max([2, *(c.n for c in space.columns if c.kind == "choice" and c.n < 50)])
    U = (np.arange(rows)[:, None] * (np.arange(space.d) * 0.6180339887 + 0.7548776662) + 0.5 / rows) % 1.0
    try:
        found = walk(space, from_unit(space, U), everything=True)
        kept(space, found, rows)
    except SpaceError as error:
        where = next((t for t in _culprits(space)), None)
        raise SpaceError(f"{where}: {error}" if where else str(error)) from None


def _culprits(space: Space) -> list[str]:
    """Which expressions calculate with a parameter whose values are text."""
    texts = {n for n, d in space.domains.items() if isinstance(d, Choice) and any(isinstance(x, str) for x in d.labels)}
    found = [(f'{p.name}: {what}="{e.text}"', e) for p in space._order for what, e in expressions(p.domain).items()] + [
        (f'{"require" if wanted else "forbid"} "{r.text}"', r) for r, wanted in space._rules
    ]
    return [text for text, e in found if texts & set(e.names)]


def _check_labels(space: Space, node: Node, what: str) -> None:
    """A condition that compares a Choice with something it never is would never be true: a slip of the pen."""
    if node[0] == "compare":
        for sign, left, right in zip(node[2], node[1], node[1][1:], strict=False):
            for name, other in ((left, right), (right, left)):
                if name[0] == "name" and isinstance(domain := space.domains[name[1]], Choice | Bool):
                    for value in _constants(other, sign):
                        if not any(same(value, label) for label in domain.labels):
                            near = did_you_mean(str(value), [str(x) for x in domain.labels])
                            raise SpaceError(f"{what}: {name[1]} is never {value!r}. {near}")
    for child in children(node):
        _check_labels(space, child, what)


def _constants(node: Node, sign: str) -> list[Any]:
    if sign in ("==", "!=") and node[0] == "const":
        return [node[1]]
    return [n[1] for n in node[1] if n[0] == "const"] if sign in ("in", "not in") and node[0] == "list" else []
