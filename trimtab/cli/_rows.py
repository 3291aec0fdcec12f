"""Rows of words under one another, and long texts folded beside their names."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], gap: str = "   ") -> list[str]:
    """Columns as wide as their widest cell; a column that is empty everywhere is left out."""
    wide = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]))] if rows else []
    return [gap.join(f"{cell:<{w}}" for cell, w in zip(row, wide, strict=True) if w).rstrip() for row in rows]


def columns() -> int:
    return min(shutil.get_terminal_size().columns, 120)


def folded(head: str, text: str) -> str:
    """Text after a head, folded to the terminal with its later lines under its first."""
    if not text:
        return head.rstrip()
    return textwrap.fill(text, columns(), initial_indent=head, subsequent_indent=" " * len(head))
