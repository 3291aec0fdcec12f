"""Optuna's studies as trimtab's: the same trials under the same numbers, in a study that goes on.

Words   COMPLETE is finished, PRUNED stopped, FAIL failed. RUNNING becomes failed ("it was still running"), because
        nobody here runs it: study.retry() tries it again. WAITING waits here too, and is tried first. Steps are counts
        of finished steps, so Optuna's step 0 is 1. User attributes are notes. An infinite value is a failure here.
Safety  Everything is read and checked before anything is written; nothing is unpickled or evaluated.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import SpaceError, StorageError, StudyMismatch
from trimtab.integrations.optuna import _database, _journal
from trimtab.integrations.optuna._domains import Dist
from trimtab.integrations.optuna._events import Words, events_of
from trimtab.integrations.optuna._stored import StoredStudy
from trimtab.log import Event
from trimtab.protocol import Storage
from trimtab.run._values import plain
from trimtab.space import Space
from trimtab.storage import open_storage
from trimtab.storage._sqlite import MAGIC
from trimtab.study._conditions import Conditions
from trimtab.study._where import where

if TYPE_CHECKING:
    from trimtab.study import Study

log = logging.getLogger(__name__)


def load(
    source: str | os.PathLike[str],
    name: str | None = None,
    into: str | os.PathLike[str] | Storage | None = None,
    *,
    rename: str | None = None,
) -> Study:
    """A trimtab study with the trials of an Optuna study. Optuna need not be installed.

    source  "study.db", "sqlite:///study.db", "postgresql://…" (Optuna's RDBStorage), or a journal file
    name    of the study in there; may be left out where there is one
    into    the storage of the new study: "digits.db", a URL …; None: in memory
    rename  the new study's name; None: the old one

    load("study.db", into="digits.db").optimize(objective, more=50)
    """
    return made(_read(source, name), into, rename, str(source))


def made(stored: StoredStudy, into: str | os.PathLike[str] | Storage | None, rename: str | None, source: str) -> Study:
    """The study of these records, in `into`."""
    from trimtab.study import Study

    words = Words.of(stored)
    space = _space(stored, source)
    events = list(events_of(stored, words))
    if stored.attributes:
        events.append(Event("noted", {"attributes": plain(stored.attributes)}, at=events[-1].at if events else 0.0))
    name, store = rename or stored.name, open_storage(into)
    if store.find(name) is not None:
        raise StudyMismatch(f'"{name}" exists in {where(store)} already. Give the new study a name: rename="{name}-2".')
    goals: dict[str, list[str]] = {"minimize": [], "maximize": []}
    for metric, direction in zip(words.metrics, stored.directions, strict=True):
        goals["maximize" if direction == "MAXIMIZE" else "minimize"].append(metric)
    study = Study(
        name, storage=store, constraints=words.limits, note=f"imported from Optuna: {Path(source).name}",
        **{kind: names for kind, names in goals.items() if names},  # type: ignore[arg-type]
    )  # fmt: skip
    body = {**study._log.ledger.definitions[-1], "space": space.to_json(), "why": "what Optuna's trials asked for"}
    try:
        first = study._log.ledger.version + 1
        if not study._log.decide(Event("defined", body, at=events[0].at if events else 0.0), *placed(events, first)):
            raise StudyMismatch(f'"{name}" in {store!r} was changed by somebody else meanwhile. Load it again.')
    except BaseException:
        store.delete(study._log.study)  # all or nothing
        raise
    _tell(study, stored)
    return study


def placed(events: list[Event], first: int) -> list[Event]:
    """The same with what each start had seen, when the first of them gets the number after `first`."""
    out = []
    for i, event in enumerate(events):
        out.append(replace(event, body={**event.body, "seen": first + i}) if event.kind == "started" else event)
    return out


def _read(source: str | os.PathLike[str], name: str | None) -> StoredStudy:
    text = os.fspath(source)
    if text.startswith(("sqlite:///", "sqlite+pysqlite:///")):
        text = text.partition(":///")[2].partition("?")[0]
    try:
        if "://" in text:
            with _database.server(text) as fetch:
                return _database.read(fetch, name, text.rpartition("@")[2])
        path = Path(text).expanduser()
        if not path.is_file():
            raise StorageError(f"{path} is not there. Give Optuna's SQLite file, its journal file or a database URL.")
        with path.open("rb") as file:
            head = file.read(16)
        if head != MAGIC:
            if head.lstrip()[:1] not in (b"{", b""):
                raise StorageError(f"{path} is neither an SQLite file nor a journal of Optuna.")
            return _journal.read(path, name)
        with _database.sqlite_file(path) as fetch:
            return _database.read(fetch, name, str(path))
    except (sqlite3.Error, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{text.rpartition('@')[2]} can't be read as a study of Optuna: {error}. Nothing was written."
        ) from None


def _space(stored: StoredStudy, source: str) -> Space:
    """The hull of what the trials asked for, with the conditions that they show."""
    hulls: dict[str, Dist] = {}
    conditions = Conditions()
    for trial in stored.trials:
        for name, dist in trial.dists.items():
            old = hulls.get(name)
            hull = dist if old is None else old.hull(dist)
            if hull is None:
                raise StorageError(
                    f"{source}: {name!r} is {old} in some trials and {dist} in trial {trial.number}. "
                    "A parameter can't change its kind in a study."
                )
            hulls[name] = hull
    choices, numbers = ({n for n, d in hulls.items() if d.kind == kind} for kind in ("choice", "int"))
    for trial in stored.trials:
        if trial.state in ("COMPLETE", "PRUNED"):
            conditions.add(trial.params, choices, numbers)
    found = conditions.found()
    try:
        domains = {name: dist.domain() for name, dist in hulls.items()}
        return Space({name: replace(domain, when=found.get(name) or None) for name, domain in domains.items()})
    except SpaceError as error:
        raise StorageError(f"{source}: {error} Nothing was written.") from None


def _tell(study: Study, stored: StoredStudy) -> None:
    lost = sum(t.state == "RUNNING" for t in stored.trials)
    endless = sum(t.state == "COMPLETE" and study.trial(i).state == "failed" for i, t in enumerate(stored.trials))
    if lost:
        what = "1 trial was still running" if lost == 1 else f"{lost} trials were still running"
        verb = "counts" if lost == 1 else "count"
        log.warning("%s: %s in Optuna and %s as failed here; study.retry() tries again.", study.name, what, verb)
    if endless:
        what = (
            "1 trial with an infinite value counts" if endless == 1 else f"{endless} trials with infinite values count"
        )
        log.warning("%s: %s as failed here.", study.name, what)
