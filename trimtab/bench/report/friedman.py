"""Which mean ranks can be told apart: Friedman's test, then pairs; what a critical-difference diagram shows.

Idea    Every task ranks the methods once, by their expected rank over runs (or their mean regret), and tasks are the
        sample. Friedman asks whether all are alike; only if not, pairs are compared. Ranks depend on who else is in the
        pool, so the pairs whose order turns when a third method leaves are listed.
Source  Friedman, 1937; Iman and Davenport, 1980; Nemenyi, 1963; Demšar, Statistical comparisons of classifiers over
        multiple data sets, JMLR 7, 2006; Benavoli et al., Should we really use post-hoc tests based on mean-ranks?,
        JMLR 17, 2016 (why pairs alone are preferable).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.report._words import count
from trimtab.bench.report.compare import ALPHA, holm, sign_flip, wilcoxon
from trimtab.bench.report.estimate import plain
from trimtab.bench.report.iqm import TIE
from trimtab.bench.report.ranks import Missing, task_ranks
from trimtab.bench.report.regret import task_regret
from trimtab.bench.report.scores import Scores

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
PostHoc = Literal["auto", "nemenyi", "wilcoxon", "permutation"]

ENOUGH = 10  # tasks below which the normal approximation behind Nemenyi's distance is not to be trusted


@dataclass(frozen=True, slots=True)
class Friedman:
    """The test that all k methods are alike on n tasks.

    ranks         mean rank of each, 1 is best
    chi2, p_chi2  Friedman's, corrected for ties
    f, p          Iman and Davenport's, which is the one to read: chi2 is too careful on few tasks
    """

    ranks: tuple[float, ...]
    chi2: float
    p_chi2: float
    f: float
    p: float
    n: int
    k: int


@dataclass(frozen=True, slots=True)
class Diagram:
    """A critical-difference diagram as data.

    names, ranks   best first;  groups  runs of neighbours that can't be told apart, two or more
    distance       Nemenyi's critical difference, None for other tests;  p  that all are alike;  method  in words
    flips          (who leaves, better, worse): the order of these two turns when that one leaves
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    groups: tuple[tuple[str, ...], ...]
    distance: float | None
    p: float
    method: str
    tasks: int
    flips: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = plain({name: getattr(self, name) for name in self.__dataclass_fields__})
        return told


def row_ranks(matrix: Floats) -> Floats:
    """(n, k) ranks within each row, ties averaged; equal up to eight decimals is a tie."""
    from scipy.stats import rankdata

    ranks: Floats = rankdata(np.round(matrix, TIE), axis=1)
    return ranks


def friedman(matrix: Floats) -> Friedman:
    """Over a matrix (n tasks, k methods), smaller is better, nothing missing."""
    from scipy import stats

    n, k = matrix.shape
    ranks = row_ranks(matrix)
    mean = ranks.mean(0)
    told = tuple(float(r) for r in mean)
    spread = ranks.var(axis=1).sum() * k / (k - 1) if k > 1 else 0.0  # less than n k (k + 1) / 12 where ranks are tied
    if spread == 0 or n < 2:
        return Friedman(told, 0.0, 1.0, 0.0, 1.0, n, k)
    chi2 = float(n**2 * ((mean - (k + 1) / 2) ** 2).sum() / spread)
    rest = n * (k - 1) - chi2
    f = (n - 1) * chi2 / rest if rest > 1e-9 * chi2 else float("inf")
    p_chi2 = float(stats.chi2.sf(chi2, k - 1))
    return Friedman(told, chi2, p_chi2, f, float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), n, k)


@lru_cache(maxsize=64)  # the quantile is an integral that takes a second
def critical_difference(k: int, n: int, alpha: float = ALPHA) -> float:
    """Nemenyi's: mean ranks of k methods on n tasks that differ by less can't be told apart."""
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - alpha, k, np.inf)) / 2**0.5
    return float(q * (k * (k + 1) / (6 * n)) ** 0.5)


def groups(apart: Bools) -> tuple[tuple[int, ...], ...]:
    """Maximal runs of two or more neighbours, best first, of which no two are apart (k, k)."""
    k = len(apart)
    ends = []
    for i in range(k):
        j = i
        while j + 1 < k and not apart[i : j + 1, j + 1].any():
            j += 1
        ends.append(j)
    kept = [(i, j) for i, j in enumerate(ends) if j > i and not (i and ends[i - 1] >= j)]
    return tuple(tuple(range(i, j + 1)) for i, j in kept)


