"""From what a scheduler wants started to `started` events, and from those to what a runner is handed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from math import inf

from trimtab._random import seed_for
from trimtab.errors import StorageError
from trimtab.history import Ledger, Row, State
from trimtab.log import JSON, Event
from trimtab.protocol import Ask, Config, Run, Scheduler, Searcher, Start


def method_of(method: Searcher | Scheduler) -> str:
    """How events name a method: "tpe/1", with the revision that decided."""
    return f"{method.name}/{method.revision}"


def ask_of(ledger: Ledger, n: int, fresh: int | None, fixed: Config | None = None) -> Ask:
    """The outer Ask of a decision, as it is stored in `started`."""
    definition = ledger.definitions[-1]
    tags = {"regime": definition["regime"]} if definition.get("regime") else {}
    number, seed = len(ledger.rows), definition["seed"]
    return Ask(number=number, n=n, move=ledger.move, seed=seed, fresh=fresh, tags=tags, fixed=fixed or {})


def started(
    ledger: Ledger, starts: Sequence[Start], ask: Ask, method: str, owner: str | None, *, at: float, took: float,
    expires: float | None = None, env: str = "",
) -> list[Event]:  # fmt: skip
    """The `started` events of one decision. New trials are numbered in the order of the starts."""
    open_ = bool(ledger.definitions[-1].get("open"))
    number, out = ask.number, []
    asked = ask.to_json()
    for i, start in enumerate(starts):
        p = start.proposal
        tags = {**ask.tags, **p.tags, **start.tags} if (ask.tags or p.tags or start.tags) else {}
        if p.resume is not None:
            row = ledger.rows[p.resume]
            trial, attempt, cause = row.number, row.attempt + 1, "promote"
            body: dict[str, JSON] = {"cause": cause, "method": method}
            saved = row.newest()
            if saved is not None:
                body["source"] = [trial, saved["step"]]
        else:
            queue = tags.pop("queue", None)
            trial, attempt = number, 1
            cause = "queue" if queue is not None else "clone" if p.source is not None else "new"
            seed = p.seed if p.seed is not None else seed_for(ask.seed, "objective", trial)
            body = {"cause": cause, "config": p.config or {}, "seed": seed, "method": method}
            if queue is not None:
                body["queue"] = queue
            if open_:
                body["open"] = True
            if p.source is not None:
                body["source"] = list(p.source)
            number += 1
        if p.parents:
            body["parents"] = {role: list(at_) for role, at_ in p.parents.items()}
        if start.until != inf:
            body["until"] = start.until
        if start.budget is not None:
            body["budget"] = start.budget
        if tags:
            body["tags"] = tags
        if p.note:
            body["note"] = dict(p.note)
        why = {**p.why, "plan": start.why} if start.why else p.why
        if why:
            body["why"] = why
        body["seen"], body["ask"] = ledger.version, asked if i == 0 else {**asked, "i": i}
        if took:
            body["took"] = took
        if owner is not None:
            body["owner"] = owner
        if expires is not None:
            body["expires"] = expires
        if env:
            body["env"] = env
        out.append(Event("started", body, trial, attempt, at, owner or ""))
    return out


def retry(row: Row, until: float, owner: str | None, now: float, seen: int, env: str = "") -> Event:
    body: dict[str, JSON] = {"cause": "retry", "seen": seen}
    if until != inf:
        body["until"] = until
    if row.budget is not None:
        body["budget"] = row.budget
    saved = row.for_retry()
    if saved is not None:
        body["source"] = [row.number, saved["step"]]
    elif row.source is not None and row.source[0] != row.number:
        body["source"] = list(row.source)
    if owner is not None:
        body["owner"] = owner
    if env:
        body["env"] = env
    return Event("started", body, row.number, row.attempt + 1, now, owner or "")


def run_of(
    ledger: Ledger, row: Row, body: Mapping[str, JSON], scheduler: Scheduler, folder: Callable[[int, int], str] | None,
    limits: Mapping[str, float],
) -> Run:  # fmt: skip
    """What the runner is handed for a `started` event."""
    source, step = None, 0.0
    if body.get("source") is not None:
        trial, at = body["source"]
        saved = (ledger.rows[trial].saved or {}).get(float(at))
        if saved is not None:
            source, step = whereabouts(saved["ref"], folder), float(at)
    return Run(
        trial=row.number, attempt=row.attempt, config=row.proposed, seed=row.seed, until=row.until, budget=row.budget,
        checkpoint=folder(row.number, row.attempt) if folder else "", source=source, source_step=step,
        wait=scheduler.listens, limits=limits, open=row.open,
        space=ledger.space.to_json() if row.open else None,
    )  # fmt: skip


def whereabouts(ref: str, folder: Callable[[int, int], str] | None) -> str:
    """Where a checkpoint is now: where it was saved, or at its place in a study's folder that has moved since."""
    if folder is None or not os.path.isabs(ref) or os.path.exists(ref):
        return ref
    trial, attempt, step = ref.split("/")[-3:]
    moved = os.path.join(folder(int(trial), int(attempt)), step)
    return moved if os.path.exists(moved) else ref


def check_sources(ledger: Ledger, events: Sequence[Event], folder: Callable[[int, int], str] | None) -> None:
    """Refuse to start a trial whose checkpoint is on another machine (or gone), before anything is written."""
    for event in events:
        trial, at = event.body.get("source") or (None, 0)
        saved = (ledger.rows[trial].saved or {}).get(float(at)) if trial is not None else None
        place = whereabouts(saved["ref"], folder) if saved is not None else ""
        if os.path.isabs(place) and not os.path.exists(place):
            from socket import gethostname

            n = event.trial
            raise StorageError(
                f"Trial {n} goes on from the checkpoint {place}, which is not on this machine "
                f"({gethostname()}). Give the study a place that every machine sees: folder= a shared folder, "
                f'or a URL such as "s3://bucket/name". If it is gone for good: study.invalidate({n}, reason="…").'
            )


def twin_of(ledger: Ledger, row: Row) -> Row | None:
    """An earlier finished trial of the same configuration."""
    key = ledger.space.key(row.config)
    for other in ledger.rows[: row.number]:
        if other.state is State.FINISHED and other.valid and ledger.space.key(other.config) == key:
            return other
    return None


def as_its_twin(twin: Row) -> dict[str, JSON]:
    """The end of a trial that takes over another one's result."""
    body: dict[str, JSON] = {"state": "finished", "notes": {"reused": twin.number}}
    found = {name: dict(getattr(twin, name)) for name in ("values", "metrics", "constraints", "sem")}
    return body | {name: values for name, values in found.items() if values or name in ("values", "metrics")}
