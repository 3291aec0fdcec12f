"""Define by run: the space is the hull of all the domains that objectives have asked for so far, under the conditions
that the trials show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from trimtab.errors import SpaceError
from trimtab.log import JSON, Event
from trimtab.protocol import Searcher
from trimtab.space import Bool, Choice, Const, Expression, Float, Int, Space
from trimtab.study._conditions import Conditions

if TYPE_CHECKING:
    from trimtab.history import History
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


def learn(log: Log, searcher: Searcher, now: float, me: str) -> None:
    """Conditions that the trials so far show become part of the space, before anything is decided on it."""
    definition, space = log.ledger.definitions[-1], log.ledger.space
    if not definition.get("open") or "conditional" not in searcher.takes:
        return
    found = log.history.fold("conditions", Conditions, _step).found()
    domains = {name: _under(domain, found.get(name)) for name, domain in space.domains.items()}
    if domains != dict(space.domains):
        body = {**definition, "space": Space(domains).to_json(), "why": "conditions that the trials show"}
        log.decide(Event("defined", body, at=now, by=me))


def _step(seen: Conditions, event: Event, history: History) -> Conditions:
    """A failed trial may have failed before it asked for everything."""
    if event.kind == "ended" and event.body["state"] in ("finished", "stopped") and event.trial is not None:
        config = history.config(event.trial)
        domains = {name: history.space.domains.get(name) for name in config}
        choices = {name for name, domain in domains.items() if isinstance(domain, (Choice, Bool))}
        seen.add(config, choices, {name for name, domain in domains.items() if isinstance(domain, Int)})
    return seen


def _under(domain: Any, condition: str | None) -> Any:
    when = Expression(condition) if condition else None
    return domain if domain.when == when else replace(domain, when=when)


def _hull(name: str, old: Any, new: Any) -> Any:
    """The smallest domain that has both; a condition that is known of the old one stays."""
    if isinstance(old, Const) or isinstance(new, Const):
        return _with_constant(name, old, new)
    if type(old) is not type(new):
        raise _other_kind(name, old, new)
    if isinstance(old, (Float, Int)):
        low, high = min(old.low, new.low), max(old.high, new.high)
        if (low, high, old.step, old.log) == (old.low, old.high, new.step, new.log):
            return old
        grid = old.step == new.step and _on_grid(old.step, low, old.low, new.low, high)
        log = old.log if old.log == new.log else False
        return replace(new, low=low, high=high, step=old.step if grid else None, log=log, when=old.when)
    if isinstance(old, Choice):
        more = [label for label in new.choices if old.code(label) is None]
        return old if not more else Choice([*old.choices, *more], ordered=old.ordered, when=old.when)
    return old


def _on_grid(step: float | None, low: Any, *values: Any) -> bool:
    return step is None or not any((Decimal(repr(v)) - Decimal(repr(low))) % Decimal(repr(step)) for v in values)


def _with_constant(name: str, old: Any, new: Any) -> Any:
    """A range of one value is a Const; another value makes it a range again, or one more choice."""
    if isinstance(old, Const) and isinstance(new, Const):
        if old.token == new.token:
            return old
        a, b = sorted((old.value, new.value), key=str)
        if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (a, b)):
            return Choice([old.value, new.value], when=old.when)
        kind = Int if isinstance(a, int) and isinstance(b, int) else Float
        return kind(min(a, b), max(a, b), when=old.when)
    constant, domain = (old, new) if isinstance(old, Const) else (new, old)
    value = constant.value
    if isinstance(domain, Choice):
        return _hull(name, domain, Choice([value]))
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole if isinstance(domain, Int) else isinstance(domain, Float) and (whole or isinstance(value, float))):
        raise _other_kind(name, old, new)
    low, high = min(domain.low, value), max(domain.high, value)
    step = domain.step if _on_grid(domain.step, low, domain.low, value) else None
    return replace(domain, low=low, high=high, step=step, log=domain.log if low > 0 else False, when=old.when)


def _other_kind(name: str, old: Any, new: Any) -> SpaceError:
    return SpaceError(
        f"{name} was a {type(old).__name__} in earlier trials and is a {type(new).__name__} now. "
        "A parameter can't change its kind in a study; give it another name."
    )
