"""The hierarchical bandit: one parameter at a time, repeats where they are allowed, and the best values in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log, sqrt
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.parts.pareto import hypervolume
from trimtab.protocol import Ask, Searcher
from trimtab.search import searcher
from trimtab.search.hier_ucb import Arms, HierUCB, rewards
from trimtab.search.random import RandomSearch
from trimtab.space import Bool, Choice, Float, Int, Space

Config = Mapping[str, Any]
WEIGHTS = {"a": 0.5, "b": 0.3, "c": 0.2}
TOY = Space({"a": Int(0, 4), "b": Int(0, 3), "c": Int(0, 5)})
RAG = Space(
    {
        "k": Int(1, 8, default=3),
        "temperature": Float(0, 2, default=0.7),
        "reranker": Choice(["none", "small", "large"]),
        "keep": Int(1, 4, when="reranker != 'none'"),
    }
)


def table(seed: int) -> Callable[[Config], float]:
    """Reward 0 to 1: for each value of each parameter a part of its weight."""
    rng, parts = np.random.default_rng(seed), {}
    for (name, weight), k in zip(WEIGHTS.items(), (5, 4, 6), strict=True):
        v = rng.random(k)
        parts[name] = weight * (v - v.min()) / (v.max() - v.min())
    return lambda config: float(sum(parts[name][int(config[name])] for name in WEIGHTS))


def empty(space: Space, duplicates: str = "allow", constraints: tuple[str, ...] = ()) -> History:
    history = History.empty(space, constraints=constraints)
    return history.extend([Event("defined", {**history.definitions[-1], "duplicates": duplicates})])


def pull(
    history: History, reward: Callable[[Config], float], n: int, method: Searcher | None = None, seed: int = 0
) -> list[Config]:
    """n pulls, one after the other, of what is minimised: -reward with a noise of 0.1."""
    made = []
    rng = np.random.default_rng(seed + len(history))
    for number in range(len(history), len(history) + n):
        (p,) = (method or HierUCB()).propose(history, Ask(number=number, seed=seed))  # type: ignore[misc]
        assert p.config is not None
        end = ended(history, number, -reward(p.config) + 0.1 * rng.normal())
        history.extend([started(number, p.config, p.note), end])
        made.append(p.config)
    return made


@pytest.mark.parametrize(("alpha", "seeds"), [(0.5, 20), pytest.param(1.0, 20, marks=pytest.mark.slow)])
def test_additive_rewards_with_noise(alpha: float, seeds: int) -> None:
    """Section 35: after 150 pulls at least .9 of the optimum is recommended; the last 30 pulls earn .8 and more."""
    told, late = [], []
    for seed in range(seeds):
        reward, history, method = table(seed + 1000), empty(TOY), HierUCB(alpha)
        made = pull(history, reward, 150, method, seed)
        told.append(reward(method.recommend(history)))
        late.append(np.mean([reward(c) for c in made[-30:]]))
    assert np.median(told) >= 0.9
    assert np.median(late) >= 0.8


def test_each_trial_changes_one_parameter_of_the_best_values_so_far() -> None:
    history, method = empty(RAG), HierUCB()
    for number in range(60):
        best = method.recommend(history)
        (p,) = method.propose(history, Ask(number=number))
        config = dict(p.config or {})
        if not number:
            assert config == best == {"k": 3, "temperature": 0.7, "reranker": "small", "keep": 3}
            assert not p.note
        else:
            changed = p.note["hier-ucb"]["changes"]
            kept = set(config) & set(best) - {changed}
            assert {n: config[n] for n in kept} == {n: best[n] for n in kept}
            assert changed in best  # never one that is inactive
            assert f"changes {changed};" in p.why["text"]
        end = ended(history, number, -float(config["k"] == 5))
        history.extend([started(number, config, p.note), end])
    assert method.recommend(history)["k"] == 5


def test_upper_bounds_by_hand() -> None:
    codes, reward = np.array([0, 0, 1, 1, 1, 2, -1]), np.array([0.2, 0.4, 0.5, 0.9, 0.7, np.nan, 1.0])
    weight = 0.9 ** np.arange(6, -1, -1.0)
    arms, w = Arms.of(4, codes, weight, reward), weight[:5]
    n = np.array([w[:2].sum(), w[2:].sum()])
    mean = np.array([w[:2] @ reward[:2], w[2:] @ reward[2:5]]) / n
    within = w[:2] @ (reward[:2] - mean[0]) ** 2 + w[2:] @ (reward[2:5] - mean[1]) ** 2
    deviation = sqrt(within / (n.sum() - 2))
    np.testing.assert_allclose(arms.mean[:2], mean)
    want = mean + 0.5 * 2 * deviation * np.sqrt(2 * log(n.sum() + 1) / n)  # one more runs
    np.testing.assert_allclose(arms.bounds(0.5)[:2], want)
    assert np.isnan(arms.mean[2:]).all()
    assert arms.bounds(0.5)[3] == np.inf  # never pulled
    assert np.isfinite(arms.bounds(0.5)[2])  # running


def test_what_a_result_is_worth() -> None:
    history = empty(Space({"x": Float(0, 1)}), constraints=("mem <= 1",))
    for number, (y, state, mem) in enumerate(
        [(1.0, "finished", 0), (3.0, "finished", 0), (2.0, "finished", 0), (1.0, "stopped", 0), (2.5, "stopped", 0),
         (0.0, "failed", 0), (0.0, "finished", 1)]
    ):  # fmt: skip
        end = ended(history, number, y, (float(mem),), state=state, step=1)
        history.extend([started(number, {"x": 0.1 * number}), end])
    np.testing.assert_allclose(rewards(history, slice(0, 7)), [1, 0, 0.5, 0.5, 0.25, 0, 0])


def test_one_wild_result_leaves_the_others_apart() -> None:
    history = empty(Space({"x": Float(0, 1)}))
    for number, y in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, 1e308, -1e308]):
        history.extend([started(number, {"x": 0.1 * number}), ended(history, number, y)])
    r = rewards(history, slice(0, 7))
    assert r[5] == 0.0
    assert r[6] == 1.0
    assert (-np.diff(r[:5]) > 0.04).all()


def test_it_follows_a_drift() -> None:
    history, method = empty(TOY), HierUCB()
    before, after = table(1), table(2)
    pull(history, before, 150, method)
    assert before(method.recommend(history)) >= 0.9
    assert after(method.recommend(history)) < 0.8
    pull(history, after, 250, method)
    assert after(method.recommend(history)) >= 0.9
    never = HierUCB(discount=1.0).recommend(history)
    assert after(never) <= after(method.recommend(history))


def test_repeats_are_made_only_where_the_study_allows_them() -> None:
    reward = table(3)
    often = pull(empty(TOY), reward, 100)
    assert max(sum(c == d for d in often) for c in often) > 10
    once = pull(empty(TOY, "avoid"), reward, 100)
    assert len({tuple(c.values()) for c in once}) == 100
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = empty(space, "avoid")
    inside = pull(history, lambda c: -((c["x"] - 0.3) ** 2) - (c["y"] - 0.3) ** 2, 120)
    assert len({tuple(c.values()) for c in inside}) == 120
    middle = {(i + 0.5) / 8 for i in range(8)}
    assert any(min(abs(c["x"] - m) for m in middle) > 1e-3 for c in inside)  # moved within a cell


@pytest.mark.parametrize("duplicates", ["allow", "avoid"])
def test_batches_spread_over_values(duplicates: str) -> None:
    history = empty(RAG, duplicates)
    configs = [dict(p.config or {}) for p in HierUCB().propose(history, Ask(number=0, n=8))]
    assert len({tuple(c.items()) for c in configs}) == 8
    history.extend([started(i, c) for i, c in enumerate(configs)])  # all of them run; none of them is drawn again
    more = [dict(p.config or {}) for p in HierUCB().propose(history, Ask(number=8, n=8))]
    assert len({tuple(c.items()) for c in [*configs, *more]}) >= 14


def test_trials_of_others_count_for_their_values() -> None:
    history, rng, reward = empty(TOY), np.random.default_rng(0), table(5)
    for number in range(100):
        config = TOY.sample_config(rng)
        history.extend([started(number, config), ended(history, number, -reward(config) + 0.1 * rng.normal())])
    assert reward(HierUCB().recommend(history)) >= 0.9
    assert np.mean([reward(c) for c in pull(history, reward, 30)]) > 0.7


def test_rules_are_kept() -> None:
    space = Space({"a": Int(0, 4), "b": Int(0, 4), "on": Bool()}, forbid=["a + b > 4"])
    for c in pull(empty(space), lambda c: c["a"] + c["b"] + c["on"], 60):
        assert space.inside(c)
    history = empty(space)
    pull(history, lambda c: c["a"] + c["b"] + c["on"], 60)
    assert space.inside(HierUCB().recommend(history))
    late = pull(history, lambda c: c["a"] + c["b"] + c["on"], 20)
    assert np.mean([c["a"] + c["b"] for c in late]) >= 3


def test_fixed_values_are_not_changed() -> None:
    history = empty(TOY)
    pull(history, table(0), 30)
    for number in range(30, 50):
        (p,) = HierUCB().propose(history, Ask(number=number, fixed={"a": 1}))
        assert (p.config or {})["a"] == 1
        assert p.note["hier-ucb"]["changes"] != "a"


def test_in_a_study_that_is_opened_again(tmp_path: Any) -> None:
    reward = table(7)

    def objective(trial: tt.Trial) -> float:
        return reward(trial.config) + 0.1 * float(np.random.default_rng(trial.seed).normal())

    def study(name: str) -> tt.Study:
        return tt.Study(
            name, TOY, maximize="reward", searcher=tt.HierUCB(), storage=tmp_path / "s.db", seed=0, duplicates="allow"
        )

    whole, parts = study("whole"), study("parts")
    whole.optimize(objective, trials=40, display="off")
    for until in (1, 17, 40):
        study("parts").optimize(objective, trials=until, display="off")
    assert [dict(t.config) for t in whole.trials] == [dict(t.config) for t in parts.trials]
    assert any(t.config == u.config for t in whole.trials for u in whole.trials if t.number < u.number)


def test_several_objectives_are_refused() -> None:
    with pytest.raises(tt.Unsupported, match="hier-ucb"):
        tt.Study("two", TOY, minimize=["loss", "cost"], searcher="hier-ucb")


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"alpha": -1.0}, "alpha must be at least 0"), ({"discount": 0.0}, "discount"), ({"cells": 1}, "at least 2")],
)
def test_settings_are_checked(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        searcher("hier-ucb", **settings)


@pytest.mark.slow
def test_many_switches_for_accuracy_and_size() -> None:
    """Section 35: ParEGO on 20 switches beats random draws in hypervolume, for 18 of 20 seeds."""
    space = Space({f"s{i}": Bool() for i in range(20)})

    def volume(method: Searcher, seed: int) -> float:
        history, w = History.empty(space, ["loss", "active"]), np.random.default_rng(seed).random(20)
        w /= w.sum()
        for number in range(60):
            (p,) = method.propose(history, Ask(number=number, move=number, seed=seed))  # type: ignore[misc]
            on = np.array(list((p.config or {}).values()), float)
            end = ended(history, number, [-(w @ on - 0.02 * on.sum()), on.sum()])
            history.extend([started(number, p.config or {}, p.note), end])
        return hypervolume(history.Y, np.array([0.4, 21.0]))

    method = searcher("gp", several="parego")
    assert sum(volume(method, s) >= volume(RandomSearch(), s) for s in range(20)) >= 18
