"""Trust-region search: a Gaussian process of one neighbourhood, which grows with success and shrinks with failure.

Idea    In many dimensions a model of the whole space is unsure nearly everywhere, and a search that follows it visits
        corners. Here candidates come from a box around the best trial only. Successes in a row double its sides,
        failures in a row halve them; a box that has become too small is given up for a new one elsewhere.
Source  Eriksson et al., Scalable Global Optimization via Local Bayesian Optimization, NeurIPS 2019 (TuRBO-1); choices:
        Wan et al., Think Global and Act Local, ICML 2021; constraints: Eriksson & Poloczek, AISTATS 2021.
Takes   Everything but several objectives. Sides follow the model's length scales; whole numbers keep a step either way;
        of the choices a part as large as the box's side may change at once. Running trials count at their predicted
        value; failed ones and those cut short are failures; an infeasible trial succeeds by violating less.
Cost    That of `gp` with the region's trials, at most `most`.
Leaves  the paper in this: the next trial is where expected improvement is largest in the box, found along the model's
        slopes, not by a draw from the model; a success is measured against the spread of the region's first trials,
        not against the size of the best value, which a shift of the objective would change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab.history import State
from trimtab.log import JSON
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.designs import LatinHypercube
from trimtab.search.gp import _middle as middle
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.gp._surrogate import Surrogate
    from trimtab.search.turbo._region import Region

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Turbo:
    """Models the neighbourhood of the best trial, which grows with success and shrinks with failure.

    startup     trials with a value before a region's first model; the first of a study is in the middle of the space
    candidates  configurations that are looked at for each proposal
    starts      of these, so many are improved along the model's slopes
    most        trials in a model
    first       side of a region at first, as a part of the space's
    least       a region is given up when its side falls below
    widest      the longest side
    wins        successes in a row that double the sides
    losses      failures in a row that halve them; 0: one a column, at least 4 and at most 20
    """

    startup: int = 10
    candidates: int = 512
    starts: int = 4
    most: int = 1000
    first: float = 0.8
    least: float = 2.0**-7
    widest: float = 1.6
    wins: int = 3
    losses: int = 0

    name: ClassVar[str] = "turbo"
    revision: ClassVar[int] = 2
    takes: ClassVar[frozenset[str]] = TRAITS - {"objectives"}
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, low in (("startup", 2), ("candidates", 16), ("starts", 1), ("most", 20), ("wins", 1), ("losses", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"Turbo({name}={getattr(self, name)}): {name} must be at least {low}.")
        if not 0 < self.least <= self.first <= self.widest:
            told = f"Turbo(least={self.least}, first={self.first}, widest={self.widest})"
            raise ValueError(f"{told}: sides must be above 0, and least <= first <= widest.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if not history.space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        region = self._region(history)
        if region.spread is None:
            return self._first(history, ask, region)
        with one_thread():
            return self._model(history, ask, region)

    def _region(self, history: History) -> Region:
        from trimtab.search.turbo._region import Region, Rules

        d = history.space.d
        losses = self.losses or min(max(d, 4), 20)
        rules = Rules(self.startup, self.first, self.least, self.widest, self.wins, losses)
        return history.fold(("turbo", rules), lambda: Region(rules), Region.step)

    def _first(self, history: History, ask: Ask, region: Region) -> list[Proposal]:
        text: dict[str, JSON] = {"text": f"one of the first {self.startup} of region {region.number}, spread evenly"}
        design = list(LatinHypercube(size=self.startup).propose(history, ask))
        found = [replace(p, why=text, note={"turbo": region.number}) for p in design]
        if ask.number == 0:
            found[0] = replace(middle(history.space, ask), note={"turbo": 0})
        return found

    def _model(self, history: History, ask: Ask, region: Region) -> list[Proposal]:
        from trimtab.search.gp._acquire import Seen  # scipy comes with it
        from trimtab.search.gp._model import Singular
        from trimtab.search.turbo._region import Box

        space, proposals = history.space, list[Proposal]()
        running = history.X[history.state == State.RUNNING]
        seen = Seen(history.X)
        for number in range(ask.number, ask.number + ask.n):
            alone = replace(ask, number=number, n=1)
            try:
                model = self._surrogate(history, alone, region)
                if isinstance(model, str):
                    proposals += _at_random(history, alone, region, model)
                    continue
                model = model.believing(running)
                centre = _centre(history, model, region)
                rng = ask.rng("turbo", number)
                found = Box(history, model, rng, self.candidates, self.starts, centre, region.side).best(seen)
            except Singular:
                proposals += _at_random(history, alone, region, "the model could not be fitted (it is singular)")
                continue
            if found is None:
                proposals += _at_random(history, alone, region, "all candidates had been tried")
                continue
            x, score = found
            note = {"turbo": region.number} | (model.note() if not proposals else {})
            why: dict[str, JSON] = {"text": _text(region), "score": score, "region": region.number, "side": region.side}
            proposals.append(Proposal(space.decode(x[None])[0], note=note, why=why))
            running = np.concatenate([running, x[None]])
            seen.add(x[None])
        return proposals

    def _surrogate(self, history: History, ask: Ask, region: Region) -> Surrogate | str:
        from trimtab.search.gp._surrogate import surrogate

        scope = f"{ask.scope}/region {region.number}"
        key = ("turbo", self.most, scope)
        return history.memo(key, lambda: surrogate(history, region.fits, scope, self.most, None, region.rows(history)))


def _centre(history: History, model: Surrogate, region: Region) -> Floats:
    """The region's best trial (d,): by the model where values are noisy; that which violates least, where none is
    feasible."""
    if model.best is not None:
        best: Floats = model.X[0]
        return best
    rows = np.flatnonzero(region.rows(history) & np.isfinite(history.Y).all(axis=1))
    violated = np.nan_to_num(np.maximum(history.C[rows], 0.0), nan=np.inf).sum(axis=1)
    nearest: Floats = history.X[rows[int(np.argmin(violated))]]
    return nearest


def _text(region: Region) -> str:
    told = f"the largest expected improvement in region {region.number}, {region.side:.3g} of the space wide"
    return f"{told}, after {region.won} successes and {region.lost} failures in a row"


def _at_random(history: History, ask: Ask, region: Region, because: str) -> list[Proposal]:
    why: dict[str, JSON] = {"text": f"a random draw: {because}"}
    return [replace(p, why=why, note={"turbo": region.number}) for p in RandomSearch().propose(history, ask)]
