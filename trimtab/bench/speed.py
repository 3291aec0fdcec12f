"""CPU time a suggestion against the number of trials: all optimizers in one run, in turn; so load hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from trimtab.bench._families import task as task_called
from trimtab.bench._optimizers import optimizer
from trimtab.bench._pool import run_cells
from trimtab.bench.cell import Cell, Result
from trimtab.errors import TrimtabError


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured.

    seconds  {optimizer: {n: CPU seconds a suggestion, of each round}}; the mean of the ten suggestions up to the n-th
    total    {optimizer: CPU seconds for all suggestions, of each round}
    failed   {optimizer: why}
    """

    task: str
    sizes: tuple[int, ...]
    seconds: Mapping[str, Mapping[int, Sequence[float]]]
    total: Mapping[str, Sequence[float]]
    failed: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {"task": self.task, "seconds": self.seconds, "total": self.total, "failed": self.failed}

    def text(self) -> str:
        """Milliseconds: the median of the rounds, with the least and the greatest; and the ratio to the first."""
        head = f"{'CPU ms a suggestion':24}" + "".join(f"{f'at {n}':>24}" for n in self.sizes)
        lines = [f"{self.task}, all in one run; median of the rounds (least – greatest)", head]
        first = next(iter(self.seconds), None)
        for name, by_size in self.seconds.items():
            cells = []
            for n in self.sizes:
                took = [1e3 * s for s in by_size[n]]
                ratio = median(by_size[n]) / median(self.seconds[first][n]) if first and name != first else 1.0
                cells.append(f"{median(took):.3g} ({min(took):.3g} – {max(took):.3g}) ×{ratio:.3g}")
            lines.append(f"{name:24}" + "".join(f"{cell:>24}" for cell in cells))
        return "\n".join([*lines, *(f"{name}: {why}" for name, why in self.failed.items())])


def speed(
    names: Sequence[str],
    task: str,
    sizes: Sequence[int],
    *,
    rounds: int = 3,
    say: Callable[[str], None] = lambda s: None,
) -> Speed:
    """Measure each optimizer on `task` up to max(sizes) trials, `rounds` times, one process at a time."""
    wanted, names = tuple(sorted(set(sizes))), tuple(dict.fromkeys(names))
    if not wanted or wanted[0] < 1:
        raise TrimtabError(f"at={sizes!r}: numbers of trials, such as 50,100,300.")
    task_called(task)  # a name that is wrong is said before anything runs
    for name in names:
        optimizer(name)
    seconds: dict[str, dict[int, list[float]]] = {}
    total: dict[str, list[float]] = {}
    failed: dict[str, str] = {}

    def keep(result: Result) -> None:
        name = result.cell.optimizer
        if result.state != "done":
            failed[name] = f"{result.state}: {result.why}"
            return
        say(f"round {result.cell.seed + 1}: {name} {result.timing['optimizer']:.3g} s for {wanted[-1]} suggestions")
        total.setdefault(name, []).append(result.timing["optimizer"])
        for n in wanted:
            at = min((pair for pair in result.timing["ask"] if pair[0] >= n), default=result.timing["ask"][-1])
            seconds.setdefault(name, {}).setdefault(n, []).append(at[1])

    cells = [Cell(task, name, seed, wanted[-1]) for seed in range(rounds) for name in names]
    run_cells(cells, keep, jobs=1, limit=36000.0, data=None)
    return Speed(task, wanted, {n: seconds[n] for n in names if n in seconds}, total, failed)
