"""What a run on a task has left behind, and the trace of its incumbents.

Idea    Both kinds of optimizers (trimtab's in a real Study, everybody else's in a session) leave the same rows, and one
        function makes of them what a result keeps. Incumbents are chosen by what the optimizer saw, noise and all, and
        told by the noise-free value of the same configuration at full fidelity: never the same number twice.
Cost    One goal O(n), two O(n log n), more O(n) looks at the front; the true value is asked for incumbents only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

import numpy as np

from trimtab.bench.task import Config, Task

Trace = tuple[tuple[float, ...], ...]
NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """One evaluation, or one report of a trial on the way.

    spent     full evaluations paid for so far, this one included
    at        virtual seconds
    key       of the trial
    step      of the fidelity; None for tasks that are evaluated whole
    metrics   as the optimizer saw them; none when it failed
    feasible  whether every constraint holds
    why       of a failure, one line
    """

    spent: float
    at: float
    key: int
    config: Config
    step: float | None
    metrics: Mapping[str, float]
    feasible: bool = True
    failed: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt of a trial on a worker, in virtual time.

    state  finished, failed, stopped, paused; cut: it ran when the budget was spent
    """

    key: int
    attempt: int
    worker: int
    start: float
    end: float
    first_step: float
    last_step: float
    state: str


@dataclass(slots=True)
class Rows:
    """The record of a run. It is filled as the run goes, so what came before an optimizer's crash is there.

    asks         (n, CPU seconds in the optimizer for the n-th suggestion); of several made at once the first has all
    optimizer    CPU seconds in the optimizer in all; task: in measure() and curve()
    evaluations  trials begun; of those: failed, and repeated (a configuration seen before)
    spent, at    full evaluations and virtual seconds at the end
    ended        why: budget, time (virtual), wall, or what was left to do
    """

    rows: list[Row] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    asks: list[tuple[int, float]] = field(default_factory=list)
    optimizer: float = 0.0
    task: float = 0.0
    evaluations: int = 0
    failed: int = 0
    repeated: int = 0
    spent: float = 0.0
    at: float = 0.0
    ended: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def busy(self) -> float:
        """Seconds that workers spent on trials."""
        return sum(span.end - span.start for span in self.spans)

    def utilisation(self, workers: int) -> float:
        """The share of the workers' time that went into trials."""
        return self.busy / (workers * self.at) if self.at else 0.0


def values_of(task: Task, metrics: Mapping[str, float]) -> list[float] | None:
    """The goals' values in their own units; None when one is missing or not finite."""
    found = [float(metrics.get(goal.name, inf)) for goal in task.goals]
    return found if all(map(isfinite, found)) else None


def trace(rows: Iterable[Row], task: Task) -> Trace:
    """Rows (spent, at, value, …), one whenever the incumbent changes; see Result.trace.

    One goal: the incumbent is the best feasible report at the highest step that any trial has reached so far. Several:
    one row for each feasible configuration, evaluated at full fidelity, that no earlier one dominates or equals.
    """
    good = [row for row in rows if row.feasible and not row.failed]
    return _incumbents(good, task) if len(task.goals) == 1 else _archive(good, task)


def _incumbents(rows: list[Row], task: Task) -> Trace:
    goal, out = task.goals[0], list[tuple[float, ...]]()
    best, highest, holder = inf, -inf, None
    known: dict[int, list[float] | None] = {}
    for row in rows:
        step = inf if row.step is None else row.step
        if step < highest:
            continue
        value = goal.sign * row.metrics[goal.name]
        if step == highest and value >= best:
            continue
        best, highest = value, step
        if row.key == holder:
            continue
        if row.key not in known:
            known[row.key] = whole(task, row)
        if (told := known[row.key]) is not None:
            holder = row.key
            out.append((row.spent, row.at, *told))
    return tuple(out)


def _archive(rows: list[Row], task: Task) -> Trace:
    top = None if task.fidelity is None else task.fidelity.high
    signs = [goal.sign for goal in task.goals]
    front: _Stairs | _Front = _Stairs() if len(signs) == 2 else _Front(len(signs))
    out = []
    for row in rows:
        if row.step is not None and top is not None and row.step < top:
            continue
        told = whole(task, row)
        if told is not None and front.add([s * v for s, v in zip(signs, told, strict=True)]):
            out.append((row.spent, row.at, *told))
    return tuple(out)


def whole(task: Task, row: Row) -> list[float] | None:
    """The goals of a row's configuration without noise and at full fidelity, not charged; None when that fails.

    A task without `true` has no noise, so a full evaluation is its own answer and is not made again.
    """
    try:
        if task.true is not None:
            return values_of(task, task.true(row.config))
        if row.step is None or task.fidelity is None or row.step >= task.fidelity.high:
            return values_of(task, row.metrics)
        return values_of(task, task.measure(row.config, None, 0).metrics)
    except Exception:  # it fails further on: no value that could be told
        return None


class _Stairs:
    """The front of two minimised goals: first values rise, second ones fall. O(log n) a point."""

    def __init__(self) -> None:
        self.xs: list[float] = []
        self.ys: list[float] = []

    def add(self, point: list[float]) -> bool:
        x, y = point
        after = bisect_right(self.xs, x)
        if after and self.ys[after - 1] <= y:
            return False
        first = last = bisect_left(self.xs, x)
        while last < len(self.xs) and self.ys[last] >= y:
            last += 1
        self.xs[first:last], self.ys[first:last] = [x], [y]
        return True


class _Front:
    """The front of any number of minimised goals."""

    def __init__(self, goals: int) -> None:
        self.points: Any = np.empty((0, goals))

    def add(self, point: list[float]) -> bool:
        if (self.points <= point).all(axis=1).any():
            return False
        kept = self.points[~(self.points >= point).all(axis=1)]
        self.points = np.vstack([kept, point])
        return True
