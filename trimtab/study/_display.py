"""The live display: four lines that are redrawn on a terminal, lines that can be grepped elsewhere, HTML in a notebook.

Idea    `_frame` and `_lines` make the words; here is decided who sees them and when. A Display looks at the log once a
        turn of the driver's loop and takes a Status when the log has grown. In this thread's own objective a turn may
        take hours, so a look is skipped only while looking would take more than a twentieth of the time.
Modes   terminal, notebook, plain (lines on stderr), log (the same lines to the logger "trimtab", as INFO), off.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, TextIO

from trimtab.errors import UnknownName
from trimtab.study._frame import Drain, Heading, Moment, frame, parts
from trimtab.study._lines import Lines
from trimtab.study._notebook import REDRAW as SLOWER
from trimtab.study._notebook import Block, Output, in_notebook
from trimtab.study._say import logger
from trimtab.study._screen import REDRAW, Screen, has_colour, is_screen
from trimtab.study._status import Status, status
from trimtab.study._text import clean
from trimtab.study._where import file_name, where

if TYPE_CHECKING:
    from trimtab.study._driver import Driver
    from trimtab.study._study import Study

MODES = ("auto", "terminal", "plain", "notebook", "log", "off")
INTERRUPT = "interrupt the kernel (■) to pause"
PAGE = 110  # columns of a notebook's block
SHARE = 20  # after a look, no other for so many times what it took, nor REDRAW


def display_for(study: Study, wanted: Any) -> Display | None:
    """None: in front of a person, or of a log that wants INFO; True: always; False: never; or a mode by its name."""
    if isinstance(wanted, Display):
        return wanted
    if isinstance(wanted, str):
        return Display(study, mode=wanted)
    if wanted is False:
        return None
    mode = _mode(sys.stderr)
    if wanted is None and mode == "plain":
        mode = "log" if logger.isEnabledFor(20) else "off"
    return None if mode == "off" else Display(study, mode=mode)


def _mode(stream: Any) -> str:
    return "notebook" if in_notebook() else "terminal" if is_screen(stream) else "plain"


class Display:
    """Shows a running study. keep=False clears the block at the end, for callers that print a summary."""

    def __init__(
        self,
        study: Study,
        *,
        total: int | None = None,
        stream: TextIO | None = None,
        mode: str = "auto",
        keep: bool = True,
    ) -> None:
        if mode not in MODES:
            raise UnknownName(mode, among=MODES, kind="display")
        self.stream = stream or sys.stderr
        self.mode = _mode(self.stream) if mode == "auto" else mode
        self.study, self.total, self.keep = study, total, keep
        self.began = time.monotonic()
        self.over = ""  # how the run ended
        self._driver: Driver | None = None
        self._status: Status | None = None
        self._version = -1
        self._looked = self._pause = 0.0  # when the log was last looked at; how long not to look again
        self._ended_before = 0
        self._live: Any = None  # Screen, Output or Lines
        self._hook: Callable[..., Any] | None = None

    def update(self, driver: Driver) -> None:
        """Once a turn of the loop. Cheap when nothing changed."""
        if self.mode == "off":
            return
        now = time.monotonic()
        first = self._driver is None
        if not first and now - self._looked < self._pause:
            return
        self._look(driver)
        if first:
            self._begin(driver)
            return
        if self.mode == "notebook":
            self._live.update(self._block())
        elif self.mode in ("plain", "log"):
            assert self._status is not None
            self._say(self._live.next(self._status, self._moment()))
        self._looked = time.monotonic()
        least = SLOWER if self.mode == "notebook" else 0.0
        self._pause = max(least, min(REDRAW, SHARE * (self._looked - now)))

    def close(self, driver: Driver | None = None) -> None:
        """The last frame, or the last line."""
        if self.mode == "off" or self._driver is None:
            return
        self.over = self._ending(self._driver)
        self._look(self._driver)
        assert self._status is not None
        if self.mode == "notebook":
            self._live.update(self._block())
        elif self.mode == "terminal":
            self._live.stop()
            sys.breakpointhook = self._hook or sys.breakpointhook
        else:
            self._say(self._live.last(self._status, self._moment()))
        self._driver = None

    def lines(self, width: int) -> list[str]:
        """The frame as it is now."""
        assert self._status is not None
        return frame(self._head, self._status, self._moment(), width)

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, driver: Driver) -> None:
        if self._version != driver.log.ledger.version or self._status is None:
            self._version = driver.log.ledger.version
            self._status = status(driver.log.ledger, driver.log.history, driver.id)

    def _moment(self) -> Moment:
        assert self._status is not None
        driver, left = self._driver, inf
        if driver is not None and driver.deadline < inf:
            left = max(0.0, driver.deadline - driver.runner.now())
        return Moment(
            elapsed=time.monotonic() - self.began,
            done=self._status.ended - self._ended_before,
            left=left,
            drain=self._drain(driver) if driver is not None and driver.draining else None,
            over=self.over,
        )

    def _drain(self, driver: Driver) -> Drain:
        """What becomes of my trials now that nothing more is started."""
        assert self._status is not None
        rows, mine = driver.log.ledger.rows, list(driver.until)
        wait = driver.kill_at - time.monotonic()
        without = self._status.steps is False or any(rows[t].step is not None for t in mine)  # or has it just begun?
        return Drain(
            why=clean(driver.draining),
            trials=len(mine),
            told=driver.log.ledger.closed is None,
            steps=True if not driver.deaf else False if without else None,
            programs=type(driver.runner).__name__ == "Command",
            wait=max(0.0, wait),
            now=wait <= 0,
        )

    def _ending(self, driver: Driver) -> str:
        """How a run ended, in a word or with its reason."""
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            return "interrupted"
        if driver.draining:
            return "paused" if driver.draining == "paused" else f"stopped: {clean(driver.draining)}"
        return "done" if self.total and driver.log.ledger.counted >= self.total else "ended"

    # ── where it is shown ────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, driver: Driver) -> None:
        assert self._status is not None
        self._driver, self.total = driver, self.total or driver.trials
        self._ended_before = self._status.ended
        methods = " · ".join(clean(m.name) for m in (driver.searcher, driver.scheduler) if m.name != "full")
        name, where = self.study.name, place(self.study)
        hint = {"hint": INTERRUPT} if self.mode == "notebook" else {}
        save = f'study.save("{file_name(name)}.db")' if where == "in memory" else ""
        self._head = Heading(clean(name), methods, clean(where), self.total, save=save, **hint)
        if self.mode == "terminal":
            self._begin_terminal()
        elif self.mode == "notebook":
            self._live = Output(self._block())
        else:
            self._live = Lines(self._head)
            workers = len(driver.until) + driver.runner.free()
            self._say(self._live.first(self._status, self._moment(), workers))

    def _begin_terminal(self) -> None:
        self._live = Screen(self.stream, self.lines, colour=has_colour(), keep=self.keep)
        self._live.start()
        self._hook = sys.breakpointhook

        def pause_for_debugger(*args: Any, **kwargs: Any) -> Any:
            self._live.stop()
            self.mode = "off"
            sys.breakpointhook = self._hook or sys.breakpointhook
            return sys.breakpointhook(*args, **kwargs)

        sys.breakpointhook = pause_for_debugger

    def _block(self) -> Block:
        assert self._status is not None
        lines = parts(self._head, self._status, self._moment(), PAGE)
        return Block(lines, self._status.ended / self.total if self.total else None)

    def _say(self, text: str) -> None:
        if not text:
            return
        name = clean(self.study.name)
        if self.mode == "log":
            logger.info("%s: %s", name, text)
            return
        self.stream.write(f"{time.strftime('%H:%M:%S')} {name}: {text}\n")
        self.stream.flush()


def place(study: Study) -> str:
    """Where a study is stored, in words short enough for a line."""
    told = where(study._log.storage)
    return "in memory" if told == "memory" else told
