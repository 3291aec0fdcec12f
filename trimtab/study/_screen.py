"""A few lines at the bottom of a terminal that are drawn again and again, while all else that is printed goes above.

Idea    A thread draws four times a second, so the clock goes on while an objective runs in the main thread. What is
        printed meanwhile (sys.stdout, sys.stderr, handlers of logging that were made before) passes through `_Above`,
        which takes the block away, lets the text through, and puts the block back under it; a line that is only begun
        (a progress bar, a prompt) is the block's first until it ends. Only streams that are terminals are led this
        way: `script.py > out.txt` still writes to out.txt.
Cells   Lines are drawn three columns short, because a terminal echoes ^C there. When the window has become narrower,
        most terminals have folded the old lines; they are counted as folded before they are drawn over.
Leaves  a job in the background alone, and a terminal that has gone away.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

from trimtab.study._text import cells, clean, cut, writable

REDRAW = 0.25  # seconds between two frames
SOON = 0.04  # seconds after a frame in which printed text brings no other: a flood of text is not drawn after each line
STOPPED = 5.0  # seconds without a turn or work in which the process was stopped (Ctrl-Z): begin a block of its own
NARROWEST = 20
ECHO = 3  # columns for ^C
BOLD, GREEN, RED, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Screen:
    """The block. lines(width) says what it shows now; it is called from the drawing thread."""

    def __init__(self, stream: TextIO, lines: Callable[[int], list[str]], *, colour: bool, keep: bool) -> None:
        self.stream, self.lines, self.colour, self.keep = stream, lines, colour, keep
        self._lock = threading.RLock()
        self._shown: list[str] = []  # the lines on the screen, as far as we know
        self._width = 0
        self._drawn = 0.0
        self._stop, self._wake = threading.Event(), threading.Event()
        self._gone = self._ended = self._forked = False
        self._thread = threading.Thread(target=self._run, name="trimtab display", daemon=True)
        self._led = contextlib.ExitStack()
        self.begun: dict[str, str] = {}  # by stream: printed text whose line has not ended

    def start(self) -> None:
        self._led.enter_context(_leading(self))
        self.draw()
        self._thread.start()

    def stop(self) -> None:
        """The last frame stays, or the block goes."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=2)
        with self._lock:
            self._led.close()
            if self.keep:
                self.draw()
                self._write("\n" if self._shown else "")
            else:
                self._write(self._away())
            self._shown, self._ended = [], True

    def draw(self) -> None:
        """The frame of now, over the last one."""
        with self._lock:
            if self._ended:
                return
            width = _columns(self.stream)
            if self._gone or _in_background(self.stream):
                self._shown = []
                return
            encoding = getattr(self.stream, "encoding", None)
            try:
                room = max(NARROWEST, width - ECHO)
                begun = [cut(clean(text), room) for text in map(_settled, self.begun.values()) if text.strip()]
                lines = [writable(line, encoding) for line in [*begun, *self.lines(room)]]
            except Exception:  # a display must not end a study
                logging.getLogger(__name__).exception("the live display failed; the study goes on without it")
                self._gone = True
                return
            if lines == self._shown and width == self._width:
                return
            back, self._width = self._back(width), width
            told = lines[: len(begun)] + coloured(lines[len(begun) :]) if self.colour else lines
            self._write(back + "\n".join(f"{line}\x1b[K" for line in told) + "\x1b[J")
            self._shown, self._drawn = lines, time.monotonic()

    def above(self, write: Callable[[str], Any], text: str) -> None:
        """Let text that others print through, above the block."""
        with self._lock:
            self._write(self._away())
            self._shown = []
            write(text)
            if self._forked or time.monotonic() - self._drawn >= SOON:
                self.draw()
            else:
                self._wake.set()

    def after_fork(self) -> None:
        """In the child of a fork nobody draws, and the lock may be held for ever. What it prints goes above the block
        as it stands, so that the parent finds its cursor where it left it."""
        self._lock, self._forked, self.begun = threading.RLock(), True, {}
        stands = list(self._shown)
        self.lines = lambda width: stands

    def _run(self) -> None:
        before, worked = time.monotonic(), time.process_time()
        while not self._stop.is_set():
            if self._wake.wait(REDRAW):
                self._wake.clear()
                self._stop.wait(SOON)
            now, work = time.monotonic(), time.process_time()
            with self._lock:
                if now - before > STOPPED and work - worked < 0.1 * (now - before):
                    self._shown = []
                self.draw()
            before, worked = now, work

    def _back(self, width: int) -> str:
        """To the beginning of the block: up by the rows that its lines take in a window of this width."""
        rows = sum(max(1, -(-cells(line) // max(1, width))) for line in self._shown) if _folds() else len(self._shown)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")

    def _away(self) -> str:
        return f"{self._back(_columns(self.stream))}\x1b[J" if self._shown else ""

    def _write(self, text: str) -> None:
        if not text or self._gone:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # the window was closed
            self._gone = True


class _Above:
    """In the place of sys.stdout or sys.stderr: whole lines go above the block, a begun one is shown in it."""

    def __init__(self, screen: Screen, stream: TextIO, name: str) -> None:
        self._screen, self._stream, self._name = screen, stream, name
        self._pid = os.getpid()

    def write(self, text: str) -> int:
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._screen.after_fork()
        with self._screen._lock:
            whole, newline, rest = (self._screen.begun.get(self._name, "") + str(text)).rpartition("\n")
            self._screen.begun[self._name] = "\r".join(rest.split("\r")[-2:])  # a bar's last state, and the next
            if newline:
                self._screen.above(self._stream.write, _settled(whole) + "\n")
        return len(text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self._stream.flush()

    def end(self) -> None:
        """What was begun and never ended."""
        begun = _settled(self._screen.begun.pop(self._name, ""))
        if begun.strip():
            self._screen.above(self._stream.write, begun + "\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _settled(text: str) -> str:
    """Progress bars write over their own line with \\r: the last state of each is what stays."""
    if "\r" not in text:
        return text
    return "\n".join(next((p for p in reversed(line.split("\r")) if p), "") for line in text.split("\n"))


@contextlib.contextmanager
def _leading(screen: Screen) -> Iterator[None]:
    """Lead what goes to the terminal past the screen, until the end."""
    before = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    led = {
        name: _Above(screen, stream, name)
        for name, stream in before.items()
        if stream is screen.stream or (getattr(stream, "isatty", bool)() and screen.stream.isatty())
    }
    handlers = [
        (handler, name)
        for handler in logging.getLogger().handlers
        for name in led
        if isinstance(handler, logging.StreamHandler) and handler.stream is before[name]
    ]
    for name, stream in led.items():
        setattr(sys, name, stream)
    for handler, name in handlers:
        handler.stream = led[name]
    try:
        yield
    finally:
        for name, above in led.items():
            above.end()
            if getattr(sys, name) is above:
                setattr(sys, name, before[name])
        for handler, name in handlers:
            if handler.stream is led[name]:
                handler.stream = before[name]


def coloured(lines: list[str]) -> list[str]:
    """Sparingly: what each line is about, the bar, and what failed."""
    out = []
    for i, line in enumerate(lines):
        if i == 1:
            line = re.sub(r"^[━#]+", rf"{GREEN}\g<0>{PLAIN}", line)
        else:
            line = re.sub(r"^\S+", rf"{BOLD}\g<0>{PLAIN}", line)
        out.append(re.sub(r"\d+ failed", rf"{RED}\g<0>{PLAIN}", line) if i == 3 else line)
    return out


def _columns(stream: Any) -> int:
    """Of the terminal that the stream is; $COLUMNS, as everywhere, has the first word."""
    if (told := os.environ.get("COLUMNS", "")).isdigit() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return shutil.get_terminal_size().columns


def _folds(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether lines are folded anew when the window becomes narrower. A few terminals cut them off."""
    term = environ.get("TERM", "")
    return not ("XTERM_VERSION" in environ or term == "linux" or (term.startswith("screen") and "TMUX" not in environ))


def _in_background(stream: Any) -> bool:
    """Whether somebody else has the terminal: the shell, after Ctrl-Z and `bg`."""
    try:
        return os.tcgetpgrp(stream.fileno()) not in (0, os.getpgrp())
    except (OSError, ValueError, AttributeError):
        return False


def is_screen(stream: Any, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is a terminal on which a block can be drawn. Where there is one already, there is no room."""
    if isinstance(stream, _Above) or not getattr(stream, "isatty", bool)() or environ.get("TERM") == "dumb":
        return False
    return os.name != "nt" or "WT_SESSION" in environ


def has_colour(environ: Mapping[str, str] = os.environ) -> bool:
    return not environ.get("NO_COLOR")
