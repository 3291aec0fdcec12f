"""A second look, at the neighbourhood of the best trial alone.

Idea    A model of the whole space knows values to about 1e-5 of their spread; below that is rounding. Where it expects
        less than `LITTLE` of a standard deviation to be gained anywhere, every second proposal comes from a model of
        the nearest trials, in units of their own distances and values. So a smooth minimum is found to as many digits
        as it has, and the other half of the trials goes on looking elsewhere.
Source  Own work, near the local models of trust regions (Eriksson et al., TuRBO, NeurIPS 2019). On a shifted 5-d sphere
        1e-6 takes about 60 trials; with the model of the whole alone it took 110 to more than 200.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.history import State as Ended
from trimtab.search.gp._acquire import Search
from trimtab.search.gp._model import UNIT, Data, Posterior, Singular, fit, prior_mode
from trimtab.search.gp._outputs import target
from trimtab.search.gp._surrogate import Surrogate

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LITTLE = 0.02  # of a standard deviation of the (transformed) objective
A_COLUMN, AND, MOST = 4, 10, 200  # trials of the neighbourhood: so many a column, and so many, and at most so many
STEPS = 60  # evaluations of the likelihood
FINEST = 0.01  # of the neighbourhood: the smallest of the moves among the candidates


def settled(model: Surrogate, score: float) -> bool:
    """Whether the model expects next to nothing: improvement on values that it takes for exact."""
    exact = not (model.objective.noisy or model.target.noise.any() or model.layout.levels)
    return model.weights is None and model.best is not None and exact and score < np.log(LITTLE)


def neighbourhood(
    history: History, model: Surrogate, running: Floats, rng: Generator, candidates: int, starts: int
) -> Near | None:
    """The search near the best trial; None where there are too few trials, or they say too little.

    Only columns that have a slope move. Trials that differ from the best in any other are no neighbours.
    """
    layout, home, columns = model.layout, model.X[0], model.layout.sloped
    columns = columns[~np.isnan(home[columns])]
    others = np.setdiff1d(np.arange(len(home)), columns)
    X, y, C = history.X, history.Y[:, 0], history.C
    told = history.state != Ended.RUNNING  # failed ones too: they say where not to go
    with np.errstate(invalid="ignore"):
        alike = ((home == X) | (np.isnan(X) & np.isnan(home)))[:, others].all(axis=1)
    rows = np.flatnonzero(told & alike & ~np.isnan(X[:, columns]).any(axis=1))
    if not len(columns) or len(rows) < len(columns) + 3:
        return None
    places = layout.starts[columns]
    off = (((X[rows][:, columns] - home[columns]) / model.objective.lengths[places]) ** 2).sum(axis=1)
    rows = rows[np.argsort(off, kind="stable")[: min(A_COLUMN * len(columns) + AND, MOST)]]
    reach = np.abs(X[rows][:, columns] - home[columns]).max(axis=0)
    reach = np.where(reach > 0, reach, 1.0)
    feasible = (C[rows] <= 0).all(axis=1) & np.isfinite(y[rows])
    values = target(y[rows], np.zeros(len(rows)))
    if values.flat or not feasible.any():
        return None
    try:
        objective = _objective(X[rows], values.y, columns, reach, model)
    except Singular:
        return None
    if objective.noisy:
        return None
    best = float(values.y[feasible].min())
    local = replace(model.alone(), target=values, objective=objective, best=best, new=False).believing(running)
    return Near(history, local, rng, candidates, starts, columns, reach)


def _objective(X: Floats, y: Floats, columns: Ints, reach: Floats, model: Surrogate) -> Posterior:
    """The model of the neighbours: fitted in units of their reach, then in the features of the model of the whole."""
    layout, k, still = model.layout, len(columns), np.zeros(len(y))
    Z = (X[:, columns] - model.X[0, columns]) / reach
    found = fit(Data(Z, np.arange(k), y, still), [prior_mode(k)], STEPS)
    theta = np.zeros(layout.groups + 2)  # a feature that does not move needs no length
    theta[layout.group[layout.starts[columns]]] = found[:k] + UNIT * np.log(reach)
    theta[-2:] = found[-2:]
    return Posterior.of(theta, Data(layout.features(X), layout.group, y, still))


class Near(Search):
    """A search for the best next configuration in the box that the neighbours span."""

    def __init__(
        self, history: History, model: Surrogate, rng: Generator, candidates: int, starts: int, columns: Ints,
        reach: Floats,
    ) -> None:  # fmt: skip
        super().__init__(history.space, model, rng, candidates, starts)
        self.local, self.columns, self.reach, home = model, columns, reach, model.X[0]
        self.low[columns] = np.maximum(home[columns] - reach, 0.0)
        self.high[columns] = np.minimum(home[columns] + reach, 1.0)

    def _pool(self) -> Floats:
        """The best trial, moved a little or as far as the neighbours lie."""
        m, k = self.candidates, len(self.columns)
        sizes = np.exp(self.rng.uniform(np.log(FINEST), 0.0, (m, 1)))
        X = np.repeat(self.model.X[:1], m, axis=0)
        X[:, self.columns] += sizes * self.reach * self.rng.uniform(-1.0, 1.0, (m, k))
        X = self._mended(X)
        kept: Floats = X[(np.isnan(X) == np.isnan(self.model.X[0])).all(axis=1)]
        return kept

    def _sweep(self, X: Floats, score: Floats) -> tuple[Floats, Floats]:
        return X, score  # of other values of the rest this model knows nothing
