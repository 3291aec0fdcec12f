"""A study in words: the summary at the end of a run, and the page of one trial.

Everything said is read from the log. "±" stands only where a spread was measured. On a terminal, lines are folded to
its width; into a file or a pipe they go whole, so that they can be grepped.
"""

from __future__ import annotations

import math
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.history import State
from trimtab.schedule._words import at
from trimtab.study._display import place
from trimtab.study._status import Status, decimals, duration, failed_words, fixed, outside, plain, status
from trimtab.study._tables import explain, failures
from trimtab.study._text import cells, clean, cut, pad
from trimtab.study._where import file_name, near
from trimtab.study._words import unit_of

if TYPE_CHECKING:
    from trimtab.history import Ledger
    from trimtab.study._study import Study

NEAR = 3  # trials named as close behind
SHOWN_REPORTS = 8
LABEL = 11  # columns of the words at the left
WIDEST = 120  # columns of a page, on terminals that have more


def summary(
    study: Study, *, target: str = "", seconds: float | None = None, before: int = 0, total: int | None = None,
    left: bool = False, width: int | None = None,
) -> str:  # fmt: skip
    """The page that ends a run.

    target   what the user typed ("digits.toml"), for the commands to type next
    seconds  how long this run took;  before  trials there were at its start;  total  what was asked for
    left     trials of that total are left: the same command goes on
    width    columns to fold to; None: those of the terminal, if there is one
    """
    ledger = study._log.ledger
    width = width or _columns()
    now = status(ledger, study._log.history)
    lines = [*_headline(study, now, seconds, before, width)]
    if now.best is not None:
        lines += ["", *_results(study, now), "", *_config(ledger.rows[now.best].config), *_near(study, now)]
    elif now.front:
        lines += ["", f"  {'front':<10} {'   '.join(now.front)}"]
    elif now.note:
        lines += ["", f"  {'best':<10} {now.note}"]
    lines += ["", *_noted(study.attributes()), *_stored(study, now), *_searcher(study)]
    folded = [part for line in lines for part in _folded(line, width)]
    return "\n".join([*folded, *_next(study, now, target, total, width, left)])


def _columns() -> int | None:
    """Of the terminal that stdout is."""
    return min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else None


def _folded(line: str, width: int | None) -> list[str]:
    """A line in the width of the page: what stands apart in it stays whole, later parts go under the first."""
    if width is None or cells(line) <= width:
        return [line]
    label = re.match(r"\s*\S+\s{2,}|\s+", line)
    first = label[0] if label and len(label[0]) <= width // 2 else ""
    indent = " " * max(len(first), 4)
    out = [""]
    for part in re.split(r"(?<=\S)(?=\s{3,}\S)", line[len(first) :]):
        if out[-1] and cells(out[-1] + part) > width - len(indent):
            out.append(part.lstrip())
        else:
            out[-1] += part
    out = [row for part in out for row in textwrap.wrap(part, width - len(indent), break_on_hyphens=False)]
    return [(indent if i else first) + row for i, row in enumerate(out)]


def done_line(study: Study, total: int, target: str) -> str:
    """`digits: done — 60 of 60 trials, best accuracy 0.9861 (trial 29). Go on: trimtab run digits.toml --more 40`"""
    now = status(study._log.ledger, study._log.history)
    of = f"{now.ended} of {total}" if now.ended <= total else f"{now.ended}"
    closed = study._log.ledger.closed
    if closed is not None:
        way = _run_line(target, total) if closed["rule"] == "user" else f"change [stop] in {target}"
        return _ending(
            f"{_name(study)}: ended — {clean(closed['text'])} ({of} trials{_best(now)}).", f"To go on: {way}"
        )
    more = f"Go on: {_run_line(target, total)}" if target else ""
    return _ending(f"{_name(study)}: done — {of} trials{_best(now)}.", more)


def _ending(told: str, then: str) -> str:
    """One line; on a terminal that is narrower, what to do next stands in a line of its own, whole."""
    width = _columns()
    whole = f"{told} {then}".rstrip()
    if width is None or cells(whole) <= width:
        return whole
    return "\n".join([*_folded(told, width), f"  {then}"])


