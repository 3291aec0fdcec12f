"""study.toml: every key is the Python argument of the same name, so there is one thing to learn.

Top level  Study(…)       [space] Space(…)            [rules] its require= and forbid=
[run]      optimize(…), with `function` or `command`   [searcher], [scheduler] a method's settings   [stop] stop rules
The keys are read from the signatures. Paths are relative to the file. ${NAME} is the environment's, in paths, URLs and
[run.env] only, so that no secret is stored. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import TrimtabError, did_you_mean

if TYPE_CHECKING:
    from trimtab.space import Space
    from trimtab.study import Study

TABLES = ("space", "rules", "run", "stop")
RULES = ("require", "forbid")
PYTHON_ONLY = {  # arguments that no file can hold
    "callbacks": "functions",
    "runner": "an object",
    "answer": "a function",
    "display": "what a terminal shows is said on the line: --plain, --json",
    "more": "a file says the study's total; on the line: --more",
}
FROM_PLAN = ("space", "objectives", "base", "folder", "where", "log")  # of the command runner: known from elsewhere
ANY = ("cwd", "env", "repeats")  # of the command runner's keys: those that a function may have too


class FileError(TrimtabError, ValueError):
    """A study file can't be read, or says something it can't say."""


# ── the keys ─────────────────────────────────────────────────────────────────────────────────────────────────────


def arguments(function: Any) -> dict[str, inspect.Parameter]:
    """The arguments of a Python function that a file may give."""
    found = inspect.signature(function).parameters
    return {n: p for n, p in found.items() if n not in ("self", "objective", *PYTHON_ONLY)}


@cache
def study_keys() -> tuple[str, ...]:
    """Of the top level."""
    from trimtab.study import Study

    return tuple(n for n in arguments(Study.__init__) if n not in TABLES)


@cache
def optimize_keys() -> tuple[str, ...]:
    from trimtab.study import Study

    return tuple(n for n in arguments(Study.optimize) if n not in study_keys())


@cache
def command_keys() -> tuple[str, ...]:
    """Of [run], when it is a program."""
    from trimtab.run.command import Command

    return tuple(n for n in arguments(Command) if n not in (*FROM_PLAN, *optimize_keys()))


@cache
def run_keys() -> tuple[str, ...]:
    """`retry` is Study's, and so may stand at the top level; it is about running, so it may stand here too."""
    return (*optimize_keys(), "function", *command_keys(), "retry", "enqueue")


@cache
def stop_keys() -> tuple[str, ...]:
    from trimtab.study._stop import RULES as rules

    return tuple(rules)


# ── a plan ───────────────────────────────────────────────────────────────────────────────────────────────────────


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
        given = str(given or f"{self.name}.db")
        if "://" in given:
            return given  # the storage itself replaces ${NAME}, and knows what to hide
        slash = "/" if given.endswith("/") else ""
        return str(base / Path(expanded(given, f"{self.where}: storage")).expanduser()) + slash

    @property
    def folder(self) -> Any:
        """Where outputs and checkpoints go: beside the SQLite file, unless the plan says otherwise."""
        given = self.study.get("folder")
        if given is None:
            return None if "://" in self.storage else Path(self.storage).with_suffix(".runs")
        given = expanded(str(given), f"{self.where}: folder")
        return given if "://" in given else self.base / Path(given).expanduser()

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
        from trimtab.cli._function import load_function

        given = self.run.get("function")
        return None if given is None else load_function(given, self.base, self.where)

    def running(self) -> dict[str, Any]:
        """The [run] table with what the environment says in paths and in [run.env]."""
        run = dict(self.run)
        if "cwd" in run:
            run["cwd"] = expanded(str(run["cwd"]), f"{self.where}: [run] cwd")
        if "env" in run:
            run["env"] = {k: expanded(str(v), f"{self.where}: [run.env] {k}") for k, v in run["env"].items()}
        return run

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """The [run] env and cwd that a function runs in, and its workers. A program is given its own."""
        run = self.running() if "function" in self.run else {}
        before, folder = dict(os.environ), os.getcwd()
        try:
            if "cwd" in run:
                os.chdir(self.base / run["cwd"])
            os.environ.update(run.get("env", {}))
            yield
        except OSError as error:
            raise FileError(f"{self.where}: [run] cwd = {run.get('cwd')!r}: {error.strerror}.") from None
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)

    def changed(self, **tables: Any) -> Plan:
        return replace(self, **tables)


