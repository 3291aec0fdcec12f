"""The log in memory: for studies that need not outlive their process, and the yardstick the other storages meet.

Events are kept as they are given (no JSON, no copy), so whoever appends must not change a body afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Condition, RLock
from typing import Self

from trimtab.errors import StorageError
from trimtab.log import DECISIONS, Event, Mark, Stale

REMEMBERED = 10_000  # append ids: an append is repeated at once or never, as none can be lost on the way here


class _Log:
    """One study: its events in order, what each append id came to, and the lock its drivers take turns by."""

    __slots__ = ("appends", "events", "mark", "turn")

    def __init__(self, defined: Event) -> None:
        self.events: list[Event] = []
        self.mark = Mark(0, 0)
        self.appends: dict[str, Mark] = {}
        self.turn = RLock()
        self.add((defined,))

    def add(self, events: Sequence[Event]) -> Mark:
        seq, decisions = self.mark.version, self.mark.decisions
        for e in events:
            seq += 1
            decisions += e.kind in DECISIONS
            # not dataclasses.replace: it is four times as slow as naming the fields
            self.events.append(Event(e.kind, e.body, e.trial, e.attempt, e.at, e.by, seq))
        self.mark = Mark(seq, decisions)
        return self.mark


class Memory:
    """Studies of this process. Threads may share one; processes can't."""

    def __init__(self) -> None:
        self._changed = Condition()  # holds an RLock: every method below is one critical section
        self._logs: dict[int, _Log] = {}
        self._ids: dict[str, int] = {}
        self._last = 0

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a storage is a place: a copy of what names it names the same one

    def __repr__(self) -> str:
        return f"Memory({len(self._ids)} studies)"

    def create(self, name: str, defined: Event) -> tuple[int, bool]:
        with self._changed:
            if name in self._ids:
                return self._ids[name], False
            self._last += 1  # ids are not used again: a deleted study stays deleted for whoever still holds its id
            self._ids[name] = self._last
            self._logs[self._last] = _Log(defined)
            return self._last, True

    def find(self, name: str) -> int | None:
        return self._ids.get(name)

    def names(self) -> Sequence[str]:
        """In the order of creation."""
        with self._changed:
            return list(self._ids)

    def read(self, study: int, since: int, limit: int | None = None) -> tuple[Sequence[Event], Mark]:
        with self._changed:
            log = self._log(study)
            first = max(since, 0)
            return log.events[first : None if limit is None else first + limit], log.mark

    def append(self, study: int, events: Sequence[Event], append_id: str, decides: int | None = None) -> Mark:
        with self._changed:
            log = self._log(study)
            if (first := log.appends.get(append_id)) is not None:
                return first
            if decides is not None and decides < log.mark.decisions:
                raise Stale(f"knew {decides} decisions; there are {log.mark.decisions}")
            if not events:
                return log.mark
            mark = log.appends[append_id] = log.add(events)
            if len(log.appends) > REMEMBERED:
                del log.appends[next(iter(log.appends))]
            self._changed.notify_all()
            return mark

    def wait(self, study: int, since: int, timeout: float) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._log(study).mark.version > since, timeout)
            return self._log(study).mark.version

    def turn(self, study: int, timeout: float) -> AbstractContextManager[None]:
        with self._changed:
            return _held(self._log(study).turn, timeout)

    def beat(self, study: int, driver: str, seconds: float) -> None:
        """Nothing: a driver of this storage dies together with it."""

    def dead(self, study: int) -> Sequence[str]:
        return ()

    def forget(self, study: int, driver: str) -> None:
        """Nothing, as there is nothing to forget."""

    def delete(self, study: int) -> None:
        with self._changed:
            self._log(study)
            del self._logs[study]
            self._ids = {name: i for name, i in self._ids.items() if i != study}
            self._changed.notify_all()  # waiters learn that it is gone

    def close(self) -> None:
        """Nothing: what is here lives as long as the object does."""

    def _log(self, study: int) -> _Log:
        try:
            return self._logs[study]
        except KeyError:
            raise StorageError(f"Study {study} is not in this storage (any more): it was deleted.") from None


@contextmanager
def _held(lock: RLock, timeout: float) -> Iterator[None]:
    held = lock.acquire(timeout=max(timeout, 0.0))
    try:
        yield  # without it, too: the turn saves work, the counters keep order
    finally:
        if held:
            lock.release()
