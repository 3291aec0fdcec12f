"""Who hears the lines that a study says in passing."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from trimtab.study._say import heard_by, logger, say, warn


def test_a_listener_hears_them_and_nobody_else(capsys: Any, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[str, str]] = []
    with caplog.at_level(logging.INFO), heard_by(lambda *line: heard.append(line)):
        say("resumed", "s: 3 trials so far")
        with heard_by(lambda *line: None):
            say("done", "s: unheard")
        warn("s: the objective has changed")
    assert heard == [("resumed", "s: 3 trials so far"), ("warning", "s: the objective has changed")]
    assert (capsys.readouterr().err, caplog.text) == ("", "")


def test_a_listener_is_this_threads_own(capsys: Any, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []
    with caplog.at_level(logging.INFO), heard_by(lambda *line: heard.append(line)):
        other = threading.Thread(target=say, args=("done", "s: done"))
        other.start()
        other.join()
    assert (heard, caplog.messages) == ([], ["s: done"])


def test_where_logging_is_set_up_it_decides(caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    with caplog.at_level(logging.INFO):
        say("resumed", "s: 100 % of it")
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("INFO", "s: 100 % of it")]
    with caplog.at_level(logging.ERROR, logger="trimtab"):
        say("resumed", "s: hushed")
        warn("s: hushed")
    assert len(caplog.records) == 1
    assert capsys.readouterr().err == ""


def test_where_nothing_is_set_up_people_see_it(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(logger, "propagate", False)  # no handler above: as in a script that knows no logging
    say("changed", "s: x: Float(0, 1) → Float(0, 2)")
    assert capsys.readouterr().err == "s: x: Float(0, 1) → Float(0, 2)\n"


def test_what_is_said_is_one_line_without_codes(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "propagate", False)
    say("resumed", "\x1b[31mred\x1b[0m\nman: 3 trials so far")
    assert capsys.readouterr().err == "red man: 3 trials so far\n"
