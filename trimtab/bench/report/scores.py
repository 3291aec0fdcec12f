"""From results of cells to arrays: methods x tasks x runs x budgets of normalised regret.

Idea    A run is a step curve: between two changes of the incumbent the value is the older one, never something between,
        which would leak the future. Regret is (value - best) / (reference - best): 0 is the best value known, 1 the
        median of a single random evaluation. Nothing found (yet) is +inf, not run is NaN.
Source  carps (steps, tables), HPO-B (regret); where the reference comes from: docs/explanation/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.cell import Result
from trimtab.bench.report._sift import RAN, Trouble, latest, method_name, states, troubles
from trimtab.bench.report._worth import Goals, Norm, Norms, norm_finder, pool, readable, usable, values_of
from trimtab.bench.task import Task

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Axis = Literal["evaluations", "share", "seconds"]

UNEQUAL = 0.01  # difference of what runs of a task were given that is worth a warning


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """One run: at x[i] (the axis' unit) the regret becomes y[i] and stays so until x[i + 1]."""

    x: Floats
    y: Floats

    def on(self, budgets: Floats) -> Floats:
        """The regret at the budgets; +inf before the first value."""
        at = np.searchsorted(self.x, budgets + 1e-9 * np.maximum(1.0, budgets), side="right")
        return np.append(np.inf, self.y)[at]


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """All runs of a bench.

    methods, tasks, seeds   what the first three axes stand for
    budgets   (B,) in the unit of `axis`: full evaluations, share of the cell's budget, or virtual seconds
    values    (M, T, R, B) normalised regret; NaN not run, +inf nothing found
    random    (T, B) that of random search's median at the same number of evaluations; NaN unknown
    curves    (method, task, run) -> the exact steps
    ends      (M, T, R) the budget that a run was given; NaN not run
    states    method -> how many of its cells ended how; "empty" is done with nothing found
    troubles  the cells that are not done
    pooled    tasks whose best and reference had to be taken from these very runs
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    budgets: Floats
    axis: Axis
    values: Floats
    random: Floats
    curves: Mapping[tuple[int, int, int], Curve]
    ends: Floats
    norms: Mapping[str, Norm]
    states: Mapping[str, Mapping[str, int]]
    troubles: tuple[Trouble, ...] = ()
    pooled: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def present(self) -> Bools:
        """(M, T, R) which runs there are."""
        found: Bools = ~np.isnan(self.ends)
        return found

    @property
    def ran(self) -> Bools:
        """(M, T) which tasks a method has any run of."""
        found: Bools = np.any(self.present, axis=-1)
        return found

    @property
    def clipped(self) -> Floats:
        """The values in [0, 1], for means: nothing found counts like a single random evaluation, 1."""
        return np.clip(self.values, 0.0, 1.0)

    def families(self) -> dict[str, list[str]]:
        """Tasks by what stands before their slash."""
        found: dict[str, list[str]] = {}
        for name in self.tasks:
            found.setdefault(name.partition("/")[0], []).append(name)
        return found

    def on(self, budgets: Sequence[float] | Floats) -> Scores:
        """The same runs at other budgets."""
        grid = np.asarray(budgets, float)
        values, random = (
            _grid(self.curves, self.ends, grid, self.axis),
            _random(self.norms, self.tasks, self.ends, grid, self.axis),
        )
        return replace(self, budgets=grid, values=values, random=random)

    def only(self, methods: Iterable[str] | None = None, tasks: Iterable[str] | None = None) -> Scores:
        """Some of the methods and tasks, in this order of theirs."""
        wanted, given = set(self.methods if methods is None else methods), set(self.tasks if tasks is None else tasks)
        m = [i for i, name in enumerate(self.methods) if name in wanted]
        t = [i for i, name in enumerate(self.tasks) if name in given]
        new_m, new_t = {i: k for k, i in enumerate(m)}, {i: k for k, i in enumerate(t)}
        kept = {(new_m[i], new_t[j], r): c for (i, j, r), c in self.curves.items() if i in new_m and j in new_t}
        names, work = tuple(self.methods[i] for i in m), tuple(self.tasks[i] for i in t)
        return replace(
            self,
            methods=names,
            tasks=work,
            values=self.values[np.ix_(m, t)],
            random=self.random[t],
            ends=self.ends[np.ix_(m, t)],
            curves=kept,
            states={name: self.states[name] for name in names},
            troubles=tuple(x for x in self.troubles if x.method in names and x.task in work),
            pooled=tuple(name for name in self.pooled if name in work),
        )

    def common(self) -> tuple[Scores, dict[str, list[str]]]:
        """The tasks that every method ran at all, and of the others who is missing there."""
        ran = self.ran
        dropped = {
            name: [m for i, m in enumerate(self.methods) if not ran[i, j]]
            for j, name in enumerate(self.tasks)
            if not ran[:, j].all()
        }
        return self.only(tasks=[name for name in self.tasks if name not in dropped]), dropped


def gather(
    results: Iterable[Result],
    norms: Norms | None = None,
    *,
    budgets: Sequence[float] = (25, 50, 100),
    axis: Axis = "evaluations",
    task: Callable[[str], Task] | None = None,
) -> Scores:
    """The Scores of results. Of several runs of a cell the one with the largest budget counts, then the latest.

    norms   the constants by name of the task; those of norms.json when not given
    task    asked for the goals of tasks with several, and of those without constants; by default that of the families
    """
    goals = Goals(task)
    kept, old = latest(results)
    norm_of = norm_finder(norms, kept)
    kept, lost = readable(kept, norm_of, goals)
    methods = tuple(sorted({method_name(r) for r in kept}))  # cells end in any order: no number may depend on it
    tasks = tuple(sorted({r.cell.task for r in kept}))
    seeds = tuple(sorted({r.cell.seed for r in kept}))
    worth = [values_of(r, goals) for r in kept]
    found: dict[str, Norm] = {}
    pooled: list[str] = []
    for name in tasks:
        norm = norm_of(name)
        if norm is None or not usable(norm):
            pooled.append(name)
            norm = pool([v for r, v in zip(kept, worth, strict=True) if r.cell.task == name], goals, name)
        found[name] = norm
    ends = np.full((len(methods), len(tasks), len(seeds)), np.nan)
    curves: dict[tuple[int, int, int], Curve] = {}
    m_of, t_of, s_of = ({name: i for i, name in enumerate(names)} for names in (methods, tasks, seeds))
    for r, values in zip(kept, worth, strict=True):
        if r.state in RAN:
            place = m_of[method_name(r)], t_of[r.cell.task], s_of[r.cell.seed]
            ends[place] = r.cell.budget
            curves[place] = Curve(_axis(r, axis), _regret(values, found[r.cell.task]))
    grid = np.asarray(budgets, float)
    scores = Scores(
        methods,
        tasks,
        seeds,
        grid,
        axis,
        _grid(curves, ends, grid, axis),
        _random(found, tasks, ends, grid, axis),
        curves,
        ends,
        found,
        states(kept, methods),
        tuple(troubles(kept)),
        tuple(pooled),
    )
    return replace(scores, warnings=(*old, *lost, *_doubts(scores, kept)))


def _regret(values: Floats, norm: Norm) -> Floats:
    """(value - best) / (reference - best). The sense cancels out: both differences turn with it."""
    span = norm.reference - norm.best
    if span == 0:  # random search finds the best at once: all that can be told is whether this did
        return np.where(values == norm.best, 0.0, 1.0)
    return (values - norm.best) / span + 0.0  # + 0.0 turns -0.0 into 0.0


def _axis(r: Result, axis: Axis) -> Floats:
    column = np.array([row[1 if axis == "seconds" else 0] for row in r.trace], float)
    return column / r.cell.budget if axis == "share" else column


def _grid(curves: Mapping[tuple[int, int, int], Curve], ends: Floats, grid: Floats, axis: Axis) -> Floats:
    """(M, T, R, B). A run that ended before its budget (crash, exhausted space) keeps its incumbent; one that was never
    given so much is NaN there. No cell is given seconds, so on that axis every run keeps its last value."""
    values = np.full((*ends.shape, len(grid)), np.nan)
    for place, curve in curves.items():
        row = curve.on(grid)
        if axis == "evaluations":
            row[grid > ends[place] * (1 + 1e-9)] = np.nan
        values[place] = row
    return values


def _random(norms: Mapping[str, Norm], tasks: Sequence[str], ends: Floats, grid: Floats, axis: Axis) -> Floats:
    """(T, B) the regret of random search's median; less than one evaluation counts as one."""
    out = np.full((len(tasks), len(grid)), np.nan)
    if axis == "seconds":
        return out
    for j, name in enumerate(tasks):
        norm = norms[name]
        whole = float(np.nanmax(ends[:, j], initial=0.0)) if axis == "share" else 1.0
        for b, budget in enumerate(grid):
            n = max(1.0, float(budget) * whole)
            out[j, b] = _regret(np.array([norm.at(n)]), norm)[0]
    return out


def _doubts(scores: Scores, kept: Sequence[Result]) -> list[str]:
    """What a reader of these scores must know: unequal budgets, constants of the pool, a best that was beaten."""
    said = []
    for name in scores.tasks:
        spent = sorted((r.spent, method_name(r)) for r in kept if r.cell.task == name and r.state == "done")
        if spent and spent[-1][0] > spent[0][0] * (1 + UNEQUAL):
            (low, few), (high, many) = spent[0], spent[-1]
            said.append(f"{name}: unequal budgets, {many} spent {high:.6g} evaluations and {few} {low:.6g}.")
    for name in scores.pooled:
        said.append(f"{name}: no constants are kept, so its regret is measured against these very runs.")
    for j, name in enumerate(scores.tasks):
        low = min((c.y.min() for (_, t, _), c in scores.curves.items() if t == j and c.y.size), default=0.0)
        if low < -1e-6:
            said.append(f"{name}: the best known value was beaten by {-low:.3g} of the way from it to the reference.")
    return said
