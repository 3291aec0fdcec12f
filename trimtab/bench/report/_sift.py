"""Which results count: one for each method, task and seed, of one revision; and what became of the others.

Idea    A file of results only grows, so it may hold older revisions, smaller budgets and second tries. Nothing is mixed
        and nothing leaves in silence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trimtab.bench.cell import Result
from trimtab.bench.report._words import count

RAN = ("done", "crashed", "timeout")  # the others never began


@dataclass(frozen=True, slots=True)
class Trouble:
    """A run that is not done, or that found nothing."""

    method: str
    task: str
    seed: int
    state: str
    why: str


def method_name(result: Result) -> str:
    """The row it belongs to: several workers are another method than one."""
    cell = result.cell
    return cell.optimizer if cell.workers == 1 else f"{cell.optimizer} on {cell.workers} workers"


def task_revision(result: Result) -> int:
    """Of the task that it was run on; revisions are "task/method"."""
    word = result.cell.revision.partition("/")[0]
    return int(word) if word.isdigit() else 1


def latest(results: Iterable[Result]) -> tuple[list[Result], list[str]]:
    """One result a (method, task, seed): of the task's highest revision and the method's latest, then the largest
    budget, then the last line. Also what was left out, in words."""
    every = list(results)
    newest: dict[str, int] = {}
    for r in every:
        newest[r.cell.task] = max(newest.get(r.cell.task, 0), task_revision(r))
    current = [r for r in every if task_revision(r) == newest[r.cell.task]]
    revision: dict[tuple[str, str], str] = {}
    for r in current:
        whose = method_name(r), r.cell.task
        revision[whose] = max(revision.get(whose, ""), r.cell.revision, key=_numbers)
    chosen: dict[tuple[str, str, int], Result] = {}
    for r in current:
        if r.cell.revision == revision[method_name(r), r.cell.task]:
            key = (method_name(r), r.cell.task, r.cell.seed)
            before = chosen.get(key)
            if before is None or _weight(r) >= _weight(before):
                chosen[key] = r
    old = Counter(
        method_name(r)
        for r in every
        if task_revision(r) != newest[r.cell.task] or r.cell.revision != revision[method_name(r), r.cell.task]
    )
    said = [
        f"{name}: {count(n, 'result')} of an older revision {'is' if n == 1 else 'are'} left out."
        for name, n in sorted(old.items())
    ]
    return list(chosen.values()), said


def _numbers(revision: str) -> list[tuple[bool, int, str]]:
    """To compare by: "1/asha.2,tpe.10" is later than "1/asha.2,tpe.9"."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", revision)]


def _weight(r: Result) -> tuple[bool, float]:
    return r.state in RAN, r.cell.budget


def states(kept: Sequence[Result], methods: Sequence[str]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {name: Counter() for name in methods}
    for r in kept:
        found[method_name(r)]["empty" if r.state == "done" and not r.trace else r.state] += 1
    return {name: dict(sorted(counts.items())) for name, counts in found.items()}


def troubles(kept: Sequence[Result]) -> list[Trouble]:
    out = []
    for r in kept:
        if r.state != "done" or not r.trace:
            state, why = ("empty", "no evaluation succeeded") if r.state == "done" else (r.state, r.why)
            out.append(Trouble(method_name(r), r.cell.task, r.cell.seed, state, why))
    return out
