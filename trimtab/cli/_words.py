"""What the shell says: text without hostile signs, and Python's words turned into the shell's.

Errors are raised in Python's words ("study.retry(17)"), because most of them are read in Python. Here, and nowhere
else, they become what one types in a shell ("trimtab retry digits.toml 17"). A test reads every message that is raised
in the sources and fails when a Python word is left.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

HOME = str(Path(__file__).parent.parent) + os.sep
TARGET = "TARGET"  # where nobody has named one yet
KEY = "trimtab.target"  # in the context of a command: what the user typed


def clean(text: str) -> str:
    """Text that can't move the cursor, colour the terminal or turn around what stands beside it."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    from trimtab.study._text import clean as clean_line

    return "\n".join(map(clean_line, text.split("\n")))


def ours(filename: str) -> bool:
    """Whether a file is trimtab's, and not the user's."""
    return filename.startswith(HOME)


def say(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """The one way in which commands speak."""
    stream, text = sys.stderr if err else sys.stdout, clean(text)
    if not text.isascii():
        from trimtab.study._text import writable

        text = writable(text, getattr(stream, "encoding", None))
    click.echo(text, err=err, nl=nl)


def say_json(told: Any) -> None:
    """For programs: one line of ASCII, so that no terminal minds what it holds. What is no number is null."""
    click.echo(json.dumps(_plain(told), allow_nan=False))


def _plain(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {str(k): _plain(v) for k, v in told.items()}
    if isinstance(told, (list, tuple)):
        return [_plain(v) for v in told]
    if isinstance(told, float) and not math.isfinite(told):
        return None
    return told


# ── Python's words -> the shell's ────────────────────────────────────────────────────────────────────────────────


def _name_last(found: re.Match[str]) -> str:
    return f"-s {shlex.quote(found[1].strip(chr(39) + chr(34)))}"


def _setting(found: re.Match[str]) -> str:
    return f"--set {found[1]}={found[2]}"


Rule = tuple[str, str | Callable[[re.Match[str]], str]]
RULES: tuple[Rule, ...] = (
    # whole phrases first
    (r"study\.failures\(\) or: ", ""),
    (r"study\.failures\(\)", "trimtab show TARGET --failures"),
    (r"study\.correct\((\d+), \{…\}, reason=\"…\"\)", 'trimtab correct TARGET \\1 METRIC=NUMBER --reason "…"'),
    (r"study\.(invalidate|restore)\((\d+), reason=(?:…|\"…\")\)", 'trimtab \\1 TARGET \\2 --reason "…"'),
    (r"study\.restore\((\d+)\)", r"trimtab restore TARGET \1"),
    (r"study\.tell\((\d+), …\)", r"trimtab tell TARGET \1 METRIC=NUMBER"),
    (r"study\.enqueue\(study\.trial\((\d+)\)\.config, seed=…\)", r"trimtab enqueue TARGET --trial \1 --seed 1"),
    (r"study\.reopen\(\), then optimize\(…\)", "trimtab run TARGET --more 10"),
    (r"study\.reopen\(\)", "trimtab run TARGET --more 10"),
    (r"optimize\(…, more=…\)", "trimtab run TARGET --more 10"),
    (r"Use study\.front", "See all: trimtab show TARGET"),
    (r"study\.front", "trimtab show TARGET"),
    (r"study\.(retry|note|stop|trial)\b\(?([^()]*)\)?", r"trimtab \1 TARGET \2"),
    (r"tt\.load\([^()]*?, name=([^()]*)\)", _name_last),
    (r"; tt\.load\)", ")"),
    (r"tt\.load\([^()]*\)", "trimtab show TARGET"),
    (r"tt\.Study\(…, storage=[^()]*\) begins one", "trimtab run study.toml begins one"),
    (r"stop=\[tt\.Failures\(in_a_row=None\)\]", "[stop] failures = false"),
    (r"tt\.Target\(([^()]*)\)", r"target = \1"),
    (r"tt\.Patience\(([^()]*)\)", r"patience = \1"),
    (r"study\.save\([^()]*\)", 'storage = "studies.db"'),
    # calls that begin a sentence
    (
        r"\b(tell|correct|invalidate|restore|note|retry|ask)\((\d*)[^()]*\)(?=:| needs)",
        r"trimtab \1 TARGET \2",
    ),
    (r"\b(?:Study\.)?optimize\(\)", "trimtab run"),
    (r"\b(?:Study\.)?optimize\((\w+)=([^()]*)\)", r"--\1 \2"),
    # arguments that the shell has as options
    (r"\bneeds reason=", "needs --reason"),
    (r"\b(?:n=|reason=|trials=|more=|workers=|timeout=|failed=)(?=[\s.,;:)]|$)", lambda m: f"--{m[0][:-1]}"),
    (r"(?<![.\w])(workers|more)=(\d+)", r"--\1 \2"),  # not of run.workers=4
    (r"\brename=\"([^\"]*)\"", lambda m: f"--rename {shlex.quote(m[1])}"),
    (r"\b(if_exists)=\"(\w+)\"", _setting),
    # keys of the file
    (r": ([a-z_]+)= (?=an? |\")", r": \1 = "),
    (r"\b([a-z_]+)=(?=[\s.,;:)]|$)", r"\1"),
)  # fmt: skip
FILE = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"space= \(tt\.Space\(.*\)\)", "[space]"),
        (r"tt\.Space\(\{…\}, (require|forbid)=(\[.*?\])\)", r"[rules] \1 = \2"),
        (r"stop=\[tt\.(Patience|Failures)\((?:in_a_row=)?(\d+)\)\]", lambda m: f"[stop] {m[1].lower()} = {m[2]}"),
        (r"stop= \(\[tt\.Target\(([\d.]+)\).*\]\)", r"[stop] target = \1"),
        (r"a scheduler of its own: scheduler=tt\.ASHA\(.*?\)", '[scheduler] with method = "asha" and max = 81'),
        (r"study\.enqueue\(.*?\) before optimize\(\)", "[[run.enqueue]]"),
        (r"study\.note\(…\)", "note, or: trimtab note TARGET 17 …"),
        (r"the objective as first argument", "[run] function"),
        (r"; the function goes to study\.optimize\(…\)", "; the function is [run] function"),
        (r"tt\.SearchCV\(.*?\) for scikit-learn", "it in Python alone: tt.SearchCV"),
        (r"the name as first argument", "name"),
        (r"display= \(False: none\)", "--plain, on the line"),
        (r'per_trial= \(\{"gpu": 1\}\)', "per_trial = { gpu = 1 }"),
        (r"more= \(so many more\)", "--more on the line (so many more)"),
        (r"\b([a-z_]+)=(?=[\s.,;:)]|$)", r"\1"),
        (r"\b([a-z_]+)=(?=[\"\[])", r"\1 = "),
    )
)
COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in RULES)


