"""Optuna's tables, read with SQL alone: SQLite, and what SQLAlchemy has a driver for.

Schema  as of Optuna 2.4 (study_directions) to 5. What came later is optional: value_type (3.0) spells infinities and
        NaN. Rows are read as {column: value}, so a column more or less does no harm.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trimtab.errors import StorageError
from trimtab.integrations.optuna._domains import from_json
from trimtab.integrations.optuna._stored import DIRECTIONS, STATES, StoredStudy, StoredTrial, pick, seconds_of
from trimtab.storage import _expanded

Row = Mapping[str, Any]
Fetch = Callable[[str], list[Row]]
SPECIAL = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
NEEDED = ("studies", "study_directions", "trials", "trial_params", "trial_values", "trial_intermediate_values")


@contextmanager
def sqlite_file(path: Path) -> Iterator[Fetch]:
    """Rows of an SQLite file, which is only read."""
    where = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(where, uri=True, timeout=30, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")  # all as of one moment, though Optuna may be writing
        yield lambda sql: [dict(row) for row in connection.execute(sql)]


@contextmanager
def server(url: str) -> Iterator[Fetch]:
    """Rows of a database server, all as of one moment."""
    from sqlalchemy import create_engine, make_url, text
    from sqlalchemy.exc import SQLAlchemyError

    shown = url.rpartition("@")[2]
    try:
        place = make_url(_expanded(url))
        shown = place.render_as_string(hide_password=True)
        if place.drivername == "postgresql":
            place = place.set(drivername="postgresql+psycopg")  # the driver that trimtab[postgres] brings
        engine = create_engine(place, isolation_level="REPEATABLE READ")
        try:
            with engine.connect() as connection:
                yield lambda sql: [dict(row._mapping) for row in connection.execute(text(sql))]
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        told = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise StorageError(f"{shown} can't be read: {told}") from None


def read(fetch: Fetch, name: str | None, where: str) -> StoredStudy:
    """One study of a database."""
    _check_tables(fetch, where)
    found = pick({row["study_name"]: row for row in fetch("SELECT * FROM studies ORDER BY study_id")}, name, where)
    me = int(found["study_id"])
    directions = [row["direction"] for row in fetch(_of_study("study_directions", me, "objective"))]
    if not directions or not set(directions) <= set(DIRECTIONS):
        raise StorageError(f"{where}: the study {found['study_name']!r} has the directions {directions}.")
    study = StoredStudy(
        str(found["study_name"]),
        directions,
        _attributes(fetch(_of_study("study_user_attributes", me, "study_id"))),
        _attributes(fetch(_of_study("study_system_attributes", me, "study_id"))),
    )
    study.trials = _trials(fetch, me, where)
    return study


def _check_tables(fetch: Fetch, where: str) -> None:
    for table in NEEDED:
        try:
            fetch(f"SELECT * FROM {table} WHERE 1 = 0")
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            if table == "studies":
                raise StorageError(f"{where} holds no tables of Optuna.") from None
            raise StorageError(
                f"{where} lacks the table {table}: it was written by an Optuna before 2.4. "
                "Bring it up to date first: optuna storage upgrade --storage URL"
            ) from None


def _of_study(table: str, study: int, order: str) -> str:
    return f"SELECT * FROM {table} WHERE study_id = {study} ORDER BY {order}"


def _trials(fetch: Fetch, study: int, where: str) -> list[StoredTrial]:
    utc = _major(fetch) >= 5
    trials: dict[int, StoredTrial] = {}
    rows = fetch(f"SELECT * FROM trials WHERE study_id = {study} ORDER BY trial_id")
    for i, row in enumerate(rows):
        number = i if row.get("number") is None else int(row["number"])
        if row["state"] not in STATES:
            raise ValueError(f"{where}: trial {number} has the state {row['state']!r}")
        times = (seconds_of(row[c], utc=utc) for c in ("datetime_start", "datetime_complete"))
        trials[row["trial_id"]] = StoredTrial(number, row["state"], None, {}, {}, {}, {}, {}, *times)

    def of(table: str, order: str) -> Iterator[tuple[StoredTrial, Row]]:
        sql = f"SELECT x.* FROM {table} x JOIN trials t ON t.trial_id = x.trial_id WHERE t.study_id = {study}"
        for row in fetch(f"{sql} ORDER BY x.trial_id, x.{order}"):
            if row["trial_id"] in trials:  # begun since
                yield trials[row["trial_id"]], row

    known: dict[str, Any] = {}  # the same text again and again
    for trial, row in of("trial_params", "param_id"):
        name, text = str(row["param_name"]), row["distribution_json"]
        dist = known.get(text)
        if dist is None:
            dist = known[text] = from_json(text)
        try:
            trial.dists[name], trial.params[name] = dist, dist.value(float(row["param_value"]))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"trial {trial.number}, {name}: {error}") from None
    for trial, row in of("trial_values", "objective"):
        trial.values = [*(trial.values or ()), _number(row["value"], row.get("value_type"))]
    for trial, row in of("trial_intermediate_values", "step"):
        trial.reports[int(row["step"])] = _number(row["intermediate_value"], row.get("intermediate_value_type"))
    for trial, row in of("trial_user_attributes", "trial_user_attribute_id"):
        trial.notes[str(row["key"])] = json.loads(row["value_json"])
    for trial, row in of("trial_system_attributes", "trial_system_attribute_id"):
        trial.system[str(row["key"])] = json.loads(row["value_json"])
    return sorted(trials.values(), key=lambda t: t.number)


def _number(value: Any, kind: str | None) -> float:
    if kind in SPECIAL:
        return SPECIAL[kind]
    return math.nan if value is None else float(value)


def _attributes(rows: list[Row]) -> dict[str, Any]:
    return {str(row["key"]): json.loads(row["value_json"]) for row in rows}


def _major(fetch: Fetch) -> int:
    """The version of Optuna that made the tables."""
    try:
        rows = fetch("SELECT library_version FROM version_info")
        return int(str(rows[0]["library_version"]).partition(".")[0])
    except (sqlite3.OperationalError, LookupError, ValueError):
        return 0
