"""Command lines with placeholders: ["./solver", "--alpha={alpha}", ["--restart", "{restart}"], "{simd?--simd}"].

Never a shell: every argument reaches the program as it stands, whatever characters a value has. An argument that
names an inactive parameter is left out; an inner list, as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from trimtab.errors import PlaceholderError
from trimtab.log import JSON

BUILT_IN = ("args", "trial", "seed", "budget", "dir", "checkpoint")
TOKEN = re.compile(r"\{\{|\}\}|\{([^{}?]*)(?:\?([^{}]*))?\}|[{}]")


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text (name None), a value, or (flag) a text that stands there when the value is true."""

    text: str = ""
    name: str | None = None
    flag: bool = False


Argument = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """Groups of arguments. A group of several is left out as a whole."""

    groups: tuple[tuple[Argument, ...], ...]

    @classmethod
    def parse(cls, command: Sequence[str | Sequence[str]], names: Collection[str], where: str = "command") -> Template:
        if isinstance(command, str) or not command:
            raise PlaceholderError(
                f'{where}: write the program and each argument apart: ["./solver", "--alpha={{alpha}}"].'
            )
        inner = [[part] if isinstance(part, str) else list(part) for part in command]
        return cls(tuple(tuple(_argument(str(text), names, where) for text in group) for group in inner))

    def render(self, config: Mapping[str, JSON], built_in: Mapping[str, JSON]) -> list[str]:
        """The command line. What is None in `built_in` counts as inactive (no budget, no checkpoint)."""
        values = {**{k: v for k, v in built_in.items() if v is not None}, **config, "args": ""}
        out: list[str] = []
        for group in self.groups:
            rendered = [_rendered(argument, values, config) for argument in group]
            if any(r is None for r in rendered):
                continue
            out.extend(text for texts in rendered if texts is not None for text in texts)
        return out

    @property
    def program(self) -> str | None:
        """The first word, when it is plain text."""
        first = self.groups[0][0] if self.groups[0] else ()
        return "".join(p.text for p in first) if all(p.name is None for p in first) else None


def _argument(text: str, names: Collection[str], where: str) -> Argument:
    pieces: list[Piece] = []
    at = 0
    for token in TOKEN.finditer(text):
        pieces.append(Piece(text[at : token.start()]))
        at = token.end()
        if token[0] in ("{{", "}}"):
            pieces.append(Piece(token[0][0]))
        elif token[1] is None:
            raise PlaceholderError(
                f"{where}: {text!r} has a lone {token[0]}. A literal brace is written {token[0] * 2}."
            )
        elif token[1] not in names and token[1] not in BUILT_IN:
            raise PlaceholderError(_unknown(token[1], names, where))
        else:
            pieces.append(Piece(token[2] or "", token[1], token[2] is not None))
    pieces.append(Piece(text[at:]))
    kept = tuple(p for p in pieces if p.name is not None or p.text)
    if any(p.name == "args" for p in kept) and len(kept) > 1:
        raise PlaceholderError(f'{where}: "{{args}}" is several arguments, so it stands alone; found it in {text!r}.')
    return kept


def _rendered(argument: Argument, values: Mapping[str, JSON], config: Mapping[str, JSON]) -> list[str] | None:
    """The arguments it becomes; [] for a flag that is off, None when it names something inactive."""
    if len(argument) == 1 and argument[0].name == "args" and "args" not in config:
        return [part for name, value in config.items() for part in (f"--{name}", text_of(value))]
    parts: list[str] = []
    for piece in argument:
        if piece.name is None:
            parts.append(piece.text)
        elif piece.name not in values:
            return None
        elif not piece.flag:
            parts.append(text_of(values[piece.name]))
        elif values[piece.name]:
            parts.append(piece.text)
        elif len(argument) == 1:
            return []
    return ["".join(parts)]


def text_of(value: JSON) -> str:
    """A value as programs read it: true, 0.1, fast, [1, 2]."""
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _unknown(name: str, names: Collection[str], where: str) -> str:
    near = get_close_matches(name, [*names, *BUILT_IN], n=1)
    every = " ".join(f"{{{n}}}" for n in names) or "none"
    meant = f'Did you mean "{{{near[0]}}}"?' if near else f"Parameters: {every}."
    known = " ".join(f"{{{n}}}" for n in BUILT_IN)
    return f'{where}: "{{{name}}}" is not a parameter. {meant} Also known: {known}. A literal brace is written {{{{.'
