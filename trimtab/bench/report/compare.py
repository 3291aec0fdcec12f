"""Is A better than B? Paired tests, Holm's correction, and a verdict that may be "can't tell".

Idea    The effect comes first, then its interval, then p. Of a bench the effect is a ratio of regrets: per task the
        geometric means over runs, then over tasks alike. Its interval draws runs anew within tasks and speaks of these
        tasks; p flips the signs of whole tasks, and so speaks of tasks like these.
Source  Fisher's sign-flip test; Wilcoxon, 1945; Holm, A simple sequentially rejective multiple test procedure, 1979;
        Cliff, Dominance statistics, 1993.
"""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.bench.report._words import count
from trimtab.bench.report.estimate import REPS, bootstrap, cell_means, plain, too_few, weighted_mean
from trimtab.bench.report.iqm import trimmed
from trimtab.bench.report.regret import FLOOR
from trimtab.bench.report.scores import Scores

Floats = NDArray[np.float64]
Word = Literal["better", "worse", "can't tell"]

ALPHA = 0.05
EXACT = 12  # pairs up to which all 2**n flips are tried
FLIPS = 10_000  # random ones beyond


@dataclass(frozen=True, slots=True)
class Comparison:
    """A against B over paired or unpaired values, smaller is better.

    effect   mean difference A - B, with its t interval;  d  the same in standard deviations (Cohen; of the differences
             when paired);  cliff  P(A larger) - P(A smaller)
    p        of the permutation test;  p_ranks  of Wilcoxon's (paired) or Mann and Whitney's
    word     what to make of A: "better", "worse" or "can't tell"
    """

    effect: float
    lo: float
    hi: float
    d: float
    cliff: float
    p: float
    p_ranks: float
    word: Word
    n: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One method's regret divided by another's, on the tasks that both ran.

    ratio, lo, hi   below 1: `method` is better. The interval is of new runs on the same tasks
    word            "better" or "worse" if the interval leaves out 1, else "can't tell"
    p               sign flips by task: small if other tasks like these would show the same direction
    """

    method: str
    against: str
    budget: float
    ratio: float
    lo: float
    hi: float
    word: Word
    _: KW_ONLY
    p: float
    n_tasks: int
    n_runs: int
    unit: str = "evaluations"
    warnings: tuple[str, ...] = ()

    def line(self) -> str:
        """The sentence."""
        at = f"{self.budget:g} {self.unit}" if self.unit != "share" else f"{100 * self.budget:g} % of the budget"
        if not self.n_tasks:
            return f"Can't tell {self.method} from {self.against}: they share no task at {at}."
        between = "no interval" if np.isnan(self.lo) else f"{self.lo:.2f} to {self.hi:.2f}"
        what = f"{self.method} is {self.word} than {self.against}"
        if self.word == "can't tell":
            what = f"Can't tell {self.method} from {self.against}"
        of = f"{count(self.n_tasks, 'task')}, {count(self.n_runs, 'run')}"
        least = 2.0 ** (1 - self.n_tasks)
        test = f"p by task {self.p:.2g}" if least <= ALPHA else "too few tasks for a test by task"
        return f"{what}: {self.ratio:.2f} times its regret ({between}) at {at}; {of}, {test}."

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = plain(asdict(self))
        return told


def sign_flip(differences: Floats, *words: object) -> float:
    """Two-sided p that differences (n,) are symmetric around 0: all 2**n sign flips up to 12, else 10,000 drawn ones.

    >>> sign_flip(np.array([0.05, 0.01, 0.05, 0.05, 0.02]))
    0.0625
    """
    d = np.asarray(differences, float)
    d = d[~np.isnan(d)]
    if not d.size or not d.any():
        return 1.0
    seen = abs(d.sum()) * (1 - 1e-12)  # the same sum in another order of adding must count as equal
    if len(d) <= EXACT:
        bits = (np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1
        return float((np.abs((1 - 2 * bits) @ d) >= seen).mean())
    signs = rng_for(0, "sign-flip", *words).integers(0, 2, (FLIPS, len(d))) * 2 - 1
    return float((1 + (np.abs(signs @ d) >= seen).sum()) / (1 + FLIPS))  # the data themselves are one of the flips


def label_flip(a: Floats, b: Floats, strata_a: Floats, strata_b: Floats) -> float:
    """Two-sided p that labels don't matter: a (n,) and b (m,) are permuted within strata (tasks), 10,000 times."""
    rng = rng_for(0, "label-flip")
    seen, total = 0.0, np.zeros(FLIPS)
    for s in np.unique(np.concatenate([strata_a, strata_b])):
        x, y = a[strata_a == s], b[strata_b == s]
        if not (x.size and y.size):
            continue
        both = np.concatenate([x, y])
        scale = 1 / len(x) + 1 / len(y)  # mean(x) - mean(y) is sum(x) * scale less a constant
        seen += x.sum() * scale - both.sum() / len(y)
        drawn = rng.permuted(np.broadcast_to(both, (FLIPS, len(both))), axis=1)[:, : len(x)]
        total += drawn.sum(1) * scale - both.sum() / len(y)
    return float((1 + (np.abs(total) >= abs(seen) * (1 - 1e-12)).sum()) / (1 + FLIPS))


