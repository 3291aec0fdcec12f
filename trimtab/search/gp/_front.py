"""Several objectives: a model of each, and where the front they make is likeliest to gain.

Idea    The expected gain in hypervolume, exactly. Where there is noise, what is not known of the front (nor of trials
        that still run) is drawn from the models a few times; then each draw has a front of its own, and the gains are
        averaged. Without noise a running trial counts at its prediction, which is as good and takes half the time.
        Where that would take too many boxes, the gain is that of the largest weighted objective, under weights drawn
        for the trial. The reference point lies behind all that was seen: one behind the front alone cuts off its ends,
        which are then never looked for. And no objective is believed to go far below what several trials have reached:
        where an error is 0 already, a model that knows no bounds hopes for less, and as a little less of one objective
        counts over the whole width of the others, nearly all trials would go there.
Source  Emmerich, Giannakoglou & Naujoks, IEEE TEC 10(4), 2006 (expected hypervolume improvement); Daulton, Balandat &
        Bakshy, Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected Hypervolume Improvement,
        NeurIPS 2021; weights: Knowles, ParEGO, IEEE TEC 10(1), 2006. Floors are own work, near de Haan, Estimation of
        the Minimum of a Function Using Order Statistics, JASA 76, 1981.
Units   Volumes are those of the targets the models learn: in the user's units times a factor up to the knee of
        `_outputs.target`, squeezed above it, so that one diverged trial does not stretch the volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._random import stable_hash
from trimtab.history import State as Ended
from trimtab.log import JSON
from trimtab.parts.gain import Gain, Weighted
from trimtab.parts.logei import log_below
from trimtab.parts.pareto import front as front_of
from trimtab.parts.pareto import ranks
from trimtab.parts.useful import reached
from trimtab.search.gp._features import Layout, gaps_of
from trimtab.search.gp._model import LEAST, Data, Posterior, _matern, _squared, unwhitened, whitened
from trimtab.search.gp._outputs import Target, target
from trimtab.search.gp._state import Fit, State
from trimtab.search.gp._surrogate import _fitted, _useful, limits_of, sem_of

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BEYOND = 0.1  # of the width of what was seen: how far behind it the reference point lies
BOXES, DRAWN_BOXES = 500, 1000  # of one front, of all that are drawn: more of them cost more than they are worth
UTOPIA = 0.1  # of what was seen: how far before the best values weights are measured from. From the best themselves, a
# trial that is best in all leaves nothing to gain but what beats it in all
LOWEST = 5  # trials of each objective that tell where its floor is
HAIR = 1e-4  # of the width of what was seen, between the best value and a floor that is reached
DRAWS = 8  # of what is not known of the front
UNSURE = 24  # trials at most whose values are drawn
DOUBT = 2.0  # deviations by which a trial must be dominated to be off the front for sure
Looked = tuple[Floats, Floats, Floats]  # rows in units of their lengths, slopes of their covariances, these whitened


@dataclass(frozen=True)
class Drawn:
    """A posterior under s draws of its values at some configurations. alphas (s, n): one row a draw."""

    model: Posterior
    alphas: Floats

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Means (s, c) and the variance (c,), which all draws share."""
        means, variance = replace(self.model, alpha=self.alphas.T).predict(features)
        return means.T, variance

    def look(self, features: Floats) -> tuple[Floats, Floats, Looked]:
        """The same, and what back() goes on from."""
        model = self.model
        T = features / model.lengths
        k, slope = _matern(_squared(T, model.S), model.signal)
        means: Floats = model.mean + self.alphas @ k.T
        v = whitened(k, model.factor)
        return means, np.maximum(model.signal - (v * v).sum(axis=1), LEAST), (T, slope, v)

    def back(self, looked: Looked, by_means: Floats, by_variance: Floats) -> Floats:
        """From what a score changes by with means (s, c) and variance (c,) to its slopes (c, p)."""
        T, slope, v = looked
        weights = by_means.T @ self.alphas - 2.0 * by_variance[:, None] * unwhitened(v, self.model.factor)
        return self.model.moved(T, slope * weights)


