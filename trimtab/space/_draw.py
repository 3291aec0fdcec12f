"""Drawing configurations: samples, completions, grids, neighbours; and counting them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator

from trimtab.errors import SpaceError
from trimtab.space._arrays import kept, walk
from trimtab.space._build import expressions
from trimtab.space._check import check, derived
from trimtab.space._coding import ABSENT
from trimtab.space._scale import FloatArray
from trimtab.space.domains import Const, Derived

if TYPE_CHECKING:
    from trimtab.space._arrays import Parameter
    from trimtab.space.space import Space

BATCH = 100_000  # rows drawn at once at most
FEWEST = 1e-4  # a smaller share of feasible draws is an error: a sampler that needs minutes a trial helps nobody
TRIES = 10_000  # single draws around fixed values


def sample(space: Space, rng: Generator, n: int) -> FloatArray:
    """See Space.sample."""
    X = space.from_unit(rng.random((n, space.d)))
    if "rules" not in space.traits or n == 0:
        return X
    drawn, found = n, [X[space.feasible(X)]]
    while (have := sum(map(len, found))) < n:
        if drawn >= BATCH and have < FEWEST * drawn:
            raise SpaceError(_too_few(space, rng))
        wanted = (n - have) * max(drawn, 1) / max(have, 1) * 1.2
        batch = int(min(max(wanted, 64, drawn), BATCH))
        X = space.from_unit(rng.random((batch, space.d)))
        found.append(X[space.feasible(X)])
        drawn += batch
    return np.concatenate(found)[:n]


def _too_few(space: Space, rng: Generator) -> str:
    """Message 3: how many configurations pass, and the smallest set of rules found that is to blame."""
    X = space.from_unit(rng.random((BATCH, space.d)))
    found = walk(space, X)
    rules = [(r.text, f'{"require" if w else "forbid"} "{r.text}"') for r, w in space._rules]
    passed_by = kept(space, found, BATCH)
    if any(p.bounds for p in space._order):
        rules.append(("low <= high", "dependent bounds (low above high)"))
        passed_by.append(found.sound)
    left, blame = np.ones(BATCH, bool), list[int]()
    while left.sum() >= FEWEST * BATCH and len(blame) < len(rules):
        i = min((i for i in range(len(rules)) if i not in blame), key=lambda i: int((left & passed_by[i]).sum()))
        left = left & passed_by[i]
        blame.append(i)
    passed = int(np.logical_and.reduce(passed_by).sum())
    cause = ", ".join(f'"{rules[i][0]}"' for i in blame)
    few = f"{len(blame)} {'is' if len(blame) == 1 else 'are'} enough to cause this: {cause}"
    which = f"all {len(rules)} rules ({few})" if len(rules) > 1 else "this rule"
    return (
        f"{rules[blame[0]][1]}: {f'only {passed:,}' if passed else 'none'} of {BATCH:,} random configurations"
        f" satisfy {which}. "
        'Loosen one of them, or give bounds that depend on others: b = Float(0, "1 - a").'
    )


def sample_config(space: Space, rng: Generator) -> dict[str, Any]:
    """See Space.sample_config."""
    if space._simple:
        u = rng.random(space.d).tolist()
        return {name: value if pick is None else pick(u[place], None) for name, pick, place, value in space._picks}
    return _drawn(space, {}, rng)


def complete(space: Space, partial: Mapping[str, Any], rng: Generator | None) -> dict[str, Any]:
    """See Space.complete."""
    given = check(space, partial, partial=True)
    if rng is not None:
        return _drawn(space, given, rng)
    config = _filled(space, given, None)
    return check(space, config, partial=False)


def _drawn(space: Space, given: Mapping[str, Any], rng: Generator) -> dict[str, Any]:
    for _ in range(TRIES):
        config: dict[str, Any] | None = _filled(space, given, rng.random(space.d).tolist())
        if config is not None:
            return config
    if not given:
        return space.decode(sample(space, rng, 1))[0]
    values = ", ".join(f"{k}={v!r}" for k, v in given.items())
    raise SpaceError(
        f"with {values} fixed, none of {TRIES:,} random configurations satisfies the rules. Free one of them."
    )


def _filled(space: Space, given: Mapping[str, Any], u: list[float] | None) -> Any:
    """One configuration with the given values where active; None when it breaks a rule."""
    env: dict[str, Any] = {}
    for p in space._order:
        if not p.active(env):
            continue
        value = given.get(p.name, ABSENT)
        if isinstance(p.domain, Const):
            value = p.domain.value
        elif isinstance(p.domain, Derived):
            value = derived(space, p, env)
        else:
            bounds = p.bounds_in(env)
            if bounds is not None and not bounds[0] <= bounds[1]:
                return None
            if value is not ABSENT:
                if bounds is not None and not bounds[0] <= value <= bounds[1]:
                    return None
            elif u is not None:
                assert p.coding is not None
                value = p.coding.pick(u[p.columns], bounds)
            elif (value := p.domain.default) is None:
                raise SpaceError(f"{p.name} has neither a value nor a default. Give it one: {p.domain!r}.")
        if value is not ABSENT:
            env[p.name] = value
    if u is not None and any(rule.holds(env, unknown=wanted) is not wanted for rule, wanted in space._rules):
        return None
    return {name: env[name] for name in space.names if name in env}


# ── grids and counts ──────────────────────────────────────────────────────────


def grid(space: Space, k: int | Mapping[str, int], ends: bool) -> Iterator[dict[str, Any]]:
    """See Space.grid. Depth first, parents before children; the last parameter varies fastest."""
    if isinstance(k, Mapping):
        for name in k:
            space._known(name)

    def count(name: str) -> int:
        return k.get(name, 3) if isinstance(k, Mapping) else k

    def below(i: int, env: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if i == len(space._order):
            if all(rule.holds(env, unknown=wanted) is wanted for rule, wanted in space._rules):
                yield {name: env[name] for name in space.names if name in env}
            return
        p = space._order[i]
        for value in _values(space, p, env, count(p.name), ends):
            yield from below(i + 1, env if value is ABSENT else {**env, p.name: value})

    return below(0, {})


def _values(space: Space, p: Parameter, env: Mapping[str, Any], k: int, ends: bool) -> list[Any]:
    if not p.active(env):
        return [ABSENT]
    if isinstance(p.domain, Const):
        return [p.domain.value]
    if isinstance(p.domain, Derived):
        return [derived(space, p, env)]
    assert p.coding is not None
    bounds = p.bounds_in(env)
    return [] if bounds is not None and not bounds[0] <= bounds[1] else p.coding.values(k, ends, bounds)


COUNTED = 20_000  # spaces up to this many configurations are counted one by one when rules leave some out


def size(space: Space) -> float:
    """See Space.size. Groups of parameters that depend on each other are counted apart and multiplied."""
    if any(p.bounds for p in space._order):
        return math.inf
    total: float = 1
    deciding = frozenset(n for p in space._order for e in expressions(p.domain).values() for n in e.names)
    for group in _groups(space):
        total *= _count(space, group, deciding, 0, {})
    if space._rules and total <= COUNTED:
        return sum(1 for _ in grid(space, COUNTED, False))
    return total


def _groups(space: Space) -> list[list[Parameter]]:
    """Parameters connected by conditions and derived values, each group parents first."""
    group = {name: name for name in space.names}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for p in space._order:
        for parent in [n for e in expressions(p.domain).values() for n in e.names]:
            group[root(p.name)] = root(parent)
    found: dict[str, list[Parameter]] = {}
    for p in space._order:
        found.setdefault(root(p.name), []).append(p)
    return list(found.values())


def _count(space: Space, group: list[Parameter], deciding: frozenset[str], i: int, env: dict[str, Any]) -> float:
    """Values of those that conditions read are tried one by one; the others are only counted."""
    total: float = 1
    for j in range(i, len(group)):
        p = group[j]
        if not p.active(env):
            continue
        if p.coding is None:
            env = {**env, p.name: p.domain.value if isinstance(p.domain, Const) else derived(space, p, env)}
            continue
        n = p.coding.size(None)
        if n == math.inf or p.name not in deciding or n > BATCH:  # nobody tries so many branches: then it is a bound
            total *= n
            continue
        values = p.coding.values(BATCH, False, None)
        return total * sum(_count(space, group, deciding, j + 1, {**env, p.name: v}) for v in values)
    return total


def neighbours(space: Space, config: Mapping[str, Any], rng: Generator, n: int) -> list[dict[str, Any]]:
    """See Space.neighbours."""
    found: dict[str, dict[str, Any]] = {}
    here = space.key(config)
    for p in space._order:
        if p.coding is None or p.name not in config:
            continue
        for value in p.coding.near(config[p.name], p.bounds_in(config), rng, n):
            moved = {k: v for k, v in config.items() if not isinstance(space.domains.get(k), Derived)} | {p.name: value}
            try:
                neighbour = _filled(space, moved, rng.random(space.d).tolist())
            except SpaceError:
                continue
            if neighbour is not None and (key := space.key(neighbour)) != here:
                found.setdefault(key, neighbour)
    return list(found.values())
