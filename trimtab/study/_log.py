"""One study in one storage, with the ledger and history that follow it."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from typing import Any, TypeVar

from trimtab.errors import StorageAway, StorageFull
from trimtab.history import History, Ledger
from trimtab.log import Event, Mark, Stale
from trimtab.protocol import Storage
from trimtab.study._progress import Progress
from trimtab.study._spool import Spool
from trimtab.study._where import where

T = TypeVar("T")
logger = logging.getLogger(__name__)

BATCH = 2_000  # events read at once: enough to be fast, few enough to stay small with long reports
AWAY = 600.0  # seconds that a run waits for a storage that is away, on top of the storage's own patience
AGAIN = 1.0  # seconds between two tries meanwhile

_PREFIX = uuid.uuid4().hex[:12]  # of this interpreter; the pid tells a fork from its parent
_COUNT = count(1)


def new_id() -> str:
    """An append id that nobody else will ever use."""
    return f"{_PREFIX}-{os.getpid():x}-{next(_COUNT):x}"


@dataclass(slots=True)
class Log:
    """One study in one storage, with the ledger and history that follow it.

    The lock is for threads that share a handle: whoever decides holds it from reading to appending.
    When the storage goes away, facts are kept in a file (`_spool`); a run, which has `patience`, waits for it to come
    back, a call by hand raises and may be repeated.
    """

    storage: Storage
    study: int
    ledger: Ledger
    history: History
    lock: Any = field(default_factory=RLock, repr=False)
    patience: float = 0.0  # seconds
    unsent: bool = False  # facts of this handle wait in a file

    @classmethod
    def open(cls, storage: Storage, study: int) -> Log:
        Spool(storage, study).deliver()
        ledger = Ledger(lambda since: read_all(storage, study, since))
        log = cls(storage, study, ledger, History(ledger))
        with Progress(f"reading {where(storage)}") as told:
            log.refresh(told)
        return log

    def refresh(self, told: Callable[[int, int], None] | None = None) -> None:
        """Read what others and we have written. told: hears how far, of a log that is long."""
        with self.lock:
            while True:
                events, mark = self.patiently(lambda: self.storage.read(self.study, self.ledger.version, BATCH))
                self.ledger.extend(events)
                if self.ledger.version >= mark.version or not events:
                    return
                if told is not None:
                    told(self.ledger.version, mark.version)

    def write(self, *events: Event) -> None:
        """Append facts, unconditionally, and read on."""
        with self.lock:
            name = new_id()

            def send() -> Mark:
                if self.unsent:  # in the order in which they came about
                    self._spool.deliver()
                    self.unsent = False
                return self.storage.append(self.study, events, name)

            mark = self.patiently(send, keep=(name, events))
            self._read_back(events, mark)

    def decide(self, *events: Event) -> bool:
        """Append decisions made on what was read; False when somebody else decided first."""
        with self.lock:
            name, known = new_id(), self.ledger.decisions
            try:
                mark = self.patiently(lambda: self.storage.append(self.study, events, name, decides=known))
            except Stale:
                self.refresh()
                return False
            self._read_back(events, mark)
            return True

    def wait(self, seconds: float) -> None:
        """Until somebody has appended something, `seconds` at most."""
        self.patiently(lambda: self.storage.wait(self.study, self.ledger.version, seconds))

    @contextmanager
    def waiting_out(self, seconds: float) -> Iterator[None]:
        """Have patience with a storage that is away, for as long as a run lasts."""
        self.patience = seconds
        try:
            yield
        finally:
            self.patience = 0.0

    def patiently(self, act: Callable[[], T], keep: tuple[str, Sequence[Event]] | None = None) -> T:
        """Do it, again and again for `patience` seconds while the storage is away. Facts wait in a file meanwhile."""
        kept, where, until = None, "", None
        while True:
            try:
                done = act()
                break
            except StorageAway as error:
                if until is None:  # it went away just now
                    kept = self._spool.keep(*keep) if keep else None
                    self.unsent = self.unsent or kept is not None
                    if kept:
                        where = f" What was measured waits in {kept} and is stored when the study is next opened."
                    patience = 0.0 if isinstance(error, StorageFull) else self.patience
                    until = time.monotonic() + patience
                    if patience:
                        logger.warning("%s Trying again for %.0f min.%s", error, patience / 60, where)
                if time.monotonic() >= until:
                    raise type(error)(f"{error}{where}") from error
            time.sleep(AGAIN)
        if until is not None:
            logger.warning("The storage is back.")
        if kept:
            self._spool.drop()
            self.unsent = False
        return done

    @property
    def _spool(self) -> Spool:
        return Spool(self.storage, self.study)

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
