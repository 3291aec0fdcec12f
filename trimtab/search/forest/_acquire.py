"""Forests of the objective and of each constraint, and where the acquisition they make together is largest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.log import JSON
from trimtab.parts import trees
from trimtab.parts.logei import log_below, log_ei
from trimtab.search.forest._pool import Pool, Seen, whole_of
from trimtab.search.forest._table import Results, Table

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.protocol import Ask
    from trimtab.search.forest import Forest
    from trimtab.space import Space

Floats = NDArray[np.float64]
ROWS = 500  # draws a tree is grown on at most: with more it is slower than trials that are cheap
PARENTS = 10  # of the best trials, whose surroundings half of the candidates come from
ROUNDS, TOPS, EACH = 5, 10, 20  # of a local search: from the best candidates so far, so many changes of each
LEAST = 1e-8  # variance of what all trees agree on


@dataclass(frozen=True)
class Surrogate:
    """Forests of the objective's scores and, with the score of its limit, of each constraint's.

    best  the score to improve on; None: nothing feasible is known
    """

    table: Table
    objective: trees.Forest
    limits: Sequence[tuple[trees.Forest, float]]
    best: float | None

    def score(self, X: Floats) -> Floats:
        """The acquisition (m,) of configurations (m, d), larger is better."""
        F, out = self.table.coder.features(X), np.zeros(len(X))
        if self.best is not None:
            mean, var = self.objective.predict(F)
            out += log_ei(self.best, mean, np.sqrt(var + LEAST))
        return out + self._likely(F)

    def _likely(self, F: Floats) -> Floats:
        """Log probabilities (m,) that all constraints hold."""
        out = np.zeros(len(F))
        for model, bound in self.limits:
            mean, var = model.predict(F)
            out += log_below(bound, mean, np.sqrt(var + LEAST))[0]
        return out

    def believing(self, X: Floats) -> Surrogate:
        """With pending configurations (m, d), whose predictions are taken for their values."""
        if not len(X):
            return self
        F = self.table.coder.features(X)
        objective = self.objective.believing(F, self.objective.predict(F)[0])
        limits = [(model.believing(F, model.predict(F)[0]), bound) for model, bound in self.limits]
        return replace(self, objective=objective, limits=limits)

    def why(self, history: History, x: Floats, score: float) -> dict[str, JSON]:
        """What the forests expect of a configuration (d,), in the objective's own units."""
        F = self.table.coder.features(x[None])
        out: dict[str, JSON] = {"score": score}
        several = len(history.objectives) > 1
        parts = ["nothing feasible is known yet"]
        if self.best is not None:
            told = " and ".join(history.objectives)
            parts = [f"the largest expected improvement on {told}{'' if several else f' {self._best(history):.4g}'}"]
        if self.best is not None and not several:
            mean, var = self.objective.predict(F)
            sd = float(np.sqrt(var[0]))
            low, middle, high = self.table.back(float(mean[0]) + sd * np.array([-1.0, 0.0, 1.0])).tolist()
            if np.isfinite(middle) and np.isfinite(0.5 * (high - low)):
                sign = history.sign(history.objectives[0])
                out |= {"mean": sign * middle, "sd": 0.5 * (high - low)}
        if self.limits:
            parts.append(f"feasible with probability {float(np.exp(self._likely(F)[0])):.2f}")
        out["text"] = ", ".join(parts)
        return out

    def _best(self, history: History) -> float:
        return history.sign(history.objectives[0]) * float(self.table.y[self.table.order[0]])


def surrogate(results: Results, ask: Ask, settings: Forest) -> Surrogate | str:
    """The models, or in words why there are none."""
    data = results.table(ask.rng("forest weights", ask.number), settings.most, levels=True)
    limits = list(data.limits())
    if data.flat and not limits:
        return "all values are the same so far"
    rng, sizes = ask.rng("forest trees", ask.number), data.coder.sizes

    def grown(F: Floats, y: Floats) -> trees.Forest:
        return trees.forest(F, y, sizes, rng, trees=settings.trees, share=settings.share, rows=ROWS)

    objective = grown(data.F, data.scores)
    return Surrogate(data, objective, [(grown(data.F[rows], c), bound) for rows, c, bound in limits], data.best)


def best_of(model: Surrogate, space: Space, rng: Generator, candidates: int, seen: Seen) -> tuple[Floats, float] | None:
    """The best new configuration (d,) found and its score; None when every candidate has been tried."""
    pool = Pool(space, rng)
    X = pool.first(model.table.X[model.table.order[:PARENTS]], candidates)
    X = X[seen.new(X)]
    if not len(X):
        return None
    score = model.score(X)
    if whole_of(space, candidates) is None:
        for _ in range(ROUNDS):
            more = pool.beside(X[np.argsort(-score, kind="stable")[:TOPS]], EACH)
            more = more[seen.new(more)]
            X, score = np.concatenate([X, more]), np.concatenate([score, model.score(more)])
    at = int(np.argmax(score))
    return X[at], float(score[at])
