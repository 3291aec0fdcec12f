"""What can be asked of a study: its trials, the best of them, why they were tried, and tables of them.

What needs only a History is a function elsewhere; here stands what people type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.errors import MultiObjective, NoResult
from trimtab.history import History, State, Trial
from trimtab.log import JSON, Event
from trimtab.space import Space
from trimtab.study._log import Log, read_all
from trimtab.study._status import nothing_yet
from trimtab.study._stop import best_number
from trimtab.study._where import where

if TYPE_CHECKING:
    import pandas as pd

    from trimtab.study._asked import Asked


class Results:
    """The reading half of a Study; every call reads on in the log first."""

    name: str
    _log: Log
    _labels: Space | None  # the space as this call gave it, with the objects that labels stand for

    def __repr__(self) -> str:
        told = ", ".join(f"{n} {word}" for word, n in self._counts().items() if n and word != "counted")
        return f"Study({self.name!r}, {told or 'no trials yet'}, {self._log.storage!r})"

    @property
    def history(self) -> History:
        """What methods see: columns, smaller is better."""
        self._log.refresh()
        return self._log.history

    @property
    def space(self) -> Space:
        """The space in force. With the objects that labels stand for, where this call's space has them."""
        self._log.refresh()
        ledger, mine = self._log.ledger, self._labels
        return mine if mine is not None and mine.to_json() == ledger.definitions[-1]["space"] else ledger.space

    @property
    def seed(self) -> int:
        seed: int = self._log.ledger.definitions[0]["seed"]
        return seed

    @property
    def objectives(self) -> dict[str, str]:
        """{name: "min" or "max"}"""
        ledger = self._log.ledger
        return {n: "min" if s > 0 else "max" for n, s in zip(ledger.objectives, ledger.signs, strict=True)}

    @property
    def trials(self) -> list[Trial]:
        """Every trial, also running, failed and invalid ones."""
        with self._log.lock:
            self._log.refresh()
            return [self._log.ledger.record(i) for i in range(len(self._log.ledger.rows))]

    def __len__(self) -> int:
        self._log.refresh()
        return len(self._log.ledger.rows)

    def trial(self, number: int | Trial) -> Trial:
        """One trial by its number."""
        self._log.refresh()
        return self._log.ledger.record(self._number(number))

    @property
    def counts(self) -> dict[str, int]:
        """Trials by state; `counted` is what counts towards trials=."""
        with self._log.lock:
            self._log.refresh()
            return self._counts()

    def _counts(self) -> dict[str, int]:
        ledger = self._log.ledger
        waiting = len(ledger.waiting)
        shown_ = {**ledger.counts, "queued": waiting, "invalid": ledger.invalid, "counted": ledger.counted}
        shown_["running"] -= waiting
        return shown_

    @property
    def best(self) -> Trial:
        """The best feasible finished trial of a study with one objective."""
        with self._log.lock:
            self._log.refresh()
            ledger = self._log.ledger
            if len(ledger.objectives) != 1:
                raise MultiObjective(
                    f"This study has {len(ledger.objectives)} objectives ({', '.join(ledger.objectives)}), so there is "
                    f"no single best. Use study.front ({len(self.front)} trials)."
                )
            number = best_number(self._log.history)
            if number is None:
                raise NoResult(nothing_yet(self.name, ledger, where(self._log.storage)))
            return ledger.record(number)

    @property
    def front(self) -> list[Trial]:
        """The feasible trials that no other beats in every objective, oldest first."""
        from trimtab.parts.pareto import front

        with self._log.lock:
            history = self.history
            if not len(history):
                return []
            good = np.isin(history.state, (State.FINISHED, State.STOPPED)) & ~np.isnan(history.Y).any(axis=1)
            if history.constraints:
                good &= (history.C <= 0).all(axis=1)
            rows = np.flatnonzero(good)
            return [self._log.ledger.record(int(history.numbers[rows[i]])) for i in front(history.Y[rows])]

    def failures(self) -> list[dict[str, JSON]]:
        """Failed trials, grouped by what went wrong and where: kind, text, where, trials, most frequent first."""
        from trimtab.study import _tables

        return _tables.failures(self.trials)

    def explain(self, trial: int | Trial) -> dict[str, JSON]:
        """Why a trial was tried, went on, paused or stopped: a line each, with the method that decided it."""
        from trimtab.study import _tables

        self._log.refresh()
        return _tables.explain(self._log, self._number(trial))

    def log(self) -> Iterator[Event]:
        """The raw log, oldest first."""
        return read_all(self._log.storage, self._log.study)

    def attributes(self, trial: int | Trial | None = None) -> Mapping[str, JSON]:
        """What was noted of a trial, or, without one, of the study."""
        self._log.refresh()
        return dict(self._log.ledger.attributes.get(None if trial is None else self._number(trial), {}))

    def to_dicts(self, *, reports: bool = False) -> list[dict[str, Any]]:
        """One dict a trial, or with reports=True one a report."""
        from trimtab.study import _tables

        self._log.refresh()
        return _tables.report_rows(self._log.ledger) if reports else _tables.trial_rows(self.trials)

    def to_pandas(self, *, reports: bool = False, style: str = "trimtab") -> pd.DataFrame:
        """One row a trial, or with reports=True one a report. style="optuna": Optuna's columns and state words."""
        from trimtab.study import _tables

        self._log.refresh()
        return _tables.to_pandas(self._log.ledger, self.trials, reports=reports, style=style)

    def to_arrow(self, *, reports: bool = False) -> Any:
        """A pyarrow.Table: one row a trial, or with reports=True one a report."""
        from trimtab.study import _tables

        return _tables.to_arrow(self.to_dicts(reports=reports), "make an Arrow table")

    def export(self, path: str | Path, *, what: str = "trials") -> None:
        """Write trials, reports or events to a .csv, .json, .jsonl or .parquet file."""
        self._log.refresh()
        from trimtab.study import _tables

        _tables.export(self, Path(path), what)

    # ── which trial ──

    def _number(self, trial: int | Trial | Asked) -> int:
        number = (
            trial
            if isinstance(trial, (int, np.integer)) and not isinstance(trial, bool)
            else getattr(trial, "number", None)
        )
        if number is None:
            raise TypeError(f"{trial!r} is no trial: give its number, or a Trial.")
        if not 0 <= number < len(self._log.ledger.rows):
            self._log.refresh()
        have = len(self._log.ledger.rows)
        if not 0 <= number < have:
            span = f"0 to {have - 1}" if have else "none yet"
            raise NoResult(f'"{self.name}" has no trial {number}: there are {have} ({span}).')
        return int(number)

    def _numbers(self, trials: Any) -> list[int]:
        many = trials if isinstance(trials, (list, tuple, range, np.ndarray)) else [trials]
        return [self._number(t) for t in many]
