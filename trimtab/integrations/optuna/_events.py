"""One of Optuna's trials as the events of a trial that was evaluated elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from trimtab.integrations.optuna._domains import Dist, label_of
from trimtab.integrations.optuna._stored import StoredStudy, StoredTrial
from trimtab.log import JSON, Event
from trimtab.run._values import plain
from trimtab.space import Space


@dataclass(frozen=True, slots=True)
class Words:
    """How a study's metrics are called here: objectives in Optuna's order, {constraint: metric}, and their limits."""

    metrics: tuple[str, ...]
    constraints: Mapping[str, str]

    @classmethod
    def of(cls, stored: StoredStudy) -> Words:
        names = dict.fromkeys(name for trial in stored.trials for name in trial.constraints)
        told: dict[str, str] = {}
        for name in names:
            word = re.sub(r"\W", "_", name) if re.match(r"[^\W\d]", name) else f"constraint_{name}"
            while word in told.values() or word in stored.metrics:
                word += "_"
            told[name] = re.sub(r"\W", "_", word)
        return cls(tuple(stored.metrics), told)

    @property
    def limits(self) -> list[str]:
        return [f"{metric} <= 0" for metric in self.constraints.values()]


def events_of(stored: StoredStudy, words: Words) -> Iterator[Event]:
    """Every trial, in the order of their numbers."""
    last = max((t for trial in stored.trials for t in (trial.began, trial.ended) if t is not None), default=0.0)
    for i, trial in enumerate(stored.trials):
        yield from trial_events(trial, i, words, last)


def trial_events(trial: StoredTrial, number: int, words: Words, now: float) -> Iterator[Event]:
    """The start, the reports and the end of one trial; `now` stands for times that Optuna doesn't know."""
    began = trial.began if trial.began is not None else trial.ended if trial.ended is not None else now
    ended = trial.ended if trial.ended is not None else max(began, now)
    if trial.state == "WAITING":
        config = plain(trial.system.get("fixed_params") or trial.params)
        start = {"cause": "queue", "config": config, "open": True, "method": "optuna", "seed": 0}
        yield Event("started", start, number, 1, began)
        yield Event("ended", {"state": "cancelled"}, number, 1, began)
        if trial.notes:
            yield Event("noted", {"attributes": plain(trial.notes)}, number, None, began)
        return
    start = {"cause": "added", "config": config_of(trial.params, trial.dists), "method": "optuna"}
    if trial.number != number:
        start["tags"] = {"optuna": trial.number}
    yield Event("started", start, number, 1, began)
    reports = sorted(trial.reports.items())
    if reports and len(words.metrics) == 1:
        curve = [v if isfinite(v) else None for _, v in reports]
        yield Event("reported", {"step": [s + 1 for s, _ in reports], "metrics": {words.metrics[0]: curve}}, number, 1,
                    ended)  # fmt: skip
    yield Event("ended", _end(trial, words, began, ended), number, 1, ended)


def _end(trial: StoredTrial, words: Words, began: float, ended: float) -> dict[str, JSON]:
    body: dict[str, JSON] = {"state": {"COMPLETE": "finished", "PRUNED": "stopped"}.get(trial.state, "failed")}
    values = trial.values or []
    good = len(values) == len(words.metrics) and all(map(isfinite, values))
    if body["state"] == "finished" and not good:
        body["state"] = "failed"
        body["error"] = {"kind": "NonFinite", "text": f"Optuna has the values {values}"}
    elif trial.state == "RUNNING":
        body["error"] = {"kind": "Unfinished", "text": "it was still running in Optuna when it was imported"}
    elif body["state"] == "failed":
        text = trial.system.get("fail_reason") or "it failed in Optuna, which keeps no reason"
        body["error"] = {"kind": "Failed", "text": str(text)}
    elif good:
        body["values"] = dict(zip(words.metrics, map(float, values), strict=True))
    if trial.reports:
        body["step"] = max(trial.reports) + 1
    told = trial.constraints
    if words.constraints and body["state"] != "failed":
        body["metrics"] = {word: told[name] for name, word in words.constraints.items() if name in told}
        body["constraints"] = {f"{word} <= 0": told[name] for name, word in words.constraints.items() if name in told}
    if trial.began is not None and trial.ended is not None:
        body["cost"] = {"seconds": round(max(0.0, ended - began), 6)}
    odd = {str(step): str(v) for step, v in trial.reports.items() if not isfinite(v)}
    notes = {**trial.notes, **({"reports_not_finite": odd} if odd else {})}
    if notes:
        body["notes"] = plain(notes)
    return body


def config_of(params: Mapping[str, Any], dists: Mapping[str, Dist]) -> dict[str, JSON]:
    """The parameters as trimtab stores them: labels for what JSON can't hold."""
    out: dict[str, JSON] = {}
    for name, value in params.items():
        domain = dists[name].domain()
        try:
            out[name] = Space({name: domain}).check({name: value})[name]
        except ValueError:  # enqueued outside its range, which Optuna allows
            out[name] = label_of(value, 0) if dists[name].kind == "choice" else value
    return out
