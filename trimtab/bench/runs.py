"""Running a bench: the cells that a file does not hold yet, each appended as it ends.

Idea    The file is the state. A bench that is killed has lost the cells that were in hand and nothing else; the same
        call goes on. One bench writes to a file at a time, and says so to the second.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from trimtab.bench._pool import run_cells
from trimtab.bench.cell import Cell, Result, read
from trimtab.errors import TrimtabError

AGAIN = ("missing",)  # states that are no result: what was not there may be there next time
LIMIT = 3600.0  # seconds for a cell
BEGIN = b'{"address":"'  # of every line


def results(*paths: Path) -> list[Result]:
    """The results of files, one a cell: of several the last, but what was missing once takes no result away."""
    found: dict[str, Result] = {}
    for path in paths:
        if not path.exists():
            raise TrimtabError(f"{path} is not there. Make it: trimtab bench run smoke")
        for result in read(path):
            if result.state not in AGAIN or result.cell.address not in found:
                found[result.cell.address] = result
    return list(found.values())


def run(
    cells: Sequence[Cell],
    path: Path,
    *,
    jobs: int = 0,
    limit: float = LIMIT,
    data: Path | None = None,
    again: Collection[str] = (),
    told: Callable[[Result, int, int], None] = lambda result, done, total: None,
) -> Counter[str]:
    """Run the cells that `path` has no result of, and append each as it ends.

    jobs   processes at once; 0: as many as there are cores
    limit  seconds for a cell
    again  states whose cells are run once more, such as "crashed"; the newer result counts
    told   called with each result, how many are done now, and how many there are
    ->     how many ended in which state, those of earlier runs among them
    """
    with _opened(path) as file:
        before = {r.cell.address: r for r in results(path) if r.state not in (*AGAIN, *again)}
        states = Counter(before[cell.address].state for cell in cells if cell.address in before)
        todo = [cell for cell in cells if cell.address not in before]

        def keep(result: Result) -> None:
            _append(file, path, result.line() + "\n")
            states[result.state] += 1
            told(result, states.total(), len(cells))

        run_cells(todo, keep, jobs=jobs or len(os.sched_getaffinity(0)), limit=limit, data=data)
    return states


def _append(file: FileIO, path: Path, line: str) -> None:
    """The line, and on the disk when this returns."""
    rest = memoryview(line.encode())
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError as error:
        raise TrimtabError(
            f"{path} can't be written: {error.strerror}. What is in it stays; the same command goes on."
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    """The file to append to, locked, without a last line that was cut off. Nobody else's file is touched."""
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+b", buffering=0)  # nothing is left to be written when it is closed on a full disk
    except OSError as error:
        raise TrimtabError(f"{path} can't be written: {error.strerror}.") from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TrimtabError(
                f"Another bench writes to {path}. Wait for it, or give this one its own: --out"
            ) from None
        file.seek(0)
        held = file.read()
        whole = held.rfind(b"\n") + 1
        cut = held[whole:]
        if not (cut.startswith(BEGIN) or BEGIN.startswith(cut)):
            raise TrimtabError(f"{path} holds something other than results of a bench. Name another file: --out")
        file.truncate(whole)
        yield file
