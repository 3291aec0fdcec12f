"""Turns: one driver at a time between reading the log and adding its decision.

Advisory. Whoever waits too long goes on without one: turns save work, the counter of decisions keeps order.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, RLock
from typing import Protocol

log = logging.getLogger(__name__)
POLLS = 0.0005, 0.02  # seconds between tries, first and at most: an ask that is waited for takes 1 to 100 ms


class Mutex(Protocol):
    """A lock between processes that vanishes together with its holder."""

    def lock(self, seconds: float) -> bool: ...
    def unlock(self) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None:
        """In a forked child: let go without giving up what the parent holds."""
        ...


class _Turn:
    """The mutex of one study, and the lock of this process's own threads before it."""

    __slots__ = ("depth", "mutex", "threads")

    def __init__(self, mutex: Mutex) -> None:
        self.mutex, self.threads, self.depth = mutex, RLock(), 0


class Turns:
    """The turns of all studies of one database; `make` gives a study's mutex."""

    def __init__(self, make: Callable[[int], Mutex]) -> None:
        self._make = make
        self._turns: dict[int, _Turn] = {}
        self._guard = Lock()
        _ALL.add(self)

    @contextmanager
    def take(self, study: int, timeout: float) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        try:
            turn = self._turn(study)
        except OSError as error:  # no right to make the file, or no descriptor left
            log.debug("study %d goes on without turns: %s", study, error)
            yield
            return
        if not turn.threads.acquire(timeout=max(timeout, 0.0)):
            yield
            return
        try:
            held = turn.depth > 0 or turn.mutex.lock(deadline - time.monotonic())
            turn.depth += held
            try:
                yield
            finally:
                turn.depth -= held
                if held and turn.depth == 0:
                    turn.mutex.unlock()
        finally:
            turn.threads.release()

    def _turn(self, study: int) -> _Turn:
        with self._guard:
            if study not in self._turns:
                self._turns[study] = _Turn(self._make(study))
            return self._turns[study]

    def close(self, study: int | None = None) -> None:
        with self._guard:
            for key in [study] if study is not None else list(self._turns):
                if turn := self._turns.pop(key, None):
                    turn.mutex.close()

    def abandon(self) -> None:
        turns, self._turns, self._guard = self._turns, {}, Lock()
        for turn in turns.values():
            turn.mutex.abandon()


_ALL: weakref.WeakSet[Turns] = weakref.WeakSet()


def _abandon_all() -> None:
    for turns in list(_ALL):
        turns.abandon()


if hasattr(os, "register_at_fork"):
    # At the fork, not when the child first takes a turn: a child that never does would keep the parent's lock alive.
    os.register_at_fork(after_in_child=_abandon_all)


class FileLock:
    """The whole-file lock of the file system, on a file of its own that is opened once.

    Polled, as a blocking flock can't be given up after a time.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)

    def lock(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        pause, longest = POLLS
        while not _try(self._fd):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, longest)
        return True

    def unlock(self) -> None:
        _unlock(self._fd)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._fd)

    abandon = close  # the lock belongs to the open file that parent and child share; closing is not unlocking


if sys.platform == "win32":
    import msvcrt

    def _try(fd: int) -> bool:
        try:
            os.lseek(fd, 0, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
