"""The link of a trial that nobody runs: Trial.fixed(), and a trial that is run again for its user's eyes only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.log import JSON


class Recorder:
    """The link of Trial.fixed(): keeps everything; at a milestone, if there is one, the answer is to pause."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.saved: Path | None = None

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        if kind == "reported":
            row = {k: v[0] for k, v in body["metrics"].items()}
            row |= {k: body[k][0] for k in ("step", "fold") if k in body}
            self.reports.append(row)
        elif kind == "saved":
            self.saved = Path(body["ref"])

    def wait(self) -> Mapping[str, JSON]:
        return {"go": "pause"}

    def poll(self) -> Mapping[str, JSON] | None:
        return None
