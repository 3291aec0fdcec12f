"""Messages that more than one storage gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import trimtab
from trimtab.log import FORMAT

VERSION: str = getattr(trimtab, "__version__", "0.1.0")


def newer_format(name: str, meta: Mapping[str, str]) -> str:
    writer = meta.get("written_by", "a later version")
    return (
        f"{name} was written by trimtab {writer} (log format {meta['format']}); this is {VERSION} (format {FORMAT})."
        f" Install trimtab>={writer}. The file was not touched."
    )


def on_network(path: Path, kind: str) -> str:
    return (
        f"{path} is on a network file system ({kind}), where SQLite loses data when several machines write."
        f" {instead(path)}"
    )


def instead(path: Path) -> str:
    """What works where SQLite does not."""
    return f'Use PostgreSQL: storage="postgresql://…", or a file on a local disk: storage="/tmp/{path.name}".'
