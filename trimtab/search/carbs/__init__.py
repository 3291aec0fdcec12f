"""CARBS: tune cheap configurations first, and follow the best of each cost upwards.

Idea    Among all trials some are the best for what they cost. New ones are drawn around these; models of the result and
        of the cost say which is likeliest to beat the best of its own cost. Now and then a trial of this front is run
        again, so that luck does not stay on it. So the search scales up by itself, and what the best settings are at
        each cost can be read off the front.
Source  Fetterman et al., Tune As You Scale: Hyperparameter Optimization For Compute Efficient Training,
        arXiv 2306.08055, 2023 (Cost-Aware pareto-Region Bayesian Search).
Takes   Numbers and choices, rules, constraints. The cost is the objective named so where the study has one, else the
        seconds that were logged; of further objectives the layer counts, front by front. The search begins at the
        defaults of the parameters, or in the middle: give the cheap end as `default=`.
Cost    O(n³) a fit, n at most `most`, and O(n²) for each of 100 candidates a parameter.
Leaves  the paper in this: steps are parts of a parameter's range; models have the kernel and the priors of `gp`;
        between its members the front is a straight line over the logarithm of cost; running trials count at their
        predicted value; choices are drawn anew now and then; where a space is finite nothing is run twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab.history import State as Ended
from trimtab.log import JSON
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.gp._state import State
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.carbs._models import Models
    from trimtab.search.gp._acquire import Seen
    from trimtab.space import Space

Floats = NDArray[np.float64]
CANDIDATES, MOST_CANDIDATES = 100, 3000  # a parameter, and in all
ANEW = 0.2  # chance that a choice is drawn anew


@dataclass(frozen=True, slots=True)
class CARBS:
    """Searches around the best trials of each cost, from cheap ones upwards.

    startup  first trials with a value: around the defaults, or the middle
    radius   how far new trials are from those they are drawn around: the deviation, as a part of each range
    repeat   one trial in so many runs one of the best again, where the space is not finite; None: none does
    cost     the objective that is the cost; where the study has none of that name, logged seconds are
    limit    nothing is proposed that is expected to cost more
    most     trials in a model: beyond it the front, the newest and an even part of the rest
    """

    startup: int = 4
    radius: float = 0.06  # the paper steps 0.3 of a decade; ranges of rates are about five decades
    repeat: int | None = 5
    cost: str = "cost"
    limit: float | None = None
    most: int = 500

    name: ClassVar[str] = "carbs"
    revision: ClassVar[int] = 2
    takes: ClassVar[frozenset[str]] = TRAITS - {"conditional", "subset", "permutation", "simplex"}
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, least in (("startup", 2), ("most", 20)):
            if getattr(self, name) < least:
                raise ValueError(f"CARBS({name}={getattr(self, name)}): {name} must be at least {least}.")
        if not 0 < self.radius <= 1:
            raise ValueError(f"CARBS(radius={self.radius}): radius is a part of a range, above 0 and at most 1.")
        if self.repeat is not None and self.repeat < 2:
            raise ValueError(f"CARBS(repeat={self.repeat}): repeat must be at least 2, or None.")
        if self.limit is not None and not self.limit > 0:
            raise ValueError(f"CARBS(limit={self.limit}): limit must be above 0.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if not history.space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        from trimtab.search.gp._acquire import Seen  # scipy comes with it

        seen, proposals = Seen(history.X), list[Proposal]()
        running = history.X[history.state == Ended.RUNNING]
        with one_thread():
            for number in range(ask.number, ask.number + ask.n):
                made = self._one(history, replace(ask, number=number, n=1), running, seen, not proposals)
                if made is None:
                    break
                x = history.space.encode([made.config or {}])
                running = np.concatenate([running, x])
                seen.add(x)
                proposals.append(made)
        return proposals

    def _one(self, history: History, ask: Ask, running: Floats, seen: Seen, first: bool) -> Proposal | None:
        from trimtab.search.carbs._models import models
        from trimtab.search.gp._model import Singular

        space, rng = history.space, ask.rng("carbs", ask.number)
        known = (history.state != Ended.RUNNING) & np.isfinite(history.Y).all(axis=1)
        if int(known.sum()) < self.startup:
            text = f"one of the first {self.startup}, around the defaults"
            return _new(space, _around(space, _centre(space), self.radius, rng, 64), seen, rng, {"text": text})
        state: State = history.fold(("gp", "state"), State, State.step)
        key = ("carbs", self.cost, self.most, ask.scope)
        try:
            told: Models = history.memo(key, lambda: models(history, state, ask.scope, self.cost, self.most))
            if self.repeat is not None and ask.number % self.repeat == 0 and space.size == float("inf"):
                again = told.least_run(running)
                if again is not None:
                    return _again(space, again)
            m = min(CANDIDATES * space.d, MOST_CANDIDATES)
            drawn = _around(space, told.front_X, self.radius, rng, m)
            drawn = drawn[seen.new(drawn)]
            order, chance = told.order(drawn, running, self.radius, self.limit, rng)
        except Singular:
            return _new(space, np.empty((0, space.d)), seen, rng, {"text": "the models could not be fitted"})
        note = told.note() if first else {}
        return _new(space, drawn[order], seen, rng, chance, note)


def _centre(space: Space) -> Floats:
    """(1, d) the defaults, and the middle of what has none."""
    defaults = {
        name: domain.default for name, domain in space.domains.items() if getattr(domain, "default", None) is not None
    }
    middle = space.from_unit(np.full((1, space.d), 0.5))
    X = np.where(np.isnan(found := space.encode([defaults])), middle, found)
    return X


def _around(space: Space, centres: Floats, radius: float, rng: Generator, m: int) -> Floats:
    """(m, d) configurations that the rules allow, a step away from some of the centres (k, d)."""
    if not len(centres):
        return np.empty((0, space.d))
    X = centres[rng.integers(len(centres), size=m)]
    moved = X + radius * rng.standard_normal(X.shape)
    anew = rng.random(X.shape) < ANEW
    fresh = rng.random(X.shape)
    for j, column in enumerate(space.columns):
        if column.kind == "choice":
            moved[:, j] = np.where(anew[:, j], np.floor(fresh[:, j] * column.n), X[:, j])
        else:
            moved[:, j] = np.clip(moved[:, j], 0.0, 1.0)
    moved = space.snap(np.where(np.isnan(moved), fresh, moved))
    return moved[space.feasible(moved)] if "rules" in space.traits else moved


def _new(
    space: Space, X: Floats, seen: Seen, rng: Generator, why: dict[str, JSON], note: dict[str, JSON] | None = None
) -> Proposal | None:
    """The first row of X that is new, else any that is; None: all have been tried."""
    from trimtab.search.gp._acquire import _whole

    whole = _whole(space, MOST_CANDIDATES)
    far = space.sample(rng, 64) if whole is None else whole[rng.permutation(len(whole))]
    for rows, words in ((X, why), (far, {"text": "a random draw: all around the best had been tried"})):
        fresh = np.flatnonzero(seen.new(rows))
        if len(fresh):
            return Proposal(space.decode(rows[fresh[:1]])[0], note=note or {}, why=words)
    return None


def _again(space: Space, x: Floats) -> Proposal:
    text = "once more: of the best trials for their cost, it has run least often"
    return Proposal(space.decode(x[None])[0], why={"text": text})
