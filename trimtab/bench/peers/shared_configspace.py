"""Rows as a ConfigurationSpace, for the adapters of packages that are built on ConfigSpace."""

from __future__ import annotations

from typing import Any

from ConfigSpace import (
    AndConjunction,
    Categorical,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    InCondition,
    Integer,
)


def space_of(rows: list[dict[str, Any]], seed: int) -> Any:
    """A ConfigurationSpace of rows; a choice's values are the indices of its labels."""
    space = ConfigurationSpace(seed=seed)
    made = {p["name"]: domain(p) for p in rows}
    space.add(*made.values())
    for p in rows:
        clauses = []
        for c in p["when"]:
            parent, values = made[c["parent"]], c["in"]
            one = len(values) == 1
            condition = EqualsCondition if one else InCondition
            clauses.append(condition(made[p["name"]], parent, values[0] if one else values))
        if clauses:
            space.add(clauses[0] if len(clauses) == 1 else AndConjunction(*clauses))
    return space


def domain(p: dict[str, Any]) -> Any:
    if p["kind"] == "choice":
        return Categorical(p["name"], list(range(len(p["choices"]))), ordered=p["ordered"])
    kind = Float if p["kind"] == "float" else Integer
    return kind(p["name"], (p["low"], p["high"]), log=p["log"])
