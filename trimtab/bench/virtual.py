"""Runs of an optimizer on a task in virtual time: trimtab's own in a real Study, everybody else's in a session.

Idea    One runner for both, the one of trimtab.run.simulated: workers, a clock, and an agenda. It writes down what the
        optimizer has seen and when, counts what was paid for, and leaves when the budget is spent. So peers and trimtab
        are judged on the same rows, and a thousand workers cost no more than one.
Source  The event loop follows what Salinas et al. describe for Syne Tune, AutoML-Conf 2022: five delays, results in the
        order of time, those due before a stop still counted.
Differs A trial that comes to a milestone waits there for the verdict, as under trimtab's real runners.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from heapq import heappop, heappush
from math import ceil, inf
from typing import TYPE_CHECKING, Any

from trimtab._random import seed_for
from trimtab.bench._evaluation import Evaluation, Under
from trimtab.bench.optimizer import Asked, Optimizer, Session
from trimtab.bench.rows import Row, Rows, Span, trace
from trimtab.bench.task import Task
from trimtab.errors import Unsupported
from trimtab.protocol import Run
from trimtab.run.simulated import Delays, Simulated
from trimtab.space import Space

if TYPE_CHECKING:
    from trimtab.protocol import Scheduler
    from trimtab.study import Study

__all__ = ["Delays", "Rows", "run_session", "run_study", "simulate", "trace"]

ALL = frozenset({"objectives", "constraints", "conditions", "fidelity"})
FOREVER = 1e15  # virtual seconds: a run that ends by its budget alone


class Over(Exception):
    """The budget is spent, or the time is up."""


class Bench(Simulated):
    """The workers of a run, which keep its record."""

    def __init__(
        self, task: Task, rows: Rows, budget: float, workers: int, *, takes: frozenset[str], whole: bool,
        seconds: float, wall: float, delays: Delays | None, checkpoints: bool | None, overhead: bool,
    ) -> None:  # fmt: skip
        fidelity = task.fidelity
        saves = (fidelity is not None and fidelity.integer) if checkpoints is None else checkpoints
        self.evaluation = Evaluation(task, rows, whole=whole, strict="constraints" not in takes, checkpoints=saves)
        clock = time.perf_counter if overhead else None
        super().__init__(self.evaluation, workers, checkpoints=saves, delays=delays, overhead=clock)
        self.task, self.rows = task, rows
        self.trials = inf if fidelity is not None and not whole else ceil(budget - 1e-9)  # that may begin
        self.unit = 1.0 if fidelity is None else float(fidelity.high)
        self.budget, self.paid = budget * self.unit * (1 + 1e-12), 0.0  # in steps, or evaluations
        self.seconds, self.wall = seconds, time.monotonic() + wall
        self.last: dict[int, Row] = {}
        self.over = ""
        self._free = list(range(workers))
        self._worker: dict[int, int] = {}
        self._attempts: dict[int, int] = {}
        self._seen: set[Any] = set()
        self._task_seconds = 0.0
        self._mark = time.process_time()

    def free(self) -> int:
        return 0 if self.over else super().free()

    def submit(self, run: Run) -> None:
        self.suggested(time.process_time() - self._mark - (self.rows.task - self._task_seconds))
        self.begun(run)
        super().submit(run)
        self._mark, self._task_seconds = time.process_time(), self.rows.task

    def suggested(self, seconds: float) -> None:
        """A suggestion has been made, at this price."""
        self.rows.asks.append((len(self.rows.asks) + 1, max(0.0, seconds)))
        self.rows.optimizer += max(0.0, seconds)

    def begun(self, run: Run) -> None:
        self._worker[run.trial] = heappop(self._free)
        if run.attempt == 1:
            self.rows.evaluations += 1
            key = self.task.space.key(run.config)
            self.rows.repeated += key in self._seen
            self._seen.add(key)

    def collect(self, timeout: float) -> Any:
        if self.over and not self._ready:
            raise Over(self.over)
        if time.monotonic() > self.wall:
            self._leave_off("wall")
        return super().collect(timeout)

    # ── the record ───────────────────────────────────────────────────────────────────────────────────────────────

    def _happen(self, live: Any, when: float, what: str, told: Any, step: float) -> None:
        if what in ("report", "work"):
            if when > self.seconds:
                self.time = self.seconds
                self._leave_off("time")
            under = self.evaluation.under.pop(live.run.trial, None)
            if under is not None:
                self._note(live.run, under)
        super()._happen(live, when, what, told, step)

    def _note(self, run: Run, under: Under) -> None:
        if self.paid + under.cost > self.budget and self.trials == inf:
            self._leave_off("budget")  # what can't be paid for has not happened
        self.paid += under.cost
        spent = self.paid / self.unit
        failed = bool(under.why)
        row = Row(spent, self.time, run.trial, run.config, under.step, under.metrics, under.feasible, failed, under.why)
        self.rows.rows.append(row)
        self.rows.failed += failed
        self.last[run.trial] = row
        if self.trials == inf and self.paid >= self.budget * (1 - 1e-11):
            self.over = "budget"

    def _end(self, live: Any, body: Mapping[str, Any]) -> None:
        self._span(live, str(body["state"]))
        super()._end(live, body)

    def _span(self, live: Any, state: str) -> None:
        run = live.run
        worker = self._worker.pop(run.trial)
        heappush(self._free, worker)
        here = (run.trial, run.attempt, worker, live.began, self.time, run.source_step, live.step, state)
        self.rows.spans.append(Span(*here))

    def _leave_off(self, why: str) -> None:
        self.over = why
        raise Over(why)

    def finish(self, why: str) -> Rows:
        """The record, once nothing more will come."""
        for live in list(self._live.values()):
            self._span(live, "cut")
        self._live.clear()
        self.rows.spent, self.rows.at, self.rows.ended = self.paid / self.unit, self.time, why
        return self.rows


# ── trimtab's own ────────────────────────────────────────────────────────────────────────────────────────────────────


def run_study(
    optimizer: Optimizer, task: Task, seed: int, budget: float | None = None, workers: int = 1, *,
    seconds: float = inf, wall: float = inf, delays: Delays | None = None, checkpoints: bool | None = None,
    overhead: bool = False, into: Rows | None = None,
) -> Rows:  # fmt: skip
    """A searcher and a scheduler of trimtab on a task, in a real Study with the real driver.

    budget       full evaluations; None: as many as the task says
    seconds      virtual, at most; wall: real
    checkpoints  whether a paused trial goes on where it was; None: when the fidelity is made of steps
    overhead     let the time that decisions really take pass in virtual time: no two runs are then the same
    into         the record to fill, for who wants it also when the optimizer crashes
    """
    from trimtab.study._say import heard_by

    rows = Rows() if into is None else into
    whole = task.fidelity is None or "fidelity" not in optimizer.takes
    study = made(optimizer, task, seed, whole=whole)
    runner = Bench(
        task, rows, float(task.trials if budget is None else budget), workers, takes=optimizer.takes, whole=whole,
        seconds=seconds, wall=wall, delays=delays, checkpoints=checkpoints, overhead=overhead,
    )  # fmt: skip
    limit: dict[str, Any] = {"timeout": FOREVER} if runner.trials == inf else {"trials": int(runner.trials)}
    objective: Any = None  # a simulation runs no objective
    try:
        with heard_by(lambda kind, text: None):
            study.optimize(objective, runner=runner, display=False, **limit)
    except Over as over:
        return runner.finish(str(over))
    except BaseException:
        runner.finish("crashed")
        raise
    finally:
        study.close()
    done = runner.trials < inf and rows.evaluations >= runner.trials
    return runner.finish("budget" if done else f"nothing left: {study.ended}")


def made(optimizer: Optimizer, task: Task, seed: int, *, whole: bool) -> Study:
    """The study of an optimizer on a task, in memory."""
    from trimtab.storage import Memory
    from trimtab.study import Study

    scheduler = optimizer.settings.get("scheduler", "full")
    if task.fidelity is None and _name(scheduler) != "full":
        raise Unsupported(f"{optimizer.name} needs a task with a fidelity; {task.name} can only be evaluated whole.")
    low = [goal.name for goal in task.goals if goal.sense == "minimize"]
    high = [goal.name for goal in task.goals if goal.sense == "maximize"]
    return Study(
        "bench", without_defaults(task.space), minimize=low or None, maximize=high or None, storage=Memory(), seed=seed,
        constraints=task.constraints if "constraints" in optimizer.takes else (),
        searcher=optimizer.settings.get("searcher", "auto"),
        scheduler=None if whole else _scheduler(scheduler, task),
        stop={"failures": False},
    )  # fmt: skip


def without_defaults(space: Space) -> Space:
    """The space as peers see it: trimtab would try a configuration of defaults first, and nobody else knows of it."""
    if space.default is None:
        return space

    def bare(told: Any) -> Any:
        if isinstance(told, Mapping):
            return {k: bare(v) for k, v in told.items() if k != "default" or "type" not in told}
        return [bare(v) for v in told] if isinstance(told, list) else told

    return Space.from_json(bare(space.to_json()))


def _name(method: Any) -> str:
    return str(method["method"] if isinstance(method, Mapping) else getattr(method, "name", method))


def _scheduler(told: Any, task: Task) -> Any:
    """A scheduler that knows how far a trial of this task goes, and how short the shortest is."""
    from trimtab.schedule._registry import REGISTRY

    if not isinstance(told, (str, Mapping)):
        return told
    table = {"method": told} if isinstance(told, str) else dict(told)
    cls = REGISTRY.load(table["method"])
    known = {f.name: f for f in fields(cls)} if is_dataclass(cls) else {}
    assert task.fidelity is not None
    given = {"max": task.fidelity.high, "min": task.fidelity.low}
    return {name: value for name, value in given.items() if name in known} | table


# ── everybody else's ─────────────────────────────────────────────────────────────────────────────────────────────────


def run_session(
    session: Session, task: Task, seed: int, budget: float | None = None, workers: int = 1, *,
    takes: frozenset[str] = ALL, seconds: float = inf, wall: float = inf, delays: Delays | None = None,
    checkpoints: bool | None = None, overhead: bool = False, into: Rows | None = None,
) -> Rows:  # fmt: skip
    """An optimizer that asks and is told, on a task; the words are those of run_study. Who opened it closes it.

    Each ask() is followed by exactly one tell(), after a stop or pause too. With "fidelity" in takes every step is
    reported, also the last one.
    """
    rows = Rows() if into is None else into
    whole = task.fidelity is None or "fidelity" not in takes
    runner = _Hand(
        task, rows, float(task.trials if budget is None else budget), workers, takes=takes, whole=whole,
        seconds=seconds, wall=wall, delays=delays, checkpoints=checkpoints, overhead=overhead,
    )  # fmt: skip
    try:
        return runner.finish(runner.talk(session, seed, takes))
    except Over as over:
        return runner.finish(str(over))
    except BaseException:
        runner.finish("crashed")
        raise


class _Hand(Bench):
    """Workers for an optimizer in a session."""

    def talk(self, session: Session, seed: int, takes: frozenset[str]) -> str:
        """Ask while a worker is free, and pass on what happens; why it ended."""
        self.used = session.seconds
        while True:
            while self.free() > 0 and self.rows.evaluations < self.trials:
                asked = session.ask()
                if asked is None:
                    break
                self.submit(self._run(asked, seed))
                self.suggested(session.seconds - self.used)
                self.used = session.seconds
            if not self._live and not self._ready:
                full = self.rows.evaluations >= self.trials or self.over
                return self.over or "budget" if full else "nothing left: it asks for nothing more"
            for event in self.collect(1.0):
                assert event.trial is not None
                if event.kind == "reported":
                    self._judged(session, event.trial, event.attempt or 1)
                elif event.kind == "ended":
                    self._tell(session, event.trial, float(event.body["cost"]["seconds"]))

    def submit(self, run: Run) -> None:
        self.begun(run)
        Simulated.submit(self, run)

    def _run(self, asked: Asked, seed: int) -> Run:
        """What is asked for as a run: a paused trial goes on where it was, if it can."""
        if asked.key in self._live:
            raise ValueError(f"it asks for trial {asked.key} again while it runs")
        fidelity, before = self.task.fidelity, self.last.get(asked.key)
        if fidelity is None or self.evaluation.whole:
            return Run(asked.key, 1, asked.config, seed_for(seed, "objective", asked.key), inf)
        end = fidelity.high if asked.budget is None else min(max(asked.budget, fidelity.low), fidelity.high)
        end = float(round(end)) if fidelity.integer else float(end)
        was = before.step or 0.0 if before is not None else 0.0
        self._attempts[asked.key] = attempt = self._attempts.get(asked.key, 0) + 1
        return Run(
            asked.key, attempt, asked.config, seed_for(seed, "objective", asked.key), until=end, budget=end,
            source_step=was if self.checkpoints and was < end else 0.0, wait="all",
        )  # fmt: skip

    def _judged(self, session: Session, trial: int, attempt: int) -> None:
        row = self.last[trial]
        go = session.report(trial, float(row.step or 0.0), self._costs(row))
        self.send(trial, attempt, {"go": go, "until": inf})

    def _tell(self, session: Session, trial: int, seconds: float) -> None:
        row = self.last[trial]
        told = not row.failed and (row.feasible or not self.evaluation.strict)
        limits = [] if row.failed else self.evaluation.limits(row.metrics)
        session.tell(trial, self._costs(row) if told else None, limits, seconds)

    def _costs(self, row: Row) -> list[float]:
        return [goal.sign * row.metrics[goal.name] for goal in self.task.goals]


# ── by name ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def simulate(
    optimizer: str | Optimizer | Scheduler, task: str | Task, workers: int = 1, *, max_time: float = inf,
    budget: float | None = None, overhead: bool = False, seed: int = 0, searcher: Any = "random", **more: Any,
) -> Rows:  # fmt: skip
    """An optimizer, or a scheduler with a searcher, on a task with many workers in virtual time.

    max_time  virtual seconds; budget: full evaluations (None: as many as the task says, or as the time allows)
    ->        rows, with the virtual start, end and worker of every attempt in `spans`

    >>> simulate("asha+random", "fixtures/curves_mild", workers=4, budget=5).ended
    'budget'
    """
    from trimtab.bench._families import task as named_task

    task = named_task(task) if isinstance(task, str) else task
    if isinstance(optimizer, str):
        from trimtab.bench._optimizers import optimizer as named_optimizer

        optimizer = named_optimizer(optimizer)
    if not isinstance(optimizer, Optimizer):
        settings = {"searcher": searcher, "scheduler": optimizer}
        optimizer = Optimizer(f"{optimizer.name}+{searcher}", "trimtab", ALL, settings)
    if budget is None and max_time < inf:
        budget = FOREVER
    return run_study(optimizer, task, seed, budget, workers, seconds=max_time, overhead=overhead, **more)
