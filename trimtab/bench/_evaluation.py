"""A task as a model of virtual time: what each trial yields on a worker, and what that costs.

Idea    A trial has one thing under way at a time. It is noted before the wait for it begins, and written down by the
        runner when virtual time has come to it; so rows stand in the order of time, and what is cut off never happened.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from trimtab.bench.rows import NOTHING, Rows, values_of
from trimtab.bench.task import Config, Outcome, Task
from trimtab.protocol import Run
from trimtab.space import Expression

LEAST = 0.01  # seconds between two steps of a curve whose clock stands still
FAILURE = 1.0  # seconds that a failed evaluation takes, unless its exception has `seconds`


class Infeasible(Exception):
    """What an optimizer that knows no constraints is told of a trial that breaks one."""


@dataclass(frozen=True, slots=True)
class Under:
    """What a trial has under way: where it will be, what it will show, and its cost in steps (or evaluations)."""

    step: float | None
    cost: float
    metrics: Mapping[str, float]
    feasible: bool = False
    why: str = ""


class Evaluation:
    """The trials of a task.

    whole   every trial is evaluated at full fidelity and reports nothing on the way
    strict  an infeasible trial is told as a failed one
    """

    def __init__(self, task: Task, rows: Rows, *, whole: bool, strict: bool, checkpoints: bool) -> None:
        self.task, self.rows, self.whole, self.strict, self.checkpoints = task, rows, whole, strict, checkpoints
        self.under: dict[int, Under] = {}
        self._limits: dict[tuple[str, ...], list[Expression]] = {}
        self._seconds: dict[int, tuple[float, float]] = {}  # trial -> (step, seconds it had taken there)

    def __call__(self, run: Run) -> Generator[Any, Any, Any]:
        return self._once(run) if self.task.fidelity is None else self._steps(run)

    # ── whole ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _once(self, run: Run) -> Generator[Any, Any, Any]:
        try:
            outcome = self._measure(run.config, None, run.seed)
            metrics, feasible = self._checked(outcome)
        except Exception as error:
            yield self._failing(run.trial, None, 1.0, error)
            return error
        self.under[run.trial] = Under(None, 1.0, metrics, feasible)
        yield outcome.seconds, None
        return self._told(metrics, feasible)

    # ── step by step ─────────────────────────────────────────────────────────────────────────────────────────────

    def _steps(self, run: Run) -> Generator[Any, Any, Any]:
        fidelity = self.task.fidelity
        assert fidelity is not None
        end = fidelity.high if run.budget is None else min(float(run.budget), fidelity.high)
        at, until, metrics, feasible = run.source_step, run.until, NOTHING, True
        try:
            curve = self._curve(run)
        except Exception as error:
            yield self._failing(run.trial, at, self._cost(at, end), error)
            return error
        took = self._before(run, curve)
        while at < end:
            step = at + 1.0 if fidelity.integer else min(until, end) if until > at else end
            try:
                outcome = self._outcome(run, curve, step)
                metrics, feasible = self._checked(outcome)
            except Exception as error:
                yield self._failing(run.trial, at, self._cost(at, step), error)
                return error
            seconds = outcome.seconds if outcome.seconds > took else took + LEAST
            self.under[run.trial] = Under(step, self._cost(at, step), metrics, feasible)
            if self.whole:
                yield seconds - took, None
            else:
                if self.strict and not feasible:
                    yield seconds - took, None, step
                    return self._told(metrics, feasible)
                if curve is None:
                    self._seconds[run.trial] = (step, seconds)
                until = (yield seconds - took, metrics, step) or inf
            at, took = step, seconds if self.checkpoints or fidelity.integer else 0.0
        return self._told(metrics, feasible) if self.whole else None

    def _cost(self, at: float, step: float) -> float:
        """In steps: those further on, or all again where the fidelity is none that a trial can go on along."""
        fidelity = self.task.fidelity
        assert fidelity is not None
        return step - at if fidelity.integer or self.checkpoints else step

    def _curve(self, run: Run) -> list[Outcome] | None:
        if self.task.curve is None:
            return None
        begun = time.process_time()
        try:
            return self.task.curve(run.config, run.seed)
        finally:
            self.rows.task += time.process_time() - begun

    def _before(self, run: Run, curve: list[Outcome] | None) -> float:
        """Seconds that the trial had taken when it came to the step it goes on from."""
        if not run.source_step:
            return 0.0
        if curve is not None:
            return curve[int(run.source_step) - 1].seconds
        step, seconds = self._seconds.get(run.trial, (0.0, 0.0))
        return seconds if step == run.source_step else 0.0

    def _outcome(self, run: Run, curve: list[Outcome] | None, step: float) -> Outcome:
        if curve is None:
            return self._measure(run.config, step, run.seed)
        if step > len(curve):
            raise ValueError(f"the curve ends after step {len(curve)}")
        return curve[int(step) - 1]

    # ── both ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _measure(self, config: Config, budget: float | None, seed: int) -> Outcome:
        begun = time.process_time()
        try:
            return self.task.measure(config, budget, seed)
        finally:
            self.rows.task += time.process_time() - begun

    def _checked(self, outcome: Outcome) -> tuple[Mapping[str, float], bool]:
        """The metrics as plain numbers, and whether they keep the constraints."""
        metrics = {name: float(value) for name, value in outcome.metrics.items()}
        if values_of(self.task, metrics) is None:
            raise ValueError(f"no finite value of {', '.join(g.name for g in self.task.goals)}: {metrics}")
        if not isfinite(outcome.seconds):
            raise ValueError(f"it took {outcome.seconds} seconds")
        return metrics, all(limit <= 0 for limit in self.limits(metrics))

    def limits(self, metrics: Mapping[str, float]) -> list[float]:
        """How far each constraint is broken: at or below 0 it holds."""
        if not self.task.constraints:
            return []
        names = tuple(metrics)
        if names not in self._limits:
            self._limits[names] = [Expression(text, known=names) for text in self.task.constraints]
        return [expression.violation(metrics) for expression in self._limits[names]]

    def _told(self, metrics: Mapping[str, float], feasible: bool) -> Any:
        return Infeasible("a constraint is broken") if self.strict and not feasible else dict(metrics)

    def _failing(self, trial: int, step: float | None, cost: float, error: Exception) -> tuple[float, None]:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        self.under[trial] = Under(step, cost, NOTHING, why=text[:200])
        return float(getattr(error, "seconds", FAILURE)), None
