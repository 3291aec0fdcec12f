"""A number for each method with its interval, and how the interval is made: the stratified bootstrap.

Idea    Runs are drawn anew within each method and task. A draw is a vector of weights over the runs, not a table of
        picked values: a mean is then a product with it, an expected rank two, and one draw serves all budgets, so that
        a curve and its band belong together.
Source  Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021 (strata);
        Rao and Wu, Resampling inference with complex survey data, JASA 83, 1988 (n - 1 draws from a stratum of n).
Leaves  The reference code draws n runs of n, which makes intervals too narrow by sqrt(1 - 1/n), a tenth with five runs;
        we draw n - 1, which is unbiased for means. `lean=False` gives the reference's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# weights (k, M, T, R) that sum to 1 over the runs that there are, how often each task counts (k, T) -> (k, …)
Statistic = Callable[[Floats, Floats], Floats]

REPS = 2000  # of the bootstrap; the percentiles of a 95 % interval then move by about a twentieth of its width
LEVEL = 0.95
FEWEST = 3  # runs of a stratum below which an interval says nothing
CHUNK = 4_000_000  # weights held at once: 32 MB


class Interval(NamedTuple):
    """A number and its 95 % interval; NaN where there is none."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True, eq=False, slots=True)
class Estimate:
    """A statistic of each method, with its interval.

    names          of what stands in the first axis
    values, lo, hi (len(names), …); further axes are budgets or thresholds, named by `at`
    n              runs behind each name
    what           the statistic in words
    warnings       what a reader must know
    """

    names: tuple[str, ...]
    values: Floats
    lo: Floats
    hi: Floats
    _: KW_ONLY
    n: tuple[int, ...] = ()
    at: tuple[float, ...] = ()
    what: str = ""
    warnings: tuple[str, ...] = ()

    def interval(self, name: str, at: int | None = None) -> Interval:
        """Of one name; `at` is the index of the budget (the last one)."""
        i = self.names.index(name)
        pick = (i,) if self.values.ndim == 1 else (i, -1 if at is None else at)
        return Interval(float(self.values[pick]), float(self.lo[pick]), float(self.hi[pick]))

    def table(self) -> list[dict[str, Any]]:
        """A row for each name (and budget)."""
        rows: list[dict[str, Any]] = []
        for i, name in enumerate(self.names):
            for j, at in enumerate(self.at if self.values.ndim > 1 else (None,)):
                place = {} if at is None else {"at": at}
                value, lo, hi = self.interval(name, j)
                rows.append(
                    {"name": name, **place, "value": value, "lo": lo, "hi": hi, "n": self.n[i] if self.n else None}
                )
        return rows

    def to_json(self) -> dict[str, Any]:
        rows = [{k: plain(v) for k, v in row.items()} for row in self.table()]
        return {"what": self.what, "rows": rows, "warnings": list(self.warnings)}


