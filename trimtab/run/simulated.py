"""Virtual time: the real driver and the real log, with trials that only say how long they would have taken.

Idea    A model is a generator function of a Run that yields (seconds, metrics) for each further step, and may return
        a value. collect() moves the clock to the next thing that happens. Thousands of trials a second, any number of
        workers, and every decision the same as it would have been in that order of events.
Use     study.optimize(None, trials=1000, runner=Simulated(curve, workers=8))
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from trimtab.log import JSON, Event
from trimtab.protocol import ENDS, Run

Model = Callable[[Run], Generator[tuple[float, Mapping[str, float]], None, Any]]


class _Live:
    """One running trial of the simulation."""

    __slots__ = ("began", "run", "step", "steps", "told", "until", "waits")

    def __init__(self, run: Run, steps: Any, now: float) -> None:
        self.run, self.steps, self.began = run, steps, now
        self.step, self.until, self.waits, self.told = run.source_step, run.until, False, ""


class Simulated:
    """A runner in virtual time.

    model        yields (seconds, {metric: value}) a step, beginning after run.source_step
    workers      how many trials run at once
    checkpoints  whether a trial saves at every milestone, so that it can go on from there
    """

    def __init__(self, model: Model, workers: int = 1, *, checkpoints: bool = True, start: float = 0.0) -> None:
        self.model, self.workers, self.checkpoints = model, workers, checkpoints
        self.time = start
        self.busy = 0.0  # seconds that workers spent on trials, for the utilisation
        self._live: dict[int, _Live] = {}
        self._agenda: list[tuple[float, int, int, Mapping[str, float] | None, Any]] = []
        self._order = 0  # ties in time are broken by who was put on the agenda first
        self._ready: list[Event] = []

    def now(self) -> float:
        return self.time

    def free(self) -> int:
        """A slot is free once the end of its trial has been collected."""
        return self.workers - len(self._live) - sum(event.kind == "ended" for event in self._ready)

    def submit(self, run: Run) -> None:
        live = self._live[run.trial] = _Live(run, self.model(run), self.time)
        self._advance(live)

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        live = self._live.get(trial)
        if live is None or live.run.attempt != attempt:
            return
        go = message["go"]
        if go == "on":
            live.until = float(message.get("until") or "inf")
            if live.waits:
                live.waits = False
                self._advance(live)
        elif go in ("pause", "stop", "cancel", "kill"):
            live.told = ENDS.get(go, "cancelled")
            if live.waits:
                self._end(live, {"state": live.told, "step": live.step or None})

    def collect(self, timeout: float) -> Sequence[Event]:
        """What happens next; with timeout 0 only what has happened already, and the clock stands still."""
        if not self._ready and self._agenda and timeout > 0:
            when, _, trial, metrics, returned = heapq.heappop(self._agenda)
            live = self._live.get(trial)
            self.time = max(self.time, when)
            if live is not None:
                self._happen(live, metrics, returned)
        out, self._ready = self._ready, []
        return out

    def lose(self, trial: int) -> None:
        """The machine under a trial dies: what it had reported stays, the attempt is lost."""
        live = self._live.get(trial)
        if live is not None:
            self._agenda = [entry for entry in self._agenda if entry[2] != trial]
            heapq.heapify(self._agenda)
            self._end(
                live, {"state": "lost", "step": live.step or None, "error": {"kind": "lost", "text": "simulated"}}
            )

    def close(self, kill: bool = False) -> None:
        self._live.clear()
        self._agenda.clear()

    def _advance(self, live: _Live) -> None:
        """Put the trial's next step, or its end, on the agenda."""
        budget = live.run.budget
        if budget is not None and live.step >= budget:
            self._put(self.time, live, None, None)
            return
        try:
            took, metrics = next(live.steps)
        except StopIteration as stop:
            self._put(self.time, live, None, stop.value)
        else:
            self.busy += took
            self._put(self.time + took, live, metrics, None)

    def _put(self, when: float, live: _Live, metrics: Mapping[str, float] | None, returned: Any) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (when, self._order, live.run.trial, metrics, returned))

    def _happen(self, live: _Live, metrics: Mapping[str, float] | None, returned: Any) -> None:
        run = live.run
        if metrics is None:
            if isinstance(returned, Exception):
                body = {"state": "failed", "step": live.step or None}
                error = {"kind": type(returned).__name__, "text": str(returned)}
                self._end(live, {**body, "error": error})
            else:
                self._end(live, {"state": "finished", "step": live.step or None, "returned": returned})
            return
        live.step += 1
        at_milestone = live.step >= live.until or run.wait == "all"
        if at_milestone and self.checkpoints:
            ref = f"simulated/{run.trial}/{run.attempt}/{live.step:g}"
            self._say("saved", live, {"step": live.step, "ref": ref, "bytes": 0, "sha256": ""})
        self._say("reported", live, {"step": [live.step], "metrics": {name: [v] for name, v in metrics.items()}})
        if live.told:
            self._end(live, {"state": live.told, "step": live.step})
        elif at_milestone:
            live.waits = True
        else:
            self._advance(live)

    def _end(self, live: _Live, body: Mapping[str, JSON]) -> None:
        del self._live[live.run.trial]
        self._say("ended", live, {**body, "cost": {"seconds": self.time - live.began}})

    def _say(self, kind: str, live: _Live, body: Mapping[str, JSON]) -> None:
        self._ready.append(Event(kind, body, live.run.trial, live.run.attempt, self.time))
