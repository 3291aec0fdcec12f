"""What CMA-ES keeps of a history: its distributions, and the results that their next update waits for.

The distributions are changed by ends alone, in the order of the log, and a draw follows from them and the seed in its
note; so whoever reads the log comes to the same numbers, and no state is stored anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, inf, isfinite, log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.log import Event
from trimtab.search._generation import DONE, FAILED, Birth, Children, Result, best_first
from trimtab.search.cmaes import _gaussian, _labels
from trimtab.search.cmaes._gaussian import Gaussian
from trimtab.search.cmaes._labels import Labels
from trimtab.search.cmaes._layout import Layout
from trimtab.search.cmaes._margin import with_margin
from trimtab.search.cmaes._noise import Trust, tempered

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.cmaes import CMAES

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
KEY = "cmaes"  # in the note of a proposal
SAME = 1e-9  # what a draw decodes to and what the trial had: the same place
FEWEST = 10  # trials of others below which nothing is known of where good ones lie
NARROW = 1e-12  # spread, or relative range of the best values, at which a run is over
LARGEST = 64  # times the population, after six restarts: beyond it generations would never end


@dataclass(frozen=True, slots=True)
class Row:
    """A result as an update wants it: v and codes say where it lay, free what of v was inactive; told: it was not
    drawn from the present distribution."""

    result: Result
    v: Floats
    codes: Floats
    free: Bools
    told: bool


@dataclass(slots=True)
class State:
    """The fold. Bounded by running trials and one generation, but for configurations that may be drawn twice."""

    settings: CMAES
    layout: Layout
    children: Children
    gaussian: Gaussian | None = None  # None: no child has been drawn
    labels: Labels | None = None
    trust: Trust = field(default_factory=Trust)
    generation: int = 0
    restarts: int = 0
    pool: list[Row] = field(default_factory=list)
    strangers: list[tuple[Result, Floats]] = field(default_factory=list)  # that ended before the first child
    best: float = inf
    lows: list[float] = field(default_factory=list)  # the best value of each generation since the restart
    tried: dict[bytes, int] = field(default_factory=dict)  # what may be drawn twice: configuration -> trial
    results: dict[int, Result] = field(default_factory=dict)  # of these

    @property
    def population(self) -> int:
        columns = len(self.layout.numeric) + len(self.layout.choices)
        base = self.settings.population or 4 + int(3 * log(max(columns, 1)))
        return base * min(int(self.settings.growth**self.restarts), LARGEST)

    @property
    def warm(self) -> bool:
        """Whether enough is known of other people's trials to start from them."""
        return self.settings.learn > 0 and sum(result.good for result, _ in self.strangers) >= FEWEST

    def now(self) -> tuple[Gaussian, Labels]:
        """What children are drawn from."""
        if self.gaussian is None or self.labels is None:
            return self._first()
        return self.gaussian, self.labels

    # ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, event: Event, history: History) -> State:
        if event.kind == "started":
            if self.children.started(event) is not None and self.gaussian is None:
                self.gaussian, self.labels = self._first()
                self.strangers = []
        elif event.kind == "ended":
            result = self.children.ended(event, history, {row.result.number: row.result for row in self.pool})
            if result is not None:
                self._learn(result, history)
        return self

    def _learn(self, result: Result, history: History) -> None:
        x = history.X_all[result.number]
        better = result.tier == DONE and result.y < self.best
        if better:
            self.best = result.y
        if self.layout.repeats(x):
            self.tried.setdefault(x.tobytes(), result.number)
            self.results[result.number] = result
        if self.gaussian is None:
            self.strangers.append((result, x.copy()))
            return
        there = [i for i, row in enumerate(self.pool) if row.result.number == result.number]
        if there:
            self.pool[there[0]] = self._row(result, x, history)
        elif result.birth is not None or better:  # of strangers those that show it something new
            self.pool += self._known(result.birth, history)
            self.pool.append(self._row(result, x, history))
        if len(self.pool) >= self.population:
            self._update(history)

    def _row(self, result: Result, x: Floats, history: History) -> Row:
        """Where in the Gaussian a trial lay: its draw, wherever its configuration is what the draw decodes to."""
        layout, (g, _) = self.layout, self.now()
        birth = result.birth or Birth(-1, result.number)
        v, codes, told = x[layout.numeric], x[layout.choices], birth.born < self.generation
        free = np.isnan(v)
        if len(v):
            drawn = layout.vectors(g, birth.seed, birth.row + 1)[-1]
            placed = layout.placed(history.space, drawn, x)
            agrees = free | (np.abs(placed - v) <= SAME)
            told, v = told or not agrees.all(), np.where(agrees, drawn, v)
        return Row(result, v, codes, free, told)

    def _known(self, birth: Birth | None, history: History) -> list[Row]:
        """Draws that were passed over because their results are known already. They count as they would have, had they
        been run again, or a generation would see only what is left over."""
        if birth is None or not birth.row or birth.born < self.generation:
            return []
        g, labels = self.now()
        X, V = self.layout.draws(history.space, g, labels, birth.seed, birth.row)
        found = []
        for x, v in zip(X, V, strict=True):
            result = self.results.get(self.tried.get(x.tobytes(), -1))
            if result is not None:
                found.append(Row(result, v, x[self.layout.choices], np.isnan(x[self.layout.numeric]), False))
        return found

    # ── the distributions ────────────────────────────────────────────────────────────────────────────────────────

    def _first(self) -> tuple[Gaussian, Labels]:
        """The prior, or what the best of other people's trials show."""
        if not self.warm:
            return self.layout.start(self.settings.sigma)
        good = [i for i, (result, _) in enumerate(self.strangers) if result.good]
        order = best_first([self.strangers[i][0] for i in good])[: ceil(self.settings.learn * len(good))]
        return self.layout.around(np.array([self.strangers[good[i]][1] for i in order]))

    def _update(self, history: History) -> None:
        g, labels = self.now()
        order = best_first([row.result for row in self.pool])
        rows, self.pool = [self.pool[i] for i in order], []
        self.generation += 1
        best = rows[0].result
        if best.tier == FAILED:
            return  # nothing to learn from
        self.lows.append(best.y if best.good else inf)
        if len(self.layout.numeric):
            g = self._moved(g, rows)
        if len(self.layout.choices):
            weights = _gaussian.rates(len(rows), max(len(self.layout.numeric), 1), True).positive
            labels = _labels.updated(labels, np.array([row.codes for row in rows]), weights)
        self.gaussian, self.labels = g, labels
        if self._over(g):
            self._restart(rows, history)

    def _moved(self, g: Gaussian, rows: list[Row]) -> Gaussian:
        free = np.array([row.free for row in rows])
        told = np.array([row.told for row in rows])
        after = _gaussian.updated(g, np.array([row.v for row in rows]), told, free)
        if self.settings.noise == "high":
            after, self.trust = tempered(g, after, self.trust)
        return with_margin(after, self.layout.edges, self.layout.alpha)

    def _over(self, g: Gaussian) -> bool:
        """Whether there is nothing left to find here: the spread, or the range of the best values, is at its end."""
        smooth = self.layout.smooth
        if smooth.any() and (float(g.spread[smooth].max()) < NARROW or _gaussian.condition(g) > _gaussian.WORST):
            return True
        patience = 10 + ceil(30 * self.layout.d / self.population)
        self.lows = self.lows[-patience:]
        if len(self.lows) < patience or not all(map(isfinite, self.lows)):
            return False
        low, high = min(self.lows), max(self.lows)
        return high - low <= NARROW * max(abs(low), abs(high))

    def _restart(self, rows: list[Row], history: History) -> None:
        """Anew from a random place, with a larger population (Auger & Hansen, IPOP, CEC 2005)."""
        self.restarts += 1
        seed = next((row.result.birth.seed for row in rows if row.result.birth), 0)
        x = history.space.sample(rng_for(seed, "restart", self.restarts), 1)[0]
        self.gaussian, self.labels = self.layout.start(self.settings.sigma, x)
        self.trust, self.lows = Trust(), []