def plain(value: Any) -> Any:
    """What JSON can hold: NaN and infinities become None and "inf"."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def bootstrap(
    statistic: Statistic,
    present: Bools,
    *words: object,
    reps: int = REPS,
    lean: bool = True,
    resample_tasks: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """(value, lo, hi) of a statistic over runs; `present` (M, T, R) says which runs there are.

    The draws are those of `words` alone: the same call gives the same interval. Intervals are NaN with reps=0. With
    resample_tasks the tasks are drawn anew too, for what may be expected of other tasks like these.
    """
    whole = present / np.maximum(present.sum(-1, keepdims=True), 1)
    value = statistic(whole[None], np.ones((1, present.shape[1])))[0]
    if not reps or not present.size:
        return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
    parts = [statistic(*w) for w in draws(present, reps, *words, lean=lean, resample_tasks=resample_tasks)]
    lo, hi = percentiles(np.concatenate(parts))
    return value, lo, hi


def draws(
    present: Bools, reps: int, *words: object, lean: bool = True, resample_tasks: bool = False
) -> Iterator[tuple[Floats, Floats]]:
    """`reps` draws of weights in chunks: (k, M, T, R) over runs and (k, T) over tasks."""
    rng = rng_for(0, "bootstrap", *words)
    counts = present.sum(-1)
    chance = present / np.maximum(counts, 1)[..., None]
    chance[counts == 0, 0] = 1.0  # nothing to draw from; what is drawn is thrown away below
    size = np.where(counts > 1, counts - 1, 1) if lean else np.maximum(counts, 1)
    n_tasks = present.shape[1]
    step = max(1, CHUNK // max(1, present.size))
    for first in range(0, reps, step):
        k = min(step, reps - first)
        drawn = rng.multinomial(size, chance, size=(k, *counts.shape)) * present
        weights = drawn / np.maximum(drawn.sum(-1, keepdims=True), 1)
        tasks = np.ones((k, n_tasks))
        if resample_tasks:
            tasks = rng.multinomial(n_tasks, np.full(n_tasks, 1 / n_tasks), size=k).astype(float)
        yield weights, tasks


def percentiles(samples: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """The percentile interval of samples (reps, …); NaN where every sample is."""
    tail = 50 * (1 - level)
    lost = np.isnan(samples).any(axis=0)
    known = np.where(np.isnan(samples), 0.0, samples)
    with np.errstate(invalid="ignore"):
        lo, hi = np.percentile(known, [tail, 100 - tail], axis=0)
    if np.isnan([lo, hi]).any():  # beside an infinity nothing lies between two samples: one of them is taken
        least, most = np.percentile(known, [tail, 100 - tail], axis=0, method="inverted_cdf")
        lo, hi = np.where(np.isnan(lo), least, lo), np.where(np.isnan(hi), most, hi)
    lo, hi = np.where(lost, np.nan, lo), np.where(lost, np.nan, hi)
    return lo, hi


def weighted_mean(values: Floats, weights: Floats, tasks: Floats) -> Floats:
    """Mean over tasks of the mean over runs: values (M, T, R, B), weights (k, M, T, R), tasks (k, T) -> (k, M, B).

    What was not run (NaN) counts nowhere; a method without a run at a budget is NaN.
    """
    k, m, t, r = weights.shape
    out = np.empty((k, m, values.shape[-1]))
    for there, budgets in patterns(values):
        w = weights * there
        drawn = w.sum(-1, keepdims=True)
        w *= (tasks[:, None] / np.where(drawn[..., 0] > 0, drawn[..., 0], 1.0))[..., None]
        count = np.einsum("kt,kmt->mk", tasks, (drawn[..., 0] > 0).astype(float))
        known = np.where(there[..., None], values[..., budgets], 0.0).reshape(m, t * r, len(budgets))
        total = np.moveaxis(w.reshape(k, m, t * r), 0, 1) @ known  # (M, k, budgets): one product a method
        mean = np.where(count[..., None] > 0, total / np.where(count > 0, count, 1.0)[..., None], np.nan)
        out[:, :, budgets] = np.moveaxis(mean, 0, 1)
    return out


def patterns(values: Floats) -> Iterator[tuple[Bools, list[int]]]:
    """The runs that there are (M, T, R), and at which budgets of values (M, T, R, B): mostly one pattern for all."""
    there = ~np.isnan(values)
    left = list(range(values.shape[-1]))
    while left:
        first = there[..., left[0]]
        same = [b for b in left if b == left[0] or np.array_equal(there[..., b], first)]
        yield first, same
        left = [b for b in left if b not in same]


def cell_means(values: Floats, weights: Floats) -> Floats:
    """Means over runs: values (M, T, R, B), weights (k, M, T, R) -> (k, M, T, B); NaN where nothing was run."""
    there = ~np.isnan(values)
    # as matrix products over the runs, one for each method and task
    total = np.moveaxis(weights, 0, 2) @ np.where(there, values, 0.0)  # (M, T, k, B)
    count = np.moveaxis(weights, 0, 2) @ there.astype(float)
    found = np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)
    return np.moveaxis(found, 2, 0)


def estimated(
    names: tuple[str, ...],
    present: Bools,
    numbers: tuple[Floats, Floats, Floats],
    what: str,
    at: Sequence[float] | Floats,
    warnings: tuple[str, ...] = (),
) -> Estimate:
    """The Estimate of (value, lo, hi), each (M, …), without intervals where runs (M, T, R) are too few for them."""
    value, lo, hi = numbers
    refused, said = too_few(present, names)
    lo, hi = lo.copy(), hi.copy()
    lo[refused] = hi[refused] = np.nan
    n = tuple(int(x) for x in present.sum((1, 2)))
    return Estimate(names, value, lo, hi, n=n, at=tuple(float(x) for x in at), what=what, warnings=(*warnings, *said))


def too_few(present: Bools, methods: Sequence[str]) -> tuple[Bools, tuple[str, ...]]:
    """(M,) methods whose intervals are refused, and what to say of them.

    An interval needs three runs of a task. A method that has fewer on more than a tenth of its tasks gets none.
    """
    counts = present.sum(-1)
    ran = (counts > 0).sum(-1)
    thin = ((counts > 0) & (counts < FEWEST)).sum(-1)
    refused = thin > ran / 10
    said = [
        f"{name}: fewer than {FEWEST} runs on {_of(int(thin[i]), int(ran[i]))}, so "
        + ("no interval is given. Run more seeds." if refused[i] else "its intervals are a little too narrow.")
        for i, name in enumerate(methods)
        if thin[i]
    ]
    return refused, tuple(said)


def _of(some: int, every: int) -> str:
    """ "3 of its 4 tasks" """
    if every == 1:
        return "its only task"
    return f"all of its {every} tasks" if some == every else f"{some} of its {every} tasks"
