"""Studies said on the command line: `-p alpha=0.1..10:log -- ./solver`, and the file that says the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.cli._toml import FileError, Plan, plan_of, toml_value

RANGE = re.compile(r"\s*[-+.\d][\d.eE+-]*?\.\.")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")

INTERPRETER = re.compile(
    r"python[\d.]*|pypy[\d.]*|(ba|z|da|k)?sh|perl|ruby|node|julia|Rscript|java|env|time|nice|uv|run"
)


def domain(given: str) -> tuple[str, Any]:
    """`name=range` as (name, what [space] would say): a range, a list of choices, or one value."""
    name, equals, text = given.partition("=")
    if not equals or not name or not text:
        raise FileError(f"-p {given}: write name=range: -p alpha=0.1..10:log, -p threads=1..64 or -p mode=fast,safe.")
    if RANGE.match(text):
        return name, text
    if "," in text:
        return name, [_value(part) for part in text.split(",")]
    return name, _value(text)


def _value(text: str) -> Any:
    value = toml_value(text)
    return value if isinstance(value, (bool, int, float, str)) else text


def document_of(program: Sequence[str], domains: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The TOML document of a program on the line. Without a placeholder, {args} is put at its end."""
    space = dict(domain(d) for d in domains)
    if not space:
        raise FileError(
            "A program alone has nothing to tune. Say what may vary: -p alpha=0.1..10:log (as often as needed)."
        )
    command = list(program)
    if not any(re.search(r"(?<!\{)\{\w", word) for word in command):
        command.append("{args}")
    name = settings.get("name") or name_of(program)
    document: dict[str, Any] = {"name": name}
    document |= {k: v for k, v in settings.items() if k in ("minimize", "maximize", "storage", "searcher") and v}
    if "minimize" not in document and "maximize" not in document:
        document["minimize"] = "time"
    document.setdefault("storage", f"{name}.db")
    run: dict[str, Any] = {"command": command, "trials": settings.get("trials") or 50}
    if settings.get("metrics"):
        run["metrics"] = dict(m.split("=", 1) for m in settings["metrics"])
    return document | {"space": space, "run": run}


def name_of(program: Sequence[str]) -> str:
    """What to call the study of a program: `solver` for ./solver, and for `python3 -u solver.py` as well."""
    for word in program:
        interpreter = INTERPRETER.fullmatch(Path(word).stem) or INTERPRETER.fullmatch(Path(word).name)
        if not word.startswith("-") and "{" not in word and not interpreter:
            return Path(word).stem
    return Path(program[0]).stem


def plan_for(document: Mapping[str, Any]) -> Plan:
    return plan_of(document, Path.cwd() / f"{document['name']}.toml").changed(where="-p", base=Path.cwd())


# ── writing TOML ─────────────────────────────────────────────────────────────────────────────────────────────────


def to_toml(document: Mapping[str, Any]) -> str:
    """A document as TOML: plain values first, then one table after the other."""
    lines = [f"{_key(k)} = {text(v)}" for k, v in document.items() if not isinstance(v, Mapping)]
    for name, table in document.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{_key(name)}]", *(f"{_key(k)} = {text(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else text(name)


def text(value: Any) -> str:
    """One value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if "\\" in value and "'" not in value and value.isprintable():
            return f"'{value}'"
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {text(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text(v) for v in value) + "]"
    return repr(value)


# ── a first file ─────────────────────────────────────────────────────────────────────────────────────────────────


def first_file(program: Sequence[str]) -> str:
    """`trimtab init -- ./solver --alpha 0.5 in.dat`: each number becomes a range around it, and the default."""
    command, space, notes, i = [program[0]], {}, {}, 1
    words = list(program)
    while i < len(words):
        flag, equals, glued = words[i].partition("=")
        name = re.sub(r"\W", "_", flag.lstrip("-")).strip("_")
        following = words[i + 1] if i + 1 < len(words) else ""
        if flag.startswith("-") and name and equals and NUMBER.fullmatch(glued):
            command.append(f"{flag}={{{name}}}")
            space[name], notes[name] = _around(glued), glued
        elif flag.startswith("-") and name and not equals and NUMBER.fullmatch(following):
            command += [flag, f"{{{name}}}"]
            space[name], notes[name] = _around(following), following
            i += 1
        else:
            command.append(words[i].replace("{", "{{").replace("}", "}}"))
        i += 1
    if not space:
        raise FileError(
            "No option of that command has a number, so there is nothing to start from. Write [space] by hand."
        )
    lines = [
        f"name     = {text(name_of(program))}",
        'minimize = "time"            # built in: time (s), cpu (s), memory (MB), exit; or a name of [run.metrics]',
        f"storage  = {text(name_of(program) + '.db')}",
        "",
        "[space]                      # low..high around the value you gave; both ends are included",
    ]
    lines += [f"{_key(n)} = {text(r)}   # was {notes[n]}" for n, r in space.items()]
    lines += ["", "[run]", f"command = {text(command)}", "trials  = 60"]
    lines += [
        "# [run.metrics]",
        '# score = \'regex:score\\s*=\\s*(\\S+)\'      # or "json:score", "file:out.json#score"',
    ]
    return "\n".join(lines) + "\n"


def _around(number: str) -> str:
    """A factor of four each way."""
    value = float(number)
    if re.fullmatch(r"[-+]?\d+", number):
        whole = int(number)
        if whole > 0:
            low, high = max(1, whole // 4), max(2, whole * 4)
            return f"{low}..{high}{' log' if high >= 16 else ''} default={whole}"
        return f"{whole - 4}..{whole + 4} default={whole}"
    if value > 0:
        return f"{value / 4!r}..{value * 4!r} log default={value!r}"
    ends = sorted((2 * value, -2 * value)) if value else (-1.0, 1.0)
    return f"{ends[0]!r}..{ends[1]!r} default={value!r}"
