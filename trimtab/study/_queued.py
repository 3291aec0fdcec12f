"""What stands between every scheduler and every searcher: fixed values, the queue, and the duplicates policy.

It is itself a Searcher, and like one it is a function of the log: the queue and the keys seen are folds of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from trimtab.protocol import TRAITS, Ask, Need, Proposal, Searcher

if TYPE_CHECKING:
    from trimtab.history import History, Ledger
    from trimtab.log import Event

TRIES = 200  # draws for a configuration that is new, before the whole space is listed


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
        queue = self.ledger.queue
        out = [self._given(history, ask, i, seq) for i, seq in zip(range(ask.n), sorted(queue), strict=False)]
        if len(out) < ask.n:
            rest = replace(ask, n=ask.n - len(out), number=ask.number + len(out)) if out else ask
            proposals = self.then.propose(history, rest)
            if isinstance(proposals, Need):
                return out or proposals
            out += self._new(history, rest, proposals)
        return out

    def _given(self, history: History, ask: Ask, i: int, seq: int) -> Proposal:
        """A queued configuration, completed by the searcher where it says only some values."""
        body, space, number = self.ledger.queue[seq], history.space, ask.number + i
        config = body["config"]
        if not self.ledger.definitions[-1].get("open"):
            full = dict(config)
            if not space.inside(full):
                proposals = self.then.propose(history, replace(ask, n=1, number=number, fixed=full))
                base = proposals[0].config if not isinstance(proposals, Need) and proposals else None
                full = {**(base or {}), **full}
            config = space.complete(full, ask.rng("complete", number))
        tags = {**body.get("tags", {}), "queue": seq}
        return Proposal(config, seed=body.get("seed"), tags=tags, why={"text": body.get("why", "given by the user")})

    def _new(self, history: History, ask: Ask, proposals: Sequence[Proposal]) -> list[Proposal]:
        """The proposals with ask.fixed laid over them and repeats replaced."""
        policy = self.ledger.definitions[-1].get("duplicates", "avoid")
        space = history.space
        if policy != "avoid" and not ask.fixed:
            return list(proposals)
        keys: _Keys = history.fold("keys", _Keys, _Keys.step)
        taken: set[str] = set()
        out: list[Proposal] = []
        for i, proposal in enumerate(proposals):
            if proposal.config is None:
                out.append(proposal)
                continue
            number = ask.number + i
            if ask.fixed:
                config = space.complete({**proposal.config, **ask.fixed}, ask.rng("fixed", number))
                proposal = replace(proposal, config=config)
            if policy == "avoid":
                key = space.key(proposal.config)  # type: ignore[arg-type]
                if key in keys.seen or key in taken:
                    other = self._other(history, ask, number, keys.seen | taken)
                    if other is None:
                        break  # every configuration of this space has been tried
                    proposal, key = other
                taken.add(key)
            out.append(proposal)
        return out

    def _other(self, history: History, ask: Ask, number: int, seen: set[str]) -> tuple[Proposal, str] | None:
        """A configuration nobody has tried: by chance, or the first of the whole list, or None if there is none."""
        space, rng = history.space, ask.rng("duplicate", number)
        why = {"text": "drawn anew: the searcher's proposal had been tried already"}
        if space.size <= len(seen) and space.size <= 100_000:
            return self._listed(space, seen, why)
        for _ in range(TRIES):
            config = space.complete(dict(ask.fixed), rng) if ask.fixed else space.sample_config(rng)
            key = space.key(config)
            if key not in seen:
                return Proposal(config, why=why), key
        return self._listed(space, seen, why) if space.size <= 100_000 and not ask.fixed else None

    @staticmethod
    def _listed(space: Any, seen: set[str], why: dict[str, Any]) -> tuple[Proposal, str] | None:
        for config in space.grid(1):  # with 100,000 at most, every domain is discrete
            key = space.key(config)
            if key not in seen:
                return Proposal(config, why=why), key
        return None


class _Keys:
    """The canonical keys of every trial so far."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def step(self, event: Event, history: History) -> _Keys:
        if event.kind == "started" and "config" in event.body:
            self.seen.add(history.space.key(event.body["config"]))
        return self


@dataclass(frozen=True, slots=True)
class QueuedChooser(Queued):
    """The same around a searcher that chooses."""

    chooses: ClassVar[bool] = True


def queued(searcher: Searcher, ledger: Ledger) -> Searcher:
    return (QueuedChooser if searcher.chooses else Queued)(searcher, ledger)
