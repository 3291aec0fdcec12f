"""Values typed on the command line: `--set run.workers=4`, `alpha=0.3`, `-p mode=fast,safe`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from trimtab.cli._toml import FileError


def toml_value(text: str) -> Any:
    """A TOML value; text that is none is itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def pair(word: str, example: str) -> tuple[str, str]:
    """`name=value` as its two halves."""
    name, equals, value = word.partition("=")
    if not equals or not name.strip():
        raise FileError(f'"{word}": write name=value, as {example}.')
    return name.strip(), value


def lay_over(document: dict[str, Any], setting: str) -> None:
    """`--set run.workers=4`: a dotted key, and a TOML value (or plain text)."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise FileError(f"--set {setting}: write key=value, as --set run.workers=4.")
    put(document, _path(key.strip()), toml_value(text), f"--set {setting}")


def _path(key: str) -> list[str]:
    """A key as TOML reads it: space."a b".low has three parts."""
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return key.split(".")
    path = []
    while isinstance(table, Mapping):
        ((name, table),) = table.items()
        path.append(name)
    return path


def put(document: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    """Set the value at a path. Within [space] a name may be dotted, and the branches of a choice go without saying."""
    table, rest = document, path
    while len(rest) > 1:
        if path[0] == "space" and len(rest) < len(path) and ".".join(rest) in table:
            break  # "model.svm.C" as one quoted name
        part, *rest = rest
        if isinstance(table.get("branches"), Mapping) and part in table["branches"]:
            table = table["branches"]
        if path[0] == part and part in ("searcher", "scheduler") and isinstance(table.get(part), str):
            table[part] = {"method": table[part]}  # searcher = "tpe" is short for it
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise FileError(f"{where}: {part} is no table.")
    if isinstance(table.get("branches"), Mapping) and rest[0] in table["branches"]:
        table = table["branches"]
    table[".".join(rest)] = value
