"""ConfigSpace's JSON to a Space: nothing is lost, or it is refused by name.

Idea    Each kind of parameter, condition and forbidden clause has one line in a table. What trimtab's spaces can't say
        exactly (a quantised log scale, a normal prior on one, two separate conditions on a child) is a SpaceError.
Source  The JSON of ConfigSpace, its formats 0.2 ("default", "probabilities", "q") and 0.4 ("default_value", "weights").
        There, a child is inactive when its parent is, and a clause about an inactive parameter forbids nothing: both as
        in trimtab.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trimtab.errors import SpaceError
from trimtab.space import Choice, Const, Float, Int, Space
from trimtab.space._grammar import literal, quoted

Item = Mapping[str, Any]
SIGNS = {"LT": "<", "LE": "<=", "EQ": "==", "GE": ">=", "GT": ">"}


def space_from(data: Item, leave_out: Collection[str] = ()) -> Space:
    """The space of ConfigSpace's JSON, without the parameters in `leave_out`: those that the caller sets."""
    items = {item["name"]: item for item in data["hyperparameters"]}
    conditions: dict[str, str] = {}
    for item in data.get("conditions") or ():
        child = item["child"]
        if child in conditions:
            raise SpaceError(f"{child}: two conditions apart. ConfigSpace joins them by AND or OR: write which.")
        conditions[child] = _condition(item, items)
    spec = {name: _domain(item, conditions.get(name)) for name, item in items.items() if name not in leave_out}
    return Space(spec, forbid=[_clause(item, items) for item in data.get("forbiddens") or ()])


def _domain(item: Item, when: str | None) -> Any:
    name, kind = item["name"], item["type"]
    default = item.get("default", item.get("default_value"))
    if kind in ("constant", "unparametrized"):
        return Const(item["value"], when=when)
    if kind == "categorical":
        weights = item.get("weights", item.get("probabilities"))
        return Choice(item["choices"], default=default, prior=weights, when=when)
    if kind == "ordinal":
        return Choice(item["sequence"], ordered=True, default=default, when=when)
    law, _, number = kind.partition("_")
    if number not in ("float", "int") or law not in ("uniform", "normal", "beta"):
        raise SpaceError(f"{name}: a parameter of the type {kind!r} is not known here.")
    return _number(item, Float if number == "float" else Int, law, default, when)


def _number(item: Item, domain: Any, law: str, default: Any, when: str | None) -> Any:
    name, low, high, log = item["name"], item.get("lower"), item.get("upper"), bool(item.get("log"))
    if low is None or high is None:
        raise SpaceError(f"{name}: a {item['type']} without bounds. Give lower and upper.")
    if low == high:
        return Const(low, when=when)
    if log and law != "uniform":
        raise SpaceError(f"{name}: a {law} prior on a log scale has another meaning in trimtab. Use a uniform one.")
    step = item.get("q")
    if step is not None and log:
        raise SpaceError(f"{name}: q={step} on a log scale has no like in trimtab. Leave q out.")
    parts = {"normal": ("mu", "sigma"), "beta": ("alpha", "beta")}.get(law)
    prior = {law: [item[part] for part in parts]} if parts else None
    return domain(low, high, log=log, step=step, default=default, prior=prior, when=when)


# ── conditions and forbidden clauses ─────────────────────────────────────────


def _condition(item: Item, items: Mapping[str, Item]) -> str:
    kind = item["type"]
    if kind in ("AND", "OR"):
        return f" {kind.lower()} ".join(f"({_condition(part, items)})" for part in item["conditions"])
    parent = item["parent"]
    if kind == "IN":
        return _member(parent, item["values"], items)
    if kind == "NEQ":
        return f"{quoted(parent)} != {_value(parent, item['value'], items)}"
    if kind in ("EQ", "LT", "GT"):
        return _against(parent, kind, item["value"], items)
    raise SpaceError(f"{item['child']}: a condition of the type {kind!r} is not known here.")


def _clause(item: Item, items: Mapping[str, Item]) -> str:
    kind = item["type"]
    if kind in ("AND", "OR"):
        return f" {kind.lower()} ".join(f"({_clause(part, items)})" for part in item["clauses"])
    if kind == "EQUALS":
        return _against(item["name"], "EQ", item["value"], items)
    if kind == "IN":
        return _member(item["name"], item["values"], items)
    family, _, sign = kind.partition("_")
    sign = sign or item.get("lambda", "")
    if family == "CLAUSE" and sign in SIGNS:
        return _against(item["name"], sign, item["value"], items)
    if family == "RELATION" and sign in SIGNS:
        left, right = item["left"], item["right"]
        kinds = {items[name]["type"] if name in items else "" for name in (left, right)}
        if sign != "EQ" and kinds & {"ordinal", "categorical"}:
            raise SpaceError(
                f"{left} {SIGNS[sign]} {right}: a forbidden relation of places in a list has no like here."
            )
        return f"{quoted(left)} {SIGNS[sign]} {quoted(right)}"
    raise SpaceError(f"a forbidden clause of the type {kind!r} is not known here.")


def _against(name: str, sign: str, value: Any, items: Mapping[str, Item]) -> str:
    """`name` compared with a value; of an ordinal parameter, by their places in its sequence."""
    item = items.get(name, {})
    if item.get("type") == "ordinal" and sign != "EQ":
        sequence = list(item["sequence"])
        at = sequence.index(value)
        taken = {"LT": sequence[:at], "LE": sequence[: at + 1], "GE": sequence[at:], "GT": sequence[at + 1 :]}[sign]
        return _member(name, taken, items)
    return f"{quoted(name)} {SIGNS[sign]} {_value(name, value, items)}"


def _member(name: str, values: Any, items: Mapping[str, Item]) -> str:
    return f"{quoted(name)} in [{', '.join(_value(name, value, items) for value in values)}]"


def _value(name: str, value: Any, items: Mapping[str, Item]) -> str:
    """As an expression writes it; SpaceError when the parameter could never have it."""
    item = items.get(name)
    if item is None:
        raise SpaceError(f"a condition or clause names {name!r}, which is no parameter of this ConfigSpace file.")
    legal = item.get("choices", item.get("sequence"))
    if legal is not None and value not in legal:
        raise SpaceError(f"{name} is never {value!r}: it may be {', '.join(map(repr, legal))}.")
    return literal(value)
