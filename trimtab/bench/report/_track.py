"""The statistics of one kind of tasks, as a Track.

Idea    Optimizers are ranked on the tasks that all of them ran. One that ran less than most of the tasks is shown below
        but takes no part in ranks, for it would take the tasks of all the others away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.cell import Result
from trimtab.bench.report._head import shortened
from trimtab.bench.report._igd import igd_plus_of
from trimtab.bench.report._sift import method_name
from trimtab.bench.report._words import count, listed
from trimtab.bench.report._worth import Norms
from trimtab.bench.report.anytime import log_area
from trimtab.bench.report.compare import verdicts
from trimtab.bench.report.estimate import Estimate, too_few
from trimtab.bench.report.findings import NO_LINES, UNKNOWN, Diagram, Lines, Reach, Row, Track, Triple, Versus
from trimtab.bench.report.friedman import critical
from trimtab.bench.report.iqm import chances, iqm, profile
from trimtab.bench.report.ranks import mean_rank
from trimtab.bench.report.regret import floor_share, geometric_regret, versus_random
from trimtab.bench.report.runtime import ecdf, reached
from trimtab.bench.report.scores import Scores, gather
from trimtab.bench.task import Task

Floats = NDArray[np.float64]
Ask = Callable[[str], Task] | None

MOST = 0.7  # of the tasks that the busiest optimizer ran: with fewer, one takes no part in ranks
BRIEF = 0.1  # of the tasks may have got less than the others, and are then left out
POINTS = 36  # of a curve
PAIR_REPS = 500  # of the chances that one beats the other: only to say which can be told from one half
BAND_REPS = 400  # bootstrap draws of a band: its edges are read off a picture, not a table
TAUS = np.geomspace(1e-3, 1.0, 40)
RUNTIME_POINTS = 60
REACHED = (0.1, 0.01)  # regrets
RESTARTS = 40  # simulated for each task and target: their error is far below a line's width


def track_of(
    kind: str, results: Sequence[Result], norms: Norms | None, against: str | None, budgets: Sequence[float], task: Ask
) -> tuple[Track, list[str]]:
    """What was found on one kind of task, and what is to be said of it."""
    notes: list[str] = []
    results, workers = unnamed(results)
    if workers > 1:
        notes.append(f"Each run had {workers} workers at once, in virtual time.")
    scores = gather(results, norms, budgets=budgets, task=task)
    doubts = [line for line in scores.warnings if "unequal budgets" not in line]  # told with numbers of their own
    scores = whole = running(scores)
    if not scores.methods:
        return Track(kind, tuple(budgets), (), (), {}, {}, {}, {}, None, (), (), NO_LINES, NO_LINES), doubts
    given = _limit(scores)
    if given < max(budgets) * (1 - 1e-9):
        grid = sorted({math.ceil(b / max(budgets) * given) for b in budgets})
        notes.append(shortened(grid, budgets))
        scores = scores.on(grid)
    scores, brief = _long_enough(scores, given)
    if brief:
        notes.append(f"Left out, because nobody got {count(given, 'evaluation')} there: {listed(brief)}.")
    main, part = regular(scores)
    common, dropped = main.common()
    if not common.tasks:  # nobody shares a task: nothing is ranked, all is shown
        common = main
    if part:
        notes.append(f"Without a rank, because of the tasks only some were run: {', '.join(part)}.")
    doubts += too_few(scores.present, scores.methods)[1]
    notes += _without_random(common)
    order, rows = _rows(common, results, kind, task)
    rows += _rows(scores.only(methods=part), results, kind, task, ranked=False)[1] if part else ()
    better, undecided = _better(common, order)
    found = Track(
        kind=kind,
        budgets=tuple(float(b) for b in scores.budgets),
        tasks=common.tasks,
        rows=rows,
        families={name: _family_rows(scores, tasks, results, kind, task) for name, tasks in scores.families().items()},
        left_out={name: tuple(missing) for name, missing in dropped.items()},
        curves=_curves(scores, common),
        task_curves={name: _task_curve(whole, j) for j, name in enumerate(whole.tasks)},
        diagram=_diagram(common),
        better=better,
        undecided=undecided,
        runtime=_runtime(common),
        profile=_profile(common),
        versus=_versus(scores, against),
        notes=tuple(notes),
        reach=_reach(common, order),
    )
    return found, doubts


def unnamed(results: Sequence[Result]) -> tuple[Sequence[Result], int]:
    """The results, and how many workers all of them had: their number then needs no place in names. 1: not alike."""
    workers = {r.cell.workers for r in results}
    if len(workers) != 1:
        return results, 1
    return [replace(r, cell=replace(r.cell, workers=1)) for r in results], workers.pop()


def _without_random(scores: Scores) -> list[str]:
    """Which tasks "vs random" says nothing of, unless that is all of them."""
    unknown = [t for t, regret in zip(scores.tasks, scores.random[:, -1], strict=True) if not regret > 0]
    if not unknown or len(unknown) == len(scores.tasks):
        return []
    return [f"vs random leaves out {listed(unknown)}: random search's regret there is 0 or not known."]


def running(scores: Scores) -> Scores:
    """Without the methods and tasks of which no run began."""
    methods, tasks = set(np.argwhere(scores.ran)[:, 0]), set(np.argwhere(scores.ran)[:, 1])
    return scores.only(
        [name for i, name in enumerate(scores.methods) if i in methods],
        [name for j, name in enumerate(scores.tasks) if j in tasks],
    )


def _limit(scores: Scores) -> float:
    """The evaluations that almost every task was given by somebody: the few with less must not cut all others short."""
    each = np.sort(np.nanmax(scores.ends, axis=(0, 2)))
    return float(each[int(BRIEF * len(each))])


def _long_enough(scores: Scores, least: float) -> tuple[Scores, list[str]]:
    """The tasks that somebody was given so many evaluations on, and the names of the others."""
    brief = [t for t, end in zip(scores.tasks, np.nanmax(scores.ends, axis=(0, 2)), strict=True) if end < least]
    return running(scores.only(tasks=[t for t in scores.tasks if t not in brief])) if brief else scores, brief


def regular(scores: Scores) -> tuple[Scores, list[str]]:
    """Those that ran most of the tasks, and the names of the others."""
    ran = np.asarray(scores.ran.sum(1))
    part = [m for m, n in zip(scores.methods, ran, strict=True) if n < MOST * ran.max()]
    return scores.only(methods=[m for m in scores.methods if m not in part]), part


def _family(scores: Scores, tasks: Sequence[str]) -> Scores:
    """A family's tasks, ranked among those that ran most of them."""
    ranked, _ = regular(running(scores.only(tasks=tasks)))
    common, _ = ranked.common()
    return common if common.tasks else ranked


