"""What a run is worth in one number a row, and the constants of tasks that have none of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.cell import Result
from trimtab.bench.norms import stored
from trimtab.bench.report._sift import task_revision
from trimtab.bench.report.fronts import hypervolume_curve
from trimtab.bench.task import Goal, Task
from trimtab.errors import TrimtabError

Floats = NDArray[np.float64]


class Norm(Protocol):
    """What a task's values are measured against: bench.norms.Norm, or what a caller has."""

    @property
    def best(self) -> float: ...

    @property
    def reference(self) -> float: ...

    def at(self, n: float) -> float: ...


Norms = Callable[[str], Norm | None] | Mapping[str, Norm]


@dataclass(frozen=True, slots=True)
class Pooled:
    """Constants taken from the runs at hand, for a task that has none: good for this report alone."""

    best: float
    reference: float

    def at(self, n: float) -> float:
        return float("nan")


def norm_finder(norms: Norms | None, results: Sequence[Result]) -> Callable[[str], Norm | None]:
    """Name of a task -> its constants: as given, or those stored for the revision that the results are of."""
    if isinstance(norms, Mapping):
        return norms.get
    if norms is not None:
        return norms
    revision = {r.cell.task: task_revision(r) for r in results}
    return lambda name: stored(name, revision[name])


class Goals:
    """The goals of tasks, asked for only where they are needed: loading a task may need data that is not here."""

    def __init__(self, task: Callable[[str], Task] | None) -> None:
        self.make = task
        self.known: dict[str, Task] = {}

    def task(self, name: str) -> Task:
        if name not in self.known:
            if self.make is None:
                from trimtab.bench._families import task

                self.make = task
            self.known[name] = self.make(name)
        return self.known[name]

    def __call__(self, name: str) -> tuple[Goal, ...]:
        return self.task(name).goals


def readable(
    kept: Sequence[Result], norm_of: Callable[[str], Norm | None], goals: Goals
) -> tuple[list[Result], list[str]]:
    """The results but those of tasks that must be asked for their goals and can't be loaded here."""
    lost: dict[str, str] = {}
    wide = {r.cell.task for r in kept if r.trace and len(r.trace[0]) > 3}
    for name in sorted({r.cell.task for r in kept}):
        norm = norm_of(name)
        if name in wide or norm is None or not usable(norm):
            try:
                goals(name)
            except (TrimtabError, OSError) as error:
                lost[name] = f"{name}: left out, because the goals can't be read here. {error}"
    return [r for r in kept if r.cell.task not in lost], list(lost.values())


def values_of(r: Result, goals: Goals) -> Floats:
    """(rows,) the only goal's values, or the hypervolumes of what was found so far."""
    if not r.trace:
        return np.empty(0)
    rows = np.array([row[2:] for row in r.trace], float)
    if rows.shape[1] == 1:
        return rows[:, 0]
    return hypervolume_curve(scaled(rows, goals(r.cell.task)))


def scaled(values: Floats, goals: Sequence[Goal]) -> Floats:
    """Values (n, m) of several goals with 0 at the ideal and 1 at the nadir; goals without them stay as they are."""
    columns = []
    for j, goal in enumerate(goals):
        ideal, nadir = goal.ideal, goal.nadir
        column = values[:, j] * goal.sign
        if ideal is not None and nadir is not None:
            column = (values[:, j] - ideal) / (nadir - ideal)
        columns.append(column)
    return np.stack(columns, axis=1)


def usable(norm: Norm) -> bool:
    return norm.best is not None and norm.reference is not None and bool(np.isfinite([norm.best, norm.reference]).all())


def pool(values: list[Floats], goals: Goals, name: str) -> Norm:
    """The best that the task itself knows of, or else that any run came by, and the median of what runs began with."""
    found = [v for v in values if v.size]
    if not found:
        return Pooled(0.0, 1.0)
    known = goals.task(name)
    up = len(known.goals) > 1 or known.goals[0].sense == "maximize"
    every = np.concatenate(found)
    best = float(every.max() if up else every.min()) if known.best is None else known.best
    return Pooled(best, float(np.median([v[0] for v in found])))
