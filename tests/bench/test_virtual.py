"""Runs in virtual time: who runs when, what is paid for, what is written down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest

from trimtab._random import seed_for
from trimtab.bench.optimizer import Asked, Optimizer
from trimtab.bench.rows import Row, Rows, trace
from trimtab.bench.task import Fidelity, Goal, Outcome, Task
from trimtab.bench.virtual import ALL, Delays, run_session, run_study, simulate, without_defaults
from trimtab.errors import Unsupported
from trimtab.history import History
from trimtab.parts.pareto import front
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.schedule.asha import ASHA
from trimtab.space import Choice, Float, Int, Space

LOSSES = (5.0, 3.0, 8.0, 1.0, 7.0, 2.0, 6.0, 4.0, 0.0)
LINE = Space({"x": Int(0, 8)})


@dataclass(frozen=True, slots=True)
class Line:
    """Proposes x = 0, 1, 2, … 8."""

    name: ClassVar[str] = "line"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> list[Proposal]:
        return [Proposal({"x": x}) for x in range(ask.number, min(ask.number + ask.n, 9))]


def ours(searcher: Any = "random", scheduler: Any = None, takes: frozenset[str] = ALL) -> Optimizer:
    settings = {"searcher": searcher} | ({} if scheduler is None else {"scheduler": scheduler})
    return Optimizer("ours", "trimtab", takes, settings)


def blackbox(f: Callable[[Mapping[str, Any]], Any], space: Space = LINE, **more: Any) -> Task:
    """A task whose function gives a loss, or (loss, seconds), or metrics."""

    def measure(config: Mapping[str, Any], budget: float | None, seed: int) -> Outcome:
        told = f(config)
        if isinstance(told, tuple):
            return Outcome({"loss": told[0]}, told[1])
        return Outcome(told if isinstance(told, Mapping) else {"loss": told})

    return Task("toy/blackbox", space, more.pop("goals", (Goal("loss"),)), more.pop("measure", measure), **more)


def curves(high: int = 9, seconds: Callable[[int], float] = lambda x: 1.0, **more: Any) -> Task:
    """Losses that don't change along the curve, so that ranks can be told by hand."""

    def curve(config: Mapping[str, Any], seed: int) -> list[Outcome]:
        x = config["x"]
        return [Outcome({"loss": LOSSES[x]}, seconds(x) * step) for step in range(1, high + 1)]

    def measure(config: Mapping[str, Any], budget: float | None, seed: int) -> Outcome:
        return curve(config, seed)[int(budget or high) - 1]

    words: dict[str, Any] = {"curve": curve, "measure": measure, "fidelity": Fidelity("epochs", 1, high)}
    return Task("toy/curves", LINE, (Goal("loss"),), **words | more)


class InOrder:
    """A session that asks for 0, 1, 2, … and keeps what it is told."""

    seconds, version = 0.0, "1"

    def __init__(self, configs: Any, *, together: int = 0, budget: float | None = None) -> None:
        self.configs, self.together, self.budget = list(configs), together, budget
        self.asked, self.running = 0, 0
        self.told: list[tuple[Any, ...]] = []
        self.heard: list[tuple[int, float, float]] = []

    def ask(self) -> Asked | None:
        self.seconds += 0.5
        full = self.together and self.asked % self.together == 0 and self.running
        if full or self.asked == len(self.configs):
            return None
        self.asked, self.running = self.asked + 1, self.running + 1
        return Asked(self.asked - 1, self.configs[self.asked - 1], self.budget)

    def report(self, key: int, step: float, costs: list[float]) -> str:
        self.heard.append((key, step, costs[0]))
        return "on"

    def tell(self, key: int, costs: list[float] | None, limits: list[float], seconds: float) -> None:
        self.running -= 1
        self.told.append((key, costs, limits, seconds))

    def close(self) -> None: ...


def line(n: int) -> list[dict[str, int]]:
    return [{"x": i} for i in range(n)]


# ── who runs when ────────────────────────────────────────────────────────────────────────────────────────────────────

