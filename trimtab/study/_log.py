"""One study in one storage, with the ledger and history that follow it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from typing import Any

from trimtab.history import History, Ledger
from trimtab.log import Event, Mark, Stale
from trimtab.protocol import Storage

BATCH = 2_000  # events read at once: enough to be fast, few enough to stay small with long reports

_PREFIX = uuid.uuid4().hex[:12]  # of this interpreter; the pid tells a fork from its parent
_COUNT = count(1)


def new_id() -> str:
    """An append id that nobody else will ever use."""
    return f"{_PREFIX}-{os.getpid():x}-{next(_COUNT):x}"


@dataclass(slots=True)
class Log:
    """One study in one storage, with the ledger and history that follow it.

    The lock is for threads that share a handle: whoever decides holds it from reading to appending.
    """

    storage: Storage
    study: int
    ledger: Ledger
    history: History
    lock: Any = field(default_factory=RLock, repr=False)

    @classmethod
    def open(cls, storage: Storage, study: int) -> Log:
        ledger = Ledger(lambda since: read_all(storage, study, since))
        log = cls(storage, study, ledger, History(ledger))
        log.refresh()
        return log

    def refresh(self) -> None:
        """Read what others and we have written."""
        with self.lock:
            while True:
                events, mark = self.storage.read(self.study, self.ledger.version, BATCH)
                self.ledger.extend(events)
                if self.ledger.version >= mark.version or not events:
                    return

    def write(self, *events: Event) -> None:
        """Append facts, unconditionally, and read on."""
        with self.lock:
            self._read_back(events, self.storage.append(self.study, events, new_id()))

    def decide(self, *events: Event) -> bool:
        """Append decisions made on what was read; False when somebody else decided first."""
        with self.lock:
            try:
                mark = self.storage.append(self.study, events, new_id(), decides=self.ledger.decisions)
            except Stale:
                self.refresh()
                return False
            self._read_back(events, mark)
            return True

    def _read_back(self, events: Sequence[Event], mark: Mark) -> None:
        """Take in what was just appended; when nobody wrote in between, without reading it from the storage."""
        first = self.ledger.version + 1
        if mark.version != self.ledger.version + len(events):
            self.refresh()
            return
        self.ledger.extend(
            [Event(e.kind, e.body, e.trial, e.attempt, e.at, e.by, first + i) for i, e in enumerate(events)]
        )


def read_all(storage: Storage, study: int, since: int = 0) -> Iterator[Event]:
    """Every event with seq > since, a batch at a time."""
    while True:
        events, _ = storage.read(study, since, BATCH)
        yield from events
        if len(events) < BATCH:
            return
        since = events[-1].seq


def shown_in(history: History) -> History:
    """The history that methods get to see: of the regime in force, where the study has regimes."""
    regime = history.definitions[-1].get("regime")
    return history.view(regime=regime) if regime else history


def shown(log: Log) -> History:
    return shown_in(log.history)
