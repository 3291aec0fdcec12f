"""Writing TOML: documents that read back as they were, laid out as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.cli._toml import FileError

WIDE = 100  # characters of an inline table before it becomes one of its own


def schema_line() -> str:
    """The first line of a study file, by which editors complete and check it: the schema that is installed here."""
    return f"#:schema {(Path(__file__).parent / 'study.schema.json').as_uri()}\n"


def to_toml(document: Mapping[str, Any]) -> str:
    """A document as TOML: plain values first, then one table after the other."""
    return "\n".join(_table(document, ())).strip("\n") + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {k: v for k, v in table.items() if not _own(v, path)}
    wide = max((len(key(k)) for k in plain), default=0)
    lines = [f"{key(k):<{wide}} = {text(v)}" for k, v in plain.items()]
    for name, value in table.items():
        if name in plain:
            continue
        here = (*path, name)
        title = ".".join(map(key, here))
        if isinstance(value, list):
            for entry in value:
                lines += ["", f"[[{title}]]", *_table(entry, here)]
        else:
            below = _table(value, here)
            only_tables = value and all(_own(v, here) for v in value.values())
            lines += below if only_tables else ["", f"[{title}]", *below]
    return lines


def _own(value: Any, path: tuple[str, ...]) -> bool:
    """Whether it gets a [table] of its own: at the top, for branches, and where it is too long for a line."""
    if isinstance(value, Mapping):
        branches = isinstance(value.get("branches"), Mapping) or path[-1:] == ("branches",)
        return not path or branches or len(text(value)) > WIDE
    return isinstance(value, list) and bool(value) and path == ("run",) and all(isinstance(v, Mapping) for v in value)


def key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else text(name, literal=False)


def text(value: Any, *, literal: bool = True) -> str:
    """One value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if literal and "\\" in value and "'" not in value and value.isprintable():
            return f"'{value}'"
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else _escape(c) for c in escaped) + '"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key(k)} = {text(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, int):
        return repr(value)
    raise FileError(f"{value!r} can't be written in TOML. Use text or a number in its place.")


def _escape(sign: str) -> str:
    if sign in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[sign]
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"
