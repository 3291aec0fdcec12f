"""The display of a notebook: one output that changes, and what a Study shows as the last line of a cell.

Idea    The words are those of the terminal's block; here they stand in HTML that takes the page's own colours, so that
        dark themes work. Everything that came from a user is escaped. There is one display handle a run, and it is
        updated when the text has changed, once a second at most: no notebook file ever holds more than the last state.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from html import escape
from typing import Any

REDRAW = 1.0  # seconds between two updates
MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
BLOCK = f"{MONO};font-size:.9em;line-height:1.6;white-space:pre-wrap;max-width:64em;margin:.3em 0"
BAR = "height:5px;border-radius:3px;background:color-mix(in srgb,currentColor 15%,transparent);margin:.2em 0 .4em"
FILLED = "height:100%;border-radius:3px;background:#2e9e5b"


def in_notebook() -> bool:
    """Whether this is a kernel that shows HTML (Jupyter, Colab, VS Code)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return any(cls.__name__ == "ZMQInteractiveShell" for cls in type(shell).__mro__)


class Block:
    """A frame as notebooks show it: HTML, and text where there is no HTML."""

    def __init__(self, lines: Sequence[str], share: float | None = None) -> None:
        self.lines, self.share = list(lines), share

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return block_html(self.lines, self.share)


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


def block_html(lines: Sequence[str], share: float | None = None) -> str:
    """Lines as HTML: the first word of each set bold, a bar under the first line where a share is given."""
    rows = [_row(line) for line in lines]
    if share is not None:
        wide = f"width:{100 * min(1.0, max(0.0, share)):.1f}%"
        rows.insert(1, f'<div style="{BAR}"><div style="{FILLED};{wide}"></div></div>')
    return f'<div style="{BLOCK}">{"".join(rows)}</div>'


def _row(line: str) -> str:
    """`best     loss 0.1` with its label set bold, in a column of its own."""
    label, gap, rest = line.partition(" ")
    if not gap:
        return f"<div>{escape(line)}</div>"
    space = len(rest) - len(rest.lstrip())
    return f"<div><b>{escape(label)}</b>{' ' * (space + 1)}{escape(rest.lstrip())}</div>"


def page_html(text: str) -> str:
    """A page of plain text, such as a summary, in the page's own colours."""
    return f'<pre style="{MONO};font-size:.9em;line-height:1.5;background:none">{escape(text)}</pre>'
