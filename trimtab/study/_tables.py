"""A study as tables: what failed, why a trial was tried, rows of trials and reports, data frames and files.

Rows    are flat dicts that hold only what is known; `columns_of` gives their columns in one order, the same for every
        study: number, state, value…, params_…, metrics_…, constraints_…, sem_…, and what the trial cost.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab._extras import need
from trimtab.errors import UnknownName
from trimtab.history import Ledger, Trial
from trimtab.history._reports import NO_FOLD
from trimtab.log import JSON, Event, to_text
from trimtab.protocol import ENDS
from trimtab.schedule._words import at
from trimtab.study._progress import watched
from trimtab.study._words import unit_of

if TYPE_CHECKING:
    import pandas as pd

    from trimtab.study._log import Log
    from trimtab.study._results import Results

FIRST = ("number", "state", "value")
GROUPS = ("values_", "params_", "metrics_", "constraints_", "sem_")
LAST = ("step", "seconds", "began", "ended", "seed", "method", "cause", "attempts", "tags", "error")
TIMES = ("began", "ended")
OPTUNA_STATES = {
    "finished": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL", "lost": "FAIL", "invalid": "FAIL",
    "queued": "WAITING", "paused": "WAITING", "running": "RUNNING",
}  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula when a cell's text begins with it
SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
WHAT = ("trials", "reports", "events")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
HEAD = 80  # characters of an error's text that tell one failure from another
LONG = 240  # characters of it that are shown
PAGE = 50_000  # events read at once


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def failures(trials: Iterable[Trial]) -> list[dict[str, JSON]]:
    """Failed trials grouped by what went wrong and where, most frequent first: kind, where, text, count, trials."""
    groups: dict[tuple[str, str, str], dict[str, JSON]] = {}
    for trial in trials:
        if trial.state not in ("failed", "lost"):
            continue
        error = trial.error or {}
        kind, where, text = str(error.get("kind", trial.state)), str(error.get("where", "")), str(error.get("text", ""))
        head, last = _ends(text)
        # "no room for 27 units" and "… 31 units", "Trial 17: …": one mistake
        same = NUMBER.sub("N", f"{head[:HEAD]} {last[:HEAD]}")
        group = groups.setdefault(
            (kind, where, same),
            {"kind": kind, "where": where, "text": f"{head} {last}".strip(), "count": 0, "trials": []},
        )
        group["count"] += 1
        group["trials"].append(trial.number)
    return sorted(groups.values(), key=lambda g: -g["count"])


def _ends(text: str) -> tuple[str, str]:
    """The first line of an error; and where that announces what follows ("Its last words:"), the last line too."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    last = lines[-1] if lines[0].endswith(":") and len(lines) > 1 else ""
    return _cut(lines[0]), _cut(last)


def _cut(line: str) -> str:
    return line if len(line) <= LONG else line[: LONG - 1] + "…"


# ── why ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CAUSES = {
    "new": "proposed by {method}",
    "queue": "taken from the queue",
    "promote": "continued by {method}",
    "clone": "cloned by {method}",
    "retry": "tried again",
    "user": "started by the user",
    "added": "added by the user: evaluated elsewhere",
}


def explain(log: Log, number: int) -> dict[str, JSON]:
    """What decided a trial's course, from its own events.

    lines   one a decision, in order;  method, cause, why, plan  of the first start;  parents  if there are any
    """
    out: dict[str, JSON] = {"trial": number, "lines": []}
    unit = unit_of(log.ledger)
    for event in events_of(log, number):
        line = _line(event, unit)
        if event.kind == "started" and "cause" not in out:
            body = event.body
            why = body.get("why", {})
            out |= {"cause": body["cause"], "method": body.get("method", ""), "parents": body.get("parents", {})}
            out |= {"why": why.get("text", ""), "plan": why.get("plan", ""), "seen": body.get("seen", 0)}
            out |= {name: why[name] for name in ("mean", "sd", "score") if name in why}
        if line:
            out["lines"].append(line)
    out["state"] = log.ledger.record(number).state
    return out


def events_of(log: Log, number: int) -> list[Event]:
    """The raw events of one trial, oldest first."""
    since, found = log.ledger.rows[number].seq - 1, []
    while since < log.ledger.version:
        events, _ = log.storage.read(log.study, since, PAGE)
        if not events:
            break
        found += [e for e in events if e.trial == number]
        since = events[-1].seq
    return found


def _line(event: Event, unit: str) -> str:
    body = event.body
    if event.kind == "started":
        return _started_line(event, body, unit)
    if event.kind in ("judged", "ended"):
        where = f" at {at(unit, body['step'])}" if body.get("step") is not None else ""
    if event.kind == "judged":
        word = {**ENDS, "on": "went on"}.get(body["verdict"], body["verdict"])
        return f"{word}{where} by {body.get('by') or 'the user'}{_because(body.get('why'))}"
    if event.kind == "ended":
        error = body.get("error") or {}
        told = f": {error.get('kind')}: {str(error.get('text', '')).partition(chr(10))[0]}" if error else ""
        return f"{body['state']}{where}{told}{_because(body.get('why'))}"
    if event.kind == "amended":
        what = "tried again" if body.get("again") else "corrected" if body.get("set") else "invalidated"
        what = "restored" if body.get("valid") else what
        return f"{what} by {body.get('who', 'the user')}{_because(body.get('reason'))}"
    return ""


