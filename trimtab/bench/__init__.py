"""Benchmarks in the box: tasks × optimizers × seeds → results → report.

    trimtab bench run smoke
    trimtab bench report

Here are the words for scripts, and for tasks of one's own: a package names a Family under the entry point
"trimtab.benchmarks".
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.bench._families import Family
    from trimtab.bench._families import task as make_task
    from trimtab.bench._families import tasks as task_names
    from trimtab.bench._plan import plan
    from trimtab.bench.cell import Cell, Result
    from trimtab.bench.report import report as make_report
    from trimtab.bench.runs import results, run
    from trimtab.bench.suites import Group, Suite
    from trimtab.bench.task import Config, Fidelity, Goal, Outcome, Task
    from trimtab.bench.virtual import simulate

__all__ = [
    "Cell", "Config", "Family", "Fidelity", "Goal", "Group", "Outcome", "Result", "Suite", "Task", "make_report",
    "make_task", "plan", "results", "run", "simulate", "task_names",
]  # fmt: skip
_HOME = {
    "Cell": "cell:Cell", "Config": "task:Config", "Family": "_families:Family", "Fidelity": "task:Fidelity",
    "Goal": "task:Goal", "Group": "suites:Group", "Outcome": "task:Outcome", "Result": "cell:Result",
    "Suite": "suites:Suite",
    "Task": "task:Task", "make_report": "report:report", "make_task": "_families:task", "plan": "_plan:plan",
    "results": "runs:results", "run": "runs:run", "simulate": "virtual:simulate", "task_names": "_families:tasks",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trimtab.bench' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    return getattr(import_module(f"trimtab.bench.{module}"), attribute)