def paused_line(study: Study, total: int | None) -> str:
    """What is said when a run was interrupted."""
    now = status(study._log.ledger, study._log.history)
    waiting = now.queued + now.running
    again = f" {waiting} trial{'s go' if waiting != 1 else ' goes'} on next time." if waiting else ""
    of = f"{now.ended}/{total}" if total else f"{now.ended} trials"
    return _ending(f"{_name(study)}: paused at {of}{_best(now)}.{again}", "The same command continues.")


def bad_line(study: Study, target: str) -> str:
    """`digits: 60 trials, none finished (58 × ValueError at train.py:41, 2 × time-out). trimtab show … --failures`"""
    groups = failures(study.trials)
    told = ", ".join(
        f"{g['count']} × {g['kind']}" + (f" at {g['where'].split(' ')[0]}" if g["where"] else "") for g in groups[:3]
    )
    n, told = len(study), f" ({told})" if told else ""
    return _ending(
        f"{_name(study)}: {n} trial{'s' * (n != 1)}, none finished{told}.", f"trimtab show {target} --failures"
    )


def _name(study: Study) -> str:
    return clean(study.name)


def _best(now: Status) -> str:
    if now.front:
        return f", {now.front[0]} on the front"
    mark = ", outside the present space" * now.outside
    return f", best {now.objective} {now.value} (trial {now.best}{mark})" if now.best is not None else ""


def _run_line(target: str, total: int) -> str:
    """The command that goes on. A database holds results, but not what to run."""
    more = f"--more {_more(total)}"
    return f"trimtab run {target} {more}" if target.endswith(".toml") else f"the command that began it, with {more}"


def _more(total: int) -> int:
    """A round number, about two thirds more."""
    return max(10, 10 * round(total / 15))


def _headline(study: Study, now: Status, seconds: float | None, before: int, width: int | None) -> list[str]:
    words = [f"{now.finished} finished"] * bool(now.finished or now.ended or not now.counted)
    words += [f"{now.stopped} stopped early"] * bool(now.stopped)
    words += [f"{now.running} running"] * bool(now.running) + [f"{now.queued} queued"] * bool(now.queued)
    words += [f"{now.failed} failed ({failed_words(now.failures)})"] * bool(now.failed)
    words += [f"{now.paused} paused"] * bool(now.paused) + [f"{now.invalid} invalid"] * bool(now.invalid)
    took = ""
    if seconds is not None:
        alone = not before and not 0 < study.ran < now.ended  # no run before it, no other driver
        took = f" in {duration(seconds)}" if alone else f" ({study.ran} of them now, in {duration(seconds)})"
    trials = f"{now.counted} trial{'s' * (now.counted != 1)}"
    head = f"{_name(study)}: {trials}{took} — {', '.join(words)}"
    if not study.ended:
        return [head]
    ended = f"trials = {now.counted}" if study.ended == "all trials have been started" else clean(study.ended)
    why = f"stopped because: {ended}"
    return [f"{head}     {why}"] if width is None or cells(head) + cells(why) + 5 <= width else [head, f"  {why}"]


def _results(study: Study, now: Status) -> list[str]:
    """The best trial and the default, value under value, and what the best one's limits came to."""
    ledger = study._log.ledger
    assert now.best is not None
    places, name = decimals(study._log.history), ledger.objectives[0]
    best = ledger.rows[now.best]
    rows = [("best", best)]
    if now.default is not None and now.default != now.best:
        rows.append(("default", ledger.rows[now.default]))
    values = {word: fixed(row.values[name], places) for word, row in rows}
    spreads = {word: f"± {fixed(row.sem[name], places)}" if row.sem.get(name) is not None else "" for word, row in rows}
    wide, spread = max(map(len, values.values())), max(map(len, spreads.values()))
    lines = []
    for word, row in rows:
        line = f"  {word:<10} {now.objective}  {values[word]:>{wide}}  {spreads[word]:<{spread}}".rstrip()
        lines.append(f"{line}   trial {row.number}" + "   outside the present space" * outside(ledger, row))
    if len(rows) > 1:
        gain = float(ledger.signs[0]) * (rows[1][1].values[name] - best.values[name])
        lines[1] += f"        gain {fixed(gain, places)}"
    return lines + [f"  {'feasible':<10} {now.limits}"] * bool(now.limits)


def _config(config: Mapping[str, Any]) -> list[str]:
    shown = {cut(clean(name), 40): plain(value) for name, value in config.items()}
    wide = max(map(cells, shown), default=0)
    return [f"  {pad(name, wide)}   {value}" for name, value in shown.items()]


