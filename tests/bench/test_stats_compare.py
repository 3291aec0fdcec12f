"""Tests, corrections and verdicts: hand-computed numbers, scipy's, error rates under the null."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from trimtab.bench.cell import Cell, Result
from trimtab.bench.report.compare import holm, label_flip, sign_flip, verdict, verdicts, wilcoxon, winner
from trimtab.bench.report.friedman import critical, critical_difference, diagram, flips, friedman, groups
from trimtab.bench.report.scores import Scores, gather

A = np.array([0.9, 0.8, 0.85, 0.95, 0.88])
B = np.array([0.85, 0.79, 0.8, 0.9, 0.86])


class Unit:
    best, reference = 0.0, 1.0

    def at(self, n: float) -> float:
        return 0.5


def scores(values: NDArray[np.float64]) -> Scores:
    """Of values (M, T, R)."""
    results = [
        Result(Cell(f"a/{t}", f"m{m}", r, 100.0), "done", "", ((1.0, 1.0, float(values[m, t, r])),), spent=100.0)
        for m, t, r in np.ndindex(values.shape)
        if not np.isnan(values[m, t, r])
    ]
    return gather(results, lambda _: Unit(), budgets=(100,))


def test_five_pairs_cannot_reach_five_percent() -> None:
    found = winner(-A, -B)  # accuracies: larger is better
    assert found.p == 0.0625
    assert found.word == "can't tell"
    assert found.effect == pytest.approx(-0.036)
    assert "cannot reach p = 0.05: the smallest that they can give is 0.0625" in found.warnings[0]


def test_exact_flips_equal_scipy() -> None:
    d = np.random.default_rng(0).normal(0.5, 1, 9)
    want = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip(d) == pytest.approx(want)
    many = np.random.default_rng(1).normal(0.2, 1, 40)
    assert sign_flip(many) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)
    assert sign_flip(np.zeros(8)) == 1.0


def test_null_rejects_no_more_than_it_says() -> None:
    rng = np.random.default_rng(2)
    rejected = np.mean([sign_flip(rng.normal(size=8)) <= 0.05 for _ in range(2000)])
    assert 0.03 < rejected <= 0.055


def test_wilcoxon_is_scipys_and_knows_ties() -> None:
    assert wilcoxon(A - B) == pytest.approx(stats.wilcoxon(A - B).pvalue)
    assert wilcoxon(np.zeros(5)) == 1.0


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.02, 0.04]), [0.03, 0.04, 0.04])
    np.testing.assert_allclose(holm([0.04, np.nan, 0.01]), [0.04, np.nan, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])


def test_interval_and_effect_of_pairs_are_the_t_tests() -> None:
    found, want = winner(A, B), stats.ttest_rel(A, B).confidence_interval()
    assert (found.lo, found.hi) == pytest.approx((want.low, want.high))
    assert found.d == pytest.approx((A - B).mean() / (A - B).std(ddof=1))
    far = stats.ttest_ind(A, B, equal_var=False).confidence_interval()
    found = winner(A, B, paired=False)
    assert (found.lo, found.hi) == pytest.approx((far.low, far.high))
    assert found.p_ranks == pytest.approx(stats.mannwhitneyu(A, B).pvalue)
    assert found.cliff == pytest.approx(np.sign(A[:, None] - B).mean())


def test_labels_are_exchanged_within_strata_only() -> None:
    rng = np.random.default_rng(3)
    task = np.repeat(np.arange(6), 5)
    hard = task * 10.0
    a, b = hard + rng.normal(0, 0.1, 30), hard + 0.3 + rng.normal(0, 0.1, 30)
    assert label_flip(a, b, task, task) < 0.001
    assert label_flip(a, b, np.zeros(30), np.zeros(30)) > 0.5
    assert winner(a, b, paired=False, strata=(task, task)).word == "better"


def test_failures_count_as_the_worst_and_are_told() -> None:
    found = winner(np.array([0.1, np.inf, 0.2, np.nan]), np.array([0.1, 0.5, 0.2, 0.1]))
    assert found.effect == 0.0
    pair, failed = "left out, because one of its runs is missing: 1 pair", "1 failed run counts as the worst value"
    assert found.warnings[:2] == (pair, failed)
    with pytest.raises(ValueError, match="are no pairs"):
        winner(A, B[:3])


def noisy(factor: float, runs: int = 10, tasks: int = 12, seed: int = 4) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    base = 10 ** rng.uniform(-2.5, -0.7, (1, tasks, 1))
    return np.asarray(base * np.exp(rng.normal(0, 0.4, (2, tasks, runs))) * np.array([factor, 1.0])[:, None, None])


@pytest.mark.parametrize(("factor", "word"), [(0.6, "better"), (1.6, "worse"), (1.0, "can't tell")])
def test_verdict(factor: float, word: str) -> None:
    found = verdict(scores(noisy(factor)), "m0", "m1")
    assert found.word == word
    assert found.lo < factor < found.hi
    assert (found.n_tasks, found.n_runs) == (12, 240)
    assert (found.p < 0.05) == (word != "can't tell")
    other = verdict(scores(noisy(factor)), "m1", "m0")
    assert other.ratio == pytest.approx(1 / found.ratio)
    assert json.dumps(found.to_json())
    assert verdict(scores(noisy(factor)), "m0", "m1") == found


def test_verdict_by_hand_and_by_iqm() -> None:
    values = np.array([[[0.1, 0.1, 0.1], [0.4, 0.4, 0.4]], [[0.2, 0.2, 0.2], [0.2, 0.2, 0.2]]])
    assert verdict(scores(values), "m0", "m1").ratio == pytest.approx(1.0)  # half of it here, twice there
    assert verdict(scores(values), "m0", "m1", how="iqm").ratio == pytest.approx(1.25)


def test_the_verdicts_interval_covers() -> None:
    inside = 0
    for seed in range(100):
        found = verdict(scores(noisy(1.0, runs=5, tasks=6, seed=seed)), "m0", "m1", reps=300)
        inside += found.lo <= 1 <= found.hi
    assert 89 <= inside <= 99


def test_verdict_needs_three_runs_and_common_tasks() -> None:
    few = verdict(scores(noisy(0.1, runs=2)), "m0", "m1")
    assert few.word == "can't tell"
    assert np.isnan(few.lo)
    assert "no interval" in few.line()
    apart = np.full((2, 2, 3), np.nan)
    apart[0, 0] = apart[1, 1] = 0.5
    want = "Can't tell m0 from m1: they share no task at 100 evaluations."
    assert verdict(scores(apart), "m0", "m1").line() == want


def test_the_sentence() -> None:
    line = verdict(scores(noisy(0.6)), "m0", "m1").line()
    assert line.startswith("m0 is better than m1: 0.6")
    assert line.endswith("at 100 evaluations; 12 tasks, 240 runs, p by task 0.00049.")
    line = verdict(scores(noisy(0.3, tasks=1)), "m0", "m1").line()
    assert line.endswith("; 1 task, 20 runs, too few tasks for a test by task.")


def test_verdicts_are_corrected_for_their_number() -> None:
    values = np.concatenate([noisy(0.9), noisy(1.0, seed=5)])
    s = scores(values)
    alone = [verdict(s, m, "m1").p for m in ("m0", "m2", "m3")]
    np.testing.assert_allclose([v.p for v in verdicts(s, "m1")], holm(alone))


# --- Friedman and what follows it

ROWS = np.array([[0.1, 0.2, 0.3], [0.1, 0.3, 0.2], [0.2, 0.1, 0.3], [0.1, 0.2, 0.3]])


def test_friedman_by_hand_and_scipy() -> None:
    found = friedman(ROWS)
    assert found.ranks == (1.25, 2.0, 2.75)
    assert found.chi2 == pytest.approx(4.5)
    assert found.p_chi2 == pytest.approx(0.1054, abs=5e-5)
    assert found.f == pytest.approx(3 * 4.5 / (4 * 2 - 4.5))
    rng = np.random.default_rng(6)
    for _ in range(10):
        tied = rng.integers(0, 4, (12, 5)).astype(float)
        want = stats.friedmanchisquare(*tied.T)
        assert friedman(tied).chi2 == pytest.approx(want.statistic)
        assert friedman(tied).p_chi2 == pytest.approx(want.pvalue)


def test_all_tied_and_all_agreed() -> None:
    assert friedman(np.ones((6, 3))).p == 1.0
    assert friedman(np.tile([0.1, 0.2, 0.3], (6, 1))).p == 0.0


def test_critical_differences_of_the_tables() -> None:
    assert critical_difference(5, 30) == pytest.approx(1.1136, abs=5e-5)
    for k, q in ((2, 1.960), (3, 2.344), (4, 2.569), (5, 2.728), (10, 3.164)):
        assert critical_difference(k, 1) / (k * (k + 1) / 6) ** 0.5 == pytest.approx(q, abs=1e-3)


def test_groups_are_maximal_runs() -> None:
    ranks = np.array([1.0, 1.8, 2.5, 4.0, 4.4])
    apart = np.abs(ranks[:, None] - ranks) > 1.0
    assert groups(apart) == ((0, 1), (1, 2), (3, 4))
    assert groups(np.zeros((3, 3), bool)) == ((0, 1, 2),)
    assert groups(~np.eye(3, dtype=bool)) == ()


def test_few_tasks_refuse_nemenyi() -> None:
    few = np.tile([0.1, 0.2, 0.3], (9, 1))
    found = diagram(few, ["a", "b", "c"], post_hoc="nemenyi")
    assert found.distance is None
    assert "Nemenyi's distance needs 10 tasks and there are 9" in found.warnings[0]
    assert found.groups == ()  # 2 / 2**9 is small enough for three pairs
    many = diagram(np.tile([0.3, 0.1, 0.2], (30, 1)), ["a", "b", "c"])
    assert many.names == ("b", "c", "a")
    assert many.distance == pytest.approx(critical_difference(3, 30))
    assert many.groups == ()


def test_no_pairs_without_a_difference_and_two_methods_take_wilcoxon() -> None:
    found = diagram(ROWS, ["a", "b", "c"])
    assert found.groups == (("a", "b", "c"),)
    assert "no pairs are compared" in found.warnings[0]
    two = diagram(np.stack([np.arange(12.0), np.arange(12.0) + 1 + np.arange(12) / 10], 1), ["a", "b"])
    assert two.method == "Wilcoxon"
    assert two.groups == ()
    assert diagram(np.full((1, 2), 0.5), ["a", "b"]).method == "no test"


def test_a_clone_turns_the_order_and_is_told() -> None:
    # c beats a and is beaten by b on most tasks; without c the order of a and b turns
    rows = np.array([[1, 2, 3]] * 3 + [[3, 1, 2]] * 2, float)
    assert row_means(rows) == (1.8, 1.6)
    assert ("c", "b", "a") in flips(rows, ["a", "b", "c"])


def row_means(rows: NDArray[np.float64]) -> tuple[float, float]:
    mean = friedman(rows).ranks
    return round(mean[0], 9), round(mean[1], 9)


def test_diagram_of_scores_names_what_is_missing() -> None:
    rng = np.random.default_rng(7)
    values = rng.uniform(0.1, 0.2, (3, 12, 4)) + np.array([0.0, 0.3, 0.6])[:, None, None]
    values[2, 0] = np.nan
    found = critical(scores(values))
    assert found.tasks == 11
    assert found.names == ("m0", "m1", "m2")
    assert "a/0: not run by m2 (left out)" in found.warnings
    worst = critical(scores(values), missing="worst", by="means")
    assert worst.tasks == 12
    assert worst.ranks == (1.0, 2.0, 3.0)
    assert json.dumps(worst.to_json())
