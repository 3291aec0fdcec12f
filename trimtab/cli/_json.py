"""The shapes of --json. They are interface: keys are only ever added, and every key is always there.

study   name, storage, objectives {name: "min" | "max"}, constraints [text], seed, counts {state: n, "counted": n},
        ended (why, or null), searcher, scheduler (names), space (as in the log), best (a trial or null, one objective),
        front [trial]
trial   number, state, values {objective: value}, metrics, constraints {text: violation}, sem, config, step, seconds,
        began, ended (seconds since 1970), seed, method, cause, attempts, tags, notes, error {kind, text, where} or null
        `show TARGET N --json` adds: why [line], reports [{step, fold, metrics}], files [path]
run     study's keys and: result "done" | "none finished" | "paused", trials (the total asked for, or null), seconds
        (of this run, or null where there was nothing to do)
list    [{name, objectives, trials, counts, best, age}]: age in seconds since the newest event
compare {objective, goal, budget, better, text, rows [{side, study, trials, best, trial, sem, same, needed}]}
ask     {trial, seed, budget, config};  dry run  [{trial, seed, config, command or null}]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.history import Trial
    from trimtab.study import Study


def study_json(study: Study) -> dict[str, Any]:
    from trimtab.study._display import place
    from trimtab.study._stop import best_number

    history, ledger = study.history, study._log.ledger
    number = best_number(history) if len(ledger.objectives) == 1 else None
    return {
        "name": study.name,
        "storage": place(study),
        "objectives": study.objectives,
        "constraints": list(ledger.constraints),
        "seed": study.seed,
        "counts": study.counts,
        "ended": None if ledger.closed is None else ledger.closed["text"],
        "searcher": study.searcher.name,
        "scheduler": study.scheduler.name,
        "space": study.space.to_json(),
        "best": None if number is None else trial_json(study.trial(number)),
        "front": [trial_json(t) for t in study.front],
    }


def trial_json(trial: Trial) -> dict[str, Any]:
    told: dict[str, Any] = {k: dict(getattr(trial, k)) for k in ("values", "metrics", "constraints", "sem", "config")}
    told |= {"step": trial.step, "seconds": trial.cost.get("seconds"), "began": trial.began, "ended": trial.ended}
    told |= {"seed": trial.seed, "method": trial.method, "cause": trial.cause, "attempts": trial.attempts}
    told |= {"tags": dict(trial.tags), "notes": dict(trial.notes), "error": _error(trial.error)}
    return {"number": trial.number, "state": trial.state, **told}


def _error(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if error is None else {k: error.get(k) for k in ("kind", "text", "where")}


def whole_trial_json(study: Study, number: int, files: list[Path]) -> dict[str, Any]:
    told = study.explain(number)
    curve = study._log.ledger.reports.curve(study._log.ledger.reports.rows_of(number))
    reports = [
        {
            "step": float(step),
            "fold": int(fold) if fold >= 0 else None,
            "metrics": {name: float(values[i]) for name, values in curve.metrics.items() if values[i] == values[i]},
        }
        for i, (step, fold) in enumerate(zip(curve.step, curve.fold, strict=True))
    ]
    return trial_json(study.trial(number)) | {
        "why": told["lines"],
        "reports": reports,
        "files": [str(file) for file in files],
    }
