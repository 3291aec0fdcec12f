"""What an objective is made of, as short hashes by name, so that a later run can tell whether it is still the same.

Idea    The objective, and what it uses by name of the user's own code: functions, classes, plain constants; from there
        on likewise. A name and 12 hex digits each; no source is stored.
Same    The text without comments, docstrings, line breaks and blanks between words: a file that has moved or was
        formatted anew is the same. Where there is no text (a lambda, a function typed at a prompt): the bytecode,
        which only the same version of Python can compare.
A program is its command line, and the files that it names: their contents.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
import sysconfig
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dis import get_instructions
from functools import partial
from hashlib import blake2b
from pathlib import Path
from textwrap import dedent
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

PARTS = 200  # names at most: a whole program's worth
FILE_LIMIT = 64_000_000  # bytes of a file that is read for its hash
PLAIN = (int, float, str, bool, bytes, type(None))
LIBRARIES = tuple({sysconfig.get_path(k) + os.sep for k in ("stdlib", "platstdlib", "purelib", "platlib")})
OURS = str(Path(__file__).parent.parent) + os.sep


def parts_of(objective: Any) -> dict[str, str]:
    """{name: hash} of the objective and of the user's own code it names."""
    found: dict[str, str] = {}
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("", objective)]
    while todo and len(found) < PARTS:
        name, thing = todo.pop(0)
        if isinstance(thing, PLAIN):
            if not (isinstance(thing, str) and os.path.isabs(thing)):  # where files lie is no change
                found.setdefault(name, _hash(repr(thing)))
        elif id(thing) not in seen:
            seen.add(id(thing))
            todo += _inside(name, thing, found)
    return found


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Names whose hash differs, or that only one of the two has."""
    return [name for name in dict.fromkeys((*new, *old)) if _differ(old.get(name), new.get(name))]


def program_parts(command: Sequence[Any], folder: Path) -> dict[str, str]:
    """The same of a program: its command line, and each file that a word of it names."""
    words = [word for part in command for word in ([part] if isinstance(part, str) else part)]
    found = {"command": _hash("\0".join(words))}
    for word in words:
        file = folder / word
        if "{" not in word and file.is_file() and file.stat().st_size <= FILE_LIMIT:
            try:
                found[file.name] = blake2b(file.read_bytes(), digest_size=6).hexdigest()
            except OSError:
                continue  # not ours to read: then it is not ours to compare
    return found


def _differ(old: str | None, new: str | None) -> bool:
    if old is not None and new is not None and ":" in old and ":" in new:
        before, now = old.partition(":"), new.partition(":")
        return before[0] == now[0] and before[2] != now[2]  # bytecodes of two versions of Python say nothing
    return old != new


# ── what a thing is, and what it leads to ────────────────────────────────────────────────────────────────────────


def _inside(name: str, thing: Any, found: dict[str, str]) -> list[tuple[str, Any]]:
    if isinstance(thing, partial):
        given = [(f"argument {i}", v) for i, v in enumerate(thing.args)]
        return [("", thing.func), *given, *thing.keywords.items()]
    if isinstance(thing, MethodType):
        return [("", thing.__func__), ("", type(thing.__self__))]
    if isinstance(thing, type):
        return _of_class(thing, found)
    if isinstance(thing, FunctionType):
        inner = inspect.unwrap(thing)
        if isinstance(inner, FunctionType) and _is_own(inner.__code__.co_filename):
            found.setdefault(_named(inner), _text(inner) or _bytecode(inner.__code__))
            return [*_uses(inner), *([] if inner is thing else _uses(thing))]
    elif name == "" and not isinstance(thing, (ModuleType, BuiltinFunctionType)):  # an object that can be called
        return [("", type(thing))]
    return []


def _of_class(cls: type[Any], found: dict[str, str]) -> list[tuple[str, Any]]:
    if not _is_own(getattr(sys.modules.get(cls.__module__), "__file__", None) or "<here>"):
        return []
    methods = [v for v in vars(cls).values() if isinstance(v, FunctionType)]
    text = _text(cls)
    if text is None:
        text = _hash(" ".join(_bytecode(f.__code__) for f in methods))
    found.setdefault(_named(cls), text)
    bases = [("", base) for base in cls.__bases__ if base is not object]
    return bases + [use for f in methods for use in _uses(f)]


def _uses(f: FunctionType) -> list[tuple[str, Any]]:
    """The user's own things that a function names: of its module, of the function around it, of other modules."""
    uses: list[tuple[str, Any]] = []
    names = dict.fromkeys(_names(f.__code__))
    for name in names:
        thing = f.__globals__.get(name)
        if isinstance(thing, ModuleType):
            if _is_own(getattr(thing, "__file__", None) or ""):
                uses += [(f"{name}.{n}", vars(thing)[n]) for n in names if n in vars(thing)]
        elif name in f.__globals__ and (name.isupper() or not isinstance(thing, PLAIN)):  # counters are no constants
            uses.append((name, thing))
    written = {i.argval for i in get_instructions(f.__code__) if i.opname == "STORE_DEREF"}
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        with suppress(ValueError):  # not filled yet
            uses += [(name, cell.cell_contents)] * (name not in written)
    return uses + [(f"default {i} of {f.__name__}", v) for i, v in enumerate(f.__defaults__ or ())]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _named(thing: FunctionType | type[Any]) -> str:
    return thing.__qualname__.rpartition("<locals>.")[2]


def _is_own(file: str) -> bool:
    """Whether a file is the user's, and not a library's. What was typed at a prompt has a name in brackets."""
    return bool(file) and not file.startswith((*LIBRARIES, OURS, "<frozen"))


# ── hashes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _text(thing: Any) -> str | None:
    """Of the source. None where there is none, or where it is part of a line that says more (a lambda)."""
    if getattr(thing, "__name__", "") == "<lambda>":
        return None
    try:
        return _hash("".join(_words(dedent(inspect.getsource(thing)))))
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        return None


SKIPPED = frozenset((tokenize.COMMENT, tokenize.NL, tokenize.ENCODING))
MARKS = {tokenize.INDENT: "\1", tokenize.DEDENT: "\2", tokenize.NEWLINE: "\n"}


def _words(source: str) -> Iterator[str]:
    """The tokens of a source, without comments and docstrings."""
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in SKIPPED]
    starts = (tokenize.INDENT, tokenize.NEWLINE, tokenize.DEDENT)
    for i, token in enumerate(tokens):
        if token.type == tokenize.STRING and tokens[i - 1].type in starts and tokens[i + 1].type == tokenize.NEWLINE:
            continue
        yield MARKS.get(token.type, token.string)


def _bytecode(code: CodeType) -> str:
    inner = "".join(map(_constant, code.co_consts))
    return f"py{sys.version_info.major}.{sys.version_info.minor}:{_hash(f'{code.co_code!r} {code.co_names} {inner}')}"


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _bytecode(value)
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)  # sets have no order
