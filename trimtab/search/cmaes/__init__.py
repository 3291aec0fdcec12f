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
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from trimtab._blas import one_thread
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search._generation import State, children
from trimtab.search._layout import Layout
from trimtab.search.cmaes._model import Search
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Space

KEY = "cmaes"  # in the note of a proposal


@dataclass(frozen=True, slots=True)
class CMAES:
    """Moves a normal distribution, and chances of labels, towards the better half of each generation.

    population  children of a generation; None: 4 + 3 ln(parameters), also for more workers than that
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
        if not history.space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        with one_thread():
            state: State[Search] = history.fold(
                (KEY, self, ask.scope), lambda: self._fresh(history.space, ask.scope), State.step
            )
            return children(history, ask, state)

    def _fresh(self, space: Space, scope: str) -> State[Search]:
        layout = Layout.of(space)
        return State(KEY, scope, partial(Search.start, self, layout), layout)
