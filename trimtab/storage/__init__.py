"""Where logs live: in memory, or in SQLite or PostgreSQL. Nothing here knows what the events mean."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trimtab.errors import StorageError
from trimtab.protocol import Storage
from trimtab.storage.memory import Memory

if TYPE_CHECKING:
    from trimtab.storage.sql import Sql

__all__ = ["Memory", "Sql", "open_storage"]

IN_MEMORY = ("memory", ":memory:")


def open_storage(
    where: str | os.PathLike[str] | Storage | None,
    *,
    durability: Literal["normal", "full"] = "normal",
    read_only: bool = False,
    create: bool = True,
) -> Storage:
    """The storage that a user named.

    where  None or "memory": memory; "digits.db" or another path: an SQLite file; "sqlite:///…" or "postgresql://…"; or
           a storage, which is given back as it is. ${NAME} stands for the environment variable of that name.
    create False: a file that isn't there is an error
    """
    if where is None or (where in IN_MEMORY and create and not Path(str(where)).exists()):
        return Memory()
    if not isinstance(where, (str, os.PathLike)):
        if isinstance(where, Storage):
            return where
        raise StorageError(f'storage={where!r} is no storage. Give a file name, a URL ("postgresql://…") or a storage.')
    from trimtab.storage.sql import Sql, sqlite_url

    text = _expanded(os.fspath(where))
    if "://" in text:
        return Sql(text, durability=durability, read_only=read_only)
    if not text.strip():
        raise StorageError('storage="" names nothing. Give a file name ("digits.db"), or leave it out for memory.')
    path = Path(text).expanduser()
    if text.endswith(("/", os.sep)) or path.is_dir():
        raise StorageError(
            f"{text} is a folder. Studies in folders, for network file systems, don't exist yet."
            f' Today these work: a file on a local disk, storage="{path.name or "studies"}.db",'
            ' or PostgreSQL, storage="postgresql://user:${PGPASSWORD}@host/database".'
        )
    if not create and not path.exists():
        raise StorageError(f'{path} does not exist, so it holds no study. tt.Study(…, storage="{text}") begins one.')
    return Sql(sqlite_url(path), durability=durability, read_only=read_only)


def open_stored(where: str | os.PathLike[str] | Storage) -> Storage:
    """A storage that must be there already: for reading only where this user may not write the file or its folder."""
    read_only = False
    if isinstance(where, (str, os.PathLike)) and "://" not in os.fspath(where):
        path = Path(_expanded(os.fspath(where))).expanduser()
        read_only = path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    return open_storage(where, read_only=read_only, create=False)


def _expanded(text: str) -> str:
    """With ${NAME} replaced; percent-encoded in the user:password part of a URL, where it may hold any sign."""
    from urllib.parse import quote

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise StorageError(f"storage= uses ${{{found[1]}}}, which is not set. Type: export {found[1]}=…")
        return os.environ[found[1]]

    user, at, rest = text.rpartition("@") if "://" in text else ("", "", text)
    return (
        re.sub(r"\$\{(\w+)\}", lambda found: quote(value(found), safe=""), user)
        + at
        + re.sub(r"\$\{(\w+)\}", value, rest)
    )


def __getattr__(name: str) -> object:
    if name == "Sql":
        from trimtab.storage.sql import Sql

        return Sql
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
