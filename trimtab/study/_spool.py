"""What could not be appended because the storage is away: kept in a file, written when it is back.

Idea    A line an append, with the append's own id. Appending twice under one id is harmless, so whoever finds the file
        may deliver it: this process when the storage answers again, or the next one that opens the study here.
Where   $TRIMTAB_UNSENT, else the user's state folder (~/.local/state/trimtab/unsent), which cluster nodes often share.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trimtab.log import Event, to_text
from trimtab.protocol import Storage

log = logging.getLogger(__name__)


def folder() -> Path:
    """Where unsent events wait on this machine."""
    given = os.environ.get("TRIMTAB_UNSENT")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(given) if given else Path(state) / "trimtab" / "unsent"


@dataclass(frozen=True, slots=True)
class Spool:
    """The unsent appends of one study in one storage, a file a process."""

    storage: Storage
    study: int

    @property
    def _key(self) -> str:
        return hashlib.blake2b(f"{self.storage!r}|{self.study}".encode(), digest_size=8).hexdigest()

    @property
    def path(self) -> Path:
        return folder() / f"{self._key}-{os.getpid()}.jsonl"

    def keep(self, append_id: str, events: Sequence[Event]) -> Path | None:
        """Put one append into the file; None where that can't be written either."""
        line = to_text({"id": append_id, "events": [asdict(e) for e in events]})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError):
            return None
        return self.path

    def drop(self) -> None:
        """What this process had put there has arrived."""
        with suppress(OSError):
            self.path.unlink()

    def deliver(self) -> int:
        """Append what earlier processes left behind; how many events that were."""
        told = 0
        try:
            files = sorted(folder().glob(f"{self._key}-*.jsonl"))
        except (OSError, RuntimeError):  # a folder that can't be read; a user without a home
            return 0
        for file in files:
            for append_id, events in _read(file):
                self.storage.append(self.study, events, append_id)
                told += len(events)
            with suppress(OSError):
                file.unlink()
        if told:
            log.warning("%d events that could not be stored earlier are in the study now.", told)
        return told


def _read(file: Path) -> list[tuple[str, list[Event]]]:
    """The whole lines of a file; one that was cut off in the middle was never acknowledged."""
    appends: list[tuple[str, list[Event]]] = []
    with suppress(OSError):
        for line in file.read_text("utf-8", errors="replace").splitlines():
            try:
                kept: dict[str, Any] = json.loads(line)
                appends.append((kept["id"], [Event(**e) for e in kept["events"]]))
            except (ValueError, TypeError, KeyError):
                break
    return appends