def _family_rows(
    scores: Scores, tasks: Sequence[str], results: Sequence[Result], kind: str, task: Ask
) -> tuple[Row, ...]:
    """The ranked ones of a family, and below them those that ran too few of its tasks to be ranked."""
    ranked = _family(scores, tasks)
    mine = running(scores.only(tasks=tasks))
    part = [m for m in mine.methods if m not in ranked.methods]
    rows = _rows(ranked, results, kind, task)[1]
    return rows + (_rows(mine.only(methods=part), results, kind, task, ranked=False)[1] if part else ())


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(
    scores: Scores, results: Sequence[Result], kind: str, task: Ask, *, ranked: bool = True
) -> tuple[list[str], tuple[Row, ...]]:
    """A row a method, best mean rank first; and the methods in that order."""
    last = len(scores.budgets) - 1
    rank, regret, beside = (mean_rank(scores) if ranked else None), iqm(scores), versus_random(scores)
    area = log_area(scores, float(scores.budgets[-1]))
    igd = igd_plus_of(scores, results, task) if kind == "objectives" else None
    asked = _asked(results)
    solved = floor_share(scores)[:, last]
    runs, ran = scores.present.sum(-1), scores.ran.sum(-1)
    rows = []
    for i, name in enumerate(scores.methods):
        each = runs[i][runs[i] > 0]
        rows.append(
            Row(
                method=name,
                tasks=int(ran[i]),
                runs=int(runs[i].sum()),
                failures=sum(
                    1 for one in scores.troubles if one.method == name and one.state in ("crashed", "timeout", "empty")
                ),
                seeds=(int(each.min()), int(each.max())) if each.size else (0, 0),
                rank=UNKNOWN if rank is None else _triple(rank, name, last),
                regret=tuple(_triple(regret, name, b) for b in range(last + 1)),
                versus_random=_triple(beside, name, last),
                igd=UNKNOWN if igd is None else _triple(igd, name, 0),
                solved=_finite(solved[i]),
                ask=asked.get(name, (None, None)),
                log_auc=_triple(area, name, 0),
            )
        )
    rows.sort(key=lambda row: (_last(row.rank[0]), _last(row.regret[-1][0])))
    return [row.method for row in rows], tuple(rows)


