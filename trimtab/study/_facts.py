"""From what a runner measured to the facts the log keeps: values of the objectives, constraints, the step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

from trimtab.errors import ObjectiveError
from trimtab.history import Ledger, Row
from trimtab.log import JSON, Event
from trimtab.space import Expression

EARLY = ("paused", "stopped")


def settled(ledger: Ledger, row: Row, event: Event) -> list[Event]:
    """A runner's `ended` as the log keeps it, after a `reported` for the value that came by return, if it has a step.

    Raises ObjectiveError when the objective's answer does not name the study's objectives: that is a mistake in the
    script, not a bad configuration.
    """
    body = dict(event.body)
    returned = body.pop("returned", None)
    facts: list[Event] = []
    step = body.get("step")
    if body["state"] == "finished":
        if returned is not None:
            metrics = named(ledger, row, returned)
            if step is None and row.budget is not None:  # a plain objective that took trial.budget: its value is there
                step = body["step"] = row.budget
            if step is not None and row.budget is not None and step >= row.budget and row.step != step:
                measured = {"step": [step], "metrics": {k: [v] for k, v in metrics.items() if k in ledger.objectives}}
                facts.append(Event("reported", measured, event.trial, event.attempt, event.at, event.by))
            spread = metrics.pop("sem", None)
            if spread is not None and len(ledger.objectives) == 1:
                body["sem"] = {ledger.objectives[0]: spread}
            complete(ledger, body, metrics)
        else:
            complete(ledger, body, *reported(ledger, row, body))
    elif body["state"] in EARLY:
        if returned is not None:
            body["notes"] = {**body.get("notes", {}), "returned": returned}
        complete(ledger, body, *reported(ledger, row, body))
    facts.append(Event("ended", body, event.trial, event.attempt, event.at, event.by))
    return facts


def complete(
    ledger: Ledger, body: dict[str, JSON], metrics: Mapping[str, float], spread: Mapping[str, float] | None = None
) -> None:
    """Fill in values, metrics and constraints of an `ended` body from all the metrics there are."""
    missing = [name for name in ledger.objectives if name not in metrics]
    bad = [name for name in ledger.objectives if name in metrics and not isfinite(metrics[name])]
    if (missing or bad) and body["state"] == "finished":
        what = f'no "{missing[0]}" was reported or returned' if missing else f'"{bad[0]}" is {metrics[bad[0]]}'
        body["state"], body["error"] = "failed", {"kind": "NonFinite" if bad else "ObjectiveError", "text": what}
        return
    body["values"] = {name: metrics[name] for name in ledger.objectives if name in metrics}
    rest = {name: v for name, v in metrics.items() if name not in ledger.objectives}
    if rest:
        body["metrics"] = rest
    if spread:
        body["sem"] = dict(spread)
    if ledger.constraints:
        body["constraints"] = {text: violation(text, metrics) for text in ledger.constraints}


def violation(text: str, metrics: Mapping[str, float]) -> float:
    """How far a constraint is broken (at or below 0: it holds); NaN when a metric it names is missing."""
    rule = Expression(text, known=tuple(metrics))
    return rule.violation(metrics) if set(rule.names) <= set(metrics) else nan


def named(ledger: Ledger, row: Row, returned: Any) -> dict[str, float]:
    """What was returned, by metric; reported metrics of the last step fill the gaps."""
    objectives = ledger.objectives
    if not isinstance(returned, Mapping):
        if len(objectives) != 1:
            wanted = ", ".join(f'"{name}": …' for name in objectives)
            raise ObjectiveError(
                f"Trial {row.number} returned one number, but the study has {len(objectives)} objectives "
                f"({', '.join(objectives)}). Return {{{wanted}}}."
            )
        return {**reported(ledger, row, {})[0], objectives[0]: float(returned)}
    metrics = {**reported(ledger, row, {})[0], **{k: float(v) for k, v in returned.items()}}
    missing = [name for name in objectives if name not in metrics]
    if missing:
        goal = "minimizes" if ledger.signs[objectives.index(missing[0])] > 0 else "maximizes"
        kind = "minimize" if goal == "minimizes" else "maximize"
        given = next(iter(returned), "loss")
        raise ObjectiveError(
            f'Trial {row.number} returned {_shown(returned)}, but the study {goal} "{missing[0]}". '
            f'Return {{"{missing[0]}": …}}, or create the study with {kind}="{given}".'
        )
    return metrics


def _shown(returned: Mapping[str, Any]) -> str:
    """As it stands in the objective, but not all of a long one."""
    text = json.dumps(dict(returned), ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}…"


def reported(ledger: Ledger, row: Row, body: dict[str, JSON]) -> tuple[dict[str, float], dict[str, float]]:
    """(metrics, sem) of the report that counts: the last step's, or with value="best" the best one's.

    Where a step was reported by folds, the mean over its folds and its standard error.
    """
    reports = ledger.reports
    rows = reports.rows_of(row.number)
    if not len(rows):
        return {}, {}
    steps = reports.step.rows()[rows]
    rows = rows[steps == steps.max()] if ledger.definitions[-1].get("value", "last") == "last" else _best(ledger, rows)
    body["step"] = float(reports.step.rows()[rows[0]])
    metrics, spread = {}, {}
    for name, column in reports.metrics.items():
        values = column.rows()[rows]
        values = values[values == values]
        if not len(values):
            continue
        metrics[name] = float(values.mean()) if len(values) > 1 else float(values[0])
        if len(values) > 1 and name in ledger.objectives:
            spread[name] = float(values.std(ddof=1) / len(values) ** 0.5)
    return metrics, spread


def _best(ledger: Ledger, rows: Any) -> Any:
    column = ledger.reports.metrics.get(ledger.objectives[0])
    if column is None:
        return rows[-1:]
    values = ledger.signs[0] * column.rows()[rows]
    i = int(values.argmin()) if not (values != values).all() else len(rows) - 1
    return rows[i : i + 1]
