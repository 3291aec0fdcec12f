"""Variable-length genetic algorithm: how many blocks there are is searched, too, from few to many.

Idea    A space with a count and blocks that it switches on (layers of a network, steps of a pipeline). The first
        generations have few blocks, so that few parameters are searched at a time. Then the best grow: a random block
        is appended and what was found is kept. When more blocks no longer help, lengths are free: blocks are inserted,
        deleted, exchanged and duplicated.
Source  Xiao, Yan, Basodi, Ji & Pan, Efficient Hyperparameter Optimization in Deep Learning Using a Variable Length
        Genetic Algorithm, arXiv 2006.12703, 2020. Own work: free lengths in the end.
Takes   Everything; in a space without such blocks it is ga-elitist. Blocks may be declared in any way that a count
        switches them on one after the other: {f"units{i}": Int(8, 256, when=f"layers > {i}") for i in range(8)}.
Cost    O(n log n) an ask, of sorting the trials; nothing is fitted.
Leaves  the paper in this: nobody waits for a generation, and what has been tried is not tried again. Which blocks a
        child has unchanged from its first parent stands in its note ("shared": [[its block, the parent's], …]), and
        the parent's newest checkpoint in its parents ("init"), for an objective that hands weights down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.log import JSON
from trimtab.parts import genes as operators
from trimtab.parts.genes import Genes, is_in
from trimtab.parts.standing import DONE, NONE, Standing, standing
from trimtab.protocol import TRAITS, Ask, At, Proposal
from trimtab.search.ga import ElitistGA
from trimtab.search.ga._blocks import Blocks, blocks_of, crossed, grown, rearranged
from trimtab.search.ga._generations import Generations

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
KEY = "vlga"  # in the note of a proposal
SPARE = 0.1  # of the population: weaker ones that stay at random
CROSSED = 0.9  # of the children have two parents
RARE = 0.05  # a gene mutates so often at least, however many there are
FROZEN = 0.5  # of those that have just grown keep all they had
TRIES = 20  # children, before a trial becomes a random draw
LONGER = 4  # such draws of a length that were nothing new, before one more block is drawn


@dataclass(frozen=True, slots=True)
class VLGA:
    """Genetic algorithm on repeated blocks: starts with few of them, and appends more while that helps.

    population   trials of the first generation, and members of each
    generations  of each length, before the best grow
    start        blocks at first; None: as few as the space allows
    step         blocks appended at a time
    keep         share of the population, the best, that stay parents
    enough       what a longer one has to gain, as a part of all that was gained before; else lengths are free
    """

    population: int = 20
    generations: int = 5
    start: int | None = None
    step: int = 1
    keep: float = 0.4
    enough: float = 0.001

    name: ClassVar[str] = "vlga"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, least in (("population", 4), ("generations", 1), ("step", 1), ("start", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"VLGA({name}={value}): {name} must be at least {least}.")
        if not 0 < self.keep <= 0.8:
            raise ValueError(f"VLGA(keep={self.keep}): keep must be above 0 and at most 0.8.")
        if not 0 <= self.enough < 1:
            raise ValueError(f"VLGA(enough={self.enough}): enough must be at least 0 and below 1.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        log: _Log = history.fold(("vlga",), lambda: _Log.of(history), _Log.step)
        if log.blocks is None:
            return ElitistGA(population=self.population).propose(history, ask)
        crew = _Crew(self, log.trials.genes, log.blocks, history, standing(history), log.trials.of(history.numbers))
        generation, started = log.trials.newest, log.trials.started
        phase = crew.phase(log.trials.told)
        out: list[Proposal] = []
        for number in range(ask.number, ask.number + ask.n):
            if started >= (self.population if generation == 0 else self.population - self.stay):
                generation, started = generation + 1, 0
                phase = crew.next(phase, generation)
            started += 1
            out.append(crew.child(generation, phase, ask, number))
        return out

    @property
    def stay(self) -> int:
        """How many are parents: the best, and a few others."""
        return max(2, ceil(self.keep * self.population)) + ceil(SPARE * self.population)


@dataclass(slots=True)
class _Log:
    """The fold: generations, and the blocks of the space."""

    trials: Generations
    blocks: Blocks | None

    @classmethod
    def of(cls, history: History) -> _Log:
        return cls(Generations(Genes.of(history.space), KEY), blocks_of(history.space))

    def step(self, event: Any, history: History) -> _Log:
        self.trials.step(event, history)
        return self


@dataclass(frozen=True, slots=True)
class _Phase:
    """blocks: how many trials have, 0: as many as they like; since: the generation it began with."""

    blocks: int
    since: int


@dataclass(slots=True)
class _Crew:
    """What children are made of at this moment. taken: rows of those made for this ask."""

    settings: VLGA
    genes: Genes
    blocks: Blocks
    history: History
    stand: Standing
    born: Ints
    taken: list[Floats] = field(default_factory=list)

    # ── phases ──

    def phase(self, told: Any) -> _Phase:
        """The phase of the newest generation, by the note of its first child; without one, the first."""
        if told and not told["blocks"]:
            return _Phase(0, 0)
        blocks = told["blocks"] if told else self.settings.start or 1
        return _Phase(min(max(int(blocks), self.blocks.least), self.blocks.most), told["since"] if told else 0)

    def next(self, phase: _Phase, generation: int) -> _Phase:
        """The phase of a generation that begins."""
        if not phase.blocks or generation - phase.since < self.settings.generations:
            return phase
        if phase.blocks < self.blocks.most and self._helped(phase):
            return _Phase(min(phase.blocks + self.settings.step, self.blocks.most), generation)
        return _Phase(0, 0)

    def _helped(self, phase: _Phase) -> bool:
        """Whether this phase has brought something; the first has."""
        if phase.since == 0:
            return True
        rows = np.arange(len(self.born))
        before = self.stand.best_first(rows[self.born < phase.since], 1)
        now = self.stand.best_first(rows[self.born >= phase.since], 1)
        if not len(before) or not len(now):
            return bool(len(now))
        one, two = int(before[0]), int(now[0])
        tier, value = self.stand.tier, self.stand.value
        if self.history.Y.shape[1] > 1 or tier[one] != DONE or tier[two] != DONE:
            return bool(self.stand.best_first(np.array([one, two]))[0] == two)
        first = value[(self.born == 0) & (tier == DONE)]
        gained = float(np.median(first)) - float(value[one]) if len(first) else 0.0
        return bool(value[one] - value[two] > self.settings.enough * max(gained, 0.0))

    # ── children ──

    def child(self, generation: int, phase: _Phase, ask: Ask, number: int) -> Proposal:
        rng = ask.rng("vlga", number)
        pool = self._pool(generation, phase, ask)
        if generation == 0 or not len(pool):
            return self._random(generation, phase, rng)
        for _ in range(TRIES):
            rows = self._parents(pool, rng)
            x, origin = self._bred(rows, generation, phase, rng)
            made = self._landed(x)
            if made is not None:
                return self._proposal(*made, origin, rows, generation, phase)
        return self._random(generation, phase, rng)

    def _pool(self, generation: int, phase: _Phase, ask: Ask) -> Ints:
        """Rows of parents: the best of this phase (of all before it, as it begins), and a few others."""
        first = 0 if generation == phase.since else phase.since
        spare = ceil(SPARE * self.settings.population)
        most = self.settings.stay - spare
        best = self.stand.best_first(np.flatnonzero((self.born >= first) & (self.born < generation)), most)
        if len(best) < 2:  # nobody of this phase has a value yet
            best = self.stand.best_first(np.arange(len(self.born)), most)
        rest = np.flatnonzero((self.born == generation - 1) & (self.stand.tier < NONE))
        rest = rest[~np.isin(rest, best)]
        key = rng_for(ask.seed, ask.scope, "vlga spare", generation).random(len(rest))
        return np.concatenate([best, rest[np.argsort(key, kind="stable")[:spare]]])

    def _parents(self, pool: Ints, rng: Generator) -> list[int]:
        """One or two rows, each the better of two at random: a pool is sorted, but for the few others at its end."""
        one = int(rng.integers(0, len(pool), 2).min())
        if len(pool) == 1 or rng.random() >= CROSSED:
            return [int(pool[one])]
        two = int(rng.integers(0, len(pool) - 1, 2).min())
        return [int(pool[one]), int(pool[two + (two >= one)])]

    def _bred(self, rows: list[int], generation: int, phase: _Phase, rng: Generator) -> tuple[Floats, Ints]:
        """A child (d,), and which block of the first parent each of its blocks is."""
        blocks, fresh = self.blocks, self.genes.fresh(rng, 1)[0]
        x = self.genes.inside(self.history.X[rows[0]])
        origin = np.arange(blocks.length(x))
        if generation == phase.since and phase.blocks:
            del rows[1:]
            x, origin = grown(blocks, x, max(phase.blocks, len(origin) + self.settings.step), fresh)
            if rng.random() < FROZEN:
                return self._whole(x, fresh), origin
        elif len(rows) > 1:
            x, origin = crossed(blocks, x, self.genes.inside(self.history.X[rows[1]]), rng)
        if not phase.blocks:
            x, origin = rearranged(blocks, x, origin, blocks.most, fresh, rng)
        there = np.array(x)
        there[blocks.count] = np.nan  # blocks come and go as a whole, never by a step of their number
        alike = any(np.array_equal(x, self.history.X[row], equal_nan=True) for row in rows)
        rate = max(1.0 / max(int((~np.isnan(there)).sum()), 1), RARE)
        changed = operators.hit(there[None], rng, rate, least=int(alike))
        return self._whole(operators.mutated(self.genes, x[None], changed, rng, operators.gauss())[0], fresh), origin

    def _whole(self, x: Floats, fresh: Floats) -> Floats:
        return np.where(np.isnan(x), fresh, x)

    def _landed(self, x: Floats) -> tuple[dict[str, Any], Floats] | None:
        """The configuration of a child (d,) and its row, if it is a new one and keeps the rules."""
        space = self.genes.space
        (config,) = space.decode(self.genes.inside(x[None]))
        row = space.encode([config])
        if not space.feasible(row)[0] or is_in(self.history.X, row[0]):
            return None
        if any(np.array_equal(row[0], other, equal_nan=True) for other in self.taken):
            return None
        self.taken.append(row[0])
        return config, row[0]

    def _random(self, generation: int, phase: _Phase, rng: Generator) -> Proposal:
        """A draw with as many blocks as the phase has, or soon more: there may be few of that length, or none."""
        for tries in range(TRIES):
            fresh = self.genes.fresh(rng, 1)[0]
            if phase.blocks:
                length = min(phase.blocks + tries // LONGER, self.blocks.most)
                fresh[self.blocks.count] = self.blocks.places[length - self.blocks.base]
            made = self._landed(fresh)
            if made is not None:
                text = f"a random draw with {self.blocks.length(made[1])} blocks"
                return Proposal(made[0], note={KEY: _note(generation, phase)}, why={"text": text})
        config = self.genes.space.sample_config(rng)
        return Proposal(config, note={KEY: _note(generation, phase)}, why={"text": "a random draw"})

    def _proposal(
        self, config: dict[str, Any], x: Floats, origin: Ints, rows: list[int], generation: int, phase: _Phase
    ) -> Proposal:
        numbers = [int(self.history.numbers[row]) for row in rows]
        levels = np.nan_to_num(self.history.level[rows]).tolist()
        parents: dict[str, At] = {f"p{i}": at for i, at in enumerate(zip(numbers, levels, strict=True), 1)}
        if saved := self.history.checkpoints(numbers[0]):
            parents["init"] = (numbers[0], saved[-1])
        mine, theirs = self.blocks.of(x), self.blocks.of(self.history.X[rows[0]])
        shared: list[JSON] = [
            [i, int(j)] for i, j in enumerate(origin) if j >= 0 and np.array_equal(mine[i], theirs[j], equal_nan=True)
        ]
        note = {KEY: {**_note(generation, phase), "shared": shared}}
        first, last = len(theirs), len(mine)
        how = "grown from" if generation == phase.since and phase.blocks else "a child of"
        text = f"{how} trial{'s' * (len(rows) > 1)} {' and '.join(map(str, numbers))}: {last} blocks after {first}"
        return Proposal(config, parents=parents, note=note, why={"text": text})


def _note(generation: int, phase: _Phase) -> dict[str, JSON]:
    return {"g": generation, "blocks": phase.blocks, "since": phase.since}
