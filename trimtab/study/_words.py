"""What a driver has to say, in words: others at work, steps that are run again, a start in which everything failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimtab.errors import did_you_mean
from trimtab.history import Ledger, Row
from trimtab.protocol import Run, Scheduler
from trimtab.schedule._words import STEPS, at, count, named
from trimtab.study._where import near


def joined(ledger: Ledger, me: str) -> str:
    """Who else is at work on the study; nothing where nobody is."""
    others = Counter(row.owner for row in ledger.alive.values() if row.owner not in (None, me))
    if not others:
        return ""
    n, running, places = len(others), sum(others.values()), dict.fromkeys(str(o).split(":")[0] for o in others)
    return (
        f"joins {n} other driver{'s' * (n != 1)} on {', '.join(places)} ({running} trial{'s' * (running != 1)} running "
        "there); trials= is the total of all"
    )


def unit_of(ledger: Ledger) -> str:
    """What the study's scheduler calls steps. A foreign one may mean something else by budget: a number."""
    unit = ledger.definitions[-1].get("scheduler", {}).get("settings", {}).get("budget", STEPS)
    return unit if isinstance(unit, str) else STEPS


def repeated(ledger: Ledger, row: Row, run: Run) -> str:
    """That steps are run a second time, and why; nothing where none are. Folds are no steps to save after."""
    again = (row.step or 0.0) - run.source_step
    if again <= 0 or (ledger.reports.curve(ledger.reports.rows_of(row.number)).fold >= 0).any():
        return ""
    unit = unit_of(ledger)
    saved = "no checkpoint was saved" if run.source is None else f"its checkpoint is of {at(unit, run.source_step)}"
    steps = f"{count(unit, again)} will be repeated"
    return (
        f"Trial {row.number} starts again from {at(unit, run.source_step + 1)}: {saved} ({steps}). "
        "See trial.save_checkpoint()."
    )


def silent(ledger: Ledger, scheduler: Scheduler) -> str:
    """That a scheduler gets nothing to judge by, or nothing before trials are over; nothing where it does."""
    metric = getattr(scheduler, "metric", None)
    if isinstance(metric, str) and metric not in ledger.objectives and named(metric) not in ledger.reports.metrics:
        told = [name for name in ledger.reports.metrics if name not in ledger.hidden]
        return (
            f'{scheduler.name} judges by "{named(metric)}", which no trial has reported, so it can tell no trial from '
            f"another. {did_you_mean(named(metric), told) if told else 'Nothing was reported.'}"
        )
    paused = ledger.counts["paused"] + ledger.counts["stopped"]
    if scheduler.name == "full" or paused or any(len(ledger.reports.rows_of(r.number)) > 1 for r in ledger.rows):
        return ""
    return (
        f"{scheduler.name} can stop nothing early: no trial has reported before its end. Report as you go, "
        f"trial.report({ledger.objectives[0]}=…) once an epoch, and loop over trial.steps()."
    )


def first_failures(rows: Sequence[Row], outputs: Path | None = None) -> str:
    """Where the first trials failed, and what to do. outputs: the folder of what trials print."""
    errors: list[Any] = [r.error or {} for r in rows]
    same = len({(e.get("kind"), e.get("where")) for e in errors}) == 1
    error = errors[0]
    where = f"    {error['where']}\n" if error.get("where") else ""
    return (
        f"The first {len(rows)} trials all failed{' in the same place' if same else ''}, so nothing more was started:\n"
        f"{where}    {error.get('kind', 'error')}: {error.get('text', '')}\n"
        f"Mend it and run the same command again: these {len(rows)} are tried first.{_output(rows[0], outputs)}\n"
        "To go on in spite of failures: stop=[tt.Failures(in_a_row=None)]."
    )


def _output(row: Row, outputs: Path | None) -> str:
    """Where its full output is, if it wrote any."""
    file = None if outputs is None else outputs / f"{row.number:03d}" / "stderr"
    if file is None or not file.is_file() or not file.stat().st_size:
        return ""
    return f"   Full output: {near(file)}"