@dataclass(frozen=True)
class Fronts:
    """What is believed of several objectives.

    names            of the objectives;  targets, models  of each
    limits           (model, where its limit is) of each constraint
    values           (n, m) of the feasible trials as the models have them, and where these are (n, p)
    reference        (m,) the point below which volume counts, standardised
    floor            (m,) what no objective is believed to go below; -inf: nobody knows
    gain             over the front, or the fronts drawn; None: nothing feasible is known
    X                (n, d) encoded configurations that have values, the front first
    ahead            so many of them are the front
    fit, new, mark   the hyperparameters, whether they were fitted for this decision, whose they are
    """

    names: tuple[str, ...]
    layout: Layout
    targets: Sequence[Target]
    models: Sequence[Posterior]
    limits: Sequence[tuple[Posterior, float]]
    values: Floats
    places: Floats
    reference: Floats
    floor: Floats
    X: Floats
    ahead: int
    fit: Fit
    new: bool
    mark: str
    gain: Gain | Weighted | None = None
    drawn: Sequence[Drawn] = ()
    weights: Floats | None = None
    several: str = "auto"
    prefer: Mapping[str, float] = field(default_factory=dict)
    rng: Generator = field(default_factory=np.random.default_rng)

    @cached_property
    def lengths(self) -> Floats:
        """(p,) how far one has to go for something to change: in the geometric mean of the objectives."""
        out: Floats = np.exp(np.mean([np.log(model.lengths) for model in self.models], axis=0))
        return out

    def note(self) -> dict[str, JSON]:
        """What the proposal is to note: hyperparameters that were fitted for it."""
        return self.fit.note(self.mark) if self.new else {}

    @property
    def noisy(self) -> bool:
        return any(m.noisy or t.noise.any() for m, t in zip(self.models, self.targets, strict=True))

    # ── the acquisition ──

    def score(self, features: Floats) -> Floats:
        """The acquisition (c,), larger is better."""
        out = np.zeros(len(features))
        if self.gain is not None:
            out += self.gain.log(*_as_one([drawn.predict(features) for drawn in self.drawn]))
        for model, bound in self.limits:
            mean, variance = model.predict(features)
            out += log_below(bound, mean, np.sqrt(variance))[0]
        return out

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        """The acquisition (c,), and what it changes by with each feature (c, p)."""
        out, by = np.zeros(len(features)), np.zeros(features.shape)
        if self.gain is not None:
            looks = [drawn.look(features) for drawn in self.drawn]
            mean, sd = _as_one([(means, variance) for means, variance, _ in looks])
            value, by_mean, by_sd = self.gain.slopes(mean, sd)
            out += value
            by_variance = (0.5 * by_sd / sd).sum(axis=0)
            for j, (drawn, (_, _, looked)) in enumerate(zip(self.drawn, looks, strict=True)):
                by += drawn.back(looked, by_mean[..., j], by_variance[:, j])
        for model, bound in self.limits:
            mean, variance, by_m, by_v = model.slopes(features)
            spread = np.sqrt(variance)
            value, slope_mean, slope_sd = log_below(bound, mean, spread)
            out += value
            by += slope_mean[:, None] * by_m + (0.5 * slope_sd / spread)[:, None] * by_v
        return out, by

    def likely_feasible(self, features: Floats) -> float:
        """The probability (of the first row) that all constraints hold."""
        told = [(bound, *model.predict(features)) for model, bound in self.limits]
        return float(np.exp(sum(float(log_below(bound, m, np.sqrt(v))[0][0]) for bound, m, v in told)))

    def why(self, history: History, x: Floats, score: float) -> dict[str, JSON]:
        """What is expected of a configuration (d,), in the objectives' own units."""
        features = self.layout.features(x[None])
        parts = []
        if self.gain is None:
            parts.append("nothing feasible is known yet")
        elif self.weights is None:
            parts.append(f"the largest expected gain in hypervolume of {' and '.join(self.names)}")
        else:
            shares = " : ".join(f"{w:.2f}" for w in self.weights)
            parts.append(f"the largest expected improvement under {' : '.join(self.names)} = {shares}")
        told = []
        for name, told_of, model in zip(self.names, self.targets, self.models, strict=True):
            value = history.sign(name) * told_of.back(float(model.predict(features)[0][0]))
            if np.isfinite(value) and not told_of.flat:
                told.append(f"{name} {value:.4g}")
        if told:
            parts.append(f"where {', '.join(told)} is expected")
        if self.limits:
            parts.append(f"feasible with probability {self.likely_feasible(features):.2f}")
        return {"score": score, "text": ", ".join(parts)}

    # ── what is drawn for a trial ──

    def aimed(self, several: str, prefer: Mapping[str, float], rng: Generator) -> Fronts:
        """For one trial, whose draws rng makes."""
        return replace(self, several=several, prefer=prefer, rng=rng)

    def believing(self, X: Floats) -> Fronts:
        """Ready to score, with pending configurations (r, d) in any order, and what is unknown of the front drawn."""
        pending = self.layout.features(X)
        pending = pending[np.lexsort(pending.T[::-1])]
        order = np.concatenate([self.rng.permutation(self.ahead), np.arange(self.ahead, len(self.X))])
        limits = [(model.believing(pending), bound) if len(pending) else (model, bound) for model, bound in self.limits]
        made = replace(self, limits=limits, X=self.X[order])
        if not len(self.values):  # nothing feasible is known
            return made
        weights = self.rng.dirichlet(np.ones(len(self.models)))
        if self.several == "nehvi" or (self.several == "auto" and self.noisy):
            drawn, fronts = self._drawn(pending)
            gain = Gain.over(fronts, self.reference, self.floor)
            if self.several == "nehvi" or gain.low[..., 0].size <= (DRAWN_BOXES if len(fronts) > 1 else BOXES):
                return replace(made, gain=gain, drawn=drawn)
        drawn, fronts = self._believed(pending)
        if self.several in ("auto", "ehvi"):
            gain = Gain.over(fronts, self.reference, self.floor)
            if self.several == "ehvi" or gain.low[..., 0].size <= BOXES:
                return replace(made, gain=gain, drawn=drawn)
        wide = np.ptp(self.values, axis=0)
        weights = weights * [self.prefer.get(name, 1.0) for name in self.names]
        weights = np.maximum(weights / weights.sum(), 0.01)
        ideal = self.values.min(axis=0) - UTOPIA * wide
        scaled = weights / np.where(wide > 0, wide, 1.0)
        weighted = Weighted.over(fronts, scaled, ideal, self.several != "linear")
        return replace(made, gain=weighted, drawn=drawn, weights=weights)

    def _believed(self, pending: Floats) -> tuple[list[Drawn], list[Floats]]:
        """Pending configurations count at what is expected of them."""
        values = np.concatenate([self.values, self._expected(pending)])
        models = [m.believing(pending) for m in self.models] if len(pending) else self.models
        return [Drawn(model, model.alpha[None]) for model in models], [values[front_of(values)]]

    def _drawn(self, pending: Floats) -> tuple[list[Drawn], list[Floats]]:
        """What may be on the front and isn't known: trials where there is noise, and pending ones."""
        known, unsure = self.values, np.empty((0, pending.shape[1]))
        if self.noisy:
            known, unsure = np.empty((0, len(self.models))), self.places[self._maybe()]
        hopeful = self._feasible(pending)
        rows = np.concatenate([unsure, pending[hopeful], pending[~hopeful]])
        if not len(rows):
            return self._believed(pending)
        counted = len(unsure) + int(hopeful.sum())
        drawn, values = [], np.empty((DRAWS, len(rows), len(self.models)))
        for j, model in enumerate(self.models):
            half = self.rng.standard_normal((DRAWS // 2, len(rows)))
            z = np.concatenate([half, -half])
            mean, _ = model.predict(rows)
            more = replace(model, noise=0.0).believing(rows)
            n = len(model.alpha)
            values[:, :, j] = mean + np.linalg.solve(more.factor[n:, n:], z.T).T
            drawn.append(Drawn(more, more.alpha + z @ more.factor[n:]))
        fronts = [np.concatenate([known, each[:counted]]) for each in values]
        return drawn, [front[front_of(front)] for front in fronts]

    def _maybe(self) -> Ints:
        """Trials that may be on the front: not those that another one dominates by a few deviations."""
        told = [model.predict(self.places) for model in self.models]
        mean, sd = np.stack([t[0] for t in told], axis=1), np.sqrt(np.stack([t[1] for t in told], axis=1))
        sure = mean + DOUBT * sd
        sure, hoped = sure[front_of(sure)], mean - DOUBT * sd
        beaten = np.any(np.all(sure[None] < hoped[:, None], axis=2), axis=1)
        rows = np.flatnonzero(~beaten)
        return np.sort(rows[np.argsort(ranks(mean[rows]), kind="stable")[:UNSURE]])

    def _feasible(self, features: Floats) -> NDArray[np.bool_]:
        good = np.ones(len(features), bool)
        for model, bound in self.limits:
            good &= model.predict(features)[0] <= bound
        return good

    def _expected(self, features: Floats) -> Floats:
        """The means (r, m) of those that are expected to be feasible."""
        features = features[self._feasible(features)]
        return np.stack([model.predict(features)[0] for model in self.models], axis=1)


def _as_one(told: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Means and deviations (s, c, m) of all objectives, from means (s, c) and a variance (c,) of each."""
    means = np.stack([mean for mean, _ in told], axis=2)
    sd = np.sqrt(np.stack([variance for _, variance in told], axis=1))
    return means, np.broadcast_to(sd, means.shape)


def fronts(history: History, state: State, scope: str, most: int, reference: Mapping[str, float]) -> Fronts | str:
    """The models, or in words why there are none."""
    ended = np.flatnonzero(history.state != Ended.RUNNING)
    count, Y = len(ended), history.Y[ended]
    good: NDArray[np.bool_] = np.all(np.isfinite(Y), axis=1)
    if count > most:
        order = np.where(good, ranks(np.where(good[:, None], Y, np.inf)).astype(np.float64), np.nan)
        rows = _useful(order, most)
        ended, Y, good = ended[rows], Y[rows], good[rows]
    Y = np.where(good[:, None], Y, np.nan)
    targets = [target(Y[:, j], sem_of(history, state, ended, name)) for j, name in enumerate(history.objectives)]
    if all(t.flat for t in targets) and not history.constraints:
        return "all values are the same so far"
    X, C = history.X[ended], history.C[ended]
    level = reached(history.state[ended], history.level[ended])
    layout = Layout(history.space, gaps_of(history.space, history.X), bool(level.any()))
    features = layout.features(X, level)
    data = [Data(features, layout.group, t.y, t.noise) for t in targets]
    more, bounds = limits_of(C, features, layout.group)
    data += more
    mark = f"{stable_hash(layout.mark, scope, 'front', len(data)):032x}"[:8]
    fitted, new = _fitted(state.fits.get(mark), data, count)
    made = [Posterior.of(theta, d) for theta, d in zip(fitted.theta, data, strict=True)]
    models, limits = made[: len(targets)], list(zip(made[len(targets) :], bounds, strict=True))
    places = layout.features(X)
    values = np.stack([t.y for t in targets], axis=1)
    exact = np.array([not (m.noisy or t.noise.any() or layout.levels) for m, t in zip(models, targets, strict=True)])
    for j in np.flatnonzero(~exact):
        values[:, j] = models[j].predict(places)[0]
    feasible: NDArray[np.bool_] = good & np.all(C <= 0, axis=1)
    rank = ranks(np.where(good[:, None], values, np.inf))
    order = np.lexsort((rank, ~feasible))[: int(good.sum())]
    ahead = int(((rank == rank[order[0]]) & feasible).sum()) if feasible.any() else 0
    corner = _reference(history, targets, values[good], reference)
    return Fronts(
        history.objectives,
        layout,
        targets,
        models,
        limits,
        values[feasible],
        places[feasible],
        corner,
        _floor(values[feasible], exact, X.shape[1]),
        X[order],
        ahead,
        fitted,
        new,
        mark,
    )


def _reference(history: History, targets: Sequence[Target], values: Floats, given: Mapping[str, float]) -> Floats:
    """The user's point where there is one, else one behind all that was seen; standardised."""
    low, high = values.min(axis=0), values.max(axis=0)
    corner: Floats = high + BEYOND * np.where(high > low, high - low, 1.0)
    for j, name in enumerate(history.objectives):
        if name in given and not targets[j].flat:
            corner[j] = targets[j].forth(history.sign(name) * given[name])
    return corner


def _floor(values: Floats, exact: NDArray[np.bool_], d: int) -> Floats:
    """Of each objective: d + 2 times as far below the best of values (n, m) as the best few lie apart. Noise: -inf.

    How far draws of a smooth function lie above its least value grows with the power 2 / d of their rank, so the best
    few lie closer together than above it, the more so in many dimensions. Where they are equal, the least is reached.
    """
    if len(values) <= LOWEST:
        return np.full(values.shape[1], -np.inf)
    best = np.sort(values, axis=0)[:LOWEST]
    below = (d + 2) * (best[-1] - best[0]) + HAIR * np.ptp(values, axis=0)
    return np.where(exact & (below > 0), best[0] - below, -np.inf)