def diagram(
    matrix: Floats,
    names: Sequence[str],
    *,
    post_hoc: PostHoc = "auto",
    alpha: float = ALPHA,
    warnings: tuple[str, ...] = (),
) -> Diagram:
    """From a matrix (n tasks, k methods), smaller is better; rows with NaN are left out and counted.

    post_hoc   "auto": Nemenyi from ten tasks on, below that sign flips with Holm's correction; two methods: Wilcoxon
    """
    whole = ~np.isnan(matrix).any(axis=1)
    said = list(warnings)
    if not whole.all():
        said.append(f"left out, because not all ran them: {(~whole).sum()} of {count(len(matrix), 'task')}")
    matrix = matrix[whole]
    n, k = matrix.shape
    if k < 2 or n < 2:
        mean = tuple(float(r) for r in row_ranks(matrix).mean(0)) if n else (float("nan"),) * k
        return Diagram(tuple(names), mean, (), None, 1.0, "no test", n, (), (*said, _no_test(k, n)))
    test = friedman(matrix)
    kind = _kind(post_hoc, n, k, said)
    order = np.argsort(test.ranks, kind="stable")
    p, words = test.p, "Friedman (Iman-Davenport)"
    if k == 2:
        p, words = wilcoxon(matrix[:, 0] - matrix[:, 1]), "Wilcoxon"
    distance = critical_difference(k, n, alpha) if kind == "nemenyi" else None
    if p > alpha:
        apart = np.zeros((k, k), bool)
        said.append(f"no difference at all is shown (p = {p:.2g}), so no pairs are compared")
    elif k == 2:
        apart = ~np.eye(k, dtype=bool)
    else:
        apart = _apart(matrix[:, order], kind, distance, alpha)
        words += {"nemenyi": ", Nemenyi", "wilcoxon": ", Wilcoxon by pairs with Holm"}.get(
            kind, ", sign flips by pairs with Holm"
        )
    sorted_names = tuple(names[i] for i in order)
    found = tuple(tuple(sorted_names[i] for i in group) for group in groups(apart))
    ranks = tuple(test.ranks[i] for i in order)
    return Diagram(sorted_names, ranks, found, distance, p, words, n, flips(matrix, names), tuple(said))


def _no_test(k: int, n: int) -> str:
    return f"{count(k, 'method')} on {count(n, 'task')}: no test"


def _kind(post_hoc: PostHoc, n: int, k: int, said: list[str]) -> PostHoc:
    if k == 2:
        return "wilcoxon"
    if n < ENOUGH and post_hoc in ("auto", "nemenyi"):
        if post_hoc == "nemenyi":
            said.append(f"Nemenyi's distance needs {ENOUGH} tasks and there are {n}: sign flips instead")
        return "permutation"
    return "nemenyi" if post_hoc == "auto" else post_hoc


def _apart(matrix: Floats, kind: PostHoc, distance: float | None, alpha: float) -> Bools:
    """(k, k) which methods can be told apart; the columns stand best first."""
    ranks = row_ranks(matrix)
    k = matrix.shape[1]
    if distance is not None:
        mean = ranks.mean(0)
        far: Bools = np.abs(mean[:, None] - mean[None]) > distance
        return far
    pairs = list(combinations(range(k), 2))
    if kind == "wilcoxon":
        p = holm([wilcoxon(matrix[:, i] - matrix[:, j]) for i, j in pairs])
    else:
        p = holm([sign_flip(ranks[:, i] - ranks[:, j], i, j) for i, j in pairs])
    out = np.zeros((k, k), bool)
    for (i, j), value in zip(pairs, p, strict=True):
        out[i, j] = out[j, i] = value <= alpha
    return out


def flips(matrix: Floats, names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """(left out, better, worse): pairs whose mean ranks stand in the other order once that method is left out."""
    k = matrix.shape[1]
    mean = row_ranks(matrix).mean(0)
    found = []
    for out in range(k if k > 2 else 0):
        rest = [i for i in range(k) if i != out]
        new = row_ranks(matrix[:, rest]).mean(0)
        for x, y in combinations(range(k - 1), 2):
            i, j = (x, y) if mean[rest[x]] <= mean[rest[y]] else (y, x)
            if mean[rest[i]] < mean[rest[j]] - 1e-12 and new[i] > new[j] + 1e-12:
                found.append((names[out], names[rest[i]], names[rest[j]]))
    return tuple(found)


def critical(
    scores: Scores,
    budget: float | None = None,
    *,
    by: Literal["ranks", "means"] = "ranks",
    missing: Missing = "drop",
    post_hoc: PostHoc = "auto",
    alpha: float = ALPHA,
) -> Diagram:
    """The diagram of all methods at a budget (the largest of the scores).

    by        what a task ranks methods by: "ranks", a run's expected rank; "means", the mean regret over runs (carps)
    missing   tasks that some method did not run: "drop" them, or give it the "worst" rank there
    """
    at = scores.on([float(scores.budgets[-1]) if budget is None else float(budget)])
    ran: Bools = np.any(~np.isnan(at.values[..., 0]), axis=-1)  # (M, T)
    said = []
    for j, name in enumerate(at.tasks):
        if not ran[:, j].all():
            who = ", ".join(m for i, m in enumerate(at.methods) if not ran[i, j])
            said.append(f"{name}: not run by {who} ({'left out' if missing == 'drop' else 'worst rank'})")
    matrix = (task_ranks(at) if by == "ranks" else np.where(ran[..., None], task_regret(at), np.inf))[..., 0].T
    kept = matrix[ran.all(0) if missing == "drop" else ran.any(0)]
    return diagram(kept, at.methods, post_hoc=post_hoc, alpha=alpha, warnings=tuple(said))
