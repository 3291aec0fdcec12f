"""From a suite to the cells of a run: its tasks found, its optimizers resolved, what is missing named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.bench._families import task, tasks
from trimtab.bench._optimizers import optimizer, revision
from trimtab.bench.cell import Cell
from trimtab.bench.optimizer import Optimizer
from trimtab.bench.suites import Group, Suite, suite_called
from trimtab.bench.task import Task
from trimtab.errors import MissingExtra, TrimtabError


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a run, in the order in which they are run, and what can't be run here.

    missing  {task: why}, each a line of what is printed
    """

    cells: tuple[Cell, ...]
    missing: Mapping[str, str]


def plan(
    suite: str | Suite,
    *,
    names: Sequence[str] = (),
    pattern: str = "*",
    seeds: int | None = None,
    budget: float | None = None,
    workers: int | None = None,
    peers: bool = False,
    data: str | Path | None = None,
) -> Plan:
    """The cells of a suite.

    names    optimizers instead of the suite's own
    pattern  only tasks that match it, such as "bbob/*"; one whole name may be of any task, with wrappers: it is run as
             the suite's first group is
    seeds, budget, workers   instead of the suite's
    peers    the suite's peers too
    """
    chosen = suite_called(suite)
    missing: dict[str, str] = {}
    cells: dict[str, Cell] = {}
    for group in chosen.groups:
        at_once = workers or group.workers
        chosen_names = [n for n in names if _belongs(n, group, chosen)] if names else group.optimizers(peers)
        wanted = [(one, revision(one)) for one in map(optimizer, chosen_names)]
        for made in _tasks(group, pattern, data, missing):
            for one, method in wanted:
                if why := unfit(one, made, at_once):
                    if names:
                        missing.setdefault(f"{one.name} on {made.name}", why)
                    continue
                for seed in range(min(one.seeds, seeds or chosen.seeds)):
                    size = budget or group.budget or made.trials
                    cell = Cell(made.name, one.name, seed, size, at_once, f"{made.revision}/{method}")
                    cells[cell.address] = cell
    if not cells and not missing and "/" in pattern and not _wild(pattern):
        one_task = Group(
            (pattern,), tuple(names) or chosen.groups[0].ours, chosen.groups[0].peers, chosen.groups[0].budget
        )
        alone = Suite(chosen.name, chosen.summary, (one_task,), chosen.seeds)
        return plan(alone, names=names, seeds=seeds, budget=budget, workers=workers, peers=peers, data=data)
    if not cells and not missing:
        raise TrimtabError(f"No task of the suite {chosen.name!r} matches {pattern!r}. See: trimtab bench tasks")
    in_order = sorted(cells.values(), key=lambda cell: cell.seed)  # a run that is cut short has covered tasks evenly
    return Plan(tuple(in_order), missing)


def _belongs(name: str, group: Group, suite: Suite) -> bool:
    """Whether an optimizer that somebody has named is run in a group.

    One of the suite's runs where the suite has it; another where its like are, in whether they stop trials early.
    """
    if any(name in each.optimizers(True) for each in suite.groups):
        return name in group.optimizers(True)
    steps = any("fidelity" in optimizer(one).takes for one in group.optimizers(True))
    return steps == ("fidelity" in optimizer(name).takes)


def unfit(one: Optimizer, made: Task, workers: int = 1) -> str:
    """Why an optimizer is no match for a task; "" when it is."""
    if len(made.goals) > 1 and "objectives" not in one.takes:
        return f"{one.name} takes one objective, and the task has {len(made.goals)}"
    if "fidelity" in one.takes and made.fidelity is None:
        return f"{one.name} stops trials early, and the task has no steps to stop at"
    return ""


def _wild(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _tasks(group: Group, pattern: str, data: str | Path | None, missing: dict[str, str]) -> Iterator[Task]:
    for name in _names(group, pattern, data, missing):
        try:
            yield task(name, data)
        except (TrimtabError, OSError) as error:
            missing[name] = str(error)


def _names(group: Group, pattern: str, data: str | Path | None, missing: dict[str, str]) -> list[str]:
    from fnmatch import fnmatch

    found: list[str] = []
    for wanted in group.tasks:
        if _wild(wanted):
            try:
                found += tasks(wanted, data)
            except (MissingExtra, OSError) as error:
                missing[wanted] = str(error)
        else:
            found.append(wanted)
    return [name for name in dict.fromkeys(found) if fnmatch(name, pattern)]
