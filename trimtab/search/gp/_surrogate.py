"""From a history to models of the objective and of each constraint, and to the acquisition they make together.

Acquisition: log expected improvement plus the logs of the probabilities that each constraint holds; before anything
feasible is known, the latter alone (Gardner et al., Bayesian Optimization with Inequality Constraints, ICML 2014).
Trials that a scheduler has cut short count at the level they reached: the level is a coordinate of the model, and
proposals are judged at the highest one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._random import stable_hash
from trimtab.history import State as Ended
from trimtab.log import JSON
from trimtab.parts.logei import log_below, log_ei_slopes
from trimtab.parts.useful import reached, useful
from trimtab.search.gp._cost import Price, prices
from trimtab.search.gp._features import Layout, gaps_of
from trimtab.search.gp._model import Data, Posterior, fit, prior_mode
from trimtab.search.gp._outputs import Target, limit, scalarised, target
from trimtab.search.gp._state import Fit, State
from trimtab.search.gp._tilt import Tilt, tilt

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.gp._bayes import Hyper

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rule = Callable[[float, Floats, Floats], tuple[Floats, Floats, Floats]]
SOON, LONG = 12, 60  # evaluations of the likelihood: from the newest fit on, and from the prior's mode
SHARES = (0.3, 0.3)  # of a full model: the best trials, and the newest
ENOUGH, LAST = 500, 6  # a fit to more trials is one to an even part of them, and so many evaluations with all


@dataclass(frozen=True)
class Surrogate:
    """What is believed of the space.

    objective  of the standardised objective;  limits  (model, where its limit is) of each constraint
    best       the standardised value to improve on; None: nothing feasible is known
    X          (n, d) encoded configurations that have a value, best first
    fit, new   the hyperparameters, and whether they were fitted for this decision
    mark       whose they are
    gain       of what the next trial is to bring: (best, mean, sd) -> values, and slopes by mean and by sd
    tilt       what priors that the space declares add to the acquisition
    price      what trials cost, and how much that counts
    """

    layout: Layout
    target: Target
    objective: Posterior
    limits: Sequence[tuple[Posterior, float]]
    best: float | None
    X: Floats
    fit: Fit
    new: bool
    mark: str
    weights: Floats | None = None
    gain: Rule = log_ei_slopes
    tilt: Tilt | None = None
    price: Price | None = None

    def gaining(self, rule: Rule) -> Surrogate:
        """The same beliefs, with another gain sought."""
        return replace(self, gain=rule)

    def paying(self, share: float) -> Surrogate:
        """The same beliefs, with such a share of the logarithm of cost taken off the acquisition."""
        return self if self.price is None else replace(self, price=self.price.at(share))

    def gained(self, x: Floats, score: float) -> float:
        """What of the score of a configuration (d,) is there whatever it costs."""
        if self.price is None:
            return score
        return score - float(self.price.score(self.layout.features(x[None]))[0])

    def alone(self) -> Surrogate:
        """Of several sets of hyperparameters, or draws: what is believed under the most probable set."""
        return self

    def note(self) -> dict[str, JSON]:
        """What the proposal is to note: hyperparameters that were fitted for it."""
        return self.fit.note(self.mark) if self.new else {}

    @property
    def lengths(self) -> Floats:
        """(p,) how far one goes for the objective to change."""
        return self.objective.lengths

    def score(self, features: Floats) -> Floats:
        """The acquisition (m,), larger is better."""
        out = np.zeros(len(features))
        if self.best is not None:
            mean, variance = self.objective.predict(features)
            out += self.gain(self.best, mean, np.sqrt(variance))[0]
        for model, bound in self.limits:
            mean, variance = model.predict(features)
            out += log_below(bound, mean, np.sqrt(variance))[0]
        if self.price is not None:
            out += self.price.score(features)
        return out if self.tilt is None else out + self.tilt.slopes(features)[0]

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        """The acquisition (m,), and what it changes by with each feature (m, p)."""
        out, by = np.zeros(len(features)), np.zeros(features.shape)
        terms: list[tuple[Posterior, float, Rule]] = []
        if self.best is not None:
            terms.append((self.objective, self.best, self.gain))
        terms += [(model, bound, log_below) for model, bound in self.limits]
        for model, bound, rule in terms:
            mean, variance, by_mean, by_variance = model.slopes(features)
            sd = np.sqrt(variance)
            value, slope_mean, slope_sd = rule(bound, mean, sd)
            out += value
            by += slope_mean[:, None] * by_mean + (0.5 * slope_sd / sd)[:, None] * by_variance
        for term in (self.price, self.tilt):
            if term is not None:
                value, slopes = term.slopes(features)
                out, by = out + value, by + slopes
        return out, by

    def likely_feasible(self, features: Floats) -> float:
        """The probability (of the first row) that all constraints hold."""
        logs = [
            log_below(bound, m, np.sqrt(v))[0] for model, bound in self.limits for m, v in [model.predict(features)]
        ]
        return float(np.exp(sum(float(log[0]) for log in logs)))

    def hopeful(self, features: Floats) -> NDArray[np.bool_]:
        """Which rows (m,) are expected to be feasible, and to cost no more than is allowed."""
        good = np.ones(len(features), bool) if self.price is None else self.price.within(features)
        for model, bound in self.limits:
            good &= model.predict(features)[0] <= bound
        return good

    def believing(self, X: Floats) -> Surrogate:
        """With pending configurations (m, d): their predictions are taken for their values (kriging believer).

        In the order of what they are, not of who runs them.
        """
        if not len(X):
            return self
        features = self.layout.features(X)
        features = features[np.lexsort(features.T[::-1])]
        limits = [(model.believing(features), bound) for model, bound in self.limits]
        best = self.best
        if best is not None:
            mean = np.where(self.hopeful(features), self.objective.predict(features)[0], np.inf)
            best = min(best, float(mean.min()))
        return replace(self, objective=self.objective.believing(features), limits=limits, best=best)


def surrogate(
    history: History,
    state: State,
    scope: str,
    most: int,
    rng: Generator | None,
    among: NDArray[np.bool_] | None = None,
    hyper: tuple[Hyper, Generator] | None = None,
    trust: float = 0.0,
    costs: Floats | None = None,
    limit: float | None = None,
) -> Surrogate | str:
    """The models, or in words why there are none.

    rng: for the weights of several objectives; among: rows to model; hyper: how sets of the objective's
    hyperparameters are drawn, and by what; None: the most probable ones alone; trust: in declared priors, in trials;
    costs: of all trials (n,), nan: unknown, and the limit of them
    """
    there = history.state != Ended.RUNNING
    ended = np.flatnonzero(there if among is None else there & among)
    count = len(ended)
    Y, weights = history.Y[ended], None
    if rng is not None:
        y, weights = scalarised(Y, rng)
    else:
        y = np.where(np.isfinite(Y[:, 0]), Y[:, 0], np.nan)
    rows = _useful(y, most)
    ended, y = ended[rows], y[rows]
    sem = np.zeros(len(y)) if rng is not None else sem_of(history, state, ended, history.objectives[0])
    told = target(y, sem)
    if told.flat and not history.constraints:
        return "all values are the same so far"
    X, C = history.X[ended], history.C[ended]
    level = reached(history.state[ended], history.level[ended])
    layout = Layout(history.space, gaps_of(history.space, history.X), bool(level.any()))
    features = layout.features(X, level)
    more, bounds = limits_of(C, features, layout.group)
    data = [Data(features, layout.group, told.y, told.noise), *more]
    paid = None if costs is None else prices(costs[ended], features, layout.group, limit)
    if paid is not None:
        data.append(paid.data)
    mark = f"{stable_hash(layout.mark, scope, len(data), *(['cost'] if paid else [])):032x}"[:8]
    fitted, new = _fitted(state.fits.get(mark), data, count)
    objective, *others = [Posterior.of(theta, d) for theta, d in zip(fitted.theta, data, strict=True)]
    feasible = np.isfinite(y) & ((C <= 0).all(axis=1) if C.shape[1] else True)
    if paid is not None:
        feasible &= paid.within
    tops = layout.features(X)

    def means_of(model: Posterior) -> Floats:
        return model.predict(tops)[0] if model.noisy or told.noise.any() or layout.levels else told.y

    def best_of(model: Posterior) -> float | None:
        return float(means_of(model)[feasible].min()) if feasible.any() else None

    means = means_of(objective)
    order = np.lexsort((means, ~feasible))
    order = order[np.isfinite(y[order])]
    limits = list(zip(others[: len(bounds)], bounds, strict=True))
    made = Surrogate(layout, told, objective, limits, best_of(objective), X[order], fitted, new, mark, weights)
    price = None if paid is None else paid.of(others[-1])
    made = replace(made, tilt=tilt(layout, trust / max(count, 1)), price=price)
    if hyper is None or told.flat:
        return made
    from trimtab.search.gp._mixture import mixture  # which builds on this

    return mixture(made, data[0], *hyper, state.sets.get(mark), best_of)


def _useful(y: Floats, most: int) -> Ints:
    """Rows of the trials a model is made of."""
    return useful(y, most, SHARES)


def limits_of(C: Floats, features: Floats, group: Ints) -> tuple[list[Data], list[float]]:
    """Of each constraint that two trials tell of: what a model of it is made of, and where its limit is."""
    data, bounds = [], []
    for j in range(C.shape[1]):
        known = np.flatnonzero(~np.isnan(C[:, j]))
        if len(known) > 1:
            c, bound = limit(C[known, j])
            data.append(Data(features[known], group, c, np.zeros(len(c))))
            bounds.append(bound)
    return data, bounds


def sem_of(history: History, state: State, rows: Ints, name: str) -> Floats:
    """Measured standard errors (n,) of one objective; 0: unknown."""
    if not state.sem:
        return np.zeros(len(rows))
    numbers = history.numbers[rows].tolist()
    return np.array([state.sem.get(int(t), {}).get(name, 0.0) for t in numbers], np.float64)


def _fitted(last: Fit | None, data: Sequence[Data], n: int) -> tuple[Fit, bool]:
    """Hyperparameters of all models, and whether they are new. See Fit for when."""
    if last is not None and not last.due(n):
        return last, False
    afresh = last is None or last.due_afresh(n)
    found = []
    for i, each in enumerate(data):
        starts = [] if last is None else [last.theta[i] / 1000]
        if afresh:
            starts.append(prior_mode(each.groups))
        found.append(_best(each, starts, afresh, len(data)) if each.y.any() else 1000 * prior_mode(each.groups))
    return Fit(tuple(found), n, n if afresh or last is None else last.full), True


def _best(data: Data, starts: list[Floats], afresh: bool, models: int = 1) -> Floats:
    """Of so many models that are fitted at once: each takes a smaller part, so that all together take a second."""
    n, enough = len(data.y), int(ENOUGH / sqrt(models * len(starts)))
    if n <= enough:
        return fit(data, starts, LONG if afresh else SOON)
    if afresh:
        rows = (np.arange(enough) * n) // enough
        part = Data(data.features[rows], data.group, data.y[rows], data.noise[rows])
        starts = [fit(part, starts, LONG) / 1000]
    return fit(data, starts, max(LAST // models, 2))
