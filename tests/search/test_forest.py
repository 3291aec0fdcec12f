"""The forest searcher: what it proposes, and that it finds things."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from benchmarks.fixtures import BRANIN_CAT, BRANIN_CON, ZDT1, Task, drive, ended, regret, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.parts.pareto import hypervolume
from trimtab.parts.useful import useful
from trimtab.protocol import Ask, Proposal, Searcher
from trimtab.search.forest import Forest
from trimtab.search.forest._pool import Seen, marks
from trimtab.search.forest._repeats import Runs
from trimtab.search.forest._table import SHARES, normal_scores
from trimtab.search.random import RandomSearch
from trimtab.space import Choice, Float, Int, Permutation, Simplex, Space, Subset
from trimtab.storage import Memory

PLANE = Space({"x": Float(0, 1), "y": Float(0, 1)})
SPACE = Space({"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b", "c"])})
SMALL = Forest(startup=5, trees=10, candidates=100, random=0.0)


def bowl(config: dict[str, Any]) -> float:
    return sum((v - 0.3) ** 2 for v in config.values() if isinstance(v, float))


def filled(n: int, space: Space = SPACE, seed: int = 0, **more: Any) -> History:
    history, rng = History.empty(space, **more), np.random.default_rng(seed)
    for number in range(n):
        config = space.sample_config(rng)
        history.extend([started(number, config), ended(history, number, bowl(config))])
    return history


def asked(history: History, number: int, n: int = 1, by: Forest = SMALL) -> list[Proposal]:
    return list(by.propose(history, Ask(number=number, n=n, move=number)))


def configs(history: History, number: int, n: int = 1) -> list[dict[str, Any]]:
    return [dict(p.config or {}) for p in asked(history, number, n)]


@cache
def median_regret(method: Searcher, task: Task, seeds: int) -> float:
    return float(np.median([regret(method, task, seed=s) for s in range(seeds)]))


def test_starts_with_an_even_design_and_says_so() -> None:
    first = asked(History.empty(PLANE), 0, 5)
    assert {int(5 * p.config["x"]) for p in first if p.config} == set(range(5))
    assert first[0].why["text"] == "one of the first 5, spread evenly over the space"


def test_one_in_five_is_a_random_draw() -> None:
    """ACCEPTANCE: .2 ± .03 over 1,000 asks."""
    history = History.empty(PLANE)
    for number in range(5):  # all the same: what is not drawn for its turn is drawn for want of a model, which is quick
        history.extend([started(number, {"x": number / 5, "y": 0.5}), ended(history, number, 1.0)])
    settings = Forest(startup=5)
    texts = [str(asked(history, number, by=settings)[0].why["text"]) for number in range(12, 1012)]
    drawn = sum(text.startswith("a random draw: one in 5 is") for text in texts) / 1000
    assert abs(drawn - 0.2) <= 0.03


def test_says_what_it_expects_in_the_users_units() -> None:
    history, rng = History.empty(PLANE, {"accuracy": "max"}), np.random.default_rng(0)
    for number in range(30):
        config = PLANE.sample_config(rng)
        history.extend([started(number, config), ended(history, number, 90 - bowl(config))])
    (proposal,) = asked(history, 30)
    assert 89.5 < proposal.why["mean"] < 90.1
    assert 0 < proposal.why["sd"] < 1
    best = max(90 - bowl(dict(history.config(t))) for t in range(30))
    assert proposal.why["text"] == f"the largest expected improvement on accuracy {best:.4g}"
    json.dumps(dict(proposal.why), allow_nan=False)


def test_a_batch_spreads() -> None:
    history = filled(25, PLANE)
    X = PLANE.encode(configs(history, 25, 6))
    apart = np.abs(X[:, None] - X[None]).max(axis=2)[~np.eye(6, dtype=bool)]
    assert apart.min() > 1e-6
    assert len(np.unique(np.round(X, 2), axis=0)) >= 4


def test_pending_trials_matter_whatever_their_order() -> None:
    first, second = configs(filled(20, PLANE), 20, 2)
    one, other = filled(20, PLANE), filled(20, PLANE)
    one.extend([started(20, first), started(21, second)])
    other.extend([started(20, second), started(21, first)])
    assert configs(one, 22) == configs(other, 22)
    assert configs(one, 22)[0] not in (first, second)


def test_order_alone_matters() -> None:
    """Any rising function of the objective leads to the same proposals."""
    one, other = History.empty(SPACE), History.empty(SPACE)
    rng = np.random.default_rng(1)
    for number in range(20):
        config = SPACE.sample_config(rng)
        one.extend([started(number, config), ended(one, number, bowl(config))])
        other.extend([started(number, config), ended(other, number, np.exp(50 * bowl(config)))])
    assert configs(one, 20, 3) == configs(other, 20, 3)


def test_rules_and_dependent_bounds_are_kept() -> None:
    space = Space({"a": Float(0.1, 1), "b": Float(0, "0.5 * a"), "c": Float(0, 1)}, require=["a + c < 1.2"])
    history = drive(SMALL, Task("ruled", space, lambda c: (c["a"] - 0.6) ** 2 + (c["b"] - 0.29) ** 2, 0.0, 30))
    for t in range(30):
        assert space.check(history.config(t)) == history.config(t)
    assert float(history.Y.min()) < 0.01


def test_orders_subsets_shares_and_many_labels() -> None:
    space = Space(
        {
            "of": Subset(["p", "q", "r"], min=1),
            "order": Permutation(list("uvwx")),
            "shares": Simplex(["s", "t", "u"]),
            "many": Choice([f"l{i}" for i in range(60)]),
        }
    )
    cost = lambda c: abs(int(c["many"][1:]) - 20) / 10 + len(c["of"]) + list(c["order"]).index("u") + c["shares"]["s"]  # noqa: E731
    history = drive(SMALL, Task("structured", space, cost, 1.0, 60))
    drawn = drive(RandomSearch(), Task("structured", space, cost, 1.0, 60))
    assert float(history.Y.min()) < float(drawn.Y.min())


def test_conditional_values_are_proposed_where_they_are_active() -> None:
    space = Space({"k": Choice(["a", "b"]), "x": Float(0, 1, when="k == 'a'"), "y": Float(0, 1, when="k == 'b'")})
    cost = lambda c: (c["x"] - 0.3) ** 2 if c["k"] == "a" else 0.5 + c["y"]  # noqa: E731
    history = drive(SMALL, Task("branches", space, cost, 0.0, 30))
    assert float(history.Y.min()) < 1e-2
    assert sum(history.config(t)["k"] == "a" for t in range(15, 30)) >= 10


def test_failures_are_avoided() -> None:
    history, rng = History.empty(PLANE), np.random.default_rng(0)
    for number in range(40):
        config = PLANE.sample_config(rng)
        history.extend([started(number, config)])
        if config["x"] < 0.5:
            history.extend([Event("ended", {"state": "failed", "error": {"kind": "E", "text": ""}}, number, 1)])
        else:
            history.extend([ended(history, number, bowl(config))])
    assert sum(c["x"] >= 0.45 for c in configs(history, 40, 8)) >= 7


def test_a_flat_objective_is_drawn_at_random_and_said_so() -> None:
    history, rng = History.empty(PLANE), np.random.default_rng(0)
    for number in range(12):
        config = PLANE.sample_config(rng)
        history.extend([started(number, config), ended(history, number, 1.0)])
    assert asked(history, 12)[0].why["text"] == "a random draw: all values are the same so far"


def test_trials_cut_short_count_at_their_level() -> None:
    """Values fall with the level: trials stopped early look bad, and their place must not be given up for that."""
    history, rng = History.empty(PLANE), np.random.default_rng(0)
    for number in range(60):
        config = PLANE.sample_config(rng)
        cut = config["x"] < 0.5
        told = bowl(config) + (1.0 if cut else 0.3 + config["x"])
        state = {"state": "stopped", "step": 1} if cut else {"state": "finished", "step": 81}
        history.extend([started(number, config), ended(history, number, told, **state)])
    assert np.mean([c["x"] < 0.6 for c in configs(history, 60, 10)]) >= 0.5


def test_constraints_that_nobody_measured() -> None:
    history = filled(12, PLANE, constraints=["c <= 0"])
    assert all(PLANE.inside(c) for c in configs(history, 12, 2))


def test_nothing_feasible_yet_lowers_the_violation() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    task = Task("far", space, bowl, 0.0, 40, ("c <= 0",), lambda c: (c["x"] + c["y"] - 0.1,))
    history = drive(SMALL, task)
    assert history.C[25:].mean() < 0.5 * history.C[:5].mean()


def test_what_has_been_tried_is_not_proposed_again() -> None:
    X = np.array([[0.1, np.nan, 2.0], [0.1, 0.0, 2.0], [0.1000001, np.nan, 2.0]])
    assert len(set(marks(X).tolist())) == 2
    seen = Seen(X[:1])
    assert seen.new(X).tolist() == [False, True, False]


def test_normal_scores() -> None:
    found = normal_scores(np.array([3.0, np.nan, 1.0, 1.0]))
    assert found[2] == found[3] < found[0] < found[1]
    assert found[0] == pytest.approx(0.3186, abs=1e-3)  # the 62.5 % quantile


def test_a_full_table_takes_the_best_the_newest_and_some_of_the_rest() -> None:
    y = np.r_[np.arange(500.0), np.nan]
    kept = useful(y, 100, SHARES)
    assert len(kept) == 100
    assert set(range(40)) <= set(kept.tolist())
    assert set(range(471, 501)) <= set(kept.tolist())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"startup": 1}, "startup must be at least 2"),
        ({"trees": 1}, "trees must be at least 2"),
        ({"share": 0.0}, "share must be above 0"),
        ({"random": 1.5}, "random must be from 0 to 1"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Forest(**settings)


# ── noisy objectives ─────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_of_a_configuration_are_found_and_averaged() -> None:
    X = np.array([[0.1], [0.2], [0.1], [0.3], [0.1]])
    runs = Runs.among(X, np.array([1.0, 5.0, 3.0, 4.0, np.nan]))
    assert runs.first.tolist() == [0, 1, 3]
    assert runs.means.tolist() == [2.0, 5.0, 2.0, 4.0, 2.0]
    assert runs.next(5, 1) is None  # one repeat at a time


@pytest.mark.parametrize(
    ("X", "y", "due"),
    [
        ([0, 1, 2], [3.0, 1.0, 2.0], (1, 1)),  # the best of the first runs runs again
        ([0, 1, 2, 1], [3.0, 1.0, 2.0, 9.0], (1, 2)),  # no rival was better in its first run: it earns another
        ([0, 1, 2, 1, 3], [3.0, 1.0, 2.0, 9.0, 0.5], (4, 1)),  # a rival was
        ([0, 1, 2, 1, 3, 3], [3.0, 1.0, 2.0, 9.0, 0.5, 0.6], (4, 2)),  # and is the incumbent now
        ([0, 1, 2, 1, 1, 1], [3.0, 1.0, 2.0, 1.0, 1.0, 1.0], None),  # half of all trials are new ones
        ([0, 1], [3.0, np.inf], (0, 1)),  # what failed is no rival
        ([0, 1, 2, 3, 0, 0], [1.0, 9.0, 9.0, 9.0, 1.0, 1.0], None),  # three runs are enough
    ],
)
def test_who_runs_once_more(X: list[int], y: list[float], due: tuple[int, int] | None) -> None:
    assert Runs.among(np.array(X, float)[:, None], np.array(y)).next(3, 2) == due


def test_good_configurations_are_run_again_with_seeds_that_all_share() -> None:
    noise = np.random.default_rng(0)
    forest = Forest(startup=5, trees=10, candidates=64, repeats=3)
    study = tt.Study("noisy", {"x": Float(0, 1)}, searcher=forest, duplicates="allow", seed=0, storage=Memory())
    study.optimize(lambda trial: (trial["x"] - 0.3) ** 2 + 0.1 * noise.standard_normal(), trials=40)
    runs: dict[float, list[int]] = {}
    for trial in study.trials:
        runs.setdefault(trial.config["x"], []).append(trial.seed)
    most = max(runs.values(), key=len)
    assert len(most) == len(set(most)) == 3
    assert all(seeds == most[: len(seeds)] for seeds in runs.values())
    assert len(runs) >= 20


# ── it finds things ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_mixed_space_far_better_than_random() -> None:
    """ACCEPTANCE, F1: at most 30 % of random's median regret, 20 seeds."""
    assert median_regret(Forest(), BRANIN_CAT, 20) <= 0.3 * median_regret(RandomSearch(), BRANIN_CAT, 20)


@pytest.mark.slow
def test_constraints_are_learned() -> None:
    """F8: at most 30 % of random's median regret among feasible trials."""
    assert median_regret(Forest(), BRANIN_CON, 10) <= 0.3 * median_regret(RandomSearch(), BRANIN_CON, 10)


@pytest.mark.slow
def test_two_objectives() -> None:
    """F5: the gap to the ideal hypervolume is at most half of random's after 60 trials."""

    def gap(method: Searcher, seed: int) -> float:
        return ZDT1.least - hypervolume(drive(method, ZDT1, 60, seed).Y, np.array([1.1, 11.0]))

    mine, drawn = (np.median([gap(m, s) for s in range(5)]) for m in (Forest(), RandomSearch()))
    assert mine <= 0.5 * drawn
