"""Expected best of n random trials, from one pool of them.

Idea    From B independent draws the expected best of n <= B follows exactly: each sorted value times the chance that it
        is the best of n drawn. With replacement (plug-in) it is biased; without (a U-statistic) it is not. Choosing by
        one metric and telling another takes the weights from the first and the values from the second.
Source  Dodge et al., Show Your Work, EMNLP 2019 (plug-in); Tang et al., Showing Your Work Doesn't Always Work, ACL 2020
        (its bias); the unbiased weights are those of an order statistic.
Takes   Independent draws only: a pool of a model-based optimizer's trials says nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Form = Literal["unbiased", "plugin"]
Sense = Literal["minimize", "maximize"]


@dataclass(frozen=True, eq=False, slots=True)
class EVP:
    """Expected best of n, for n = 1, 2, …; deviation is the standard deviation of the best of n.

    firm   the largest n to draw in bold: half the pool. Beyond it a few values carry all the weight
    """

    n: NDArray[np.int64]
    value: Floats
    deviation: Floats
    form: Form
    firm: int

    def trials_to(self, target: float) -> int | None:
        """The smallest n whose expected best is at least as good as the target; None: not within the pool."""
        falls = self.value[-1] <= self.value[0]
        reached = np.flatnonzero(self.value <= target if falls else self.value >= target)
        return int(self.n[reached[0]]) if reached.size else None


def evp(
    values: Floats,
    *,
    form: Form = "unbiased",
    sense: Sense = "minimize",
    report: Floats | None = None,
    most: int | None = None,
) -> EVP:
    """Of a pool of values (B,). report (B,): the metric told of the trial that `values` choose, say its test error.

    >>> evp(np.array([0.1, 0.2, 0.3, 0.4]), sense="maximize").value.round(4)[[0, 1, 3]]
    array([0.25  , 0.3333, 0.4   ])
    """
    pool = np.asarray(values, float)
    kept = ~np.isnan(pool)
    pool = pool[kept]
    told = pool if report is None else np.asarray(report, float)[kept]
    if not pool.size:
        raise ValueError("No values to expect anything from.")
    order = np.argsort(pool if sense == "maximize" else -pool, kind="stable")  # the best last
    n = np.arange(1, (most or len(pool)) + 1)
    if form == "unbiased" and n[-1] > len(pool):
        raise ValueError(
            f"The best of {n[-1]} needs a pool of as many; it has {len(pool)}. Use form='plugin' or more draws."
        )
    w = best_of(len(pool), n, form)
    mean = w @ told[order]
    variance = w @ told[order] ** 2 - mean**2
    return EVP(n, mean, np.sqrt(np.maximum(variance, 0.0)), form, max(1, len(pool) // 2))


def best_of(size: int, n: NDArray[np.int64], form: Form = "unbiased") -> Floats:
    """(len(n), size) the chance that the i-th worst of a pool is the best of n drawn from it."""
    i = np.arange(1, size + 1, dtype=float)
    if form == "plugin":
        return (i / size) ** n[:, None] - ((i - 1) / size) ** n[:, None]
    # C(i - 1, n - 1) / C(size, n), each from the next one up: no binomial overflows
    j = np.arange(size - 1, 0, -1.0)
    down = np.cumprod(np.maximum((j + 1 - n[:, None]) / j, 0.0), axis=1)
    out: Floats = (n[:, None] / size) * np.hstack([np.ones((len(n), 1)), down])[:, ::-1]
    return out


def quantile_rank(n: int, q: float = 0.5) -> float:
    """The quantile of a single draw that is the q-quantile of the best of n.

    >>> round(quantile_rank(10), 4)
    0.067
    """
    return float(1 - (1 - q) ** (1 / n))


def best_of_quantile(values: Floats, n: int, q: float = 0.5) -> float:
    """The q-quantile of the smallest of n draws: an order statistic of the pool."""
    pool = np.sort(np.asarray(values, float)[~np.isnan(values)])
    at = int(np.ceil(quantile_rank(n, q) * len(pool))) - 1
    return float(pool[max(at, 0)])


def crossing(a: EVP, b: EVP) -> int | None:
    """The first n from which on a's expected best is below b's; None if it never is."""
    m = min(len(a.n), len(b.n))
    behind = np.flatnonzero(~(a.value[:m] < b.value[:m]))
    first = int(behind[-1]) + 1 if behind.size else 0
    return int(a.n[first]) if first < m else None
