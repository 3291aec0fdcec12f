"""What every searcher has to keep. Each check raises AssertionError with the first thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trimtab.history import History, Ledger
from trimtab.log import JSON, Event
from trimtab.protocol import TRAITS, Ask, Done, Need, Proposal, Scheduler, Searcher
from trimtab.schedule.full import Full
from trimtab.schedule.median import Median
from trimtab.space import Bool, Choice, Int, Space
from trimtab.study._queued import queued
from trimtab.testing._chaos import random_log
from trimtab.testing._worlds import FLAT, MIXED, WORLDS, World, measured

Make = Callable[[], Searcher]


def worlds_for(searcher: Searcher) -> list[World]:
    """The kinds of study that it has not declared it can't take."""
    return [world for world in WORLDS if world.known <= searcher.takes]


# ── law 1 ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cold_equals_warm(make: Make, *, events: int = 90, seeds: Sequence[int] = (0,), every: int = 1) -> None:
    """At every prefix of random logs: a history that grew proposes what one built at once does."""
    for seed in seeds:
        for world in worlds_for(make()):
            scheduler: Scheduler = Median(max=4, min_trials=2) if seed % 2 else Full()
            log = random_log(world, make(), scheduler, seed=seed, events=events)
            where = f"{make().name} in a {world.name} study of seed {seed}"
            for warm, cold, told in prefixes(log, seed=seed, every=every):
                for n in (1, 3):
                    ask = ask_of(cold, n)
                    mine, theirs = make().propose(warm, ask), make().propose(cold, ask)
                    assert repr(mine) == repr(theirs), _differ(f"{where}, {told}, n={n}", mine, theirs)


def prefixes(
    log: Sequence[Event], *, seed: int = 0, every: int = 1, forget: float = 0.1
) -> Iterator[tuple[History, History, str]]:
    """(warm, cold, which) for each prefix. Warm grows by an event at a time, and now and then drops its caches."""
    rng = np.random.default_rng(seed)
    warm = History(ledger := Ledger(lambda since: log[since:]))
    for k, event in enumerate(log, start=1):
        ledger.extend([event])
        if rng.random() < forget:
            warm.forget()
        if k % every == 0 or k == len(log):
            cold = Ledger(lambda since: log[since:])
            cold.extend(log[:k])
            yield warm, History(cold), f"after event {k} ({event.kind})"


def ask_of(history: History, n: int) -> Ask:
    ledger = history._ledger
    return Ask(number=len(ledger.rows), n=n, move=ledger.move, seed=history.definitions[-1]["seed"])


def _differ(where: str, mine: Any, theirs: Any) -> str:
    return f"{where}:\n  warm {mine!r}\n  cold {theirs!r}"


# ── proposals ────────────────────────────────────────────────────────────────────────────────────────────────────


def past(
    space: Space, configs: Sequence[Mapping[str, JSON]], losses: Sequence[float | None], pending: int = 0, **more: Any
) -> History:
    """A history of finished trials (None: failed), the last `pending` of which still run."""
    history = History.empty(space, **more)
    events = [Event("started", {"cause": "new", "config": dict(c)}, i, 1) for i, c in enumerate(configs)]
    for i, loss in enumerate(losses[: len(configs) - pending]):
        body: dict[str, JSON] = {"state": "failed", "error": {"kind": "ValueError", "text": ""}}
        if loss is not None:
            body = {"state": "finished", "values": {"loss": loss}}
        events.append(Event("ended", body, i, 1))
    return history.extend(events)


def _drawn(space: Space, n: int, seed: int = 0) -> list[Mapping[str, JSON]]:
    return [*space.decode(space.sample(np.random.default_rng(seed), n))]


def _losses(configs: Sequence[Mapping[str, JSON]]) -> list[float | None]:
    return [measured(c, 3.0)["loss"] for c in configs]


def _spaces(searcher: Searcher) -> list[Space]:
    return [Space(FLAT), *([Space(MIXED)] if "conditional" in searcher.takes else [])]


def _proposed(make: Make, history: History, n: int = 4) -> list[Proposal]:
    out = make().propose(history, ask_of(history, n))
    assert not isinstance(out, Need), "needs an outside answer"
    assert len(out) <= n, f"{len(out)} proposals were given where {n} were asked for"
    for proposal in out:
        assert (proposal.config is None) != (proposal.resume is None), (
            f"not exactly one of config and resume: {proposal}"
        )
    return list(out)


def _inside(make: Make, history: History, n: int = 4) -> list[Proposal]:
    out = _proposed(make, history, n)
    for proposal in out:
        assert proposal.config is not None
        assert history.space.inside(proposal.config), f"outside the space: {dict(proposal.config)}"
    return out


