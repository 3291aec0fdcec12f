"""Where a reader's files are, and what it says when they are not there or not what they should be.

Nothing here or in any reader downloads: the messages name the path that was looked at, and how to set it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.errors import MissingData, TrimtabError

FloatArray = NDArray[np.float64]
HOW = "Set $TRIMTAB_BENCH_DATA, or --data, to the folder that holds"


class WrongFile(TrimtabError, ValueError):
    """A file is not laid out as its reader expects. Says which file, what was found and what was expected."""

    def __init__(self, file: Path, found: str, expected: str) -> None:
        super().__init__(f"{file}: {found}. Expected: {expected}{'' if expected[-1] in '.?' else '.'}")
        self.file = file


def folder_of(data: Path | None, folder: str) -> Path | None:
    """The folder below the user's data, or None: for lists of names, which never fail."""
    found = None if data is None else data / folder
    return found if found is not None and found.is_dir() else None


def located(data: Path | None, folder: str, *names: str, usual: str = "") -> Path:
    """The first of these files that is there; `usual` is the one to name where none is."""
    usual = usual or names[0]
    if data is None:
        raise MissingData(f"{folder} tasks read {folder}/{usual}, and no folder is set. {HOW} {folder}/.")
    for name in names:
        if (data / folder / name).is_file():
            return data / folder / name
    rest = [name for name in names if name != usual]
    others = f" (nor {', '.join(rest)})" if rest else ""
    raise MissingData(
        f"{(data / folder / usual).absolute()} is not there{others}. Put it there yourself (trimtab downloads "
        f"nothing), or: {HOW[0].lower()}{HOW[1:]} {folder}/."
    )


def stamp(file: Path) -> tuple[int, int]:
    """What tells that a file has changed; part of the key of whatever is cached of it."""
    status = file.stat()
    return status.st_mtime_ns, status.st_size


def read_json(file: Path, expected: str, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The content of a JSON file; `hook` sees every object as soon as it ends, so big lists needn't be kept."""
    try:
        with file.open(encoding="utf-8") as text:
            return json.load(text, object_hook=hook)
    except json.JSONDecodeError as error:
        found = f"broken off or no JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        raise WrongFile(file, found, expected) from None
    except UnicodeDecodeError:
        raise WrongFile(file, "not UTF-8 text", expected) from None


def read_npz(file: Path, needed: Sequence[str], expected: str) -> Mapping[str, NDArray[Any]]:
    """The arrays of an .npz. Pickled objects are refused: they could run code."""
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:  # np.load leaks what it opens
            lacking = [name for name in needed if name not in arrays.files]
            if lacking:
                found = f"no array {', '.join(map(repr, lacking))} among {', '.join(map(repr, arrays.files)) or 'none'}"
                raise WrongFile(file, found, expected)
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, TypeError) as error:
        raise WrongFile(file, f"broken off or no .npz ({error})", expected) from None
    except ValueError as error:
        if isinstance(error, WrongFile):
            raise
        raise WrongFile(file, f"an array that can't be read without pickle ({error})", expected) from None
