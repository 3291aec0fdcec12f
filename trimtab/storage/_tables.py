"""The tables of a log in SQL, the same for SQLite and PostgreSQL, and the few statements that are run on them.

Bodies are TEXT, not JSONB, which would rewrite numbers and the order of keys. Statements are plain strings handed
to the driver: compiling an expression each time costs more than SQLite takes to run it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, UniqueConstraint

from trimtab.log import DECISIONS

TABLES = frozenset({"study", "event", "worker", "meta"})


def tables(schema: str | None) -> MetaData:
    """All tables, in a schema of their own where the database has schemas."""
    meta = MetaData(schema=schema)
    big = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY counts up by itself there
    Table(
        "study",
        meta,
        Column("id", big, primary_key=True, autoincrement=True),
        Column("name", Text, nullable=False, unique=True),
        Column("version", BigInteger, nullable=False),
        Column("decisions", BigInteger, nullable=False),
        Column("created", Float(53), nullable=False),
        sqlite_autoincrement=True,  # the id of a deleted study is not given again
    )
    Table(
        "event",
        meta,
        Column("study", BigInteger, primary_key=True, autoincrement=False),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("kind", Text, nullable=False),
        Column("trial", BigInteger),
        Column("attempt", BigInteger),
        Column("at", Float(53), nullable=False),
        Column("by", Text, nullable=False, quote=True),
        Column("append_id", Text, nullable=False),
        Column("idx", Integer, nullable=False),
        Column("body", Text, nullable=False),
        UniqueConstraint("study", "append_id", "idx", name="event_append"),
        Index("event_trial", "study", "trial"),
        sqlite_with_rowid=False,  # stored in the order of seq, which is the order of every read
    )
    Table(
        "worker",
        meta,
        Column("study", BigInteger, primary_key=True, autoincrement=False),
        Column("id", Text, primary_key=True),
        Column("host", Text, nullable=False),
        Column("boot", Text, nullable=False),
        Column("pid", BigInteger, nullable=False),
        Column("started", Text, nullable=False),
        Column("until", Float(53), nullable=False),
    )
    Table("meta", meta, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
    return meta


@dataclass(frozen=True, slots=True)
class Statements:
    """What Sql runs, in the driver's own way of writing parameters."""

    create: str
    names: str
    find: str
    mark: str
    count: str
    insert: str
    read: str
    first: str
    decisions: str
    beat: str
    workers: str
    forget: str
    delete: str
    delete_events: str
    delete_workers: str
    meta: str


def statements(*, prefix: str, parameter: str, clock: str, notify: str = "") -> Statements:
    """prefix: of table names; parameter: ? or %s; clock: seconds since 1970; notify: one more thing the count does."""
    study, event, worker, meta = (prefix + table for table in ("study", "event", "worker", "meta"))
    kinds = ", ".join(f"'{kind}'" for kind in sorted(DECISIONS))
    text = Statements(
        create=f"INSERT INTO {study} (name, version, decisions, created) VALUES (?, 1, 1, {clock})"
        " ON CONFLICT (name) DO NOTHING RETURNING id",
        names=f"SELECT name FROM {study} ORDER BY id",
        find=f"SELECT id FROM {study} WHERE name = ?",
        mark=f"SELECT version, decisions FROM {study} WHERE id = ?",
        # Always the first statement of an append: its row lock makes the order of seq the order of commits.
        count=f"UPDATE {study} SET version = version + ?, decisions = decisions + ? WHERE id = ?"
        f" RETURNING version, decisions{notify}",
        insert=f'INSERT INTO {event} (study, seq, kind, trial, attempt, at, "by", append_id, idx, body)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        read=f'SELECT kind, body, trial, attempt, at, "by", seq FROM {event}'
        " WHERE study = ? AND seq > ? AND seq <= ? ORDER BY seq",
        first=f"SELECT max(seq) FROM {event} WHERE study = ? AND append_id = ?",
        decisions=f"SELECT count(*) FROM {event} WHERE study = ? AND seq <= ? AND kind IN ({kinds})",
        beat=f"INSERT INTO {worker} (study, id, host, boot, pid, started, until) VALUES (?, ?, ?, ?, ?, ?, {clock} + ?)"
        " ON CONFLICT (study, id) DO UPDATE SET host = excluded.host, boot = excluded.boot, pid = excluded.pid,"
        " started = excluded.started, until = excluded.until",
        workers=f"SELECT id, host, boot, pid, started, until - {clock} FROM {worker} WHERE study = ? ORDER BY id",
        forget=f"DELETE FROM {worker} WHERE study = ? AND id = ?",
        delete=f"DELETE FROM {study} WHERE id = ?",
        delete_events=f"DELETE FROM {event} WHERE study = ?",
        delete_workers=f"DELETE FROM {worker} WHERE study = ?",
        meta=f"SELECT key, value FROM {meta}",
    )
    return Statements(**{name: getattr(text, name).replace("?", parameter) for name in Statements.__slots__})