def _near(study: Study, now: Status) -> list[str]:
    """The next best trials; where a spread is known, those within it."""
    ledger, history = study._log.ledger, study._log.history
    good = np.isin(history.state, (State.FINISHED, State.STOPPED)) & ~np.isnan(history.Y[:, 0])
    if history.constraints:
        good &= (history.C <= 0).all(axis=1)
    rows = np.flatnonzero(good)
    order = rows[np.argsort(history.Y[rows, 0], kind="stable")]
    others = [ledger.rows[int(history.numbers[i])] for i in order[: NEAR + 1]]
    others = [row for row in others if row.number != now.best][:NEAR]
    best, name = ledger.rows[now.best or 0], ledger.objectives[0]
    sem = best.sem.get(name)
    if sem is not None:
        others = [r for r in others if abs(r.values[name] - best.values[name]) <= sem]
    if not others:
        return []
    places = decimals(history)
    told = ", ".join(f"trial {r.number} ({fixed(r.values[name], places)})" for r in others)
    return ["", f"  close behind: {told} — within the spread" if sem is not None else f"  next best: {told}"]


def _stored(study: Study, now: Status) -> list[str]:
    where = place(study)
    if where == "in memory":
        return [f'stored     nowhere: it is lost at exit. Keep it: study.save("{file_name(study.name)}.db")']
    folder = study._folder
    output = f"      output of every trial: {near(folder)}/" if folder is not None and folder.exists() else ""
    return [f'stored     {where} (study "{_name(study)}", seed {study.seed}){output}']


def _noted(attributes: Mapping[str, Any]) -> list[str]:
    return [f"note       {clean(str(attributes['note']))}"] if attributes.get("note") else []


def _searcher(study: Study) -> list[str]:
    chosen = getattr(study.searcher, "choice", None)
    if chosen is None:
        return [f"searcher   {study.searcher.name}"]
    method, why = chosen(study._log.history)
    return [f"searcher   {study.searcher.name} → {method.name}: {why}"]


def _next(
    study: Study, now: Status, target: str, total: int | None, width: int | None, left: bool = False
) -> list[str]:
    """Commands to type next; what each is for, where there is room for it."""
    if not target:
        return []
    commands = []
    if now.best is not None:
        commands.append((f"trimtab show {target} {now.best}", "how this trial went, and why it was tried"))
    if now.failed:
        commands.append((f"trimtab show {target} --failures", "what went wrong"))
    commands.append((f"trimtab export {target} > {file_name(study.name)}.csv", "every trial as a table"))
    same = left and target.endswith(".toml")
    commands.append((f"trimtab run {target}" if same else _run_line(target, total or now.counted), "go on"))
    wide = max(len(command) for command, _ in commands)
    room = width is None or LABEL + wide + 3 + max(len(what) for _, what in commands) <= width
    return [
        f"{'next' if not i else '':<{LABEL - 1}} " + (f"{command:<{wide}}   {what}" if room else command)
        for i, (command, what) in enumerate(commands)
    ]


# ── one trial ────────────────────────────────────────────────────────────────────────────────────────────────────


def trial_page(study: Study, number: int, target: str = "", folder: Path | None = None) -> str:
    """How one trial went, and why it was tried."""
    ledger = study._log.ledger
    row, trial, told = ledger.rows[number], ledger.record(number), explain(study._log, number)
    spent = trial.cost.get("seconds")
    after = f" after {duration(spent)}" if spent is not None else ""
    tries = f", attempt {trial.attempts}" if trial.attempts > 1 else ""
    rows: list[tuple[str, str]] = []  # (label, text); a further line of the same label has none
    for name, values in (("values", trial.values), ("metrics", _others(trial))):
        if values:
            rows.append((name, "   ".join(f"{k} {v:g}{_sem(trial.sem, k)}" for k, v in values.items())))
    rows += [("limit", _limit(k, v)) for k, v in trial.constraints.items()]
    rows.append(("config", "   ".join(f"{k} {plain(v)}" for k, v in trial.config.items())))
    rows += [("noted", told) for told in _attributes(study, number)]
    rows += [("why", line) for line in told["lines"] if not (trial.error and line.startswith("failed: "))]
    rows += [("reports", line) for line in _reports(ledger, number)]
    if trial.error:
        where = f" at {trial.error['where']}" if trial.error.get("where") else ""
        rows.append(("error", f"{trial.error.get('kind', '')}{where}"))
        rows += [("error", line) for line in str(trial.error.get("text", "")).splitlines()[:5]]
    rows += [("output", line) for line in _output(folder or study._folder, number)]
    if target.endswith(".toml"):  # a database doesn't say what to run
        rows.append(("again", f"trimtab try {target} --trial {number}        (here, nothing recorded)"))
    if target and row.state is State.FAILED:
        tries_next = f"(recorded as attempt {trial.attempts + 1})"
        rows.append(("again", f"trimtab retry {target} {number}              {tries_next}"))
    width, before, lines = _columns(), "", [f"trial {number}   {trial.state}{after}{tries}"]
    for label, text in rows:
        lines += _folded(f"  {'' if label == before else label:<11} {clean(text)}", width)
        before = label
    return "\n".join(lines)


