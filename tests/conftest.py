"""What several rooms test against: a real PostgreSQL server of our own, started when a test asks for it."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

_COUNT = itertools.count()  # of databases


def pg_bin() -> Path | None:
    """The folder of initdb and pg_ctl; None where no server is installed."""
    try:
        folder = Path(
            subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True).stdout.strip()
        )
    except (OSError, subprocess.CalledProcessError):
        found = shutil.which("initdb")
        folder = Path(found).parent if found else Path("/nonexistent")
    return folder if (folder / "initdb").exists() else None


class Postgres:
    """A throw-away server on a free port; `stop` and `start` for tests of dropped connections."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.root = Path(tempfile.mkdtemp(prefix="tt-pg-"))  # directly under /tmp: a socket's path must be short
        self.user: dict[str, object] = {}
        if os.geteuid() == 0:  # initdb refuses root
            self.user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.root, "postgres", "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.root} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-w", "-t", "60", "-l", self.root / "log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program: str, *words: object) -> None:
        command = [str(self.binaries / program), "-D", str(self.root / "data"), *map(str, words)]
        subprocess.run(command, check=True, cwd=self.root, stdout=subprocess.DEVNULL, **self.user)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def pg_server() -> Iterator[Postgres]:
    binaries = pg_bin()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here")
    server = Postgres(binaries)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.root)


@pytest.fixture
def pg_url(pg_server: Postgres) -> str:
    """URL of an empty database of the test's own, on a real server."""
    name = f"test{next(_COUNT)}"
    admin = create_engine(pg_server.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return pg_server.url.rpartition("/")[0] + f"/{name}"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a test has set on the logger of trimtab ends with it."""
    logger = logging.getLogger("trimtab")
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.propagate, logger.handlers[:] = propagate, handlers