def _started_line(event: Event, body: Mapping[str, JSON], unit: str) -> str:
    why = body.get("why", {})
    method = str(body.get("method") or "the searcher").partition("/")[0]
    if why.get("method"):  # a searcher that chose among others
        method += f" → {why['method']}"
    text = CAUSES.get(body["cause"], "started").format(method=method)
    mean, sd = why.get("mean"), why.get("sd")
    if mean is not None:
        text += f", expecting {mean:.4g}" + (f" ± {sd:.2g}" if sd is not None else "")
    if body["cause"] == "retry":
        text += f" (attempt {event.attempt})"
    if body.get("until") is not None:
        text += f", up to {at(unit, float(body['until']))}"
    return text + _because("; ".join(filter(None, (why.get("text"), why.get("plan")))))


def _because(why: Any) -> str:
    return f" — {why}" if why else ""


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def trial_rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """One flat dict a trial. What is unknown or inactive is left out."""
    several = any(len(t.values) > 1 for t in trials)
    return [_trial_row(t, several) for t in trials]


def _trial_row(trial: Trial, several: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"number": trial.number, "state": trial.state}
    for name, value in trial.values.items():
        row[f"values_{name}" if several else "value"] = value
    row |= {f"params_{name}": value for name, value in trial.config.items()}
    row |= {f"metrics_{name}": value for name, value in trial.metrics.items() if name not in trial.values}
    row |= {f"constraints_{name}": value for name, value in trial.constraints.items() if not math.isnan(value)}
    row |= {f"sem_{name}": value for name, value in trial.sem.items()}
    row |= {"step": trial.step, "seconds": trial.cost.get("seconds"), "began": trial.began, "ended": trial.ended}
    row |= {"seed": trial.seed, "method": trial.method, "cause": trial.cause, "attempts": trial.attempts}
    if trial.tags:
        row["tags"] = dict(trial.tags)
    if trial.error:
        row["error"] = f"{trial.error.get('kind', '')}: {trial.error.get('text', '')}"
    return {name: value for name, value in row.items() if value is not None}


def report_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """One flat dict a report: number, step, fold where there are folds, metrics_…"""
    curve = ledger.reports.curve(slice(None))
    columns = {f"metrics_{name}": values.tolist() for name, values in curve.metrics.items()}
    rows = []
    for i, (number, step, fold) in enumerate(
        zip(curve.trial.tolist(), curve.step.tolist(), curve.fold.tolist(), strict=True)
    ):
        row = {"number": number, "step": step}
        if fold != NO_FOLD:
            row["fold"] = fold
        rows.append(row | {name: values[i] for name, values in columns.items() if not math.isnan(values[i])})
    return rows


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every column that some row has, in the order of this file's head."""
    found = dict.fromkeys(name for row in rows for name in row)
    grouped = [name for prefix in GROUPS for name in found if name.startswith(prefix)]
    known = [*(n for n in FIRST if n in found), *grouped, *(n for n in LAST if n in found)]
    return [*known, *(n for n in found if n not in known)]


# ── data frames ──────────────────────────────────────────────────────────────────────────────────────────────────


def to_pandas(
    ledger: Ledger, trials: Sequence[Trial], *, reports: bool = False, style: str = "trimtab"
) -> pd.DataFrame:
    """One row a trial, or a report. Inactive parameters are NaN; times are UTC."""
    frames: Any = need("pandas", extra="pandas", to="make a data frame")
    if style not in ("trimtab", "optuna"):
        raise UnknownName(style, among=("trimtab", "optuna"), kind="style of data frames")
    if reports:
        rows = report_rows(ledger)
        table: pd.DataFrame = frames.DataFrame(rows, columns=columns_of(rows) or ["number", "step"])
        return table
    if style == "optuna":
        return _like_optuna(frames, trials, len(ledger.objectives))
    rows = trial_rows(trials)
    columns = columns_of(rows)
    value = [f"values_{n}" for n in ledger.objectives] if len(ledger.objectives) > 1 else ["value"]
    columns[2:2] = [name for name in value if name not in columns]
    for name in ("number", "state"):
        if name not in columns:
            columns.insert(0 if name == "number" else 1, name)
    frame: pd.DataFrame = frames.DataFrame(rows, columns=columns)
    for name in TIMES:
        if name in frame:
            frame[name] = frames.to_datetime(frame[name], unit="s", utc=True)
    return frame


