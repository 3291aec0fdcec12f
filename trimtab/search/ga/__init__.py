"""Genetic algorithms: children of good configurations, crossed and mutated; six named kinds of one machine.

Idea    A generation of trials; the better ones are more often parents of the next. Kinds differ in who becomes a
        parent (roulette, tournament, truncation), in who survives (an elite, none, the young) and in whether two
        parents are crossed. They exist to be compared with equal numbers of evaluations: trimtab bench run
        --optimizers 'ga-*'.
Source  Holland, Adaptation in Natural and Artificial Systems, 1975; tournaments and truncation: Blickle & Thiele,
        Evolutionary Computation 4(4), 1996; ageing: Real et al., Regularized Evolution, AAAI 2019. The idea of six
        kinds on one network: Deighan et al., arXiv 2010.04340, 2020, whose own six these are not.
Takes   Everything. Several objectives by non-dominated rank, constraints by how much is violated; trials cut short
        after finished ones, by how far they got; failed ones have no children.
Cost    O(n log n) an ask, of sorting the trials; nothing is fitted.
Leaves  the textbook in this: nobody waits. A generation's children are made as soon as all of it has started, and
        earlier trials stand in for parents that still run. What has been tried is not tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.history import State
from trimtab.parts.genes import Genes
from trimtab.parts.standing import Standing, standing
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.ga._children import Nursery
from trimtab.search.ga._generations import Generations, parents, youngest
from trimtab.search.ga._select import Select

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cross = Literal["uniform", "one-point", "blend", "sbx", "none"]
Mutate = Literal["normal", "polynomial", "uniform", "none"]
CHOICES: dict[str, tuple[str, ...]] = {
    "select": ("tournament", "roulette", "rank", "truncation"),
    "crossover": ("uniform", "one-point", "blend", "sbx", "none"),
    "mutation": ("normal", "polynomial", "uniform", "none"),
    "replace": ("generation", "oldest"),
    "first": ("random", "mutants"),
}
SETTINGS = """

    population  trials a generation, the elite included
    select      how parents are found: "tournament", "roulette" by value, by "rank", or "truncation" to the best quarter
    size        how many take part in a tournament
    crossover   "uniform", "one-point", "blend" (BLX-½), "sbx", or "none": one parent only
    mutation    "normal" (sd 0.15 of the range), "polynomial", "uniform" (anywhere), or "none"
    rate        probability that a gene mutates; None: one over their number, at least 0.05
    elites      the best of all earlier trials that stay parents; as many as the population: the best of both survive
    replace     who makes room: the whole "generation", or the "oldest" trial at a time
    first       "random" draws, or "mutants" of what you enqueued (else of the space's default), which is tried once
    """


@dataclass(frozen=True, slots=True)
class GA:
    """What the six have in common; they differ in these settings' defaults."""

    population: int = 20
    select: Select = "tournament"
    size: int = 3
    crossover: Cross = "uniform"
    mutation: Mutate = "normal"
    rate: float | None = None
    elites: int = 2
    replace: Literal["generation", "oldest"] = "generation"
    first: Literal["random", "mutants"] = "random"

    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        called = type(self).__name__
        for name, least in (("population", 2), ("size", 1), ("elites", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{called}({name}={getattr(self, name)}): {name} must be at least {least}.")
        if self.elites > self.population:
            raise ValueError(f"{called}(elites={self.elites}): at most the population of {self.population} can stay.")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise ValueError(f"{called}(rate={self.rate}): rate must be between 0 and 1, or None.")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                one = ", ".join(map(repr, known))
                raise ValueError(f"{called}({name}={getattr(self, name)!r}): {name} is one of {one}.")
        if self.crossover == self.mutation == "none":
            raise ValueError(f'{called}(crossover="none", mutation="none"): children would be copies. Set one of them.')

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        log = history.fold(("ga",), lambda: Generations(Genes.of(history.space)), Generations.step)
        born, stand = log.of(history.numbers), standing(history)
        nursery = Nursery(self, log.genes, history, stand, log.given, history.X)
        generation, started = log.newest, log.started
        pool, of = np.empty(0, np.int64), 0
        out: list[Proposal] = []
        for number in range(ask.number, ask.number + ask.n):
            if started >= self._births(generation):
                generation, started = generation + 1, 0
            started += 1
            if generation > of:
                pool, of = self._pool(generation, stand, born, history), generation
            rng = ask.rng("ga", number)
            out.append(nursery.child(generation, pool, rng) if generation else nursery.first(rng))
        return out

    def _births(self, generation: int) -> int:
        """How many trials a generation has; a population that renews one by one has one each."""
        if generation == 0 or self.elites == self.population:
            return self.population
        return 1 if self.replace == "oldest" else self.population - self.elites

    def _pool(self, generation: int, stand: Standing, born: Ints, history: History) -> Ints:
        """Rows of the parents of a generation, best first."""
        if self.replace == "oldest":
            return youngest(stand, self.population)
        running = np.flatnonzero(history.state == State.RUNNING)
        return parents(stand, born, running, generation, self.population, self.elites)


@dataclass(frozen=True, slots=True)
class RouletteGA(GA):
    __doc__ = f"Genetic algorithm: parents by chance, in proportion to how good they are; nobody survives.{SETTINGS}"

    select: Select = "roulette"
    elites: int = 0
    name: ClassVar[str] = "ga-roulette"


@dataclass(frozen=True, slots=True)
class TournamentGA(GA):
    __doc__ = f"Genetic algorithm: each parent is the best of three drawn at random; nobody survives.{SETTINGS}"

    elites: int = 0
    name: ClassVar[str] = "ga-tournament"


@dataclass(frozen=True, slots=True)
class ElitistGA(GA):
    __doc__ = f"Genetic algorithm: tournaments, and the two best so far stay parents.{SETTINGS}"

    name: ClassVar[str] = "ga-elitist"


@dataclass(frozen=True, slots=True)
class TruncationGA(GA):
    __doc__ = f"Genetic algorithm: only the best quarter has children, and the two best so far stay.{SETTINGS}"

    select: Select = "truncation"
    name: ClassVar[str] = "ga-truncation"


@dataclass(frozen=True, slots=True)
class MutationGA(GA):
    __doc__ = (
        f"Genetic algorithm without crossover: mutants of the winners of tournaments; the two best stay.{SETTINGS}"
    )

    crossover: Cross = "none"
    name: ClassVar[str] = "ga-mutation-only"


@dataclass(frozen=True, slots=True)
class AgeingGA(GA):
    __doc__ = (
        f"Regularized evolution: a mutant of the best of five; one trial at a time, and the oldest goes.{SETTINGS}"
    )

    size: int = 5
    crossover: Cross = "none"
    elites: int = 0
    replace: Literal["generation", "oldest"] = "oldest"
    name: ClassVar[str] = "ga-ageing"