FOUR = blackbox(lambda config: (float(config["x"]), (3.0, 1.0, 1.0, 2.0)[config["x"]]), Space({"x": Int(0, 3)}))


def finishes(rows: Rows) -> list[float]:
    return [row.at for row in sorted(rows, key=lambda row: row.config["x"])]


def test_asynchronous_workers_take_the_next_at_once() -> None:
    rows = run_session(InOrder(line(4)), FOUR, 0, 4, workers=2)
    assert finishes(rows) == [3, 1, 2, 4]
    assert rows.at == 4
    assert [row.key for row in rows] == [1, 2, 0, 3]
    assert [span.worker for span in sorted(rows.spans, key=lambda span: span.key)] == [0, 1, 1, 1]
    assert rows.utilisation(2) == 7 / 8


def test_synchronous_pairs_wait_for_each_other() -> None:
    rows = run_session(InOrder(line(4), together=2), FOUR, 0, 4, workers=2)
    assert finishes(rows) == [3, 1, 4, 5]
    assert rows.at == 5


def test_a_study_takes_the_next_at_once_too() -> None:
    rows = run_study(ours(Line()), FOUR, 0, 4, workers=2)
    assert finishes(rows) == [3, 1, 2, 4]
    assert rows.at == 4


def test_ties_in_time_are_first_come_first_served() -> None:
    rows = run_session(InOrder(line(9)), blackbox(lambda config: 1.0), 0, 9, workers=3)
    assert [row.key for row in rows] == list(range(9))
    assert [row.at for row in rows] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("scheduler", ["asha", "halving", "median", {"method": "asha", "type": "promotion"}])
def test_no_more_trials_run_than_there_are_workers(scheduler: Any) -> None:
    space = Space({"x": Int(0, 8), "y": Float(0, 1)})
    task = curves(seconds=lambda x: 1 + x / 10)
    rows = run_study(ours("random", scheduler), replace(task, space=space), 3, 20, workers=4)
    ends = sorted((t, d) for span in rows.spans for t, d in ((span.start, 1), (span.end, -1)))
    assert np.cumsum([d for _, d in ends]).max() == 4
    for worker in range(4):
        mine = sorted((span.start, span.end) for span in rows.spans if span.worker == worker)
        assert all(end <= start for (_, end), (start, _) in pairwise(mine))
    over = {span.key: span.end for span in rows.spans if span.state == "stopped"}
    assert over or scheduler not in ("asha", "median")
    assert all(row.at <= over.get(row.key, math.inf) for row in rows)


# ── rungs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

PROMOTION = {"method": "asha", "type": "promotion", "eta": 3}
BY_HAND = [(0, 1), (1, 1), (2, 1), (1, 3), (3, 1), (3, 3), (4, 1), (5, 1), (5, 3), (3, 9), (6, 1), (7, 1), (8, 1),
           (8, 3), (8, 9)]  # fmt: skip


def test_asha_promotes_as_by_hand() -> None:
    rows = run_study(ours(Line(), PROMOTION), curves(), 0, 100)
    assert [(span.key, span.last_step) for span in rows.spans] == BY_HAND
    assert rows.ended.startswith("nothing left")
    assert rows.at == 9 + 4 * 2 + 2 * 6
    assert rows.spent == pytest.approx(29 / 9, abs=1e-12)


def test_without_checkpoints_the_repeated_part_is_paid_again() -> None:
    rows = run_study(ours(Line(), PROMOTION), curves(), 0, 100, checkpoints=False)
    assert [(span.key, span.last_step) for span in rows.spans] == BY_HAND
    assert rows.at == 29 + 4 * 1 + 2 * 3
    assert rows.spent == pytest.approx(39 / 9, abs=1e-12)
    assert rows.busy == 39


