"""ASHA: scripted rungs, what it is worth on curves, how it fills eight workers, and the edges."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask, Done, Run, Wait
from trimtab.run.simulated import Simulated
from trimtab.schedule._registry import scheduler
from trimtab.search.random import RandomSearch
from trimtab.space import Space
from trimtab.study._say import heard_by
from trimtab.study.verify import verify

SPACE = {"x": tt.Float(0, 1)}
PROMOTION = tt.ASHA(max=9, type="promotion")


class Rungs:
    """A history written by hand: trials that start, report and pause."""

    def __init__(self, asha: tt.ASHA, objectives: Mapping[str, str] | None = None) -> None:
        self.asha = asha
        self.history = History.empty(Space(SPACE), objectives or {"loss": "min"})
        self.count = 0

    def start(self, budget: float, trial: int | None = None) -> int:
        number, self.count = (self.count, self.count + 1) if trial is None else (trial, self.count)
        cause = "new" if trial is None else "promote"
        body = {"cause": cause, "config": {"x": 0.5}, "seed": 0, "budget": budget, "until": budget}
        self.history.extend([Event("started", body, number, 1)])
        return number

    def report(self, trial: int, step: float, **metrics: float) -> Any:
        body = {"step": [step], "metrics": {k: [v] for k, v in metrics.items()}}
        self.history.extend([Event("reported", body, trial, 1)])
        return self.asha.judge(self.history, trial)

    def end(self, trial: int, state: str, step: float, **values: float) -> None:
        self.history.extend([Event("ended", {"state": state, "step": step, "values": values}, trial, 1)])

    def at_first_rung(self, *losses: float) -> None:
        for loss in losses:
            trial = self.start(1)
            self.report(trial, 1, loss=loss)
            self.end(trial, "paused", 1, loss=loss)

    def next(self, n: int = 1, fresh: int | None = None) -> Any:
        return self.asha.next(self.history, RandomSearch(), Ask(self.count, n=n, fresh=fresh))

    def resumed(self, n: int = 1, fresh: int | None = None) -> list[int | None]:
        return [start.proposal.resume for start in self.next(n, fresh)]


# ── scripted ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_promotion_takes_the_best_third_as_it_is_now() -> None:
    rungs = Rungs(PROMOTION)
    rungs.at_first_rung(0.9, 0.5)
    assert rungs.resumed() == [None], "a third of two is nobody: a new one"
    rungs.at_first_rung(0.7)
    (start,) = rungs.next()
    assert (start.proposal.resume, start.until, start.budget) == (1, 3, 3)
    assert start.why == "rank 1 of 3 at step 1, goes on to step 3"
    rungs.start(3, trial=1)
    assert rungs.resumed() == [None], "once"
    rungs.at_first_rung(0.4, 0.3, 0.8)
    assert rungs.resumed() == [4]
    assert rungs.resumed(3) == [4, 3, None], "the best two of six, whoever has gone on before"


def test_the_highest_rung_comes_first() -> None:
    rungs = Rungs(PROMOTION)
    rungs.at_first_rung(*np.linspace(1, 2, 9).tolist())
    assert rungs.resumed(9) == [0, 1, 2] + [None] * 6
    for trial in range(3):
        rungs.start(3, trial=trial)
        verdict = rungs.report(trial, 3, loss=1 - trial / 10)
        assert verdict.go == "pause"
    assert rungs.resumed(2) == [None, None], "their pauses are still under way"
    for trial in range(3):
        rungs.end(trial, "paused", 3, loss=1 - trial / 10)
    rungs.at_first_rung(0.1, 0.2, 0.3)
    assert rungs.resumed(4) == [2, 9, 10, 11], "the second rung first; then the best four of twelve"


def test_who_fails_gives_the_place_to_the_next() -> None:
    rungs = Rungs(PROMOTION)
    rungs.at_first_rung(0.1, 0.2, 0.3)
    rungs.start(3, trial=0)
    assert rungs.resumed() == [None]
    rungs.end(0, "failed", 2)
    assert rungs.resumed() == [1]


def test_what_was_proposed_and_refused_is_owed_still() -> None:
    """Another driver may decide first: then the proposal is not in the log, and is made again."""
    rungs = Rungs(PROMOTION)
    rungs.at_first_rung(0.1, 0.2, 0.3)
    assert rungs.resumed(2) == [0, None]
    assert rungs.resumed(2) == [0, None]


def test_at_the_end_somebody_comes_to_the_top() -> None:
    rungs = Rungs(PROMOTION)
    running = rungs.start(1)
    rungs.at_first_rung(0.5)
    assert isinstance(rungs.next(fresh=0), Wait)
    rungs.report(running, 1, loss=0.7)
    rungs.end(running, "paused", 1, loss=0.7)
    for level in (3, 9):
        assert rungs.resumed(3, fresh=0) == [1]
        rungs.start(level, trial=1)
        rungs.report(1, level, loss=0.4)
        rungs.end(1, "paused" if level < 9 else "finished", level, loss=0.4)
    assert isinstance(rungs.next(fresh=0), Done)


def test_stopping_compares_with_those_that_were_there_before() -> None:
    rungs = Rungs(tt.ASHA(max=9))
    trials = [rungs.start(9) for _ in range(7)]
    told = [rungs.report(t, 1, loss=v) for t, v in zip(trials, (0.5, 0.7, 0.4, 0.4, 0.6, 0.45, 0.1), strict=True)]
    assert [v.go for v in told] == ["on", "stop", "on", "on", "stop", "stop", "on"]
    assert [v.until for v in told if v.go == "on"] == [3] * 4
    assert told[4].why == "rank 4 of 5 at step 1, not among the best 1/3"
    assert rungs.asha.judge(rungs.history, 0).go == "on", "asked for again, the same"
    assert rungs.asha.judge(rungs.history, 5).go == "stop"
    assert rungs.report(0, 9, loss=0.5).until == float("inf"), "who is at the top has nothing more to fear"


def test_a_report_past_a_rung_counts_at_it() -> None:
    rungs = Rungs(tt.ASHA(max=27))
    a, b = rungs.start(27), rungs.start(27)
    assert rungs.report(a, 5, loss=1.0).until == 9
    verdict = rungs.report(b, 4, loss=2.0)
    assert (verdict.go, "at step 3" in verdict.why) == ("stop", True)


def test_without_the_objective_there_is_no_verdict() -> None:
    rungs = Rungs(tt.ASHA(max=9))
    for loss in (0.1, 0.2):
        rungs.report(rungs.start(9), 1, loss=loss)
    quiet = rungs.start(9)
    assert rungs.report(quiet, 1, accuracy=0.9).until == 3
    assert rungs.report(quiet, 3, accuracy=0.9).until == 9
    broken = rungs.start(9)
    assert rungs.report(broken, 1, loss=float("nan")).go == "stop"


def test_several_objectives_go_by_fronts() -> None:
    """The front comes first, then rank by rank: the order of a scripted rung."""
    points = [(1.0, 5.0), (2.0, 3.0), (4.0, 1.0), (5.0, 5.0), (3.0, 4.0), (6.0, 6.0)]
    rungs = Rungs(tt.ASHA(max=9, type="promotion", eta=2), {"a": "min", "b": "min"})
    for a, b in points:
        trial = rungs.start(1)
        rungs.report(trial, 1, a=a, b=b)
        rungs.end(trial, "paused", 1, a=a, b=b)
    assert sorted(t for t in rungs.resumed(6) if t is not None) == [0, 1, 2]
    stopping = Rungs(tt.ASHA(max=9), {"a": "min", "b": "min"})
    told = [stopping.report(stopping.start(9), 1, a=a, b=b).go for a, b in [*points, (0.5, 0.5), (7.0, 7.0)]]
    assert told[0] == told[-2] == "on", "the first, and who is better than all"
    assert told[3:6] == ["stop"] * 3
    assert told[-1] == "stop"


def test_a_constraint_that_nobody_has_measured_yet_decides_nothing() -> None:
    def objective(trial: Any) -> dict[str, float]:
        for step in trial.steps():
            trial.report(loss=trial["x"] / step)
        return {"loss": trial["x"], "memory": 3.0}

    s = tt.Study("s", SPACE, minimize="loss", constraints=["memory <= 8"], scheduler=tt.ASHA(max=3), seed=0,
                 searcher="random")  # fmt: skip
    s.optimize(objective, trials=30)
    best = sorted(t.config["x"] for t in s.trials)
    assert s.best.config["x"] == best[0], "by the value, not by who came first"
    assert s.counts["stopped"] > 10


def test_settings() -> None:
    with pytest.raises(tt.UnknownName, match="Did you mean 'promotion'"):
        tt.ASHA(max=9, type="promotions")
    with pytest.raises(tt.Unsupported, match=r"brackets=4\): 1 to 3"):
        tt.ASHA(max=9, brackets=4)
    with pytest.raises(tt.Unsupported, match="0 < min <= max"):
        tt.ASHA(max=9, min=10)
    assert scheduler("asha", max=81) == tt.ASHA(81, 1, 3, "stopping", 1)
    assert tt.Study("s", SPACE, minimize="loss", scheduler="asha", max_budget=81).scheduler == tt.ASHA(max=81)


# ── whole studies ────────────────────────────────────────────────────────────────────────────────────────────────


def by_x(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
    step = run.source_step
    while step < 81:
        step += 1
        yield 1.0, {"loss": run.config["x"] + 1 / step}


def study(asha: tt.ASHA, **settings: Any) -> tt.Study:
    return tt.Study("s", SPACE, minimize="loss", seed=settings.pop("seed", 0), scheduler=asha, searcher="random",
                    **settings)  # fmt: skip


@pytest.mark.parametrize("kind", ["stopping", "promotion"])
def test_brackets_begin_at_different_rungs(kind: str) -> None:
    s = study(tt.ASHA(max=9, type=kind, brackets=3))
    s.optimize(None, trials=60, runner=Simulated(by_x, workers=3))
    first = {e.body["tags"]["bracket"]: e.body["until"] for e in s.log() if e.kind == "started" and e.attempt == 1}
    assert first == {0: 1, 1: 3, 2: 9}
    many = [sum(t.tags["bracket"] == b for t in s.trials) for b in range(3)]
    assert many[0] > many[1] > 0
    assert many[2] > 0
    assert not [t for t in s.trials if t.state == "stopped" and t.tags["bracket"] == 2]
    assert verify(s._log.storage).ok


def test_a_larger_budget_goes_on_with_the_paused(tmp_path: Any) -> None:
    def call(most: float) -> tt.Study:
        return study(tt.ASHA(max=most, type="promotion"), storage=tmp_path / "s.db")

    call(9).optimize(None, trials=30, runner=Simulated(by_x))
    before = max(t.step or 0 for t in call(9).trials)
    s = call(27).optimize(None, trials=31, runner=Simulated(by_x))
    assert (before, max(t.step or 0 for t in s.trials)) == (9, 27)
    assert s.best.step == 27
    assert verify(tmp_path / "s.db").ok


def test_stopping_needs_no_checkpoints_and_a_plain_loop_will_do() -> None:
    def objective(trial: Any) -> float:
        loss = 1.0
        for step in range(1, 10):
            loss = trial["x"] + 1 / step
            trial.report(loss=loss, step=step)
            if trial.should_stop():
                break
        return loss

    s = study(tt.ASHA(max=9)).optimize(objective, trials=30)
    assert s.counts["stopped"] > 15
    assert s.counts["finished"] > 1
    assert {t.step for t in s.trials if t.state == "stopped"} <= {1.0, 3.0}
    assert s.best.config["x"] == min(t.config["x"] for t in s.trials)
    assert verify(s._log.storage).ok


def drawn(durations: np.random.Generator) -> Callable[[Run], Any]:
    def curve(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
        pace = float(np.exp(durations.normal(0, 0.3)))
        rng = np.random.default_rng(run.seed)
        step = int(run.source_step)
        noise = rng.normal(0, 0.005, 82)
        while step < 81:
            step += 1
            yield pace, {"loss": run.config["x"] + step**-0.7 + noise[step]}

    return curve


def test_eight_workers_are_never_idle_and_the_first_full_run_comes_early() -> None:
    s = study(tt.ASHA(max=81, type="promotion"))
    runner = Simulated(drawn(np.random.default_rng(0)), workers=8)
    s.optimize(None, timeout=810, runner=runner)
    assert runner.busy / (8 * runner.now()) > 0.98
    reached = [sum((t.step or 0) >= level for t in s.trials) for level in (1, 3, 9, 27, 81)]
    ratios = [a / b for a, b in pairwise(reached)]
    assert all(2.2 < r < 3.8 for r in ratios), reached
    tops = [e.at for e in s.log() if e.kind == "reported" and max(e.body["step"]) == 81]
    assert 70 < min(tops) < 120


W, Z = np.array([1, 0.5, 0.25, 0.25]), np.array([0.3, 0.7, 0.5, 0.2])
BEST = {"mild": 0.0887765, "hard": 0.1279793}


def power(kind: str, config: Mapping[str, Any], step: Any) -> Any:
    z = np.array([config[f"z{i}"] for i in range(4)])
    a = 0.05 + 0.6 * min(1.0, 2 * float((W * (z - Z) ** 2).sum()))
    slope = 0.6 + 0.4 * z[0] if kind == "mild" else 0.2 + z[0]
    return a + (1 - a) * (1.0 + step) ** -slope


def regret(kind: str, method: Any, seed: int, epochs: float) -> float:
    def curve(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
        values = power(kind, run.config, np.arange(82)) + np.random.default_rng(run.seed).normal(0, 0.005, 82)
        for step in range(int(run.source_step) + 1, 82):
            yield 1.0, {"loss": float(values[step])}

    s = tt.Study("f", {f"z{i}": tt.Float(0, 1) for i in range(4)}, minimize="loss", seed=seed, scheduler=method,
                 searcher="random")  # fmt: skip
    s.optimize(None, timeout=epochs, runner=Simulated(curve))
    return float(power(kind, s.best.config, 81.0) - BEST[kind])


@pytest.mark.parametrize(
    ("kind", "seeds"), [("mild", 4), pytest.param("mild", 20, marks=pytest.mark.slow),
                        pytest.param("hard", 20, marks=pytest.mark.slow)]
)  # fmt: skip
def test_curves_it_is_worth_more_than_full_runs(kind: str, seeds: int) -> None:
    """The same number of epochs; the median regret of the configuration that was found."""
    full, *halved = (
        np.median([regret(kind, method, seed, 1620) for seed in range(seeds)])
        for method in (tt.Full(max=81), tt.ASHA(max=81), tt.ASHA(max=81, type="promotion"))
    )
    assert max(halved) <= 0.6 * full, (full, halved)


@pytest.mark.parametrize("method", [tt.ASHA(max=9), tt.Median(max=9), tt.Full(max=9)])
def test_who_reports_nothing_is_told_that_nothing_can_be_stopped(method: Any) -> None:
    said: list[str] = []
    with heard_by(lambda kind, text: said.append(text)):
        study(method).optimize(lambda t: t["x"], trials=6)
        study(method).optimize(plain_loop, trials=6)
    hints = [text for text in said if "can stop nothing early" in text]
    assert len(hints) == (method.name != "full")
    assert not hints or hints[0].startswith(f"s: {method.name} can stop nothing early: no trial has reported")


def plain_loop(trial: Any) -> None:
    for step in trial.steps():
        trial.report(loss=trial["x"] + 1 / step)


@pytest.mark.parametrize("method", [tt.ASHA(max=9), tt.ASHA(max=9, type="promotion"), tt.Halving(max=9)])
def test_a_loop_that_never_listens_works_if_slowly(method: Any, caplog: pytest.LogCaptureFixture) -> None:
    def deaf(trial: Any) -> None:
        for step in range(1, 10):
            trial.report(loss=trial["x"] + 1 / step, step=step)

    with heard_by(lambda *_: None):
        s = study(method).optimize(deaf, trials=9)
    assert s.counts["failed"] == 0, s.failures()
    assert s.best.step == 9
    assert s.best.config["x"] == min(t.config["x"] for t in s.trials)
    assert "runs on; its further reports are dropped" in caplog.text
    assert verify(s._log.storage).ok
