"""The distributions of CMA-ES over a space: where they start, what a generation makes of them, when a run is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, inf, isfinite, log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.search._generation import Birth, Result, Row, best_first
from trimtab.search._layout import Layout
from trimtab.search.cmaes import _gaussian, _labels
from trimtab.search.cmaes._gaussian import Gaussian
from trimtab.search.cmaes._labels import Labels
from trimtab.search.cmaes._margin import chance, with_margin
from trimtab.search.cmaes._noise import START, Trust, tempered

if TYPE_CHECKING:
    from trimtab.search.cmaes import CMAES
    from trimtab.space import Space

Floats = NDArray[np.float64]
FULL = 100  # columns up to which covariances are learned: beyond, there are more of them than a study has trials
FEWEST = 10  # trials of others below which nothing is known of where good ones lie
WIDTH = 0.1  # of the normal distribution around each good trial of others (α of WS-CMA-ES)
NARROW = 1e-12  # spread, or relative range of the best values, at which a run is over
LARGEST = 64  # times the population, after six restarts: beyond it generations would never end


@dataclass(frozen=True, slots=True)
class Search:
    """lows: the best value of each generation since the restart. warm: it began at other people's trials."""

    settings: CMAES
    layout: Layout
    gaussian: Gaussian
    labels: Labels
    trust: Trust = START
    lows: tuple[float, ...] = ()
    restarts: int = 0
    warm: bool = False

    @classmethod
    def start(cls, settings: CMAES, layout: Layout, strangers: Sequence[tuple[Result, Floats]]) -> Search:
        """From the prior, or from what the best of other people's trials show."""
        good = [(result, x) for result, x in strangers if result.good]
        if not settings.learn or len(good) < FEWEST:
            return cls(settings, layout, *_begin(layout, settings.sigma, layout.middle))
        best = best_first([result for result, _ in good])[: ceil(settings.learn * len(good))]
        return cls(settings, layout, *_around(layout, np.array([good[i][1] for i in best])), warm=True)

    @property
    def population(self) -> int:
        columns = len(self.layout.numeric) + len(self.layout.choices)
        base = self.settings.population or 4 + int(3 * log(max(columns, 1)))
        return base * min(int(self.settings.growth**self.restarts), LARGEST)

    @property
    def text(self) -> str:
        if not self.gaussian.updates and not self.lows and not self.restarts:
            return "drawn around " + ("the best trials of others" if self.warm else "the middle")
        where = f" after {self.restarts} restart{'s' * (self.restarts > 1)}" if self.restarts else ""
        if not len(self.layout.numeric):
            return f"by the labels that did well{where}"
        return f"drawn within {float(self.gaussian.spread.mean()):.2g} of its mean{where}"

    def numbers(self, births: Sequence[Birth]) -> Floats:
        d = len(self.layout.numeric)
        Z = [rng_for(b.seed, "normal").standard_normal((b.row + 1, d))[-1] for b in births]
        return np.clip(self.gaussian.at(np.array(Z)), 0.0, 1.0)

    def draws(self, space: Space, seed: int, n: int) -> tuple[Floats, Floats]:
        layout = self.layout
        V = self.gaussian.at(rng_for(seed, "normal").standard_normal((n, len(layout.numeric))))
        V = np.clip(V, 0.0, 1.0)
        codes = np.zeros((n, 0))
        if len(layout.choices):
            codes = self.labels.draw(rng_for(seed, "labels").random((n, len(layout.choices)))).astype(np.float64)
        return layout.rows(space, V, codes), V

    def after(self, rows: Sequence[Row], space: Space) -> Search:
        gaussian, labels, trust = self.gaussian, self.labels, self.trust
        if len(self.layout.numeric):
            free, told = np.array([row.free for row in rows]), np.array([row.told for row in rows])
            gaussian = _gaussian.updated(gaussian, np.array([row.v for row in rows]), told, free)
            if self.settings.noise == "high":
                gaussian, trust = tempered(self.gaussian, gaussian, trust)
            gaussian = with_margin(gaussian, self.layout.edges, chance(self.layout.discrete))
        if len(self.layout.choices):
            weights = _gaussian.rates(len(rows), max(len(self.layout.numeric), 1), True).positive
            labels = _labels.updated(labels, np.array([row.codes for row in rows]), weights)
        best = rows[0].result
        lows = (*self.lows, best.y if best.good else inf)[-self._patience :]
        moved = replace(self, gaussian=gaussian, labels=labels, trust=trust, lows=lows)
        return moved._anew(rows, space) if moved._over() else moved

    @property
    def _patience(self) -> int:
        return 10 + ceil(30 * self.layout.d / self.population)

    def _over(self) -> bool:
        """Whether there is nothing left to find here: the spread, or the range of the best values, is at its end."""
        g, smooth = self.gaussian, self.layout.smooth
        if smooth.any() and (float(g.spread[smooth].max()) < NARROW or _gaussian.condition(g) > _gaussian.WORST):
            return True
        if len(self.lows) < self._patience or not all(map(isfinite, self.lows)):
            return False
        low, high = min(self.lows), max(self.lows)
        return high - low <= NARROW * max(abs(low), abs(high))

    def _anew(self, rows: Sequence[Row], space: Space) -> Search:
        """From a random place, with a larger population (Auger & Hansen, IPOP, CEC 2005)."""
        restarts = self.restarts + 1
        seed = next((row.result.birth.seed for row in rows if row.result.birth), 0)
        x = space.sample(rng_for(seed, "restart", restarts), 1)[0]
        gaussian, labels = _begin(self.layout, self.settings.sigma, x)
        return Search(self.settings, self.layout, gaussian, labels, restarts=restarts)


def _begin(layout: Layout, sigma: float, x: Floats) -> tuple[Gaussian, Labels]:
    """Around x (d,)."""
    mean = np.where(np.isnan(x), layout.middle, x)[layout.numeric]
    gaussian = Gaussian.start(mean, sigma, full=len(layout.numeric) <= FULL)
    return gaussian, Labels.start(layout.prior, layout.sizes, chance(layout.discrete))


def _around(layout: Layout, X: Floats) -> tuple[Gaussian, Labels]:
    """Around good trials X (n, d): a normal distribution at each of them, seen as one (Nomura et al., Warm Starting
    CMA-ES, AAAI 2021)."""
    codes = X[:, layout.choices]
    counts = (codes[:, :, None] == np.arange(layout.prior.shape[1])).sum(axis=0)
    q = (counts + layout.prior) / (counts.sum(axis=1, keepdims=True) + 1.0)
    labels = Labels.start(q, layout.sizes, chance(layout.discrete))
    V = np.where(np.isnan(X), layout.middle, X)[:, layout.numeric]
    n, d = V.shape
    if not d:
        return Gaussian.start(np.zeros(0), 1.0, full=False), labels
    full = d <= FULL
    centred = V - V.mean(axis=0)
    C = WIDTH**2 * np.eye(d) + centred.T @ centred / n
    log_det = float(np.linalg.slogdet(C)[1]) if full else float(np.log(np.diag(C)).sum())
    return Gaussian.start(V.mean(axis=0), exp(log_det / (2 * d)), full, C / exp(log_det / d)), labels
