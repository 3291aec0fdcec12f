"""Making children: parents, crossover, mutation, and another try where the child is known or breaks a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.log import JSON
from trimtab.parts import genes as operators
from trimtab.parts.genes import Genes, Move, is_in
from trimtab.parts.standing import DONE, Standing
from trimtab.protocol import At, Proposal
from trimtab.search.ga._generations import KEY
from trimtab.search.ga._select import pick, weights

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.ga import GA

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CROSSED = 0.9  # of the children have two parents
RARE = 0.05  # a gene mutates so often at least, however many there are
NEAR = 0.3  # of the genes are changed in mutants of a configuration that was given
TRIES = 8  # children, before a trial becomes a random draw
MOVES: dict[str, Move] = {
    "normal": operators.gauss(),
    "polynomial": operators.polynomial(),
    "uniform": operators.anywhere,
}


@dataclass(slots=True)
class Nursery:
    """What children are made of at this moment. taken: rows of those made for this ask."""

    settings: GA
    genes: Genes
    history: History
    stand: Standing
    given: Sequence[int]
    X: Floats
    taken: list[Floats] = field(default_factory=list)

    def first(self, rng: Generator) -> Proposal:
        """A trial of generation 0."""
        space, known = self.genes.space, self._given() if self.settings.first == "mutants" else None
        if known is None:
            return self._random(rng, 0, "a random draw: the first generation")
        x, origin = known
        if origin is None and not is_in(self.X, x) and not self.taken:
            self.taken.append(x)
            return self._proposal(space.decode(x[None])[0], 0, {}, "the default of the space")
        for _ in range(TRIES):
            changed = operators.hit(x[None], rng, NEAR, least=1)
            made = self._landed(operators.mutated(self.genes, x[None], changed, rng, MOVES["normal"]), rng)
            if made is not None:
                parents: dict[str, At] = {} if origin is None else {"p1": self._at(origin)}
                what = "the default of the space" if origin is None else f"trial {self.history.numbers[origin]}"
                return self._proposal(made, 0, parents, f"a mutant of {what}: the first generation")
        return self._random(rng, 0, "a random draw: mutants of what was given were nothing new")

    def child(self, generation: int, pool: Ints, rng: Generator) -> Proposal:
        """A trial of a later generation; pool: rows of its parents, best first."""
        settings = self.settings
        if not len(pool):
            return self._random(rng, generation, "a random draw: nobody has a value yet")
        w = weights(settings.select, self._values(pool), len(pool))
        for tries in range(1, TRIES + 1):
            one = pick(settings.select, settings.size, w, rng)
            crossed = settings.crossover != "none" and len(pool) > 1 and rng.random() < CROSSED
            two = pick(settings.select, settings.size, w, rng, avoid=one) if crossed else one
            anew = settings.mutation != "none" or tries < TRIES  # without mutation copies are all that is left
            config = self._landed(self._bred(pool[[one]], pool[[two]], crossed, rng), rng, anew)
            if config is not None:
                rows = [int(pool[one]), int(pool[two])][: 1 + crossed]
                parents = {f"p{i}": self._at(row) for i, row in enumerate(rows, 1)}
                names = " and ".join(str(trial) for trial, _ in parents.values())
                what = f"a child of trials {names}" if crossed else f"a mutant of trial {names}"
                return self._proposal(config, generation, parents, f"{what}: generation {generation}")
        return self._random(rng, generation, f"a random draw: {TRIES} children were nothing new")

    def _bred(self, one: Ints, two: Ints, crossed: bool, rng: Generator) -> Floats:
        """A child (1, d) of rows one and two, before it is mended."""
        genes, settings = self.genes, self.settings
        A, B = genes.inside(self.X[one]), genes.inside(self.X[two])
        x = self._crossed(A, B, rng) if crossed else A
        if settings.mutation != "none":
            alike = not crossed or bool((np.array_equal(x, A, equal_nan=True)) or np.array_equal(x, B, equal_nan=True))
            rate = max(1.0 / max(x.shape[1], 1), RARE) if settings.rate is None else settings.rate
            changed = operators.hit(x, rng, rate, least=int(alike and rate > 0))
            x = operators.mutated(genes, x, changed, rng, MOVES[settings.mutation])
        return x

    def _crossed(self, A: Floats, B: Floats, rng: Generator) -> Floats:
        how, labels = self.settings.crossover, self.genes.labels
        if how == "uniform":
            return operators.uniform(A, B, rng)
        if how == "one-point":
            return operators.one_point(A, B, rng)
        if how == "blend":
            return operators.blend(A, B, labels, rng)
        return operators.sbx(A, B, labels, rng)[0]

    def _landed(self, x: Floats, rng: Generator, anew: bool = True) -> dict[str, Any] | None:
        """The configuration of a child (1, d), if it keeps the rules and, unless it need not, is a new one."""
        space = self.genes.space
        if np.isnan(x).any():
            x = np.where(np.isnan(x), self.genes.fresh(rng, 1), x)
        (config,) = space.decode(self.genes.inside(x))
        x = space.encode([config])
        if not space.feasible(x)[0] or (anew and is_in(self.X, x[0])):
            return None
        if anew and any(np.array_equal(x[0], other, equal_nan=True) for other in self.taken):
            return None
        self.taken.append(x[0])
        return config

    def _values(self, pool: Ints) -> Floats | None:
        """Values (k,) that ascend, where they can be compared by size: one objective, finished and feasible trials."""
        if self.history.Y.shape[1] > 1 or (self.stand.tier[pool] != DONE).any():
            return None
        return self.stand.value[pool]

    def _given(self) -> tuple[Floats, int | None] | None:
        """What to make mutants of: the row (d,) of a trial that was given, in turn, or of the space's default."""
        space, numbers = self.genes.space, self.history.numbers
        rows = np.flatnonzero(np.isin(numbers, np.array(self.given, np.int64)))
        if len(rows):
            row = int(rows[(len(numbers) + len(self.taken)) % len(rows)])
            return self.genes.inside(self.X[row]), row
        default = space.default
        return None if default is None else (space.encode([default])[0], None)

    def _random(self, rng: Generator, generation: int, text: str) -> Proposal:
        return self._proposal(self.genes.space.sample_config(rng), generation, {}, text)

    def _at(self, row: int) -> At:
        return int(self.history.numbers[row]), float(np.nan_to_num(self.history.level[row]))

    @staticmethod
    def _proposal(config: dict[str, Any], generation: int, parents: dict[str, At], text: str) -> Proposal:
        note: dict[str, JSON] = {"g": generation}
        return Proposal(config, parents=parents, note={KEY: note}, why={"text": text})
