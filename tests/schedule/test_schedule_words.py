"""The unit of steps is a label and decides nothing; a metric of the reports decides in place of the objectives."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask, Run, Scheduler
from trimtab.run.simulated import Simulated
from trimtab.schedule._registry import REGISTRY
from trimtab.schedule._words import at, count
from trimtab.search.random import RandomSearch
from trimtab.space import Space
from trimtab.study._say import heard_by
from trimtab.study._summary import trial_page
from trimtab.study.verify import rejudged, replayed, verify
from trimtab.testing import SCHEDULER_CHECKS

SPACE = {"x": tt.Float(0, 1)}
RUNGS: tuple[Any, ...] = (
    tt.ASHA(max=9),
    tt.ASHA(max=9, type="promotion"),
    tt.ASHA(max=9, type="promotion", brackets=2),
    tt.Halving(max=9),
)
EVERY: tuple[Any, ...] = (*RUNGS, tt.Median(max=9, min_trials=2))


def label(method: Any) -> str:
    return f"{method.name} {getattr(method, 'type', '')} {getattr(method, 'brackets', '')}".strip()


def by_x(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
    """The loss falls with x; what matters, "val/loss", rises with it."""
    for step in range(int(run.source_step) + 1, 10):
        yield 1.0, {"loss": 1 - run.config["x"] + 1 / step, "val/loss": run.config["x"], "val/acc": -run.config["x"]}


def simulated(method: Any, trials: int = 30, **settings: Any) -> tt.Study:
    told = {"minimize": "loss", "searcher": "random", "seed": 0, "space": SPACE} | settings
    s = tt.Study("s", scheduler=method, **told)
    s.optimize(None, trials=trials, runner=Simulated(by_x, workers=2))
    return s


def decisions(study: tt.Study) -> list[tuple[Any, ...]]:
    """Everything but the words."""
    keys = ("cause", "config", "seed", "until", "budget", "tags", "verdict", "state", "step", "seen")
    return [
        (e.kind, e.trial, e.attempt, *(e.body.get(k) for k in keys))
        for e in study.log()
        if e.kind in ("started", "judged", "ended")
    ]


# ── the unit ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", [*EVERY, tt.Full(max=9)], ids=label)
def test_another_unit_is_another_word_and_no_other_decision(method: Any) -> None:
    plain, named = simulated(method), simulated(replace(method, budget="epochs"))
    assert decisions(plain) == decisions(named)
    whys = [
        " ".join(str(e.body.get("why")) for e in s.log() if e.kind in ("started", "judged")) for s in (plain, named)
    ]
    assert " epoch " not in whys[0]
    assert " step " not in whys[1]
    assert whys[0].replace(" step ", " epoch ") == whys[1]


@pytest.mark.parametrize("method", EVERY, ids=label)
def test_a_log_of_another_unit_is_decided_alike(method: Any) -> None:
    """What is kept between decisions doesn't depend on the label: old definitions, without one, stay what they were."""
    s = simulated(method)
    log, other = list(s.log()), replace(method, budget="epochs")
    assert s._log.ledger.definitions[-1]["scheduler"]["settings"].get("budget") is None
    keys = ("cause", "config", "until", "budget", "tags")
    for made, again in replayed(log, s.searcher, other):
        assert [[e.body.get(k) for k in keys] for e in made] == [
            [e.body.get(k) for k in keys] for e in again[: len(made)]
        ]
    assert all(verdict.go == event.body["verdict"] for event, verdict in rejudged(log, other))
    history, ask = s._log.history, Ask(30, n=2, fresh=0)
    before = len(history._folds)
    acts = [repr(m.next(history, RandomSearch(), ask)) for m in (method, other)]
    kept = len(history._folds)
    assert repr(other.next(history, RandomSearch(), ask)) == acts[1]
    assert len(history._folds) == kept
    assert kept <= before + 2, "both labels share what is kept"


def test_the_page_of_a_trial_speaks_of_epochs(tmp_path: Path) -> None:
    s = simulated(tt.ASHA(max=9, type="promotion", budget="epochs"), storage=tmp_path / "s.db")
    best = s.best.number
    page = trial_page(s, best)
    for words in (
        "up to epoch 1",
        "paused at epoch 1 by asha",
        "at epoch 1, goes on to epoch 3",
        "finished at epoch 9",
    ):
        assert words in page, page
    assert "epoch 1 " in next(line for line in page.splitlines() if line.startswith("  reports"))
    assert " step " not in page
    assert "step 1" in trial_page(simulated(tt.ASHA(max=9, type="promotion")), best)
    again = tt.Study("s", SPACE, minimize="loss", storage=tmp_path / "s.db", scheduler=tt.ASHA(max=9, type="promotion"))
    assert " epoch " not in " ".join(line.partition(" — ")[0] for line in again.explain(best)["lines"]), (
        "a label of today, whatever it was then"
    )