def _attributes(study: Study, number: int) -> list[str]:
    """What was noted of a trial: words as they are, the rest by name."""
    noted = study._log.ledger.attributes.get(number, {})
    words = [f"{k} {plain(v)}" for k, v in noted.items() if k != "note"]
    return [*([str(noted["note"])] if noted.get("note") else []), *(["   ".join(words)] if words else [])]


def _others(trial: Any) -> dict[str, float]:
    return {k: v for k, v in trial.metrics.items() if k not in trial.values}


def _sem(sem: Mapping[str, float], name: str) -> str:
    return f" ± {sem[name]:.2g}" if name in sem else ""


def _limit(text: str, violation: float) -> str:
    if math.isnan(violation):
        return f"{text}: not measured"
    return f"{text} holds" if violation <= 0 else f"{text} is broken by {violation:.4g}"


def _reports(ledger: Ledger, number: int) -> list[str]:
    curve = ledger.reports.curve(ledger.reports.rows_of(number))
    if not len(curve) or not ledger.objectives:
        return []
    column = curve.metrics.get(ledger.objectives[0])
    if column is None:
        return []
    folds, unit = bool((curve.fold >= 0).any()), unit_of(ledger)
    points = [
        f"{f'fold {fold}' if folds else at(unit, step) if not i else f'{step:g}'} {value:.4g}"
        for i, (step, fold, value) in enumerate(zip(curve.step, curve.fold, column, strict=True))
        if not math.isnan(value)
    ]
    more = f"   … {len(points) - SHOWN_REPORTS} more" if len(points) > SHOWN_REPORTS else ""
    return ["   ".join(points[:SHOWN_REPORTS]) + more]


def _output(folder: Path | None, number: int) -> list[str]:
    place = None if folder is None else folder / f"{number:03d}"
    files = [f for n in ("stdout", "stderr") if (f := place / n).exists()] if place is not None else []
    if place is None or not files:
        return []
    told = "  ".join(f"{f.name} ({f.read_bytes().count(10)} lines)" for f in files)
    return [f"{near(place)}/{told}"]


def failures_page(study: Study) -> str:
    """What went wrong, most frequent first."""
    groups = failures(study.trials)
    if not groups:
        return f"{_name(study)}: no trial has failed."
    lines = []
    for group in groups:
        where = f"   {group['where']}" if group["where"] else ""
        numbers = ", ".join(map(str, group["trials"][:12])) + (" …" if group["count"] > 12 else "")
        lines.append(clean(f"{group['count']} × {group['kind']}: {group['text']}{where}"))
        lines.append(f"    trial{'s' * (group['count'] != 1)} {numbers}")
    return "\n".join(row for line in lines for row in _folded(line, _columns()))


def overview(study: Study, target: str, total: int | None = None) -> str:
    """`trimtab show TARGET`: where a study stands, and its best trials. total: what the study file asks for."""
    ledger, history = study._log.ledger, study._log.history
    study._log.refresh()
    now = status(ledger, history)
    left = total is not None and now.ended < total and ledger.closed is None
    page = summary(study, target=target, left=left)
    if len(ledger.objectives) == 1 and now.best is not None:
        return page
    front = study.front if ledger.objectives else []
    rows = [f"  trial {t.number:<5} " + "   ".join(f"{k} {v:.4g}" for k, v in t.values.items()) for t in front[:12]]
    return "\n".join([page, "", *rows]) if rows else page
