"""Whether each value of a study file is of its kind, before anything is made of it: one sentence with the mend.

What a value means beyond that (a searcher's name, a domain, a rule) is checked where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from trimtab.cli._toml import FileError

Test = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def texts(value: Any) -> bool:
    return text(value) or (isinstance(value, list) and all(text(v) for v in value))


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def table(value: Any) -> bool:
    return isinstance(value, Mapping)


def function(value: Any) -> bool:
    return text(value) and bool(value.rpartition(":")[0]) and str(value).rpartition(":")[2].isidentifier()


def command(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(v and texts(v) for v in value)


def plain_table(value: Any) -> bool:
    return table(value) and all(isinstance(v, (str, int, float)) for v in value.values())


def text_table(value: Any) -> bool:
    return table(value) and all(text(v) for v in value.values())


def needs(value: Any) -> bool:
    from trimtab.run._slots import NEEDS

    return table(value) and all(k in NEEDS and (finite(v) or (k == "memory" and text(v))) for k, v in value.items())


def configs(value: Any) -> bool:
    return isinstance(value, list) and all(table(v) for v in value)


TEXT = (text, "text, in quotes")
TEXTS = (texts, "text in quotes, or a list of texts")
WHOLE = (whole, "a whole number, at least 1")
NAMES = (texts, 'a name in quotes, or a list of names: "loss", ["error", "latency"]')
NUMBER = (finite, "a number")
TOP: dict[str, tuple[Test, str]] = {
    "name": (text, "a name is text, in quotes"),
    "minimize": NAMES, "maximize": NAMES, "constraints": TEXTS, "hidden": NAMES,
    "storage": TEXT, "folder": TEXT, "if_exists": TEXT, "duplicates": TEXT, "value": TEXT,
    "durability": (lambda v: v in ("normal", "full"), '"normal", or "full": nothing is lost in a power cut either'),
    "note": (lambda v: isinstance(v, str), "text, in quotes"), "max_budget": NUMBER,
    "searcher": (lambda v: text(v) or table(v), 'a name in quotes, or a table: { method = "tpe", startup = 20 }'),
    "scheduler": (lambda v: text(v) or table(v), 'a name in quotes, or a table: { method = "asha", max = 81 }'),
}  # fmt: skip
RUN: dict[str, tuple[Test, str]] = {
    "trials": WHOLE, "workers": WHOLE, "repeats": WHOLE, "recycle": WHOLE, "cwd": TEXT,
    "function": (function, 'write "file.py:name" or "package.module:name"'),
    "command": (command, 'the program and each argument apart, each in quotes: ["./solver", "--alpha={alpha}", "3"]'),
    "metrics": (text_table, 'a table, as [run.metrics] gap = "regex:gap = (\\\\S+)"'),
    "env": (plain_table, 'a table, as [run.env] MODE = "offline"'),
    "per_trial": (needs, 'a table, as { gpu = 1, cpu = 4, memory = "16GB" }'),
    "enqueue": (configs, "a list of configurations: [[run.enqueue]], each with name = value"),
}  # fmt: skip
RULES: dict[str, tuple[Test, str]] = {"require": TEXTS, "forbid": TEXTS}
STOP: dict[str, tuple[Test, str]] = {"target": NUMBER, "gpu_hours": NUMBER}


def check_kinds(document: Mapping[str, Any], where: str) -> None:
    """FileError for the first value that is of another kind."""
    _check(document, TOP, where, "")
    for name, kinds in (("run", RUN), ("rules", RULES), ("stop", STOP)):
        _check(document.get(name, {}), kinds, where, f"[{name}] ")
    _check_times(document.get("run", {}), where)


def _check(given: Mapping[str, Any], kinds: Mapping[str, tuple[Test, str]], where: str, place: str) -> None:
    for key, (test, words) in kinds.items():
        if key in given and not test(given[key]):
            raise FileError(f"{where}: {place}{key} = {given[key]!r}: {words}.")


def _check_times(run: Mapping[str, Any], where: str) -> None:
    from trimtab.study._times import seconds

    for key in ("timeout", "trial_timeout", "grace"):
        if key == "timeout" and run.get(key) == "slurm":
            continue
        try:
            seconds(run.get(key, 0))
        except (TypeError, ValueError) as error:
            raise FileError(f"{where}: [run] {key} = {run[key]!r}: {error}") from None