def test_epochs_are_repeated(tmp_path: Path) -> None:
    def objective(trial: Any) -> None:
        for step in trial.steps():
            trial.report(loss=trial["x"] / step)

    said: list[str] = []
    s = tt.Study("s", SPACE, minimize="loss", searcher="random", seed=0, scheduler=tt.Halving(max=9, budget="epochs"),
                 storage=tmp_path / "s.db")  # fmt: skip
    with heard_by(lambda kind, text: said.append(text)):
        s.optimize(objective, trials=9)
    assert [t for t in said if "starts again from epoch 1: no checkpoint was saved (1 epoch will be repeated)" in t]


def test_one_and_many() -> None:
    units = ("epochs", "batches", "passes", "queries", "rounds", "ms", "GB", "boosting rounds", "axis")
    assert [at(u, 3) for u in units] == [
        "epoch 3", "batch 3", "pass 3", "query 3", "round 3", "ms 3", "GB 3", "boosting round 3", "axi 3",
    ]  # fmt: skip
    assert [count("epochs", n) for n in (0, 1, 2, 2.5)] == ["0 epochs", "1 epoch", "2 epochs", "2.5 epochs"]


@pytest.mark.parametrize("make", [tt.ASHA, tt.Halving, tt.Median, tt.Full])
def test_what_is_no_word_is_refused(make: Callable[..., Scheduler]) -> None:
    for wrong in (81, "", "  ", None):
        with pytest.raises(tt.Unsupported, match=r"budget is the unit of steps.*How many a full run has is max"):
            make(max=81, budget=wrong)
    if make is tt.Full:
        return
    for nothing in ("", "-", 3):
        with pytest.raises(tt.Unsupported, match="a metric that trials report"):
            make(max=81, metric=nothing)
    with pytest.raises(tt.Unsupported, match=r"metric=\"step\"\): report\(\) uses that word"):
        make(max=81, metric="step")


# ── the metric ───────────────────────────────────────────────────────────────────────────────────────────────────


def kept(study: tt.Study) -> float:
    """The mean x of who came to the top."""
    top = [t.config["x"] for t in study.trials if (t.step or 0) >= 9]
    assert top
    return float(sum(top) / len(top))


@pytest.mark.parametrize("method", EVERY, ids=label)
def test_who_goes_on_is_decided_by_the_metric(method: Any) -> None:
    assert kept(simulated(method)) > 0.6
    for metric in ("val/loss", "-val/acc"):
        s = simulated(replace(method, metric=metric))
        assert kept(s) < 0.4, metric
        assert verify(s._log.storage).ok
        name = metric.removeprefix("-")
        whys = [str(e.body["why"]) for e in s.log() if e.kind in ("judged", "started") and e.body.get("why")]
        assert any(name in why for why in whys), whys[-3:]
    assert kept(simulated(replace(method, metric="-val/loss"))) > 0.6, "with a minus: larger is better"


@pytest.mark.parametrize("method", EVERY, ids=label)
def test_an_objective_keeps_its_direction(method: Any) -> None:
    two = {"minimize": "loss", "maximize": "val/acc"}
    for metric in ("val/acc", "-val/acc"):
        assert kept(simulated(replace(method, metric=metric), **two)) < 0.4
    assert kept(simulated(replace(method, metric="loss"), **two)) > 0.6
    one = simulated(method)
    assert decisions(one) == decisions(simulated(replace(method, metric="loss")))


def test_a_metric_that_no_method_may_see_is_refused(tmp_path: Path) -> None:
    asha = tt.ASHA(max=9, metric="test/loss")
    with pytest.raises(tt.Unsupported, match=r'asha can.t judge by "test/loss": it is hidden'):
        tt.Study("s", SPACE, minimize="loss", hidden=["test/loss"], scheduler=asha)
    with pytest.raises(tt.Unsupported, match='Say metric="loss"'):
        tt.Study("s", SPACE, minimize="loss", scheduler=tt.Halving(max=9, metric="-loss"))
    s = tt.Study("s", SPACE, minimize="loss", scheduler=asha, storage=tmp_path / "s.db")
    s.close()
    with pytest.raises(tt.Unsupported, match="it is hidden"):
        tt.Study("s", SPACE, minimize="loss", hidden=["test/loss"], storage=tmp_path / "s.db")


