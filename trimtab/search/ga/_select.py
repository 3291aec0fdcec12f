"""Who becomes a parent: places in a pool that is sorted best first."""

from __future__ import annotations

from math import ceil
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Select = Literal["tournament", "roulette", "rank", "truncation"]
SHARE = 0.25  # of the pool: the parents under truncation
LEAST = 1e-3  # chance of the worst in a roulette, of that of the best


def weights(how: Select, values: Floats | None, k: int) -> Floats:
    """Probability (k,) of each place. values (k,) ascend; None: they can't be compared by size."""
    if how == "truncation":
        w: Floats = (np.arange(k) < max(min(2, k), ceil(SHARE * k))).astype(np.float64)
    elif how == "roulette" and values is not None:
        w = fitness(values) + LEAST
    else:
        w = k - np.arange(k, dtype=np.float64)
    return np.asarray(w / w.sum(), np.float64)


def fitness(values: Floats) -> Floats:
    """1 for the best value, ½ for the median, 0 for those as far above the median as the best is below it, or farther.

    Plain (worst - f) would leave one diverged trial's neighbours all alike.
    """
    values = np.clip(values, -1e300, 1e300) / 4  # differences stay finite
    best, median = values[0], float(np.median(values))
    room = 2.0 * (median - best)
    if room <= 0.0:  # half of them are the best
        return np.asarray(values == best, np.float64)
    scaled: Floats = np.maximum(1.0 - (values - best) / room, 0.0)
    return scaled


def pick(how: Select, size: int, w: Floats, rng: Generator, avoid: int = -1) -> int:
    """One place; not `avoid`, where there is another."""
    k = len(w)
    for _ in range(8):
        place = int(rng.integers(0, k, size).min()) if how == "tournament" else int(rng.choice(k, p=w))
        if place != avoid:
            return place
    return int((avoid + 1 + rng.integers(k - 1)) % k) if k > 1 else avoid
