"""What is sought of the next trial, other than the largest expected improvement.

Idea    ucb        the least that is likely: mean - κ standard deviations, κ growing with the logarithm of trials
        portfolio  for each trial other weights of expected improvement, probability of improvement and the former:
                   where a weighted sum of the three is largest, no place is better by all three
        thompson   for each trial one function drawn from the model, and its minimum
Source  Srinivas et al., Gaussian Process Optimization in the Bandit Setting, ICML 2010; Lyu et al., Batch Bayesian
        Optimization via Multi-objective Acquisition Ensemble (MACE), ICML 2018, and κ as in Cowen-Rivers et al., HEBO,
        JAIR 74, 2022; Thompson, Biometrika 25, 1933; Wilson et al., Efficiently Sampling Functions from Gaussian
        Process Posteriors, ICML 2020 (a draw from the prior in random features, corrected to the data).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, pi, sqrt
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.parts.logei import log_below, log_ei_slopes
from trimtab.search.gp._mixture import Mixture
from trimtab.search.gp._model import Posterior
from trimtab.search.gp._surrogate import Rule, Surrogate

Floats = NDArray[np.float64]
Acquisition = Literal["logei", "ucb", "thompson", "portfolio"]
WORDS = {
    "logei": "the largest expected improvement",
    "ucb": "the lowest value that is likely, for an improvement",
    "thompson": "the best of a function drawn from the model, for an improvement",
    "portfolio": "the best by a random mixture of three criteria, for an improvement",
}
DELTA, UPSILON = 0.01, 0.5
WAVES = 512  # random features of a drawn function
FREEDOM = 5  # twice the smoothness of Matérn-5/2: its spectrum is Student's t of so many degrees


def seeking(model: Surrogate, kind: Acquisition, rng: Generator, n: int) -> Surrogate:
    """The same beliefs, with what is sought. n: trials so far; rng: the draws of this trial."""
    if kind == "logei":
        return model
    if kind == "thompson":
        return drawn(model, rng)
    kappa = caution(n, model.layout.groups)
    return model.gaining(lower(kappa) if kind == "ucb" else mixed(rng.dirichlet(np.ones(3)), kappa))


def caution(n: int, d: int) -> float:
    """κ: how many standard deviations below the mean count as likely."""
    return sqrt(2 * UPSILON * ((2 + d / 2) * log(max(n, 1)) + log(3 * pi**2 / (3 * DELTA))))


def lower(kappa: float) -> Rule:
    def rule(best: float, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
        return best - mean + kappa * sd, np.full(len(mean), -1.0), np.full(len(mean), kappa)

    return rule


def mixed(weights: Floats, kappa: float) -> Rule:
    """weights (3,) of expected improvement and of probability of improvement, as logarithms, and of `lower`."""
    rules = (log_ei_slopes, log_below, lower(kappa))

    def rule(best: float, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
        value, by_mean, by_sd = (np.zeros(len(mean)) for _ in range(3))
        for weight, each in zip(weights.tolist(), rules, strict=True):
            told, one, other = each(best, mean, sd)
            value, by_mean, by_sd = value + weight * told, by_mean + weight * one, by_sd + weight * other
        return value, by_mean, by_sd

    return rule


# ── a function drawn from the model ──


@dataclass(frozen=True)
class Path:
    """Σ amplitude cos(wave · s + phase), a draw from the prior, and k(s, S) @ pull: s is in units of the lengths."""

    model: Posterior
    waves: Floats
    phases: Floats
    amplitudes: Floats
    pull: Floats

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        """Values (m,) and slopes (m, p)."""
        T = features / self.model.lengths
        turn = T @ self.waves.T + self.phases
        value = np.cos(turn) @ self.amplitudes
        by = (-np.sin(turn) * self.amplitudes) @ self.waves / self.model.lengths
        mean, _, by_mean, _ = replace(self.model, alpha=self.pull).slopes(features)
        return value + mean, by + by_mean


def path(model: Posterior, rng: Generator) -> Path:
    p = model.S.shape[1]
    group = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, WAVES))
    waves = rng.standard_normal((WAVES, p)) * group[:, None]
    phases = rng.uniform(0, 2 * pi, WAVES)
    amplitudes = sqrt(2 * model.signal / WAVES) * rng.standard_normal(WAVES)
    at_data = np.cos(model.S @ waves.T + phases) @ amplitudes
    noise = sqrt(model.noise) * rng.standard_normal(len(model.S))
    pull = model.alpha - model.factor.T @ (model.factor @ (at_data + noise))
    return Path(model, waves, phases, amplitudes, pull)


@dataclass(frozen=True)
class Drawn(Surrogate):
    """Beliefs of which one function is taken for true."""

    path: Path | None = None

    def score(self, features: Floats) -> Floats:
        return self.slopes(features)[0]

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        out, by = Surrogate.slopes(replace(self, best=None), features)
        if self.path is not None and self.best is not None:
            value, slopes = self.path.slopes(features)
            out, by = out + self.best - value, by - slopes
        return out, by


def drawn(model: Surrogate, rng: Generator) -> Surrogate:
    """One function drawn; of several sets of hyperparameters, from one of them, by their weights."""
    base = model
    if isinstance(model, Mixture) and model.logs is not None:
        base = model.members[int(rng.choice(len(model.members), p=np.exp(model.logs) / np.exp(model.logs).sum()))]
    parts = {name: getattr(model, name) for name in Surrogate.__dataclass_fields__}
    return Drawn(**parts | {"objective": base.objective}, path=path(base.objective, rng))
