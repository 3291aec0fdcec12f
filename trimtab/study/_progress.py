"""A line on a terminal while something takes longer than one likes to wait: reading a long log, copying, verifying.

It appears after two seconds, is redrawn four times a second, and goes when the work is done. Where there is no terminal
nothing is written.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TextIO, TypeVar

from trimtab.study._screen import REDRAW, is_screen
from trimtab.study._status import about, duration
from trimtab.study._text import clean, cut, writable

T = TypeVar("T")
LATE = 2.0  # seconds of silence
ASKED = 64  # items between two looks at the clock


class Progress:
    """`with Progress("reading digits.db") as told: … told(done, total)`"""

    def __init__(self, what: str, stream: TextIO | None = None, late: float = LATE) -> None:
        self.what, self.stream, self.late = clean(what), stream or sys.stderr, late
        self._on = is_screen(self.stream)
        self._began = self._drawn = time.monotonic()
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, total: int | None = None) -> None:
        """So much is done."""
        if not self._on:
            return
        now = time.monotonic()
        if now - self._drawn >= (REDRAW if self._shown else self.late):
            self._drawn, self._shown = now, True
            self._write(f"\r{line(self.what, done, total, now - self._began, _columns() - 1)}\x1b[K")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(writable(text, getattr(self.stream, "encoding", None)))
            self.stream.flush()
        except (OSError, ValueError):  # the window was closed
            self._on = False


def line(what: str, done: int, total: int | None, elapsed: float, width: int) -> str:
    """`reading digits.db   120,000 of 1,000,000 events   12 s   about 90 s left`"""
    words = [what, f"{done:,} of {total:,}" if total else f"{done:,}", duration(elapsed)]
    if total and 0 < done < total:
        words.append(f"{about((total - done) * elapsed / done)} left")
    return cut("   ".join(words), width)


def watched(items: Iterable[T], what: str, total: int | None = None, stream: Any = None) -> Iterator[T]:
    """The items, with a line that says how many there were."""
    with Progress(what, stream) as told:
        for i, item in enumerate(items):
            if not i % ASKED:
                told(i, total)
            yield item


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
