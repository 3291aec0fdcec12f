"""NSGA-II and NSGA-III: genetic algorithms for several objectives.

Idea    A small population of the best trials so far. Two parents, each the better of two that were drawn, are crossed
        and the child is mutated. Better is first the front a trial is in, under constrained domination; in a front,
        NSGA-II prefers those with empty surroundings, NSGA-III those in directions that few others go.
Source  Deb, Pratap, Agarwal & Meyarivan, NSGA-II, IEEE TEC 6(2), 2002; Deb & Jain, NSGA-III, IEEE TEC 18(4), 2014.
        One in, one out: Durillo et al., On the Effect of the Steady-State Selection Scheme, EMO 2009.
Takes   Everything. Failed trials are no members; stopped and paused ones come after finished ones, by how far they
        got; infeasible ones after these, by how much they violate.
Cost    O(d + p log p) an ask and, for each trial that ends, O(m·p²) in a population of p when it is good enough to
        come in.
Leaves  the papers in this: a trial that ends comes into the population at once and the worst leaves it, so that any
        number of trials may run and nobody waits for a generation; the first trials are a Latin hypercube; the
        population starts small and grows with the number of trials; a child that has been tried is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.log import JSON
from trimtab.parts.genes import Genes, hit, mutated, polynomial, sbx
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.designs import LatinHypercube
from trimtab.search.nsga._population import Population, hashes
from trimtab.search.nsga._sorting import crowded, sought

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Crowd = Callable[..., Floats]  # (rank, Y, front or None) -> how crowded each member is
LEAST = 8  # members of a population that is still growing
SHARE = 8  # one in so many trials is a member while it grows
TRIES = (1, 8, 64)  # children made before a trial is drawn at random, when all before are known or break rules


@dataclass(frozen=True, slots=True)
class NSGA2:
    """A genetic algorithm for several objectives that keeps its front wide and even.

    population   members at most
    startup      trials of a Latin hypercube before the first child
    crossover    probability that a child has two parents
    mutation     probability that a gene mutates; None: 1 / number of parameters
    near         how near its parents a child is (η of the crossover and of the mutation)
    """

    population: int = 50
    startup: int = 16
    crossover: float = 0.9
    mutation: float | None = None
    near: float = 2.0

    name: ClassVar[str] = "nsga2"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return _propose(self, history, ask, crowded)


@dataclass(frozen=True, slots=True)
class NSGA3:
    """A genetic algorithm for many objectives that keeps its front near evenly spread directions.

    population   members at most, and directions about as many
    startup      trials of a Latin hypercube before the first child
    crossover    probability that a child has two parents
    mutation     probability that a gene mutates; None: 1 / number of parameters
    near         how near its parents a child is (η of the crossover and of the mutation)
    """

    population: int = 50
    startup: int = 16
    crossover: float = 0.9
    mutation: float | None = None
    near: float = 2.0

    name: ClassVar[str] = "nsga3"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return _propose(self, history, ask, lambda rank, Y, front=None: sought(rank, Y, self.population))


Settings = NSGA2 | NSGA3


def _check(settings: Settings) -> None:
    called = type(settings).__name__
    for name, least in (("population", 4), ("startup", 1)):
        if getattr(settings, name) < least:
            raise ValueError(f"{called}({name}={getattr(settings, name)}): {name} must be at least {least}.")
    for name in ("crossover", "mutation"):
        value = getattr(settings, name)
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{called}({name}={value}): {name} is a probability, 0 to 1.")
    if not 0 <= settings.near < float("inf"):
        raise ValueError(f"{called}(near={settings.near}): near must be at least 0.")


def _propose(settings: Settings, history: History, ask: Ask, crowd: Crowd) -> Sequence[Proposal]:
    state: Population = history.fold(
        (settings.name, settings), lambda: _fresh(settings, history, crowd), Population.step
    )
    if len(state.ended) < settings.startup or not state.numbers or not history.space.d:
        why: dict[str, JSON] = {"text": f"one of the first {settings.startup} trials, a Latin hypercube"}
        return [Proposal(p.config, why=why) for p in LatinHypercube(settings.startup).propose(history, ask)]
    genes = Genes.of(history.space)
    X = genes.inside(history.X_all[state.numbers])
    order = np.lexsort((crowd(state.rank, state.Y, None), state.rank))  # ties: the older
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    known, proposals = set(), []
    tried = state.known(history)
    for number in range(ask.number, ask.number + ask.n):
        rng = ask.rng(settings.name, number)
        row, parents = _child(settings, genes, X, place, rng, lambda key: key in tried or key in known)
        if row is None:
            config = history.space.sample_config(rng)
            text = "a random draw: every child that was made has been tried, or breaks a rule"
            proposals.append(Proposal(config, why={"text": text}))
            continue
        known.add(hashes(row)[0])
        proposals.append(_proposal(history, state, genes, row, parents))
    return proposals


def _fresh(settings: Settings, history: History, crowd: Crowd) -> Population:
    def room(n: int) -> int:
        return min(settings.population, max(LEAST, ceil(n / SHARE)))

    return Population.of(len(history.objectives), len(history.constraints), room, crowd)


def _child(
    settings: Settings, genes: Genes, X: Floats, place: Ints, rng: Generator, known: Callable[[int], bool]
) -> tuple[Floats | None, Ints]:
    """A row (1, d) that nobody has tried and no rule forbids, and its parents' rows; None: there is none."""
    rate = 1.0 / genes.space.d if settings.mutation is None else settings.mutation
    ruled = "rules" in genes.space.traits
    for n in TRIES:
        pairs = _pairs(len(X), place, rng, n)
        A, B = X[pairs[:, 0]], X[pairs[:, 1]]
        crossed = rng.random(n) < settings.crossover
        Z = np.where(crossed[:, None], sbx(A, B, genes.labels, rng, settings.near)[0], A)
        Z = mutated(genes, Z, hit(Z, rng, rate), rng, polynomial(settings.near))
        Z = genes.mended(Z, genes.fresh(rng, n))
        allowed = genes.space.feasible(Z) if ruled else np.ones(n, bool)
        for i, key in enumerate(hashes(Z)):
            if allowed[i] and not known(key):
                return Z[i : i + 1], pairs[i] if crossed[i] else pairs[i, :1]
    return None, np.empty(0, np.int64)


def _pairs(p: int, place: Ints, rng: Generator, n: int) -> Ints:
    """Rows (n, 2) of parents: each the better of two members, and not the same twice where there are others."""
    drawn = rng.integers(p, size=(n, 2, 2))
    won = np.where(place[drawn[..., 0]] <= place[drawn[..., 1]], drawn[..., 0], drawn[..., 1])
    same = won[:, 0] == won[:, 1]
    won[same, 1] = (won[same, 1] + 1 + rng.integers(max(p - 1, 1), size=int(same.sum()))) % p
    return won


def _proposal(history: History, state: Population, genes: Genes, row: Floats, parents: Ints) -> Proposal:
    numbers = [state.numbers[i] for i in parents.tolist()]
    whose = " and ".join(map(str, numbers))
    text = f"child of trial{'s' * (len(numbers) > 1)} {whose}, of the best {len(state)} of {len(state.ended)} trials"
    return Proposal(genes.space.decode(row)[0], why={"text": text})
