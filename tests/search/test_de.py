"""Differential evolution: slots, genes and their notes, and that it finds things."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trimtab as tt
from benchmarks.fixtures import BRANIN_CON, CONDITIONAL, HARTMANN6, MIXED_SPHERE, drive, ended, regret, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask
from trimtab.search.de import DE
from trimtab.search.random import RandomSearch
from trimtab.space import Choice, Float, Int, Space

SEEDS = range(20)
LINE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def medians(task: Any, trials: int, *methods: Any, seeds: range = SEEDS) -> list[float]:
    return [float(np.median([regret(m, task, trials, seed) for seed in seeds])) for m in methods]


def slots_of(history: History) -> dict[int, int]:
    return {t: history.trial(t).note["de"]["slot"] for t in range(len(history))}


def test_slots_in_turn_and_parents_on_record() -> None:
    history = drive(DE(population=5), HARTMANN6, 17)
    assert slots_of(history) == {t: t % 5 for t in range(17)}
    (proposal,) = DE(population=5).propose(history, Ask(number=17, move=17))
    parents = {role: trial for role, (trial, _) in proposal.parents.items()}
    assert sorted(parents) == ["p1", "p2", "p3", "p4"]
    held = min((t for t in range(17) if t % 5 == 2), key=lambda t: history.Y[t, 0])
    assert parents["p1"] == held  # the target is the best of its slot
    assert len({parents["p1"], parents["p3"], parents["p4"]}) == 3


def test_ties_replace() -> None:
    """On a plateau the population moves on: the newest of equals holds the slot."""
    history = History.empty(LINE)
    for number in range(24):
        (proposal,) = DE(population=4).propose(history, Ask(number=number, move=number))
        assert proposal.config is not None
        history.extend([started(number, proposal.config, proposal.note), ended(history, number, 0.0)])
    (proposal,) = DE(population=4).propose(history, Ask(number=24, move=24))
    assert proposal.parents["p1"][0] == 20
    assert all(trial >= 20 for trial, _ in proposal.parents.values())


def test_a_worse_child_does_not_replace() -> None:
    history = History.empty(LINE)
    rng = np.random.default_rng(0)
    for number in range(12):
        history.extend([started(number, LINE.sample_config(rng)), ended(history, number, float(number))])
    (proposal,) = DE(population=4).propose(history, Ask(number=12, move=12))
    assert {trial for trial, _ in proposal.parents.values()} <= {0, 1, 2, 3}


def test_no_two_alike_with_eight_pending() -> None:
    space = Space({"x": Float(0, 1), "k": Int(1, 50), "kind": Choice(["a", "b", "c"])})
    history = History.empty(space)
    rng, waiting, seen = np.random.default_rng(0), list[int](), set[str]()
    for number in range(200):
        (proposal,) = DE(population=10).propose(history, Ask(number=number, move=number))
        assert proposal.config is not None
        seen.add(space.key(proposal.config))
        history.extend([started(number, proposal.config, proposal.note)])
        waiting.append(number)
        if len(waiting) > 8:
            history.extend([ended(history, waiting.pop(int(rng.integers(9))), rng.random())])
    assert len(seen) == 200


def test_a_batch_has_no_twins() -> None:
    space = Space({"k": Int(1, 4), "kind": Choice(["a", "b", "c"])})
    history = History.empty(space)
    rng = np.random.default_rng(0)
    for number, k in enumerate(rng.permutation(12)[:6]):
        config = {"k": int(k) % 4 + 1, "kind": "abc"[int(k) // 4]}
        history.extend([started(number, config), ended(history, number, rng.random())])
    proposals = DE(population=4).propose(history, Ask(number=6, move=6, n=3))
    assert len({space.key(p.config) for p in proposals if p.config is not None}) == 3


def test_rounded_genes_are_inherited_unrounded() -> None:
    """The child's note says where it lay; what it hands down is that, and not the place of the rounded value."""
    space = Space({"k": Int(1, 3), "kind": Choice(["a", "b"]), "x": Float(0, 1)})
    history = History.empty(space)
    for number in range(40):
        (proposal,) = DE(population=6).propose(history, Ask(number=number, move=number))
        assert proposal.config is not None
        value = proposal.config["k"] + (proposal.config["kind"] == "b") + abs(proposal.config["x"] - 0.3)
        history.extend([started(number, proposal.config, proposal.note), ended(history, number, value)])
        genes = proposal.note["de"].get("genes")
        if genes is not None:
            k, kind = (np.array(genes) / 1e6).tolist()
            assert proposal.config["k"] == min(int(3 * k), 2) + 1
            assert proposal.config["kind"] == "ab"[min(int(2 * kind), 1)]
    told = [history.trial(t).note["de"]["genes"][0] for t in range(40) if "genes" in history.trial(t).note["de"]]
    assert len(set(told)) > 10  # three values, many places


