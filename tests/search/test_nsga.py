"""NSGA-II and NSGA-III: who is better, whose children are proposed, and that a front is found."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from benchmarks.fixtures import BRANIN_CON, CONDITIONAL, MIXED_SPHERE, ZDT1, Task, drive, ended, regret, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.parts.pareto import hypervolume
from trimtab.protocol import Ask, Searcher
from trimtab.search import searcher
from trimtab.search.nsga import NSGA2, NSGA3
from trimtab.search.nsga._population import Population, hashes
from trimtab.search.nsga._sorting import crowded, directions, niches, ranks, scaled, sought
from trimtab.search.random import RandomSearch
from trimtab.space import Choice, Float, Int, Space

BOTH = pytest.mark.parametrize("method", [NSGA2(startup=5), NSGA3(startup=5)], ids=lambda m: m.name)
PLANE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def population(m: int, k: int = 0, most: int = 4) -> Population:
    return Population.of(m, k, lambda n: most, crowded)


def filled(values: list[list[float] | None], space: Space = PLANE, **more: object) -> History:
    """Trials drawn at random that ended with these values; None: still running."""
    m = next(len(v) for v in values if v is not None)
    history = History.empty(space, [f"y{i}" for i in range(m)], **more)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for number, value in enumerate(values):
        history.extend([started(number, space.sample_config(rng))])
        if value is not None:
            history.extend([ended(history, number, value)])
    return history


def members(history: History, most: int = 4) -> list[int]:
    made = population(len(history.objectives), len(history.constraints), most)
    return sorted(history.fold(("test", most), lambda: made, Population.step).numbers)


# ── who is better ────────────────────────────────────────────────────────────────────────────────────────────────


def brute(tier: np.ndarray, within: np.ndarray, Y: np.ndarray) -> list[int]:
    """Fronts by the definition: 1 + the worst rank of those that are better."""

    def better(i: int, j: int) -> bool:
        here, there = (tier[i], within[i]), (tier[j], within[j])
        return here < there or (here == there and bool((Y[i] <= Y[j]).all() and (Y[i] < Y[j]).any()))

    n = len(Y)
    above = [[i for i in range(n) if better(i, j)] for j in range(n)]
    found: dict[int, int] = {}
    while len(found) < n:
        for j in range(n):
            if j not in found and all(i in found for i in above[j]):
                found[j] = 1 + max((found[i] for i in above[j]), default=-1)
    return [found[j] for j in range(n)]


@pytest.mark.parametrize("m", [1, 2, 3])
def test_fronts_are_those_of_the_definition(m: int) -> None:
    rng = np.random.default_rng(m)
    Y = rng.integers(0, 12, size=(150, m)) / 4.0  # with copies
    tier = rng.integers(0, 3, 150).astype(float)
    within = np.where(tier > 0, rng.integers(0, 4, 150), 0).astype(float)
    assert ranks(tier, within, Y).tolist() == brute(tier, within, Y)
    assert ranks(np.zeros(150), np.zeros(150), Y).tolist() == brute(np.zeros(150), np.zeros(150), Y)


def test_feasible_comes_before_infeasible_and_little_broken_before_much() -> None:
    history = History.empty(PLANE, ["a", "b"], ["c <= 0"])
    ends = [((0.0, 0.0), 5.0), ((9.0, 9.0), -1.0), ((0.0, 0.0), 1.0), ((8.0, 9.5), 0.0), ((9.0, 9.0), 2.0)]
    for number, (values, limit) in enumerate(ends):
        history.extend([started(number, {"x": 0.1 * number, "y": 0.5}), ended(history, number, values, [limit])])
    made = history.fold("test", lambda: population(2, 1, 9), Population.step)
    assert made.rank.tolist() == [3, 0, 1, 0, 2]
    assert members(history, 2) == [1, 3]
    assert members(history, 3) == [1, 2, 3]


def test_the_most_crowded_of_the_last_front_goes_and_of_copies_the_younger() -> None:
    line = [[0.0, 1.0], [0.1, 0.9], [0.15, 0.85], [0.6, 0.4], [1.0, 0.0]]
    assert members(filled(line)) == [0, 2, 3, 4]
    assert members(filled([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])) == [0, 1, 2, 3]
    assert members(filled([[3.0], [1.0], [1.0], [2.0], [1.0], [4.0], [0.0]])) == [1, 2, 4, 6]


def test_who_was_cut_comes_after_who_finished_and_failures_never_come_in() -> None:
    history = History.empty(PLANE, ["a"])
    states = [("finished", 9.0, 9), ("stopped", 0.0, 1), ("paused", 5.0, 3), ("failed", 0.0, 0), ("finished", 7.0, 9)]
    for number, (state, value, step) in enumerate(states):
        event = ended(history, number, value, state=state, step=step)
        history.extend([started(number, {"x": 0.5, "y": 0.5}), event])
    assert members(history, 2) == [0, 4]
    assert members(history, 3) == [0, 2, 4]
    assert members(history, 9) == [0, 1, 2, 4]
    went_on = {"state": "finished", "values": {"a": 6.0}, "step": 9}
    history.extend([Event("started", {"cause": "promoted", "attempt": 2}, 2, 2), Event("ended", went_on, 2, 2)])
    assert members(history, 2) == [2, 4]


def test_nothing_but_the_order_of_ends_matters() -> None:
    """Members that leave early never come back, and a newcomer that is worse than the last front changes nothing."""
    rng = np.random.default_rng(3)
    history = filled([[float(a), float(b)] for a, b in rng.random((200, 2))])
    kept = history.fold("test", lambda: population(2, 0, 12), Population.step)
    assert len(kept) == 12
    assert kept.rank.tolist() == ranks(kept.tier, kept.depth, kept.Y).tolist()
    best = np.flatnonzero(ranks(np.zeros(200), np.zeros(200), history.Y) == 0)
    assert set(best.tolist()) <= set(kept.numbers)
    assert len(kept.ended) == 200


# ── directions ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("m", "most", "count"), [(1, 50, 1), (2, 50, 50), (3, 50, 45), (3, 91, 91), (4, 50, 35)])
def test_directions_are_even(m: int, most: int, count: int) -> None:
    ways = directions(m, most)
    assert len(ways) == count
    np.testing.assert_allclose(ways.sum(axis=1), 1.0)
    assert len(np.unique(ways.round(9), axis=0)) == count
    assert (ways >= 0).all()


def test_many_objectives_get_directions_inside() -> None:
    ways = directions(8, 50)
    assert comb(9, 2) == 36  # two parts an axis: every direction has at least six zeros
    assert (ways > 0).all(axis=1).any()
    np.testing.assert_allclose(ways.sum(axis=1), 1.0)


def test_scaling_takes_any_units() -> None:
    t = np.linspace(0, np.pi / 2, 20)
    Y = np.stack([1e6 + 1e3 * np.cos(t), 1e-3 * np.sin(t)], axis=1)
    points = scaled(Y, np.ones(20, bool))
    assert points.min() == 0.0
    np.testing.assert_allclose(points.max(axis=0), 1.0)
    near, apart = niches(points, directions(2, 20))
    assert len(set(near.tolist())) >= 14
    assert (apart >= 0).all()


@pytest.mark.parametrize("Y", [np.zeros((5, 3)), np.array([[np.inf, 1.0], [0.0, -np.inf]]), np.array([[1.0, 2.0]])])
def test_odd_fronts_are_scaled_too(Y: np.ndarray) -> None:
    assert np.isfinite(scaled(Y, np.ones(len(Y), bool))).all()
    assert np.isfinite(sought(np.zeros(len(Y), np.int64), Y, 20)).all()


# ── proposals ────────────────────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_starts_with_a_latin_hypercube_and_says_so(method: Searcher) -> None:
    history = filled([[1.0, 2.0]])
    first = method.propose(history, Ask(number=0, n=5))
    assert "Latin hypercube" in first[0].why["text"]
    for name in "xy":
        assert sorted(int(5 * p.config[name]) for p in first) == [0, 1, 2, 3, 4]


@BOTH
def test_children_of_the_best_and_says_whose(method: Searcher) -> None:
    history = filled([[float(i), float(i)] for i in range(30)])
    proposals = method.propose(history, Ask(number=30, n=40))
    assert len({PLANE.key(p.config) for p in proposals}) == 40
    for proposal in proposals:
        words = proposal.why["text"].split()
        assert words[:2] == ["child", "of"]
        assert all(int(word.strip(",")) < 8 for word in words[3:6] if word.strip(",").isdigit())
        PLANE.check(proposal.config)
    assert "of the best 8 of 30 trials" in proposals[0].why["text"]


@BOTH
def test_a_trial_that_runs_is_not_proposed_again(method: Searcher) -> None:
    space = Space({"k": Int(1, 4), "c": Choice(["a", "b", "c"])})
    every = list(space.grid(99))
    history = History.empty(space, ["y0"])
    for number, config in enumerate(every[:-1]):
        history.extend([started(number, config)])
        if number < 9:
            history.extend([ended(history, number, float(number))])
    (proposal,) = method.propose(history, Ask(number=11))
    assert proposal.config == every[-1] or proposal.why["text"].startswith("a random draw")


@BOTH
@pytest.mark.parametrize("task", [CONDITIONAL, BRANIN_CON, ZDT1, MIXED_SPHERE], ids=lambda t: t.name)
def test_cold_equals_warm(method: Searcher, task: Task) -> None:
    """Ends come in another order than starts, some are failures, and a study opened anew proposes the same."""
    m = len(np.atleast_1d(task.cost(task.space.sample_config(np.random.default_rng(0)))))
    history = History.empty(task.space, [f"y{i}" for i in range(m)], task.constraints)
    rng = np.random.default_rng(0)
    waiting: list[int] = []
    for number in range(50):
        ask = Ask(number=number, n=1 + number % 3, seed=1)
        told = method.propose(history, ask)
        if number % 7 == 0:
            history.forget()
            assert told == method.propose(history, ask)
        history.extend([started(number, told[0].config)])
        waiting.append(number)
        while len(waiting) > 3:
            t = waiting.pop(int(rng.integers(len(waiting))))
            state = ["finished", "failed", "stopped", "paused"][int(rng.choice(4, p=[0.7, 0.1, 0.1, 0.1]))]
            limits = task.limits(history.config(t)) if task.limits else ()
            step = int(rng.integers(1, 9))
            history.extend([ended(history, t, task.cost(history.config(t)), limits, state=state, step=step)])
    for proposal in told:
        task.space.check(proposal.config)


@BOTH
def test_rules_hold(method: Searcher) -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)}, require=["x + y <= 0.4"])
    history = History.empty(space, ["a", "b"])
    for number in range(40):
        (proposal,) = method.propose(history, Ask(number=number))
        space.check(proposal.config)
        x, y = proposal.config["x"], proposal.config["y"]
        history.extend([started(number, proposal.config), ended(history, number, [1 - x, 1 - y])])


@pytest.mark.parametrize("odd", [np.inf, -np.inf, 1e308, np.nan])
@BOTH
def test_odd_values_are_no_trouble(method: Searcher, odd: float) -> None:
    rng = np.random.default_rng(0)
    history = filled([[odd, float(a)] if i % 3 else [float(a), 0.5] for i, a in enumerate(rng.random(40))])
    for proposal in method.propose(history, Ask(number=40, n=5)):
        PLANE.check(proposal.config)


def test_equal_configurations_have_equal_hashes() -> None:
    X = np.array([[0.0, np.nan, 1.0], [-0.0, np.nan, 1.0], [0.0, 0.5, 1.0]])
    a, b, c = hashes(X)
    assert a == b != c


def test_memory_is_that_of_the_population() -> None:
    history = filled([[float(v)] for v in np.random.default_rng(0).random(600)])
    made = history.fold("test", lambda: population(1, 0, 50), Population.step)
    assert len(made) == len(made.Y) == len(made.tier) == len(made.rank) == 50
    assert made.rank.max() < 50
    assert sorted(made.numbers) == sorted(np.argsort(history.Y[:, 0], kind="stable")[:50].tolist())


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"population": 3}, "population"),
        ({"startup": 0}, "startup"),
        ({"mutation": 1.5}, "mutation"),
        ({"near": -1.0}, "near"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], word: str) -> None:
    for name in ("nsga2", "nsga3"):
        with pytest.raises(ValueError, match=word):
            searcher(name, **settings)


# ── what it finds ────────────────────────────────────────────────────────────────────────────────────────────────


def gaps(method: Searcher, n: int, seeds: range) -> list[float]:
    """Hypervolume missing on ZDT1 after n trials."""
    histories = [drive(method, ZDT1, n, seed=s) for s in seeds]
    return [ZDT1.least - hypervolume(h.Y, np.array([1.1, 11.0])) for h in histories]


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_finds_more_of_a_front_than_chance(name: str) -> None:
    assert np.median(gaps(searcher(name), 120, range(3))) < 0.7 * np.median(gaps(RandomSearch(), 120, range(3)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_acceptance_front(name: str) -> None:
    """Fixture F5, 20 seeds: at most 60 % of random's gap after 200 trials, and .25 after 500."""
    chance = float(np.median(gaps(RandomSearch(), 200, range(20))))
    assert np.median(gaps(searcher(name), 200, range(20))) <= 0.6 * chance
    assert np.median(gaps(searcher(name), 500, range(20))) <= 0.25


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_one_objective_is_a_plain_genetic_algorithm(name: str) -> None:
    found = [regret(searcher(name), MIXED_SPHERE, 150, seed=s) for s in range(3)]
    chance = [regret(RandomSearch(), MIXED_SPHERE, 150, seed=s) for s in range(3)]
    assert np.median(found) < 0.5 * np.median(chance)


def test_a_constraint_keeps_what_is_recommended_feasible() -> None:
    history = drive(searcher("nsga2"), BRANIN_CON, 80, seed=0)
    held = (history.C <= 0).all(axis=1)
    early, late = held[:16].mean(), held[-30:].mean()
    assert late >= max(early, 0.8)
