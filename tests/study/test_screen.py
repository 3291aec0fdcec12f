"""The block at the bottom of a terminal, on a small terminal of our own: text printed meanwhile, resizing, leaving."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from trimtab.study._screen import Screen, _Above, _folds, coloured, has_colour, is_screen
from trimtab.study._text import apart, cells, clean, cut, fitted, writable


class Terminal(io.StringIO):
    """Understands what the screen sends: newlines, up, to the left, erase, colours. Lines don't wrap."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[str] = [""]
        self.row = self.column = 0
        self.sent = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.sent += text
        for code, count, what, plain in re.findall(r"(\x1b\[(\d*)([A-Za-z]))|([^\x1b])", text):
            if plain == "\n":
                self.row, self.column = self.row + 1, 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif plain == "\r":
                self.column = 0
            elif plain:
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + plain + line[self.column + 1 :]
                self.column += 1
            elif what == "A":
                assert int(count) <= self.row, "above the top"
                self.row -= int(count)
            elif what in "KJ":
                self.rows[self.row] = self.rows[self.row][: self.column]
                if what == "J":
                    del self.rows[self.row + 1 :]
            else:
                assert what == "m", code
        return len(text)

    @property
    def text(self) -> list[str]:
        return [row.rstrip() for row in self.rows]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "40")
    return Terminal()


@pytest.fixture
def screen(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Screen]]:
    """A screen without its thread: draw() is called by hand."""
    made: list[Screen] = []

    def make(lines: Callable[[int], list[str]] = lambda width: ["one", "two"], keep: bool = True) -> Screen:
        for name in ("stdout", "stderr"):  # here, because pytest takes them back after a fixture
            monkeypatch.setattr(sys, name, terminal)
        new = Screen(terminal, lines, colour=False, keep=keep)
        new._thread.start = lambda: None  # type: ignore[method-assign]
        made.append(new)
        new.start()
        return new

    yield make
    for each in made:
        each.stop()