def test_a_note_that_no_longer_fits_is_not_believed() -> None:
    """Somebody fixed a value, or a repeat was drawn anew: the configuration counts, not the note."""
    history = drive(DE(population=5), MIXED_SPHERE, 30)
    log = [*history.events()]
    told = next(e for e in reversed(log) if e.kind == "started" and "genes" in e.body["note"]["de"])
    lying = {**told.body, "config": {**told.body["config"], "z0": 5 if told.body["config"]["z0"] < 5 else -5}}
    other = History.empty(MIXED_SPHERE.space, ["y0"])
    other.extend(
        [Event(e.kind, lying if e is told else e.body, e.trial, e.attempt) for e in log if e.kind != "defined"]
    )
    for seed in range(10):
        (proposal,) = DE(population=5).propose(other, Ask(number=30, move=30, seed=seed))
        assert proposal.config is not None
        assert MIXED_SPHERE.space.inside(proposal.config)


def test_trials_of_others_compete() -> None:
    """Enqueued configurations have no note; the population is made of them all the same."""
    history = History.empty(LINE)
    for number in range(8):
        history.extend([started(number, {"x": 0.1 * number, "y": 0.5}), ended(history, number, float(number))])
    (proposal,) = DE(population=4).propose(history, Ask(number=8, move=8))
    assert proposal.parents["p1"][0] == 0


def test_an_empty_slot_is_drawn_at_random() -> None:
    history = History.empty(LINE)
    rng = np.random.default_rng(0)
    for number in range(10):
        history.extend([started(number, LINE.sample_config(rng))])
        if number % 5 != 0:
            history.extend([ended(history, number, rng.random())])
    (proposal,) = DE(population=5).propose(history, Ask(number=10, move=10))
    assert not proposal.parents
    assert "empty" in str(proposal.why["text"])
    assert proposal.note["de"] == {"slot": 0}


def test_beyond_the_range_is_drawn_anew_or_clipped() -> None:
    """Two members at the ends: half of the mutants of one coordinate leave the range."""
    history = History.empty(Space({"x": Float(0, 1)}))
    for number, x in enumerate([0.0, 0.01, 0.99, 1.0]):
        history.extend([started(number, {"x": x}), ended(history, number, x)])
    found: dict[str, list[float]] = {}
    for outside in ("draw", "clip"):
        method = DE(population=4, factor=1.0, crossover=1.0, base="random", outside=outside)  # type: ignore[arg-type]
        asks = [Ask(number=4, move=4, seed=seed) for seed in range(200)]
        found[outside] = [method.propose(history, ask)[0].config["x"] for ask in asks]  # type: ignore[index]
    assert np.mean([0.05 < x < 0.95 for x in found["draw"]]) > 0.2
    assert np.mean([0.05 < x < 0.95 for x in found["clip"]]) < 0.1


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"population": 3}, "population must be at least 4"),
        ({"factor": 0.0}, "factor must be above 0"),
        ({"crossover": 1.5}, "crossover must be between 0 and 1"),
        ({"base": "worst"}, "base is one of 'top'"),
        ({"outside": "wrap"}, "outside is one of 'draw', 'clip'"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        DE(**settings)


def test_several_objectives_are_refused() -> None:
    with pytest.raises(tt.Unsupported, match="de"):
        tt.Study("two", LINE, minimize=["a", "b"], searcher="de")


@pytest.mark.parametrize("base", ["top", "best", "random", "current-to-best"])
def test_every_base_makes_steps(base: Any) -> None:
    history = drive(DE(population=6, base=base), CONDITIONAL, 40)
    assert float(np.nanmin(history.Y)) < 0.3
    assert any(history.trial(t).note["de"].get("rates") for t in range(40))


def test_constraints_come_first() -> None:
    assert regret(DE(population=10), BRANIN_CON, 120) < 2.0


@pytest.mark.slow
def test_hartmann() -> None:
    """Section 10 of the specification: at most 0.6, and at most 60 % of random search's."""
    mine, random = medians(HARTMANN6, 300, DE(), RandomSearch())
    assert mine <= 0.6
    assert mine <= 0.6 * random


@pytest.mark.slow
def test_mixed_parameters_and_branches() -> None:
    for task, share in ((MIXED_SPHERE, 0.5), (CONDITIONAL, 0.5)):
        mine, random = medians(task, 150, DE(), RandomSearch(), seeds=range(8))
        assert mine <= share * random, task.name
