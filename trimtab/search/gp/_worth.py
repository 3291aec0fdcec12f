"""Where the utility of a quality and its cost is likeliest to gain: a model of each, and the formula between them.

Idea    A utility bends and stretches what is smooth by itself: the logarithm of a cost is often nearly a plane where
        the utility has a ridge. So the quality and the logarithm of the cost are modelled, and the expected improvement
        of the utility is a mean over draws from both: 64 even ones, the same for all candidates. The cost is drawn as
        it comes; the quality only from where the utility is then improved, and the chance of that is counted exactly.
        So no draw is wasted, there is a slope everywhere, and its logarithm is as good a guide far from the best.
        Where the cost draws all trials to one side, the model of the quality is too sure of the other; so every second
        trial is sought by a model of the utility itself, which takes its whole spread for what is not known.
Source  Astudillo & Frazier, Bayesian Optimization of Composite Functions, ICML 2019 (improvement of a known function of
        what is modelled, over common draws); drawing from the part that improves, and the turns, are own work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri, ndtri_exp
from scipy.stats import qmc

from trimtab._random import stable_hash
from trimtab.history import State as Ended
from trimtab.log import JSON
from trimtab.parts.logei import log_below, log_ei_slopes
from trimtab.parts.useful import reached
from trimtab.search.gp._cost import SLIGHT, Price, prices
from trimtab.search.gp._features import Layout, gaps_of
from trimtab.search.gp._model import Data, Posterior
from trimtab.search.gp._outputs import Target, target
from trimtab.search.gp._state import Fit, State
from trimtab.search.gp._surrogate import _fitted, _useful, limits_of, sem_of
from trimtab.search.gp._tilt import Tilt, tilt
from trimtab.search.gp._utility import Formula, columns, formula

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
DRAWS = 64
FAR = 1e5  # deviations from the best beyond which there is no slope
HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))
HUGE = 1e300
WIDEST = 10.0


@dataclass(frozen=True)
class Whole:
    """A model of the utility itself: standardised, smaller is better, and the value to improve on."""

    model: Posterior
    best: float

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        mean, variance, by_mean, by_variance = self.model.slopes(features)
        sd = np.sqrt(variance)
        value, slope_mean, slope_sd = log_ei_slopes(self.best, mean, sd)
        return value, slope_mean[:, None] * by_mean + (0.5 * slope_sd / sd)[:, None] * by_variance

    def believing(self, features: Floats, good: NDArray[np.bool_]) -> Whole:
        """With pending rows, of which some are expected to be feasible."""
        hoped = np.where(good, self.model.predict(features)[0], np.inf)
        return Whole(self.model.believing(features), min(self.best, float(hoped.min())))


@dataclass(frozen=True)
class Worth:
    """What is believed of a quality and its cost, and of the utility of both.

    target, quality  values as the model learns them (an objective: smaller is better), and the model
    price            of the cost
    limits           (model, where its limit is) of each constraint
    best, whose      the utility to improve on, and whose it is; None: nothing feasible is known
    whole            the model of the utility itself, where that is asked; None: the two are
    X                (n, d) encoded configurations that have both, best first
    fit, new, mark   the hyperparameters, whether they were fitted for this decision, whose they are
    """

    names: tuple[str, str]
    formula: Formula
    layout: Layout
    target: Target
    quality: Posterior
    price: Price
    limits: Sequence[tuple[Posterior, float]]
    best: float | None
    whose: int | None
    X: Floats
    fit: Fit
    new: bool
    mark: str
    whole: Whole | None = None
    tilt: Tilt | None = None

    def by_turns(self, number: int) -> Worth:
        """Every second trial is sought by the model of the utility itself."""
        return self if number % 2 else replace(self, whole=None)

    def note(self) -> dict[str, JSON]:
        """What the proposal is to note: hyperparameters that were fitted for it."""
        return self.fit.note(self.mark) if self.new else {}

    @property
    def lengths(self) -> Floats:
        """(p,) how far one has to go for something to change: in the geometric mean of the two."""
        out: Floats = np.sqrt(self.quality.lengths * self.price.model.lengths)
        return out

    # ── the acquisition ──

    def score(self, features: Floats) -> Floats:
        """The acquisition (m,), larger is better."""
        out = np.zeros(len(features))
        if self.whole is not None:
            mean, variance = self.whole.model.predict(features)
            out += log_ei_slopes(self.whole.best, mean, np.sqrt(variance))[0]
        elif self.best is not None:
            (mean, variance), (middle, spread) = self.quality.predict(features), self.price.model.predict(features)
            out += self._gain(self.best, mean, np.sqrt(variance), middle, np.sqrt(spread))[0]
        for model, bound in self.limits:
            mean, variance = model.predict(features)
            out += log_below(bound, mean, np.sqrt(variance))[0]
        if self.price.bound is not None:
            out += self.price.score(features)
        return out if self.tilt is None else out + self.tilt.slopes(features)[0]

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        """The acquisition (m,), and what it changes by with each feature (m, p)."""
        out, by = np.zeros(len(features)), np.zeros(features.shape)
        if self.whole is not None:
            value, slopes = self.whole.slopes(features)
            out, by = out + value, by + slopes
        elif self.best is not None:
            both = self.quality.slopes(features), self.price.model.slopes(features)
            told = [each for mean, variance, _, _ in both for each in (mean, np.sqrt(variance))]
            value, partial = self._gain(self.best, *told)
            out += value
            for k, (_, variance, by_mean, by_variance) in enumerate(both):
                by += partial[2 * k][:, None] * by_mean
                by += (0.5 * partial[2 * k + 1] / np.sqrt(variance))[:, None] * by_variance
        for model, bound in self.limits:
            mean, variance, by_m, by_v = model.slopes(features)
            sd = np.sqrt(variance)
            value, slope_mean, slope_sd = log_below(bound, mean, sd)
            out += value
            by += slope_mean[:, None] * by_m + (0.5 * slope_sd / sd)[:, None] * by_v
        for term in (self.price if self.price.bound is not None else None, self.tilt):
            if term is not None:
                value, slopes = term.slopes(features)
                out, by = out + value, by + slopes
        return out, by

    def _gain(self, best: float, mean: Floats, sd: Floats, middle: Floats, spread: Floats) -> tuple[Floats, Floats]:
        """ln of the expected improvement (m,), and its derivatives (4, m) by the means and deviations of both models.

        Given the cost L, the utility is improved where the standardised quality is below `bar`: at most that is drawn.
        """
        first, second = _even()  # (s,): normal quantiles of the cost; logarithms of parts of the chance to improve
        mean, sd = mean[:, None], sd[:, None]
        L = self.price.middle + self.price.width * (middle[:, None] + spread[:, None] * first)
        needed = self.formula.needed(best, L)
        bar, bar_by = _forth(self.target, -needed)
        a = (bar - mean) / sd
        inside = (a > -FAR) & (a < 40.0)
        a = np.clip(a, -FAR, 40.0)
        chance = log_ndtr(a)
        t = ndtri_exp(second + chance)
        value, value_by = _back(self.target, mean + sd * t)
        E = -value
        gain = self.formula.value(E, L) - best
        rise, _ = self.formula.slopes(needed, L)
        least = rise * _back(self.target, bar)[1] * sd * np.maximum(a - t, 1e-12)  # where the difference is rounding
        gain = np.maximum(np.where(gain > 1e-9 * (abs(best) + 1e-9), gain, least), 1.0 / HUGE)
        parts = chance + np.log(gain)
        top = parts.max(axis=1, keepdims=True)
        weights = np.exp(parts - top)
        total = weights.sum(axis=1, keepdims=True)
        out: Floats = (top + np.log(total / DRAWS))[:, 0]
        weights /= total

        # by the chain: of a step in (mean, sd, L) to a, to t, to E, to the gain
        rise_E, rise_L = self.formula.slopes(E, L)
        at_bar_E, at_bar_L = self.formula.slopes(needed, L)
        hazard = np.exp(-0.5 * a * a - HALF_LOG_2PI - chance)  # φ/Φ
        turn = np.exp(second + 0.5 * (t * t - a * a))  # dt/da
        with np.errstate(over="ignore", invalid="ignore"):
            a_by_L = bar_by * at_bar_L / at_bar_E / sd
        a_by = [np.where(inside, each, 0.0) for each in (-1.0 / sd, -a / sd, np.nan_to_num(a_by_L))]
        moved = [1.0 + sd * turn * a_by[0], t + sd * turn * a_by[1], sd * turn * a_by[2]]  # of mean + sd t
        gain_by = [-rise_E * value_by * each for each in moved]
        gain_by[2] = gain_by[2] + rise_L
        by = [weights * (hazard * one + other / gain) for one, other in zip(a_by, gain_by, strict=True)]
        width = self.price.width
        parts_by = [by[0], by[1], width * by[2], width * first * by[2]]
        return out, np.nan_to_num(np.array([each.sum(axis=1) for each in parts_by]))

    def believing(self, X: Floats) -> Worth:
        """With pending configurations (r, d) in any order: they count at what is expected of them."""
        if not len(X):
            return self
        features = self.layout.features(X)
        features = features[np.lexsort(features.T[::-1])]
        limits = [(model.believing(features), bound) for model, bound in self.limits]
        best, whole = self.best, self.whole
        if best is not None:
            good = self.price.within(features)
            for model, bound in self.limits:
                good &= model.predict(features)[0] <= bound
            best = max(best, float(np.where(good, self._expected(features), -np.inf).max()))
            whole = None if whole is None else whole.believing(features, good)
        price = replace(self.price, model=self.price.model.believing(features))
        quality = self.quality.believing(features)
        return replace(self, quality=quality, price=price, limits=limits, best=best, whole=whole)

    def _expected(self, features: Floats) -> Floats:
        """The utility (m,) of what is expected of both."""
        mean, logs = self.quality.predict(features)[0], self.price.model.predict(features)[0]
        return self.formula.value(-_back(self.target, mean)[0], self.price.middle + self.price.width * logs)

    # ── in words ──

    def likely_feasible(self, features: Floats) -> float:
        """The probability (of the first row) that all constraints hold."""
        told = [(bound, *model.predict(features)) for model, bound in self.limits]
        return float(np.exp(sum(float(log_below(bound, m, np.sqrt(v))[0][0]) for bound, m, v in told)))

    def why(self, history: History, x: Floats, score: float) -> dict[str, JSON]:
        """What is expected of a configuration (d,), in the objectives' own units."""
        features, (quality, cost) = self.layout.features(x[None]), self.names
        if self.best is None:
            parts = ["nothing feasible is known yet"]
        else:
            parts = [f"the largest expected improvement on utility {self.best:.4g}"]
            parts[0] += "" if self.whose is None else f" (trial {self.whose} so far)"
        mean = self.quality.predict(features)[0]
        value = history.sign(quality) * float(_back(self.target, mean)[0][0])
        parts.append(f"where {quality} {value:.4g}, {cost} {self.price.expected(features):.4g} is expected")
        if self.limits:
            parts.append(f"feasible with probability {self.likely_feasible(features):.2f}")
        return {"score": score, "text": ", ".join(parts)}


