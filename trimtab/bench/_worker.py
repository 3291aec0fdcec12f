"""The program of a worker: cells come in as lines of JSON, results go out as lines.

Nothing else may reach its standard output: what tasks and optimizers print goes to standard error.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path

from trimtab.bench._one import run_cell
from trimtab.bench.cell import Cell


def main(limit: float, data: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    cells: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(cells,), daemon=True).start()
    while True:
        cell = Cell(**json.loads(cells.get()))
        answers.write(run_cell(cell, data=Path(data) if data else None, limit=limit).line() + "\n")
        answers.flush()


def _listen(cells: queue.SimpleQueue[str]) -> None:
    """Lines as they come; the end of them is the end of the parent, and nobody wants the cell in hand any more."""
    for line in sys.stdin:
        cells.put(line)
    os._exit(0)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