def _asked(results: Sequence[Result]) -> dict[str, tuple[float | None, float | None]]:
    """CPU seconds a suggestion: in the mean over all of them, and at the 100th (median over runs)."""
    spent: dict[str, list[float]] = {}
    at: dict[str, list[float]] = {}
    for r in results:
        if r.evaluations and r.timing.get("optimizer") is not None:
            spent.setdefault(method_name(r), []).append(float(r.timing["optimizer"]) / r.evaluations)
        near = [s for n, s in r.timing.get("ask", ()) if 80 <= n <= 125]
        if near:
            at.setdefault(method_name(r), []).append(float(np.median(near)))
    return {
        name: (float(np.mean(each)), float(np.median(at[name])) if name in at else None) for name, each in spent.items()
    }


def _versus(scores: Scores, against: str | None) -> tuple[Versus, ...]:
    if against is None or against not in scores.methods:
        return ()
    budget = float(scores.budgets[-1])
    found = []
    scopes = {"all": list(scores.tasks)} | (scores.families() if len(scores.families()) > 1 else {})
    for scope, tasks in scopes.items():
        mine = running(scores.only(tasks=tasks))
        if against not in mine.methods:
            continue
        for one in verdicts(mine, against, budget):
            ratio = (_finite(one.ratio), _finite(one.lo), _finite(one.hi))
            found.append(Versus(one.method, scope, ratio, one.word, _finite(one.p), one.n_tasks, one.n_runs))
    return tuple(found)


# ── curves ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _curves(scores: Scores, common: Scores) -> dict[str, Lines]:
    """Over all tasks that the ranked ones share, and over each family."""
    found = {"all": _anytime(common)}
    families = scores.families()
    if len(families) > 1:
        found |= {name: _anytime(_family(scores, tasks)) for name, tasks in families.items()}
    return found


def _anytime(scores: Scores) -> Lines:
    grid = _grid(_limit(scores))
    found = geometric_regret(scores.on(grid), reps=BAND_REPS)
    return _lines(grid, scores.methods, found.values, found.lo, found.hi)


def _task_curve(scores: Scores, j: int) -> Lines:
    """The median over seeds on one task, of each method that ran it."""
    ends = scores.ends[:, j]
    grid = _grid(float(np.nanmax(ends)))
    mine = scores.only(tasks=[scores.tasks[j]]).on(grid)
    names = [m for i, m in enumerate(mine.methods) if mine.present[i].any()]
    values = np.array([_median(mine.values[mine.methods.index(m), 0]) for m in names])
    return _lines(grid, names, values, None, None)