def test_it_is_drawn_over_itself(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    told = [["one", "two"], ["three", "4"]]
    made = screen(lambda width: told[0])
    assert terminal.text == ["one", "two"]
    del told[0]
    made.draw()
    assert terminal.text == ["three", "4"]
    made.stop()
    assert terminal.text == ["three", "4", ""]


def test_what_is_printed_goes_above(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    made = screen()
    print("from the objective")
    print("and to stderr", file=sys.stderr)
    made.draw()
    assert terminal.text == ["from the objective", "and to stderr", "one", "two"]
    made.stop()
    print("after")
    assert terminal.text == ["from the objective", "and to stderr", "one", "two", "after", ""]


def test_a_begun_line_is_shown_until_it_ends(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    made = screen()
    print("epoch 1: ", end="", flush=True)
    made.draw()
    assert terminal.text == ["epoch 1:", "one", "two"]
    print("loss 0.3")
    made.draw()
    assert terminal.text == ["epoch 1: loss 0.3", "one", "two"]


def test_a_progress_bar_is_one_line(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    made = screen()
    for percent in range(0, 101, 10):
        sys.stderr.write(f"\r{percent}% done")
        made.draw()
    assert terminal.text == ["100% done", "one", "two"]
    sys.stderr.write("\n")
    made.draw()
    assert terminal.text == ["100% done", "one", "two"]
    assert len(made.begun["stderr"]) == 0


def test_a_begun_line_is_not_lost_at_the_end(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    made = screen(keep=False)
    print("no newline", end="")
    made.stop()
    assert terminal.text == ["no newline", ""]


def test_a_flood_of_lines_is_not_drawn_after_each(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    made = screen()
    made._drawn = float("inf")  # as if a frame had just been drawn
    for i in range(1_000):
        print(i)
    assert terminal.sent.count("one") == 1
    assert made._wake.is_set()
    made.draw()
    assert terminal.text == [*map(str, range(1_000)), "one", "two"]


def test_handlers_of_logging_made_before_are_led_too(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        made = screen()
        logging.getLogger("users.own").warning("look")
        made.draw()
        assert terminal.text == ["look", "one", "two"]
        made.stop()
        assert handler.stream is terminal
    finally:
        logging.getLogger().removeHandler(handler)


def test_streams_that_are_no_terminal_are_left_alone(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)  # script.py > out.txt
    monkeypatch.setattr(sys, "stderr", terminal)
    made = Screen(terminal, lambda width: ["one"], colour=False, keep=True)
    made._thread.start = lambda: None  # type: ignore[method-assign]
    made.start()
    print("into the file")
    assert sys.stdout is file
    made.stop()
    assert file.getvalue() == "into the file\n"
    assert terminal.text == ["one", ""]
    assert sys.stderr is terminal


def test_a_narrower_window_has_folded_the_old_lines(
    terminal: Terminal, screen: Callable[..., Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = screen(lambda width: ["x" * width, "y" * width])
    assert terminal.text == ["x" * 37, "y" * 37]  # three columns stay free for ^C
    terminal.rows = ["x" * 23, "x" * 14, "y" * 23, "y" * 14]  # what a terminal of 23 columns makes of them
    terminal.row = 3
    monkeypatch.setenv("COLUMNS", "23")
    monkeypatch.delenv("XTERM_VERSION", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    made.draw()
    assert terminal.text == ["x" * 20, "y" * 20]
    assert not _folds({"TERM": "xterm", "XTERM_VERSION": "XTerm(379)"})
    assert not _folds({"TERM": "screen.xterm"})
    assert _folds({"TERM": "screen-256color", "TMUX": "/tmp/tmux"})


def test_nothing_is_sent_when_nothing_changed(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    made = screen()
    before = terminal.sent
    made.draw()
    assert terminal.sent == before


def test_a_window_that_was_closed_ends_the_display_not_the_study(
    terminal: Terminal, screen: Callable[..., Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(100))
    made = screen(lambda width: [f"{next(count)}"])

    def gone(text: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal, "write", gone)
    made.draw()
    made.draw()
    assert made._gone


def test_a_display_that_breaks_says_so_once(screen: Callable[..., Screen], caplog: pytest.LogCaptureFixture) -> None:
    made = screen(lambda width: [f"{1 / 0}"])
    made.draw()
    assert [r.getMessage() for r in caplog.records] == ["the live display failed; the study goes on without it"]


def test_a_forked_child_prints_above_the_block_as_it_stands(terminal: Terminal, screen: Callable[..., Screen]) -> None:
    made = screen(lambda width: ["one", f"{width}"])
    above = sys.stdout
    assert isinstance(above, _Above)
    made._lock.acquire()  # as the drawing thread may have, at that very moment
    above._pid = os.getpid() + 1  # as the child of a fork sees it
    print("from a child")
    print("and again")
    assert terminal.text == ["from a child", "and again", "one", "37"]


def test_its_own_thread_draws(terminal: Terminal) -> None:
    import threading

    drawn = threading.Event()
    count = iter(range(1_000_000))

    def lines(width: int) -> list[str]:
        if (n := next(count)) >= 2:
            drawn.set()
        return [f"{n}"]

    made = Screen(terminal, lines, colour=True, keep=False)
    made.start()
    assert drawn.wait(30)
    made.stop()
    made.stop()  # harmless
    assert not made._thread.is_alive()
    assert terminal.text == [""]


def test_where_a_block_can_be_drawn() -> None:
    assert is_screen(Terminal(), {"TERM": "xterm"}) is (os.name != "nt")
    assert not is_screen(Terminal(), {"TERM": "dumb"})
    assert not is_screen(io.StringIO(), {"TERM": "xterm"})
    assert not is_screen(None, {})
    assert has_colour({})
    assert has_colour({"NO_COLOR": ""})  # no-color.org: only when it isn't empty
    assert not has_colour({"NO_COLOR": "1"})


def test_a_study_inside_an_objective_has_no_block_of_its_own(screen: Callable[..., Screen]) -> None:
    import trimtab as tt
    from trimtab.study._display import display_for

    screen()
    assert not is_screen(sys.stderr, {"TERM": "xterm"})
    assert display_for(tt.Study("inner", {"x": "0.0..1.0"}, minimize="loss"), None) is None


def test_colours_are_sparing() -> None:
    told = coloured(["digits   tpe", "━━╌╌   1/2", "best     x", "ended    1 finished   2 failed: Oh"])
    assert told[0] == "\x1b[1mdigits\x1b[0m   tpe"
    assert told[1] == "\x1b[32m━━\x1b[0m╌╌   1/2"
    assert told[3] == "\x1b[1mended\x1b[0m    1 finished   \x1b[31m2 failed\x1b[0m: Oh"


def test_text_for_screens() -> None:
    assert clean("a\x1b]0;title\x07b\x1b[1;31mc\x9b2Jd\x1b(Be\x00\x7f") == "abcde"
    assert clean("x\u202ey\u2066z\u200b\ufeff") == "xyz"
    assert clean("one\ntwo\tthree\u2028four") == "one two three four"
    assert clean("\ud800") == "\ufffd"
    assert [cells(t) for t in ("abc", "数字", "e\u0301", "🚀")] == [3, 4, 1, 2]
    assert [cut("数字认识", n) for n in (8, 7, 6, 2, 1, 0)] == ["数字认识", "数字认…", "数字…", "…", "…", ""]
    assert apart("left", "right", 12) == "left   right"
    assert apart("much too long", "right", 12) == "much…  right"
    assert fitted(["a", "bb", "ccc"], 8) == "a   bb"
    assert fitted([], 8) == ""
    assert writable("━━╌ 1 · 2 × x → …", "ascii") == "##- 1 | 2 x x -> ..."
    assert writable("━ é 数", "latin-1") == "# é ?"
    assert writable("━", "no-such-encoding") == "#"
    assert writable("━", None) == "━"
