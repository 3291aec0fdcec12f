"""Tree-structured Parzen estimator: sample where good trials are dense and bad ones are not.

Idea    Split the trials into the best few and the rest, fit a density to each, draw candidates from the good one and
        take the candidate with the largest ratio good : bad (monotone in expected improvement).
Source  Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011; defaults after Watanabe,
        Tree-Structured Parzen Estimator, arXiv 2304.11127, 2023. Several objectives: Ozaki et al., MOTPE, GECCO 2020;
        constraints: Watanabe & Hutter, c-TPE, IJCAI 2023.
Takes   Everything. Running trials count as bad (constant liar); stopped and paused trials rank after finished ones,
        by how far they got; infeasible ones after these, by how much they violate; failed ones are the worst.
Cost    O(candidates · d · min(n, 512)) an ask and O(d log n) per new trial.
Leaves  the papers in this: in a conditional space the parameters that occur together form a group, and groups are
        modelled side by side, those with choices under a heavier prior; beyond 512 bad trials a thinned, evenly
        spread part of them stands for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab.log import JSON
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.designs import LatinHypercube
from trimtab.search.random import RandomSearch
from trimtab.search.tpe._acquire import candidates
from trimtab.search.tpe._groups import groups_of
from trimtab.search.tpe._state import Group, State

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Space

Floats = NDArray[np.float64]
REDRAWS = 10  # rounds of candidates before a space whose rules reject them all gets a random draw


@dataclass(frozen=True, slots=True)
class TPE:
    """Samples where good trials are dense and bad ones are not.

    startup       trials before the first model: random draws, with several objectives a Latin hypercube
    share, most   the best share of the trials, at most so many, count as good; None: .15, with several objectives .1
    candidates    drawn from the good density for each proposal
    floor         smallest bandwidth, as a part of a parameter's range
    prior_weight  what the prior kernel counts for, in trials
    kernels       "joint": one kernel over all parameters; "independent": each parameter for itself
    """

    startup: int = 10
    share: float | None = None
    most: int = 25
    candidates: int = 24
    floor: float = 0.03
    prior_weight: float = 1.0
    kernels: Literal["joint", "independent"] = "joint"

    name: ClassVar[str] = "tpe"
    revision: ClassVar[int] = 3
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, low, high in (("share", 0, 1), ("floor", 0, 1), ("prior_weight", 0, float("inf"))):
            value = getattr(self, name)
            if value is not None and not low < value <= high:
                bound = f" and at most {high}" if high == 1 else ""
                raise ValueError(f"TPE({name}={value}): {name} must be above {low}{bound}.")
        for name in ("startup", "most", "candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"TPE({name}={getattr(self, name)}): {name} must be at least 1.")
        if self.kernels not in ("joint", "independent"):
            raise ValueError(f'TPE(kernels={self.kernels!r}): kernels is "joint" or "independent".')

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        space = history.space
        state: State = history.fold(("tpe", self), lambda: self._fresh(history), State.step)
        if state.n < self.startup or not space.d:
            return self._first(history, ask)
        with one_thread():
            return self._model(history, ask, state)

    def _first(self, history: History, ask: Ask) -> list[Proposal]:
        """Random draws; with several objectives, where the first trials decide how wide a front is, spread evenly."""
        if len(history.objectives) > 1:
            why: dict[str, JSON] = {"text": f"one of the first {self.startup} trials, a Latin hypercube"}
            return [Proposal(p.config, why=why) for p in LatinHypercube(self.startup).propose(history, ask)]
        why = {"text": f"one of the first {self.startup} draws at random"}
        return [Proposal(p.config, why=why) for p in RandomSearch().propose(history, ask)]

    def _model(self, history: History, ask: Ask, state: State) -> list[Proposal]:
        space = history.space
        state.sync(history)
        proposals: list[Proposal] = []
        told: list[int] = []
        try:
            for number in range(ask.number, ask.number + ask.n):
                x, score = self._next(space, state, ask.rng("tpe", number))
                why: dict[str, JSON] = {"text": _text(state, self)}
                if score is not None:
                    why["score"] = score
                proposals.append(Proposal(space.decode(x[None])[0], why=why))
                if len(proposals) < ask.n:  # the next of the batch sees this one as pending
                    told.append(number)
                    state.pretend(number, x)
        finally:
            state.unpretend(told)
        return proposals

    def _fresh(self, history: History) -> State:
        groups = groups_of(history.space, self.kernels)
        branches = self.kernels == "joint" and len(groups) > 1
        return State([Group(columns, layout, self, history, cautious=branches) for columns, layout in groups])

    def _next(self, space: Space, state: State, rng: Generator) -> tuple[Floats, float | None]:
        """One configuration, encoded (d,), and the score of its candidate."""
        ruled, conditional = "rules" in space.traits, "conditional" in space.traits
        for _ in range(REDRAWS if ruled else 1):
            rows, score = self._ranked(space.d, state, rng, ruled)
            if conditional:
                rows = space.activate(rows)
            fit = int(np.argmax(space.feasible(rows))) if ruled else 0
            if not ruled or space.feasible(rows[fit : fit + 1])[0]:
                return rows[fit], float(score[fit])
        return space.sample(rng, 1)[0], None

    def _ranked(self, d: int, state: State, rng: Generator, ruled: bool) -> tuple[Floats, Floats]:
        """Rows (c, d): in the first the best candidates of all groups; in the next, where rules may reject those, the
        second best …"""
        if len(state.groups) == 1:
            return candidates(state.groups[0], rng, self.candidates, ruled)
        rows, total = np.empty((0, d)), np.zeros(0)
        for group in state.groups:
            Z, score = candidates(group, rng, self.candidates, ruled)
            if not len(rows):
                rows, total = np.full((len(Z), d), np.nan), np.zeros(len(Z))
            rows[:, group.columns] = Z
            total += score
        return rows, total


def _text(state: State, settings: TPE) -> str:
    root = state.groups[0]
    return f"best of {settings.candidates} candidates near the best {len(root.good_ones)} of {root.n} trials"
