"""study.toml: every key is the Python argument of the same name, so there is one thing to learn.

Top level  Study(…)       [space] Space(…)            [rules] its require= and forbid=
[run]      optimize(…), with `function` or `command`   [searcher], [scheduler] a method's settings   [stop] stop rules
Paths are relative to the file. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import TrimtabError, did_you_mean

if TYPE_CHECKING:
    from trimtab.space import Space
    from trimtab.study import Study

TABLES = ("space", "rules", "run", "stop")
STUDY = (
    "name", "minimize", "maximize", "constraints", "hidden", "storage", "searcher", "scheduler", "max_budget", "seed",
    "duplicates", "value", "if_exists", "folder", "durability", "note",
)  # fmt: skip
OPTIMIZE = ("trials", "workers", "per_trial", "timeout", "trial_timeout", "grace", "recycle")
COMMAND = ("command", "metrics", "repeats", "cwd", "env")
RUN = (*OPTIMIZE, "function", *COMMAND, "retry", "enqueue")  # retry= is Study's in Python: here it belongs to running
RULES = ("require", "forbid")
STOP = ("target", "patience", "failures", "time")


class FileError(TrimtabError, ValueError):
    """A study file can't be read, or says something it can't say."""


@dataclass(frozen=True)
class Plan:
    """What a file (or a command line) says.

    base    the folder that its paths are relative to;  where  how messages call it
    study   arguments of Study(…);  space, rules  of Space(…);  run  the [run] table;  stop  the [stop] table
    """

    base: Path
    where: str
    study: Mapping[str, Any]
    space: Mapping[str, Any] | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    stop: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return str(self.study["name"])

    @property
    def target(self) -> str:
        """What to type after a verb: the file, or for a program on the line its database."""
        return self.storage if self.where == "-p" else self.where

    @property
    def storage(self) -> str:
        """Where the study lives: a path made absolute, or a URL. Named nowhere: $TRIMTAB_STORAGE, else a file here."""
        base, given = self.base, self.study.get("storage")
        if given is None and (given := os.environ.get("TRIMTAB_STORAGE")):
            base = Path.cwd()
        given = given or f"{self.name}.db"
        return given if "://" in given else str(base / Path(given).expanduser())

    @property
    def folder(self) -> Any:
        """Where outputs and checkpoints go: beside the SQLite file, unless the plan says otherwise."""
        given = self.study.get("folder")
        if given is None:
            return None if "://" in self.storage else Path(self.storage).with_suffix(".runs")
        return given if "://" in str(given) else self.base / given

    def make_space(self) -> Space | None:
        from trimtab.space import Space

        return None if self.space is None else Space(self.space, **self.rules)

    def open(self, storage: Any = None) -> Study:
        """The study of this plan, made or resumed."""
        from trimtab.study import Study

        given = {k: v for k, v in self.study.items() if k not in ("name", "storage")} | {"folder": self.folder}
        if "retry" in self.run:
            given["retry"] = self.run["retry"]
        try:
            given["stop"] = stop_rules(self.stop or {}, self.where)  # a [stop] that was taken out of the file is gone
            return Study(self.name, self.make_space(), storage=storage or self.storage, **given)
        except TrimtabError:
            raise
        except (TypeError, ValueError) as error:  # in Python a wrong argument; here what the file says
            raise FileError(f"{self.where}: {error}") from error

    def objective(self) -> Any:
        """The function that [run] names; None for a command."""
        given = self.run.get("function")
        return None if given is None else load_function(given, self.base, self.where)

    def changed(self, **tables: Any) -> Plan:
        return replace(self, **tables)


def load(path: str | Path, settings: Collection[str] = ()) -> Plan:
    """The plan of a file, with `--set` settings laid over it."""
    file = Path(path)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = (
            did_you_mean(file.name, [p.name for p in file.parent.glob("*.toml") if p.name != "pyproject.toml"])
            if file.parent.is_dir()
            else ""
        )
        raise FileError(f"There is no {path}. {near.replace('Known: none.', '')}".strip()) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path} is not TOML: {error}.") from None
    for setting in settings:
        lay_over(document, setting)
    return plan_of(document, file)


def plan_of(document: Mapping[str, Any], file: Path) -> Plan:
    """A parsed file, checked."""
    where = str(file)
    _check(document, (*STUDY, *TABLES), where, "")
    for table, known in (("run", RUN), ("rules", RULES), ("stop", STOP)):
        _check(_table(document, table, where), known, where, table)
    run = _table(document, "run", where)
    if "function" in run and ("command" in run):
        raise FileError(f"{where}: [run] has function and command. A trial is one of them: leave one out.")
    if "function" in run and (extra := [k for k in COMMAND if k in run]):
        raise FileError(f"{where}: [run] {extra[0]} goes with command = […], not with function.")
    _check_run(run, where)
    study = {k: v for k, v in document.items() if k not in TABLES}
    if not isinstance(study.get("name", ""), str):
        raise FileError(f"{where}: name = {study['name']!r}: a name is text, in quotes.")
    study.setdefault("name", file.stem)
    rules = _table(document, "rules", where)
    space = document.get("space")
    if space is not None and not isinstance(space, Mapping):
        raise FileError(f"{where}: space must be a table: [space].")
    return Plan(file.absolute().parent, where, study, space, rules, run, document.get("stop"))


def _table(document: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, Mapping):
        raise FileError(f"{where}: {name} must be a table: [{name}].")
    return table


def _check(table: Mapping[str, Any], known: Collection[str], where: str, name: str) -> None:
    for key in table:
        if key not in known:
            place = f"[{name}]" if name else "the top level"
            home = next((t for t, keys in (("[run]", RUN), ("[rules]", RULES), ("[stop]", STOP)) if key in keys), None)
            home = "the top level" if home is None and key in STUDY else home
            hint = f"It belongs in {home}." if home else did_you_mean(key, known)
            raise FileError(f'{where}: {place} has no "{key}". {hint}')


def _check_run(run: Mapping[str, Any], where: str) -> None:
    """The numbers of [run], before anything is opened: a dry run should find them as well."""
    from trimtab.study._times import seconds

    for key in ("trials", "workers"):
        value = run.get(key, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise FileError(f"{where}: [run] {key} = {value!r}: a whole number, at least 1.")
    for key in ("timeout", "trial_timeout", "grace"):
        try:
            seconds(run.get(key, 0))
        except (TypeError, ValueError) as error:
            raise FileError(f"{where}: [run] {key} = {run[key]!r}: {error}") from None


def stop_rules(table: Mapping[str, Any], where: str) -> list[Any]:
    """[stop] as rules: target = 0.05, patience = 60, failures = 10 (false: never), time = "24h"."""
    from trimtab.study import Failures, Patience, Target, Time
    from trimtab.study._times import seconds

    rules: list[Any] = []
    for key, value in table.items():
        if key == "target":
            rules.append(Target(float(value)))
        elif key == "patience":
            rules.append(Patience(int(value)))
        elif key == "failures":
            rules.append(Failures(None if value is False else int(value)))
        elif key == "time":
            rules.append(Time(seconds(value)))
        else:
            _check({key: value}, STOP, where, "stop")
    return rules


def lay_over(document: dict[str, Any], setting: str) -> None:
    """`--set run.workers=4`: a dotted key, and a TOML value (or plain text)."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise FileError(f"--set {setting}: write key=value, as --set run.workers=4.")
    *path, last = key.strip().split(".")
    table = document
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise FileError(f"--set {setting}: {part} is no table.")
    table[last] = toml_value(text)


def toml_value(text: str) -> Any:
    """A TOML value; text that is none is itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def load_function(given: str, base: Path, where: str) -> Any:
    """`digits.py:objective` (a file beside the study's) or `package.module:objective`."""
    home, colon, name = given.rpartition(":")
    if not colon or not name.isidentifier():
        raise FileError(f'{where}: function = "{given}": write "file.py:name" or "package.module:name".')
    if str(base) not in sys.path:
        sys.path.insert(0, str(base))  # so that the file may import its neighbours
    module = _load_file(base / home, where) if home.endswith(".py") else _load_module(home, where)
    found = getattr(module, name, None)
    if not callable(found):
        functions = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise FileError(f'{where}: {home} has no function "{name}". {did_you_mean(name, functions)}')
    return found


def _load_file(file: Path, where: str) -> Any:
    if not file.exists():
        raise FileError(f"{where}: there is no {file.name} in {file.parent}.")
    name = f"trimtab_file_{file.stem}"  # a name that can't be imported, so it travels to workers by value
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _load_module(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise FileError(f'{where}: function names the module "{name}", which can\'t be imported.') from None
        raise