def worth(
    history: History, state: State, scope: str, most: int, trust: float, utility: Mapping[str, float], cost: str,
    limit: float | None,
) -> Worth | str:  # fmt: skip
    """The models, or in words why there are none."""
    rule = formula(utility)
    q, c = columns(history, cost, rule)
    ended = np.flatnonzero(history.state != Ended.RUNNING)
    count = len(ended)
    E, T = -history.Y[ended, q], history.Y[ended, c]
    good = np.isfinite(E) & np.isfinite(T) & (T > 0)
    if not good.any():
        raise ValueError(
            f"GP(cost={cost!r}): no trial has a {cost} above 0, and a utility takes its logarithm. Count it from a "
            "point below all values, or measure it in other units."
        )
    with np.errstate(all="ignore"):
        u = np.where(good, rule.value(np.where(good, E, 0.0), np.log(np.where(good, T, 1.0))), np.nan)
    rows = _useful(-u, most)
    ended, E, T, good = ended[rows], E[rows], T[rows], good[rows]
    names = (history.objectives[q], cost)
    told = target(np.where(good, -E, np.nan), sem_of(history, state, ended, names[0]))
    told = _alive(told, -E[good]) if told.flat else _wide(told, rule, E[good], np.log(T[good]))
    X, C = history.X[ended], history.C[ended]
    level = reached(history.state[ended], history.level[ended])
    layout = Layout(history.space, gaps_of(history.space, history.X), bool(level.any()))
    features = layout.features(X, level)
    paid = prices(np.where(good, T, np.nan), features, layout.group, limit)
    if paid is None:
        return f"only one trial has a {cost} so far"
    more, bounds = limits_of(C, features, layout.group)
    u, still = u[rows], np.zeros(len(rows))
    together = target(-u, still)
    data = [
        Data(features, layout.group, told.y, told.noise),
        paid.data,
        Data(features, layout.group, together.y, still),
    ]
    data += more
    mark = f"{stable_hash(layout.mark, scope, 'worth', len(data)):032x}"[:8]
    fitted, new = _fitted(state.fits.get(mark), data, count)
    quality, model, one, *others = [Posterior.of(theta, d) for theta, d in zip(fitted.theta, data, strict=True)]
    price, limits = paid.of(model), list(zip(others, bounds, strict=True))
    made = Worth(names, rule, layout, told, quality, price, limits, None, None, X, fitted, new, mark)
    if quality.noisy or told.noise.any() or layout.levels or model.noisy:
        u = np.where(good, made._expected(layout.features(X)), np.nan)
    feasible = good & np.all(C <= 0, axis=1) & paid.within
    order = np.lexsort((-np.where(good, u, -np.inf), ~feasible))
    order = order[good[order]]
    best = float(u[order[0]]) if feasible.any() else None
    whose = int(history.numbers[ended[order[0]]]) if feasible.any() else None
    whole = None
    if feasible.any() and not together.flat:
        exact = not (one.noisy or layout.levels)
        least = together.y if exact else one.predict(layout.features(X))[0]
        whole = Whole(one, float(least[feasible].min()))
    found = replace(made, best=best, whose=whose, X=X[order], tilt=tilt(layout, trust / max(count, 1)))
    return replace(found, whole=whole)


