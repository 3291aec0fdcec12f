"""A cell: one optimizer on one task with one seed; its address, and its result as one line of JSON.

Idea    The address is a hash of all that the result depends on. A file of results is appended line by line, so a bench
        that is killed loses at most the cell it was in, and one that is started again repeats none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """What is to be run.

    budget   in full evaluations (a trial of half the epochs counts 0.5)
    workers  trials at once, in virtual time when more than one
    """

    task: str
    optimizer: str
    seed: int
    budget: float
    workers: int = 1
    revision: str = ""  # of the task and of the method: "1/tpe-2"

    @property
    def address(self) -> str:
        words = json.dumps([FORMAT, *asdict(self).values()])
        return blake2b(words.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a cell. Everything but `timing` and `where` follows from the cell alone, for trimtab's own methods.

    state        done, crashed, timeout, refused (the optimizer can't take the task), missing (a package or data is not
                 there)
    why          one line, unless done
    trace        rows [spent, at, value, …], one whenever the incumbent changes: full evaluations spent, virtual
                 seconds, and the value of each goal in its own units, without noise and at full fidelity. Several
                 goals: one row for each point that no earlier one dominates
    evaluations, failed, repeated   how many were begun, how many of them failed, how many had been tried before
    spent, at    at the end
    timing       {"ask": [[n, CPU seconds a suggestion up to the n-th], …] (thinned), "optimizer": CPU seconds in all,
                 "task": CPU seconds in all, "wall": …}
    where        {"version": of the optimizer's package, "trimtab": …, "python": …, "numpy": …, "machine": …, "date": …}
    """

    cell: Cell
    state: str
    why: str = ""
    trace: tuple[tuple[float, ...], ...] = ()
    evaluations: int = 0
    failed: int = 0
    repeated: int = 0
    spent: float = 0.0
    at: float = 0.0
    timing: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        return json.dumps({"address": self.cell.address, **asdict(self)}, separators=(",", ":"), allow_nan=False)


def read(path: Path) -> Iterator[Result]:
    """The results of a file, in its order. A last line that was cut off by a kill is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield from_json(json.loads(line))


def from_json(data: Mapping[str, Any]) -> Result:
    """A line of a file -> its Result."""
    words = {name: value for name, value in data.items() if name not in ("address", "cell", "trace")}
    return Result(cell=Cell(**data["cell"]), trace=tuple(map(tuple, data["trace"])), **words)