def _median(values: Floats) -> Floats:
    """(B,) of runs (R, B), those that were not run left out; inf where most had found nothing."""
    out = np.full(values.shape[1], np.nan)
    for b, column in enumerate(values.T):
        runs = column[~np.isnan(column)]
        if runs.size:
            out[b] = np.sort(runs)[runs.size // 2] if runs.size % 2 or np.isinf(runs).any() else np.median(runs)
    return out


def _runtime(scores: Scores) -> Lines:
    """With restarts, so that a method that hits late is told from one that never does."""
    found = ecdf(scores, np.geomspace(1, max(1.0, _limit(scores)), RUNTIME_POINTS), samples=RESTARTS)
    return _lines(found.x, found.methods, found.y, None, None)


def _reach(scores: Scores, order: Sequence[str]) -> tuple[Reach, ...]:
    found = reached(scores, REACHED)
    at = {name: i for i, name in enumerate(found.methods)}
    return tuple(
        Reach(
            method=name,
            target=target,
            evaluations=_triple(found.middle, name, k),
            share=_finite(found.share[at[name], k]),
            tasks=dict(zip(found.tasks, map(_finite, found.ert[at[name], :, k].tolist()), strict=True)),
        )
        for name in order
        for k, target in enumerate(REACHED)
        if found.tasks
    )


def _profile(scores: Scores) -> Lines:
    found = profile(scores, TAUS, reps=BAND_REPS)
    return _lines(TAUS, scores.methods, found.values, found.lo, found.hi)


def _grid(end: float) -> Floats:
    """Budgets from 1 on: every one at first, then ever sparser, up to the end."""
    steps = np.geomspace(1, max(1.0, end), POINTS)
    grid: Floats = np.unique(np.append(np.ceil(steps[steps <= end] - 1e-9), end))
    return grid[grid <= end + 1e-9]


def _lines(x: Floats, names: Sequence[str], y: Floats, low: Floats | None, high: Floats | None) -> Lines:
    def rows(values: Floats | None) -> Mapping[str, tuple[float | None, ...]]:
        if values is None:
            return {}
        kept = zip(names, values.tolist(), strict=True)
        return {name: tuple(map(_drawn, row)) for name, row in kept if np.isfinite(row).any()}

    return Lines(tuple(float(v) for v in x), rows(y), rows(low), rows(high))


# ── who is told from whom ────────────────────────────────────────────────────────────────────────────────────────


def _diagram(scores: Scores) -> Diagram | None:
    """None where there is nothing to test: fewer than two optimizers or tasks."""
    if len(scores.methods) < 2 or len(scores.tasks) < 2:
        return None
    found = critical(scores)
    notes = [f"{line[:1].upper()}{line[1:]}." for line in found.warnings]
    if found.flips:
        told = listed([f"{better} and {worse} without {gone}" for gone, better, worse in found.flips], most=3)
        notes.append(f"Ranks depend on who takes part: these change places when another leaves: {told}.")
    ranks = tuple(float(r) for r in found.ranks)
    p = _finite(found.p)
    return Diagram(found.names, ranks, found.groups, found.distance, p, found.method, found.tasks, tuple(notes))


def _better(
    scores: Scores, order: Sequence[str]
) -> tuple[tuple[tuple[float | None, ...], ...], tuple[tuple[str, str], ...]]:
    """P(row better than column) in this order, and the pairs whose interval holds one half or isn't there."""
    found = chances(scores, reps=PAIR_REPS)
    at = [scores.methods.index(m) for m in order]
    better = tuple(tuple(_finite(found.values[i, j]) for j in at) for i in at)
    open_pairs = [
        (order[x], order[y])
        for y, j in enumerate(at)
        for x, i in enumerate(at[:y])
        if not (found.lo[i, j] > 0.5 or found.hi[i, j] < 0.5)
    ]
    return better, tuple(open_pairs)


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _triple(found: Estimate, name: str, at: int) -> Triple:
    value, low, high = found.interval(name, at)
    return _finite(value), _finite(low), _finite(high)


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _drawn(value: float) -> float | None:
    """Of a curve: five digits, more than a picture shows, keep the document small."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _last(value: float | None) -> float:
    return math.inf if value is None else value
