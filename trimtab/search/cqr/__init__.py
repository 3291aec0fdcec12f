"""Conformal quantile regression: draw what each configuration might give, and try the best draw.

Idea    Boosted trees say for each configuration between which values its result will lie, with no bell curve assumed,
        and what they got wrong on trials they had not seen widens the band. Each candidate then draws one of its
        quantiles, and the one with the best draw is tried (Thompson sampling): workers at the same time draw otherwise.
Source  Salinas, Golebiowski, Klein, Seeger & Archambeau, Optimizing Hyperparameters with Conformal Quantile Regression,
        ICML 2023. Several objectives: Knowles, ParEGO, IEEE TEC 10(1), 2006.
Takes   Everything. A trial counts with the last value it showed, however far it came: that is enough for ranking, so it
        goes with every scheduler. Failed trials count like the worst value. Constraints are drawn like the objective.
Cost    O(rounds · n · d) a decision, n at most `most`.
Leaves  the paper in this: half of the candidates are changes of the best trials; quantiles are sorted, so they never
        cross; where trials are few, all of them are judged in turn by models that have not seen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab.log import JSON
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.cqr._quantiles import Quantiles, fit
from trimtab.search.forest._pool import Pool, Seen
from trimtab.search.forest._table import Results, Table
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PARENTS = 5  # the best trials, whose surroundings half of the candidates come from


@dataclass(frozen=True)
class Model:
    """Quantiles of the objective's scores and, with the score of its limit, of each constraint's."""

    table: Table
    objective: Quantiles
    limits: Sequence[tuple[Quantiles, float]]


@dataclass(frozen=True, slots=True)
class CQR:
    """Learns quantiles of the objective with boosted trees, draws one for each candidate and tries the best draw.

    startup     trials with a value before the first model: random draws
    quantiles   an odd number of them, evenly spread
    rounds      of boosting
    candidates  configurations that are looked at for each proposal
    most        trials in a model: beyond it the best, the newest and an even part of the rest
    """

    startup: int = 5
    quantiles: int = 5
    rounds: int = 50
    candidates: int = 1000
    most: int = 1000

    name: ClassVar[str] = "cqr"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, least in (("startup", 2), ("quantiles", 3), ("rounds", 1), ("candidates", 16), ("most", 20)):
            if getattr(self, name) < least:
                raise ValueError(f"CQR({name}={getattr(self, name)}): {name} must be at least {least}.")
        if self.quantiles % 2 == 0:
            raise ValueError(
                f"CQR(quantiles={self.quantiles}): quantiles must be odd, so that the median is among them."
            )

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if not history.space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        results = Results.of(history, running=bool(ask.levels))
        if results.known < self.startup:
            text: dict[str, JSON] = {"text": f"one of the first {self.startup} draws at random"}
            return [replace(p, why=text) for p in RandomSearch().propose(history, ask)]
        seen, several, model = Seen(history.X), len(history.objectives) > 1, None
        out: list[Proposal] = []
        with one_thread():
            for number in range(ask.number, ask.number + ask.n):
                alone = replace(ask, number=number, n=1)
                if model is None or several:
                    model = self._model(results, alone)
                out.append(self._next(history, alone, model, seen))
                if len(out) < ask.n:
                    seen.add(history.space.encode([out[-1].config or {}]))
        return out

    def _model(self, results: Results, ask: Ask) -> Model:
        data = results.table(ask.rng("cqr weights", ask.number), self.most, levels=False)
        rng, sizes = ask.rng("cqr parts", ask.number), data.coder.sizes
        objective = fit(data.F, data.scores, sizes, rng, self.quantiles, self.rounds)
        limits = [(fit(data.F[r], c, sizes, rng, self.quantiles, self.rounds), b) for r, c, b in data.limits()]
        return Model(data, objective, limits)

    def _next(self, history: History, ask: Ask, model: Model, seen: Seen) -> Proposal:
        """The candidate with the best draw; among equals one by chance."""
        space, rng, data = history.space, ask.rng("cqr", ask.number), model.table
        X = Pool(space, rng).first(data.X[data.order[:PARENTS]], self.candidates)
        X = X[seen.new(X)]
        if not len(X) or (data.flat and not model.limits):
            because = "all values are the same so far" if len(X) else "all candidates had been tried"
            why: dict[str, JSON] = {"text": f"a random draw: {because}"}
            return replace(RandomSearch().propose(history, ask)[0], why=why)
        F = data.coder.features(X)
        broken = np.zeros(len(X))
        for limit, bound in model.limits:  # in scores
            broken += np.maximum(_drawn(limit, F, rng)[0] - bound, 0.0)
        value, quantile = _drawn(model.objective, F, rng)
        best = int(np.lexsort((rng.random(len(X)), value, broken))[0])
        share = (quantile[best] + 1) / (self.quantiles + 1)
        told = data.back(value[best : best + 1])[0]
        text = f"the best of {len(X)} draws, at the {100 * share:.0f} % quantile of what is expected there"
        out: dict[str, JSON] = {"text": text}
        if len(history.objectives) == 1 and np.isfinite(told):
            out["mean"] = history.sign(history.objectives[0]) * float(told)
        return Proposal(space.decode(X[best][None])[0], why=out)


def _drawn(model: Quantiles, F: Floats, rng: Generator) -> tuple[Floats, Ints]:
    """A quantile of each row (m,) of F by chance, and which it was."""
    values = model.predict(F)
    which = rng.integers(len(values), size=len(F))
    return values[which, np.arange(len(F))], which
