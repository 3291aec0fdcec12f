"""How attempts end: by their own word, by a verdict at a milestone, or because their driver is gone."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from trimtab.history import Ledger, Row
from trimtab.log import JSON, Event
from trimtab.protocol import ENDS, Scheduler, Verdict
from trimtab.study._facts import complete, reported, settled
from trimtab.study._log import Log, shown
from trimtab.study._starts import method_of


def reap(log: Log, me: str, now: float) -> None:
    """Append `ended` for every attempt whose driver is dead or whose time is up. Twice is harmless."""
    ledger = log.ledger
    if ledger.owners.keys() <= {me}:
        return
    others = ledger.owners.keys() - {me, None}
    late = [r for r in ledger.alive.values() if r.owner is None and r.expires is not None and r.expires < now]
    dead = set(log.patiently(lambda: log.storage.dead(log.study))) & others if others else set()
    gone = [r for r in ledger.alive.values() if r.owner in dead]
    ends = []
    for row in sorted({r.number: r for r in (*gone, *late)}.values(), key=lambda r: r.number):
        ends.append(Event("ended", interrupted(ledger, row), row.number, row.attempt, now, me))
    if ends:
        log.write(*ends)


def ending(log: Log, scheduler: Scheduler, row: Row, event: Event, until: float, now: float, me: str) -> list[Event]:
    """The facts of a trial's end. One that came to its milestone by returning is judged first: it may be a pause."""
    *before, ended = [signed(e, me) for e in settled(log.ledger, row, event)]
    if ended.body["state"] != "finished":
        return [*before, ended]
    if row.verdict is not None:  # told to pause at its rung while it was asked to leave: paused all the same
        paused = row.verdict[0] == "pause" and ended.body.get("step") == until
        return [*before, _as_told(ended, "pause") if paused else ended]
    if row.budget is None:
        return [*before, ended]
    if before:
        log.write(*before)
    if ended.body.get("step") is not None and ended.body["step"] >= until:
        verdict = scheduler.judge(shown(log), row.number)
        if verdict.go != "on":
            told = judged(log, scheduler, row, verdict, now, me)
            return [told, _as_told(ended, verdict.go)]
    return [ended]


def _as_told(ended: Event, go: str) -> Event:
    return replace(ended, body={**ended.body, "state": ENDS[go]})


def judged(log: Log, scheduler: Scheduler, row: Row, verdict: Verdict, now: float, me: str) -> Event:
    by, seen = method_of(scheduler), log.ledger.version
    body = {"verdict": verdict.go, "step": row.step, "seen": seen, "by": by, "why": verdict.why}
    return Event("judged", body, row.number, row.attempt, now, me)


def interrupted(ledger: Ledger, row: Row) -> dict[str, JSON]:
    """How an attempt that died has ended: as it had been told to, else lost."""
    if row.verdict is not None:
        return cut_short(ledger, row, row.verdict[0])
    return {"state": "lost", "step": row.step, "error": {"kind": "lost", "text": "its driver is gone"}}


def cut_short(ledger: Ledger, row: Row, go: str) -> dict[str, JSON]:
    """The end of an attempt that was told to pause or stop: its last report counts."""
    body: dict[str, JSON] = {"state": ENDS[go], "step": row.step}
    complete(ledger, body, *reported(ledger, row, body))
    return body


def settle_interrupted(log: Log, scheduler: Scheduler, row: Row, now: float, me: str) -> float | None:
    """The next milestone of an interrupted trial, after the verdict that its last report is still owed.

    None when the verdict is to pause or stop: then that is its end, and there is nothing to retry.
    """
    step, until = row.step, row.until
    if step is None or step < until:
        return until
    verdict = scheduler.judge(shown(log), row.number)
    if verdict.go == "on":
        return inf if verdict.until is None else verdict.until
    body = {**cut_short(log.ledger, row, verdict.go), "why": verdict.why, "by": method_of(scheduler)}
    log.write(Event("ended", body, row.number, row.attempt, now, me))
    return None


def signed(event: Event, driver: str) -> Event:
    return event if event.by == driver else Event(event.kind, event.body, event.trial, event.attempt, event.at, driver)


def nothing_left(ledger: Ledger, why: str) -> str:
    """Why a run is over while trials are not; those that were asked for by hand are named: nobody else ends them."""
    asked = {r.number for r in ledger.alive.values() if r.owner is None}
    asked |= {r.number for r in ledger.waiting.values() if r.owner is None and r.waits == "lost"}
    text = f"nothing is left that a worker could do: {why or 'the scheduler waits'}"
    if not asked:
        return text
    some = ", ".join(map(str, sorted(asked)[:9])) + (", …" if len(asked) > 9 else "")
    return f"{text}; trial{'s' * (len(asked) > 1)} {some} {'were' if len(asked) > 1 else 'was'} asked for by hand"
