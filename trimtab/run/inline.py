"""The runner for one trial at a time, in this very thread: debugger, prints and breakpoint() work.

Idea    submit() only stores; collect() runs the objective. A report at a milestone must reach the driver while the
        objective is still inside collect(), so the driver sets `pump` beforehand: the runner hands it all events so
        far, and the driver calls send() before pump returns. Reports between milestones are kept back and handed
        over together, once a second at most, so that a fast objective costs one event and not a thousand.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.log import JSON, Event
from trimtab.protocol import Objective, Run
from trimtab.run._batch import join
from trimtab.run.trial import Trial, execute

if TYPE_CHECKING:
    from trimtab.space import Space

HAND_OVER = 1.0  # seconds a report may be kept back: short for a person watching, long for a storage


class Inline:
    """Runs objectives here and now. Set `pump` before use if any trial may have milestones."""

    def __init__(
        self,
        objective: Objective,
        space: Space | None = None,
        clock: Callable[[], float] = time.time,
        folder: str | Path | None = None,
    ) -> None:
        self.objective, self.space, self.clock = objective, space, clock
        self.folder = Path(folder) if folder else None
        self.pump: Callable[[Sequence[Event]], None] | None = None
        self.interrupted = False  # the objective was left by Ctrl-C
        self._waiting: Run | None = None
        self._early: list[Mapping[str, JSON]] = []  # messages to the one that waits
        self._link: _Link | None = None

    def now(self) -> float:
        return self.clock()

    def free(self) -> int:
        return 1 if self._waiting is None and self._link is None else 0

    def submit(self, run: Run) -> None:
        if not self.free():
            raise RuntimeError(f"trial {run.trial} was submitted while another one is here: look at free() first")
        self._waiting = run

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        """To the trial running now, or one waiting to; any other is over, and needs no message."""
        if self._link is not None and (self._link.run.trial, self._link.run.attempt) == (trial, attempt):
            self._link.inbox.append(message)
        elif self._waiting is not None and (self._waiting.trial, self._waiting.attempt) == (trial, attempt):
            self._early.append(message)

    def interrupt(self, kind: str = "pause") -> None:
        """Ask the running trial to end at its next step. Callable from a signal handler."""
        if self._link is not None:
            self._link.inbox.append({"go": kind, "drain": True})
        elif self._waiting is not None:
            self._early.append({"go": kind, "drain": True})

    def hurry(self) -> None:
        """For a signal handler: end the objective now. While it has the driver store something, right after that."""
        if self._link is not None and not self._link.handing:
            raise KeyboardInterrupt
        if self._link is not None:
            self._link.hurried = True

    def hears(self, trial: int, attempt: int) -> bool:
        """Whether this trial looks for requests to end: it uses steps() or should_stop()."""
        return self._link is not None and self._link.heard

    def collect(self, timeout: float = 0.0) -> Sequence[Event]:
        """Runs what was submitted, to its end."""
        if self._waiting is None:
            return []
        run, early = self._waiting, self._early
        self._link = _Link(self, run)
        self._link.inbox.extend(early)
        self._waiting, self._early = None, []
        try:
            folder = self.folder / f"{run.trial:03d}" if self.folder else None
            trial = Trial(run, self._link, self.space, folder)
            body = execute(self.objective, trial)
            if self._link.broken is not None:
                raise self._link.broken  # the driver's own error, which went up through the objective
            self.interrupted = self.interrupted or trial.interrupted
            return [*self._link.take(), Event("ended", body, run.trial, run.attempt, self.now())]
        finally:
            self._link = None

    def close(self, kill: bool = False) -> None:
        self._waiting, self._early = None, []


class _Link:
    """The running trial's line to the driver, which is further up the same stack."""

    def __init__(self, runner: Inline, run: Run) -> None:
        self.runner, self.run = runner, run
        self.inbox: deque[Mapping[str, JSON]] = deque()
        self._kept: list[Event] = []
        self._handed = time.monotonic()
        self.broken: BaseException | None = None
        self.handing = False  # the driver is at work further down this stack
        self.hurried = False
        self.heard = False

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        self._kept.append(Event(kind, body, self.run.trial, self.run.attempt, self.runner.now()))

    def wait(self) -> Mapping[str, JSON]:
        self._hand_over()
        return self.inbox.popleft() if self.inbox else {"go": "on"}  # no driver, no milestones

    def poll(self) -> Mapping[str, JSON] | None:
        if self._kept and time.monotonic() - self._handed >= HAND_OVER:
            self._hand_over()
        return self.inbox.popleft() if self.inbox else None

    def listens(self) -> None:
        self.heard = True

    def take(self) -> list[Event]:
        kept, self._kept = self._kept, []
        return join(kept)

    def _hand_over(self) -> None:
        self._handed = time.monotonic()
        if self.runner.pump is None or self.broken is not None:
            return
        self.handing = True
        try:
            self.runner.pump(self.take())
        except KeyboardInterrupt:
            raise  # Ctrl-C: as if it had hit the objective itself
        except BaseException as error:
            self.broken = error
            raise
        finally:
            self.handing = False
        if self.hurried:
            self.hurried = False
            raise KeyboardInterrupt
