"""Ranks and interquartile means: hand-computed numbers, brute force, coverage of the intervals."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.bench.cell import Cell, Result
from trimtab.bench.report.estimate import bootstrap, draws, too_few
from trimtab.bench.report.iqm import (
    chances,
    improvement,
    improvements,
    interquartile_mean,
    iqm,
    optimality_gap,
    profile,
)
from trimtab.bench.report.ranks import expected_ranks, mean_rank, task_ranks
from trimtab.bench.report.scores import Scores, gather


class Unit:
    best, reference = 0.0, 1.0

    def at(self, n: float) -> float:
        return 0.5


def scores(values: NDArray[np.float64], budgets: tuple[float, ...] = (1.0,)) -> Scores:
    """Scores of values (M, T, R) or (M, T, R, B); NaN is not run, inf a crash without a value."""
    values = values[..., None] if values.ndim == 3 else values
    results = []
    for m, t, r in np.ndindex(values.shape[:3]):
        row = values[m, t, r]
        if not np.isnan(row).any():
            trace = tuple((b, b, float(v)) for b, v in zip(budgets, row, strict=True) if np.isfinite(v))
            state = "done" if trace else "crashed"
            results.append(Result(Cell(f"a/{t}", f"m{m}", r, budgets[-1]), state, "", trace, spent=budgets[-1]))
    return gather(results, lambda _: Unit(), budgets=budgets)


def brute(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    return np.mean([rankdata(row) for row in product(*values)], axis=0)


def test_expected_rank_equals_enumeration() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.integers(0, 4, (3, 3)) / 4  # many ties
        ranks = expected_ranks(values)
        np.testing.assert_allclose(ranks, brute(values), atol=1e-12)
        assert ranks.sum() == pytest.approx(6)
        np.testing.assert_array_equal(expected_ranks(values + 8.0), ranks)


def test_ties_are_those_of_eight_decimals() -> None:
    assert expected_ranks(np.array([[0.1], [0.1 + 1e-10]])).tolist() == [1.5, 1.5]
    assert expected_ranks(np.array([[0.1], [0.1 + 1e-7]])).tolist() == [1.0, 2.0]


def test_failures_are_worst_and_not_run_is_worst_of_all() -> None:
    values = np.array([[np.inf, np.inf], [0.5, np.inf], [np.nan, np.nan]])
    assert expected_ranks(values).tolist() == [1 + 0.5 + 0.25, 1 + 0.25, 3.0]


def test_mean_rank_drops_tasks_by_name_or_gives_the_worst() -> None:
    values = np.array([[[0.1], [0.9]], [[0.2], [0.1]], [[0.3], [np.nan]]])
    s = scores(values)
    drop, worst = mean_rank(s, reps=0), mean_rank(s, reps=0, missing="worst")
    assert drop.values[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert worst.values[:, 0].tolist() == [1.5, 1.5, 3.0]
    assert "a/1: not run by m2 (left out)" in drop.warnings
    assert task_ranks(s)[:, 1, 0].tolist() == [2.0, 1.0, 3.0]


def test_rank_interval_holds_the_rank_and_repeats() -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(size=(3, 6, 5)) + np.arange(3)[:, None, None] * 0.2
    one, two = mean_rank(scores(values)), mean_rank(scores(values))
    assert (one.lo <= one.values).all()
    assert (one.values <= one.hi).all()
    assert (one.hi - one.lo > 0.05).all()
    np.testing.assert_array_equal(one.lo, two.lo)


def test_iqm_by_hand() -> None:
    values = np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]])
    assert interquartile_mean(values) == 4.5
    assert interquartile_mean(np.append(values, np.nan)) == 4.5
    assert interquartile_mean(np.array([0.0, 1.0, 2.0])) == pytest.approx((0.25 * 0 + 1 + 0.25 * 2) / 1.5)
    assert interquartile_mean(np.array([1.0, 2.0, 3.0, np.inf])) == 2.5
    assert interquartile_mean(np.array([1.0, np.inf, np.inf, np.inf])) == np.inf


def test_iqm_agrees_with_scipy_and_the_reference_code() -> None:
    from scipy.stats import trim_mean

    values = np.random.default_rng(2).uniform(size=(1, 10, 4))
    assert iqm(scores(values), reps=0).values.item() == pytest.approx(trim_mean(values.ravel(), 0.25), rel=1e-12)
    metrics = pytest.importorskip("rliable.metrics")
    assert iqm(scores(values), reps=0).values.item() == pytest.approx(metrics.aggregate_iqm(values[0].T))


@pytest.mark.parametrize("lean", [True, False])
def test_interval_covers(lean: bool) -> None:
    rng = np.random.default_rng(3)
    values = np.clip(rng.normal(0.5, 0.1, (100, 20, 10)), 0, 1)  # 100 experiments as 100 methods
    found = iqm(scores(values), reps=500, lean=lean)
    covered = ((found.lo <= 0.5) & (found.hi >= 0.5)).sum()
    assert 90 <= covered <= 98


def test_one_draw_serves_all_budgets() -> None:
    values = np.random.default_rng(4).uniform(size=(2, 5, 4))
    both = scores(np.stack([values, values], axis=-1), budgets=(1.0, 2.0))
    found = iqm(both, reps=200)
    np.testing.assert_array_equal(found.lo[:, 0], found.lo[:, 1])
    np.testing.assert_array_equal(found.hi[:, 0], found.hi[:, 1])


def test_probability_of_improvement_by_hand() -> None:
    # larger is better in the reference: x = {1, 3}, y = {2, 3} give .375; as regret the signs turn
    s = scores(np.array([[[3.0, 1.0]], [[2.0, 1.0]]]) / 4)
    assert improvement(s, "m0", "m1", reps=0).values.item() == 0.375
    np.testing.assert_array_equal(improvements(s), [[0.5, 0.375], [0.625, 0.5]])


def test_improvement_is_over_the_tasks_of_both() -> None:
    values = np.array([[[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]], [[0.2, 0.2, 0.2], [np.nan] * 3]])
    assert improvement(scores(values), "m0", "m1", reps=0).values.item() == 1.0


def test_all_chances_at_once_are_those_of_the_pairs() -> None:
    values = np.random.default_rng(8).integers(0, 6, (4, 5, 6)) / 8
    values[0, 0] = np.nan
    values[1, :, 4:] = np.nan
    s = scores(values)
    found = chances(s, reps=2000)
    np.testing.assert_allclose(found.values + found.values.T, 1.0)
    for a, b in ((0, 1), (1, 0), (2, 3)):
        one = improvement(s, f"m{a}", f"m{b}").interval(f"m{a}")
        assert found.values[a, b] == pytest.approx(one.value)
        assert (found.lo[a, b], found.hi[a, b]) == pytest.approx((one.lo, one.hi), abs=0.03)


def test_profile_and_gap() -> None:
    s = scores(np.array([[[0.1, 0.2, 0.4], [0.05, np.inf, 0.3]]]))
    found = profile(s, [0.0, 0.1, 0.3, 1.0], reps=50)
    np.testing.assert_allclose(found.values[0], [0, 1 / 3, 2 / 3, 5 / 6])
    assert (np.diff(found.values[0]) >= 0).all()
    assert optimality_gap(s, reps=0).values.item() == pytest.approx((0.7 / 3 + 1.35 / 3) / 2)


def test_too_few_runs_have_no_interval() -> None:
    s = scores(np.random.default_rng(5).uniform(size=(1, 4, 2)))
    found = iqm(s, reps=20)
    assert np.isnan(found.lo).all()
    assert "fewer than 3 runs on all of its 4 tasks" in found.warnings[0]
    refused, said = too_few(np.ones((1, 2, 3), bool), ("m",))
    assert not refused.any()
    assert said == ()


def test_draws_keep_to_the_runs_there_are() -> None:
    present = np.array([[[True, False, True, True]], [[True, True, True, True]]])
    for w, tasks in draws(present, 50, "test"):
        assert (w[:, ~present] == 0).all()
        np.testing.assert_allclose(w.sum(-1), 1.0)
        np.testing.assert_array_equal(np.unique(np.round(w[:, 0] * 2, 9) % 1), [0])  # two draws from three runs
        assert (tasks == 1).all()


def test_lean_draws_give_the_variance_of_a_mean_without_bias() -> None:
    values = np.random.default_rng(6).normal(size=5)
    present = np.ones((1, 1, 5), bool)
    spread = np.concatenate([w[:, 0, 0] @ values for w, _ in draws(present, 40_000, "var")]).var()
    assert spread == pytest.approx(values.var(ddof=1) / 5, rel=0.03)


def test_tasks_may_be_drawn_too() -> None:
    values = np.repeat(np.linspace(0, 1, 8)[None, :, None], 3, axis=2)  # runs agree, tasks don't
    fixed, drawn = iqm(scores(values), reps=200), iqm(scores(values), reps=200, resample_tasks=True)
    assert fixed.lo.item() == pytest.approx(fixed.hi.item(), abs=1e-12)
    assert drawn.lo.item() < fixed.values.item() < drawn.hi.item()


def test_estimates_print_and_go_to_json() -> None:
    import json

    found = iqm(scores(np.random.default_rng(7).uniform(size=(2, 3, 3))), reps=20)
    assert [row["name"] for row in found.table()] == ["m0", "m1"]
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["what"] == "IQM of normalised regret"
    assert told["rows"][0]["n"] == 9


def test_no_replicates_no_interval() -> None:
    value, lo, hi = bootstrap(lambda w, t: w.sum((2, 3)), np.ones((1, 1, 3), bool), reps=0)
    assert value.item() == 1.0
    assert np.isnan([lo, hi]).all()