@pytest.mark.parametrize("method", EVERY, ids=label)
def test_a_metric_that_nobody_reports_is_said(method: Any) -> None:
    said: list[str] = []
    with heard_by(lambda kind, text: said.append(text)):
        s = simulated(replace(method, metric="val/los"), trials=12)
    (hint,) = [text for text in said if "val/los" in text]
    assert hint == (
        f's: {method.name} judges by "val/los", which no trial has reported, so it can tell no trial from another. '
        "Did you mean 'val/loss'?"
    )
    states = {t.state for t in s.trials}
    if method.name == "halving" or getattr(method, "type", "") == "promotion":
        assert states == {"paused"}
        whys = {e.body["why"] for e in s.log() if e.kind == "judged"}
        told = "reached its rung at" if method.name == "halving" else "came to"
        assert whys <= {f"{told} step {k} without val/los, which decides who goes on" for k in (1, 3)}
    else:
        assert states == {"finished"}, "without a measurement there is no verdict"


@pytest.mark.parametrize("method", RUNGS[1:], ids=label)
def test_the_right_metric_goes_on_with_those_that_waited(method: Any, tmp_path: Path) -> None:
    typo, right = (replace(method, metric=metric) for metric in ("val/los", "val/loss"))
    assert not simulated(typo, storage=tmp_path / "s.db", trials=27).counts["finished"]
    s = simulated(right, storage=tmp_path / "s.db", trials=27)
    assert s.counts["finished"] >= 1
    assert kept(s) < 0.4
    assert verify(tmp_path / "s.db").ok


@pytest.mark.parametrize("method", RUNGS, ids=label)
def test_one_that_does_not_report_it_holds_nobody_up(method: Any) -> None:
    def curve(run: Run) -> Iterator[tuple[float, Mapping[str, float]]]:
        for pace, metrics in by_x(run):
            quiet = run.trial % 4 == 1
            yield pace, {k: v for k, v in metrics.items() if not (quiet and k == "val/loss")}

    s = tt.Study("s", SPACE, minimize="loss", searcher="random", seed=0, scheduler=replace(method, metric="val/loss"))
    s.optimize(None, trials=30, runner=Simulated(curve, workers=2))  # type: ignore[arg-type]
    assert [t for t in s.trials if t.state == "finished" and t.number % 4 != 1]
    assert s.counts["running"] == 0
    assert verify(s._log.storage).ok


def test_two_reports_of_one_step_count_when_the_metric_is_there() -> None:
    """Asked between the two or not: what is started next is the same."""

    def grown(asked: bool) -> Any:
        asha = tt.ASHA(max=9, type="promotion", metric="val/loss")
        history = History.empty(Space(SPACE), ("loss",))
        for trial in range(3):
            body = {"cause": "new", "config": {"x": 0.5}, "seed": 0, "budget": 1, "until": 1}
            history.extend([Event("started", body, trial, 1)])
            for name in ("loss", "val/loss"):
                report = Event("reported", {"step": [1], "metrics": {name: [0.1 * trial]}}, trial, 1)
                history.extend([report])
                if asked and trial == 2 and name == "loss":
                    asha.next(history, RandomSearch(), Ask(3, n=1))
            if trial < 2:
                history.extend([Event("ended", {"state": "paused", "step": 1, "values": {"loss": 0.1}}, trial, 1)])
        return asha.next(history, RandomSearch(), Ask(3, n=1))

    assert [start.proposal.resume for start in grown(False)] == [0]
    assert repr(grown(True)) == repr(grown(False))


@pytest.mark.parametrize("check", sorted(SCHEDULER_CHECKS))
@pytest.mark.parametrize(
    "method",
    [*(replace(m, metric="score") for m in EVERY), replace(EVERY[3], metric="-mem"), EVERY[1]],
    ids=lambda m: f"{label(m)} by {m.metric}",
)
def test_the_laws_hold_by_a_metric(method: Any, check: str) -> None:
    SCHEDULER_CHECKS[check](lambda: replace(method, budget="epochs"))


def test_both_are_settings_like_the_others() -> None:
    table = {"method": "asha", "max": 81, "budget": "epochs", "metric": "val/loss"}
    asha = REGISTRY.make(table)
    assert asha == tt.ASHA(max=81, budget="epochs", metric="val/loss")
    assert REGISTRY.from_json(REGISTRY.to_json(asha)) == asha
    assert REGISTRY.to_json(tt.ASHA(max=81))["settings"] == {"max": 81}
