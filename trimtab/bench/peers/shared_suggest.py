"""A trial of Optuna's kind and its configuration, drawn as a user's objective would: trial.suggest_* row by row."""

from __future__ import annotations

from typing import Any


def drawn(study: Any, rows: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """A new trial of the study, and what it suggests for the rows that are active."""
    trial = study.ask()
    config: dict[str, Any] = {}
    for p in rows:
        if all(config.get(c["parent"]) in c["in"] for c in p["when"]):
            config[p["name"]] = suggested(trial, p)
    return trial, config


def suggested(trial: Any, p: dict[str, Any]) -> Any:
    if p["kind"] == "float":
        return trial.suggest_float(p["name"], p["low"], p["high"], log=p["log"])
    if p["kind"] == "int":
        return trial.suggest_int(p["name"], p["low"], p["high"], log=p["log"])
    return trial.suggest_categorical(p["name"], list(range(len(p["choices"]))))
