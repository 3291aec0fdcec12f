"""A cell: one optimizer on one task with one seed; its address, and its result as one line of JSON.

Idea    The address is a hash of all that the result depends on. A file of results is appended line by line, so a bench
        that is killed loses at most the cell it was in, and one that is started again repeats none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any

from trimtab.errors import TrimtabError

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
    why          one line, unless done; of one that found nothing, why its last evaluation failed
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
    """The results of a file, in its order. A last line that was cut off by a kill is left out; any other that is no
    result is an error that names it."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.endswith(b"\n"):
                    yield _result(line, f"{path}, line {number}")
    except OSError as error:
        raise TrimtabError(f"{path} can't be read: {error.strerror}.") from None


def _result(line: bytes, place: str) -> Result:
    try:
        found = from_json(json.loads(line))
        if all(len(row) > 2 and all(map(isfinite, row)) for row in found.trace) and isinstance(
            found.cell.revision, str
        ):
            return found
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise TrimtabError(f"{place}: this is no result of a bench, or one of a newer trimtab.")


def from_json(data: Mapping[str, Any]) -> Result:
    """A line of a file -> its Result."""
    words = {name: value for name, value in data.items() if name not in ("address", "cell", "trace")}
    return Result(cell=Cell(**data["cell"]), trace=tuple(map(tuple, data["trace"])), **words)