def expanded(text: str, where: str) -> str:
    """With ${NAME} replaced by the environment's value."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise FileError(f"{where} uses ${{{found[1]}}}, which is not set. Type: export {found[1]}=…")
        return os.environ[found[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def load(path: str | Path, settings: Collection[str] = ()) -> Plan:
    """The plan of a file, with `--set` settings laid over it."""
    file = Path(path)
    document = read(file)
    plan = plan_of(document, file)
    for setting in settings:
        from trimtab.cli._set import lay_over

        lay_over(document, setting)
        plan_of(document, file, f"--set {setting}")  # so that a wrong one is called by its own name
        plan = plan_of(document, file)
    return plan


def read(file: Path) -> dict[str, Any]:
    """A TOML file, or FileError that says what it is instead."""
    from trimtab.cli._other import looks_like

    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        others = [p.name for p in file.parent.glob("*.toml")] if file.parent.is_dir() else []
        near = did_you_mean(file.name, [n for n in others if n != "pyproject.toml"]).replace("Known: none.", "")
        raise FileError(f"There is no {file}. {near}".strip()) from None
    except OSError as error:
        raise FileError(f"{file} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise FileError(f"{file} is not TOML: it is not text in UTF-8.") from None
    except RecursionError:
        raise FileError(f"{file} is nested too deep.") from None
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{file} is not TOML: {error}.{looks_like(file)}") from None


def plan_of(document: Mapping[str, Any], file: Path, where: str | None = None) -> Plan:
    """A parsed file, checked."""
    from trimtab.cli._kinds import check_kinds

    where = str(file) if where is None else where
    _check(document, (*study_keys(), *TABLES), where, "")
    for table, known in (("run", run_keys()), ("rules", RULES), ("stop", stop_keys())):
        _check(_table(document, table, where), known, where, table)
    check_kinds(document, where)
    run = _table(document, "run", where)
    if "function" in run and "command" in run:
        raise FileError(f"{where}: [run] has function and command. A trial is one of them: leave one out.")
    if "function" in run and (extra := [k for k in command_keys() if k in run and k not in ANY]):
        raise FileError(f"{where}: [run] {extra[0]} goes with command = […], not with function.")
    if "function" in run and run.get("repeats", 1) != 1:
        raise FileError(
            f"{where}: [run] repeats goes with command = […]. In a function report each run as a fold, "
            "and mean and spread are told: trial.report(loss=…, fold=k)."
        )
    if "retry" in run and "retry" in document:
        raise FileError(f"{where}: retry stands at the top level and in [run]. Say it once.")
    study = {k: v for k, v in document.items() if k not in TABLES}
    study.setdefault("name", file.stem)
    rules = _table(document, "rules", where)
    space = document.get("space")
    if space is not None and not isinstance(space, Mapping):
        raise FileError(f"{where}: space must be a table: [space].")
    stop_rules(_table(document, "stop", where), where)
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
            raise FileError(f'{where}: {place} has no "{key}". {_hint(key, known, name)}')


def _hint(key: str, known: Collection[str], table: str) -> str:
    if key in PYTHON_ONLY:
        return f"It is for Python only ({PYTHON_ONLY[key]})."
    homes = (("[run]", run_keys()), ("[rules]", RULES), ("[stop]", stop_keys()), ("the top level", study_keys()))
    home = next((place for place, keys in homes if key in keys), None)
    if home is not None:
        return f"It belongs in {home}."
    from trimtab._foreign import WORDS

    says = next((words[key] for words in WORDS.values() if key in words), None)
    if says is not None and table in ("", "run"):
        from trimtab.cli._words import file_words

        return f"trimtab says {file_words(says)}."
    return did_you_mean(key, known)


def stop_rules(table: Mapping[str, Any], where: str) -> list[Any]:
    """[stop] as rules: target = 0.05, patience = 60, failures = 10 (false: never), time = "24h"."""
    from trimtab.study._stop import rules_of

    try:
        return list(rules_of(table))
    except (TypeError, ValueError) as error:
        raise FileError(f"{where}: [stop] {str(error).removeprefix('stop: ')}") from None
