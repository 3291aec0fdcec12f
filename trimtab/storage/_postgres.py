"""PostgreSQL below Sql: drivers on any number of machines.

Tables live in a schema "trimtab". A commit notifies whoever listens; turns are advisory locks, each on a connection
of its own, which the server frees when that connection ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from trimtab.errors import MissingExtra, StorageAway, StorageError, StorageFull
from trimtab.log import FORMAT
from trimtab.storage._tables import Statements, statements, tables
from trimtab.storage._turns import Turns
from trimtab.storage._words import VERSION, newer_format

log = logging.getLogger(__name__)
SCHEMA = "trimtab"
LOCKS = 0x7472696D  # "trim": keeps our advisory locks apart from those of other programs
SETUP = LOCKS, 0  # studies count from 1
CLOCK = "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"
LISTEN = 5.0  # seconds; then the version is looked at even if nothing was heard: a partition is silent
POLL = 0.05
# A connection to a host that vanished is noticed after about 30 s instead of hours, on either side.
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
SERVER_KEEPALIVES = ("tcp_keepalives_idle=10", "tcp_keepalives_interval=5", "tcp_keepalives_count=4")
PASSING = ("08", "57P", "40", "53300")  # connection, shutdown, conflict, too many clients: the same again may go well


class PostgresServer:
    """One database. See Database in sql.py for what each method is asked for."""

    def __init__(self, url: URL, *, durability: str, read_only: bool) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._full, self._read_only = durability == "full", read_only
        self.shown = shown(url)
        self.path: Path | None = None
        notify = f", pg_notify('{SCHEMA}_' || id, '')"
        self.statements: Statements = statements(prefix=f"{SCHEMA}.", parameter="%s", clock=CLOCK, notify=notify)
        self.turns = Turns(lambda study: AdvisoryLock(self.connect, study))
        self._ears = Ears(self.connect)
        self._make_engines()
        try:
            with self.writer.begin() as connection:
                self._set_up(connection)
        except BaseException as error:
            self.writer.dispose()
            if isinstance(error, DBAPIError):
                raise self.error(error) from error
            raise

    def _make_engines(self) -> None:
        try:
            self.writer: Engine = create_engine(
                self._url,
                connect_args=self._options(),
                isolation_level="READ COMMITTED",
                pool_size=4,
                max_overflow=-1,
            )
        except ModuleNotFoundError as error:
            if error.name != "psycopg":
                raise
            raise MissingExtra(
                "To keep studies in PostgreSQL, trimtab needs psycopg. Run: pip install 'trimtab[postgres]'"
            ) from None
        self.reader: Engine = self.writer.execution_options(isolation_level="AUTOCOMMIT")

    def _options(self) -> dict[str, Any]:
        settings = list(SERVER_KEEPALIVES)
        if self._read_only:
            settings.append("default_transaction_read_only=on")
        if self._full:
            settings.append("synchronous_commit=on")
        options = " ".join(f"-c {setting}" for setting in settings)
        ours = {"connect_timeout": 10, "application_name": "trimtab", "options": options, **KEEPALIVES}
        return {key: value for key, value in ours.items() if key not in self._url.query}

    def connect(self) -> Any:
        """A connection outside the pool, which commits by itself."""
        import psycopg

        words, settings = self.writer.dialect.create_connect_args(self._url)
        return psycopg.connect(*words, **{**settings, **self._options()}, autocommit=True)

    def _set_up(self, connection: Connection) -> None:
        run = connection.exec_driver_sql
        if run(f"SELECT to_regclass('{SCHEMA}.meta')").scalar() is None:
            if self._read_only:
                raise StorageError(f"{self.shown} holds no studies: nothing was ever written to it.")
            run("SELECT pg_advisory_xact_lock(%s, %s)", SETUP)  # CREATE … IF NOT EXISTS alone fails in a race
            if run("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).scalar() is None:
                run(f"CREATE SCHEMA {SCHEMA}")
            tables(SCHEMA).create_all(connection)
            for row in (("format", str(FORMAT)), ("written_by", VERSION)):
                run(f"INSERT INTO {SCHEMA}.meta VALUES (%s, %s) ON CONFLICT DO NOTHING", row)
        meta: dict[str, str] = {key: value for key, value in run(self.statements.meta)}
        if "format" not in meta:
            raise StorageError(f"{self.shown} has a schema {SCHEMA} that is not ours. Use another database.")
        if int(meta["format"]) > FORMAT:
            raise StorageError(newer_format(self.shown, meta))

    def check(self) -> None:
        """Nothing to look at from here."""

    def wait(self, version: Callable[[], int], study: int, since: int, timeout: float) -> int:
        return self._ears.wait(version, study, since, timeout)

    def turn(self, study: int, timeout: float) -> AbstractContextManager[None]:
        return self.turns.take(study, timeout)

    def deleted(self, study: int) -> None:
        self.turns.close(study)

    def passing(self, error: DBAPIError) -> bool:
        state = getattr(error.orig, "sqlstate", None)
        if state is None:  # not said by a server: there was none
            return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
        return str(state).startswith(PASSING)

    def error(self, error: DBAPIError) -> StorageError:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        said = _first_line(str(error.orig), self._url.password)
        name, user = self._url.database or "", self._url.username or "you"
        if state.startswith("28") or "password" in said:
            mend = 'Look at user and password: storage="postgresql://user:${PGPASSWORD}@host/database".'
        elif state == "3D000" or f'database "{name}" does not exist' in said:
            mend = f"Make it: createdb {name}"
        elif state == "42501":
            mend = f"Let its owner say: GRANT CREATE ON DATABASE {name} TO {user};"
        elif state == "53100":
            mend = "The server's disk is full. What was saved is safe; make room and run the same again."
        elif self.passing(error):
            mend = "Is the server running, and are host and port right? What was saved is safe; run the same again."
        else:
            mend = "What was saved is safe."
        text = f"{self.shown}: PostgreSQL says: {said}. {mend}"
        if state == "53100":
            return StorageFull(text)
        return StorageAway(text) if self.passing(error) else StorageError(text)

    def forked(self) -> None:
        """In a child process: leave the parent's connections alone and make our own."""
        _INHERITED.extend([self.writer, self._ears])
        self._make_engines()
        self._ears = Ears(self.connect)

    def close(self) -> None:
        self.turns.close()
        self._ears.close()
        self.writer.dispose()


