"""Which tasks of a bench stand for all of it, from results: `trimtab bench subset`.

Idea    A task is a point: how well a few unlike optimizers ended on it. Chosen are the tasks whose points cover the
        unit cube most evenly, and told is what that is worth: against random subsets, and whether optimizers rank
        alike. A task is judged after as many evaluations as all its runs were given.
Source  As subset.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.bench.cell import Result
from trimtab.bench.report._sift import latest
from trimtab.bench.report._track import Ask, regular, running, unnamed
from trimtab.bench.report._words import count, listed
from trimtab.bench.report._worth import Norms
from trimtab.bench.report.collect import by_kind
from trimtab.bench.report.ranks import task_ranks
from trimtab.bench.report.scores import Scores, gather
from trimtab.bench.subset import LARGEST, representative, star_discrepancy, task_points
from trimtab.errors import TrimtabError, UnknownName
from trimtab.study._text import clean

Floats = NDArray[np.float64]

RANDOM = 200  # subsets that the chosen one is compared with
AXES = 3  # optimizers by which tasks are told apart, unless some are named
BOXES = 10**8  # that are looked at to find them: some seconds


@dataclass(frozen=True, slots=True)
class Picked:
    """Tasks that stand for all.

    tasks         the chosen ones;  among  all of them
    optimizers    whose results made points of them;  log  whether on a log scale
    discrepancy   of the chosen ones: 0 is an even cover;  whole  of all tasks
    random        the smallest of 200 random subsets;  usual  their median
    ranked        optimizers that ran all tasks;  tau  Kendall's, of their ranking on the subset with that on all tasks
    usual_tau     the median tau of the random subsets; both None with fewer than two optimizers to rank
    best          the first of the ranking on the subset, and on all tasks
    """

    tasks: tuple[str, ...]
    among: tuple[str, ...]
    optimizers: tuple[str, ...]
    log: bool
    discrepancy: float
    whole: float
    random: float
    usual: float
    ranked: tuple[str, ...]
    tau: float | None
    usual_tau: float | None
    best: tuple[str, str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        names = listed(map(clean, self.optimizers))
        lines = [f"{len(self.tasks)} of {count(len(self.among), 'task')}, by how {names} ended on them"]
        lines += ["", *(f"  {clean(name)}" for name in self.tasks), ""]
        lines += [
            f"Star discrepancy  {self.discrepancy:.3f}   best of {RANDOM} random subsets {self.random:.3f}, "
            f"their median {self.usual:.3f}",
            f"                          all {len(self.among)} tasks {self.whole:.3f}; smaller is a more even cover",
        ]
        if self.tau is not None:
            first, last = map(clean, self.best)
            best = f"{first} is first on both" if first == last else f"{first} is first here, {last} on all tasks"
            many = count(len(self.ranked), "optimizer")
            lines += [
                f"Kendall's tau     {self.tau:.3f}   {many} ranked here and on all tasks; 1: alike",
                f"                          random subsets {self.usual_tau:.3f} in the median",
                f"                          {best}",
            ]
        return "\n".join(lines)


def pick(
    results: Iterable[Result],
    size: int,
    optimizers: Sequence[str] = (),
    *,
    norms: Norms | None = None,
    task: Ask = None,
) -> Picked:
    """`size` tasks that cover what the results of all of them are like.

    optimizers   by whose results tasks are told apart, at least two; none: three by which they lie most evenly
    norms, task  as in report()
    """
    axes, every = _axes_and_scores(list(results), list(dict.fromkeys(optimizers)), norms, task)
    if len(every.tasks) < size:
        ran = f"{listed(axes or every.methods, 4)} ran {count(len(every.tasks), 'task')}"
        raise TrimtabError(f"{count(size, 'task')} can't be chosen: {ran} in common.")
    points, axes, log = _points(every, axes)
    chosen = representative(points, size)
    rng = rng_for(0, "random subsets")
    others = [np.sort(rng.permutation(len(points))[:size]) for _ in range(RANDOM)]
    covers = [star_discrepancy(points[rows]) for rows in others]
    by_task = task_ranks(every)[:, :, 0]
    whole = by_task.mean(axis=1)
    taus = [kendall(by_task[:, rows].mean(axis=1), whole) for rows in (chosen, *others)]
    many = len(every.methods) > 1
    return Picked(
        tasks=tuple(every.tasks[i] for i in chosen),
        among=every.tasks,
        optimizers=tuple(axes),
        log=log,
        discrepancy=star_discrepancy(points[chosen]),
        whole=star_discrepancy(points),
        random=min(covers),
        usual=float(np.median(covers)),
        ranked=every.methods,
        tau=taus[0] if many else None,
        usual_tau=float(np.median(taus[1:])) if many else None,
        best=tuple(every.methods[int(np.argmin(r))] for r in (by_task[:, chosen].mean(axis=1), whole)),  # type: ignore[arg-type]
    )


def _axes_and_scores(
    results: list[Result], wanted: list[str], norms: Norms | None, task: Ask
) -> tuple[list[str], Scores]:
    """The optimizers that were named, and the scores of all that ran the same tasks: of the kind with most of them."""
    known = sorted({r.cell.optimizer for r in results})
    for name in wanted:
        if name not in known:
            raise UnknownName(name, among=known, kind="optimizer with results here")
    if not known:
        raise TrimtabError("There are no results in it.")
    if len(wanted or known) < 2:
        only = f"here is only {(wanted or known)[0]}"
        raise TrimtabError(f"Tasks are told apart by the results of at least two optimizers, and {only}.")
    kinds = by_kind(results).values()
    mine = max(kinds, key=lambda some: len(_shared(some, wanted or known, all_of=bool(wanted))))
    scores = running(gather(latest(unnamed(mine)[0])[0], norms, task=task))
    if not scores.methods:
        raise TrimtabError("No run came to an end, so nothing is known of the tasks.")
    if missing := [name for name in wanted if name not in scores.methods]:
        others = [name for name in wanted if name not in missing]
        raise TrimtabError(f"{listed(missing)} ran none of the tasks{' of ' * bool(others)}{listed(others)}.")
    most = wanted or _busiest(scores)
    tasks = scores.only(methods=most).common()[0].tasks
    both = scores.only(tasks=tasks)
    return wanted, _ended(both.only(methods=[m for m, ran in zip(both.methods, both.ran, strict=True) if ran.all()]))


def _ended(scores: Scores) -> Scores:
    """With a single value a run: that after the fewest evaluations that any run of its task was given."""
    values = np.full((*scores.ends.shape, 1), np.nan)
    least = np.nanmin(scores.ends, axis=(0, 2)) if scores.curves else np.empty(0)
    for place, curve in scores.curves.items():
        values[place] = curve.on(least[place[1] : place[1] + 1])
    return replace(scores, values=values, budgets=np.array([np.nan]), random=scores.random[:, :1])


def _shared(results: Sequence[Result], names: Sequence[str], *, all_of: bool) -> set[str]:
    """Tasks that all of the named optimizers began, or any of them."""
    began = [{r.cell.task for r in results if r.cell.optimizer == name and r.trace} for name in names]
    return set.intersection(*began) if all_of else set().union(*began)


def _busiest(scores: Scores) -> list[str]:
    """Who ran the most tasks; or, if that is one alone, most of them."""
    ran = scores.ran.sum(axis=1)
    most = [m for m, n in zip(scores.methods, ran, strict=True) if n == ran.max()]
    return most if len(most) > 1 else list(regular(scores)[0].methods)


def _points(scores: Scores, axes: list[str]) -> tuple[Floats, list[str], bool]:
    """Tasks as points, by which optimizers, and whether on a log scale: that on which they lie more evenly."""
    costs = np.moveaxis(scores.values[..., 0], 0, 1)  # (tasks, optimizers, seeds)
    worst = np.max(costs, axis=(1, 2), where=np.isfinite(costs), initial=1.0)  # of a run that found nothing
    costs = np.where(np.isposinf(costs), worst[:, None, None], costs)
    names = axes or _unlike(scores.methods, costs)
    if len(names) < 2:
        raise TrimtabError(
            f"Tasks are told apart by at least two optimizers, and only {listed(names)} ran all of them."
        )
    if (len(costs) + 1) ** len(names) > LARGEST:
        raise TrimtabError(f"{count(len(names), 'optimizer')} are too many to tell tasks apart by: name two to four.")
    points, _, log = _even(costs[:, [scores.methods.index(name) for name in names]])
    return points, names, log


def _even(costs: Floats) -> tuple[Floats, float, bool]:
    """The points on the scale on which they lie more evenly, their discrepancy, and whether that is the log scale."""
    plain, logged = task_points(costs), task_points(costs, log=True)
    wide, close = star_discrepancy(plain), star_discrepancy(logged)
    return (logged, close, True) if close < wide else (plain, wide, False)


def _unlike(names: Sequence[str], costs: Floats) -> list[str]:
    """The three by whose results the tasks lie most evenly, which alike ones would put on a line. Of very many, those
    are tried that have least to do with one another."""
    points = task_points(costs)
    centred = points - points.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    alike = (centred.T @ centred) / np.where(np.outer(size, size) > 0, np.outer(size, size), 1.0)
    alike[size == 0] = alike[:, size == 0] = 1.0  # the same on all tasks: tells none apart
    groups = combinations(range(len(names)), min(AXES, len(names)))
    order = sorted(groups, key=lambda some: round(sum(float(alike[i, j]) for i, j in combinations(some, 2)), 9))
    tried = order[: max(1, BOXES // (len(points) + 1) ** AXES)]
    best = min(tried, key=lambda some: _even(costs[:, list(some)])[1])
    return [names[i] for i in best]


def kendall(a: Floats, b: Floats) -> float:
    """Kendall's tau-b of two rankings; 0 where one is a single tie.

    >>> round(kendall(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])), 3)
    0.333
    """
    one, two = (np.sign(np.round(x[:, None] - x[None], 9)) for x in (a, b))
    scale = np.sqrt((one**2).sum() * (two**2).sum())
    return float((one * two).sum() / scale) if scale else 0.0
