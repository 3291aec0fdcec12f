"""Leaving in order: what a first Ctrl-C or SIGTERM asks for, and what a second one does.

First   No new trials. Running ones end at their next step and go on from their checkpoint next time; those that don't
        use steps may run on for the grace (SIGTERM: 90 s; Ctrl-C: as long as they like), then go back into the queue.
Second  All of them end now, and optimize() raises KeyboardInterrupt. A third is raised wherever it hits.
USR1    counts as SIGTERM, unless the program has a use for it: Slurm can send it ahead (sbatch --signal=USR1@90).
Idea    A handler only notes the order, since it may run between any two lines of the driver; the driver's loop passes
        it on, some 20 times a second. An objective that runs in this thread is reached through its own inbox, and,
        when it has to end, by KeyboardInterrupt, but never in the middle of what is being stored.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from math import inf
from types import FrameType, TracebackType
from typing import Any, Protocol

GRACE = 90.0  # seconds after SIGTERM: clusters usually leave more before they kill
ECHO = 0.2  # seconds in which the same signal again is the same one: wrappers pass on what the terminal has sent too


class Drains(Protocol):
    """The driver, as far as it matters here. Both only set attributes."""

    deadline: float
    margin: float  # the grace at the end of the time

    def drain(self, why: str, message: str = "cancel", grace: float = inf) -> None: ...
    def hurry(self) -> None: ...


class Leaving:
    """Handles the signals while a driver runs. Elsewhere than in the main thread no signals can be had: only the time.

    grace  seconds between the first signal, or the end of the time, and the end of trials that don't use steps
    """

    def __init__(self, driver: Drains, runner: Any, grace: float | None = None) -> None:
        self.driver, self.runner, self.grace = driver, runner, grace
        self.closing = False  # the loop is over: a signal now finds nothing to ask
        self._told: list[tuple[int, float]] = []
        self._before: dict[int, Any] = {}
        self._timers: list[threading.Timer] = []
        self._time_is_up = False
        self._raise = False

    def __enter__(self) -> Leaving:
        if self._inline and self.driver.deadline < inf:  # the loop can't look at the clock while the objective runs
            self._after(max(0.0, self.driver.deadline - self.runner.now()), self._out_of_time)
        if threading.current_thread() is threading.main_thread():
            for number in wanted():
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join(1.0)  # one that is just going off must find our handlers, not the program's
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._raise and error is None:
            raise KeyboardInterrupt

    @property
    def _inline(self) -> bool:
        return hasattr(self.runner, "hurry")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._time_is_up:  # the timer's, to interrupt the objective in this thread
            self._time_is_up = False
            self._hurry()
            return
        now = time.monotonic()
        if self._told and number == self._told[-1][0] and now - self._told[-1][1] < ECHO:
            return
        self._told.append((number, now))
        if self.closing:
            self._raise = True
        elif len(self._told) == 1:
            usual = inf if number == signal.SIGINT else GRACE
            self._leave("paused", usual if self.grace is None else self.grace)
        elif len(self._told) == 2:
            self._raise = True
            self._hurry()
        if len(self._told) > 2:
            raise KeyboardInterrupt

    def _leave(self, why: str, grace: float) -> None:
        self.driver.drain(why, grace=grace)
        if self._inline:
            self.runner.interrupt("cancel")
            if grace < inf:
                self._after(grace, self._end_this)

    def _hurry(self) -> None:
        self.driver.hurry()
        if self._inline:
            self.runner.hurry()

    def _out_of_time(self) -> None:
        """In a thread of its own: nothing but attributes and an inbox is touched."""
        self._leave("the time for this run is up", self.driver.margin)

    def _end_this(self) -> None:
        """The grace is over: interrupt the main thread, if the objective runs there."""
        main = threading.main_thread().ident
        if self._before and not self.closing and main is not None and hasattr(signal, "pthread_kill"):
            self._time_is_up = True
            signal.pthread_kill(main, signal.SIGINT)

    def _after(self, wait: float, do: Any) -> None:
        timer = threading.Timer(min(wait, threading.TIMEOUT_MAX), do)
        timer.daemon = True  # it must not keep a program alive that is done
        timer.start()
        self._timers.append(timer)


def wanted() -> list[int]:
    """The signals to handle: those of C code that Python can't give back are left alone."""
    numbers: list[int] = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not None]
    with contextlib.suppress(AttributeError):  # not on Windows
        if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
            numbers.append(signal.SIGUSR1)
    return numbers
