"""tt.current_trial(): the trial, inside a program that a study has started (or a torchrun, an srun under it).

Without a study it is a stand-in: it has the default configuration and prints what is reported, so the same program
runs by hand. Of several processes of one trial (RANK or LOCAL_RANK not 0) only the first reports; the others read, and
stop when it does.
"""

from __future__ import annotations

import atexit
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
from trimtab.run._mailbox import MESSAGES, REPORTS, RUN, Lines, append
from trimtab.run._outcome import ending
from trimtab.run.trial import Trial

_current: Trial | None = None


def current_trial(default: Mapping[str, Any] | None = None, *, budget: float | None = None) -> Trial:
    """The trial this program runs for. default, budget: what it has when there is no study."""
    global _current
    if _current is None:
        folder = os.environ.get("TRIMTAB_DIR")
        _current = _stand_in(_given() or default or {}, budget) if folder is None else _attached(Path(folder))
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
    return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK") or 0)


def _leave(trial: Trial, link: _Files) -> None:
    link.write("left", ending(trial))


class _Files:
    """The trial's line through the files of its folder."""

    def __init__(self, folder: Path, *, leads: bool) -> None:
        self.leads, self._reports = leads, folder / REPORTS
        self._lines = Lines(folder / MESSAGES)
        self._waiting: list[dict[str, Any]] = []
        self.write("attached", {})

    def write(self, kind: str, body: Mapping[str, JSON]) -> None:
        if self.leads:
            append(self._reports, {"kind": kind, "body": body})

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        self.write(kind, body)

    def wait(self) -> Mapping[str, JSON]:
        self.write("waiting", {})
        pause = 0.005
        while (message := self._first(answers=None if self.leads else True)) is None:
            time.sleep(pause)
            pause = min(2 * pause, 0.2)
        return message

    def poll(self) -> Mapping[str, JSON] | None:
        return self._first(answers=None if self.leads else False)

    def _first(self, answers: bool | None) -> dict[str, Any] | None:
        """The oldest message. One that follows takes answers at its own milestones only, so all stop at one step."""
        self._waiting += self._lines.new()
        for i, message in enumerate(self._waiting):
            if answers is None or message.get("answers", False) == answers:
                return self._waiting.pop(i)
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
