"""TPE: what it proposes, that it is a function of the log, and that it finds things."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from benchmarks.fixtures import (
    BRANIN_CAT,
    BRANIN_CON,
    CONDITIONAL,
    MIXED_SPHERE,
    ZDT1,
    Task,
    drive,
    ended,
    regret,
    started,
)
from trimtab.history import History
from trimtab.log import Event
from trimtab.parts.pareto import hypervolume
from trimtab.protocol import Ask, Searcher
from trimtab.search import searcher
from trimtab.search.random import RandomSearch
from trimtab.search.tpe import TPE, _state
from trimtab.space import Choice, Float, Int, Space

SPACE = Space({"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b", "c"])})
SEEDS = range(20)


def filled(n: int, space: Space = SPACE, seed: int = 0) -> History:
    history = History.empty(space)
    rng = np.random.default_rng(seed)
    for number in range(n):
        config = space.sample_config(rng)
        history.extend([started(number, config), ended(history, number, rng.random())])
    return history


def configs(history: History, ask: Ask) -> list[dict]:
    proposals = TPE().propose(history, ask)
    assert isinstance(proposals, list)
    return [p.config for p in proposals]


@cache
def median_regret(method: Searcher, task: Task) -> float:
    return float(np.median([regret(method, task, seed=s) for s in SEEDS]))


def test_starts_at_random_and_says_so() -> None:
    history = filled(9)
    (proposal,) = TPE().propose(history, Ask(number=9))
    assert proposal.config == RandomSearch().propose(history, Ask(number=9))[0].config
    assert proposal.why["text"] == "one of the first 10 draws at random"
    (model,) = TPE(startup=9).propose(history, Ask(number=9))
    assert model.why["text"].startswith("best of 24 candidates near the best 2 of 9 trials")
    assert isinstance(model.why["score"], float)


def test_several_objectives_start_evenly_and_prefer_who_adds_most() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = History.empty(space, ["a", "b"])
    first = configs(history, Ask(number=0, n=10))
    for name in "xy":
        assert sorted(int(10 * c[name]) for c in first) == list(range(10))
    front = [(0.0, 1.0), (0.5, 0.5), (0.49, 0.51), (1.0, 0.0)]
    for number in range(40):
        values = front[number] if number < 4 else (2.0 + number, 2.0 + number)
        history.extend([started(number, {"x": number / 40, "y": 0.5}), ended(history, number, values)])
    TPE().propose(history, Ask(number=40))
    state = history.fold(("tpe", TPE()), lambda: pytest.fail("cold"), _state.State.step)
    weights = state.groups[0].weights()
    assert sorted(state.groups[0].good_ones) == [0, 1, 2, 3]
    assert weights is not None
    assert weights[0] == pytest.approx(weights[1:].mean())
    assert weights[1:].max() == 1.0
    assert weights[2:4].max() < weights[[1, 4]].min()


@pytest.mark.parametrize("odd", [math.inf, -math.inf, 1e308, -1e308])
def test_odd_values_of_several_objectives_are_no_trouble(odd: float) -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history, rng = History.empty(space, ["a", "b", "c"]), np.random.default_rng(0)
    for number in range(40):
        values = [odd if number % 5 == 0 else -odd if number % 7 == 0 else rng.random(), *rng.random(2)]
        (config,) = configs(history, Ask(number=number))
        space.check(config)
        history.extend([started(number, config), ended(history, number, values)])


def test_proposals_are_inside() -> None:
    for config in configs(filled(60), Ask(number=60, n=50)):
        SPACE.check(config)


@pytest.mark.parametrize("task", [BRANIN_CAT, CONDITIONAL, BRANIN_CON, ZDT1], ids=lambda t: t.name)
def test_cold_equals_warm(task: Task) -> None:
    tpe = TPE(startup=5)
    m = len(np.atleast_1d(task.cost(task.space.sample_config(np.random.default_rng(0)))))
    history = History.empty(task.space, [f"y{i}" for i in range(m)], task.constraints)
    rng = np.random.default_rng(0)
    waiting: list[int] = []
    for number in range(60):
        ask = Ask(number=number, n=1 + number % 3, seed=1)
        told = tpe.propose(history, ask)
        if number % 7 == 0:
            history.forget()
            assert told == tpe.propose(history, ask)
        config = told[0].config
        history.extend([started(number, config)])
        waiting.append(number)
        while len(waiting) > 3:  # ends come in another order than starts
            t = waiting.pop(int(rng.integers(len(waiting))))
            c = history.config(t)
            state = ["finished", "failed", "stopped", "paused"][int(rng.choice(4, p=[0.7, 0.1, 0.1, 0.1]))]
            limits = task.limits(c) if task.limits else ()
            history.extend([ended(history, t, task.cost(c), limits, state=state, step=int(rng.integers(1, 9)))])


def test_one_pending_trial_changes_the_proposal() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    for seed in range(10):
        history = filled(20, space, seed)
        (first,) = configs(history, Ask(number=20))
        history.extend([started(20, first)])
        (second,) = configs(history, Ask(number=20))  # the same draws, but `first` now counts as bad
        assert max(abs(first[k] - second[k]) for k in first) > 1e-6


def test_a_batch_spreads_and_leaves_no_trace() -> None:
    history = filled(30, Space({"x": Float(0, 1), "y": Float(0, 1)}))
    before = configs(history, Ask(number=30))
    batch = configs(history, Ask(number=30, n=12))
    assert batch[:1] == before
    assert len({(c["x"], c["y"]) for c in batch}) == 12
    assert configs(history, Ask(number=30, n=12)) == batch


def test_scaling_the_objective_changes_nothing() -> None:
    plain, scaled = History.empty(SPACE), History.empty(SPACE)
    rng = np.random.default_rng(0)
    for number in range(40):
        config, y = SPACE.sample_config(rng), float(rng.random())
        plain.extend([started(number, config), ended(plain, number, y)])
        scaled.extend([started(number, config), ended(scaled, number, 1024.0 * y)])
    assert configs(plain, Ask(number=40)) == configs(scaled, Ask(number=40))


@pytest.mark.parametrize("odd", [math.inf, -math.inf, 1e308, -1e308, math.nan])
def test_odd_values_and_failures_are_no_trouble(odd: float) -> None:
    history = filled(20)
    for number in range(20, 50):
        (config,) = configs(history, Ask(number=number))
        state = "failed" if number % 3 == 0 else "finished"
        history.extend([started(number, config), ended(history, number, odd, state=state)])
        SPACE.check(config)


def test_all_equal_values_mean_random_draws() -> None:
    history = History.empty(Space({"x": Float(0, 1)}))
    for number in range(20):
        history.extend([started(number, {"x": 0.5}), ended(history, number, 1.0)])
    drawn = [c["x"] for c in configs(history, Ask(number=20, n=200))]
    assert np.mean(np.abs(np.array(drawn) - 0.5) < 0.1) < 0.5


def test_failures_are_avoided() -> None:
    space = Space({"x": Float(0, 1)})
    history, rng = History.empty(space), np.random.default_rng(0)
    for number in range(60):
        x = float(rng.random())
        end = ended(history, number, rng.random(), state="failed" if x > 0.5 else "finished")
        history.extend([started(number, {"x": x}), end])
    drawn = [c["x"] for c in configs(history, Ask(number=60, n=20))]
    assert np.mean(np.array(drawn) > 0.55) <= 0.1


def test_ranks_finished_then_far_then_infeasible_then_failed() -> None:
    space = Space({"x": Float(0, 1)})
    history = History.empty(space, ["y"], ["c <= 0"])
    ends = [
        ({"state": "failed"}, 9.0, 0.0),
        ({"state": "finished"}, 1.0, 2.0),
        ({"state": "finished"}, 0.5, 3.0),
        ({"state": "paused", "step": 3}, 0.1, 0.0),
        ({"state": "stopped", "step": 9}, 0.7, 0.0),
        ({"state": "stopped", "step": 9}, 0.6, 0.0),
        ({"state": "finished"}, 5.0, -1.0),
        ({"state": "finished"}, 4.0, 0.0),
    ]
    for number, (body, y, c) in enumerate(ends):
        history.extend([started(number, {"x": 0.1 * number}), ended(history, number, y, [c], **body)])
    state = history.fold(("tpe", TPE(startup=1)), lambda: TPE(startup=1)._fresh(history), _state.State.step)
    state.sync(history)
    assert [entry[3] for entry in state.groups[0].order] == [7, 6, 5, 4, 3, 1, 2, 0]


def test_a_paused_trial_that_goes_on_is_ranked_anew() -> None:
    history = filled(12)
    config = SPACE.sample_config(np.random.default_rng(5))
    history.extend([started(12, config), ended(history, 12, 0.9, state="paused", step=1)])
    configs(history, Ask(number=13))
    again = Event("started", {"cause": "promote", "attempt": 2}, 12, 2)
    history.extend([again, Event("ended", {"state": "finished", "values": {"loss": -5.0}, "step": 9}, 12, 2)])
    warm = configs(history, Ask(number=13))
    history.forget()
    assert configs(history, Ask(number=13)) == warm


def test_rules_are_kept() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)}, require=["x + y < 0.4"])
    history = filled(25, space)
    assert all(c["x"] + c["y"] < 0.4 for c in configs(history, Ask(number=25, n=40)))


def test_conditional_parameters_are_modelled_where_they_are() -> None:
    history = drive(TPE(), CONDITIONAL, 80, seed=3)
    state = history.fold(("tpe", TPE()), lambda: pytest.fail("cold"), _state.State.step)
    names = [[CONDITIONAL.space.columns[j].name for j in group.columns] for group in state.groups]
    assert names[0] == ["model"]
    assert sorted(map(sorted, names[1:])) == [["act", "layers", "rate"], ["depth", "leaf"], ["svm_c", "svm_gamma"]]
    for number in range(80):
        CONDITIONAL.space.check(history.config(number))


def test_many_bad_trials_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state, "CAP", 32)
    history = filled(300)
    warm = History.empty(SPACE)
    for number in range(300):
        warm.extend([started(number, history.config(number)), ended(warm, number, history.Y[number])])
        TPE(startup=5).propose(warm, Ask(number=number + 1)) if number % 3 == 0 else None
    tpe = TPE(startup=5)
    assert tpe.propose(warm, Ask(number=300)) == tpe.propose(history, Ask(number=300))
    state = warm.fold(("tpe", tpe), lambda: pytest.fail("cold"), _state.State.step)
    assert 8 <= len(state.groups[0].bad) <= 64


def test_a_trial_taken_back_is_forgotten() -> None:
    history = filled(20)
    without = History.empty(SPACE)
    without.extend([e for e in history.events() if e.kind != "defined" and e.trial != 19])
    history.extend([Event("amended", {"valid": False, "reason": "wrong data"}, 19)])
    assert configs(history, Ask(number=20)) == configs(without, Ask(number=20))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: TPE(share=0.0), "share must be above 0 and at most 1"),
        (lambda: TPE(startup=0), "startup must be at least 1"),
        (lambda: TPE(kernels="both"), '"joint" or "independent"'),
        (lambda: searcher("tpe", n_startup=5), "Did you mean 'startup'"),
    ],
)
def test_settings_are_checked(make: Callable[[], object], match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        make()


# ── does it find things? ─────────────────────────────────────────────────────────────────────────────────────────────


def test_mixed_space_far_better_than_random() -> None:
    assert median_regret(TPE(), BRANIN_CAT) <= 0.25 * median_regret(RandomSearch(), BRANIN_CAT)


def test_joint_kernels_beat_independent_ones() -> None:
    independent = median_regret(TPE(kernels="independent"), BRANIN_CAT)
    assert median_regret(TPE(), BRANIN_CAT) < independent
    assert independent < median_regret(RandomSearch(), BRANIN_CAT)


@pytest.mark.slow
def test_integers_and_categories_far_better_than_random() -> None:
    assert median_regret(TPE(), MIXED_SPHERE) <= 0.25 * median_regret(RandomSearch(), MIXED_SPHERE)


def test_constraints_are_learned() -> None:
    tpe = [drive(TPE(), BRANIN_CON, seed=s) for s in SEEDS]
    best = [float(np.min(h.Y[(h.C <= 0).all(axis=1), 0], initial=np.inf)) - BRANIN_CON.least for h in tpe]
    share = np.mean([np.mean((h.C <= 0).all(axis=1)) for h in tpe])
    assert np.median(best) <= 0.30 * median_regret(RandomSearch(), BRANIN_CON)
    assert share >= 0.85


def test_nothing_feasible_yet_still_learns() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = History.empty(space, ["loss"], ["c <= 0"])
    broken = []
    for number in range(40):
        (config,) = configs(history, Ask(number=number))
        broken.append(1.0 + config["x"] + config["y"])
        history.extend([started(number, config), ended(history, number, 0.0, [broken[-1]])])
    assert np.mean(broken[-10:]) < np.mean(broken[:10])


@pytest.mark.slow
def test_two_objectives_better_than_random() -> None:
    def gap(method: Searcher, seed: int) -> float:
        return ZDT1.least - hypervolume(drive(method, ZDT1, 120, seed).Y, np.array([1.1, 11.0]))

    tpe, random = (np.median([gap(method, s) for s in range(6)]) for method in (TPE(), RandomSearch()))
    assert tpe <= 0.6 * random