_INHERITED: list[object] = []  # of a parent process: collecting them would say good-bye in the parent's name


class Ears:
    """One connection that listens. A second thread that waits at the same time polls."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._heard: set[int] = set()
        self._guard = Lock()

    def wait(self, version: Callable[[], int], study: int, since: int, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        listens = self._guard.acquire(blocking=False)
        try:
            if listens:
                self._listen(study)  # before the first look, so that nothing falls between
            while True:
                now = version()
                left = deadline - time.monotonic()
                if now > since or left <= 0:
                    return now
                if self._connection is None or not listens:
                    time.sleep(min(left, POLL))
                else:
                    self._hear(min(left, LISTEN))
        finally:
            if listens:
                self._guard.release()

    def _listen(self, study: int) -> None:
        import psycopg

        if self._connection is not None and study in self._heard:
            return
        try:
            if self._connection is None:
                self._connection, self._heard = self._connect(), set()
            self._connection.execute(f"LISTEN {SCHEMA}_{int(study)}")
            self._heard.add(study)
        except psycopg.Error as error:
            log.debug("polling instead of listening: %s", type(error).__name__)
            self.close()

    def _hear(self, seconds: float) -> None:
        import psycopg

        try:
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error as error:  # the server went away: look at the version, which waits for its return
            log.debug("polling instead of listening: %s", type(error).__name__)
            self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class AdvisoryLock:
    """A lock of a database session, on a connection that does nothing else."""

    def __init__(self, connect: Callable[[], Any], study: int) -> None:
        self._connect, self._key = connect, (LOCKS, study)
        self._connection: Any = None

    def lock(self, seconds: float) -> bool:
        import psycopg

        for _ in range(2):  # the second time on a new connection, if the old one was dropped meanwhile
            try:
                if self._connection is None:
                    self._connection = self._connect()
                if self._said("SELECT pg_try_advisory_lock(%s, %s)", self._key):
                    return True
                if seconds <= 0:
                    return False
                self._said("SELECT set_config('lock_timeout', %s, false)", (f"{max(1, round(seconds * 1000))}ms",))
                self._said("SELECT pg_advisory_lock(%s, %s)", self._key)
            except psycopg.errors.LockNotAvailable:
                return False
            except psycopg.Error as error:
                log.debug("no turn: %s", type(error).__name__)
                self.close()
            else:
                return True
        return False

    def unlock(self) -> None:
        import psycopg

        try:
            self._said("SELECT pg_advisory_unlock(%s, %s)", self._key)
        except psycopg.Error:
            self.close()  # which gives it back, too

    def _said(self, statement: str, values: tuple[object, ...]) -> object:
        return self._connection.execute(statement, values).fetchone()[0]

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def abandon(self) -> None:
        _INHERITED.append(self._connection)
        self._connection = None


def shown(url: URL) -> str:
    """The URL without password and settings, for messages."""
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}"


def _first_line(said: str, password: object) -> str:
    line = next((line.strip() for line in said.splitlines() if line.strip()), "nothing").rstrip(".")
    return line.replace(str(password), "***") if password else line
