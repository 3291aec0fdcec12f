"""The conformal quantile searcher: boosted quantiles, what is promised of them, and that it finds things."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.fixtures import BRANIN_CAT, Task, drive, ended, regret, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.parts.boosting import Questions, boosted
from trimtab.protocol import Ask, Proposal, Searcher
from trimtab.search.cqr import CQR
from trimtab.search.cqr._quantiles import fit
from trimtab.search.forest._table import Results
from trimtab.search.random import RandomSearch
from trimtab.space import Choice, Float, Int, Space

Floats = NDArray[np.float64]
PLANE = Space({"x": Float(0, 1), "y": Float(0, 1)})
SMALL = CQR(rounds=20, candidates=200)
ONE = np.zeros(1, np.int64)


def bowl(config: dict[str, Any]) -> float:
    return sum((v - 0.3) ** 2 for v in config.values() if isinstance(v, float))


def filled(n: int, space: Space = PLANE, seed: int = 0) -> History:
    history, rng = History.empty(space), np.random.default_rng(seed)
    for number in range(n):
        config = space.sample_config(rng)
        history.extend([started(number, config), ended(history, number, bowl(config))])
    return history


def asked(history: History, number: int, n: int = 1, **more: Any) -> list[Proposal]:
    return list(SMALL.propose(history, Ask(number=number, n=n, move=number, **more)))


@cache
def median_regret(method: Searcher, task: Task, seeds: int) -> float:
    return float(np.median([regret(method, task, seed=s) for s in range(seeds)]))


# ── quantiles ────────────────────────────────────────────────────────────────────────────────────────────────────


def skewed(n: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    x = rng.random((n, 1))
    return x, x[:, 0] + (0.1 + x[:, 0]) * rng.exponential(size=n)


def test_coverage_of_a_skewed_and_uneven_spread() -> None:
    """ACCEPTANCE: a band for two thirds of the values holds .6 to .75 of new ones, 20 seeds, n = 400."""
    shares = []
    for seed in range(20):
        F, y = skewed(400, seed)
        told = fit(F, y, ONE, np.random.default_rng(seed), 5, 50)
        fresh, truth = skewed(2000, 1000 + seed)
        bands = told.predict(fresh)
        assert (np.diff(bands, axis=0) >= 0).all()
        shares.append(float(((bands[0] <= truth) & (truth <= bands[-1])).mean()))
    assert 0.6 <= np.mean(shares) <= 0.75


@pytest.mark.parametrize("n", [5, 20, 33, 60, 150])
def test_quantiles_rise_in_every_row(n: int) -> None:
    F, y = skewed(n, 3)
    bands = fit(F, y, ONE, np.random.default_rng(0), 7, 10).predict(np.linspace(0, 1, 50)[:, None])
    assert bands.shape == (7, 50)
    assert (np.diff(bands, axis=0) >= 0).all()


def test_a_pair_is_moved_apart_by_as_much_as_it_was_wrong() -> None:
    """Values are noise alone: trees believe in the rows they see, and what was held out says how wrong that is."""
    rng = np.random.default_rng(0)
    F, y = rng.random((80, 3)), rng.standard_normal(80)
    told = fit(F, y, np.zeros(3, np.int64), rng, 3, 50)
    assert told.moved[0] == -told.moved[2] < 0
    assert told.moved[1] == 0.0


def test_without_a_tree_a_model_is_the_quantile_of_all() -> None:
    y = np.arange(11.0)
    model = boosted(np.zeros((11, 1)), y, ONE, np.array([0.1, 0.5, 0.9]), np.ones((3, 11), bool), rounds=2)
    np.testing.assert_allclose(model.predict(np.zeros((1, 1)))[:, 0], [1.0, 5.0, 9.0])


def test_the_first_tree_splits_where_least_squares_would() -> None:
    """Against every split by hand: the slope of the pinball loss, fitted by two means."""
    rng = np.random.default_rng(2)
    F, y = rng.random((30, 2)), rng.standard_normal(30)
    y[F[:, 1] > 0.6] += 3.0
    model = boosted(F, y, np.zeros(2, np.int64), np.array([0.5]), np.ones((1, 30), bool), rounds=1)
    slope = 0.5 - (y < np.quantile(y, 0.5))
    asks = Questions.of(F, np.zeros(2, np.int64), 32)

    def left_over(i: int) -> float:
        yes = F[:, asks.feature[i]] <= asks.value[i]
        return float(sum(slope[side].var() * side.sum() for side in (yes, ~yes)))

    found = [left_over(i) for i in range(len(asks.feature))]
    assert found[model.nodes[0, 0, 0]] == pytest.approx(min(found))
    assert asks.feature[model.nodes[0, 0, 0]] == 1


def test_what_it_was_fitted_on_is_what_it_predicts() -> None:
    rng = np.random.default_rng(0)
    F, y = np.column_stack([rng.random(40), rng.integers(3, size=40)]), rng.standard_normal(40)
    kept = rng.random((4, 40)) < 0.8
    model = boosted(F, y, np.array([0, 3]), np.array([0.2, 0.4, 0.6, 0.8]), kept, rounds=10)
    np.testing.assert_allclose(model.predict(F), model.fitted, atol=1e-12)


def test_as_good_as_scikit_learns() -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    rng = np.random.default_rng(0)
    F, fresh = rng.random((200, 3)), rng.random((500, 3))
    value = lambda Z: (Z[:, 0] - 0.4) ** 2 + 0.3 * (Z[:, 1] > 0.5)  # noqa: E731
    y, truth = value(F), value(fresh)
    theirs = GradientBoostingRegressor(loss="quantile", alpha=0.5, n_estimators=50, learning_rate=0.2).fit(F, y)
    mine = boosted(F, y, np.zeros(3, np.int64), np.array([0.5]), np.ones((1, 200), bool))
    error = [float(np.abs(found - truth).mean()) for found in (mine.predict(fresh)[0], theirs.predict(fresh))]
    assert error[0] < 1.3 * error[1]


# ── proposals ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_starts_at_random_then_says_what_it_expects() -> None:
    assert asked(History.empty(PLANE), 0)[0].why["text"] == "one of the first 5 draws at random"
    (proposal,) = asked(filled(20), 20)
    assert "draws, at the 17 % quantile" in str(proposal.why["text"])
    assert 0 <= proposal.why["mean"] < 0.1
    json.dumps(dict(proposal.why), allow_nan=False)


def test_a_batch_is_of_different_draws() -> None:
    told = [dict(p.config or {}) for p in asked(filled(30), 30, 8)]
    assert len({PLANE.key(c) for c in told}) == 8


def test_a_trial_that_runs_counts_with_its_last_report_where_trials_are_cut_short() -> None:
    history = filled(8)
    config = {"x": 0.9, "y": 0.9}
    report = {"step": [1, 3], "metrics": {"loss": [5.0, 4.0]}}
    history.extend([started(8, config), Event("reported", report, 8, 1)])
    assert Results.of(history).known == 8
    told = Results.of(history, running=True)
    assert told.known == 9
    assert told.Y[-1].tolist() == [4.0]
    assert history.Y[8].tolist() != [4.0]  # what the history holds is not touched
    assert asked(history, 9, levels=(1.0, 3.0))


def test_constraints_are_drawn_as_well() -> None:
    task = Task("far", PLANE, bowl, 0.0, 40, ("c <= 0",), lambda c: (c["x"] + c["y"] - 0.1,))
    history = drive(SMALL, task)
    assert history.C[25:].mean() < 0.5 * history.C[:5].mean()


def test_a_flat_objective_is_drawn_at_random_and_said_so() -> None:
    history, rng = History.empty(PLANE), np.random.default_rng(0)
    for number in range(8):
        config = PLANE.sample_config(rng)
        history.extend([started(number, config), ended(history, number, 1.0)])
    assert asked(history, 8)[0].why["text"] == "a random draw: all values are the same so far"


def test_conditional_spaces_with_rules() -> None:
    space = Space(
        {"k": Choice(["a", "b", "c"]), "x": Float(0, 1, when="k == 'a'"), "n": Int(1, 9, when="k != 'a'"), "z": "0..1"},
        require=["x + z < 1.5"],
    )
    cost = lambda c: (c["x"] - 0.3) ** 2 if c["k"] == "a" else 0.5 + c["n"]  # noqa: E731
    history = drive(SMALL, Task("branches", space, cost, 0.0, 30))
    for t in range(30):
        assert space.check(history.config(t)) == history.config(t)
    assert float(history.Y.min()) < 1e-2


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"startup": 1}, "startup must be at least 2"),
        ({"quantiles": 4}, "quantiles must be odd"),
        ({"rounds": 0}, "rounds must be at least 1"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        CQR(**settings)


# ── it finds things ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_mixed_space_far_better_than_random() -> None:
    """ACCEPTANCE, F1: at most 15 % of random's median regret, 20 seeds."""
    assert median_regret(CQR(), BRANIN_CAT, 20) <= 0.15 * median_regret(RandomSearch(), BRANIN_CAT, 20)
