"""Virtual time: the real driver and the real log, with trials that only say how long they would have taken.

Idea    A model is a generator function of a Run that yields (seconds, metrics) for each further step, and may return
        a value. collect() moves the clock to the next thing that happens. Thousands of trials a second, any number of
        workers, and every decision the same as it would have been in that order of events.
Use     study.optimize(None, trials=1000, runner=Simulated(curve, workers=8))
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.log import JSON, Event
from trimtab.protocol import ENDS, Run

Told = tuple[float, Mapping[str, float] | None] | tuple[float, Mapping[str, float] | None, float]
Model = Callable[[Run], Generator[Told, Any, Any]]


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds that messages and processes take; none by default.

    start     from the start of a trial to its first work
    result    from a report to whoever judges it
    complete  from the end of a trial to whoever counts it
    stop      from the word to pause or stop to the end of the trial
    after     from that end to the worker's being free again
    """

    start: float = 0.0
    result: float = 0.0
    complete: float = 0.0
    stop: float = 0.0
    after: float = 0.0


class _Live:
    """One running trial of the simulation."""

    __slots__ = ("began", "go_on", "run", "step", "told", "until", "waits")

    def __init__(self, run: Run, steps: Any, now: float) -> None:
        self.run, self.began = run, now
        self.go_on = getattr(steps, "send", None) or (lambda until: next(steps))  # a plain iterator will do, too
        self.step, self.until, self.waits, self.told = run.source_step, run.until, False, ""


