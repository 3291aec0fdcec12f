"""Differential evolution: steps as long as the population is wide, each parameter from the step or from the target.

Idea    A population of slots. The next trial aims at the next slot: another member plus the scaled difference of two
        more, crossed with the slot's own; it takes the slot if it is at least as good. Differences shrink as the
        population does, so no step size has to be set.
Source  Storn & Price, Journal of Global Optimization 11, 1997; factor and crossover rate that evolve with each member:
        Brest et al. (jDE), IEEE TEC 10(6), 2006; differences added to one of the best: Zhang & Sanderson (JADE), IEEE
        TEC 13(5), 2009; no rounding in what is inherited: Awad et al., DEHB, IJCAI 2021.
Takes   One objective; constraints, by how much is violated. Trials cut short rank below finished ones, by how far
        they got. Trials of others compete for slots in turn.
Cost    O(n log n) an ask, of one sort over all trials; nothing is fitted.
Leaves  the papers in this: no generations. A slot belongs to the best trial that aimed at it, ties to the newest, so
        results may come in any order; mutants are made of members that have a result.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.log import JSON, Event
from trimtab.parts.genes import Genes, is_in
from trimtab.parts.standing import standing
from trimtab.protocol import TRAITS, Ask, Proposal

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
KEY = "de"  # in the note of a proposal
FINE = 1e6  # genes that are rounded in the configuration are kept in millionths
ROOM = 450  # genes that fit into a note
FEWEST = 4  # a target and three others
TOP = 0.1  # of the population (JADE)
TRIES = 6  # mutants, before a trial becomes a random draw
RENEWED = 0.1  # how often a child gets a factor, or a crossover rate, of its own (jDE)
FACTORS = (0.1, 1.0)  # between which (jDE)


@dataclass(frozen=True, slots=True)
class DE:
    """Differential evolution: robust where parameters are many, cheap and interact.

    population  slots: a trial takes one by being at least as good as who is there
    base        what differences are added to: one of the best tenth, the best, anyone, or the target on its way to
                the best
    factor      of the differences; None: evolves with each member
    crossover   share of parameters that come from the mutant; None: evolves with each member
    outside     what a parameter gets whose mutant lies outside its range: a new draw, or the nearest end
    """

    population: int = 20
    base: Literal["top", "best", "random", "current-to-best"] = "top"
    factor: float | None = None
    crossover: float | None = None
    outside: Literal["draw", "clip"] = "draw"

    name: ClassVar[str] = "de"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS - {"objectives"}
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.population < FEWEST:
            raise ValueError(f"DE(population={self.population}): population must be at least {FEWEST}.")
        if self.factor is not None and not 0 < self.factor <= 2:
            raise ValueError(f"DE(factor={self.factor}): factor must be above 0 and at most 2, or None.")
        if self.crossover is not None and not 0 <= self.crossover <= 1:
            raise ValueError(f"DE(crossover={self.crossover}): crossover must be between 0 and 1, or None.")
        for name, known in (("base", ("top", "best", "random", "current-to-best")), ("outside", ("draw", "clip"))):
            if getattr(self, name) not in known:
                raise ValueError(f"DE({name}={getattr(self, name)!r}): {name} is one of {', '.join(map(repr, known))}.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        log: _Log = history.fold(
            ("de", self.population), lambda: _Log(self.population, Genes.of(history.space)), _Log.step
        )
        crew = _crew(history, log, self, ask)
        out: list[Proposal] = []
        for i in range(ask.n):
            child = crew.child((len(history) + i) % self.population, ask.rng("de", ask.number + i))
            out.append(child)
        return out


@dataclass(slots=True)
class _Log:
    """The fold: which slot each trial aimed at (-1: none was told), and the notes.

    known  genes of members, with the rows of X they were made from: only to save work
    """

    population: int
    genes: Genes
    slot: array[int] = field(default_factory=lambda: array("l"))
    notes: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    known: dict[int, tuple[bytes, Floats]] = field(default_factory=dict)

    def step(self, event: Event, history: History) -> _Log:
        if event.kind == "started" and "config" in event.body and event.trial is not None:
            self.slot.extend([-1] * (event.trial + 1 - len(self.slot)))
            told = event.body.get("note", {}).get(KEY)
            if told is not None:
                self.slot[event.trial] = told["slot"] % self.population
                self.notes[event.trial] = told
        return self

    def slots(self, numbers: Ints) -> Ints:
        """(n,): trials that were told none compete in turn."""
        told = np.array(self.slot, np.int64)[numbers]
        return np.where(told < 0, np.arange(len(numbers)) % self.population, told)


@dataclass(slots=True)
class _Crew:
    """The population at this moment, and what children are made of.

    G        (k, d) genes of its members in [0, 1], choices too; top: the best of them, best first
    at       slot -> member
    numbers  of trials; levels: where they ended
    rates    (k, 2) factor and crossover rate
    """

    settings: DE
    genes: Genes
    X: Floats
    G: Floats
    at: Mapping[int, int]
    top: Ints
    numbers: list[int]
    levels: list[float]
    rates: Floats
    loose: Ints
    taken: list[Floats] = field(default_factory=list)

    def child(self, slot: int, rng: Generator) -> Proposal:
        target = self.at.get(slot)
        if target is None or len(self.numbers) < FEWEST:
            return self._drawn(rng, slot, "a random draw: its slot of the population is empty")
        space = self.genes.space
        for _ in range(TRIES):
            rates = self._rates(target, rng)
            genes, others = self._mutant(target, rates, rng)
            (config,) = space.decode(_rows(self.genes.labels, genes[None]))
            x = space.encode([config])
            if self._new(x[0]) and space.feasible(x)[0]:
                self.taken.append(x[0])
                return Proposal(
                    config,
                    parents={f"p{i}": (self.numbers[k], self.levels[k]) for i, k in enumerate([target, *others], 1)},
                    note={KEY: self._note(slot, genes, rates)},
                    why={"text": self._text(target, others, rates)},
                )
        return self._drawn(rng, slot, f"a random draw: {TRIES} mutants were nothing new")

    def _drawn(self, rng: Generator, slot: int, text: str) -> Proposal:
        config = self.genes.space.sample_config(rng)
        note: dict[str, JSON] = {"slot": slot}
        return Proposal(config, note={KEY: note}, why={"text": text})

    def _rates(self, target: int, rng: Generator) -> tuple[float, float]:
        factor, crossover = self.rates[target].tolist()
        renew, new = rng.random(2) < RENEWED, rng.random(2)
        low, high = FACTORS
        if self.settings.factor is not None:
            factor = self.settings.factor
        elif renew[0]:
            factor = round(low + new[0] * (high - low), 4)
        if self.settings.crossover is not None:
            crossover = self.settings.crossover
        elif renew[1]:
            crossover = round(float(new[1]), 4)
        return factor, crossover

    def _mutant(self, target: int, rates: tuple[float, float], rng: Generator) -> tuple[Floats, list[int]]:
        """Genes (d,), and the members they are made of besides the target."""
        factor, crossover = rates
        G, d = self.G, self.G.shape[1]
        a, b, c = _others(rng, len(G), target)
        kind = self.settings.base
        base = {"random": a, "top": int(self.top[rng.integers(len(self.top))])}.get(kind, int(self.top[0]))
        mutant = G[base] + factor * (G[b] - G[c])
        if kind == "current-to-best":
            mutant += G[target] - G[base] + factor * (G[base] - G[target])
        beyond = (mutant < 0.0) | (mutant > 1.0)
        mutant = np.where(beyond, rng.random(d), mutant) if self.settings.outside == "draw" else np.clip(mutant, 0, 1)
        crossed = np.asarray(rng.random(d) < crossover)
        if d:
            crossed[rng.integers(d)] = True
        genes = np.where(crossed, mutant, G[target])
        genes[self.loose] = np.rint(genes[self.loose] * FINE) / FINE
        return genes, [base, b, c]

    def _new(self, x: Floats) -> bool:
        return not is_in(self.X, x) and not any(np.array_equal(x, y, equal_nan=True) for y in self.taken)

    def _note(self, slot: int, genes: Floats, rates: tuple[float, float]) -> dict[str, JSON]:
        note: dict[str, JSON] = {"slot": slot, "rates": list(rates)}
        if 0 < len(self.loose) <= ROOM:
            note["genes"] = np.rint(genes[self.loose] * FINE).astype(int).tolist()
        return note

    def _text(self, target: int, others: Sequence[int], rates: tuple[float, float]) -> str:
        first, plus, minus = (self.numbers[k] for k in others)
        start = f"trial {first}"
        if self.settings.base == "current-to-best":
            start = f"trial {self.numbers[target]} on its way to trial {first}"
        return f"{start} + {rates[0]:g} times (trial {plus} - trial {minus}), crossed with trial {self.numbers[target]}"


def _crew(history: History, log: _Log, settings: DE, ask: Ask) -> _Crew:
    genes, X, numbers = log.genes, history.X, history.numbers
    order = standing(history).best_first(np.arange(len(numbers)), newest=True)
    slots = log.slots(numbers)[order]
    held, first = np.unique(slots, return_index=True)
    rows = order[first]
    loose = _loose(genes)
    members = [int(numbers[row]) for row in rows]
    notes = [log.notes.get(number, {}) for number in members]
    G = _remembered(log, members, X[rows], lambda new: _genotypes(genes, X[rows[new]], loose, [notes[k] for k in new]))
    for k in np.flatnonzero(np.isnan(G).any(axis=1)):  # what is inactive may be any; for a trial it is always the same
        spare = rng_for(ask.seed, ask.scope, "de spare", members[k]).random(G.shape[1])
        G[k] = np.where(np.isnan(G[k]), spare, G[k])
    usual = (settings.factor or 0.5, 0.5 if settings.crossover is None else settings.crossover)
    return _Crew(
        settings,
        genes,
        X,
        G,
        {int(slot): k for k, slot in enumerate(held)},
        np.argsort(first)[: max(2, int(TOP * settings.population))],
        members,
        np.nan_to_num(history.level[rows]).tolist(),
        np.array([note.get("rates", usual) for note in notes], np.float64).reshape(-1, 2),
        loose,
    )


def _remembered(log: _Log, members: Sequence[int], X: Floats, make: Callable[[list[int]], Floats]) -> Floats:
    """make() for the members whose genes are not known yet, or whose row of X (k, d) has changed."""
    there = [log.known.get(number, (b"", X[:0]))[0] == row.tobytes() for number, row in zip(members, X, strict=True)]
    new = [k for k, known in enumerate(there) if not known]
    made = dict(zip(new, make(new), strict=True)) if new else {}
    log.known = {
        number: (X[k].tobytes(), made[k]) if k in made else log.known[number] for k, number in enumerate(members)
    }
    return np.array([log.known[number][1] for number in members]).reshape(X.shape)


def _loose(genes: Genes) -> Ints:
    """Columns whose genes the configuration doesn't tell: rounded ones, and all where some may be inactive."""
    kinds = genes.space.traits & {"conditional", "permutation", "rules"}
    return np.array([j for j, c in enumerate(genes.space.columns) if kinds or c.n or c.kind == "choice"], np.int64)


