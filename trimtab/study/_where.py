"""Where a study is stored, in words short enough for a line, and what its files are called."""

from __future__ import annotations

import os
import re

from trimtab.protocol import Storage
from trimtab.study._text import clean


def where(storage: Storage) -> str:
    """`digits.db`, or a URL without its password, or `memory`."""
    path = getattr(storage, "path", None)
    if path:
        return near(path)
    text = repr(storage)
    named = re.fullmatch(r"\w+\('(.*)'\)", text)  # Sql('postgresql://…'), whose repr hides the password
    return named[1] if named else "memory" if text.startswith("Memory(") else text


def near(path: str | os.PathLike[str]) -> str:
    """A path from here, where that is not a way up and around."""
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if short.startswith("..") else short


def file_name(name: str) -> str:
    """A study's name as the name of a file that needs no quoting."""
    return re.sub(r"[^\w.-]+", "-", clean(name)).strip("-.") or "study"
