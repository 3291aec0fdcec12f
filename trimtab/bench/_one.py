"""One cell: the task made, the optimizer let loose on it, and what came of it."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from trimtab import __version__
from trimtab.bench._families import task as task_called
from trimtab.bench._optimizers import optimizer as optimizer_called
from trimtab.bench._plan import unfit
from trimtab.bench.cell import Cell, Result
from trimtab.bench.optimizer import Optimizer
from trimtab.bench.peers import MissingPeer, PeerRefused, PeerTimeout, open_session
from trimtab.bench.rows import Rows, trace
from trimtab.bench.task import Task
from trimtab.bench.virtual import run_session, run_study
from trimtab.errors import MissingExtra, TrimtabError
from trimtab.run.environment import cpu_name


def run_cell(cell: Cell, *, data: Path | None = None, limit: float = float("inf")) -> Result:
    """The result of a cell, whatever happens: an exception of the optimizer is a result, with what it had found.

    limit  seconds, by the clock on the wall
    """
    try:
        task, optimizer = task_called(cell.task, data), optimizer_called(cell.optimizer)
    except (TrimtabError, OSError) as error:
        return Result(cell, "missing", _line(error))
    if why := unfit(optimizer, task):
        return Result(cell, "refused", why)
    rows, begun = Rows(), time.perf_counter()
    state, why, where = "done", "", _where()
    try:
        where["version"] = _run(cell, task, optimizer, limit, rows)
    except (MissingPeer, MissingExtra) as error:
        return Result(cell, "missing", _line(error))
    except PeerTimeout as error:
        state, why = "timeout", _line(error)
    except PeerRefused as error:
        return Result(cell, "refused", _line(error))
    except Exception as error:  # the optimizer's: a crash is a result like any other
        state, why = "crashed", _line(error)
    if rows.ended == "wall":
        state, why = "timeout", f"{limit:g} s were not enough for {cell.budget:g} evaluations"
    elif rows.ended.startswith("nothing left"):
        why = rows.ended
    found = trace(rows, task)
    if state == "done" and not found:
        why = next((row.why for row in reversed(rows.rows) if row.why), why)
    return Result(
        cell, state, why, found, rows.evaluations, rows.failed, rows.repeated, rows.spent, rows.at,
        timing={
            "ask": thinned(rows.asks), "optimizer": round(rows.optimizer, 4), "task": round(rows.task, 4),
            "wall": round(time.perf_counter() - begun, 3),
        },
        where=where,
    )  # fmt: skip


def _run(cell: Cell, task: Task, optimizer: Optimizer, limit: float, rows: Rows) -> str:
    """Let it loose; the version of what ran."""
    if optimizer.package == "trimtab":
        run_study(optimizer, task, cell.seed, cell.budget, cell.workers, wall=limit, into=rows)
        return __version__
    session = open_session(optimizer, task, cell.seed, cell.budget, again=True)
    try:
        run_session(
            session, task, cell.seed, cell.budget, cell.workers, takes=optimizer.takes, wall=limit, into=rows
        )  # fmt: skip
    finally:
        session.close()
    return session.version


def _line(error: Exception) -> str:
    """An exception in one line of at most 300 signs."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _where() -> dict[str, Any]:
    return {
        "trimtab": __version__, "python": platform.python_version(), "numpy": np.__version__,
        "machine": f"{platform.system()}, {cpu_name()}", "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip


def _edges() -> Iterator[int]:
    """1, 2, 5, 10, 20 … 100, 150 … 500, 1000, 1500 …"""
    yield from (1, 2, 5)
    yield from range(10, 100, 10)
    yield from range(100, 500, 50)
    n = 500
    while True:
        yield n
        n += 500


def thinned(asks: Sequence[tuple[int, float]]) -> list[list[float]]:
    """(n, seconds) of every suggestion -> [n, mean seconds of those since the last edge].

    >>> thinned([(1, 3.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 3.0)])
    [[1, 3.0], [2, 1.0], [5, 2.0]]
    """
    found: list[list[float]] = []
    edges, bin_ = _edges(), list[float]()
    edge = next(edges)
    for n, seconds in asks:
        bin_.append(seconds)
        if n >= edge:
            found.append([n, round(sum(bin_) / len(bin_), 6)])
            bin_, edge = [], next(e for e in edges if e > n)
    if bin_:
        found.append([asks[-1][0], round(sum(bin_) / len(bin_), 6)])
    return found
