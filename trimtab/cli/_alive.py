"""Which running trials have lost their driver, wait for a sign of it, or for somebody's word: told honestly."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from trimtab.study._beat import LEASE
from trimtab.study._status import about, duration

if TYPE_CHECKING:
    from trimtab.history import Row
    from trimtab.study import Study

SHOWN = 5  # lines of one kind
QUIET = LEASE / 2  # a driver gives a sign four times a lease: after half of it something is wrong


def asked_by_hand(study: Study, target: str) -> list[str]:
    """A line for each trial that somebody was given with `ask` and has not told; the longest wait first."""
    now, rows = time.time(), [r for r in study._log.ledger.alive.values() if r.owner is None]
    objective = next(iter(study.objectives), "loss")
    lines = []
    for row in sorted(rows, key=lambda r: r.number)[:SHOWN]:
        since = study.trial(row.number).began
        ago = "" if since is None else f" {about(max(0.0, now - since)).removeprefix('about ')} ago"
        tell = f"trimtab tell {shlex.quote(target)} {row.number} {objective}=…"
        lines.append(f"trial {row.number} was asked for by hand{ago}: {tell}")
    if len(rows) > SHOWN:
        lines.append(f"… and {len(rows) - SHOWN} more")
    return lines


def without_a_sign(study: Study) -> list[str]:
    """A line for each driver that died or fell silent while its trials ran."""
    lines, gone, silent = [], list[int](), dict[int, list[int]]()
    for row, left in _owned(study):
        if left is None or left < 0:
            gone.append(row.number)
        elif left < LEASE - QUIET:
            silent.setdefault(round(LEASE - left), []).append(row.number)
    if gone:
        lines.append(f"{_trials(gone)} no driver any more: the next run takes {_them(gone)} up again")
    for seconds, numbers in sorted(silent.items()):
        rest = duration(LEASE - seconds)
        lines.append(f"{_trials(numbers)} given no sign for {seconds} s: {rest} more, and another run takes over")
    return lines


def _owned(study: Study) -> list[tuple[Row, float | None]]:
    """Running trials that have a driver, with the seconds it has left (None: it is gone for sure)."""
    study._log.refresh()
    watched = getattr(study._log.storage, "watched", None)
    told = watched(study._log.study) if watched is not None else {}
    alive = study._log.ledger.alive.values()
    return [(row, told[row.owner]) for row in alive if row.owner is not None and row.owner in told]


def _trials(numbers: list[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:8])) + (" …" if len(numbers) > 8 else "")
    return f"trials {shown} have" if len(numbers) > 1 else f"trial {shown} has"


def _them(numbers: list[int]) -> str:
    return "them" if len(numbers) > 1 else "it"