def stays_inside(make: Make) -> None:
    """Proposals are whole configurations of the space, before the first trial and after forty."""
    for world in worlds_for(make()):
        space = world.space
        if space is None or world.maximize or world.constraints:
            continue
        configs = _drawn(space, 40)
        for n in (0, 1, 2, 11, 40):
            history = past(space, configs[:n], _losses(configs)[:n], pending=n // 10)
            assert _inside(make, history), f"nothing was proposed after {n} trials"


def repeats_itself(make: Make) -> None:
    """The same history and ask give the same proposals, and another seed gives others (or the same list)."""
    space = Space(FLAT)
    configs = _drawn(space, 25)
    history = past(space, configs, _losses(configs), pending=2)
    first = _proposed(make, history)
    assert repr(first) == repr(_proposed(make, history))
    history.forget()
    assert repr(first) == repr(_proposed(make, history))


def one_trial(make: Make) -> None:
    """One finished trial is enough to go on, and so is one that runs."""
    for space in _spaces(make()):
        configs = _drawn(space, 1)
        assert _inside(make, past(space, configs, [0.5]))
        assert _inside(make, past(space, configs, [0.5], pending=1))


def survives_only_failures(make: Make) -> None:
    """Failed trials have no values; nothing else may be there to learn from."""
    for space in _spaces(make()):
        configs = _drawn(space, 30)
        assert _inside(make, past(space, configs, [None] * 30))
        assert _inside(make, past(space, configs, [None] * 29 + [1.0]))


def all_values_equal(make: Make) -> None:
    """A flat objective is no reason to stop, or to propose one point for ever."""
    for space in _spaces(make()):
        configs = _drawn(space, 30)
        out = _inside(make, past(space, configs, [1.0] * 30), n=6)
        assert len({space.key(p.config) for p in out if p.config is not None}) > 1


def extreme_values(make: Make) -> None:
    """One diverged run must not make numbers overflow into an error."""
    space = Space(FLAT)
    configs = _drawn(space, 24)
    losses = _losses(configs)
    for wild in ([1e30], [1e308, -1e308], [1e-320]):
        assert _inside(make, past(space, configs, [*wild, *losses[len(wild) :]]))


def order_of_pending_is_irrelevant(make: Make) -> None:
    """Which of the running trials has which configuration tells nothing."""
    space = Space(FLAT)
    configs = _drawn(space, 26)
    losses, last = _losses(configs), [23, 24, 25]
    told = []
    for order in (last, last[::-1]):
        mixed = [*configs[:23], *(configs[i] for i in order)]
        told.append(_proposed(make, past(space, mixed, losses, pending=3), n=2))
    X = [space.encode([p.config for p in proposals if p.config is not None]) for proposals in told]
    np.testing.assert_allclose(X[0], X[1], atol=1e-9)


def scale_is_irrelevant(make: Make) -> None:
    """Loss in milliseconds or in seconds: the objective times a positive constant changes no proposal.

    A power of two, so that the products are exact and nothing but the method can make a difference.
    """
    space = Space(FLAT)
    configs = _drawn(space, 30)
    losses = [x for x in _losses(configs) if x is not None]
    told = [_proposed(make, past(space, configs, [c * x for x in losses], pending=1)) for c in (1.0, 1024.0, 2.0**-7)]
    for other in told[1:]:
        assert [p.config for p in told[0]] == [p.config for p in other]


def ends_when_the_space_is_exhausted(make: Make) -> None:
    """Behind the duplicates policy a small discrete space is tried once and wholly, and then nothing is proposed."""
    space = Space({"k": Int(1, 3), "kind": Choice(["a", "b"]), "flag": Bool()})
    history = History.empty(space)
    seen: set[str] = set()
    for _ in range(int(space.size) + 1):
        ask = replace(ask_of(history, 5), n=5)
        proposals = queued(make(), history._ledger).propose(history, ask)
        assert not isinstance(proposals, Need)
        if not proposals:
            break
        events = []
        for i, proposal in enumerate(proposals):
            assert proposal.config is not None
            key = space.key(proposal.config)
            assert key not in seen, f"{dict(proposal.config)} was proposed twice"
            seen.add(key)
            events.append(Event("started", {"cause": "new", "config": dict(proposal.config)}, ask.number + i, 1))
            body = {"state": "finished", "values": {"loss": measured(proposal.config, 1.0)["loss"]}}
            events.append(Event("ended", body, ask.number + i, 1))
        history.extend(events)
    assert len(seen) == space.size, f"{len(seen)} of {space.size} configurations were tried"
    end = Full().next(history, queued(make(), history._ledger), ask_of(history, 1))
    assert isinstance(end, Done), f"the study should be done; {end!r}"


def declares_itself(make: Make) -> None:
    """Name, revision and traits, equality by settings, and a fold key in them."""
    searcher = make()
    assert searcher.name
    assert searcher.revision >= 1
    assert searcher.takes <= TRAITS, f"unknown traits: {sorted(searcher.takes - TRAITS)}"
    assert searcher == make(), "two with the same settings must be equal: make it a frozen dataclass"
    assert hash(searcher) == hash(make())


SEARCHER_CHECKS: Mapping[str, Callable[[Make], None]] = {
    check.__name__: check
    for check in (
        declares_itself, cold_equals_warm, stays_inside, repeats_itself, one_trial, survives_only_failures,
        all_values_equal, extreme_values, order_of_pending_is_irrelevant, scale_is_irrelevant,
        ends_when_the_space_is_exhausted,
    )
}  # fmt: skip
