"""CARBS: what the front is, what it proposes, and that it scales up by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.protocol import Ask, Proposal
from trimtab.search.carbs import CARBS
from trimtab.search.carbs._models import Models, front, grouped, models, normal_ranks, results
from trimtab.search.gp._state import State
from trimtab.space import Choice, Float, Int, Space

SCALING = Space({"lr": Float(1e-6, 1, log=True, default=1e-2), "c": Float(1, 1000, log=True, default=2.0)})
MIXED = Space({"x": Float(0, 1), "n": Int(1, 9), "k": Choice(["a", "b", "c"])})


def loss(config: dict[str, Any]) -> float:
    off = math.log10(config["lr"]) - (-3 + 0.25 * math.log10(config["c"]))
    return 1.7 + 3 * config["c"] ** -0.35 + 0.4 * off**2


def scaled(trials: int, seed: int, method: CARBS = CARBS()) -> tuple[History, list[Proposal]]:  # noqa: B008
    rng, history = np.random.default_rng(seed), History.empty(SCALING, ["loss", "cost"], seed=seed)
    made = []
    for number in range(trials):
        (proposal,) = method.propose(history, Ask(number=number, move=number, seed=seed))
        config = dict(proposal.config or {})
        made.append(proposal)
        end = [loss(config) + 0.01 * rng.normal(), config["c"]]
        history.extend([started(number, config, proposal.note)])
        history.extend([ended(history, number, end)])
    return history, made


def believed(history: History) -> Models:
    state: State = history.fold(("gp", "state"), State, State.step)
    return models(history, state, "", "cost", 500)


def test_the_front_is_strictly_better_at_each_higher_cost() -> None:
    cost = np.arange(10.0)
    result = np.array([5.0, 3.0, 4.0, 3.0, 2.5, 2.6, 1.0, 0.5, 0.5, 9.0])
    assert front(result, cost).tolist() == [1, 4, 6, 7]  # 0 and 1 are the cheapest fifth


def test_repeats_count_once_with_their_mean() -> None:
    X = np.array([[0.1, 0.2], [0.5, 0.5], [0.1, 0.2]])
    first, runs, result, cost = grouped(X, np.array([1.0, 5.0, 3.0]), np.array([0.0, 1.0, 2.0]))
    assert sorted(zip(first.tolist(), runs.tolist(), result.tolist(), cost.tolist(), strict=True)) == [
        (0, 2, 2.0, 1.0),
        (1, 1, 5.0, 1.0),
    ]


def test_ranks_become_quantiles_and_ties_share_theirs() -> None:
    z = normal_ranks(np.array([3.0, 1.0, 3.0, 9.0]))
    assert z[0] == z[2]
    assert z[1] < z[0] < z[3]
    assert abs(normal_ranks(np.arange(101.0)).mean()) < 1e-12


def test_cost_is_the_objective_of_that_name_else_the_logged_seconds() -> None:
    history = History.empty(SCALING, ["loss", "cost"])
    history.extend([started(0, {"lr": 0.1, "c": 2.0})])
    history.extend([ended(history, 0, [1.0, 8.0], cost={"seconds": 3.0})])
    quality, cost = results(history, "cost")
    assert (quality.tolist(), cost.tolist()) == ([1.0], pytest.approx([math.log(8.0)]))
    other = History.empty(SCALING)
    other.extend([started(0, {"lr": 0.1, "c": 2.0})])
    other.extend([ended(other, 0, [1.0], cost={"seconds": 3.0})])
    assert results(other, "cost")[1].tolist() == pytest.approx([math.log(3.0)])


def test_begins_at_the_defaults_and_runs_the_best_again() -> None:
    history, made = scaled(21, 0)
    first = np.array([[math.log10(p.config["lr"]), math.log10(p.config["c"])] for p in made[:4] if p.config])
    assert (np.abs(first - [-2.0, math.log10(2.0)]) < 2.0).all()
    assert "around the defaults" in made[0].why["text"]
    for number in (5, 10, 15, 20):
        assert "once more" in made[number].why["text"]
        assert made[number].config in [history.config(t) for t in range(number)]
    others = [i for i in range(4, 21) if i % 5]
    assert len({str(made[i].config) for i in others}) == len(others)


def test_never_expects_to_cost_more_than_the_limit() -> None:
    history, _ = scaled(40, 1, CARBS(limit=50.0))
    assert np.quantile(history.Y[:, 1], 0.9) < 60
    assert history.Y[:, 1].max() > 20


def test_takes_choices_failures_and_a_study_without_costs() -> None:
    rng, history = np.random.default_rng(0), History.empty(MIXED)
    method = CARBS()
    for number in range(25):
        (proposal,) = method.propose(history, Ask(number=number, move=number))
        config = dict(proposal.config or {})
        history.extend([started(number, config, proposal.note)])
        end = ended(history, number, [(config["x"] - 0.3) ** 2 + (config["k"] != "b") + 0.01 * rng.random()])
        if config["n"] > 7:
            end.body |= {"state": "failed", "values": {}}
        history.extend([end])
    best = min(range(25), key=lambda t: np.nan_to_num(history.Y[t, 0], nan=9.0))
    assert history.config(best)["k"] == "b"
    assert abs(history.config(best)["x"] - 0.3) < 0.15


def test_a_batch_is_distinct_and_its_first_is_what_one_would_be() -> None:
    history, _ = scaled(21, 2)
    one = CARBS().propose(history, Ask(number=21, move=21))
    many = CARBS().propose(history, Ask(number=21, move=21, n=4))
    assert many[0].config == one[0].config
    assert len({str(p.config) for p in many}) == 4


@pytest.mark.parametrize("settings", [{"startup": 1}, {"radius": 0.0}, {"repeat": 1}, {"limit": -1.0}, {"most": 3}])
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        CARBS(**settings)


@pytest.mark.slow
def test_scales_up_and_finds_how_the_rate_goes_with_the_cost() -> None:
    """A loss with a power law of cost and a best rate that rises with it, noise 0.01, from cost 2 up to 1000."""
    excess, slopes, highest = [], [], []
    for seed in range(8):
        history, _ = scaled(60, seed)
        large = [c for c in SCALING.decode(believed(history).front_X) if c["c"] > 10]
        excess.append(np.median([loss(c) - (1.7 + 3 * c["c"] ** -0.35) for c in large]))
        slopes.append(np.polyfit([math.log10(c["c"]) for c in large], [math.log10(c["lr"]) for c in large], 1)[0])
        highest.append(history.Y[:, 1].max())
    assert min(highest) >= 600
    assert max(excess) <= 0.03
    assert min(slopes) >= 0.10
    assert max(slopes) <= 0.35
