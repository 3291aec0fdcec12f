"""The live display: four lines that are redrawn on a terminal, lines that can be grepped elsewhere, HTML in a notebook.

Idea    `frame` makes the lines from a Status and nothing else, so they can be tested as text at any width. A Display
        decides when: it looks at the version once a turn of the driver's loop, and draws 4 times a second at most.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from trimtab.errors import UnknownName
from trimtab.study._status import Status, about, duration, failed_words, status

if TYPE_CHECKING:
    from trimtab.study._driver import Driver
    from trimtab.study._study import Study

MODES = ("auto", "terminal", "plain", "notebook", "off")
REDRAW = 0.25  # seconds between frames
SPEAK = 60.0  # seconds between lines of a log file in which nothing improved


@dataclass(frozen=True, slots=True)
class Heading:
    """What doesn't change while a study runs."""

    name: str
    methods: str
    where: str
    total: int | None


# ── the lines ────────────────────────────────────────────────────────────────────────────────────────────────────


def frame(
    head: Heading, now: Status, *, elapsed: float, done: int = 0, pausing: str = "", width: int = 100
) -> list[str]:
    """The four lines. done: trials that ended in this run, from which speed and the time left are told."""
    left = f"{head.name:<8} {head.methods} · {head.where}"
    clock = duration(elapsed)
    top = f"{_cut(left, width - len(clock) - 2)}{clock:>{max(0, width - min(len(left), width - len(clock) - 2))}}"
    return [
        top,
        _progress(head, now, elapsed, done, width),
        _cut(_best(now, width), width),
        _cut(_last(now, pausing, width), width),
    ]


def _progress(head: Heading, now: Status, elapsed: float, done: int, width: int) -> str:
    words = [f"{now.ended}/{head.total}" if head.total else f"{now.ended} ended"]
    words.append(f"{now.running} running" + (f" ({now.elsewhere})" if now.elsewhere else ""))
    words += [f"{now.queued} queued"] * bool(now.queued) + [f"{now.paused} paused"] * bool(now.paused)
    if done >= 2 and elapsed > 0:
        words.append(speed(done, elapsed))
        if head.total and done >= 3 and not now.paused and now.ended < head.total:
            words.append(f"{about((head.total - now.ended) * elapsed / done)} left")
    text = _fitted(words, width - 13)
    if not head.total:
        return text
    room = max(10, min(54, width - len(text) - 3))
    full = min(room, round(room * now.ended / head.total))
    return f"{'━' * full}{'╌' * (room - full)}   {text}"


def speed(done: int, elapsed: float) -> str:
    """How many trials end in a minute, or in an hour where that is less than one."""
    rate = 60 * done / elapsed
    if rate >= 1:
        return f"{rate:.0f} a minute"
    return f"{60 * rate:.0f} an hour" if 60 * rate >= 1 else f"{1440 * rate:.1f} a day"


def _best(now: Status, width: int) -> str:
    if now.best is None:
        label = "front" if now.note and not now.objective else "best"
        return f"{label:<8} {now.note or 'none yet'}"
    default = f"; default {now.default_value}" if now.default is not None and now.default != now.best else ""
    words = f"{'best':<8} {now.objective} {now.value}  (trial {now.best}{default})"
    config = now.config.split("  ")
    while config and len(words) + 3 + len("  ".join(config)) > width:
        config.pop()
    return words + ("   " + "  ".join(config) if config else "")


def _last(now: Status, pausing: str, width: int) -> str:
    if pausing:
        return f"{'pausing':<8} {pausing}"
    words = [f"{now.finished} finished"]
    words += [f"{now.stopped} stopped early"] * bool(now.stopped)
    failed = f"{now.failed} failed: {failed_words(now.failures)}"
    if len("   ".join([*words, failed])) > width - 9:
        failed = f"{now.failed} failed"
    words += [failed] * bool(now.failed) + [f"{now.invalid} invalid"] * bool(now.invalid)
    hint = "Ctrl-C to pause"
    text = f"{'ended':<8} {_fitted(words, width - 9)}"
    space = width - len(text) - len(hint)
    return f"{text}{' ' * space}{hint}" if space >= 3 else text


