"""The log in SQLite or PostgreSQL: one schema, one set of statements, one transaction an append.

The study's row is counted up first in every append. Its lock (SQLite: the write lock) makes the order of seq the
order of commits, so a reader that has seen seq 17 never finds a 16 later. The unique append id makes an append
whose outcome was not heard of safe to repeat.
"""

from __future__ import annotations

import gc
import json
import os
import re
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from trimtab.errors import StorageError
from trimtab.log import DECISIONS, JSON, Event, Mark, Stale, to_text
from trimtab.storage._tables import Statements
from trimtab.storage._workers import Process, gone, this_process

T = TypeVar("T")
Durability = Literal["normal", "full"]
CHUNK = 2000  # bodies parsed at once: one call of the JSON parser, in which equal keys become one string
RETRIES = 0.05, 2.0  # seconds between tries to reach a database that went away, first and at most
PATIENCE = 30.0  # seconds until we give up; the caller keeps what it has and appends it again later
SURROGATE = re.compile("[\ud800-\udfff]")


class Database(Protocol):
    """What differs between the two: how to connect, wait, take turns, and what errors mean."""

    shown: str
    statements: Statements
    writer: Engine
    reader: Engine  # of the same connections, but with no transaction around its statements

    @property
    def path(self) -> Path | None:
        """Of a file, for what lies beside it."""

    def check(self) -> None:
        """Before each use: is it still there?"""

    def wait(self, version: Callable[[], int], study: int, since: int, timeout: float) -> int: ...
    def turn(self, study: int, timeout: float) -> AbstractContextManager[None]: ...
    def passing(self, error: DBAPIError) -> bool:
        """Whether the same again may well succeed."""
        ...

    def error(self, error: DBAPIError) -> StorageError:
        """In words, with the mend."""
        ...

    def deleted(self, study: int) -> None: ...
    def forked(self) -> None: ...
    def close(self) -> None: ...