def _rows(labels: Ints, G: Floats) -> Floats:
    """Genes (n, d) as rows of X before they are snapped: a label is the cell in which its gene lies."""
    return np.where(labels > 0, np.minimum(np.floor(G * labels), labels - 1), G)


def _genotypes(genes: Genes, X: Floats, loose: Ints, notes: Sequence[Mapping[str, Any]]) -> Floats:
    """The genes (k, d) of the trials with rows X: as noted where the note still means what was run, else from X."""
    labels = genes.labels
    X = genes.inside(X)
    G = np.where(labels > 0, (X + 0.5) / np.maximum(labels, 1), X)
    told = [k for k, note in enumerate(notes) if len(note.get("genes", ())) == len(loose) > 0]
    if told:
        noted = G[told]
        noted[:, loose] = np.array([notes[k]["genes"] for k in told]) / FINE
        snapped, rows = genes.space.snap(_rows(labels, noted)), X[told]
        same = (snapped == rows) | (np.isnan(snapped) & np.isnan(rows))
        G[told] = np.where(same, noted, G[told])
    return G


def _others(rng: Generator, k: int, target: int) -> tuple[int, int, int]:
    """Three distinct members, none of them the target."""
    a, b, c = rng.choice(k - 1, 3, replace=False).tolist()
    return a + (a >= target), b + (b >= target), c + (c >= target)
