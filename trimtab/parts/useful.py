"""Which trials a model is made of when there are more than it takes, and how far each of them came."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.history import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CUT = (State.STOPPED, State.PAUSED)


def useful(y: Floats, most: int, shares: tuple[float, float]) -> Ints:
    """Rows in order: all, or the best, the newest and an even part of the rest.

    y       (n,) smaller is better, nan: failed
    shares  of `most`: the best trials, and the newest
    """
    n = len(y)
    if n <= most:
        return np.arange(n)
    order = np.argsort(np.where(np.isnan(y), np.inf, y), kind="stable")
    chosen = np.zeros(n, bool)
    chosen[order[: int(shares[0] * most)]] = True
    chosen[n - int(shares[1] * most) :] = True
    rest = np.flatnonzero(~chosen)
    more = most - int(chosen.sum())
    chosen[rest[(np.arange(more) * len(rest)) // more]] = True
    return np.flatnonzero(chosen)


def reached(state: NDArray[np.int8], level: Floats) -> Floats:
    """How far each trial came (n,), as a coordinate from -1 to 0, the highest; all 0 where none was cut short."""
    cut = np.isin(state, CUT) & np.isfinite(level)
    if not cut.any():
        return np.zeros(len(level))
    far = np.log1p(np.maximum(level, 0.0))
    top, low = float(np.nanmax(far)), float(far[cut].min())
    place: Floats = np.where(cut, (far - top) / ((top - low) or 1.0), 0.0)
    return place