def test_a_fidelity_without_steps_starts_anew_at_each_level() -> None:
    def measure(config: Mapping[str, Any], budget: float | None, seed: int) -> Outcome:
        share = 1.0 if budget is None else budget
        return Outcome({"loss": LOSSES[config["x"]]}, 10 * share)

    share = Fidelity("share", 1 / 9, 1.0, integer=False)
    task = Task("toy/share", LINE, (Goal("loss"),), measure, fidelity=share)
    rows = run_study(ours(Line(), PROMOTION), task, 0, 100)
    assert [row.key for row in rows] == [key for key, _ in BY_HAND]
    assert [row.step for row in rows] == pytest.approx([level / 9 for _, level in BY_HAND])
    assert rows.spent == pytest.approx(39 / 9)
    assert rows.at == pytest.approx(390 / 9)


def test_a_task_without_a_curve_is_measured_at_each_step_with_one_seed() -> None:
    seen: list[tuple[int, float, int]] = []

    def measure(config: Mapping[str, Any], budget: float | None, seed: int) -> Outcome:
        seen.append((config["x"], budget or 9.0, seed))
        return Outcome({"loss": LOSSES[config["x"]]}, 2.0 * (budget or 9.0))

    rows = run_study(ours(Line(), PROMOTION), curves(curve=None, measure=measure), 7, 100)
    assert rows.at == 2 * 29
    assert [(x, step) for x, step, _ in seen if x == 3] == [(3, step) for step in range(1, 10)]
    assert {(x, seed) for x, _, seed in seen} == {(x, seed_for(7, "objective", x)) for x in range(9)}


def test_the_budget_is_spent_to_the_last_step_and_no_further() -> None:
    rows = run_study(ours(Line(), PROMOTION), curves(), 0, 2)
    assert rows.ended == "budget"
    assert rows.spent == 2
    assert [row.spent for row in rows] == pytest.approx([step / 9 for step in range(1, 19)])
    assert rows.spans[-1].state == "cut"


def test_time_ends_a_run_too() -> None:
    rows = run_study(ours(Line(), PROMOTION), curves(), 0, 100, workers=2, seconds=7.5)
    assert rows.ended == "time"
    assert rows.at == 7.5
    assert max(row.at for row in rows) == 7


def test_an_optimizer_without_fidelity_runs_every_trial_whole() -> None:
    rows = run_study(ours(Line(), takes=frozenset()), curves(), 0, 4)
    assert rows.evaluations == 4
    assert rows.spent == 4
    assert [(row.key, row.step) for row in rows] == [(key, step) for key in range(4) for step in range(1, 10)]


# ── delays and decisions ─────────────────────────────────────────────────────────────────────────────────────────────


def test_each_delay_falls_where_it_belongs() -> None:
    def makespan(**delay: float) -> float:
        return run_study(ours(Line(), PROMOTION), curves(), 0, 100, delays=Delays(**delay)).at

    attempts, paused = len(BY_HAND), len(BY_HAND) - 2
    assert makespan() == 29
    assert makespan(start=0.5) == 29 + 0.5 * attempts
    assert makespan(stop=0.5) == 29 + 0.5 * paused
    assert makespan(after=0.5) == 29 + 0.5 * paused
    assert makespan(complete=0.5) == 29 + 0.5 * 2  # those that ran to the top
    assert makespan(result=0.5) == 29 + 0.5 * attempts  # a trial waits at its rung for the verdict


def test_decisions_take_no_time_unless_it_is_asked_for() -> None:
    def run(overhead: bool) -> Rows:
        return run_study(ours("tpe", "asha"), curves(seconds=lambda x: 1e-4), 5, 6, workers=3, overhead=overhead)

    assert repr(run(False).rows) == repr(run(False).rows)
    assert run(False).spans == run(False).spans
    assert run(True).at > run(False).at


def test_the_clock_of_a_curve_goes_forward() -> None:
    def stands(config: Mapping[str, Any], seed: int) -> list[Outcome]:
        return [Outcome({"loss": 1.0}, 5.0)] * 9

    rows = run_study(ours(Line(), takes=frozenset()), curves(curve=stands), 0, 1)
    assert [row.at for row in rows] == pytest.approx([5 + 0.01 * i for i in range(9)])


