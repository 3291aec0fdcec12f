"""SQLite below Sql: one file, written by any number of processes of one machine.

WAL, so that readers never wait; BEGIN IMMEDIATE, so that no reading transaction has to become a writing one (which
fails at once in WAL); a write lock of the file system for turns, which the kernel takes back from a killed process.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from trimtab.errors import StorageAway, StorageError, StorageFull
from trimtab.log import FORMAT
from trimtab.storage._tables import TABLES, Statements, statements, tables
from trimtab.storage._turns import FileLock, Turns
from trimtab.storage._words import VERSION, instead, newer_format, on_network

PATIENCE = 60.0  # seconds that a locked file is waited for
NO_ROOM = (
    "SQLITE_FULL",
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_TRUNCATE",
    "SQLITE_IOERR_SHMSIZE",
)  # quotas are the latter
POLLS = 0.005, 0.1  # seconds between looks at the file: while it changes, and while it doesn't
NETWORK = re.compile(  # kinds of file systems that several machines write; 9p and virtiofs are a virtual machine's own
    r"(fuse\.)?(afs|afpfs|beegfs|ceph(fs)?|cifs|coda|fhgfs|gfs2?|glusterfs|gpfs|lustre|mmfs|ncpfs|nfs\d?|ocfs2|orangefs"
    r"|panfs|pvfs2|smb\d?|smbfs|sshfs|wekafs)"
)
MAGIC = b"SQLite format 3\x00"
CLOCK = "((julianday('now') - 2440587.5) * 86400.0)"


class SqliteFile:
    """One file. See Database in sql.py for what each method is asked for."""

    def __init__(self, path: Path, *, durability: str, read_only: bool) -> None:
        self.path: Path = Path(os.path.abspath(path))
        self._full, self._read_only = durability == "full", read_only
        self.shown = str(path)
        self.statements: Statements = statements(prefix="", parameter="?", clock=CLOCK)
        self.turns = Turns(lambda study: FileLock(self._turn_file(study)))
        self._mode = "mode=ro" if read_only else "mode=rw"
        self._inode: tuple[int, int] | None = None
        self._look_around()
        self._open()

    # -- opening ------------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Refuse what can't work before anything is made or changed."""
        if sqlite3.sqlite_version_info < (3, 35):
            raise StorageError(
                f"SQLite {sqlite3.sqlite_version} is too old: trimtab needs 3.35 (2021) or a newer Python."
            )
        folder = self.path.parent
        if not folder.is_dir():
            raise StorageError(f"{self.shown}: the folder {folder} does not exist. Make it first: mkdir -p {folder}")
        exists = self.path.exists()
        if self._read_only:
            if not exists:
                raise StorageError(f"{self.shown} does not exist, so there is nothing to read.")
            if not os.access(self.path, os.R_OK):
                raise StorageError(
                    f"{self.shown} may not be read by this user. Ask its owner for: chmod +r {self.shown}"
                )
            return
        if kind := network_kind(folder):
            raise StorageError(on_network(self.path, kind))
        for place in [folder, self.path] if exists else [folder]:
            if not os.access(place, os.W_OK):
                raise StorageError(
                    f"{self.shown} can't be written: {place} is read-only for this user."
                    " Reading (trimtab show, export; tt.load) works; to go on with it, copy it to a folder of your own."
                )

    def _open(self) -> None:
        known = self.path.exists() and self.path.stat().st_size > 0 and self._examine()
        if not known:
            if self._read_only:
                raise StorageError(f"{self.shown} is empty: no study was ever written to it.")
            self._make()
        stat = os.stat(self.path)
        self._inode = (stat.st_dev, stat.st_ino)
        self._make_engines()
        if known and not self._read_only:
            try:
                with self.reader.connect() as connection:  # a copy made by some tool may have lost it
                    _into_wal(connection, self.shown)
            except DBAPIError as error:
                raise self.error(error) from error

    def _make_engines(self) -> None:
        self.writer = self._engine()
        self.reader: Engine = self.writer.execution_options(reads=True)

    def _examine(self) -> bool:
        """Whether the file holds our tables. Reads only; raises if it is somebody else's, damaged or newer.

        SQLite itself looks at the file, never open(): closing any other handle would take this process's locks on it
        away (POSIX), and another process could then believe that it is the last one and remove the WAL.
        """
        try:
            found, meta = self._contents("mode=ro")
        except sqlite3.OperationalError:
            # A WAL file in a read-only folder: SQLite wants to make its -shm file, unless nobody can write anyway.
            wal = self.path.with_name(self.path.name + "-wal")
            if not self._read_only or (wal.exists() and wal.stat().st_size > 0):
                raise StorageError(f"{self.shown} can't be opened. Look at who may write it and its folder.") from None
            self._mode = "mode=ro&immutable=1"
            found, meta = self._contents(self._mode)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB and not self.path.read_bytes()[:16].startswith(MAGIC):
                raise StorageError(
                    f"{self.shown} is not a study file (it is no SQLite database)."
                    " It was not touched. Give another name, or move it away."
                ) from None
            raise StorageError(damaged(self.shown, error)) from error
        if found and (not found >= TABLES or "format" not in meta):
            raise StorageError(
                f"{self.shown} is an SQLite database of some other program (tables: {', '.join(sorted(found)[:5])})."
                " It was not touched. Give another name."
            )
        if found and int(meta["format"]) > FORMAT:
            raise StorageError(newer_format(self.path.name, meta))
        return bool(found)

    def _contents(self, mode: str) -> tuple[set[str], dict[str, str]]:
        connection = sqlite3.connect(f"{self.path.as_uri()}?{mode}", uri=True, timeout=PATIENCE)
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            found = {name for (name,) in names if not name.startswith("sqlite_")}
            meta = dict(connection.execute(self.statements.meta).fetchall()) if found >= TABLES else {}
        finally:
            connection.close()
        return found, meta

    def _make(self) -> None:
        """Make the tables in one transaction: many processes may try, and any of them may be killed on the way."""
        # Made by open, not by SQLite: then two processes can't both believe that they were first.
        with suppress(FileExistsError):  # one that is there is not opened: see _examine
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))
        self._inode = None
        engine = self._engine()
        try:
            with engine.connect() as connection:
                _into_wal(connection, self.shown)
            with engine.begin() as connection:
                tables(None).create_all(connection)
                for key, value in (("format", str(FORMAT)), ("written_by", VERSION)):
                    connection.exec_driver_sql("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", (key, value))
        except DBAPIError as error:
            raise self.error(error) from error
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        engine = create_engine("sqlite://", creator=self._connect, poolclass=QueuePool, pool_size=4, max_overflow=-1)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            if connection.get_execution_options().get("reads"):
                return  # each SELECT sees one state by itself
            raw: Any = connection.connection.dbapi_connection
            try:
                raw.execute("BEGIN IMMEDIATE")  # not through SQLAlchemy: that takes longer than SQLite
            except sqlite3.OperationalError:
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # the error as SQLAlchemy words it

        return engine

    def _connect(self) -> sqlite3.Connection:
        # mode=rw and not rwc: a deleted file must not come back as an empty one
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?{self._mode}",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,  # we say BEGIN ourselves
            check_same_thread=False,  # the pool hands it to one thread at a time
        )
        connection.execute(f"PRAGMA synchronous={'FULL' if self._full else 'NORMAL'}")
        return connection

    # -- in use -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """The file must still be the one that was opened: a deleted one would swallow everything written to it."""
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            raise StorageError(
                f"{self.shown} was deleted or moved while in use. Nothing more is written. Put it back and run again."
            ) from None
        if (stat.st_dev, stat.st_ino) != self._inode:
            raise StorageError(f"{self.shown} was replaced by another file while in use. Nothing more is written.")

    def wait(self, version: Callable[[], int], study: int, since: int, timeout: float) -> int:
        """Look at SQLite's own change counter (a few microseconds) until another connection commits."""
        deadline = time.monotonic() + timeout
        pause, longest = POLLS
        with self.reader.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            while True:
                seen = raw.execute("PRAGMA data_version").fetchone()  # before the version: a commit between is noticed
                now = version()
                left = deadline - time.monotonic()
                if now > since or left <= 0:
                    return now
                while left > 0 and raw.execute("PRAGMA data_version").fetchone() == seen:
                    time.sleep(min(pause, left))
                    pause = min(pause * 1.5, longest)
                    self.check()
                    left = deadline - time.monotonic()

    def turn(self, study: int, timeout: float) -> AbstractContextManager[None]:
        return self.turns.take(study, timeout)

    def _turn_file(self, study: int) -> Path:
        # A file a study. Not the database itself: closing any handle of that would drop SQLite's own locks.
        return self.path.with_name(f"{self.path.name}.turn" if study == 1 else f"{self.path.name}.{study}.turn")

    def deleted(self, study: int) -> None:
        self.turns.close(study)
        with suppress(OSError):
            self._turn_file(study).unlink()

    def passing(self, error: DBAPIError) -> bool:
        return False  # SQLite has waited as long as we would

    def error(self, error: DBAPIError) -> StorageError:
        code = getattr(error.orig, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            text = (
                f"{self.shown} has been locked by another program for {PATIENCE:.0f} s (a backup? an SQL shell with an"
                f" open transaction?). Close it. To see who has it open: fuser {self.shown}"
            )
        elif code.startswith(NO_ROOM):
            text = (
                f"There is no room left for {self.shown} (a full disk, a quota, or a limit on file sizes; SQLite says:"
                f" {error.orig}). What was saved is safe. Make room and run the same again."
            )
        elif code.startswith("SQLITE_READONLY"):
            text = f"{self.shown} has become read-only. Give this user the right to write it and its folder."
        elif code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            text = damaged(self.shown, error.orig)
        else:
            text = f"{self.shown}: SQLite says: {error.orig} ({code}). Check the disk and the rights of its folder."
        if code.startswith(NO_ROOM):
            return StorageFull(text)
        passes = code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
        return StorageAway(text) if passes else StorageError(text)

    def forked(self) -> None:
        """In a child process: leave the parent's connections alone and make our own."""
        _INHERITED.append(self.writer)
        self._make_engines()

    def close(self) -> None:
        self.turns.close()
        self.writer.dispose()


_INHERITED: list[Engine] = []  # of a parent process: collecting them would close its connections from here


def _into_wal(connection: Connection, shown: str) -> None:
    """Switch to WAL. Needs the file for a moment to itself, and SQLite does not wait for that."""
    raw: Any = connection.connection.dbapi_connection
    deadline = time.monotonic() + PATIENCE
    while raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            if raw.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise StorageError(f"{shown}: this file system lacks what SQLite needs (WAL). {instead(Path(shown))}")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # the error as SQLAlchemy words it
            time.sleep(0.01)


def damaged(shown: str, error: object) -> str:
    return (
        f"{shown} is damaged ({error}). It was not touched. Copy it and its -wal file to a safe place, then save what"
        f' can be read: sqlite3 {shown} ".recover" | sqlite3 saved.db'
    )


def network_kind(folder: Path, mounts: str | None = None) -> str | None:
    """The kind of network file system that holds the folder, None if it is local or can't be known."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text()
        except OSError:
            return None
    here = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)  # the kernel writes a space as \040
        inside = here == point or here.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of equal ones the last was mounted over the others
            best, kind = point, found
    return kind if NETWORK.fullmatch(kind) else None
