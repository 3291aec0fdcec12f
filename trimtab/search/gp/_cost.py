"""What trials cost: as it was logged, as a model of its logarithm, and how much it counts.

Idea    Where trials differ in cost by tens of times, many cheap ones tell more than a few dear ones; but where the
        budget ends, what counts is the result alone. So of the logarithm of expected improvement α times that of the
        cost is subtracted, and α falls from 1 to 0 as the budget is used: it is the root of what is left of the time
        that a stop rule allows, or of the trials, whichever is nearer its end. Where no budget is known it stays 1.
Source  Snoek, Larochelle & Adams, Practical Bayesian Optimization of Machine Learning Algorithms, NeurIPS 2012, section
        3.2 (improvement per second); Lee, Perrone, Archambeau & Seeger, Cost-aware Bayesian Optimization, arXiv
        2003.10870, 2020 (cost cooling).
Leaves  the latter in this: there α is what is left. Its root was better on three tasks of four: while there is time
        for many more trials, how many is still what counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.log import Event
from trimtab.parts.logei import log_below
from trimtab.protocol import Ask
from trimtab.search.gp._model import Data, Posterior

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SECONDS = "seconds"  # what every runner logs
SLIGHT = 1e-3  # nats: the scale of costs that are all the same
SLOWLY = 0.5  # the power of what is left of the budget
SOFT = 0.05  # nats: no trial costs twice exactly the same, so a limit is no edge, however sure the model is
RULES = {SECONDS: ("time", "seconds", 1.0), "gpu_seconds": ("gpu_hours", "hours", 3600.0)}  # stop rules by cost


@dataclass(frozen=True)
class Price:
    """What a configuration is expected to cost, and what that takes off the acquisition.

    model          of the logarithm of cost, standardised: (logarithm - middle) / width
    share          of the logarithm that is subtracted: α
    bound          the standardised logarithm of the limit; None: there is none
    """

    model: Posterior
    middle: float
    width: float
    bound: float | None = None
    share: float = 0.0

    def at(self, share: float) -> Price:
        return replace(self, share=share)

    def score(self, features: Floats) -> Floats:
        """What the acquisition gains (m,)."""
        mean, variance = self.model.predict(features)
        out: Floats = -self.share * self.width * mean
        return out if self.bound is None else out + log_below(self.bound, mean, self._spread(variance))[0]

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        """What the acquisition gains (m,), and by each feature (m, p)."""
        mean, variance, by_mean, by_variance = self.model.slopes(features)
        out, by = -self.share * self.width * mean, -self.share * self.width * by_mean
        if self.bound is not None:
            sd = self._spread(variance)
            value, slope_mean, slope_sd = log_below(self.bound, mean, sd)
            out += value
            by += slope_mean[:, None] * by_mean + (0.5 * slope_sd / sd)[:, None] * by_variance
        return out, by

    def within(self, features: Floats) -> Bools:
        """Which rows (m,) are expected to keep to the limit."""
        if self.bound is None:
            return np.ones(len(features), bool)
        return self.model.predict(features)[0] <= self.bound

    def _spread(self, variance: Floats) -> Floats:
        out: Floats = np.sqrt(variance + (SOFT / self.width) ** 2)
        return out

    def expected(self, features: Floats) -> float:
        """The cost of the first row, in the user's units."""
        logs = self.middle + self.width * float(self.model.predict(features)[0][0])
        return float(np.exp(np.clip(logs, -700, 700)))


@dataclass(frozen=True)
class Prices:
    """Costs (n,) as a target: what a model of them is made of, and the way back.

    within   (n,) trials that are not known to have cost more than the limit
    """

    data: Data
    middle: float
    width: float
    bound: float | None
    within: Bools

    def of(self, model: Posterior) -> Price:
        return Price(model, self.middle, self.width, self.bound)


def prices(costs: Floats, features: Floats, group: NDArray[np.int64], limit: float | None) -> Prices | None:
    """None: fewer than two trials tell of a cost above 0. Failed ones do, too."""
    known = np.isfinite(costs) & (costs > 0)
    if known.sum() < 2:
        return None
    logs = np.log(costs[known])
    middle, width = float(logs.mean()), max(float(logs.std()), SLIGHT)
    data = Data(features[known], group, (logs - middle) / width, np.zeros(len(logs)))
    if limit is None:
        return Prices(data, middle, width, None, np.ones(len(costs), bool))
    return Prices(data, middle, width, float(np.log(limit) - middle) / width, ~(known & (costs > limit)))


# ── from the log ──


@dataclass(slots=True)
class Logged:
    """The fold: one kind of cost, or one metric, of each trial, and which others there are."""

    name: str
    told: dict[int, float] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)

    def step(self, event: Event, history: History) -> Logged:
        if event.kind != "ended" or event.trial is None:
            return self
        spent: Mapping[str, Any] = event.body.get("cost") or {}
        metrics: Mapping[str, Any] = event.body.get("metrics") or {}
        self.others |= {*spent, *metrics}
        value = spent.get(self.name, metrics.get(self.name))
        if isinstance(value, (int, float)):
            before = self.told.get(event.trial, 0.0) if self.name in spent else 0.0  # a trial that went on adds to it
            self.told[event.trial] = before + value
        return self


def costs_of(history: History, name: str) -> Floats:
    """What each trial (n,) has cost; nan: unknown."""
    if name == SECONDS:
        return np.asarray(history.cost[SECONDS], np.float64)
    logged: Logged = history.fold(("gp cost", name), lambda: Logged(name), Logged.step)
    if not logged.told and logged.others:
        known = ", ".join(sorted(logged.others))
        raise ValueError(f"GP(cost={name!r}): no trial has logged {name!r}; what they have is {known}.")
    return np.array([logged.told.get(int(t), np.nan) for t in history.numbers], np.float64)


def share(history: History, ask: Ask, number: int, cost: str, costs: Floats) -> float:
    """α for a trial: what is left of the budget, as a part of it. number: its own; ask: as it was put."""
    used = []
    if ask.fresh is not None:
        used.append(number / max(ask.number + ask.fresh, 1))
    rule, setting, unit = RULES.get(cost, ("", "", 1.0))
    for each in history.definitions[-1].get("stop") or ():
        if each["rule"] == rule:
            used.append(float(costs[np.isfinite(costs)].sum()) / max(unit * float(each[setting]), 1e-300))
    left = 1.0 - max(used, default=0.0)
    return float(min(max(left, 0.0), 1.0) ** SLOWLY)
