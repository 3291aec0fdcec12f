"""TARGET, the first word after the verb: study.toml, studies.db or a database URL; left out, what is here.

Left out it is $TRIMTAB_STORAGE, else the only study file in this folder, else the only .db file.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli._other import BEGIN, sentence
from trimtab.cli._toml import FileError, Plan, expanded, load
from trimtab.cli._words import heard
from trimtab.errors import did_you_mean

if TYPE_CHECKING:
    from trimtab.study import Study


@dataclass(frozen=True)
class Opened:
    """A stored study, the words that name it, and the plan of its file if there is one."""

    study: Study
    target: str
    plan: Plan | None = None

    @property
    def total(self) -> int | None:
        """The trials its file asks for."""
        return None if self.plan is None else self.plan.run.get("trials")

    @property
    def folder(self) -> Path | None:
        """Where the output of its trials is."""
        if self.plan is not None:
            return None if self.plan.folder is None else Path(self.plan.folder)
        return None if "://" in self.target else Path(self.target).with_suffix(".runs")


def split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """(TARGET or None, the rest): a first word that is a number or key=value is no target."""
    if not words or words[0].isdigit() or ("=" in words[0] and not Path(words[0]).exists() and "://" not in words[0]):
        return None, list(words)
    return words[0], list(words[1:])


def numbers(words: Sequence[str]) -> list[int]:
    """Trial numbers."""
    for word in words:
        if not (word.isascii() and word.isdigit()):
            raise FileError(f'"{word}" is no trial number. Numbers count from 0; `trimtab export` lists them.')
    return [int(word) for word in words]


def found(target: str | None) -> str:
    """The target that was named, or the only one here."""
    if target is None:
        target = os.environ.get("TRIMTAB_STORAGE") or _only_one()
    if told := sentence(target):
        raise FileError(told)
    return heard(target)


def to_run(target: str | None) -> str:
    """The study file that says what to run: named, or the only one here. $TRIMTAB_STORAGE only says where to."""
    target = found(_only_one() if target is None else target)
    if not target.endswith(".toml"):
        if "://" not in target and not Path(target).exists():
            files = [p.name for p in Path.cwd().glob("*.toml") if is_study(p)]
            raise FileError(f"There is no {target}. {did_you_mean(target, files) if files else BEGIN}")
        raise FileError(f"{target} holds results, but not what to run. Name the study.toml, or a program after --.")
    return target


def _only_one() -> str:
    here = Path.cwd()
    for pattern, kind in (("*.toml", "study files"), ("*.db", "databases")):
        files = sorted(p.name for p in here.glob(pattern) if kind == "databases" or is_study(p))
        if len(files) == 1:
            return files[0]
        if files:
            raise FileError(f"Which one? There are {len(files)} {kind} here: {', '.join(files)}.")
    raise FileError("There is no study here. Name one: a study.toml, a studies.db or a database URL.")


def is_study(path: Path) -> bool:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False
    return isinstance(document.get("space"), dict) and isinstance(document.get("run", {}), dict)


def storage_of(target: str) -> str:
    """Where a target's studies lie, which must be there."""
    if target.endswith(".toml"):
        storage = load(target).storage
        _must_exist(storage, f"{target}: nothing has been run yet. Type: trimtab run {shlex.quote(target)}")
        return storage
    _must_exist(target, f"There is no {target}.")
    return target


def opened(target: str | None, name: str | None = None) -> Opened:
    """The stored study of a target."""
    from trimtab.storage import open_stored
    from trimtab.study import Study

    target = found(target)
    storage = storage_of(target)
    if not target.endswith(".toml"):
        return Opened(Study.load(target, name), target)
    plan, store = load(target), open_stored(storage)
    if name is None and store.find(plan.name) is None:
        raise FileError(f"{target}: nothing has been run yet. Type: trimtab run {shlex.quote(target)}")
    return Opened(Study.load(store, name or plan.name), target, plan)


def _must_exist(storage: str, otherwise: str) -> None:
    """SQLite would make the file; looking at a study must not."""
    if "://" not in storage and not Path(expanded(storage, "the storage")).expanduser().exists():
        raise FileError(otherwise)
