"""Anytime areas, bands, runtimes, expected best of n, bayesmark's scores: exact cases and simulations."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.bench.cell import Cell, Result
from trimtab.bench.report.anytime import (
    anytime,
    areas,
    band,
    dominance,
    profile_score,
    speed_profile,
    step_area,
    task_ends,
    time_to,
)
from trimtab.bench.report.bayesmark import leaderboard, mean_score, median_score, normed_mean, reported
from trimtab.bench.report.evp import best_of, best_of_quantile, crossing, evp, quantile_rank
from trimtab.bench.report.ranks import mean_rank
from trimtab.bench.report.runtime import ecdf, ert, ert_table, first_hits, hits, restarts, solved
from trimtab.bench.report.scores import Curve, Scores, gather

Steps = list[tuple[float, float]]


class Unit:
    best, reference = 0.0, 1.0

    def at(self, n: float) -> float:
        return 0.5


def scores(
    runs: dict[tuple[str, str, int], Steps], budget: float = 100.0, budgets: tuple[float, ...] = (100,)
) -> Scores:
    results = [
        Result(
            Cell(t, m, s, budget), "done" if steps else "crashed", "", tuple((x, x, y) for x, y in steps), spent=budget
        )
        for (m, t, s), steps in runs.items()
    ]
    return gather(results, lambda _: Unit(), budgets=budgets)


def random_runs(seed: int, methods: int = 3, tasks: int = 4, seeds: int = 5) -> dict[tuple[str, str, int], Steps]:
    rng = np.random.default_rng(seed)
    made: dict[tuple[str, str, int], Steps] = {}
    for m in range(methods):
        for t in range(tasks):
            for s in range(seeds):
                x = np.sort(rng.choice(99, 6, replace=False)) + 2.0
                y = np.cumprod(rng.uniform(0.3, 0.95, 7)) * (1 + m / 2)
                made[f"m{m}", f"a/{t}", s] = list(zip(np.append(1.0, x).tolist(), y.tolist(), strict=True))
    return made


def curve(*steps: tuple[float, float]) -> Curve:
    return Curve(np.array([x for x, _ in steps]), np.array([y for _, y in steps]))


# --- areas


def test_step_areas_are_exact() -> None:
    x, y = np.array([1.0, 10.0]), np.array([1.0, 0.0])
    assert step_area(x, y, 1, 100) == 0.5
    assert step_area(x, y, 1, 100, log=False) == pytest.approx(9 / 99, abs=1e-15)
    assert step_area(x * 2, y, 1, 100) - step_area(x, y, 1, 100) == pytest.approx(np.log(2) / np.log(100))
    assert step_area(np.array([]), np.array([]), 1, 100) == 1.0
    assert step_area(np.array([0.5, 200.0]), np.array([0.3, 0.0]), 1, 100) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="must be above 0"):
        step_area(x, y, 0, 100)


def test_a_batch_that_finishes_together_is_one_step() -> None:
    x, y = np.array([4.0, 4.0, 4.0, 4.0]), np.array([0.9, 0.5, 0.4, 0.2])
    assert step_area(x, y, 1, 16) == pytest.approx(0.5 * 1 + 0.5 * 0.2)


def test_area_equals_a_fine_grid() -> None:
    s = scores(random_runs(0))
    found = areas(s, 1.0, task_ends(s), log=True)
    grid = np.exp(np.linspace(0, np.log(100), 20_001)[:-1])
    want = np.clip(s.curves[1, 2, 3].on(grid), 0, 1).mean()
    assert found[1, 2, 3] == pytest.approx(want, abs=1e-3)


def test_anytime_of_hand_made_runs() -> None:
    runs = {(m, "a/t", s): [(1.0, 1.0), (x, 0.0)] for m, x in (("m", 10.0), ("n", 1.0)) for s in range(3)}
    found = anytime(scores(runs), reps=50)
    assert found.span == (1.0, 100.0)
    assert found.auc_log.values.tolist() == [0.5, 0.0]
    assert found.auc_lin.values.tolist() == pytest.approx([9 / 99, 0.0])
    assert found.auc_log.interval("m").lo == 0.5
    # of the 25 budgets 1 … 100 the first 12 lie below 10: there n is ahead, from there on they are tied
    assert found.rank_auc.values.tolist() == pytest.approx([(12 * 2 + 13 * 1.5) / 25, (12 * 1 + 13 * 1.5) / 25])
    assert json.dumps(found.to_json())


def test_rank_over_budgets_is_the_mean_of_ranks() -> None:
    s = scores(random_runs(1))
    found = anytime(s, reps=20)
    want = mean_rank(s.on(np.geomspace(1, 100, 25)), reps=0).values.mean(axis=1)
    np.testing.assert_allclose(found.rank_auc.values, want, rtol=1e-12)


def test_failed_runs_count_one_and_shorter_runs_are_not_compared() -> None:
    s = scores({("m", "a/t", 0): []})
    assert anytime(s, reps=0).auc_log.values.tolist() == [1.0]
    long = Result(Cell("a/t", "m", 0, 100.0), "done", "", ((1.0, 1.0, 0.5),), spent=100.0)
    short = Result(Cell("a/t", "n", 0, 50.0), "done", "", ((1.0, 1.0, 0.5),), spent=50.0)
    mixed = gather([long, short], lambda _: Unit())
    assert areas(mixed, 1.0, task_ends(mixed), log=True).ravel().tolist() == pytest.approx([0.5, np.nan], nan_ok=True)


# --- who is ahead


def test_band_holds_everywhere_at_once() -> None:
    """Of 60 experiments without a difference the band leaves out 0 somewhere in about 1 of 20."""
    out = 0
    for seed in range(60):
        runs = random_runs(seed, methods=1, tasks=3, seeds=20)
        halves = {("a" if s < 10 else "b", t, s % 10): steps for (_, t, s), steps in runs.items()}
        found = band(scores(halves, budgets=tuple(np.geomspace(1, 100, 12))), "a", "b", reps=200)
        assert (found.lo <= found.difference).all()
        out += bool(((found.lo > 0) | (found.hi < 0)).any())
    assert out <= 8


def test_dominance_share() -> None:
    runs = {("m", "a/t", s): [(1.0, 0.9 + s / 100), (10.0, 0.1 + s / 100)] for s in range(4)}
    runs |= {("n", "a/t", s): [(1.0, 0.5 + s / 100)] for s in range(4)}
    s = scores(runs, budgets=(1, 5, 10, 100))
    assert dominance(s, "m", "n", reps=200) == (0.5, 0.5)
    assert band(s, "m", "n", reps=200).ahead == (0.5, 0.5)


def test_time_to_the_best_of_the_pool() -> None:
    s = scores(
        {("m", "a/t", 0): [(1.0, 0.8), (7.0, 0.1)], ("n", "a/t", 0): [(1.0, 0.8), (3.0, 0.108)], ("o", "a/t", 0): []}
    )
    assert time_to(s)[:, 0, 0].tolist() == [7.0, 3.0, np.inf]
    assert time_to(s, within=0.005)[:, 0, 0].tolist() == [7.0, np.inf, np.inf]


def test_speed_profile() -> None:
    times = np.array([[10.0, 10.0, np.inf], [20.0, 5.0, np.inf], [np.inf, np.nan, np.inf]])
    np.testing.assert_allclose(
        speed_profile(times, [1, 2, 4]), [[1 / 3, 2 / 3, 2 / 3], [1 / 3, 2 / 3, 2 / 3], [0, 0, 0]]
    )
    np.testing.assert_allclose(profile_score(times), [(1 + 2 / 3) / 3, (2 / 3 + 1) / 3, 0])


# --- runtimes


def test_expected_runtime() -> None:
    assert ert([100] * 5 + [np.inf] * 5, [200] * 10) == 300
    assert ert([100, 200, np.inf, np.inf], [999, 999, 300, 500]) == 550
    assert ert([np.inf], [100]) == np.inf
    assert ert([np.nan, 50], [np.nan, 100]) == 50


def test_simulated_restarts_agree_with_the_formula() -> None:
    at, lengths = np.array([100.0] * 5 + [np.inf] * 5)[:, None], np.full(10, 200.0)
    assert restarts(at, lengths, 20_000).mean() == pytest.approx(300, abs=6)
    assert np.isinf(restarts(np.full((3, 1), np.inf), np.ones(3), 10)).all()
    np.testing.assert_array_equal(restarts(at, lengths, 50, "a"), restarts(at, lengths, 50, "a"))


def test_first_hits() -> None:
    c = curve((1, 0.9), (5, 0.2), (8, 0.4), (20, 0.1))
    np.testing.assert_array_equal(first_hits(c, np.array([0.9, 0.3, 0.1, 0.01])), [1, 5, 20, np.inf])
    np.testing.assert_array_equal(first_hits(c, np.array([0.9, 0.3, 0.1]), staying=True), [1, 20, 20])
    assert np.isinf(first_hits(curve(), np.array([1.0]))).all()


def test_runtime_curves_rise_to_the_solved_share() -> None:
    runs = random_runs(2)
    runs["m0", "a/0", 0] = []
    s = scores(runs, budgets=tuple(np.geomspace(1, 100, 20)))
    found = solved(s, reps=50)
    assert (np.diff(found.values, axis=1) >= 0).all()
    ever = np.isfinite(hits(s)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found.values[:, -1], ever)
    simulated = ecdf(s, samples=20)
    assert (np.diff(simulated.y, axis=1) >= 0).all()
    np.testing.assert_allclose(simulated.y[:, -1], simulated.solved)
    assert (simulated.solved >= ever - 1e-12).all()  # a restart can only help
    assert (np.diff(simulated.log_runtime) > 0).all()  # m0 is the fastest


def test_ert_table_and_seconds() -> None:
    runs: dict[tuple[str, str, int], Steps] = {
        ("m", "a/t", 0): [(1.0, 0.5), (10.0, 0.05)],
        ("m", "a/t", 1): [(1.0, 0.5)],
    }
    np.testing.assert_array_equal(ert_table(scores(runs))[0, 0], [110, np.inf])
    done = Result(Cell("a/t", "m", 0, 10.0), "done", "", ((1.0, 3.0, 0.5),), spent=10.0, at=30.0)
    s = gather([done], lambda _: Unit(), budgets=(2, 3, 30), axis="seconds")
    np.testing.assert_array_equal(s.values[0, 0, 0], [np.inf, 0.5, 0.5])
    with pytest.raises(ValueError, match="no run is given seconds"):
        ert_table(s)
    assert anytime(s, low=1.0, reps=0).auc_log.values.tolist() == [1.0]


# --- expected best of n


def test_expected_best_by_hand() -> None:
    v = np.array([0.1, 0.2, 0.3, 0.4])
    plugin, exact = evp(v, form="plugin", sense="maximize"), evp(v, sense="maximize")
    np.testing.assert_allclose(plugin.value[[0, 1, 3]], [0.25, 0.3125, 0.3617], atol=5e-5)
    np.testing.assert_allclose(exact.value[[0, 1, 3]], [0.25, 1 / 3, 0.4])
    np.testing.assert_allclose(evp(-v).value, -exact.value)
    assert exact.firm == 2
    assert exact.trials_to(0.33) == 2
    assert exact.trials_to(0.5) is None


def test_weights_are_binomials_and_do_not_overflow() -> None:
    w = best_of(12, np.arange(1, 13))
    want = [[comb(i, n - 1) / comb(12, n) for i in range(12)] for n in range(1, 13)]
    np.testing.assert_allclose(w, want, atol=1e-15)
    np.testing.assert_allclose(best_of(5000, np.array([1, 70, 2500, 5000])).sum(axis=1), 1.0)


def test_unbiased_form_is_the_mean_over_all_subsets() -> None:
    rng = np.random.default_rng(3)
    pool = rng.normal(size=400)
    drawn = np.mean([rng.choice(pool, 7, replace=False).min() for _ in range(20_000)])
    assert evp(pool).value[6] == pytest.approx(drawn, abs=0.02)


def test_chosen_by_one_metric_told_by_another() -> None:
    found = evp(np.array([0.3, 0.1, 0.2]), report=np.array([5.0, 7.0, 6.0]))
    assert found.value[-1] == pytest.approx(7.0)
    assert found.value[0] == pytest.approx(6.0)
    with pytest.raises(ValueError, match="needs a pool of as many"):
        evp(np.ones(3), most=4)


def test_quantiles_of_the_best() -> None:
    assert [quantile_rank(n) for n in (1, 10, 100)] == pytest.approx([0.5, 0.0670, 0.00691], abs=5e-5)
    assert best_of_quantile(np.arange(1, 101.0), 10) == 7.0


def test_crossing() -> None:
    a, b = evp(np.array([0.0, 1.0, 1.0, 1.0])), evp(np.full(4, 0.6))
    assert crossing(a, b) == 2
    assert crossing(b, b) is None


# --- bayesmark


def pools(seed: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pool = np.random.default_rng(seed).gamma(2.0, 1.0, (12, 5000)) + np.arange(-6.0, 6.0)[:, None]
    return pool, pool.min(axis=1) - 1e-9


def test_random_search_scores_one() -> None:
    pool, best = pools()
    rng = np.random.default_rng(5)
    picked = np.stack([p[rng.integers(0, p.size, (200, 16))] for p in pool])[None]
    runs = reported(picked)
    np.testing.assert_allclose(median_score(runs, best, pool).mean(axis=1), 1.0, atol=0.05)
    np.testing.assert_allclose(normed_mean(runs, best, pool), 1.0, atol=0.05)


def test_the_best_from_the_start_scores_zero_and_scale_is_nothing() -> None:
    pool, best = pools()
    perfect = np.broadcast_to(best[None, :, None, None], (1, 12, 4, 6)).copy()
    assert mean_score(perfect, best, pool).max() == 0
    assert leaderboard(perfect, best, pool).tolist() == [100.0]
    rng = np.random.default_rng(6)
    runs = reported(np.stack([p[rng.integers(0, p.size, (5, 6))] for p in pool])[None])
    for score in (median_score, mean_score, normed_mean):
        np.testing.assert_allclose(score(runs * 3 + 7, best * 3 + 7, pool * 3 + 7), score(runs, best, pool), atol=1e-9)


def test_reported_where_the_visible_is_lowest() -> None:
    visible, report = np.array([3.0, 1.0, 1.0, 0.5]), np.array([30.0, 10.0, 99.0, 50.0])
    assert reported(visible, report).tolist() == [30.0, 10.0, 10.0, 50.0]
    assert reported(visible).tolist() == [3.0, 1.0, 1.0, 0.5]
    inf = np.array([[[[np.inf, 2.0]]]])
    pool = np.array([[1.0, 2.0, 3.0]])
    assert mean_score(inf, np.array([1.0]), pool).tolist() == [[1.0, 1.0]]
