"""CMA-ES: a normal distribution that learns from each generation where to go, how far, and along which directions.

Idea    Draw a generation of children, rank them, move the mean towards the better half, and learn the covariance of
        successful steps. Only ranks count, so it is robust; it needs hundreds of trials, costs next to nothing for
        each, and takes many at once.
Source  Hansen, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772. Whole numbers and choices: Hamano et al.,
        CMA-ES with Margin, GECCO 2022, and CatCMA with Margin, GECCO 2025; restarts: Auger & Hansen, IPOP, CEC 2005;
        earlier trials: Nomura et al., WS-CMA-ES, AAAI 2021; noise: Nomura et al., LRA-CMA-ES, ACM TELO 2024.
Takes   Everything but several objectives. Choices have distributions of their own; inactive parameters drift with the
        covariance and move no mean. Results are used as they come in: late ones, and those of others that beat all
        before, as injected solutions. Stopped and paused trials rank after finished ones, by how far they got, then
        infeasible ones, by how much they violate, then failed ones.
Cost    O(d²) a proposal, O(d³) a generation; beyond 100 columns, where only variances are learned, O(d).
Leaves  the papers in this: draws outside the range are moved to its ends at once; a draw that has been tried before
        counts with its known result, and another is drawn in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab.history import State as Ended
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search._generation import SEEDS, Birth, Children
from trimtab.search.cmaes._layout import Layout
from trimtab.search.cmaes._state import KEY, State
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Space

Floats = NDArray[np.float64]
DRAWS = 96  # of one child at most, until one breaks no rule and is new


@dataclass(frozen=True, slots=True)
class CMAES:
    """Moves a normal distribution, and chances of labels, towards the better half of each generation.

    population  children of a generation; None: 4 + 3 ln(parameters). Give about the number of workers, if that is more
    sigma       standard deviation of the first generation, as a part of each parameter's range
    growth      a restart, when nothing is left to find around here, has a population so many times larger
    learn       with ten or more trials of others before it begins, it starts from the best share of them; 0: it doesn't
    noise       "high": learning rates follow how much of each step is signal, which costs trials where there is no
                noise
    """

    population: int | None = None
    sigma: float = 0.25
    growth: int = 2
    learn: float = 0.1
    noise: Literal["low", "high"] = "low"

    name: ClassVar[str] = "cmaes"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS - {"objectives"}
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.population is not None and self.population < 3:
            raise ValueError(f"CMAES(population={self.population}): a generation needs at least 3 children.")
        if not 0 < self.sigma <= 1:
            raise ValueError(f"CMAES(sigma={self.sigma}): sigma must be above 0 and at most 1.")
        if self.growth < 1:
            raise ValueError(f"CMAES(growth={self.growth}): growth must be at least 1.")
        if not 0 <= self.learn <= 1:
            raise ValueError(f"CMAES(learn={self.learn}): learn is a share of trials, from 0 to 1.")
        if self.noise not in ("low", "high"):
            raise ValueError(f'CMAES(noise={self.noise!r}): noise is "low" or "high".')

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        space = history.space
        if not space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        with one_thread():
            state: State = history.fold(
                (KEY, self, ask.scope), lambda: State(self, Layout.of(space), Children(KEY, ask.scope)), State.step
            )
            busy = _busy(history, state)
            return [self._child(history, ask, state, number, busy) for number in range(ask.number, ask.number + ask.n)]

    def _child(self, history: History, ask: Ask, state: State, number: int, busy: set[bytes] | None) -> Proposal:
        space, (g, labels) = history.space, state.now()
        seed = int(ask.rng(KEY, number).integers(SEEDS))
        for draws in (1, DRAWS):  # the first of many is the same as the first of one
            X, _ = state.layout.draws(space, g, labels, seed, draws)
            new = _new(space, X, state, busy)
            if new:
                row, x = new[0], X[new[0]]
                break
        else:
            row, x = 0, _near(space, X[0], state, busy, ask.rng("cmaes near", number))
        if busy is not None:
            busy.add(x.tobytes())
        note = Birth(state.generation, seed, row).note(KEY, ask.scope)
        return Proposal(space.decode(x[None])[0], note=note, why={"text": _text(state)})


def _busy(history: History, state: State) -> set[bytes] | None:
    """What is being tried, where nothing is to be tried twice; None: it may."""
    if history.definitions[-1].get("duplicates", "avoid") != "avoid":
        return None
    return {x.tobytes() for x in history.X[history.state == Ended.RUNNING]}


def _new(space: Space, X: Floats, state: State, busy: set[bytes] | None) -> list[int]:
    """The rows of X (n, d) that break no rule and, where that matters, have not been tried."""
    allowed: list[int] = np.flatnonzero(space.feasible(X)).tolist()
    if busy is None:
        return allowed
    return [i for i in allowed if (key := X[i].tobytes()) not in state.tried and key not in busy]


def _near(space: Space, x: Floats, state: State, busy: set[bytes] | None, rng: Generator) -> Floats:
    """Where no draw will do: of random configurations that do the nearest to one; of random ones, if none does."""
    drawn = space.sample(rng, DRAWS)
    new = _new(space, drawn, state, busy)
    drawn = drawn[new] if new else drawn
    gaps = np.where(np.isnan(drawn) | np.isnan(x), 0.5, np.minimum(np.abs(drawn - x), 1.0))
    nearest: Floats = drawn[int(np.argmin((gaps**2).sum(axis=1)))]
    return nearest


def _text(state: State) -> str:
    if state.gaussian is None:
        return "a child of generation 0, drawn around " + ("the best trials of others" if state.warm else "the middle")
    text = f"a child of generation {state.generation}"
    if len(state.layout.numeric):
        text += f", drawn within {float(state.gaussian.spread.mean()):.2g} of its mean"
    return text + (f", after {state.restarts} restart{'s' * (state.restarts > 1)}" if state.restarts else "")