def _fitted(words: list[str], width: int) -> str:
    """As many as fit, from the left."""
    text = words[0]
    for word in words[1:]:
        if len(text) + 3 + len(word) > width:
            break
        text += f"   {word}"
    return text


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def pausing_words(trials: int) -> str:
    """What happens after the first Ctrl-C to the trials that run."""
    if not trials:
        return "nothing runs any more"
    they = f"{trials} trials reach their" if trials != 1 else "1 trial reaches its"
    return f"until {they} next step or end   (Ctrl-C again: now)"


# ── when ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def display_for(study: Study, wanted: Any) -> Display | None:
    """None: shown on a terminal or in a notebook; True: always, as lines where there is no terminal; False: never."""
    if isinstance(wanted, Display):
        return wanted
    if isinstance(wanted, str):
        return Display(study, mode=wanted)
    if wanted is False:
        return None
    mode = _mode(sys.stderr)
    return None if wanted is None and mode == "plain" else Display(study, mode=mode)


def _mode(stream: Any) -> str:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and type(shell).__name__ == "ZMQInteractiveShell":
        return "notebook"
    tty = getattr(stream, "isatty", bool)()
    return "terminal" if tty and os.environ.get("TERM") != "dumb" else "plain"


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
        self._driver: Driver | None = None
        self._status: Status | None = None
        self._version = -1
        self._drawn = 0.0
        self._ended_before = 0
        self._said: tuple[float, Any] = (0.0, None)  # when the last line was said, and what it said
        self._live: Any = None
        self._hook: Callable[..., Any] | None = None

    def update(self, driver: Driver) -> None:
        """Once a turn of the loop. Cheap when nothing changed."""
        if self.mode == "off":
            return
        now = time.monotonic()
        first = self._driver is None
        if not first and now - self._drawn < REDRAW:
            return
        self._drawn = now
        if self._version != driver.log.ledger.version or first:
            self._version = driver.log.ledger.version
            self._status = status(driver.log.ledger, driver.log.history, driver.id)
        if first:
            self._begin(driver)
        if self.mode == "terminal":
            self._live.refresh()
        elif self.mode == "notebook":
            self._live.update(self._html())
        else:
            self._speak(now)

    def close(self, driver: Driver | None = None) -> None:
        """The last frame, or the last line."""
        if self.mode == "off" or self._driver is None:
            return
        self._status = status(self._driver.log.ledger, self._driver.log.history, self._driver.id)
        if self.mode == "plain":
            self._say(self._ending())
        elif self.mode == "notebook":
            self._live.update(self._html())
        else:
            self._live.stop()
            sys.breakpointhook = self._hook or sys.breakpointhook
        self._driver = None

    def lines(self, width: int) -> list[str]:
        """The frame as it is now."""
        assert self._status is not None
        driver = self._driver
        pausing = ""
        if driver is not None and driver.draining == "paused":
            pausing = pausing_words(len(driver.until))
        done = self._status.ended - self._ended_before
        elapsed = time.monotonic() - self.began
        return frame(self._head, self._status, elapsed=elapsed, done=done, pausing=pausing, width=width)

    # ── each mode ────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, driver: Driver) -> None:
        assert self._status is not None
        self._driver, self.total = driver, self.total or driver.trials
        self._ended_before = self._status.ended
        methods = " · ".join(m.name for m in (driver.searcher, driver.scheduler) if m.name != "full")
        self._head = Heading(self.study.name, methods, place(self.study), self.total)
        if self.mode == "terminal":
            self._begin_terminal()
        elif self.mode == "notebook":
            from IPython.display import display

            self._live = display(self._html(), display_id=True)
        else:
            self._began_line(driver)

    def _begin_terminal(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self.stream)
        # its own thread draws, so that the clock goes on while an objective runs in this one
        self._live = Live(_Block(self), console=console, refresh_per_second=2, transient=not self.keep)
        self._live.start()
        self._hook = sys.breakpointhook

        def pause_for_debugger(*args: Any, **kwargs: Any) -> Any:
            self._live.stop()
            self.mode = "off"
            sys.breakpointhook = self._hook or sys.breakpointhook
            return sys.breakpointhook(*args, **kwargs)

        sys.breakpointhook = pause_for_debugger

    def _html(self) -> Any:
        from html import escape

        from IPython.display import HTML

        return HTML(f"<pre>{escape(chr(10).join(self.lines(100)))}</pre>")

    def _began_line(self, driver: Driver) -> None:
        assert self._status is not None
        now = self._status
        workers = len(driver.until) + driver.runner.free()
        of = f"{now.ended}/{self.total} trials" if self.total else f"{now.ended} trials"
        words = ["resumed" if now.counted > now.running else "started", of, *self._best_words()]
        words += [f"{workers} worker{'s' * (workers != 1)}"] * bool(workers) + [self._head.where]
        self._say(", ".join(words))
        self._said = (time.monotonic(), (now.best, now.ended))

    def _speak(self, now: float) -> None:
        """An improvement at once; anything else at most once a minute."""
        told = self._status
        assert told is not None
        at, (best, ended) = self._said
        of = f"{told.ended}/{self.total}" if self.total else f"{told.ended}"
        if told.best != best and told.best is not None:
            self._say(f"{of} {told.objective} {told.value} trial {told.best} {told.config.replace('  ', ' ')}")
        elif told.ended != ended and now - at >= SPEAK:
            words = [f"{told.failed} failed"] * bool(told.failed) + self._best_words()
            done = told.ended - self._ended_before
            if self.total and done >= 3 and not told.paused:
                words.append(f"{about((self.total - told.ended) * (now - self.began) / done)} left")
            self._say(f"{of} {', '.join(words)}".rstrip())
        else:
            return
        self._said = (now, (told.best, told.ended))

    def _best_words(self) -> list[str]:
        told = self._status
        if told is None or told.best is None:
            return [told.note] if told is not None and told.note else []
        return [f"best {told.objective} {told.value} (trial {told.best})"]

    def _ending(self) -> str:
        told, driver = self._status, self._driver
        assert told is not None
        assert driver is not None
        of = f"{told.ended}/{self.total}" if self.total else f"{told.ended}"
        word = "paused" if driver.draining == "paused" else "done" if told.ended >= (self.total or 0) else "ended"
        return ", ".join([f"{of} {word}", *self._best_words()])

    def _say(self, text: str) -> None:
        self.stream.write(f"{time.strftime('%H:%M:%S')} {self.study.name}: {text}\n")
        self.stream.flush()


class _Block:
    """What rich draws: the frame at the console's width, sparingly coloured (rich heeds NO_COLOR)."""

    def __init__(self, display: Display) -> None:
        self.display = display

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from rich.text import Text

        # three columns stay free: a terminal echoes ^C there, and must not wrap to a fifth line
        lines = self.display.lines(max(40, options.max_width - 3))
        for i, line in enumerate(lines):
            text = Text(line, no_wrap=True, overflow="ellipsis")
            if i == 1:
                text.highlight_regex("━+", "green")
            text.highlight_regex(
                r"^(best|front|ended|pausing)\b" if i else rf"^{'.' * len(self.display.study.name)}", "bold"
            )
            text.highlight_regex(r"\d+ failed", "red")
            yield text


def place(study: Study) -> str:
    """Where a study is stored, in words short enough for a line."""
    text = repr(study._log.storage)
    if text.startswith("Memory"):
        return "in memory"
    named = re.fullmatch(r"\w+\('(.*)'\)", text)  # Sql('/home/me/digits.db')
    return near(named[1]) if named and "://" not in named[1] else named[1] if named else text


def near(path: str | os.PathLike[str]) -> str:
    """A path from here, where that is not a way up and around."""
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if short.startswith("..") else short
