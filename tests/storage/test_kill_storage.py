"""kill -9 at any moment: what was acknowledged is there, once, with nothing torn."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trimtab.log import Event
from trimtab.storage import open_storage

# Acknowledges by printing after append returned. Batches of 3 show that an append is whole or not there.
WRITER = """
import sys
from trimtab.log import Event
from trimtab.storage import open_storage
where, who = sys.argv[1:]
storage = open_storage(where)
study, _ = storage.create("s", Event("defined", {}))
for i in range(10**9):
    storage.append(study, [Event("noted", {"id": f"{who}-{i}", "part": part}) for part in range(3)], f"{who}-{i}")
    print(f"{who}-{i}", flush=True)
"""


def rounds(where: str, count: int, rng: random.Random) -> None:
    acked: list[str] = []
    for round_ in range(count):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, where, f"{round_}{who}"], stdout=subprocess.PIPE, text=True)
            for who in "ab"
        ]
        for writer in writers:
            assert writer.stdout is not None
            acked.append(writer.stdout.readline().strip())  # it is at work
        time.sleep(rng.uniform(0, 0.2))
        for writer in writers:
            writer.kill()
            acked += writer.communicate()[0].split()
        storage = open_storage(where)
        study = storage.find("s")
        assert study is not None
        events, mark = storage.read(study, 0)
        assert [event.seq for event in events] == list(range(1, mark.version + 1))
        found = [(event.body["id"], event.body["part"]) for event in events[1:]]
        assert len(set(found)) == len(found)
        assert [part for _, part in found] == [0, 1, 2] * (len(found) // 3)
        assert {(id_, part) for id_ in acked for part in range(3)} <= set(found)
        storage.append(study, [Event("noted", {"id": f"{round_}", "part": p}) for p in range(3)], f"after {round_}")
        storage.close()
    assert len(acked) > 5 * count


def test_sqlite_writers_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    rounds(str(path), 3, random.Random(0))
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_postgres_writers_killed(pg_url: str) -> None:
    storage = open_storage(pg_url)
    if (study := storage.find("s")) is not None:
        storage.delete(study)
    storage.close()
    rounds(pg_url, 2, random.Random(0))


@pytest.mark.slow
def test_sqlite_writers_killed_often(tmp_path: Path) -> None:
    rounds(str(tmp_path / "a.db"), 40, random.Random(1))


def _open(where: str, gate: Any) -> None:
    gate.wait(30)
    storage = open_storage(where)
    storage.create("s", Event("defined", {}))
    storage.close()


def test_many_processes_make_the_file_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(4)
    where = str(tmp_path / "a.db")
    children = [context.Process(target=_open, args=(where, gate)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    storage = open_storage(where)
    assert storage.names() == ["s"]
    assert storage.read(1, 0)[1].version == 1
    storage.close()


def test_killed_while_the_file_is_made(tmp_path: Path) -> None:
    rng = random.Random(0)
    code = (
        "import sys; from trimtab.storage import open_storage; from trimtab.storage.sql import Sql; print(flush=True)\n"
        "for i in range(10**9): open_storage(f'{sys.argv[1]}/{i}.db').close()"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.3 + rng.random() * 0.1)
    child.kill()
    child.communicate()
    last = max(int(path.stem) for path in tmp_path.glob("*.db"))
    storage = open_storage(tmp_path / f"{last}.db")  # made half-way perhaps: open finishes it
    storage.create("s", Event("defined", {}))
    storage.close()
