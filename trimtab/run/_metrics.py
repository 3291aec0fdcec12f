"""Reading metrics of a program that has ended: from its output, from a file, from its last line.

    "regex:final cost = (\\S+)"   the last match in stdout
    "json:quality.gap"            in the JSON object of the last line
    "file:out.json#a.b"           in a JSON file; without #, the file is the number

Built in for every program: time (wall, s), cpu (s), memory (peak, MB), exit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import MetricError, NonFinite

BUILT_IN = ("time", "cpu", "memory", "exit")


@dataclass(frozen=True, slots=True)
class Metric:
    """Where one value is found."""

    name: str
    kind: str  # regex, json, file
    what: str

    @classmethod
    def parse(cls, name: str, source: str) -> Metric:
        kind, _, what = source.partition(":")
        if kind not in ("regex", "json", "file") or not what:
            raise MetricError(f'metric "{name}": {source!r} is not "regex:…", "json:key" or "file:path#key".')
        if kind == "regex":
            try:
                groups = re.compile(what).groups
            except re.error as error:
                raise MetricError(f'metric "{name}": the regex {what!r} does not compile: {error}') from None
            if groups != 1:
                raise MetricError(
                    f'metric "{name}": the regex {what!r} needs one (…) around the number; it has {groups}.'
                )
        return cls(name, kind, what)

    def find(self, output: str, cwd: Path) -> Any:
        """The value as it stands there; LookupError with what was looked for."""
        if self.kind == "regex":
            found = re.findall(self.what, output, re.MULTILINE)
            if not found:
                raise LookupError(f"regex '{self.what}' in {_lines(output)} of output")
            return found[-1]
        if self.kind == "json":
            line = last_line(output)
            return _inside(_as_json(line, "the last line"), self.what, "the last line")
        path, _, key = self.what.partition("#")
        try:
            text = (cwd / path).read_text()
        except OSError as error:
            raise LookupError(f"{cwd / path} ({error.strerror})") from None
        return _inside(_as_json(text, path), key, path) if key else text.strip()


def read(
    metrics: Sequence[Metric],
    objectives: Sequence[str],
    output: str,
    cwd: Path,
    built_in: Mapping[str, float],
    who: str,
) -> dict[str, float]:
    """All values. Declared metrics and objectives must be there; of the last line, what is a number is taken along."""
    values = dict(built_in)
    said = _last_line_values(output)
    if isinstance(said, dict):
        values |= said
    for metric in metrics:
        try:
            values[metric.name] = _number(metric.find(output, cwd), metric.name)
        except LookupError as missing:
            raise MetricError(_no_value(who, metric.name, f"Looked for {missing.args[0]}", output)) from None
    wanted = [name for name in objectives if name not in values]
    if isinstance(said, float) and len(wanted) <= 1:  # one number, one name for it
        values[wanted[0] if wanted else "value"] = said
        wanted = []
    if wanted:
        looked = f"Looked at the last line, which is no number and no JSON object with it; {_lines(output)} of output"
        raise MetricError(_no_value(who, wanted[0], looked, output, n=5))
    for name, value in values.items():
        if not math.isfinite(value):
            raise NonFinite(f"{who} gave {name} = {value}")
    return values


def summary(rows: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """(mean, standard error of the mean) of repeated runs; no error from a single one."""
    n = len(rows)
    mean = {name: math.fsum(row[name] for row in rows) / n for name in rows[0] if all(name in row for row in rows)}
    if n == 1:
        return mean, {}
    spread = {k: math.sqrt(math.fsum((row[k] - m) ** 2 for row in rows) / (n - 1) / n) for k, m in mean.items()}
    return mean, spread


def last_line(output: str) -> str:
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")


def _last_line_values(output: str) -> float | dict[str, float] | None:
    """A number, or the numbers of a JSON object; None for any other line."""
    line = last_line(output)
    try:
        return float(line)
    except ValueError:
        pass
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return {str(k): float(v) for k, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def _as_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise LookupError(f"JSON in {where}") from None


def _inside(found: Any, key: str, where: str) -> Any:
    """found["a"]["b"] for "a.b"; a key that itself has dots is tried first."""
    if isinstance(found, dict) and key in found:
        return found[key]
    for part in key.split("."):
        if isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict) and part in found:
            found = found[part]
        else:
            raise LookupError(f'"{key}" in the JSON of {where}')
    return found


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise LookupError(f'a number for "{name}", and found {value!r:.60}') from None


def _no_value(who: str, name: str, looked: str, output: str, n: int = 1) -> str:
    lines = output.rstrip().splitlines()[-n:]
    if not lines:
        return f'{who} but gave no "{name}". {looked}. It printed nothing'
    tail = (
        f'Last line: "{lines[-1].strip()[:200]}"' if n == 1 else "Last lines:\n" + "\n".join(f"    {x}" for x in lines)
    )
    return f'{who} but gave no "{name}". {looked}. {tail}'


def _lines(output: str) -> str:
    n = len(output.splitlines())
    return "1 line" if n == 1 else f"{n} lines"
