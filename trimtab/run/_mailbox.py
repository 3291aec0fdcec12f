"""Talking with a program in any language through two files in the trial's folder.

reports.jsonl   the program appends a line per report: {"step": 3, "loss": 0.31}, fold and sem likewise.
                A Python program that uses tt.current_trial() writes {"kind": …, "body": …} lines instead.
messages.jsonl  the driver appends its answers; only current_trial() reads them.
stops-0         of a trial that runs in several processes: a byte a call of should_stop(), written by the first of them,
                so that all end at the same call. -1 and so on after restarts of an elastic launcher.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import ReportError
from trimtab.log import JSON, to_text
from trimtab.run._values import number

REPORTS, MESSAGES, RUN, CONFIG = "reports.jsonl", "messages.jsonl", "run.json", "config.json"
STOPS = "stops-"
RANKS = (
    "RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID", "LOCAL_RANK",
)  # fmt: skip
RESERVED = ("step", "fold", "sem", "kind", "body", "seconds")


class Lines:
    """The complete lines that were appended to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._rest = path, 0, b""

    def new(self) -> list[dict[str, Any]]:
        try:
            if self._path.stat().st_size <= self._at:
                return []
            with open(self._path, "rb") as file:
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:
            return []
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_object(line) for line in lines if line.strip()]


def append(path: Path, what: Mapping[str, JSON]) -> None:
    """One line in one write, so that a reader never sees half of it for long."""
    with open(path, "ab", buffering=0) as file:
        file.write(to_text(what).encode() + b"\n")


def as_report(line: Mapping[str, Any], count: int, started: float) -> dict[str, JSON]:
    """The body of `reported` for {"step": 3, "loss": 0.31}; without a step, the count of reports is it."""
    values = {k: number(v, f'reported "{k}"') for k, v in line.items() if k not in RESERVED}
    if not values:
        raise ReportError(f"{REPORTS} has a line without a metric: {json.dumps(line)[:100]}")
    step = number(line.get("step", count), "gave a step")
    body: dict[str, JSON] = {"step": [int(step) if step == int(step) else step]}
    body["metrics"] = {k: [v] for k, v in values.items()}
    if "fold" in line:
        body["fold"] = [int(line["fold"])]
    if "sem" in line:
        sem = line["sem"] if isinstance(line["sem"], Mapping) else {next(iter(values)): line["sem"]}
        body["sem"] = {k: [number(v, f'reported the sem of "{k}"')] for k, v in sem.items()}
    body["seconds"] = [round(time.monotonic() - started, 3)]
    return body


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ReportError(f"{REPORTS} has a line that is no JSON object: {line[:100].decode(errors='replace')!r}")
    return found
