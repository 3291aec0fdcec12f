"""Learning rates that follow how much of a step is signal: for noisy and very rugged objectives.

Steps of the mean and of the covariance are averaged; where the average is short against its parts, they contradict
each other, and the rate falls until they don't. Source: Nomura, Akimoto & Ono, CMA-ES with Learning Rate Adaptation,
ACM TELO 2024 (GECCO 2023), algorithms 1 and 2, with its constants.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

import numpy as np
from numpy.typing import NDArray

from trimtab.search.cmaes._gaussian import WIDEST, Gaussian, rooted

Floats = NDArray[np.float64]
WANTED, SPEED = 1.4, 0.1  # signal to noise per unit of the rate; how fast a rate changes
MEMORY_MEAN, MEMORY_C = 0.1, 0.03  # share of the newest step in the averages
LEAST = 1e-4  # of a rate: below it a study sees no movement at all


@dataclass(frozen=True, slots=True)
class Trace:
    """One rate and the averages it follows."""

    memory: float
    rate: float = 1.0
    average: Floats | None = None
    square: float = 0.0

    def after(self, step: Floats) -> Trace:
        b = self.memory
        old = np.zeros_like(step) if self.average is None else self.average
        average = (1 - b) * old + b * step
        square = (1 - b) * self.square + b * float((step * step).sum())
        signal = float((average * average).sum())
        noise = square - signal
        ratio = (signal - b / (2 - b) * square) / noise if noise > 0 else np.inf
        turn = min(max(ratio / (WANTED * self.rate) - 1.0, -1.0), 1.0)
        rate = self.rate * exp(min(SPEED * self.rate, b) * turn)
        return Trace(b, min(max(rate, LEAST), 1.0), average, square)


@dataclass(frozen=True, slots=True)
class Trust:
    mean: Trace = Trace(MEMORY_MEAN)
    C: Trace = Trace(MEMORY_C)


START = Trust()


def tempered(before: Gaussian, after: Gaussian, trust: Trust) -> tuple[Gaussian, Trust]:
    """As much of the update as is trusted, and what is known of its noise now."""
    d, growth = len(before.mean), (after.sigma / before.sigma) ** 2
    step = before.white(before.steps_to(after.mean[None]))[0]
    change = growth * after.C - before.C
    local = before.white(before.white(change).T) if before.full else change / before.lengths**2
    old = trust.mean.rate
    trust = Trust(trust.mean.after(step), trust.C.after(local / np.sqrt(2.0)))
    mean = before.mean + trust.mean.rate * (after.mean - before.mean)
    C = before.C + trust.C.rate * change
    log_det = float(np.linalg.slogdet(C)[1]) if before.full else float(np.log(C).sum())
    unit = exp(log_det / d)  # C of determinant 1: sigma alone says how wide it is
    sigma = before.sigma * float(np.sqrt(unit)) * old / trust.mean.rate  # the best one goes with 1 / rate
    sigma = min(sigma, WIDEST / float(np.sqrt((np.diagonal(C) if before.full else C) / unit).max()))
    return rooted(replace(after, mean=mean, sigma=sigma, C=C / unit)), trust