# ── black boxes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_failed_evaluation_counts_and_is_told() -> None:
    def some(config: Mapping[str, Any]) -> float:
        if config["x"] % 2:
            raise ValueError("diverged\nbadly")
        return math.nan if config["x"] == 4 else LOSSES[config["x"]]

    session, task = InOrder(line(9)), blackbox(some)
    for rows in (run_session(session, task, 0, 9), run_study(ours(Line()), task, 0, 9)):
        assert rows.evaluations == rows.spent == 9
        assert rows.failed == 5
        assert [row.config["x"] for row in rows if row.failed] == [1, 3, 4, 5, 7]
        assert next(row.why for row in rows if row.failed) == "ValueError: diverged badly"
        assert trace(rows, task) == ((1.0, 1.0, 5.0), (9.0, 9.0, 0.0))
    assert [key for key, costs, _, _ in session.told if costs is None] == [1, 3, 4, 5, 7]


def test_constraints_are_judged_and_told() -> None:
    def measured(config: Mapping[str, Any]) -> dict[str, float]:
        return {"loss": LOSSES[config["x"]], "size": float(config["x"])}

    task = blackbox(measured, constraints=("size <= 6", "loss * 2 > 3"))
    session = InOrder(line(9))
    rows = run_session(session, task, 0, 9)
    assert [row.config["x"] for row in rows if row.feasible] == [0, 1, 2, 4, 5, 6]
    assert [limits for _, _, limits, _ in session.told][3] == [-3.0, 1.0]
    assert session.told[3][1] == [1.0]
    assert trace(rows, task) == ((1.0, 1.0, 5.0), (2.0, 2.0, 3.0), (6.0, 6.0, 2.0))
    blind = InOrder(line(9))
    run_session(blind, task, 0, 9, takes=frozenset())
    assert [key for key, costs, _, _ in blind.told if costs is None] == [3, 7, 8]
    for takes in (ALL, frozenset[str]()):
        mine = run_study(ours(Line(), takes=takes), task, 0, 9)
        assert [(row.config, row.feasible) for row in mine] == [(row.config, row.feasible) for row in rows]
        assert mine.failed == 0


def test_noise_is_drawn_by_the_trial_and_the_trace_has_none() -> None:
    def noisy(config: Mapping[str, Any], budget: float | None, seed: int) -> Outcome:
        return Outcome({"gain": LOSSES[config["x"]] + np.random.default_rng(seed).normal()})

    task = blackbox(
        lambda config: 0.0, goals=(Goal("gain", "maximize"),), measure=noisy,
        true=lambda config: {"gain": LOSSES[config["x"]]},
    )  # fmt: skip
    session = InOrder(line(9))
    rows, mine = run_session(session, task, 5, 9), run_study(ours(Line()), task, 5, 9)
    assert [row.metrics for row in rows] == [row.metrics for row in mine]
    assert session.told[0][1] == [-rows.rows[0].metrics["gain"]]
    best, expected = -math.inf, []
    for n, row in enumerate(rows, start=1):
        if row.metrics["gain"] > best:
            best = row.metrics["gain"]
            expected.append((float(n), float(n), LOSSES[row.config["x"]]))
    assert trace(rows, task) == tuple(expected)


def test_repeats_and_seconds_in_the_optimizer_are_counted() -> None:
    session = InOrder([*line(4), *line(2)])
    rows = run_session(session, blackbox(lambda config: 1.0), 0, 6)
    assert rows.repeated == 2
    assert rows.asks == [(n, 0.5) for n in range(1, 7)]
    assert rows.optimizer == 3.0
    mine = run_study(ours("tpe"), blackbox(lambda config: sum(range(200_000)) * 0.0), 0, 5)
    assert [n for n, _ in mine.asks] == [1, 2, 3, 4, 5]
    assert 0 < mine.optimizer == pytest.approx(sum(seconds for _, seconds in mine.asks))
    assert mine.task > 0.002


