"""What stands between every scheduler and every searcher: fixed values, the queue, and the duplicates policy.

It is itself a Searcher, and like one it is a function of the log: the queue and the keys seen are folds of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from trimtab.errors import SpaceError, Unsupported
from trimtab.protocol import TRAITS, Ask, Config, Need, Proposal, Searcher

if TYPE_CHECKING:
    from numpy.random import Generator

    from trimtab.history import History, Ledger
    from trimtab.log import Event
    from trimtab.space import Space

TRIES = 200  # draws for a configuration that is new, before the whole space is listed
DRAWN_ANEW = {"text": "drawn anew: the searcher's proposal had been tried already"}
LEFT_OPEN = {"text": "left open: all that is known of the space has been tried"}


@dataclass(frozen=True, slots=True)
class Queued:
    """Enqueued configurations first, then the searcher's, none of them twice unless that is allowed."""

    then: Searcher
    ledger: Ledger

    name: ClassVar[str] = "queued"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False  # an instance asks its searcher
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
        most = ask.n if ask.fresh is None else min(ask.n, ask.fresh)
        out: list[Proposal] = []
        for seq in () if ask.fixed else sorted(self.ledger.queue):  # fixed values are wanted now, not the queue
            if len(out) == most:
                break
            given = self._given(history, ask, len(out), seq)
            out += [] if given is None else [given]
        if len(out) < ask.n:
            rest = _after(ask, len(out)) if out else ask
            proposals = self.then.propose(history, rest)
            if isinstance(proposals, Need):
                return out or proposals
            out += self._new(history, rest, proposals)
        return out

    def _given(self, history: History, ask: Ask, i: int, seq: int) -> Proposal | None:
        """A queued configuration, completed by the searcher where it says only some values.

        None when the space has been narrowed since and lacks it: it waits in the queue, in case the space grows back.
        """
        body, space, number = self.ledger.queue[seq], history.space, ask.number + i
        config = body["config"]
        if not self.ledger.definitions[-1].get("open"):
            base: Config = {}
            if not space.inside(config):
                proposals = self.then.propose(history, replace(ask, n=1, number=number, fixed=config))
                base = (proposals[0].config if not isinstance(proposals, Need) and proposals else None) or {}
            rng = ask.rng("complete", number)
            completed = _completed(space, {**base, **config}, rng) or _completed(space, config, rng)
            if completed is None:
                return None
            config = completed
        tags = {**body.get("tags", {}), "queue": seq}
        return Proposal(config, seed=body.get("seed"), tags=tags, why={"text": body.get("why", "given by the user")})

    def _new(self, history: History, ask: Ask, proposals: Sequence[Proposal]) -> list[Proposal]:
        """The proposals with ask.fixed laid over them and repeats replaced; no more new ones than ask.fresh."""
        policy = self.ledger.definitions[-1].get("duplicates", "avoid")
        space = history.space
        if policy != "avoid" and not ask.fixed and not self.chooses:
            return list(proposals)
        keys: _Keys = history.fold("keys", _Keys, _Keys.step)
        taken: set[int] = set()
        out: list[Proposal] = []
        number, end = ask.number - 1, None if ask.fresh is None else ask.number + ask.fresh
        for proposal in proposals:
            if proposal.config is None:
                out.append(self._going_on(proposal, ask, out))
                continue
            number += 1  # those that go on need no number
            if number == end:
                break
            if ask.fixed:
                config = {**proposal.config, **ask.fixed}
                if not self.ledger.definitions[-1].get("open"):
                    config = space.complete(config, ask.rng("fixed", number))
                proposal = replace(proposal, config=config)
            if policy == "avoid":
                key = mark(space, proposal.config)  # type: ignore[arg-type]
                if key in keys.seen or key in taken:
                    other = self._other(history, ask, number, keys.seen | taken)
                    if other is not None:
                        proposal, key = replace(proposal, config=other[0], why=DRAWN_ANEW), other[1]
                    elif self.ledger.definitions[-1].get("open"):  # define by run: there may be more than is known
                        proposal = replace(proposal, config=dict(ask.fixed), why=LEFT_OPEN)
                    elif not ask.fixed:  # what the user has fixed may be tried once more
                        break  # every configuration of this space has been tried
                taken.add(key)
            out.append(proposal)
        return out

    def _going_on(self, proposal: Proposal, ask: Ask, before: Sequence[Proposal]) -> Proposal:
        """A paused trial that was chosen, if it was one of those there were to choose from."""
        trial = proposal.resume
        if trial not in ask.options or any(p.resume == trial for p in before):
            raise Unsupported(
                f"{self.then.name} chose trial {trial} to go on with; it could choose among {list(ask.options)}, "
                "each once. A searcher resumes trials of ask.options only."
            )
        return proposal

    def _other(self, history: History, ask: Ask, number: int, seen: set[int]) -> tuple[Config, int] | None:
        """A configuration nobody has tried: by chance, or the first of the whole list, or None if there is none."""
        space, rng = history.space, ask.rng("duplicate", number)
        if space.size <= len(seen) and space.size <= 100_000:
            return self._listed(space, seen)
        for _ in range(TRIES):
            config = space.complete(dict(ask.fixed), rng) if ask.fixed else space.sample_config(rng)
            key = mark(space, config)
            if key not in seen:
                return config, key
        return self._listed(space, seen) if space.size <= 100_000 and not ask.fixed else None

    @staticmethod
    def _listed(space: Space, seen: set[int]) -> tuple[Config, int] | None:
        for config in space.grid(100_000):  # every value: with 100,000 at most, every domain is discrete
            key = mark(space, config)
            if key not in seen:
                return config, key
        return None


def _after(ask: Ask, k: int) -> Ask:
    """What is left to ask for once k new trials are given."""
    fresh = None if ask.fresh is None else ask.fresh - k
    return replace(ask, n=ask.n - k, number=ask.number + k, fresh=fresh)


def _completed(space: Space, config: Config, rng: Generator) -> Config | None:
    try:
        return space.complete(config, rng)
    except SpaceError:
        return None


def mark(space: Space, config: Config) -> int:
    """A number that equal configurations share, and (but for 1 chance in 2**61) no others do. Cheaper than key()."""
    values = tuple(config.values())
    try:
        minus_one = tuple([v == -1 for v in values])  # hash(-1) == hash(-2)
        return hash((tuple(config), values, tuple(map(type, values)), minus_one))
    except TypeError:  # lists: subsets, permutations, values that are tables
        return hash(space.key(config))


class _Keys:
    """The marks of every trial's configuration so far."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def step(self, event: Event, history: History) -> _Keys:
        if event.kind == "started" and "config" in event.body:
            self.seen.add(mark(history.space, event.body["config"]))
        return self


@dataclass(frozen=True, slots=True)
class QueuedChooser(Queued):
    """The same around a searcher that chooses."""

    chooses: ClassVar[bool] = True


def queued(searcher: Searcher, ledger: Ledger) -> Searcher:
    return (QueuedChooser if searcher.chooses else Queued)(searcher, ledger)
