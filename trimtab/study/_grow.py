"""Define by run: the space is the hull of all the domains that objectives have asked for so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trimtab.errors import SpaceError
from trimtab.log import JSON, Event
from trimtab.space import Choice, Float, Int, Space

if TYPE_CHECKING:
    from trimtab.study._log import Log


def grown(space: Space, asked: Mapping[str, JSON]) -> Space:
    """`space` with every name of asked {name: [value, the space of that name as JSON]}, widened where it must be."""
    domains: dict[str, Any] = dict(space.domains)
    for name, (_, told) in asked.items():
        domain = Space.from_json(told).domains[name]
        domains[name] = _hull(name, domains[name], domain) if name in domains else domain
    return space if domains == dict(space.domains) else Space(domains)


def grow(log: Log, trial: int, asked: Mapping[str, JSON], now: float, me: str) -> None:
    """A name or a range that a trial has asked for, and the space does not know yet, becomes part of it."""
    while True:
        space = log.ledger.space
        hull = grown(space, asked)
        if hull is space:
            return
        definition = {**log.ledger.definitions[-1], "space": hull.to_json(), "why": f"asked for by trial {trial}"}
        if log.decide(Event("defined", definition, at=now, by=me)):
            return


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
