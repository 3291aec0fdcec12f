"""Independent distributions over labels, moved along the natural gradient of the ranked samples.

Source  Hamano et al., CatCMA, GECCO 2024, with the adaptive step of Akimoto et al., Adaptive Stochastic Natural
        Gradient Method, ICML 2019: steps grow while they agree with each other and shrink when they don't.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AGREE = 1.5  # how far the sum of steps may be from what chance gives (α of the source)


@dataclass(frozen=True, slots=True)
class Labels:
    """q (k, K): the chance of each label of k parameters; parameter i has sizes[i] labels, the rest of its row is 0.

    least (k,)  the smallest chance of a label
    drift (k, K - 1), trace, slowness   what the length of the next step follows from
    """

    q: Floats
    sizes: Ints
    least: Floats
    drift: Floats
    trace: float = 0.0
    slowness: float = 1.0

    @classmethod
    def start(cls, q: Floats, sizes: Ints, leave: float) -> Labels:
        """leave: the chance of another label than the likeliest that a parameter always keeps."""
        least = np.minimum(leave / np.maximum(sizes - 1, 1), 0.5 / np.maximum(sizes, 1))
        return floored(cls(q, sizes, least, np.zeros((len(q), max(q.shape[1] - 1, 0)))))

    def draw(self, U: Floats) -> Ints:
        """Labels (n, k) from uniform numbers (n, k)."""
        edges = np.cumsum(self.q, axis=1)
        drawn: Ints = np.minimum((U[:, :, None] >= edges[None]).sum(axis=2), self.sizes - 1)
        return drawn


def floored(labels: Labels) -> Labels:
    """With every chance at least `least`: what is missing is taken from the others in proportion to their surplus."""
    there = np.arange(labels.q.shape[1]) < labels.sizes[:, None]
    q = np.where(there, np.maximum(labels.q, labels.least[:, None]), 0.0)
    surplus = np.where(there, q - labels.least[:, None], 0.0)
    total = surplus.sum(axis=1)
    wanted = 1.0 - labels.least * labels.sizes
    share = wanted / np.where(total > 0, total, 1.0)
    raised = np.where(total[:, None] > 0, labels.least[:, None] + surplus * share[:, None], 1.0 / labels.sizes[:, None])
    return replace(labels, q=np.where(there, raised, 0.0))


def updated(labels: Labels, codes: Floats, weights: Floats) -> Labels:
    """After a generation. codes (n, k), best first, NaN where a parameter was inactive; weights (n,), none below 0."""
    k, most = labels.q.shape
    known = ~np.isnan(codes)
    hot = (codes[:, :, None] == np.arange(most)) * 1.0
    gradient = np.einsum("n,nkm->km", weights, np.where(known[:, :, None], hot - labels.q, 0.0))
    # coordinates in which the Fisher information is the unit matrix (Akimoto et al., appendix B): the last label of
    # each parameter is told by the others
    last = labels.sizes - 1
    rows = np.arange(k)
    q_last, g_last = labels.q[rows, last], gradient[rows, last]
    inside = np.arange(most - 1) < last[:, None]
    root = np.sqrt(np.where(inside, labels.q[:, :-1], 1.0))
    flat = gradient[:, :-1] / root + root * (g_last / (q_last + np.sqrt(q_last)))[:, None]
    flat = np.where(inside, flat, 0.0)
    norm = float(np.sqrt((flat * flat).sum()))
    if norm < 1e-12:  # all labels alike: nothing to learn
        return labels
    length = 1.0 / labels.slowness
    beta = min(length / sqrt(max(int(last.sum()), 1)), 1.0)
    drift = (1 - beta) * labels.drift + sqrt(beta * (2 - beta)) * flat / norm
    trace = (1 - beta) ** 2 * labels.trace + beta * (2 - beta)
    slowness = labels.slowness * exp(beta * (trace - float((drift * drift).sum()) / AGREE))
    moved = replace(labels, q=labels.q + length / norm * gradient, drift=drift, trace=trace, slowness=slowness)
    return floored(moved)
