"""How a study is found or made, and what is said of it then."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import StorageError, StudyMismatch
from trimtab.log import Event
from trimtab.protocol import Storage
from trimtab.study._say import say
from trimtab.study._stop import best_number
from trimtab.study._where import where

if TYPE_CHECKING:
    from trimtab.study._log import Log
    from trimtab.study._settings import Settings


def given_or_usual(storage: str | Path | Storage | None) -> str | Path | Storage | None:
    """storage=, else $TRIMTAB_STORAGE, else nothing."""
    return os.environ.get("TRIMTAB_STORAGE") or None if storage is None else storage


def named_storage(storage: str | Path | Storage | None) -> str | Path | Storage:
    """The same, where there must be one."""
    given = given_or_usual(storage)
    if given is None:
        raise StorageError('Which storage? Give a file or a URL, as tt.load("digits.db"), or set $TRIMTAB_STORAGE.')
    return given


def found_or_made(store: Storage, name: str, if_exists: str, settings: Settings) -> tuple[str, int, bool]:
    """(name, study, whether it was there before). Safe when many do it at once."""
    wanted = name
    for k in count(2):
        known, new = store.find(name), False
        if known is None:
            known, new = store.create(name, Event("defined", settings.fresh(), at=time.time()))
        if new or if_exists == "resume":
            if name != wanted:
                say("resumed", f'{name}: begins anew, because "{wanted}" exists in {where(store)}')
            return name, known, not new
        if if_exists == "error":
            raise StudyMismatch(
                f'"{name}" exists in {where(store)}. Use another name, or if_exists="resume" to go on with it.'
            )
        name = f"{wanted}-{k}"
    raise AssertionError  # count() has no end


def so_far(name: str, log: Log) -> str:
    """`digits: 57 trials so far (best 0.0123) in digits.db`; nothing while there are none."""
    ledger, n = log.ledger, len(log.ledger.rows)
    if not n:
        return ""
    number = best_number(log.history) if len(ledger.objectives) == 1 else None
    best = "" if number is None else f" (best {ledger.rows[number].values[ledger.objectives[0]]:.4g})"
    return f"{name}: {n} trial{'s' * (n != 1)} so far{best} in {where(log.storage)}"


def outputs_of(storage: Storage) -> Path | None:
    """The folder for outputs beside an SQLite file."""
    path = getattr(storage, "path", None)
    return Path(path).absolute().with_suffix(".runs") if path else None
