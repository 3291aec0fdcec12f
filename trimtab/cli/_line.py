"""Studies said on the command line: `-p alpha=0.1..10:log -- ./solver`, and the first file of `trimtab init`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.cli._set import pair, toml_value
from trimtab.cli._toml import FileError, Plan, plan_of
from trimtab.cli._write import key, schema_line, text, to_toml

RANGE = re.compile(r"\s*[-+.\d][\d.eE+-]*?\s*\.\.")
WHEN = re.compile(r"[\s:]+when(?:\s*=(?!=)\s*|\s+)(.+)$", re.DOTALL)
LAST = re.compile(r"[\s:]+(ordered|default=(?:\"[^\"]*\"|'[^']*'|[^\s:]+))$")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
INTERPRETER = re.compile(
    r"python[\d.]*|pypy[\d.]*|(ba|z|da|k)?sh|perl|ruby|node|julia|Rscript|java|env|time|nice|uv|run"
)
SAYS = ("minimize", "maximize", "storage", "searcher")


def domain(given: str) -> tuple[str, Any]:
    """`name=range` as (name, what [space] would say): a range, a list of choices, or one value.

    -p alpha=0.1..10:log   -p "alpha=0.1..10 log default=1"   -p mode=fast,safe:default=fast
    -p "restart=10..1000 log when mode == 'safe'"   -p size=s,m,l:ordered   -p simd=true,false   -p seed=3
    """
    name, equals, said = given.partition("=")
    if not equals or not name.strip() or not said.strip():
        raise FileError(f"-p {given}: write name=range: -p alpha=0.1..10:log, -p threads=1..64 or -p mode=fast,safe.")
    name, said = name.strip(), said.strip()
    if RANGE.match(said):
        return name, said
    table: dict[str, Any] = {}
    if found := WHEN.search(said):
        table["when"], said = found[1].strip(), said[: found.start()]
    while found := LAST.search(said):
        said = said[: found.start()]
        if found[1] == "ordered":
            table["ordered"] = True
        else:
            table["default"] = value_of(found[1].partition("=")[2])
    values = [value_of(part) for part in _parts(said)]
    if len(values) == 1 and not {"ordered", "default"} & set(table):
        return name, values[0] if not table else {"type": "const", "value": values[0], **table}
    if not table:
        return name, values
    if {True, False} == set(values) and all(isinstance(v, bool) for v in values):
        return name, {"type": "bool", **table}
    return name, {"type": "choice", "choices": values, **table}


def _parts(said: str) -> list[str]:
    """The choices between commas; quotes and brackets hold together what is in them."""
    found = re.findall(r"""(?:"[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[^,])+""", said)
    return [part.strip() for part in found if part.strip()]


def value_of(said: str) -> Any:
    """A number, true, false, quoted text or a list as TOML writes them; anything else is text."""
    value = toml_value(said)
    return value if isinstance(value, (bool, int, float, str, list)) else said