class Sql:
    """Studies in one SQLite file or PostgreSQL database. Threads may share it; a forked child gets its own connections.

    durability  "normal": kill -9 loses nothing, a power cut may lose the last moments; "full": it doesn't, and
                appends take as long as the disk needs. PostgreSQL is as durable as its server is set to be.
    read_only   takes no locks and refuses to write: for looking on, and for files one may not write
    """

    def __init__(self, url: str | URL, *, durability: Durability = "normal", read_only: bool = False) -> None:
        if durability not in ("normal", "full"):
            raise StorageError(f'durability={durability!r} is not known. Say "normal" or "full".')
        self._read_only = read_only
        self._db = _database(url, durability, read_only)
        self._say = self._db.statements
        self._pid = os.getpid()
        weakref.finalize(self, _let_go, self._db, self._pid)  # who forgets to close() leaves nothing open

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a storage is a place: a copy of what names it names the same one

    def __repr__(self) -> str:
        return f"Sql({self._db.shown!r})"

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for a server."""
        return self._db.path

    # -- studies ------------------------------------------------------------------------------------------------

    def create(self, name: str, defined: Event) -> tuple[int, bool]:
        _check_name(name)
        row = _row(defined, "created", 0)

        def work(c: Connection) -> int | None:
            made = c.exec_driver_sql(self._say.create, (name,)).scalar()
            if made is not None:
                c.exec_driver_sql(self._say.insert, (made, 1, *row))
            return made

        while (study := self.find(name)) is None:
            if (made := self._run(work)) is not None:
                return made, True
        return study, False

    def find(self, name: str) -> int | None:
        _check_name(name)
        found: int | None = self._run(lambda c: c.exec_driver_sql(self._say.find, (name,)).scalar(), reads=True)
        return found

    def names(self) -> Sequence[str]:
        """In the order of creation."""
        return self._run(lambda c: [name for (name,) in c.exec_driver_sql(self._say.names)], reads=True)

    def delete(self, study: int) -> None:
        def work(c: Connection) -> None:
            if c.exec_driver_sql(self._say.delete, (study,)).rowcount == 0:
                raise _deleted(study, self._db.shown)
            for statement in (self._say.delete_events, self._say.delete_workers):
                c.exec_driver_sql(statement, (study,))

        self._run(work)
        self._db.deleted(study)

    # -- events -------------------------------------------------------------------------------------------------

    def read(self, study: int, since: int, limit: int | None = None) -> tuple[Sequence[Event], Mark]:
        def work(c: Connection) -> tuple[list[Event], Mark]:
            # Counters first: the log only grows, so the events up to them make a whole without a transaction.
            mark = self._mark(c, study)
            last = mark.version if limit is None else min(mark.version, max(since, 0) + limit)
            if last <= since:
                return [], mark
            with _uncollected(last - since):
                return _events(c.exec_driver_sql(self._say.read, (study, since, last)).cursor), mark

        return self._run(work, reads=True)

    def append(self, study: int, events: Sequence[Event], append_id: str, decides: int | None = None) -> Mark:
        """A known append id returns its first outcome, also when its decision would be stale by now."""
        rows = [_row(event, append_id, i) for i, event in enumerate(events)]
        taken = sum(event.kind in DECISIONS for event in events)
        try:
            return self._run(lambda c: self._append(c, study, rows, taken, decides))
        except IntegrityError as error:
            if (first := self._first(study, append_id)) is None:
                raise self._db.error(error) from error
            return first
        except Stale:
            if (first := self._first(study, append_id)) is None:
                raise
            return first

    def _append(self, c: Connection, study: int, rows: list[tuple[Any, ...]], taken: int, decides: int | None) -> Mark:
        counted = c.exec_driver_sql(self._say.count, (len(rows), taken, study)).first()
        if counted is None:
            raise _deleted(study, self._db.shown)
        version, decisions = counted[:2]
        if decides is not None and decides < decisions - taken:
            raise Stale(f"knew {decides} decisions; there are {decisions - taken}")
        numbered = [(study, seq, *row) for seq, row in enumerate(rows, version - len(rows) + 1)]
        if numbered:
            c.exec_driver_sql(self._say.insert, numbered if len(numbered) > 1 else numbered[0])
        return Mark(version, decisions)

    def _first(self, study: int, append_id: str) -> Mark | None:
        """What the counters were after this append, if it is in the log."""

        def work(c: Connection) -> Mark | None:
            last = c.exec_driver_sql(self._say.first, (study, append_id)).scalar()
            if last is None:
                return None
            return Mark(last, c.exec_driver_sql(self._say.decisions, (study, last)).scalar_one())

        return self._run(work, reads=True)

    def _mark(self, c: Connection, study: int) -> Mark:
        row = c.exec_driver_sql(self._say.mark, (study,)).first()
        if row is None:
            raise _deleted(study, self._db.shown)
        return Mark(row[0], row[1])

    # -- drivers ------------------------------------------------------------------------------------------------

    def wait(self, study: int, since: int, timeout: float) -> int:
        """The version, as soon as it is above `since`, or after `timeout` seconds."""
        self._after_fork()

        def version() -> int:
            return self._run(lambda c: self._mark(c, study), reads=True).version

        return self._db.wait(version, study, since, timeout)

    def turn(self, study: int, timeout: float) -> AbstractContextManager[None]:
        self._after_fork()
        self._may_write()
        return self._db.turn(study, timeout)

    def beat(self, study: int, driver: str, seconds: float) -> None:
        me = this_process()
        row = (study, driver, me.host, me.boot, me.pid, me.started, seconds)
        self._run(lambda c: c.exec_driver_sql(self._say.beat, row))

    def dead(self, study: int) -> Sequence[str]:
        """Drivers whose time is over, or whose process is gone from this machine. One without a row is unknown."""
        return [driver for driver, left in self.watched(study).items() if left is None or left < 0]

    def watched(self, study: int) -> dict[str, float | None]:
        """Seconds that each driver has left until it must beat again; None where its process is gone for sure."""
        rows = self._run(lambda c: c.exec_driver_sql(self._say.workers, (study,)).all(), reads=True)
        here = this_process()
        return {
            driver: None if gone(Process(host, boot, pid, started), here) else float(left)
            for driver, host, boot, pid, started, left in rows
        }

    def forget(self, study: int, driver: str) -> None:
        """A driver leaves in good order: it is neither alive nor dead from here on."""
        self._run(lambda c: c.exec_driver_sql(self._say.forget, (study, driver)))

    def close(self) -> None:
        """Let go of connections and files. Using it again opens them again."""
        self._after_fork()
        self._db.close()

    # -- how everything is run ----------------------------------------------------------------------------------

    def _run(self, work: Callable[[Connection], T], *, reads: bool = False) -> T:
        """In one transaction; again, for a while, if the database went away in the middle of it."""
        self._after_fork()
        if not reads:
            self._may_write()
        deadline, pause = None, RETRIES[0]
        while True:
            try:
                self._db.check()
                if reads:
                    with self._db.reader.connect() as connection:
                        return work(connection)
                with self._db.writer.begin() as connection:
                    return work(connection)
            except IntegrityError:
                raise
            except DBAPIError as error:
                deadline = deadline or time.monotonic() + PATIENCE
                if not self._db.passing(error) or time.monotonic() > deadline:
                    raise self._db.error(error) from error
            time.sleep(pause)
            pause = min(pause * 2, RETRIES[1])

    def _may_write(self) -> None:
        if self._read_only:
            raise StorageError(f"{self._db.shown} was opened for reading only.")

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._db.forked()
            self._pid = os.getpid()


def _let_go(db: Database, pid: int) -> None:
    if os.getpid() == pid:  # a forked child must not close what is its parent's
        db.close()


def sqlite_url(path: Path) -> URL:
    """For any path, with whatever signs in it."""
    return URL.create("sqlite", database=str(path))


def _database(url: str | URL, durability: Durability, read_only: bool) -> Database:
    try:
        url = make_url(url)
    except ArgumentError:
        raise StorageError(
            'That is no database URL. Write "file.db", "sqlite:///file.db" or "postgresql://…".'
        ) from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        if not url.database or url.database == ":memory:":
            raise StorageError("SQLite needs a file name. For a study in memory leave storage out.")
        from trimtab.storage._sqlite import SqliteFile

        return SqliteFile(Path(url.database), durability=durability, read_only=read_only)
    if kind in ("postgresql", "postgres"):
        from trimtab.storage._postgres import PostgresServer

        return PostgresServer(url, durability=durability, read_only=read_only)
    raise StorageError(f"{kind} is not a database that trimtab writes. SQLite (a file name) and postgresql:// work.")


def _row(event: Event, append_id: str, idx: int) -> tuple[Any, ...]:
    return (event.kind, event.trial, event.attempt, event.at, event.by, append_id, idx, _text(event.body))


def _text(body: JSON) -> str:
    text = to_text(body)
    if text.isascii():
        return text
    # Half a surrogate pair (a file name that is not UTF-8, say) is no text to a database; JSON can spell it.
    return SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _events(cursor: Any) -> list[Event]:
    """All rows of a read. One call of the JSON parser takes many bodies: 1.3 times as fast as one by one."""
    events: list[Event] = []
    while rows := cursor.fetchmany(CHUNK):
        bodies = json.loads(f"[{','.join([row[1] for row in rows])}]")
        events += [Event(k, b, t, a, at, by, seq) for (k, _, t, a, at, by, seq), b in zip(rows, bodies, strict=True)]
    return events


@contextmanager
def _uncollected(events: int) -> Iterator[None]:
    """No garbage collection in a long read: it makes no cycles, and searching for them takes a third of the time."""
    pause = events > 10 * CHUNK and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def _check_name(name: str) -> None:
    if not name or "\x00" in name or SURROGATE.search(name):
        raise StorageError(f"{name!r} can't be the name of a study: it must be readable text. Give another one.")


def _deleted(study: int, shown: str) -> StorageError:
    return StorageError(f"Study {study} is not in {shown} (any more): it was deleted.")