def shell_words(text: str, target: str | None = None) -> str:
    """A message of Python's in the shell's words."""
    for pattern, replacement in COMPILED:
        text = pattern.sub(replacement, text)
    text = re.sub(r"(trimtab \w+ TARGET) +(?=[:.,;]|$)", r"\1", text)
    if target is not None and not target.endswith(".toml"):  # results, but not what to run
        text = text.replace("trimtab run TARGET --more", "the command that began it, with --more")
    return text.replace("TARGET", shlex.quote(target) if target else TARGET)


def file_words(text: str) -> str:
    """What trimtab says for another tool's word, as a study file says it."""
    for pattern, replacement in FILE:
        text = pattern.sub(replacement, text)
    return shell_words(text)


def heard(target: str) -> str:
    """Remember what the user calls the study, for later messages."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[KEY] = target
    return target


def known_target() -> str | None:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(KEY)


# ── what libraries say ───────────────────────────────────────────────────────────────────────────────────────────


class _Spoken(logging.Handler):
    """trimtab's own log records as sentences."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"trimtab: {shell_words(record.getMessage(), known_target())}", err=True)
        if record.exc_info and record.exc_info[0] is not None:
            say(logging.Formatter().formatException(record.exc_info), err=True)


@contextmanager
def spoken() -> Iterator[None]:
    """While a command runs, trimtab's warnings are sentences; those of other libraries stay as they are."""
    from trimtab.study._say import heard_by

    logger, handler = logging.getLogger("trimtab"), _Spoken(logging.WARNING)
    usual, passes = warnings.showwarning, logger.propagate

    def hear(kind: str, text: str) -> None:
        if kind not in ("done", "resumed") or "begins anew" in text:  # those the commands say themselves, in full
            say(shell_words(text, known_target()), err=True)

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
        line: str | None = None,
    ) -> None:  # fmt: skip
        if ours(filename):
            say(f"trimtab: {shell_words(str(message), known_target())}", err=True)
        else:
            usual(message, category, filename, lineno, file, line)

    logger.addHandler(handler)
    logger.propagate, warnings.showwarning = False, show
    try:
        with heard_by(hear):
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate, warnings.showwarning = passes, usual
