"""A table of finished runs as a task: look up the row, draw the repetition, read off the curve.

Look-up   exact. A combination that the table doesn't hold is a failed evaluation (`Hole`); no row nearby stands in for
          it, because that would make a space with plateaus which nobody measured.
Noise     an evaluation sees one repetition, drawn from the seed and the row: the same at every budget, so that a run
          that is looked at later is the same run. What is recommended is judged by `shown`, the mean over repetitions.
Fidelity  a budget between two recorded levels gets the lower one, at the cost of the lower one: what had been written
          by then. Nothing is interpolated.
NaN       from some level to the end: that run diverged there, and its later values are NaN (a failed trial). A number
          after a NaN is a broken file.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab._random import stable_hash
from trimtab.bench.readers._files import FloatArray, WrongFile
from trimtab.bench.task import Config, Fidelity, Goal, Outcome, Task
from trimtab.space import Bool, Choice, Const, Int, Space

IntArray = NDArray[np.int64]


class Hole(LookupError):
    """The table has no row for a configuration: the evaluation fails."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Which row holds a configuration.

    values  of each parameter, in any order; None stands for "not active"
    codes   (n, parameters): the place in `values` of what each row holds
    """

    values: Mapping[str, Sequence[Any]]
    codes: IntArray

    @cached_property
    def _places(self) -> list[tuple[str, dict[Hashable, int]]]:
        places, weight = [], 1
        for name, values in self.values.items():
            places.append((name, {value: weight * i for i, value in enumerate(values)}))
            weight *= len(values)
        return places

    @cached_property
    def _rows(self) -> dict[int, int]:
        keys = np.zeros(len(self.codes), object if self.size >= 2**62 else np.int64)
        weight = 1
        for j, values in enumerate(self.values.values()):
            keys = keys + self.codes[:, j].astype(keys.dtype) * weight
            weight *= len(values)
        return {int(key): row for row, key in enumerate(keys.tolist())}

    @property
    def size(self) -> int:
        """How many combinations of the values there are."""
        product = 1
        for values in self.values.values():
            product *= len(values)
        return product

    @property
    def distinct(self) -> int:
        """How many different rows there are."""
        return len(self._rows)

    @property
    def reachable(self) -> IntArray:
        """Every row."""
        return np.arange(len(self.codes))

    def row(self, config: Config) -> int:
        """The row of a configuration, or a Hole."""
        key = 0
        for name, places in self._places:
            value = config.get(name)
            if value not in places:
                raise Hole(f"the table has no row with {name}={value!r}: a hole, so the evaluation fails")
            key += places[value]
        row = self._rows.get(key)
        if row is None:
            raise Hole(f"the table has no row for {dict(config)!r}: a hole, so the evaluation fails")
        return row


class Answers(Protocol):
    """Says which row answers a configuration: exactly, or the nearest; and which rows can answer at all."""

    @property
    def reachable(self) -> IntArray: ...

    def row(self, config: Config, /) -> int: ...


@dataclass(frozen=True, eq=False)
class Table:
    """Finished runs.

    rows     which row answers a configuration
    seen     (n, repetitions, levels) of each metric: what an evaluation gives; NaN: not run, or diverged
    shown    (n,) of each goal: what a recommendation is worth
    seconds  (n, repetitions, levels) since the start of the run; or (n, repetitions, 1): of the whole run, of which a
             lower level costs its share
    levels   (levels,) of the fidelity, rising
    """

    file: Path
    rows: Answers
    _: KW_ONLY
    seen: Mapping[str, FloatArray]
    shown: Mapping[str, FloatArray]
    seconds: FloatArray
    levels: FloatArray

    def __post_init__(self) -> None:
        n, repetitions, levels = next(iter(self.seen.values())).shape
        good = {(n, repetitions, levels), (n, repetitions, 1)}
        for name, array in {**self.seen, "seconds": self.seconds}.items():
            if array.shape not in good or (name != "seconds" and array.shape[2] != levels):
                found = f"{name!r} has the shape {array.shape}"
                raise WrongFile(self.file, found, f"{(n, repetitions, levels)} as the other arrays have")
        for name, array in self.seen.items():
            _check_curves(self.file, name, array)

    def repetition(self, row: int, seed: int) -> int:
        """Which of the runs of this row this seed sees."""
        ran = self._ran[row]
        return int(ran[stable_hash(seed, "repetition", row) % len(ran)])

    @cached_property
    def _ran(self) -> list[IntArray]:
        first = next(iter(self.seen.values()))[:, :, 0]
        whole = np.arange(first.shape[1])
        missing = np.isnan(first)
        return [np.flatnonzero(~gone) if gone.any() else whole for gone in missing]

    def level(self, budget: float | None) -> int:
        """The last level that is not above the budget."""
        if budget is None:
            return len(self.levels) - 1
        low, high = self.levels[0], self.levels[-1]
        if not low * (1 - 1e-9) <= budget <= high * (1 + 1e-9):
            raise ValueError(f"budget={budget} is outside of what was recorded: {low:g} to {high:g}")
        return int(np.searchsorted(self.levels, budget * (1 + 1e-9), side="right")) - 1

    def measure(self, config: Config, budget: float | None, seed: int) -> Outcome:
        """One look at one run."""
        row, level = self.rows.row(config), self.level(budget)
        return self._outcome(row, self.repetition(row, seed), level)

    def curve(self, config: Config, seed: int) -> list[Outcome]:
        """One run at steps 1, 2, … of the fidelity."""
        row = self.rows.row(config)
        repetition = self.repetition(row, seed)
        return [self._outcome(row, repetition, self.level(step)) for step in range(1, int(self.levels[-1]) + 1)]

    def true(self, config: Config) -> dict[str, float]:
        """What a recommendation is worth."""
        row = self.rows.row(config)
        return {name: float(values[row]) for name, values in self.shown.items()}

    def _outcome(self, row: int, repetition: int, level: int) -> Outcome:
        spent = self.seconds[row, repetition]
        if len(spent) == len(self.levels):
            seconds = float(spent[level])
        else:
            seconds = float(spent[0] * self.levels[level] / self.levels[-1])
        metrics = {name: float(array[row, repetition, level]) for name, array in self.seen.items()}
        return Outcome(metrics, seconds)

    def task(self, name: str, space: Space, goals: Sequence[Goal], fidelity: str = "", **words: Any) -> Task:
        """The task of this table; `fidelity` names what its levels count, if there are several."""
        whole = bool((self.levels == np.round(self.levels)).all())
        several = len(self.levels) > 1
        goal = goals[0]
        ends = goal.sign * self.shown[goal.name][self.rows.reachable]
        return Task(
            name=name,
            space=space,
            goals=tuple(goals),
            measure=self.measure,
            curve=self.curve if several and whole and self.levels[0] == 1 else None,
            fidelity=Fidelity(fidelity, *map(float, self.levels[[0, -1]]), integer=whole) if several else None,
            true=self.true,
            best=goal.sign * float(np.nanmin(ends)) if len(goals) == 1 else None,
            exact=len(goals) == 1,
            **words,
        )


def _check_curves(file: Path, name: str, curves: FloatArray) -> None:
    """Every row ran at least once, no number comes after a NaN, none is infinite."""
    gone = np.isnan(curves)
    if gone.any():
        for row in np.flatnonzero(gone[:, :, 0].all(axis=1))[:1]:
            raise WrongFile(file, f"{name!r} of row {row} is NaN in every repetition", "one run at least of each row")
        back = gone[:, :, :-1] & ~gone[:, :, 1:]
        for row, repetition, level in np.argwhere(back)[:1]:
            found = f"{name!r} of row {row}, repetition {repetition} is NaN at level {level} and a number after it"
            raise WrongFile(file, found, "a NaN from where a run diverged to its end")
    if np.isinf(curves).any():
        row, repetition, level = np.argwhere(np.isinf(curves))[0]
        found = f"{name!r} of row {row}, repetition {repetition}, level {level} is infinite"
        raise WrongFile(file, found, "finite numbers, or NaN for a run that diverged")


def domain(values: Sequence[Any]) -> Any:
    """The domain that allows these values and no others.

    Numbers that are evenly spaced, or all the powers of something, become an Int, so that a model knows how far apart
    they are; other numbers an ordered Choice.

    >>> domain([16, 32, 64]).log, domain([8, 16, 24]).step, domain([0.1, 0.5]).ordered
    (2, 8, True)
    """
    if len(values) == 1:
        return Const(values[0])
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return Bool()
    if not kinds <= {int, float}:
        return Choice(sorted(values, key=str))
    ordered = sorted(values)
    if kinds == {int} and len(ordered) > 2:
        steps = {b - a for a, b in pairwise(ordered)}
        if len(steps) == 1:
            step = steps.pop()
            return Int(ordered[0], ordered[-1], **({"step": step} if step > 1 else {}))
        base = ordered[1] // ordered[0] if ordered[0] > 0 else 0
        if base > 1 and all(b == a * base for a, b in pairwise(ordered)):
            powers = Int(ordered[0], ordered[-1], log=base)
            if powers.exponents()[1] == len(ordered) and base ** powers.exponents()[0] == ordered[0]:
                return powers
    return Choice(ordered, ordered=True)
