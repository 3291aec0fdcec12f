"""The rows of cv_results_, made from the log: of this fit, of the fits before it, and of other drivers alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from trimtab.history import Trial
from trimtab.integrations.sklearn._folds import TIMES, TRAIN
from trimtab.integrations.sklearn._space import Parameters
from trimtab.study import Study

SHOWN = ("finished", "stopped", "failed")


@dataclass(frozen=True, slots=True)
class Rows:
    """What scikit-learn's _format_results takes: candidates, and one record a candidate and fold."""

    numbers: list[int]
    params: list[dict[str, Any]]
    out: list[dict[str, Any]]


def rows(
    study: Study, parameters: Parameters, names: Mapping[str, str], folds: int, *, single: bool, train: bool,
    error_score: Any,
) -> Rows:  # fmt: skip
    """Every trial that ended, by number. names: {score: metric}; single: the scores are numbers, not dicts.

    A failed trial without scores counts as error_score. Left out: what ended without all its folds (added by hand).
    """
    lost = nan if error_score == "raise" else float(error_score)
    found = Rows([], [], [])
    for trial in study.trials:
        if trial.state not in SHOWN:
            continue
        table = _table(study, trial.number, folds)
        if table is None and trial.state != "failed":
            continue
        found.numbers.append(trial.number)
        found.params.append(parameters.params(trial.config))
        found.out.extend(_records(trial, table, names, folds, lost, single=single, train=train))
    return found


def _table(study: Study, trial: int, folds: int) -> Mapping[str, Sequence[float]] | None:
    """{metric: (folds,)}, in the order of the folds; None where one is missing."""
    curve = study.history.reports(trial)
    order = np.argsort(curve.fold, kind="stable")
    if curve.fold[order].tolist() != list(range(folds)):
        return None
    return {name: column[order].tolist() for name, column in curve.metrics.items()}


def _records(
    trial: Trial, table: Mapping[str, Sequence[float]] | None, names: Mapping[str, str], folds: int, lost: float, *,
    single: bool, train: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """One record a fold, as _fit_and_score gives them."""
    missing = [lost] * folds

    def scores(prefix: str, k: int) -> Any:
        found = {score: (table or {}).get(prefix + metric, missing)[k] for score, metric in names.items()}
        return next(iter(found.values())) if single else found

    times = {name: (table or {}).get(name, [0.0] * folds) for name in TIMES}
    if table is None and folds:
        times["fit_time"] = [float(trial.cost.get("seconds", 0.0)) / folds] * folds
    records = [
        {"test_scores": scores("", k), "fit_time": times["fit_time"][k], "score_time": times["score_time"][k]}
        for k in range(folds)
    ]
    if train:
        for k, record in enumerate(records):
            record["train_scores"] = scores(TRAIN, k)
    return records