def _alive(told: Target, values: Floats) -> Target:
    """A target of values that are all the same still says which."""
    width = max(abs(float(values[0])), 1.0)
    return replace(told, knee=float(values[0]) + width, width=width, mean=-1.0, sd=SLIGHT)


def _wide(told: Target, rule: Formula, E: Floats, L: Floats) -> Target:
    """Standardised by as much as the utility has varied, where that is more.

    A utility draws trials to where they are cheap and the quality is low and even; by their spread alone a model would
    be sure that it is nowhere high.
    """
    rise = float(np.median(rule.slopes(E, L)[0]))
    by = float(rule.value(E, L).std()) / max(rise * float(E.std()), 1e-300)
    by = min(max(by, 1.0), WIDEST)
    return replace(told, y=told.y / by, noise=told.noise / by**2, sd=told.sd * by)


def _back(told: Target, z: Floats) -> tuple[Floats, Floats]:
    """The values (…) that standardised ones stand for, and their slopes."""
    u = told.mean + told.sd * z
    over = np.clip(u, 0.0, 5.0)
    stretched = np.exp(over + np.expm1(over))
    value = np.ldexp(told.knee + told.width * np.where(u > 0, np.expm1(np.expm1(over)), u), told.power)
    return value, np.ldexp(told.width * told.sd * np.where(u > 0, stretched, 1.0), told.power)


def _forth(told: Target, values: Floats) -> tuple[Floats, Floats]:
    """The standardised ones that values (…) become, and their slopes."""
    with np.errstate(over="ignore"):
        u = (np.ldexp(np.clip(values, -HUGE, HUGE), -told.power) - told.knee) / told.width
    u = np.clip(u, -HUGE, HUGE)
    above = np.log1p(np.maximum(u, 0.0))
    z = (np.where(u > 0, np.log1p(above), u) - told.mean) / told.sd
    by = np.where(u > 0, 1.0 / (1.0 + np.maximum(u, 0.0)) / (1.0 + above), 1.0)
    return z, np.ldexp(by / told.width / told.sd, -told.power)


@lru_cache(maxsize=1)
def _even() -> tuple[Floats, Floats]:
    """64 even points of the square: a normal quantile, and the logarithm of a share, each (s,)."""
    points = (qmc.Sobol(2, scramble=False).random(DRAWS) + 0.5 / DRAWS) % 1.0
    first, second = ndtri(points[:, 0]), np.log(points[:, 1])
    for each in (first, second):
        each.flags.writeable = False
    return first, second