class Simulated:
    """A runner in virtual time.

    model        yields (seconds, {metric: value}) a step, beginning after run.source_step; (seconds, metrics, step)
                 where steps are not 1, 2, …; (seconds, None) for work that ends in no report. It is sent the trial's
                 next milestone. It returns the value of the trial, if it has one; an exception: the trial has failed
    workers      how many trials run at once
    checkpoints  whether a trial saves at every milestone, so that it can go on from there
    start        what the clock shows at first
    delays       of messages and processes
    overhead     a clock such as time.perf_counter: what it counts between two calls (the decisions) passes in virtual
                 time too. None: decisions take no time, and the same study runs the same way again
    """

    def __init__(
        self,
        model: Model,
        workers: int = 1,
        *,
        checkpoints: bool = True,
        start: float = 0.0,
        delays: Delays | None = None,
        overhead: Callable[[], float] | None = None,
    ) -> None:
        self.model, self.workers, self.checkpoints = model, workers, checkpoints
        self.time = start
        self.busy = 0.0  # seconds that workers spent on trials, for the utilisation
        self.delays = delays or Delays()
        self.clock, self._left = overhead, overhead() if overhead else 0.0
        self._live: dict[int, _Live] = {}
        self._agenda: list[tuple[float, int, _Live, str, Any, float]] = []
        self._order = 0  # ties in time are broken by who was put on the agenda first
        self._ready: list[Event] = []
        self._over = 0  # of those, ends: their slots are free once they have been collected

    def now(self) -> float:
        self._decided()
        return self.time

    def free(self) -> int:
        """A slot is free once the end of its trial has been collected."""
        return self.workers - len(self._live) - self._over

    def submit(self, run: Run) -> None:
        self._decided()
        live = self._live[run.trial] = _Live(run, self.model(run), self.time)
        self._advance(live, None, self.time + self.delays.start)
        self._here()

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        live = self._live.get(trial)
        if live is None or live.run.attempt != attempt:
            return
        self._decided()
        go = message["go"]
        if go == "on":
            live.until = float(message.get("until") or "inf")
            if live.waits:
                live.waits = False
                self._advance(live, live.until, self.time)
        elif go in ("pause", "stop", "cancel", "kill"):
            live.told = ENDS.get(go, "cancelled")
            if live.waits:
                self._leave(live)
        self._here()

    def collect(self, timeout: float) -> Sequence[Event]:
        """What happens next; with timeout 0 only what has happened already, and the clock stands still."""
        self._decided()
        heard = set[int]()
        while self._agenda and timeout > 0 and (not self._ready or self._at_once(heard)):
            when, _, live, what, told, step = heapq.heappop(self._agenda)
            if self._live.get(live.run.trial) is live:
                self.time = max(self.time, when)
                self._happen(live, when, what, told, step)
                heard.add(live.run.trial)
        out, self._ready, self._over = self._ready, [], 0
        self._here()
        return out

    def _at_once(self, heard: set[int]) -> bool:
        """Whether another trial's turn comes at this very instant: who decides hears of both."""
        when, _, live, *_ = self._agenda[0]
        return when <= self.time and live.run.trial not in heard

    def lose(self, trial: int) -> None:
        """The machine under a trial dies: what it had reported stays, the attempt is lost."""
        live = self._live.get(trial)
        if live is not None:
            self._end(
                live, {"state": "lost", "step": live.step or None, "error": {"kind": "lost", "text": "simulated"}}
            )

    def close(self, kill: bool = False) -> None:
        self._live.clear()
        self._agenda.clear()

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def _advance(self, live: _Live, until: float | None, now: float) -> None:
        """Put the trial's next step, which begins now, or its end on the agenda."""
        budget = live.run.budget
        if budget is not None and live.step >= budget:
            self._put(now + self.delays.complete, live, "end", None)
            return
        try:
            took, metrics, *step = live.go_on(until)
        except StopIteration as stop:
            self._put(now + self.delays.complete, live, "end", stop.value)
            return
        self.busy += took
        if metrics is None:
            self._put(now + took, live, "work", None, step[0] if step else live.step)
        else:
            self._put(now + took + self.delays.result, live, "report", metrics, step[0] if step else live.step + 1)

    def _put(self, when: float, live: _Live, what: str, told: Any, step: float = 0.0) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (when, self._order, live, what, told, step))

    def _happen(self, live: _Live, when: float, what: str, told: Any, step: float) -> None:
        if what == "report":
            self._reported(live, when, told, step)
        elif what == "work":
            live.step = step
            if live.told:
                self._leave(live)
            else:
                self._advance(live, live.until, when)
        elif what == "left":
            self._end(live, {"state": live.told, "step": live.step or None})
        elif isinstance(told, Exception):
            error = {"kind": type(told).__name__, "text": str(told)}
            self._end(live, {"state": "failed", "step": live.step or None, "error": error})
        else:
            self._end(live, {"state": "finished", "step": live.step or None, "returned": told})

    def _reported(self, live: _Live, when: float, metrics: Mapping[str, float], step: float) -> None:
        run = live.run
        live.step = step
        at_milestone = step >= live.until or run.wait == "all"
        if at_milestone and self.checkpoints:
            ref = f"simulated/{run.trial}/{run.attempt}/{step:g}"
            self._say("saved", live, {"step": step, "ref": ref, "bytes": 0, "sha256": ""})
        self._say("reported", live, {"step": [step], "metrics": {name: [v] for name, v in metrics.items()}})
        if live.told:
            self._leave(live)
        elif at_milestone:
            live.waits = True
        else:
            self._advance(live, live.until, when - self.delays.result)

    def _leave(self, live: _Live) -> None:
        """It was told to pause or stop, and stands at a step: it ends, now or after the delays of that."""
        live.waits = False
        late = self.delays.stop + self.delays.after
        if late:
            self._put(self.time + late, live, "left", None)
        else:
            self._end(live, {"state": live.told, "step": live.step or None})

    def _end(self, live: _Live, body: Mapping[str, JSON]) -> None:
        del self._live[live.run.trial]
        self._over += 1
        self._say("ended", live, {**body, "cost": {"seconds": self.time - live.began}})

    def _say(self, kind: str, live: _Live, body: Mapping[str, JSON]) -> None:
        self._ready.append(Event(kind, body, live.run.trial, live.run.attempt, self.time))

    # ── what deciding costs ──────────────────────────────────────────────────────────────────────────────────────

    def _decided(self) -> None:
        """Let pass what has been counted since the last call."""
        if self.clock is not None:
            now = self.clock()
            self.time += now - self._left
            self._left = now

    def _here(self) -> None:
        """What the simulation itself costs does not count."""
        if self.clock is not None:
            self._left = self.clock()
