"""Candidates and their scores: log of the density ratio, times the same for each constraint (c-TPE)."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.search.tpe._state import Group

Floats = NDArray[np.float64]


def candidates(group: Group, rng: Generator, m: int, ranked: bool = True) -> tuple[Floats, Floats]:
    """Candidates (c, d) for the group's columns, best first, and their scores (c,); not ranked: the best alone."""
    if group.flat():
        rows = m if ranked else 1
        return group.prior.sample(rng, rows), np.zeros(rows)
    weights = group.weights()
    Z = group.good.sample(rng, m, weights)
    for held in group.held:  # c-TPE: where a constraint holds is worth a look too
        Z = np.concatenate([Z, held.sample(rng, m)])
    features = group.good.layout.features(Z)
    score = group.good.log_density(features, weights) - group.bad.log_density(features)
    if group.held:
        score = -_loss(-score, len(group.good_ones) / max(1, group.n))
        for held, broken in zip(group.held, group.broken, strict=True):
            n = len(held) + len(broken)
            if n:
                score -= _loss(broken.log_density(features) - held.log_density(features), len(held) / n)
    if not ranked:
        best = int(score.argmax())
        return Z[best : best + 1], score[best : best + 1]
    order = np.argsort(-score, kind="stable")
    return Z[order], score[order]


def _loss(log_ratio: Floats, share: float) -> Floats:
    """log(q + (1 - q)·g/l): minus the log of the probability, over q, of being on the good side (c-TPE, eq. 9)."""
    if share >= 1.0:
        return np.zeros_like(log_ratio)
    if share <= 0.0:
        return log_ratio
    out: Floats = np.logaddexp(log(share), log(1.0 - share) + log_ratio)
    return out
