"""Configurations against a space: checked, named by a key, taken apart; and why a parameter is inactive."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space import repeat
from trimtab.space._coding import ABSENT
from trimtab.space.domains import Choice, Const, Derived, Float, Int, plain, token
from trimtab.space.expression import same

if TYPE_CHECKING:
    from trimtab.space._arrays import Parameter
    from trimtab.space.space import Space


def check(space: Space, config: Mapping[str, Any], partial: bool) -> dict[str, Any]:
    """See Space.check."""
    for name in config:
        if name not in space.domains:
            raise SpaceError(f"{name!r} is not a parameter of this space. {did_you_mean(str(name), space.names)}")
    env: dict[str, Any] = {}
    for p in space._order:
        given = config.get(p.name, ABSENT)
        if not p.active(env):
            if given is not ABSENT and not partial:
                raise SpaceError(
                    f"{p.name}={given!r} is given, but inactive: {why_inactive(space, p.name, env)}. Leave it out."
                )
            if given is ABSENT or not _parents_open(p, env):
                continue
        value = _checked(space, p, given, env, partial)
        if value is not ABSENT:
            env[p.name] = value
    for rule, wanted in space._rules:
        if rule.holds(env, unknown=wanted) is not wanted:
            values = ", ".join(f"{n}={env[n]!r}" for n in rule.names if n in env)
            raise SpaceError(f'{values} breaks {"require" if wanted else "forbid"} "{rule.text}".')
    return {name: env[name] for name in space.names if name in env}


def _parents_open(p: Parameter, env: Mapping[str, Any]) -> bool:
    """Whether the condition is still undecided, because a partial configuration leaves a parent out."""
    return p.when is not None and p.when.holds(env, unknown=True)


def _checked(space: Space, p: Parameter, given: Any, env: Mapping[str, Any], partial: bool) -> Any:
    if isinstance(p.domain, Const):
        if given is not ABSENT and token(given) != p.domain.token and not same(given, p.domain.value):
            raise SpaceError(f"{p.name}: {given!r} differs from Const({p.domain.value!r}).")
        return p.domain.value
    if isinstance(p.domain, Derived):
        value = derived(space, p, env)
        if given is not ABSENT and value is not ABSENT and not _close(given, value):
            raise SpaceError(f"{p.name}: {given!r} is not what {p.domain.expression} gives, {value!r}. Leave it out.")
        return value
    if given is ABSENT:
        if partial:
            return ABSENT
        raise SpaceError(f"{p.name} is missing. Give it {_wanted(p.domain)}.")
    bounds = p.bounds_in(env)
    assert p.coding is not None
    if bounds is not None and any(b != b for b in bounds):
        if not partial:
            raise SpaceError(f"{p.name}: its bounds can't be computed from the other values.")
        bounds = (-math.inf, math.inf)
    try:
        return p.coding.check(given, bounds)
    except SpaceError as error:
        raise SpaceError(f"{p.name}: {error}") from None


def _wanted(domain: Any) -> str:
    """What a value of this domain looks like, in words."""
    if isinstance(domain, Float | Int):
        low, high = (getattr(b, "text", b) for b in (domain.low, domain.high))
        return f"a value from {low} to {high}"
    if isinstance(domain, Choice):
        return f"one of {', '.join(map(repr, domain.labels))}"
    return f"a value of {domain!r}"


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return same(a, b)


def derived(space: Space, p: Parameter, env: Mapping[str, Any]) -> Any:
    """The value of a Derived in one configuration, of the type it always has; ABSENT while it can't be known."""
    value = p.domain.expression.evaluate(env, ABSENT)
    return ABSENT if value is ABSENT or value != value else _kind(space, p)(value)


def derived_list(space: Space, p: Parameter, values: Any) -> list[Any]:
    kind = _kind(space, p)
    return [kind(v) if v == v else ABSENT for v in values.tolist()]


def _kind(space: Space, p: Parameter) -> type:
    expression = p.domain.expression
    if expression.is_condition:
        return bool
    return int if expression.is_integral(space._integers) else float


def key(space: Space, config: Mapping[str, Any]) -> str:
    """See Space.key."""
    parts = []
    for name, canon, constant in space._canon:
        value = config.get(name, constant)
        if value is not ABSENT:
            parts += [name, value if canon is None else canon(value)]
    return _ENCODE(parts)


_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=plain).encode


def why_inactive(space: Space, name: str, config: Mapping[str, Any]) -> str:
    """See Space.why_inactive."""
    if name not in space.domains:
        return f"this space has no {name!r}. {did_you_mean(name, space.names)}"
    when = space._parameters[name].when
    if when is None:
        return "it is never inactive"
    known = [n for n in when.names if n in config]
    if not known:
        return f"it needs {when.text}; this trial has no {' and no '.join(when.names)}"
    if len(known) == 1 and len(when.names) == 1:
        return f"it needs {when.text}; this trial has {config[known[0]]!r}"
    return f"it needs {when.text}; this trial has {', '.join(f'{n}={config[n]!r}' for n in known)}"


def branch(space: Space, config: Mapping[str, Any], name: str) -> tuple[Any, dict[str, Any]]:
    """See Space.branch."""
    if name not in space.domains:
        raise SpaceError(f"{name!r} is not a parameter of this space. {did_you_mean(name, space.names)}")
    if not isinstance(space.domains[name], Choice):
        raise SpaceError(f"{name} is no Choice, so it has no branches.")
    if name not in config:
        raise SpaceError(f"{name} is inactive: {why_inactive(space, name, config)}.")
    label = config[name]
    prefix = f"{name}.{label}."
    return label, {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}


def blocks(space: Space, config: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """See Space.blocks."""
    space._known(name)
    if not repeat.most(name, space.domains[name], space.names):
        raise SpaceError(f"{name} is no Repeat, so it has no blocks.")
    if name not in config:
        raise SpaceError(f"{name} is inactive: {why_inactive(space, name, config)}.")
    return repeat.blocks(name, config)


def nested(space: Space, config: Mapping[str, Any]) -> dict[str, Any]:
    """See Space.nested."""
    out: dict[str, Any] = {}
    for name, value in config.items():
        domain = space.domains.get(name)
        if isinstance(domain, Choice) and value in domain.branches:
            value = {value: {}}
        elif repeat.most(name, domain, space.names):
            value = [{} for _ in range(value)]
        *groups, last = name.split(".")
        place: Any = out
        for group in groups:
            place = inside(place, group)
        if isinstance(place, dict) and not isinstance(place.get(last), dict):
            place[last] = value
        else:
            out[name] = value  # "a" and "a.b" are both values: the dotted one stays as it is
    return out


def inside(place: Any, group: str) -> Any:
    """What is called so within a group, or the block of that number; None where neither fits."""
    if isinstance(place, list):
        return place[int(group)] if group.isdecimal() and int(group) < len(place) else None
    return place.setdefault(group, {}) if isinstance(place, dict) else None
