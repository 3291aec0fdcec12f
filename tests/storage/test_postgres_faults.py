"""A PostgreSQL server that goes away, comes back, refuses, or never was."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url

from trimtab.errors import StorageAway, StorageError
from trimtab.log import FORMAT, Event, Mark
from trimtab.storage import open_storage, sql
from trimtab.storage.sql import Sql

DEFINED = Event("defined", {})
number = itertools.count()
NOTE = Event("noted", {"a": 1})


def run(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def database(pg_url: str) -> str:
    """An empty database of the test's own."""
    name = f"faults{next(number)}"
    run(pg_url, f"CREATE DATABASE {name}")
    return pg_url.rpartition("/")[0] + f"/{name}"


@pytest.fixture
def storage(database: str) -> Iterator[Sql]:
    made = Sql(database)
    yield made
    made.close()


def end_sessions(database: str) -> None:
    run(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()",
    )


def test_dropped_connections_are_made_again(storage: Sql, database: str) -> None:
    study, _ = storage.create("s", DEFINED)
    for i in range(4):
        with storage.turn(study, 1):
            storage.append(study, [NOTE], f"{i}")
        assert storage.wait(study, i + 1, 0.05) == i + 2
        end_sessions(database)
    assert storage.read(study, 0)[1] == Mark(5, 1)


def test_an_append_lives_through_a_restart_of_the_server(storage: Sql, pg_server: Any) -> None:
    study, _ = storage.create("s", DEFINED)
    stop = threading.Event()
    done = [0]

    def work() -> None:
        while not stop.is_set():
            storage.append(study, [NOTE, NOTE], f"{done[0]}")
            done[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    pg_server.stop()
    before = done[0]
    time.sleep(0.2)
    pg_server.start()
    while done[0] < before + 5 and thread.is_alive():
        time.sleep(0.02)
    stop.set()
    thread.join(60)
    assert storage.read(study, 0)[1].version == 2 * done[0] + 1  # none lost, none twice


def test_an_unheard_outcome_is_stored_once(storage: Sql, monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    study, _ = storage.create("s", DEFINED)
    real, calls = storage._append, []

    def commits_and_breaks(c: Any, *rest: Any) -> Mark:
        mark = real(c, *rest)
        calls.append(mark)
        if len(calls) == 1:
            c.connection.dbapi_connection.commit()
            end_sessions(database)
            c.exec_driver_sql("SELECT 1")  # fails: committed, but nobody was told
        return mark

    monkeypatch.setattr(storage, "_append", commits_and_breaks)
    assert storage.append(study, [Event("started", {}, 0, 1), NOTE], "a", decides=1) == Mark(3, 2)
    assert storage.append(study, [Event("started", {}, 0, 1), NOTE], "a", decides=1) == Mark(3, 2)
    assert storage.read(study, 0)[1] == Mark(3, 2)


def test_a_waiting_driver_lives_through_a_dropped_connection(storage: Sql, database: str) -> None:
    study, _ = storage.create("s", DEFINED)
    other = Sql(database)

    def drop_then_append() -> None:
        end_sessions(database)
        other.append(study, [NOTE], "a")

    timer = threading.Timer(0.2, drop_then_append)
    timer.start()
    assert storage.wait(study, 1, 20) == 2
    timer.join()
    other.close()


def test_a_server_that_stays_away(storage: Sql, pg_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    study, _ = storage.create("s", DEFINED)
    monkeypatch.setattr(sql, "PATIENCE", 0.3)
    pg_server.stop()
    try:
        with pytest.raises(StorageAway, match="Is the server running"):
            storage.append(study, [NOTE], "a")
        with storage.turn(study, 0.1):
            pass  # gone without
    finally:
        pg_server.start()
    assert storage.append(study, [NOTE], "a") == Mark(2, 1)


@pytest.mark.parametrize("password", ["secret", "s3cr/t @x"])
def test_passwords_are_never_shown(password: str, monkeypatch: pytest.MonkeyPatch, pg_url: str) -> None:
    monkeypatch.setenv("TT_PASSWORD", password)
    with pytest.raises(StorageError) as caught:
        open_storage("postgresql://me:${TT_PASSWORD}@127.0.0.1:1/d")
    assert password not in str(caught.value)
    assert "postgresql://me@127.0.0.1:1/d" in str(caught.value)
    assert "Is the server running" in str(caught.value)
    url = make_url(pg_url).set(password=password)
    storage = Sql(url)
    assert repr(storage) == f"Sql('postgresql://postgres@127.0.0.1:{url.port}/{url.database}')"
    storage.close()


def test_a_database_that_does_not_exist(pg_url: str) -> None:
    with pytest.raises(StorageError, match="Make it: createdb nowhere"):
        open_storage(pg_url.rpartition("/")[0] + "/nowhere")


def test_a_newer_format_is_refused(storage: Sql, database: str) -> None:
    run(database, f"UPDATE trimtab.meta SET value = '{FORMAT + 1}' WHERE key = 'format'")
    with pytest.raises(StorageError, match=rf"log format {FORMAT + 1}\); this is .* not touched"):
        open_storage(database)


def test_no_right_to_make_tables(pg_url: str, database: str) -> None:
    run(database, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    guest = str(make_url(database).set(username="guest"))
    name = make_url(database).database
    with pytest.raises(StorageError, match=f"GRANT CREATE ON DATABASE {name} TO guest;"):
        open_storage(guest)
    run(database, f"GRANT CREATE ON DATABASE {name} TO guest")
    storage = open_storage(guest)
    storage.create("s", DEFINED)
    storage.close()
    run(database, "DROP SCHEMA trimtab CASCADE", f"REVOKE ALL ON DATABASE {name} FROM guest", "DROP ROLE guest")


def test_reading_only(database: str) -> None:
    with pytest.raises(StorageError, match="nothing was ever written"):
        open_storage(database, read_only=True)
    writer = open_storage(database)
    study, _ = writer.create("s", DEFINED)
    reader = open_storage(database, read_only=True)
    timer = threading.Timer(0.1, lambda: writer.append(study, [NOTE], "a"))
    timer.start()
    assert reader.wait(study, 1, 20) == 2
    assert reader.read(study, 1)[0][0].body == {"a": 1}
    with pytest.raises(StorageError, match="reading only"):
        reader.append(study, [NOTE], "b")
    timer.join()
    reader.close()
    writer.close()


def test_a_forked_child_gets_its_own_connections(storage: Sql) -> None:
    study, _ = storage.create("s", DEFINED)
    with storage.turn(study, 1):
        storage.wait(study, 1, 0.01)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for i in range(30):
                    storage.append(study, [NOTE], f"child {i}")
                start = time.monotonic()
                with storage.turn(study, 0.1):
                    code = 0 if time.monotonic() - start >= 0.1 else 2
            finally:
                os._exit(code)
        for i in range(30):
            storage.append(study, [NOTE], f"parent {i}")
        assert os.waitpid(pid, 0)[1] == 0
    assert storage.read(study, 0)[1] == Mark(61, 1)
    assert storage.wait(study, 61, 0.01) == 61


def test_many_threads_make_the_tables_at_once(database: str) -> None:
    made: list[Sql] = []
    threads = [threading.Thread(target=lambda: made.append(Sql(database))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 6
    for storage in made:
        storage.close()
