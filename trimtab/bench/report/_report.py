"""The report of a bench: one set of findings with three faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.bench.cell import Result
from trimtab.bench.report.findings import Findings, Track, from_json, to_json

if TYPE_CHECKING:
    from trimtab.bench.report._worth import Norms
    from trimtab.bench.task import Task


@dataclass(frozen=True, slots=True)
class Report:
    """What report() found.

    findings  the numbers: head, tracks, overhead, troubles, unequal (see trimtab.bench.report.findings)
    """

    findings: Findings

    @property
    def summary(self) -> str:
        """The finding in sentences."""
        from trimtab.bench.report._words import summary

        return "\n".join(summary(self.findings))

    def text(self, width: int = 80) -> str:
        """Tables for a terminal of so many columns."""
        from trimtab.bench.report.table import text

        return text(self.findings, width)

    def to_json(self) -> dict[str, Any]:
        """Plain data: the fields of Findings by their names.

        head        title, runs, tasks, optimizers, seeds [fewest, most], dates [first, last], versions {optimizer: …},
                    trimtab, python, numpy, machines, cautions
        tracks      {"blackbox" | "objectives" | "steps": {budgets, tasks, rows, families, left_out, curves,
                    task_curves, diagram, better, undecided, runtime, profile, versus, notes, reach}}; rows are sorted
                    by mean rank and hold method, tasks, runs, failures, seeds, rank, regret (one for each budget),
                    log_auc (mean regret over log evaluations, up to the last budget), versus_random, igd, solved,
                    ask; curves are {scope: {x, y: {optimizer: […]}, low, high}}
                    reach is [{method, target, evaluations, share, tasks {task: evaluations}}]: expected evaluations
                    until a regret, null where no run came there
        overhead    {optimizer: [[number of the suggestion, CPU seconds], …]}
        troubles    [{method, task, seeds, state, why}];  unequal  [{method, task, due, fewest, most}]
        against, format

        Estimates are [value, low, high] with a 95 % interval. What is unknown is null; there is no NaN.
        """
        return to_json(self.findings)

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> Report:
        """The report that to_json() gave, as a dict or as text."""
        return cls(from_json(data))

    def html(self) -> str:
        """One page that needs nothing else."""
        from trimtab.bench.report.page import page

        return page(self.findings)

    def figures(self) -> dict[str, Any]:
        """The figures of the page by name, such as "blackbox curves all", each a plotly Figure."""
        from trimtab.bench.report import figures

        found = {
            f"{t.kind} {name}": figure for t in self.findings.tracks.values() for name, figure in _figures(t).items()
        }
        if self.findings.overhead:
            found["overhead"] = figures.overhead(self.findings.overhead)
        return {name: figures.drawn(figure) for name, figure in found.items()}

    def __str__(self) -> str:
        return self.text()


def report(
    results: Iterable[Result] | str | Path,
    *,
    norms: Norms | None = None,
    against: str | None = None,
    budgets: Sequence[float] = (25, 50, 100),
    html: str | Path | None = None,
    title: str = "Benchmark",
    task: Callable[[str], Task] | None = None,
) -> Report:
    """What results say.

    results  of cells, or the JSONL file that holds them
    norms    the constants of each task; None: those that are kept for it
    against  the optimizer that all others are compared with: "optuna-tpe"
    budgets  evaluations after which regrets are told; where runs were shorter, the same shares of what they got
    html     where to write the page
    title    of the page and the table: the name of the suite, say
    task     a name -> its Task, asked for the goals of tasks with several; None: the families that are known
    """
    from trimtab.bench.cell import read
    from trimtab.bench.report.collect import collect

    found = read(Path(results)) if isinstance(results, (str, Path)) else results
    if not budgets or min(budgets) <= 0:
        raise ValueError(f"budgets={tuple(budgets)}: give at least one, each above 0, such as (25, 50, 100).")
    made = Report(collect(found, norms=norms, against=against, budgets=sorted(set(budgets)), title=title, task=task))
    if html is not None:
        Path(html).write_text(made.html(), encoding="utf-8", errors="replace")
    return made


def _figures(track: Track) -> dict[str, Any]:
    from trimtab.bench.report import figures

    found = {f"curves {scope}": figures.curves(lines) for scope, lines in track.curves.items()}
    found |= {f"task {name}": figures.small(lines, name) for name, lines in track.task_curves.items()}
    if track.diagram is not None:
        found["ranks"] = figures.ranks(track, track.diagram)
    if len(track.better) > 1:
        found["better"] = figures.better(track)
    if track.runtime.y:
        found |= {"runtime": figures.runtime(track.runtime), "profile": figures.profile(track.profile)}
    return found
