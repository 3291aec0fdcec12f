"""Beliefs under several sets of hyperparameters: the acquisition is the logarithm of its mean over them.

Source  Snoek, Larochelle & Adams, Practical Bayesian Optimization of Machine Learning Algorithms, NeurIPS 2012,
        section 3.2 (integrated acquisition). Mean and spread that people are shown are those of the most probable set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.log import JSON
from trimtab.search.gp._bayes import LOGGED, Hyper, Sets, again, draw, effective, thousandths
from trimtab.search.gp._model import UNIT, Data, Posterior, Singular
from trimtab.search.gp._state import ROOM, SETS
from trimtab.search.gp._surrogate import Rule, Surrogate

Floats = NDArray[np.float64]
MORE, GROWTH = 5, 1.1  # logged sets are drawn anew after so many trials, and after so many times as many
WORN = 0.5  # or when so small a part of them has all the weight


@dataclass(frozen=True)
class Mixture(Surrogate):
    """members: what is believed under each set, with the logarithms of their weights; told: sets to be logged."""

    members: Sequence[Surrogate] = ()
    logs: Floats | None = None
    told: Mapping[str, JSON] | None = None

    def score(self, features: Floats) -> Floats:
        return self._mean(np.array([m.score(features) for m in self.members]))[0]

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        each = [m.slopes(features) for m in self.members]
        value, shares = self._mean(np.array([v for v, _ in each]))
        return value, np.einsum("sm,smp->mp", shares, np.array([by for _, by in each]))

    def _mean(self, scores: Floats) -> tuple[Floats, Floats]:
        """The logarithm of the mean (m,) of e to the scores (s, m), and what each has of it (s, m)."""
        assert self.logs is not None
        parts = scores + self.logs[:, None]
        top = parts.max(axis=0)
        top = np.where(np.isfinite(top), top, 0.0)
        shares = np.exp(parts - top)
        total = np.maximum(shares.sum(axis=0), 1e-300)
        return top + np.log(total), shares / total

    def believing(self, X: Floats) -> Surrogate:
        members = [m.believing(X) for m in self.members]
        return self.over(super().believing(X), members, self.logs, self.told)

    def gaining(self, rule: Rule) -> Surrogate:
        members = [m.gaining(rule) for m in self.members]
        return self.over(super().gaining(rule), members, self.logs, self.told)

    def paying(self, share: float) -> Surrogate:
        members = [m.paying(share) for m in self.members]
        return self.over(super().paying(share), members, self.logs, self.told)

    @classmethod
    def over(
        cls, base: Surrogate, members: Sequence[Surrogate], logs: Floats | None, told: Mapping[str, JSON] | None = None
    ) -> Mixture:
        """base: what people are told, and what holds for all members."""
        return cls(**_parts(base), members=members, logs=logs, told=told)

    def alone(self) -> Surrogate:
        return Surrogate(**_parts(self))

    def note(self) -> dict[str, JSON]:
        note = super().note()
        return note | ({SETS: dict(self.told)} if self.told else {})


def mixture(
    base: Surrogate,
    data: Data,
    hyper: Hyper,
    rng: Generator,
    logged: Mapping[str, Any] | None,
    best_of: Callable[[Posterior], float | None],
) -> Surrogate:
    """What is believed under sets of hyperparameters; `base` where none can be drawn. logged: the newest sets."""
    n, told = len(data.y), None
    try:
        sets = _kept(logged, data) if hyper in LOGGED else None
        if sets is None:
            sets = draw(hyper, data, base.fit.theta[0] / UNIT, rng)
            sets = Sets(thousandths(sets.theta) / UNIT, sets.logs, sets.height)
            told = _told(sets, base.mark, n, ROOM - len(str(base.note()))) if hyper in LOGGED else None
        posteriors = [Posterior.of(thousandths(theta), data) for theta in sets.theta]
    except Singular:
        return base
    members = [replace(base, objective=each, best=best_of(each)) for each in posteriors]
    return Mixture.over(base, members, sets.logs, told)


def _parts(model: Surrogate) -> dict[str, Any]:
    return {name: getattr(model, name) for name in Surrogate.__dataclass_fields__}


def _kept(logged: Mapping[str, Any] | None, data: Data) -> Sets | None:
    """The logged sets as they weigh now, while they are worth something."""
    if logged is None or len(data.y) > max(logged["n"] + MORE, GROWTH * logged["n"]):
        return None
    theta = np.array(logged["theta"], np.float64) / UNIT
    sets = again(Sets(theta, np.array(logged["logs"]), np.array(logged["height"])), data)
    return sets if effective(sets) >= WORN * len(theta) else None


def _told(sets: Sets, mark: str, n: int, room: int) -> dict[str, JSON] | None:
    """As many of the sets as there is room for; None: not even two."""
    theta: list[list[int]] = [[int(v) for v in thousandths(t)] for t in sets.theta]
    few = len(theta)
    while few > 1:
        rows = np.linspace(0, len(theta) - 1, few).astype(np.int64)
        logs = sets.logs[rows] - np.log(np.exp(sets.logs[rows]).sum())
        told: dict[str, JSON] = {
            "for": mark,
            "n": n,
            "theta": [theta[i] for i in rows.tolist()],
            "logs": [round(float(v), 3) for v in logs],
            "height": [round(float(v), 3) for v in sets.height[rows]],
        }
        if len(str(told)) <= room:
            return told
        few -= 1
    return None
