"""From results to findings: the kinds of tasks taken apart, each with its statistics, and what a reader has to mind.

Idea    One objective, several, or trials that may be stopped early: what is found on one kind is never mixed with what
        is found on another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from trimtab.bench.cell import Result
from trimtab.bench.report._head import head, stepwise, troubles, unequal
from trimtab.bench.report._sift import latest
from trimtab.bench.report._track import Ask, track_of
from trimtab.bench.report._words import listed
from trimtab.bench.report._worth import Norms
from trimtab.bench.report.findings import Findings, Track
from trimtab.errors import UnknownName

KINDS = ("blackbox", "objectives", "steps")


def collect(
    results: Iterable[Result],
    *,
    norms: Norms | None,
    against: str | None,
    budgets: Sequence[float],
    title: str,
    task: Ask,
) -> Findings:
    """All of a report."""
    every = list(results)
    known = sorted({r.cell.optimizer for r in every})
    if against is not None and against not in known:
        raise UnknownName(against, among=known, kind="optimizer with results here")
    kept: list[Result] = []
    said: list[str] = []
    tracks: dict[str, Track] = {}
    for kind, mine in by_kind(every).items():
        chosen, left = latest(mine)
        kept += chosen
        said += left
        if chosen:
            tracks[kind], doubts = track_of(kind, chosen, norms, against, budgets, task)
            said += doubts
    return Findings(
        head=head(kept, title, tracks, _together(said)),
        tracks=tracks,
        overhead=_overhead(kept),
        troubles=troubles(kept),
        unequal=unequal(kept),
        against=against,
    )


def by_kind(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by the kind of comparison they belong to. Tasks of one name may be in two: whole, and stopped early.

    Where most of those that ran alike may stop trials early, all of them are compared at equal cost; a single one among
    many that can't is a guest.
    """
    several = {r.cell.task for r in results if r.trace and len(r.trace[0]) > 3}
    beside: dict[tuple[str, float, int], set[str]] = {}
    for r in results:
        beside.setdefault(_group(r), set()).add(r.cell.optimizer)
    early = {name: stepwise(name) for name in sorted({r.cell.optimizer for r in results})}
    steps = {group for group, names in beside.items() if 2 * sum(early[n] for n in names) > len(names - {"random"})}
    found: dict[str, list[Result]] = {kind: [] for kind in KINDS}
    for r in results:
        kind = "steps" if _group(r) in steps else "objectives" if r.cell.task in several else "blackbox"
        found[kind].append(r)
    return {kind: mine for kind, mine in found.items() if mine}


def _group(r: Result) -> tuple[str, float, int]:
    return r.cell.task, r.cell.budget, r.cell.workers


def _overhead(results: Sequence[Result]) -> dict[str, tuple[tuple[float, float], ...]]:
    """The median over runs of the CPU seconds that the n-th suggestion took, for the n that were kept."""
    found: dict[str, dict[float, list[float]]] = {}
    for r in results:
        for n, seconds in r.timing.get("ask", ()):
            found.setdefault(r.cell.optimizer, {}).setdefault(float(n), []).append(float(seconds))
    return {name: tuple((n, float(np.median(points[n]))) for n in sorted(points)) for name, points in found.items()}


def _together(lines: Sequence[str]) -> list[str]:
    """What is said of several tasks alike, said once: "a: x", "b: x" -> "a and b: x"."""
    groups: dict[str, list[str]] = {}
    for line in lines:
        name, _, rest = line.partition(": ")
        groups.setdefault(rest, []).append(name)
    return [f"{listed(dict.fromkeys(names), most=4)}: {rest}" if rest else names[0] for rest, names in groups.items()]