def wilcoxon(differences: Floats) -> float:
    """Two-sided p of the signed-rank test; 1 if all differences are 0."""
    from scipy import stats

    d = np.asarray(differences, float)
    d = d[~np.isnan(d)]
    if not d.any():
        return 1.0
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # small samples and ties: scipy says which form it takes
        return float(stats.wilcoxon(d).pvalue)


def holm(p: Sequence[float] | Floats) -> Floats:
    """Holm's adjusted p, in the order given; NaN stays NaN and counts for nothing.

    >>> holm([0.01, 0.02, 0.04])
    array([0.03, 0.04, 0.04])
    """
    given = np.asarray(p, float)
    out = np.full(given.shape, np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if order.size else steps
    return out


def winner(a: Floats, b: Floats, *, paired: bool = True, strata: tuple[Floats, Floats] | None = None) -> Comparison:
    """A against B, smaller is better. Failures (+inf) count as the worst value that either has; NaN was not run.

    strata   of a and of b, for unpaired values: labels are only exchanged within one (a task)
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if paired and a.shape != b.shape:
        raise ValueError(f"{a.size} values against {b.size} are no pairs. Pass paired=False.")
    said: list[str] = []
    lost = ~np.isnan(a) & ~np.isnan(b) if paired else None
    if lost is not None and not lost.all():
        said.append(f"left out, because one of its runs is missing: {count(int((~lost).sum()), 'pair')}")
    keep_a, keep_b = (lost, lost) if lost is not None else (~np.isnan(a), ~np.isnan(b))
    if strata is not None:
        strata = strata[0][keep_a], strata[1][keep_b]
    a, b = _worst_for_failed(a[keep_a], b[keep_b], said)
    if min(len(a), len(b)) < 2:
        none = float("nan")
        return Comparison(
            none, none, none, none, none, 1.0, 1.0, "can't tell", min(len(a), len(b)), ("too few values",)
        )
    effect, spread, error, degrees = _effect(a, b, paired)
    if paired:
        p, p_ranks, least = sign_flip(a - b), wilcoxon(a - b), 2.0 ** (1 - len(a))
        if least > ALPHA:
            said.append(f"{len(a)} pairs cannot reach p = {ALPHA:g}: the smallest that they can give is {least:g}")
    else:
        one = (np.zeros(len(a)), np.zeros(len(b)))
        p, p_ranks = label_flip(a, b, *(strata or one)), _mann_whitney(a, b)
    from scipy import stats

    reach = float(stats.t.ppf(1 - ALPHA / 2, degrees)) * error if error else 0.0
    cliff = float((np.sign(a[:, None] - b[None])).mean())
    word: Word = "can't tell" if p > ALPHA else ("better" if effect < 0 else "worse")
    d = effect / spread if spread else 0.0
    return Comparison(effect, effect - reach, effect + reach, d, cliff, p, p_ranks, word, len(a), tuple(said))


def _worst_for_failed(a: Floats, b: Floats, said: list[str]) -> tuple[Floats, Floats]:
    failed = int(np.isinf(a).sum() + np.isinf(b).sum())
    if failed:
        finite = np.concatenate([a[np.isfinite(a)], b[np.isfinite(b)]])
        worst = finite.max() if finite.size else 0.0
        a, b = np.where(np.isinf(a), worst, a), np.where(np.isinf(b), worst, b)
        said.append(f"{count(failed, 'failed run')} {'counts' if failed == 1 else 'count'} as the worst value")
    return a, b


def _effect(a: Floats, b: Floats, paired: bool) -> tuple[float, float, float, float]:
    """Mean difference, the standard deviation that it is measured in, its standard error, degrees of freedom."""
    effect = float(a.mean() - b.mean())
    if paired:
        spread = float((a - b).std(ddof=1))
        return effect, spread, spread / len(a) ** 0.5, len(a) - 1
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    degrees = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)) if va + vb else len(a) + len(b) - 2
    spread = float(((a.var(ddof=1) + b.var(ddof=1)) / 2) ** 0.5)
    return effect, spread, float((va + vb) ** 0.5), float(degrees)  # Welch


def _mann_whitney(a: Floats, b: Floats) -> float:
    from scipy import stats

    return float(stats.mannwhitneyu(a, b).pvalue)


def verdict(
    scores: Scores,
    a: str,
    against: str,
    budget: float | None = None,
    *,
    how: Literal["geometric", "iqm"] = "geometric",
    reps: int = REPS,
    floor: float = FLOOR,
) -> Verdict:
    """The regret of method `a` as a multiple of that of `against`, at a budget (the largest of the scores).

    how   "geometric": the geometric mean over tasks of the ratio of geometric means over runs, regrets held above
          `floor`; "iqm": the ratio of interquartile means
    """
    at = float(scores.budgets[-1]) if budget is None else float(budget)
    pair = scores.only(methods=[a, against]).on([at])
    there = ~np.isnan(pair.values[..., 0])
    both = [name for j, name in enumerate(pair.tasks) if there[:, j].any(-1).all()]
    pair = pair.only(tasks=both)
    there = ~np.isnan(pair.values[..., 0])
    i, k = pair.methods.index(a), pair.methods.index(against)
    if not both:
        none = float("nan")
        return Verdict(a, against, at, none, none, none, "can't tell", p=1.0, n_tasks=0, n_runs=0, unit=scores.axis)
    values = np.maximum(pair.clipped, floor)

    def statistic(w: Floats, tasks: Floats) -> Floats:
        level = np.log(trimmed(values, w, tasks)) if how == "iqm" else weighted_mean(np.log(values), w, tasks)
        return np.exp(level[:, i, 0] - level[:, k, 0])

    ratio, lo, hi = (float(x) for x in bootstrap(statistic, there, "verdict", a, against, reps=reps))
    refused, said = too_few(there, pair.methods)
    if refused.any():
        lo = hi = float("nan")
    word: Word = "better" if hi < 1 else "worse" if lo > 1 else "can't tell"
    whole = there / np.maximum(there.sum(-1, keepdims=True), 1)
    by_task = cell_means(np.log(values), whole[None])[0, :, :, 0]
    p = sign_flip(by_task[i] - by_task[k], a, against)
    return Verdict(
        a,
        against,
        at,
        ratio,
        lo,
        hi,
        word,
        p=p,
        n_tasks=len(both),
        n_runs=int(there.sum()),
        unit=scores.axis,
        warnings=said,
    )


def verdicts(scores: Scores, against: str, budget: float | None = None, *, reps: int = REPS) -> tuple[Verdict, ...]:
    """Every other method against one, with p corrected for their number (Holm)."""
    found = [verdict(scores, m, against, budget, reps=reps) for m in scores.methods if m != against]
    return tuple(replace(v, p=float(p)) for v, p in zip(found, holm([v.p for v in found]), strict=True))
