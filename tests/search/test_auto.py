"""auto: what it picks follows from the study, and the reason it gives is true of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import trimtab as tt
from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.run.simulated import Simulated
from trimtab.search import searcher
from trimtab.search.auto import WIDE, Auto
from trimtab.space import Choice, Float, Int, Space

SPACE = Space({"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b"]), "y": Float(0, 1)})
BRANCHES = Space({"x": Float(0, 1), "c": Choice(["a", "b"]), "y": Float(0, 1, when="c == 'a'")})


def filled(n: int, space: Space = SPACE, **more: object) -> History:
    history, rng = History.empty(space), np.random.default_rng(0)
    for number in range(n):
        history.extend([started(number, space.sample_config(rng)), ended(history, number, rng.random(), **more)])
    return history


def chosen(history: History, auto: Auto | None = None) -> tuple[str, str]:
    method, why = (auto or Auto()).choice(history)
    return method.name, why


def test_few_trials_get_a_model_of_the_whole_space() -> None:
    name, why = chosen(filled(1))
    assert name == "gp"
    assert why.endswith("1 trial is few")
    assert chosen(filled(60)) == ("gp", "a model of the whole space finds most with few trials, and 60 trials are few")


def test_many_trials_do_not() -> None:
    assert chosen(filled(30), Auto(few=30)) == ("tpe", "the study has come to 30 trials, and gp is for the first 30")
    assert chosen(filled(29), Auto(few=30))[0] == "gp"
    assert chosen(filled(250))[0] == "tpe"


def timed(took: float, seconds: float, n: int = 40) -> History:
    """A history of n trials that took so long, asked of the model, which took so long."""
    history, rng = History.empty(SPACE), np.random.default_rng(0)
    for number in range(n):
        asked = started(number, SPACE.sample_config(rng))
        body = {**asked.body, "took": took, "why": {"method": "gp"}, "ask": {"number": number}}
        history.extend([replace(asked, body=body), ended(history, number, rng.random(), cost={"seconds": seconds})])
    return history


def test_beyond_the_first_trials_a_model_may_cost_a_twentieth_of_them() -> None:
    name, why = chosen(timed(0.1, 60.0), Auto(few=30))
    assert (name, why) == ("gp", "a proposal by gp takes about 0.13 s and a trial 60 s")
    assert chosen(timed(0.1, 1.0), Auto(few=30))[0] == "tpe"
    assert chosen(timed(0.1, 1.0), Auto(few=30, share=0.2))[0] == "gp"
    assert chosen(timed(0.1, 1.0), Auto(few=50))[0] == "gp", "few trials are its own whatever they take"
    with pytest.raises(ValueError, match="share must be at least 0"):
        Auto(share=-1)


def test_in_virtual_time_nothing_depends_on_the_clock() -> None:
    def model(run: object) -> Iterator[tuple[float, dict[str, float]]]:
        yield 1e9, {"loss": 0.5}

    study = tt.Study("s", SPACE, minimize="loss", searcher=Auto(few=8), seed=0)
    study.optimize(None, trials=12, runner=Simulated(model))
    lines = [study.explain(t)["lines"][0] for t in (7, 8, 11)]
    assert ["auto → gp" in line for line in lines] == [True, False, False]
    assert "auto → tpe" in lines[-1]


def test_where_there_are_branches_two_methods_take_turns() -> None:
    why = "gp and tpe take turns, since the space has branches"
    assert chosen(filled(9, BRANCHES))[0] == "gp"
    assert chosen(filled(11, BRANCHES)) == ("gp", why)
    assert chosen(filled(12, BRANCHES)) == ("tpe", why)
    batches = [Auto().choice(filled(n, BRANCHES), at_once=8)[0].name for n in (16, 24, 32, 40)]
    assert batches == ["tpe", "gp", "tpe", "gp"], "whole batches take turns, too"


def test_wide_spaces_and_trials_cut_short_do_not() -> None:
    wide = Space({f"x{i}": Float(0, 1) for i in range(WIDE + 1)})
    assert chosen(History.empty(wide)) == ("tpe", f"{WIDE + 1} columns are too many for a Gaussian process")
    cut = filled(12, state="stopped", step=3)
    assert chosen(cut) == ("tpe", "trials are cut short, and it ranks them by how far they came")


def test_spaces_that_grow_by_running_do_not() -> None:
    history = History.empty(SPACE)
    from trimtab.log import Event

    history.extend([Event("defined", {**history.definitions[-1], "open": True})])
    assert chosen(history) == ("tpe", "the space becomes known only as trials run")


@pytest.mark.parametrize(("few", "name"), [(250, "gp"), (20, "tpe")])
def test_proposals_are_those_of_the_method_and_say_so(few: int, name: str) -> None:
    history = filled(20)
    mine = Auto(few=few).propose(history, Ask(number=20, n=2))
    theirs = searcher(name).propose(history, Ask(number=20, n=2))
    assert [(p.config, p.note) for p in mine] == [(p.config, p.note) for p in theirs]  # type: ignore[union-attr]
    assert {p.why["method"] for p in mine} == {name}  # type: ignore[union-attr]


def test_the_choice_is_the_same_for_every_reader_of_the_log() -> None:
    auto, history = Auto(few=14), History.empty(SPACE)
    for number in range(20):
        told = list(auto.propose(history, Ask(number=number)))  # type: ignore[arg-type]
        history.forget()
        assert repr(told) == repr(auto.propose(history, Ask(number=number)))
        assert told[0].why["method"] == ("gp" if number < 14 else "tpe")
        history.extend([started(number, told[0].config or {}, told[0].note), ended(history, number, number % 7)])


def test_the_summary_and_explain_say_what_was_chosen() -> None:
    study = tt.Study("s", {"x": "0.0..1.0", "y": "0.0..1.0"}, minimize="loss", seed=0)
    study.optimize(lambda trial: (trial["x"] - 0.3) ** 2 + trial["y"], trials=12, display=False)
    from trimtab.study._summary import summary

    assert (
        "searcher   auto → gp: a model of the whole space finds most with few trials, and 12 trials are few"
        in summary(study)
    )
    line = study.explain(11)["lines"][0]
    assert line.startswith("proposed by auto → gp, expecting ")
    assert " — the largest expected improvement on loss " in line


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="few must be at least 0"):
        Auto(few=-1)
    assert Auto(few=0).choice(History.empty(SPACE))[0].name == "tpe"
