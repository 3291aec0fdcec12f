"""Quantiles that hold what they promise: boosted trees, widened by how far off they were where they had not looked.

Source  Romano, Patterson & Candès, Conformalized Quantile Regression, NeurIPS 2019, algorithm 1. Where rows are few,
        each fifth of them is judged by models of the others and the scores are pooled (cross-conformal).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.parts.boosting import Boosted, boosted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
UNCHECKED = 32  # up to so many rows nothing is held out
POOLED = 100  # from so many on a tenth is held out, below it each fifth in turn
FOLDS, TENTH = 5, 0.1


@dataclass(frozen=True)
class Quantiles:
    """The quantiles 1/(m+1) … m/(m+1), the first m models of `model`, and by how much each is moved, (m,)."""

    model: Boosted
    moved: Floats

    def predict(self, F: Floats) -> Floats:
        """(m, rows of F): rising in each row."""
        m = len(self.moved)
        return np.sort(self.model.predict(F, slice(m)) + self.moved[:, None], axis=0)


def fit(F: Floats, y: Floats, sizes: Ints, rng: Generator, m: int, rounds: int) -> Quantiles:
    """Of rows F (n, p) with values y (n,). sizes (p,): labels of a choice; 0: a number."""
    n, levels = len(y), np.arange(1, m + 1) / (m + 1)
    held = _held_out(n, rng)  # (folds, n)
    parts = ~held if len(held) == 1 else np.concatenate([np.ones((1, n), bool), ~held])
    kept = np.repeat(parts, m, axis=0)
    model = boosted(F, y, sizes, np.tile(levels, len(parts)), kept, rounds=rounds)
    moved = np.zeros(m)
    if held.any():
        fitted = model.fitted.reshape(len(parts), m, n)[-len(held) :]
        told = np.sort(fitted, axis=1).transpose(1, 0, 2)[:, held]  # (m, held-out rows)
        known = np.broadcast_to(y, held.shape)[held]
        for k in range(m // 2):
            score = np.sort(np.maximum(told[k] - known, known - told[m - 1 - k]))
            share = min((1 - 2 * levels[k]) * (1 + 1 / len(known)), 1.0)
            moved[m - 1 - k] = score[max(int(np.ceil(share * len(score) - 1e-9)), 1) - 1]
            moved[k] = -moved[m - 1 - k]
    return Quantiles(model, moved)


def _held_out(n: int, rng: Generator) -> Bools:
    """(folds, n): rows that the models of each fold don't see."""
    if n <= UNCHECKED:
        return np.zeros((1, n), bool)
    place = rng.permutation(n)
    if n >= POOLED:
        return (place < max(1, round(TENTH * n)))[None]
    each: Bools = place % FOLDS == np.arange(FOLDS)[:, None]
    return each
