"""What a study of trimtab's shows of its trials under Optuna's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trimtab._extras import need
from trimtab.integrations.optuna_api.distributions import of_domain
from trimtab.integrations.optuna_api.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    import pandas as pd

    from trimtab.integrations.optuna_api._study import Study

STATES = {
    "finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "paused": TrialState.PRUNED,
    "failed": TrialState.FAIL, "lost": TrialState.FAIL, "invalid": TrialState.FAIL, "queued": TrialState.WAITING,
    "running": TrialState.RUNNING,
}  # fmt: skip
OWN = ("reports_dropped", "returned", "reused")  # notes that trimtab makes itself
COLUMNS = ("number", "value", "datetime_start", "datetime_complete", "duration", "params", "user_attrs",
           "system_attrs", "state")  # fmt: skip


def names_of(n: int) -> list[str]:
    """How the objectives of a study made here are called."""
    return ["value"] if n == 1 else [f"value_{i}" for i in range(n)]


def in_order(objectives: Sequence[str]) -> list[str]:
    """The objectives in the order of Optuna's directions; trimtab keeps minimised ones first."""
    usual = names_of(len(objectives))
    return usual if set(usual) == set(objectives) else list(objectives)


class Kept:
    """Frozen trials, made once where a trial has ended."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._done: dict[int, tuple[tuple[int, int], FrozenTrial]] = {}

    def all(self) -> list[FrozenTrial]:
        self.study.study._log.refresh()
        return [self._one(number) for number in range(len(self.study.study._log.ledger.rows))]

    def one(self, number: int) -> FrozenTrial:
        return self._one(self.study.study._number(number))

    def attributes(self, number: int) -> dict[str, Any]:
        """What is noted of a trial, and what it was queued with."""
        ledger = self.study.study._log.ledger
        row = ledger.rows[number]
        told = {k: v for k, v in row.notes.items() if k not in OWN}
        return {**row.tags.get("user_attrs", {}), **told, **ledger.attributes.get(number, {})}

    def _one(self, number: int) -> FrozenTrial:
        ledger = self.study.study._log.ledger
        now = (ledger.era, len(ledger.attributes.get(number, ())))
        kept = self._done.get(number)
        if kept is not None and kept[0] == now:
            return kept[1]
        made = self._make(number)
        if made.state.is_finished():
            self._done[number] = now, made
        return made

    def _make(self, number: int) -> FrozenTrial:
        ledger, metrics = self.study.study._log.ledger, self.study._metrics
        row = ledger.rows[number]
        state = STATES[row.word if row.valid else "invalid"]
        good = state in (TrialState.COMPLETE, TrialState.PRUNED) and all(m in row.values for m in metrics)
        curve = ledger.reports.curve(ledger.reports.rows_of(number))
        values = curve.metrics.get(metrics[0])
        reports = {} if values is None else {int(s) - 1: float(v) for s, v in zip(curve.step, values, strict=True)}
        domains = ledger.space.domains
        objects = self.study._objects
        return FrozenTrial(
            number, state,
            [float(row.values[m]) for m in metrics] if good else None,
            {name: objects.get(name, {}).get(v, v) if isinstance(v, str) else v for name, v in row.config.items()},
            {name: of_domain(domains[name], objects.get(name, {})) for name in row.config if name in domains},
            self.attributes(number), {}, reports, datetime.fromtimestamp(row.began),
            None if row.ended is None or not state.is_finished() else datetime.fromtimestamp(row.ended),
        )  # fmt: skip


@dataclass
class Summary:
    """One line of get_all_study_summaries()."""

    study_name: str
    directions: list[Any]
    n_trials: int
    best_trial: FrozenTrial | None
    user_attrs: dict[str, Any]
    datetime_start: datetime | None

    @property
    def direction(self) -> Any:
        return self.directions[0]

    @classmethod
    def of(cls, study: Study, best: bool) -> Summary:
        trials = study.trials
        complete = any(t.state is TrialState.COMPLETE for t in trials)
        found = study.best_trial if best and complete and len(study.directions) == 1 else None
        began = trials[0].datetime_start if trials else None
        return cls(study.study_name, study.directions, len(trials), found, study.user_attrs, began)


def frame(trials: Sequence[FrozenTrial], attrs: Sequence[str], metric_names: Sequence[str] | None) -> pd.DataFrame:
    """One row a trial, with Optuna's columns in Optuna's order."""
    frames: Any = need("pandas", extra="pandas", to="make a data frame")
    several = any(t.values is not None and len(t.values) > 1 for t in trials)
    rows: list[dict[str, Any]] = []
    for trial in trials:
        row: dict[str, Any] = {}
        for attr in attrs:
            if attr in ("value", "values"):
                row |= _values(trial, several, metric_names)
            elif attr in ("params", "user_attrs", "system_attrs", "intermediate_values"):
                row |= {f"{attr}_{name}": value for name, value in sorted(getattr(trial, attr).items())}
            elif attr == "state":
                row["state"] = trial.state.name
            else:
                row[attr] = getattr(trial, attr)
        rows.append(row)
    found = dict.fromkeys(name for row in rows for name in row)
    order = [name for attr in attrs for name in found if name == attr or name.startswith(f"{attr.rstrip('s')}s_")]
    columns = [*dict.fromkeys(order), *(name for name in found if name not in order)]
    made: pd.DataFrame = frames.DataFrame(rows, columns=_sorted(columns, attrs))
    return made


def _values(trial: FrozenTrial, several: bool, names: Sequence[str] | None) -> dict[str, Any]:
    if not several:
        return {"value" if not names else f"value_{names[0]}": None if trial.values is None else trial.values[0]}
    told: Sequence[float | None] = trial.values or [None] * len(names or ())
    return {f"values_{names[i] if names else i}": v for i, v in enumerate(told)}


def _sorted(columns: Sequence[str], attrs: Sequence[str]) -> list[str]:
    """By the order of `attrs`; within one, params and attributes by name."""

    def place(name: str) -> tuple[int, str]:
        for i, attr in enumerate(attrs):
            if name == attr or name.startswith((f"{attr}_", f"{attr}s_")):
                return i, name
        return len(attrs), name

    return sorted(columns, key=place)