def test_what_was_found_before_a_crash_is_kept() -> None:
    class Crashes(InOrder):
        def ask(self) -> Asked | None:
            if self.asked == 3:
                raise RuntimeError("singular matrix")
            return super().ask()

    rows = Rows()
    with pytest.raises(RuntimeError, match="singular"):
        run_session(Crashes(line(9)), blackbox(lambda config: 1.0), 0, 9, into=rows)
    assert (len(rows), rows.spent, rows.at, rows.ended) == (3, 3.0, 3.0, "crashed")


def test_an_optimizer_may_come_to_its_end() -> None:
    rows = run_session(InOrder(line(4)), blackbox(lambda config: 1.0), 0, 9)
    assert rows.ended.startswith("nothing left")
    assert rows.spent == 4
    assert run_study(ours(Line()), blackbox(lambda config: 1.0), 0, 20).ended.startswith("nothing left")


def test_real_time_may_run_out() -> None:
    rows = run_study(ours("random"), blackbox(lambda config: 1.0), 0, 100, wall=0.0)
    assert rows.ended == "wall"
    assert len(rows) < 100


def test_a_scheduler_needs_a_fidelity() -> None:
    with pytest.raises(Unsupported, match="toy/blackbox can only be evaluated whole"):
        run_study(ours("random", "asha"), blackbox(lambda config: 1.0), 0, 5)
    assert run_study(ours("random", {"method": "full"}), blackbox(lambda config: 1.0), 0, 5).spent == 5


# ── sessions that pause, resume and stop ─────────────────────────────────────────────────────────────────────────────


