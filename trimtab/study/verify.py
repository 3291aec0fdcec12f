"""Recompute every decision of a log and say which differ: law 1, checked on a real study.

One forward pass: what a decision had seen never goes back, because decisions that knew less are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.history import History, Ledger
from trimtab.log import JSON, Event
from trimtab.protocol import Ask, Scheduler, Searcher, Start, Storage, Verdict
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.study._log import shown_in
from trimtab.study._progress import watched
from trimtab.study._queued import queued
from trimtab.study._starts import started


@dataclass(frozen=True, slots=True)
class Verified:
    """What a recomputation found.

    decisions, agree    how many decisions (starts) the methods made, and how many came out the same
    verdicts, upheld    how many pauses and stops a scheduler ordered, and how many it orders again
    first_difference    of the first that did not, in words
    same_environment    whether all was decided under the present fingerprint, by the present revisions of the methods;
                        elsewhere a difference is no error
    """

    decisions: int
    agree: int
    verdicts: int
    upheld: int
    first_difference: str | None
    same_environment: bool

    @property
    def ok(self) -> bool:
        return self.agree == self.decisions and self.upheld == self.verdicts


def verify(storage: str | Path | Storage, name: str | None = None) -> Verified:
    """Make every decision of a stored study again, each from what it had seen."""
    from trimtab.study._study import Study

    study = Study.load(storage, name)
    events, environments = list(study.log()), study._log.ledger.environments
    if isinstance(storage, (str, Path)):
        study.close()
    decided = agree = verdicts = upheld = 0
    first: str | None = None
    for made, again in watched(replayed(events), f"verifying {study.name}", sum(1 for _ in _decisions(events))):
        decided += 1
        if agreed(made, again):
            agree += 1
        elif first is None:
            first = difference(made, again)
    for event, verdict in rejudged(events):
        verdicts += 1
        if verdict.go == event.body["verdict"]:
            upheld += 1
        elif first is None:
            first = (
                f"trial {event.trial} (event {event.seq}): told to {event.body['verdict']}; judged again: {verdict.go}"
            )
    same = (not environments or set(environments) == {_here()}) and _same_revisions(events)
    return Verified(decided, agree, verdicts, upheld, first, same)


def _here() -> str:
    from trimtab.run.environment import fingerprint, short_hash

    return short_hash(fingerprint())


def _same_revisions(events: Sequence[Event]) -> bool:
    """Whether every definition names its methods in the revision they have today."""
    for event in events:
        if event.kind == "defined":
            for registry, told in ((SEARCHERS, event.body["searcher"]), (SCHEDULERS, event.body["scheduler"])):
                if registry.from_json(told).revision != told["revision"]:
                    return False
    return True


def replayed(
    events: Sequence[Event], searcher: Searcher | None = None, scheduler: Scheduler | None = None
) -> Iterator[tuple[list[Event], list[Event]]]:
    """(the events of a decision, the same made again) for each decision of a scheduler and searcher.

    The methods are those that the log names, or the given ones where a registry does not know them.
    """
    ledger = Ledger(lambda since: events[since:])
    history = History(ledger)
    for batch in _decisions(events):
        body = batch[0].body
        ledger.extend(events[ledger.version : body["seen"]])
        definition = ledger.definitions[-1]
        ask = Ask.from_json(body["ask"])
        search: Searcher = searcher or SEARCHERS.from_json(definition["searcher"])
        plan: Scheduler = scheduler or SCHEDULERS.from_json(definition["scheduler"])
        acts: Any = plan.next(shown_in(history), queued(search, ledger), ask)
        starts = [act for act in acts if isinstance(act, Start)] if isinstance(acts, (list, tuple)) else []
        yield batch, started(ledger, starts, ask, body["method"], body.get("owner"), at=0.0, took=0.0)


def rejudged(events: Sequence[Event], scheduler: Scheduler | None = None) -> Iterator[tuple[Event, Verdict]]:
    """(a `judged` event of a scheduler, the verdict made again) for each pause and stop, in the order of what they saw.

    Unlike decisions, a verdict may know less than the one before it in the log.
    """
    ledger = Ledger(lambda since: events[since:])
    history = History(ledger)
    judged = [e for e in events if e.kind == "judged" and e.body["by"] != "user"]
    for event in sorted(judged, key=lambda e: e.body["seen"]):
        assert event.trial is not None
        ledger.extend(events[ledger.version : event.body["seen"]])
        plan: Scheduler = scheduler or SCHEDULERS.from_json(ledger.definitions[-1]["scheduler"])
        yield event, plan.judge(shown_in(history), event.trial)


def _decisions(events: Sequence[Event]) -> Iterator[list[Event]]:
    """`started` events by the decision that made them; retries and added trials were nobody's proposal."""
    batch: list[Event] = []
    for event in events:
        if event.kind != "started" or event.body.get("ask") is None:
            continue
        if batch and not event.body["ask"].get("i"):
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch


SAME = ("cause", "config", "seed", "source", "parents", "until", "budget", "tags", "note", "queue")


def agreed(made: list[Event], again: list[Event]) -> bool:
    return len(made) <= len(again) and all(
        a.trial == b.trial and _core(a.body) == _core(b.body) for a, b in zip(made, again, strict=False)
    )


def _core(body: Mapping[str, JSON]) -> dict[str, JSON]:
    return {k: body[k] for k in SAME if k in body}


def difference(made: list[Event], again: list[Event]) -> str:
    for i, event in enumerate(made):
        other = again[i] if i < len(again) else None
        if other is None:
            return f"trial {event.trial} was started (event {event.seq}); made again, nothing is"
        mine, theirs = _core(event.body), _core(other.body)
        if event.trial != other.trial or mine != theirs:
            keys = [k for k in SAME if mine.get(k) != theirs.get(k)]
            key = keys[0] if keys else "trial"
            was, now = mine.get(key), theirs.get(key)
            return f"trial {event.trial} (event {event.seq}): {key} was {was}; made again it is {now}"
    return "no difference"
