"""tt.current_trial(): the trial, inside a program that a study has started (or a torchrun, an srun under it).

Without a study it is a stand-in: it has the default configuration and prints what is reported, so the same program
runs by hand.

Several processes of one trial (torchrun, srun, mpirun) have the same configuration, budget and checkpoint. Only the
first, rank 0, reports and saves, and only it hears verdicts. At each call of should_stop(), steps() included, it
writes down what it acts on, and the others wait for that word: so all leave at the same call, whatever came between,
and none waits in a collective operation for one that has left.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.log import JSON
from trimtab.protocol import Run
from trimtab.run._mailbox import MESSAGES, RANKS, REPORTS, RUN, STOPS, Lines, append
from trimtab.run._outcome import ending
from trimtab.run.trial import Trial

_current: Trial | None = None
WORDS = {b".": None, b"p": "pause", b"s": "stop", b"c": "cancel", b"x": "cancel"}  # x: the first process has left
LATE = 60.0  # seconds after which a process says what it waits for


def current_trial(default: Mapping[str, Any] | None = None, *, budget: float | None = None) -> Trial:
    """The trial this program runs for. default, budget: what it has when there is no study."""
    global _current
    if _current is None:
        folder = os.environ.get("TRIMTAB_DIR")
        _current = _stand_in(_given() or default or {}, budget) if folder is None else _attached(Path(folder))
    elif isinstance(_current._link, _Printer) and default is not None and not _given() and default != _current.config:
        _current = _stand_in(default, budget)  # without a study the newest word counts
    return _current


def _attached(folder: Path) -> Trial:
    told = json.loads((folder / RUN).read_text())
    link = _Files(folder, leads=_rank() == 0)
    trial = Trial(Run(**told), link, None, folder)
    if link.leads:
        atexit.register(_leave, trial, link)
    return trial


def _given() -> dict[str, Any]:
    """The configuration of a run that is recorded nowhere (`trimtab try`)."""
    config = os.environ.get("TRIMTAB_CONFIG")
    given: dict[str, Any] = json.loads(Path(config).read_text()) if config else {}
    return given


def _stand_in(config: Mapping[str, Any], budget: float | None) -> Trial:
    run = Run(trial=0, attempt=1, config=dict(config), seed=0, until=math.inf, budget=budget, open=True)
    return Trial(run, _Printer())


def _rank() -> int:
    """This process's place among those of its trial, as its launcher says."""
    return int(next((os.environ[name] for name in RANKS if os.environ.get(name)), 0))


def _leave(trial: Trial, link: _Files) -> None:
    link.publish(b"x")
    link.write("left", ending(trial))


class _Files:
    """The trial's line through the files of its folder."""

    def __init__(self, folder: Path, *, leads: bool) -> None:
        self.leads, self._reports = leads, folder / REPORTS
        self._lines = Lines(folder / MESSAGES)
        self._stops = folder / f"{STOPS}{os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0}"
        self._calls = 0
        self._waiting: list[dict[str, Any]] = []
        self.write("attached", {})

    def write(self, kind: str, body: Mapping[str, JSON]) -> None:
        if self.leads:
            append(self._reports, {"kind": kind, "body": body})

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        self.write(kind, body)

    def wait(self) -> Mapping[str, JSON]:
        if not self.leads:
            return {"go": "on"}  # the verdict comes with the next should_stop()
        self.write("waiting", {})
        pause = 0.005
        while (message := self.poll()) is None:
            time.sleep(pause)
            pause = min(2 * pause, 0.2)
        return message

    def poll(self) -> Mapping[str, JSON] | None:
        if not self.leads:
            return None
        self._waiting += self._lines.new()
        return self._waiting.pop(0) if self._waiting else None

    def listens(self) -> None:
        self.write("listens", {})

    def agree(self, told: str | None) -> str | None:
        """What all processes act on at this call: said by the first, waited for by the others."""
        if self.leads:
            self.publish(next(word for word, means in WORDS.items() if means == told))
            return told
        self._calls += 1
        began, pause = time.monotonic(), 0.001
        while (word := self._published(self._calls)) is None:
            time.sleep(pause)
            pause = min(1.5 * pause, 0.05)
            if began and time.monotonic() - began > LATE:
                began = 0.0
                sys.stderr.write(
                    f"trimtab: rank {_rank()} waits at call {self._calls} of should_stop() (steps() calls it too) for "
                    "rank 0, which has not come to it. Every process of a trial has to call it equally often.\n"
                )
        return WORDS[word]

    def publish(self, word: bytes) -> None:
        """Opened and closed each time: a network file system shows to others what has been closed."""
        if self.leads:
            with open(self._stops, "ab", buffering=0) as file:
                file.write(word)

    def _published(self, call: int) -> bytes | None:
        with contextlib.suppress(FileNotFoundError), open(self._stops, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size >= call:
                file.seek(call - 1)
                return file.read(1)
            if size:
                file.seek(size - 1)
                return b"x" if file.read(1) == b"x" else None
        return None


class _Printer:
    """Without a study: reports are shown."""

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        if kind == "reported" and _rank() == 0:
            step, metrics = body["step"][0], body["metrics"]
            sys.stdout.write(f"step {step}   " + "   ".join(f"{k} {v[0]:g}" for k, v in metrics.items()) + "\n")

    def wait(self) -> Mapping[str, JSON]:
        return {"go": "on"}

    def poll(self) -> Mapping[str, JSON] | None:
        return None
