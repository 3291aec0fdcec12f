"""All reports of a study, flat: one row a (trial, step, fold), one column a metric."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.history._buffers import Buffer
from trimtab.log import JSON

NO_FOLD = -1


@dataclass(frozen=True, slots=True)
class Curve:
    """Reports as columns, in the order they were accepted: trial, step, fold (-1: none) and metrics[name] are (n,)."""

    trial: NDArray[np.int32]
    step: NDArray[np.float64]
    fold: NDArray[np.int32]
    metrics: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.step)


class Reports:
    """Growing columns, and for each trial the spans of rows that are its own.

    About 8 + 8·metrics + 8 bytes a row: 10^7 points of one metric take 240 MB.
    """

    def __init__(self) -> None:
        self.trial = Buffer(dtype=np.int32)
        self.step = Buffer()
        self.fold = Buffer(dtype=np.int32)
        self.metrics: dict[str, Buffer] = {}
        self._spans: dict[int, array[int]] = {}  # trial -> start, stop, start, stop, …
        self._top: dict[int, float] = {}  # trial -> its greatest step

    def add(
        self, trial: int, steps: Sequence[float], folds: Sequence[int] | None, metrics: Mapping[str, Sequence[JSON]]
    ) -> list[int]:
        """Take in a batch; returns the indices within the batch that said something new.

        A row for a (step, fold) seen before replaces it; a row equal to what is there says nothing new.
        """
        k = len(steps)
        last = self._top.get(trial)
        if last is None or (steps[0] > last and (k == 1 or all(a < b for a, b in pairwise(steps)))):
            self._append(trial, steps, folds, metrics)
            return list(range(k))
        return [i for i in range(k) if self._put(trial, i, steps, folds, metrics)]

    def _put(
        self,
        trial: int,
        i: int,
        steps: Sequence[float],
        folds: Sequence[int] | None,
        metrics: Mapping[str, Sequence[JSON]],
    ) -> bool:
        fold = NO_FOLD if folds is None else folds[i]
        rows = self.rows_of(trial)
        there = rows[(self.step.rows()[rows] == steps[i]) & (self.fold.rows()[rows] == fold)]
        one = {name: [values[i]] for name, values in metrics.items()}
        if not len(there):
            self._append(trial, steps[i : i + 1], None if folds is None else [fold], one)
            return True
        row, new = int(there[0]), False
        for name, (value,) in one.items():
            column = self._column(name)
            number = np.nan if value is None else float(value)
            old = column.rows()[row]
            if not (old == number or (np.isnan(old) and np.isnan(number))):
                column[row] = number
                new = True
        return new

    def _append(
        self, trial: int, steps: Sequence[float], folds: Sequence[int] | None, metrics: Mapping[str, Sequence[JSON]]
    ) -> None:
        start, k = self.step.n, len(steps)
        for name, values in metrics.items():
            column = self._column(name)
            if k == 1:
                column.append(np.nan if values[0] is None else float(values[0]))
            else:
                column.extend(np.array(values, dtype=np.float64))
        if k == 1:
            self.step.append(steps[0])
            self.trial.append(trial)
            self.fold.append(NO_FOLD if folds is None else folds[0])
        else:
            self.step.extend(steps)
            self.trial.extend(np.full(k, trial, np.int32))
            self.fold.extend(np.full(k, NO_FOLD, np.int32) if folds is None else folds)
        for name, column in self.metrics.items():
            if name not in metrics:
                column.extend(np.full(k, np.nan))
        top = float(max(steps))
        self._top[trial] = max(top, self._top.get(trial, top))
        spans = self._spans.get(trial)
        if spans is None:
            self._spans[trial] = array("q", (start, start + k))
        elif spans[-1] == start:
            spans[-1] = start + k
        else:
            spans.extend((start, start + k))

    def _column(self, name: str) -> Buffer:
        column = self.metrics.get(name)
        if column is None:
            column = self.metrics[name] = Buffer()
            column.extend(np.full(self.step.n, np.nan))
        return column

    def top(self, trial: int) -> float | None:
        """The greatest step a trial has reported."""
        return self._top.get(trial)

    def rows_of(self, trial: int) -> NDArray[np.int64]:
        """Row indices of one trial's reports."""
        spans = self._spans.get(trial)
        if spans is None:
            return np.empty(0, np.int64)
        if len(spans) == 2:
            return np.arange(spans[0], spans[1])
        return np.concatenate([np.arange(a, b) for a, b in zip(spans[::2], spans[1::2], strict=True)])

    def last_row(self, trial: int) -> int | None:
        """The row of the greatest (step, fold) of a trial: its newest word."""
        rows = self.rows_of(trial)
        if not len(rows):
            return None
        return int(rows[np.lexsort((self.fold.rows()[rows], self.step.rows()[rows]))[-1]])

    def curve(self, rows: Any, hide: Sequence[str] = ()) -> Curve:
        return Curve(
            self.trial.rows()[rows],
            self.step.rows()[rows],
            self.fold.rows()[rows],
            {name: column.rows()[rows] for name, column in self.metrics.items() if name not in hide},
        )
