"""A line while something takes long, on terminals only."""

from __future__ import annotations

import io

import pytest

import trimtab as tt
from trimtab.study._progress import Progress, line, watched


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")


def test_the_line() -> None:
    assert line("reading digits.db", 120_000, 1_000_000, 12, 80) == (
        "reading digits.db   120,000 of 1,000,000   12 s   about 90 s left"
    )
    assert line("copying", 7, None, 3.2, 80) == "copying   7   3.2 s"
    assert line("copying", 10, 10, 3, 14) == "copying   10 …"


def test_it_appears_when_it_takes_long_and_goes_again() -> None:
    stream = Tty()
    with Progress("copying", stream, late=0.0) as told:
        told(3, 10)
        assert stream.getvalue().startswith("\rcopying   3 of 10   ")
    assert stream.getvalue().endswith("\r\x1b[K")


def test_quick_work_says_nothing() -> None:
    stream = Tty()
    assert list(watched(range(1_000), "copying", 1_000, stream)) == list(range(1_000))
    assert stream.getvalue() == ""


def test_a_file_gets_nothing() -> None:
    stream = io.StringIO()
    with Progress("copying", stream, late=0.0) as told:
        told(3, 10)
    assert stream.getvalue() == ""


def test_a_window_that_was_closed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Tty):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    with Progress("copying", Gone(), late=0.0) as told:
        told(1)
        told(2)


def test_long_work_on_a_study_is_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Opening, copying and verifying tell how far they are."""
    from trimtab.study import _log

    stream = Tty()
    monkeypatch.setattr(_log, "BATCH", 2)
    monkeypatch.setattr(Progress.__init__, "__defaults__", (None, 0.0))
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", storage=f"{tmp_path}/s.db", seed=0, searcher="random")
    study.optimize(lambda t: t["x"], trials=3, display=False)
    study.close()
    monkeypatch.setattr("sys.stderr", stream)
    again = tt.load(f"{tmp_path}/s.db")
    copied = again.copy(f"{tmp_path}/t.db")
    from trimtab.study.verify import verify

    assert verify(f"{tmp_path}/s.db").ok
    text = stream.getvalue()
    assert all(f"\r{word} " in text for word in ("reading", "copying", "verifying"))
    assert text.endswith("\r\x1b[K")
    for each in (again, copied):
        each.close()
