"""Runners that end as Optuna's loop does: when a script stops the study, or its objective raises what nobody catches.

Idea    trimtab's driver asks free() before it starts anything and collect() for what has happened. Both say "no more"
        here once it is over: what runs still ends and is stored, then collect() raises. free() also calls the
        script's callbacks, because by then the driver has stored how their trials ended.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from trimtab.log import JSON, Event
from trimtab.protocol import Run
from trimtab.run.inline import Inline
from trimtab.run.trial import Trial, execute

Objective = Callable[[Any], Any]


class Over(Exception):
    """The loop has come to its end in order."""


class Ending:
    """Whether it is over, and what is done between two trials."""

    def __init__(self, deadline: float, after: Callable[[int], None]) -> None:
        self.deadline, self.after = deadline, after
        self.why: BaseException | None = None  # what collect() will raise
        self.pruned: dict[int, str] = {}  # trial -> why it ended early of its own accord
        self.done: deque[int] = deque()  # trials whose ends are on their way to the log

    def more(self) -> bool:
        """Whether another trial may begin; the callbacks of those that have ended come first."""
        while self.done:
            self.after(self.done.popleft())
        if self.why is None and time.monotonic() >= self.deadline:
            self.why = Over()
        return self.why is None

    def passed_on(self, events: Sequence[Event]) -> list[Event]:
        """The events as the log shall have them."""
        out = []
        for event in events:
            if event.kind == "ended" and event.trial is not None:
                event = self._early(event)
                self.done.extend([] if event.body["state"] == "cancelled" or event.trial is None else [event.trial])
            out.append(event)
        return out

    def _early(self, event: Event) -> Event:
        assert event.trial is not None
        why = self.pruned.pop(event.trial, None)
        if why is None:
            return event
        body = {k: v for k, v in event.body.items() if k not in ("error", "returned")}
        return replace(event, body={**body, "state": "stopped", "why": why})


class Here(Inline):
    """One trial at a time, in this thread."""

    def __init__(self, objective: Objective, ending: Ending, folder: Path) -> None:
        super().__init__(objective, folder=folder)
        self.ending = ending

    def free(self) -> int:
        return super().free() if self.ending.more() else 0

    def collect(self, timeout: float = 0.0) -> Sequence[Event]:
        if self._waiting is None and self.ending.why is not None:
            raise self.ending.why
        return self.ending.passed_on(super().collect(timeout))


class Threads:
    """Several trials at a time, in threads of this process: what Optuna's n_jobs means."""

    def __init__(self, objective: Objective, ending: Ending, folder: Path, n: int) -> None:
        self.objective, self.ending, self.folder, self.n = objective, ending, folder, n
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._lines: dict[tuple[int, int], _Line] = {}
        self._pool = ThreadPoolExecutor(n, thread_name_prefix="trimtab trial")

    def now(self) -> float:
        return time.time()

    def free(self) -> int:
        return self.n - len(self._lines) if self.ending.more() else 0

    def submit(self, run: Run) -> None:
        line = self._lines[run.trial, run.attempt] = _Line(self, run)
        self._pool.submit(self._work, run, line)

    def _work(self, run: Run, line: _Line) -> None:
        body = execute(self.objective, Trial(run, line, None, self.folder / f"{run.trial:03d}"))
        self.events.put(Event("ended", body, run.trial, run.attempt, time.time()))

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        line = self._lines.get((trial, attempt))
        if line is not None:
            line.inbox.put(message)

    def collect(self, timeout: float) -> Sequence[Event]:
        if not self._lines and self.ending.why is not None:
            raise self.ending.why
        out: list[Event] = []
        with suppress(Empty):
            out.append(self.events.get(timeout=timeout) if timeout else self.events.get_nowait())
            while True:
                out.append(self.events.get_nowait())
        for event in out:
            if event.kind == "ended":
                self._lines.pop((event.trial or 0, event.attempt or 1), None)
        return self.ending.passed_on(out)

    def close(self, kill: bool = False) -> None:
        """Threads can't be ended from outside: they are told, and waited for."""
        for line in list(self._lines.values()):
            line.inbox.put({"go": "cancel"})
        self._pool.shutdown(wait=True)


class _Line:
    """A running trial's line to the driver."""

    def __init__(self, runner: Threads, run: Run) -> None:
        self.runner, self.run = runner, run
        self.inbox: SimpleQueue[Mapping[str, JSON]] = SimpleQueue()

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        self.runner.events.put(Event(kind, body, self.run.trial, self.run.attempt, time.time()))

    def wait(self) -> Mapping[str, JSON]:
        return self.inbox.get()

    def poll(self) -> Mapping[str, JSON] | None:
        try:
            return self.inbox.get_nowait()
        except Empty:
            return None


def ending(timeout: float | None, after: Callable[[int], None]) -> Ending:
    return Ending(inf if timeout is None else time.monotonic() + timeout, after)
