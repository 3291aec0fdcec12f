"""Text for a screen: what may be shown of a name, how wide it is, and where it is cut.

A name of a study or a metric may hold anything. On a screen it is one line: without codes that move the cursor or turn
the reading direction, measured in the cells it takes (two for most Chinese, Japanese and Korean signs, none for marks).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # a command to the terminal, such as a new title
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, moves
    r"|\x1b[ -/]*[0-~]?"
)
SIGNS = {"━": "#", "╌": "-", "·": "|", "…": "...", "×": "x", "—": "-", "±": "+-", "→": "->", "–": "-"}


def clean(text: str) -> str:
    """One line without anything that would move, colour or hide other text.

    >>> clean("a\\x1b[31mb\\n c\\u202e")
    'ab  c'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, ESCAPES.sub("", text)))


def _shown(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind in ("Zl", "Zp") or sign in "\t\n\r\v\f":
        return " "
    if kind == "Cs":
        return "\N{REPLACEMENT CHARACTER}"  # half of a pair: it can't be written
    return "" if kind in ("Cc", "Cf") else sign


def cells(text: str) -> int:
    """How many columns a clean text takes."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def cut(text: str, width: int) -> str:
    """At most so many columns; what was cut ends in an ellipsis."""
    if cells(text) <= width:
        return text
    room, kept = max(0, width - 1), []
    for sign in text:
        room -= _cell(sign)
        if room < 0:
            break
        kept.append(sign)
    return "".join(kept) + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """With spaces behind it, up to so many columns."""
    return text + " " * (width - cells(text))


def apart(left: str, right: str, width: int) -> str:
    """One text at each end of a line; the left one gives way."""
    left = cut(left, width - cells(right) - 2)
    return left + " " * max(0, width - cells(left) - cells(right)) + right


def fitted(words: Sequence[str], width: int, gap: str = "   ") -> str:
    """As many words as fit, from the left; the first one always."""
    text = words[0] if words else ""
    for word in words[1:]:
        if cells(text) + len(gap) + cells(word) > width:
            break
        text += gap + word
    return text


def writable(text: str, encoding: str | None) -> str:
    """The same in signs that a stream of this encoding has: a bar of # where there is no ━."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        text = "".join(SIGNS.get(sign, sign) for sign in text)
        return text.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")
    except LookupError:  # an encoding that Python doesn't know
        return writable(text, "ascii")
    return text
