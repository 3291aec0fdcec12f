"""A trial that was asked for by hand: evaluate it however you like, then study.tell(trial, …)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trimtab.log import JSON, Event
from trimtab.run.trial import Trial
from trimtab.study._grow import grow
from trimtab.study._log import shown
from trimtab.study._starts import method_of, run_of

if TYPE_CHECKING:
    from trimtab.study._study import Study


class Asked(Trial):
    """What an objective would receive, in the hands of the caller. Reports go to the study as they come."""

    @classmethod
    def of(cls, study: Study, event: Event) -> Asked:
        ledger = study._log.ledger
        assert event.trial is not None
        row = ledger.rows[event.trial]
        folder = study._checkpoints(row.number, row.attempt) if study._folder else ""
        run = run_of(ledger, row, event.body, study.scheduler, (lambda t, a: folder) if folder else None, {})
        return cls(run, _Line(study, run.trial, run.attempt, run.until), study._labels)


class _Line:
    """Straight into the log; a milestone is judged at once."""

    def __init__(self, study: Study, trial: int, attempt: int, until: float) -> None:
        self.study, self.trial, self.attempt, self.until = study, trial, attempt, until

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        log, now = self.study._log, time.time()
        if body.get("asked"):
            grow(log, self.trial, body["asked"], now, self.study._me)
        log.write(Event(kind, body, self.trial, self.attempt, now))

    def wait(self) -> Mapping[str, JSON]:
        log, scheduler = self.study._log, self.study.scheduler
        verdict = scheduler.judge(shown(log), self.trial)
        if verdict.go == "on":
            return {"go": "on", "until": verdict.until}
        by = method_of(scheduler)
        told: dict[str, Any] = {"verdict": verdict.go, "seen": log.ledger.version, "by": by, "why": verdict.why}
        self.post("judged", told)
        return {"go": verdict.go}

    def poll(self) -> Mapping[str, JSON] | None:
        return None