def _like_optuna(frames: Any, trials: Sequence[Trial], objectives: int) -> pd.DataFrame:
    """The columns, the order and the state words of Optuna's trials_dataframe(). Its times are local and naive."""
    rows = []
    for trial in trials:
        row: dict[str, Any] = {"number": trial.number}
        values = [math.nan] * objectives
        if trial.state in ("finished", "stopped"):
            values = list(trial.values.values()) or values
        row |= {"value": values[0]} if objectives == 1 else {f"values_{i}": v for i, v in enumerate(values)}
        begun, ended = (None if t is None else datetime.fromtimestamp(t) for t in (trial.began, trial.ended))
        row |= {"datetime_start": begun, "datetime_complete": ended}
        row["duration"] = ended - begun if begun is not None and ended is not None else None
        row |= {f"params_{name}": value for name, value in sorted(trial.config.items())}
        metrics = {n: v for n, v in trial.metrics.items() if n not in trial.values}
        row |= {f"user_attrs_{name}": value for name, value in sorted({**metrics, **trial.notes}.items())}
        rows.append(row | {"state": OPTUNA_STATES[trial.state]})
    found = dict.fromkeys(name for row in rows for name in row) or dict.fromkeys(("number", "value", "state"))
    params = sorted(n for n in found if n.startswith("params_"))
    attributes = sorted(n for n in found if n.startswith("user_attrs_"))
    first = [n for n in found if n != "state" and not n.startswith(("params_", "user_attrs_"))]
    frame: pd.DataFrame = frames.DataFrame(rows, columns=[*first, *params, *attributes, "state"])
    for name in ("datetime_start", "datetime_complete"):
        if name in frame:
            frame[name] = frames.to_datetime(frame[name])
    if "duration" in frame:
        frame["duration"] = frames.to_timedelta(frame["duration"])
    return frame


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────


def export(study: Results, path: Path, what: str = "trials") -> None:
    """Write trials, reports or events to a file; its suffix says in which form."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UnknownName(suffix or str(path), among=SUFFIXES, kind="form of export")
    rows = rows_of(study, what)
    if suffix == ".parquet":
        _parquet(rows, path)
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        write(rows, stream, suffix)


def rows_of(study: Results, what: str) -> list[dict[str, Any]]:
    """The rows of one kind, with times as text."""
    if what not in WHAT:
        raise UnknownName(what, among=WHAT, kind="thing to export")
    if what == "reports":
        return study.to_dicts(reports=True)
    if what == "events":
        return [_event_row(e) for e in study.log()]
    return [{k: _time(v) if k in TIMES else v for k, v in row.items()} for row in study.to_dicts()]


def _event_row(event: Event) -> dict[str, Any]:
    row = {"seq": event.seq, "at": _time(event.at), "kind": event.kind, "trial": event.trial}
    return row | {"attempt": event.attempt, "by": event.by, "body": dict(event.body)}


def write(rows: Sequence[Mapping[str, Any]], stream: TextIOBase | Any, suffix: str) -> None:
    """Rows as CSV, JSON or JSON lines."""
    each = watched(rows, "writing rows", len(rows))
    if suffix == ".json":
        stream.write("[" + ",\n ".join(to_text(row) for row in each) + "]\n")
    elif suffix == ".jsonl":
        stream.writelines(to_text(row) + "\n" for row in each)
    else:
        columns = columns_of(rows) or ["number"]  # a table without rows can be read too
        out = csv.writer(stream, lineterminator="\n")
        out.writerow([_cell(name) for name in columns])
        out.writerows([_cell(row.get(name)) for name in columns] for row in each)


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets a ' in front; numbers are left as they are."""
    if type(value) in (float, int):
        return value
    if value is None:
        return ""
    if isinstance(value, (Mapping, list, tuple)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def to_arrow(rows: Sequence[Mapping[str, Any]], to: str) -> Any:
    """Rows as a pyarrow.Table. Columns of lists, dicts or values of several kinds are JSON text."""
    arrow: Any = need("pyarrow", extra="parquet", to=to)
    columns = {name: [row.get(name) for row in rows] for name in columns_of(rows)}
    times = {name: columns[name] for name in TIMES if all(isinstance(v, float | None) for v in columns.get(name, [""]))}
    utc = arrow.timestamp("ms", tz="UTC")
    stamped = {n: arrow.array([v if v is None else round(1e3 * v) for v in c], utc) for n, c in times.items()}
    return arrow.table({name: stamped.get(name, _alike(column)) for name, column in columns.items()})


def _alike(column: Sequence[Any]) -> list[Any]:
    """Values of one kind: numbers stay numbers where all are; else what is no text becomes JSON."""
    kinds = {type(v) for v in column if v is not None}
    if kinds <= {int, float} or (len(kinds) < 2 and not kinds & {dict, list}):
        return [float(v) if v is not None and float in kinds else v for v in column]
    return [v if v is None or isinstance(v, str) else json.dumps(v) for v in column]


def _parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    table = to_arrow(rows, f"write {path.name}")
    from pyarrow.parquet import write_table

    write_table(table, path)
