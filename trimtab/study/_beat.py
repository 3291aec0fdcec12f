"""A driver's signs of life, by which others tell that its trials are in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event as Flag
from threading import Thread

from trimtab.errors import StorageAway
from trimtab.protocol import Storage

LEASE = 60.0  # seconds without a sign of life after which another host may take a driver's trials over


@contextmanager
def beating(storage: Storage, study: int, driver: str, busy: Callable[[], object]) -> Iterator[None]:
    """Signs of life from a thread of their own, so that a busy objective can't silence them.

    A driver that leaves with nothing in hand needs no more watching.
    """
    stop = Flag()
    storage.beat(study, driver, LEASE)

    def beat() -> None:
        while not stop.wait(LEASE / 4):
            try:
                storage.beat(study, driver, LEASE)
            except Exception:  # the storage is away: the loop itself will meet that and tell
                continue

    thread = Thread(target=beat, name="trimtab heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)
        if not busy():
            with suppress(StorageAway):  # our time runs out by itself
                storage.forget(study, driver)
