"""When a study is over: rules, each a function of the log. Any one ends it, and the reason is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from numbers import Integral, Real
from typing import Any, ClassVar, Protocol

import numpy as np

from trimtab.errors import UnknownName
from trimtab.history import History, Ledger, State
from trimtab.log import JSON
from trimtab.study._times import seconds


class Rule(Protocol):
    name: ClassVar[str]

    def over(self, ledger: Ledger, history: History) -> str | None:
        """Why the study is over, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Over as soon as a feasible trial is at least this good."""

    value: float
    name: ClassVar[str] = "target"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _real("Target", self.value))

    def over(self, ledger: Ledger, history: History) -> str | None:
        best = best_number(history)
        if best is None:
            return None
        value = ledger.rows[best].values[ledger.objectives[0]]
        reached = value <= self.value if ledger.signs[0] > 0 else value >= self.value
        return f"target {self.value:g} was reached by trial {best} ({value:g})" if reached else None


@dataclass(frozen=True, slots=True)
class Patience:
    """Over after so many finished trials in a row without an improvement."""

    trials: int
    name: ClassVar[str] = "patience"

    def __post_init__(self) -> None:
        object.__setattr__(self, "trials", _whole("Patience", self.trials))

    def over(self, ledger: Ledger, history: History) -> str | None:
        best = best_number(history)
        ended = np.isin(history.state, (State.FINISHED, State.STOPPED, State.FAILED))
        since = int((ended & (history.numbers > (-1 if best is None else best))).sum())
        return f"patience: {since} trials without improvement" if since >= self.trials else None


@dataclass(frozen=True, slots=True)
class Failures:
    """Over after so many failures in a row. in_a_row=None: never, not even when the first three trials all fail."""

    in_a_row: int | None = 10
    name: ClassVar[str] = "failures"

    def __post_init__(self) -> None:
        if self.in_a_row is not None:
            object.__setattr__(self, "in_a_row", _whole("Failures", self.in_a_row))

    def over(self, ledger: Ledger, history: History) -> str | None:
        if self.in_a_row is None:
            return None
        ended = history.state[np.isin(history.state, (State.FINISHED, State.STOPPED, State.FAILED))]
        last = ended[-self.in_a_row :]
        if len(last) == self.in_a_row and (last == State.FAILED).all():
            return f"failures: the last {self.in_a_row} trials all failed"
        return None


@dataclass(frozen=True, slots=True)
class Time:
    """Over when the trials have taken so long in all: seconds or "24h" of every attempt, over all runs and workers."""

    seconds: float | str
    name: ClassVar[str] = "time"

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", seconds(self.seconds))

    def over(self, ledger: Ledger, history: History) -> str | None:
        spent, most = float(ledger.spent.get("seconds", 0.0)), float(self.seconds)
        return f"time: the trials took {spent:.0f} s of {most:g} s" if spent >= most else None


@dataclass(frozen=True, slots=True)
class GpuHours:
    """Over when the trials have taken so many GPU hours in all: per_trial={"gpu": …} times the time of each attempt."""

    hours: float
    name: ClassVar[str] = "gpu_hours"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hours", _real("GpuHours", self.hours))

    def over(self, ledger: Ledger, history: History) -> str | None:
        spent = ledger.spent.get("gpu_seconds", 0.0) / 3600
        return f"gpu_hours: {spent:.3g} of {self.hours:g} were used" if spent >= self.hours else None


def _real(rule: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise ValueError(f"{rule}({value!r}): a finite number was expected.")
    return float(value)


def _whole(rule: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{rule}({value!r}): a whole number, at least 1.")
    return int(value)


RULES: Mapping[str, type[Any]] = {cls.name: cls for cls in (Target, Patience, Failures, Time, GpuHours)}


def rules_of(stop: Any) -> list[Rule]:
    """stop= as rules: a list of them, or a table as [stop] of a study file: {"target": 0.05, "time": "24h"}.

    failures=False: never stop because of failures, not even when the first three trials all fail.
    """
    if isinstance(stop, Mapping):
        for name in stop:
            if name not in RULES:
                raise UnknownName(str(name), among=RULES, kind="stop rule")
        return [_rule(name, value) for name, value in stop.items()]
    if not (isinstance(stop, (list, tuple)) and all(type(rule) in RULES.values() for rule in stop)):
        raise TypeError(
            f'stop={stop!r}: a list of rules, such as [tt.Target(0.05)], or a table such as {{"target": 0.05}}.'
        )
    return list(stop)


def _rule(name: str, value: Any) -> Rule:
    if name == "failures" and value is False:
        return Failures(None)
    whole = name in ("patience", "failures")
    if name != "time" and (isinstance(value, (bool, str)) or not isinstance(value, Integral if whole else Real)):
        raise TypeError(f"stop: {name} = {value!r}: {'a whole number' if whole else 'a number'} was expected.")
    made: Rule = RULES[name](value)
    return made


def best_number(history: History) -> int | None:
    """The feasible finished trial with the smallest first objective; None if there is none.

    While nothing has run to its full budget: the best of those that came furthest.
    """
    if not len(history) or not history.objectives:
        return None
    y, state = history.Y[:, 0], history.state
    valued = ~np.isnan(y)
    if history.constraints:
        valued &= (history.C <= 0).all(axis=1)
    good = valued & (state == State.FINISHED)
    if not good.any():
        good = valued & np.isin(state, (State.STOPPED, State.PAUSED))
        if not good.any():
            return None
        level = np.nan_to_num(history.level)
        good &= level == level[good].max()
    rows = np.flatnonzero(good)
    return int(history.numbers[rows[np.argmin(y[rows])]])


def rules_to_json(rules: Sequence[Rule]) -> list[dict[str, JSON]]:
    return [{"rule": rule.name, **asdict(rule)} for rule in rules]  # type: ignore[call-overload]


def rules_from_json(rows: Sequence[Mapping[str, JSON]]) -> list[Rule]:
    out: list[Rule] = []
    for row in rows:
        settings = dict(row)
        name = settings.pop("rule")
        if name not in RULES:
            raise UnknownName(name, among=RULES, kind="stop rule")
        out.append(RULES[name](**settings))
    return out
