"""Which checkpoints may go: all but a trial's newest, unless a running or waiting trial still names them.

A `dropped` event is a decision and is appended before the files go, so it can't cross with a driver that starts a
trial from the same checkpoint: one of the two is Stale. Checkpoints go in groups, so that a long trial costs a
decision every few steps and not one a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trimtab.history import Ledger, Row
from trimtab.log import Event

if TYPE_CHECKING:
    from trimtab.study._log import Log

SPARE = 4  # older checkpoints a running trial may have before they go


def tidy(log: Log, trials: Iterable[int], now: float, me: str) -> None:
    """Drop what these trials no longer need. A driver that decided first puts it off to the next time."""
    rows = [log.ledger.rows[t] for t in sorted(set(trials))]
    drops = [(row, step) for row in rows for step in spare(log.ledger, row)]
    if not drops:
        return
    refs = [row.saved[step]["ref"] for row, step in drops if row.saved]
    events = [
        Event("dropped", {"step": step, "why": "a newer one is there"}, row.number, row.attempt, now, me)
        for row, step in drops
    ]
    if log.decide(*events):
        from trimtab.storage import checkpoints

        for ref in refs:
            checkpoints.remove(ref)


def spare(ledger: Ledger, row: Row) -> list[float]:
    """Steps whose checkpoint nobody needs."""
    saved = row.saved or {}
    if len(saved) < 2 or (row.alive and len(saved) <= SPARE):
        return []
    at_work = (*ledger.alive.values(), *ledger.waiting.values())
    again = row.for_retry()
    kept = float(again["step"]) if again is not None else None
    named = {r.source for r in at_work} | {at for r in at_work for at in r.parents.values()}
    spared = (s for s in sorted(saved)[:-1] if s != kept)
    return [s for s in spared if (row.number, s) not in named and not saved[s].get("pin")]
