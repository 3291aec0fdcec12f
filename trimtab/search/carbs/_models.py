"""What CARBS believes: results and costs everywhere, and the best result that each cost has brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import log_ndtr

from trimtab._random import stable_hash
from trimtab.history import State as Ended
from trimtab.log import JSON
from trimtab.parts.logei import log_below, log_ei
from trimtab.parts.normal import quantile
from trimtab.parts.pareto import ranks
from trimtab.parts.useful import reached
from trimtab.search.gp._features import Layout, gaps_of
from trimtab.search.gp._model import Data, Posterior
from trimtab.search.gp._state import Fit, State
from trimtab.search.gp._surrogate import _fitted, _useful, limits_of

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHEAPEST = 0.2  # the quantile of costs below which all count as one
DARING = 1.0  # deviations by which the best of its cost is to be beaten


@dataclass(frozen=True)
class Models:
    """What is believed.

    result    of quantiles of a normal distribution, smaller is better
    price     of the logarithm of cost, standardised: (logarithm - middle) / width
    success   of 1 for trials with a value and -1 for failed ones; None: none failed
    limits    (model, where its limit is) of each constraint
    front_X, front_cost, front_result, runs  of the best for their cost, cheapest first
    """

    layout: Layout
    result: Posterior
    price: Posterior
    middle: float
    width: float
    success: Posterior | None
    limits: list[tuple[Posterior, float]]
    front_X: Floats
    front_cost: Floats
    front_result: Floats
    runs: Ints
    fit: Fit
    new: bool
    mark: str

    def note(self) -> dict[str, JSON]:
        return self.fit.note(self.mark) if self.new else {}

    def least_run(self, running: Floats) -> Floats | None:
        """The member of the front (d,) that has run least often, the cheapest of these; None: it runs now."""
        x = self.front_X[int(np.argmin(self.runs))]
        return None if _same(running, x).any() else x

    def order(
        self, X: Floats, running: Floats, radius: float, most: float | None, rng: Generator
    ) -> tuple[Ints, dict[str, JSON]]:
        """Candidates (m, d), best first, and in words what is expected of the best."""
        if not len(X):
            return np.empty(0, np.int64), {"text": "a random draw"}
        features = self.layout.features(X)
        result = self.result
        if len(running):
            pending = self.layout.features(running)
            result = result.believing(pending[np.lexsort(pending.T[::-1])])
        mean, variance = result.predict(features)
        cost = self.price.predict(features)[0]
        somewhere = rng.uniform(self.front_cost[0], self.front_cost[-1], 1)
        bar = np.minimum(self.best_at(cost), self.best_at(somewhere))
        score = log_ei(0.0, mean - bar + DARING, np.sqrt(variance))
        numbers = self.layout.numbers
        apart = ((X[:, None, numbers] - self.front_X[None, :, numbers]) ** 2).sum(axis=2).min(axis=1)
        score -= apart / (2 * radius**2)
        if self.success is not None:
            sure, doubt = self.success.predict(features)
            score += log_ndtr(sure / np.sqrt(doubt + 1.0))
        for model, bound in self.limits:
            middle, spread = model.predict(features)
            score += log_below(bound, middle, np.sqrt(spread))[0]
        dear = np.zeros(len(X), bool)
        if most is not None:
            dear = self.middle + self.width * cost > np.log(most)
        order = np.lexsort((-score, dear))
        expected = float(np.exp(np.clip(self.middle + self.width * cost[order[0]], -700, 700)))
        text = f"likeliest to beat the best of its cost, about {expected:.3g}"
        return order, {"score": float(score[order[0]]), "text": text}

    def best_at(self, cost: Floats) -> Floats:
        """The result on the front at a standardised logarithm of cost."""
        out: Floats = np.interp(cost, self.front_cost, self.front_result)
        return out


def models(history: History, state: State, scope: str, name: str, most: int) -> Models:
    ended = np.flatnonzero(history.state != Ended.RUNNING)
    count = len(ended)
    quality, cost = results(history, name)
    rows = _useful(np.where(np.isfinite(quality[ended]), quality[ended], np.nan), most)
    ended = ended[rows]
    quality, cost = quality[ended], cost[ended]
    X, C = history.X[ended], history.C[ended]
    good: NDArray[np.bool_] = np.isfinite(quality)
    level = reached(history.state[ended], history.level[ended])
    layout = Layout(history.space, gaps_of(history.space, history.X), bool(level.any()))
    features = layout.features(X, level)
    y = normal_ranks(quality[good])
    priced = good & np.isfinite(cost)
    logs = cost[priced]
    middle = float(logs.mean()) if len(logs) else 0.0
    width = float(logs.std()) if len(logs) and logs.std() > 0 else 1.0
    prices = np.where(priced, (cost - middle) / width, 0.0)
    some = priced if priced.any() else good
    data = [
        Data(features[good], layout.group, y, np.zeros(len(y))),
        Data(features[some], layout.group, prices[some], np.zeros(int(some.sum()))),
    ]
    if not good.all():
        data.append(Data(features, layout.group, np.where(good, 1.0, -1.0), np.zeros(len(good))))
    more, bounds = limits_of(C, features, layout.group)
    data += more
    mark = f"{stable_hash(layout.mark, scope, 'carbs', bool(good.all()), len(data)):032x}"[:8]
    fitted, new = _fitted(state.fits.get(mark), data, count)
    made = [Posterior.of(theta, d) for theta, d in zip(fitted.theta, data, strict=True)]
    first = 2 if good.all() else 3
    feasible: NDArray[np.bool_] = np.all(C[good] <= 0, axis=1)
    chosen = feasible if feasible.any() else np.ones(len(y), bool)
    place, runs, means, prices = grouped(X[good][chosen], y[chosen], prices[good][chosen])
    best = front(means, prices)
    return Models(
        layout,
        made[0],
        made[1],
        middle,
        width,
        made[2] if first == 3 else None,
        list(zip(made[first:], bounds, strict=True)),
        X[good][chosen][place[best]],
        prices[best],
        means[best],
        runs[best],
        fitted,
        new,
        mark,
    )


def results(history: History, name: str) -> tuple[Floats, Floats]:
    """How good each trial is (n,), smaller is better, nan: failed; and the logarithm of its cost, nan: unknown."""
    Y, objectives = history.Y, history.objectives
    failed: NDArray[np.bool_] = ~np.all(np.isfinite(Y), axis=1)
    seconds = history.cost["seconds"]
    if name in objectives and len(objectives) > 1:
        j = objectives.index(name)
        cost, Y = np.abs(Y[:, j]), np.delete(Y, j, axis=1)
    else:
        cost = np.asarray(seconds, np.float64)
    if Y.shape[1] == 1:
        quality = Y[:, 0].copy()
    else:
        quality = ranks(np.where(failed[:, None], np.inf, Y)).astype(np.float64)
    quality[failed] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return quality, np.where(np.isfinite(cost) & (cost > 0), np.log(cost), np.nan)


def normal_ranks(values: Floats) -> Floats:
    """The quantile of a normal distribution at each value's rank; equal values share theirs."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    out: Floats = quantile(middle / max(len(values), 1))[inverse.reshape(len(values))]
    return out


def grouped(X: Floats, y: Floats, cost: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """Repeats as one: the first row of each, how many there are, their mean result and mean cost."""
    _, first, inverse, runs = np.unique(
        np.nan_to_num(np.rint(X * 1e6), nan=-1.0), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    inverse = inverse.reshape(len(X))
    return first, runs, np.bincount(inverse, y) / runs, np.bincount(inverse, cost) / runs


def front(result: Floats, cost: Floats) -> Ints:
    """The best for their cost, cheapest first. The cheapest fifth counts as one cost."""
    cheap = cost <= np.quantile(cost, CHEAPEST)
    start = int(np.flatnonzero(cheap)[np.argmin(result[cheap])])
    chosen, best = [start], float(result[start])
    for i in np.argsort(cost, kind="stable").tolist():
        if not cheap[i] and result[i] < best:
            chosen.append(i)
            best = float(result[i])
    return np.array(chosen, np.int64)


def _same(X: Floats, x: Floats) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = np.all(np.abs(np.nan_to_num(X) - np.nan_to_num(x)) < 1e-9, axis=1)
    return same
