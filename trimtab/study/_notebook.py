"""The display of a notebook: one output that changes, and what a Study shows as the last line of a cell.

Idea    The words are those of the terminal's block; here they stand in HTML that takes the page's own colours, so that
        dark themes work. Everything that came from a user is escaped. There is one display handle a run, and it is
        updated when the text has changed, ten times a second at most: a notebook's file holds the last state alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from html import escape
from typing import Any

from trimtab.study._frame import Line

REDRAW = 0.1  # seconds between two updates
MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.9em"
BLOCK = f"{MONO};line-height:1.6;max-width:68em;margin:.3em 0"
ROW = "display:flex;gap:1.5em"
LABEL = "min-width:5em;font-weight:bold"
BAR = "height:4px;border-radius:2px;background:rgba(128,128,128,.3);margin:.25em 0"
FILLED = "height:100%;border-radius:2px;background:#2e9e5b"


def in_notebook() -> bool:
    """Whether this is a kernel that shows HTML (Jupyter, Colab, VS Code)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return any(cls.__name__ == "ZMQInteractiveShell" for cls in type(shell).__mro__)


class Block:
    """A frame as notebooks show it: HTML, and text where there is no HTML."""

    def __init__(self, lines: Sequence[Line], share: float | None = None) -> None:
        self.lines, self.share = tuple(lines), share

    def __repr__(self) -> str:
        return "\n".join("   ".join(filter(None, (line.label, line.text, line.right))) for line in self.lines)

    def _repr_html_(self) -> str:
        rows = [_row(line) for line in self.lines]
        if self.share is not None:
            wide = f"width:{100 * min(1.0, max(0.0, self.share)):.1f}%"
            rows.insert(1, f'<div style="{BAR}"><div style="{FILLED};{wide}"></div></div>')
        return f'<div style="{BLOCK}">{"".join(rows)}</div>'


def _row(line: Line) -> str:
    label = f'<span style="{LABEL}">{escape(line.label)}</span>'
    right = f'<span style="opacity:.7">{escape(line.right)}</span>' if line.right else ""
    text = f'<span style="flex:1;white-space:pre-wrap">{escape(line.text)}</span>'
    return f'<div style="{ROW}">{label}{text}{right}</div>'


class Output:
    """The one output of a run."""

    def __init__(self, block: Block) -> None:
        from IPython.display import display

        self._shown = repr(block)
        self._handle: Any = display(block, display_id=True)

    def update(self, block: Block) -> None:
        if repr(block) != self._shown:
            self._shown = repr(block)
            self._handle.update(block)


def page_html(text: str) -> str:
    """A page of plain text, such as a summary, in the page's own colours."""
    return f'<pre style="{MONO};line-height:1.5;background:none">{escape(text)}</pre>'
