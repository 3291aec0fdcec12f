"""Parts of the page: text, data and cells of tables. Names are data, so everything passes through `text` or `data`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from trimtab.bench.report._colours import colour, dash
from trimtab.bench.report._words import between, short
from trimtab.bench.report.findings import Row, Triple
from trimtab.study._text import clean

DASHES = {"solid": "", "dash": "5 3", "dot": "1.5 2.5", "dashdot": "5 2 1.5 2", "longdash": "8 3"}


def text(words: object) -> str:
    """Text for HTML, also within quotes."""
    return escape(clean(str(words)))


def data(value: Any) -> str:
    """JSON that can stand in a script: nothing in it ends the script or begins another."""
    made = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        made = made.replace(sign, f"\\u{ord(sign):04x}")
    return made


def titled(title: str, note: str, *parts: str) -> str:
    """A figure or a table under its title, with what a reader must know of it."""
    return f'<h3>{text(title)}</h3><p class="note">{text(note)}</p>{"".join(parts)}'


def side_by_side(parts: Sequence[str]) -> str:
    """Two beside one another where there is room."""
    return f'<div class="pair">{"".join(f"<div>{part}</div>" for part in parts)}</div>' if parts else ""


def definitions(rows: Iterable[tuple[str, str]]) -> str:
    listed = (f"<dt>{text(word)}</dt><dd>{text(meaning)}</dd>" for word, meaning in rows if meaning)
    return f"<dl>{''.join(listed)}</dl>"


def table(head: Sequence[str], body: Sequence[str], *, sorts: bool = False, words: Sequence[int] = ()) -> str:
    """words: the columns that hold words, which wrap and stand on the left."""
    kinds = [' class="words"' if i in words else "" for i in range(len(head))]
    cells = "".join(f"<th{kind}>{text(word)}</th>" for kind, word in zip(kinds, head, strict=True))
    start = f'<div class="scroll"><table{" class=sorts" if sorts else ""}><thead><tr>{cells}</tr></thead>'
    return f"{start}<tbody>{''.join(body)}</tbody></table></div>"


def line(row: Row, told: Sequence[str]) -> str:
    return f"<tr{' class=baseline' if row.method == 'random' else ''}>{''.join(told)}</tr>"


def name(method: str) -> str:
    return f'<td data-key="{text(method)}" title="{text(method)}">{swatch(method)} {text(method)}</td>'


def swatch(method: str) -> str:
    stroke = f'stroke="{colour(method)}" stroke-width="3" stroke-dasharray="{DASHES[dash(method)]}"'
    return f'<svg width="20" height="8" aria-hidden="true"><line x1="0" y1="4" x2="20" y2="4" {stroke}/></svg>'


def cell(found: Triple, low: float | None = None, *, best: bool = False, mark: str = "", digits: int = 2) -> str:
    """An estimate over its interval, shaded where it is the lowest; `mark` stands beside it."""
    value = found[0]
    marked = ' class="best"' if best or (value is not None and value == low) else ""
    return f'<td data-key="{"" if value is None else value}"{marked}>{estimate(found, mark=mark, digits=digits)}</td>'


def estimate(found: Triple, word: str = "", mark: str = "", digits: int = 2) -> str:
    """The value over its interval; before it, in its colour, a word such as "better"."""
    judged = f'<span class="{word.split()[-1]}">{text(word)}</span> ' if word else ""
    return f"{judged}{short(found[0])}{mark}<small>{between(found, digits) or '&nbsp;'}</small>"


def time(found: Triple) -> str:
    """How long something is expected to take over its interval; without a value it is never."""
    value, low, high = found
    within = "&nbsp;" if low is None else f"{short(low, 2)}–{short(math.inf if high is None else high, 2)}"
    known = math.inf if value is None else value
    key = "Infinity" if value is None else value  # as the page's script reads it
    return f'<td data-key="{key}">{short(known)}<small>{within}</small></td>'


def number(value: float | None, told: str = "") -> str:
    return f'<td data-key="{"" if value is None else value}">{told or short(value, 2)}</td>'


def words(told: object) -> str:
    return f'<td class="words">{text(told)}</td>'


def plain(told: object) -> str:
    return f"<td>{text(told)}</td>"