class Halves(InOrder):
    """Nine trials to step 1, the best three on to step 3, the best one on to step 9; it waits for every rung."""

    def __init__(self, pause: bool) -> None:
        super().__init__(line(9))
        self.pause, self.rung, self.queue = pause, 0, list(range(9))
        self.values: dict[int, float] = {}

    def ask(self) -> Asked | None:
        if not self.queue and not self.running and self.rung < 2:
            self.rung += 1
            best = sorted(self.values, key=lambda key: self.values[key])
            self.queue, self.values = best[: len(best) // 3], {}
        if not self.queue:
            return None
        self.running += 1
        key = self.queue.pop(0)
        return Asked(key, self.configs[key], None if self.pause else 3.0**self.rung)

    def report(self, key: int, step: float, costs: list[float]) -> str:
        super().report(key, step, costs)
        return "pause" if self.pause and step == 3**self.rung else "on"

    def tell(self, key: int, costs: list[float] | None, limits: list[float], seconds: float) -> None:
        super().tell(key, costs, limits, seconds)
        assert costs is not None
        self.values[key] = costs[0]


@pytest.mark.parametrize("pause", [True, False])
def test_a_session_that_halves(pause: bool) -> None:
    session = Halves(pause)
    rows = run_session(session, curves(), 0, 100, workers=2)
    assert [key for key, *_ in session.told] == [*range(9), 8, 3, 5, 8]
    assert [(key, step) for key, step, _ in session.heard if key == 8] == [(8, step) for step in range(1, 10)]
    assert [costs for _, costs, _, _ in session.told] == [[LOSSES[key]] for key, *_ in session.told]
    assert rows.spent == pytest.approx((9 + 3 * 2 + 6) / 9)
    assert rows.at == 5 + 4 + 6
    anew = run_session(Halves(pause), curves(), 0, 100, workers=2, checkpoints=False)
    assert anew.spent == pytest.approx((9 + 3 * 3 + 9) / 9)
    assert anew.busy == rows.busy + 3 * 1 + 3


def test_what_is_stopped_reports_no_more() -> None:
    class Stops(InOrder):
        def report(self, key: int, step: float, costs: list[float]) -> str:
            super().report(key, step, costs)
            return "stop" if costs[0] > 2 and step == 2 else "on"

    session = Stops(line(9))
    rows = run_session(session, curves(), 0, 100, workers=3)
    assert {row.key: row.step for row in rows} == {key: 2 if LOSSES[key] > 2 else 9 for key in range(9)}
    assert sorted(key for key, *_ in session.told) == list(range(9))
    assert {span.key for span in rows.spans if span.state == "stopped"} == {0, 1, 2, 4, 6, 7}
    assert trace(rows, curves())[0] == (1 / 9, 1.0, 5.0)


def test_budgets_that_are_asked_for_are_rounded_to_steps() -> None:
    session = InOrder(line(2), budget=2.4)
    rows = run_session(session, curves(), 0, 100)
    assert [row.step for row in rows] == [1, 2, 1, 2]
    low = InOrder(line(1), budget=0.01)
    assert [row.step for row in run_session(low, curves(), 0, 100)] == [1]


def test_a_running_trial_can_not_be_asked_for_again() -> None:
    class Stutters(InOrder):
        def ask(self) -> Asked | None:
            return Asked(0, {"x": 0}, 3.0)

    with pytest.raises(ValueError, match="trial 0 again while it runs"):
        run_session(Stutters(line(1)), curves(), 0, 9, workers=2)


# ── traces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def row(n: int, step: float | None = None, key: int | None = None, feasible: bool = True, **metrics: float) -> Row:
    return Row(float(n), 2.0 * n, n if key is None else key, {"n": n}, step, metrics, feasible, not metrics)


def test_the_incumbent_is_the_best_at_the_highest_step() -> None:
    task = Task(
        "toy/steps", LINE, (Goal("loss"),), lambda config, budget, seed: Outcome({"loss": 0.0}),
        fidelity=Fidelity("epochs", 1, 9), true=lambda config: {"loss": 100.0 + config["n"]},
    )  # fmt: skip
    rows = [
        row(1, 1, loss=5), row(2, 1, loss=4), row(3, 1, loss=6), row(4, 3, key=1, loss=7), row(5, 1, loss=0),
        row(6, 3, loss=7), row(7, 3, loss=6), row(8, 9, feasible=False, loss=0), row(9, 3), row(10, 3, key=7, loss=5),
        row(11, 9, key=7, loss=8),
    ]  # fmt: skip
    assert trace(rows, task) == ((1, 2, 101), (2, 4, 102), (4, 8, 101), (7, 14, 107))


@pytest.mark.parametrize("goals", [2, 3])
def test_points_that_no_earlier_one_dominates(goals: int) -> None:
    names = [f"g{i}" for i in range(goals)]
    rng = np.random.default_rng(goals)
    Y = np.round(rng.random((300, goals)), 2)
    signs = np.array([1, -1, 1][:goals])
    aims = tuple(Goal(n, "minimize" if s > 0 else "maximize") for n, s in zip(names, signs, strict=True))
    task = Task("toy/goals", LINE, aims, lambda config, budget, seed: Outcome({}))
    rows = [row(i, **dict(zip(names, y, strict=True))) for i, y in enumerate(Y.tolist(), start=1)]
    found = [int(told[0]) - 1 for told in trace(rows, task)]
    expected = [
        i for i in range(300) if i in front(Y[: i + 1] * signs) and not (Y[:i] == Y[i]).all(axis=1).any()
    ]  # fmt: skip
    assert found == expected
    assert np.array_equal([told[2:] for told in trace(rows, task)], Y[expected])


def test_by_name_and_by_scheduler() -> None:
    rows = simulate("asha+random", "fixtures/curves_mild", 4, budget=2, seed=3)
    assert rows.ended == "budget"
    assert max(span.worker for span in rows.spans) == 3
    again = simulate(ASHA(max=81), "fixtures/curves_mild", 4, budget=2, seed=3)
    assert again.rows == rows.rows
    assert simulate(ASHA(max=81), "fixtures/curves_mild", 4, max_time=30).at == 30


def test_nobody_is_told_a_default():
    """Peers don't know the defaults of a space, so trimtab's own must not begin with them."""
    inner = Space({"lr": Float(0, 1, default=0.5)})
    space = Space({"x": Float(0, 1, default=0.5), "model": Choice({"a": inner, "b": Space({})}, default="a")})
    assert space.default is not None
    assert without_defaults(space).default is None
    assert without_defaults(space).names == space.names
    X = space.sample(np.random.default_rng(0), 20)
    assert without_defaults(space).decode(X) == space.decode(X)
