"""Define by run: the space is the hull of all the domains that objectives have asked for so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trimtab.errors import SpaceError
from trimtab.log import JSON
from trimtab.space import Choice, Float, Int, Space


def grown(space: Space, asked: Mapping[str, JSON]) -> Space:
    """`space` with every name of asked {name: [value, the space of that name as JSON]}, widened where it must be."""
    domains: dict[str, Any] = dict(space.domains)
    for name, (_, told) in asked.items():
        domain = Space.from_json(told).domains[name]
        domains[name] = _hull(name, domains[name], domain) if name in domains else domain
    return space if domains == dict(space.domains) else Space(domains)


def _hull(name: str, old: Any, new: Any) -> Any:
    if type(old) is not type(new):
        raise SpaceError(
            f"{name} was a {type(old).__name__} in earlier trials and is a {type(new).__name__} now. "
            "A parameter can't change its kind in a study; give it another name."
        )
    if isinstance(old, (Float, Int)):
        low, high = min(old.low, new.low), max(old.high, new.high)
        same = old.step == new.step and old.log == new.log
        if (low, high) == (old.low, old.high) and same:
            return old
        return replace(new, low=low, high=high) if same else replace(new, low=low, high=high, step=None, log=False)
    if isinstance(old, Choice):
        more = [label for label in new.choices if old.code(label) is None]
        return old if not more else Choice([*old.choices, *more], ordered=old.ordered)
    return old
