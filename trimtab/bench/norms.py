"""What random search reaches on each task, and the best anybody has seen: constants, frozen in norms.json.

Idea    A regret needs two points of reference that no result can move: the best value, and the median of the best of n
        random configurations, evaluated whole and without noise. They are computed once for a task and its revision, by
        `python -m benchmarks.norms`, and read from here ever after.
Limits  A draw that fails or breaks a constraint is one of the n, and worse than any other. Where it would itself be the
        median, the median of the feasible draws stands in for it.
Source  The yardstick of bayesmark: the median of the best of n draws is the quantile 1 - (1/2)^(1/n) of a single draw.
Goals   Of a task with several goals all numbers are hypervolumes, after (value - ideal) / (nadir - ideal), reference
        point 1.1: larger is better.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trimtab.bench.task import Task

FILE = Path(__file__).with_name("norms.json")
SIZES = (1, 5, 10, 25, 50, 100, 200)  # the n for which medians are stored


@dataclass(frozen=True)
class Norm:
    """What is known of a task, in its goal's own units.

    best    the best value known
    exact   whether that is proven
    random  {n: median of the best of n random evaluations}
    """

    best: float
    exact: bool
    random: Mapping[int, float]

    @property
    def reference(self) -> float:
        """The median of a single random evaluation."""
        return self.random[1]

    def at(self, n: float) -> float:
        """The median of the best of n random evaluations: stored, or between two stored ones on the scale of log n.

        >>> Norm(0.0, True, {1: 4.0, 100: 2.0}).at(10)
        3.0
        """
        known = sorted(self.random)
        if n <= known[0] or n >= known[-1]:
            return self.random[known[0] if n <= known[0] else known[-1]]
        above = next(m for m in known if m >= n)
        below = max(m for m in known if m <= n)
        if above == below:
            return self.random[below]
        part = (math.log(n) - math.log(below)) / (math.log(above) - math.log(below))
        return (1 - part) * self.random[below] + part * self.random[above]


def norm(task: Task) -> Norm | None:
    """The constants of this revision of the task; None where there are none."""
    return stored(task.name, task.revision)


def stored(name: str, revision: int = 1) -> Norm | None:
    """The same by name, for a family that takes `best` from here."""
    row = _rows().get(name)
    if row is None or row["revision"] != revision:
        return None
    return Norm(row["best"], row["exact"], {int(n): value for n, value in row["random"].items()})


def medians(losses: NDArray[np.float64], sizes: tuple[int, ...] = SIZES) -> dict[int, float]:
    """{n: median of the least of n draws with replacement from losses (N,)}; inf is a draw that does not count.

    The least of n is at most the k-th smallest with probability 1 - (1 - k/N)^n: k is the first that makes it a half.

    >>> medians(np.array([1.0, 2.0, 3.0, 4.0]), (1, 2, 10))
    {1: 2.0, 2: 2.0, 10: 1.0}
    """
    ordered = np.sort(losses)
    feasible = ordered[np.isfinite(ordered)]
    middle = feasible[math.ceil(len(feasible) / 2) - 1]
    ranks = [math.ceil(len(ordered) * (1 - 0.5 ** (1 / n)) - 1e-9) for n in sizes]
    return {n: float(min(ordered[k - 1], middle)) for n, k in zip(sizes, ranks, strict=True)}


@lru_cache(maxsize=1)
def _rows() -> dict[str, Any]:
    if not FILE.exists():
        return {}
    rows: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return rows
