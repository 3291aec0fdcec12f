"""Worker processes for cells: one thread each, fed over pipes; a cell that takes its worker down is a result too.

Idea    A worker is `python -m trimtab.bench._worker`, which reads a cell a line and answers a line. It is begun anew
        after a crash, and once in a while, so that no optimizer inherits another's memory for long. It ends with its
        parent.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trimtab.bench.cell import Cell, Result, from_json
from trimtab.run._slots import THREADS

RECYCLE = 60  # cells of one worker; a guess: importing all peers takes a minute, and leaks of packages show later
LATE = 30.0  # seconds after its limit in which a worker may still answer by itself


class _Worker:
    """One process, and the cell it has in hand."""

    def __init__(self, data: Path | None, limit: float) -> None:
        words = [sys.executable, "-m", "trimtab.bench._worker", str(limit), str(data or "")]
        threads = dict.fromkeys(THREADS, "1")
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, **threads, "PYTHONPATH": _path()},
        )  # fmt: skip
        self.cell: Cell | None = None
        self.done, self.until = 0, 0.0

    def give(self, cell: Cell, limit: float) -> None:
        assert self.process.stdin is not None
        self.cell, self.until = cell, time.monotonic() + limit + LATE
        with suppress(BrokenPipeError):  # it is gone: seen when its answer is awaited
            self.process.stdin.write(json.dumps(asdict(cell)) + "\n")
            self.process.stdin.flush()

    def answer(self) -> Result:
        """What it has written, or how it died."""
        assert self.process.stdout is not None
        assert self.cell is not None
        line, cell = self.process.stdout.readline(), self.cell
        self.cell, self.done = None, self.done + 1
        if line.endswith("\n"):
            return from_json(json.loads(line))
        code = self.process.wait()
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Result(cell, "crashed", f"the worker process ended by {cause}")

    def end(self) -> None:
        """Its whole process group: peers' processes go with it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def run_cells(
    cells: Iterable[Cell], keep: Callable[[Result], None], *, jobs: int, limit: float, data: Path | None
) -> None:
    """Run each cell in one of `jobs` processes; keep(result) is called here, in the order in which they end.

    limit  seconds for a cell; one that takes longer is a time-out, with what it had found until then
    """
    waiting: deque[Cell] = deque(cells)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.cell for worker in workers):
            workers = [worker for worker in workers if _useful(worker)]
            idle = [worker for worker in workers if worker.cell is None]
            while waiting and (idle or len(workers) < jobs):
                if not idle:
                    workers.append(_Worker(data, limit))
                    idle.append(workers[-1])
                idle.pop().give(waiting.popleft(), limit)
            for worker in _ready(workers):
                keep(_late(worker) if worker.until < time.monotonic() else worker.answer())
    finally:
        for worker in workers:
            worker.end()


def _useful(worker: _Worker) -> bool:
    """Whether it may have another cell; ended when not."""
    if worker.cell is not None or (worker.process.poll() is None and worker.done < RECYCLE):
        return True
    worker.end()
    return False


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Those that have answered, died, or are overdue."""
    busy = [worker for worker in workers if worker.cell is not None]
    with selectors.DefaultSelector() as selector:
        for worker in busy:
            selector.register(_stdout(worker), selectors.EVENT_READ, worker)
        first = min(worker.until for worker in busy)
        found: list[Any] = [key.data for key, _ in selector.select(max(0.0, first - time.monotonic()))]
    return found or [worker for worker in busy if worker.until < time.monotonic()]


def _stdout(worker: _Worker) -> Any:
    return worker.process.stdout


def _late(worker: _Worker) -> Result:
    assert worker.cell is not None
    cell, worker.cell = worker.cell, None
    worker.end()
    return Result(cell, "timeout", "it did not end when its time was up, and was killed")


def _path() -> str:
    """So that a worker finds the trimtab that its parent runs."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
