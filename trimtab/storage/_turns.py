"""Turns by the file system's whole-file lock: one process at a time, and the kernel frees it when the process dies.

Advisory: whoever waits too long goes on without. Polled, as a blocking flock can't be given up after a time.
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

log = logging.getLogger(__name__)
POLLS = 0.0005, 0.02  # seconds between tries, first and at most: an ask that is waited for takes 1 to 100 ms


class _Turn:
    """The lock file of one study, opened once, and the lock of this process's own threads before it."""

    __slots__ = ("depth", "fd", "threads")

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.threads = RLock()
        self.depth = 0


class Turns:
    """The turns of all studies of one database."""

    def __init__(self, path: Callable[[int], Path]) -> None:
        self._path = path
        self._opened: dict[int, _Turn] = {}
        self._guard = Lock()
        _ALL.add(self)

    @contextmanager
    def take(self, study: int, timeout: float) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        try:
            turn = self._turn(study)
        except OSError as error:  # no right to make the file, no descriptor left: go on without a turn
            log.debug("no turn: %s", error)
            turn = None
        if turn is None or not turn.threads.acquire(timeout=max(timeout, 0.0)):
            yield
            return
        try:
            held = turn.depth > 0 or _lock(turn.fd, deadline)
            turn.depth += held
            try:
                yield
            finally:
                turn.depth -= held
                if held and turn.depth == 0:
                    _unlock(turn.fd)
        finally:
            turn.threads.release()

    def _turn(self, study: int) -> _Turn:
        with self._guard:
            if study not in self._opened:
                self._opened[study] = _Turn(self._path(study))
            return self._opened[study]

    def close(self, study: int | None = None) -> None:
        with self._guard:
            for key in [study] if study is not None else list(self._opened):
                if turn := self._opened.pop(key, None):
                    with suppress(OSError):
                        os.close(turn.fd)

    def forget(self) -> None:
        """In a forked child: let go of the parent's files, which would keep its locks alive after its death."""
        opened, self._opened, self._guard = self._opened, {}, Lock()
        for turn in opened.values():
            with suppress(OSError):
                os.close(turn.fd)


_ALL: weakref.WeakSet[Turns] = weakref.WeakSet()


def _forget_all() -> None:
    for turns in list(_ALL):
        turns.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _lock(fd: int, deadline: float) -> bool:
    pause, longest = POLLS
    while not _try(fd):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, longest)
    return True


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