def document_of(program: Sequence[str], domains: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The TOML document of a program on the line. Without a placeholder, {args} is put at its end."""
    space: dict[str, Any] = {}
    for given in domains:
        name, said = domain(given)
        if name in space:
            raise FileError(f"-p {given}: {name} was given before. Say each parameter once.")
        space[name] = said
    if not space:
        raise FileError(
            "A program alone has nothing to tune. Say what may vary: -p alpha=0.1..10:log (as often as needed)."
        )
    command = list(program)
    if not any(re.search(r"(?<!\{)\{\w", word) for word in command):
        command.append("{args}")
    name = settings.get("name") or name_of(program)
    document: dict[str, Any] = {"name": name}
    document |= {k: settings[k] for k in SAYS if settings.get(k)}
    if "minimize" not in document and "maximize" not in document:
        document["minimize"] = "time"
    document.setdefault("storage", f"{name}.db")
    run: dict[str, Any] = {"command": command, "trials": settings.get("trials") or 50}
    if settings.get("workers"):
        run["workers"] = settings["workers"]
    if settings.get("metrics"):
        run["metrics"] = dict(pair(m, "--metric 'gap=regex:gap = (\\S+)'") for m in settings["metrics"])
    return document | {"space": space, "run": run}


def name_of(program: Sequence[str]) -> str:
    """What to call the study of a program: `solver` for ./solver, and for `python3 -u solver.py` as well."""
    for word in program:
        interpreter = INTERPRETER.fullmatch(Path(word).stem) or INTERPRETER.fullmatch(Path(word).name)
        if not word.startswith("-") and "{" not in word and not interpreter and Path(word).stem:
            return Path(word).stem
    return Path(program[0]).stem


def plan_for(document: Mapping[str, Any]) -> Plan:
    return plan_of(document, Path.cwd() / f"{document['name']}.toml", "-p").changed(base=Path.cwd())


def save(document: Mapping[str, Any], path: str) -> bool:
    """Write the file that says the same; whether it is new. One that says another thing is not written over."""
    from trimtab.cli._toml import read

    file = Path(path)
    if file.suffix != ".toml":
        raise FileError(f"--save {path}: a study file ends in .toml, so that the other commands know it: {path}.toml")
    if file.exists():
        if read(file) == document:
            return False
        raise FileError(f"--save {path}: that file is there, and says something else. Give another name, or remove it.")
    try:
        file.write_text(schema_line() + to_toml(document), encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path} can't be written: {error.strerror}.") from None
    return True


# ── a first file ─────────────────────────────────────────────────────────────────────────────────────────────────


def first_file(program: Sequence[str]) -> str:
    """`trimtab init -- ./solver --alpha 0.5 in.dat`: each number becomes a range around it, and the default."""
    from trimtab.run._template import BUILT_IN

    command, space, notes, i = [program[0]], dict[str, str](), dict[str, str](), 1
    words = list(program)
    while i < len(words):
        flag, equals, glued = words[i].partition("=")
        name = re.sub(r"\W", "_", flag.lstrip("-")).strip("_")
        number = glued if equals else words[i + 1] if i + 1 < len(words) else ""
        if not (flag.startswith("-") and name and not name[0].isdigit() and NUMBER.fullmatch(number)):
            command.append(_literal(words[i]))
            i += 1
            continue
        i += 1 if equals else 2
        if name in BUILT_IN and name != "seed":  # a word that the template uses itself: left as it was
            command += [f"{flag}={number}"] if equals else [flag, number]
            continue
        if name != "seed":  # {seed} is another one each trial: nothing to tune
            while name in space:
                name += "_"
            space[name], notes[name] = _around(number), number
        command += [f"{flag}={{{name}}}"] if equals else [flag, f"{{{name}}}"]
    if not space:
        raise FileError(
            "No option of that command has a number, so there is nothing to start from. Write [space] by hand."
        )
    study, wide = name_of(program), max(map(len, space))
    ranges = {n: text(r) for n, r in space.items()}
    much = max(map(len, ranges.values()))
    return schema_line() + "\n".join([
        f"name     = {text(study)}",
        'minimize = "time"        # or cpu (s), memory (MB), exit, or a name of [run.metrics]',
        f"storage  = {text(study + '.db')}",
        "",
        "[space]   # low..high around the value you gave; both ends are included",
        *(f"{key(n):<{wide}} = {r:<{much}}   # was {notes[n]}" for n, r in ranges.items()),
        "",
        "[run]",
        f"command = {text(command)}",
        "trials  = 60",
        "",
        "# [run.metrics]",
        '# score = \'regex:score\\s*=\\s*(\\S+)\'   # or "json:score", "file:out.json#score"',
    ]) + "\n"  # fmt: skip


def _literal(word: str) -> str:
    return word.replace("{", "{{").replace("}", "}}")


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


__all__ = ["document_of", "domain", "first_file", "name_of", "plan_for", "save", "to_toml", "value_of"]
