"""Designs that cover the space evenly: Sobol, Halton, Latin hypercube.

Idea    Point number i of one fixed sequence belongs to trial i. So workers that share nothing but the study's seed
        together make the sequence, and what is added later goes on with it. Coordinates pass through each
        parameter's prior; coordinates of inactive parameters are dropped, so the index stays aligned.
Source  Sobol 1967 with Owen's scrambling (Matoušek 1998); Halton 1960 with scrambling (Owen 2017); McKay, Beckman &
        Conover, Technometrics 1979 (Latin hypercube).
Takes   Everything. A point that breaks a rule of the space is replaced by a random draw.
Cost    O(d) a proposal, and now and then the next power of two of points. The history is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for, seed_for
from trimtab.protocol import TRAITS, Ask, Proposal

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
SOBOL_COLUMNS = 21_201  # direction numbers are known for so many


def _proposals(history: History, ask: Ask, name: str, points: Floats) -> Sequence[Proposal]:
    """Proposals from points (ask.n, d) in the unit cube; those that break a rule become random draws."""
    space = history.space
    X = space.from_unit(points)
    fits = space.feasible(X)
    out = []
    for i, config in enumerate(space.decode(X)):
        if fits[i]:
            out.append(Proposal(config, why={"text": f"point {ask.number + i} of a {name} design"}))
        else:
            config = space.sample_config(ask.rng(name, ask.number + i))
            text = f"point {ask.number + i} of a {name} design breaks a rule; a random draw instead"
            out.append(Proposal(config, why={"text": text}))
    return out


@lru_cache(maxsize=8)
def _sequence(kind: str, d: int, seed: int, scope: str, n: int) -> Floats:
    """The first n points (n, d), n a power of two; the first half of twice as many."""
    from scipy.stats import qmc

    if d == 0 or (kind == "sobol" and d > SOBOL_COLUMNS):
        return rng_for(seed, scope, kind).random((n, d))  # row by row: a longer one begins with the shorter one
    make = {"sobol": qmc.Sobol, "halton": qmc.Halton}[kind]
    points: Floats = make(d, scramble=True, seed=np.random.default_rng(seed_for(seed, scope, kind))).random(n)
    points.flags.writeable = False
    return points


def _points(kind: str, d: int, ask: Ask) -> Floats:
    """Points ask.number … ask.number + ask.n - 1 of the study's sequence."""
    last = ask.number + ask.n
    enough = 1 << max(6, (last - 1).bit_length())
    return _sequence(kind, d, ask.seed, ask.scope, enough)[ask.number : last]


@dataclass(frozen=True, slots=True)
class Sobol:
    """A scrambled Sobol sequence: even cover, best balanced after 2^m trials."""

    name: ClassVar[str] = "sobol"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return _proposals(history, ask, self.name, _points("sobol", history.space.d, ask))


@dataclass(frozen=True, slots=True)
class Halton:
    """A scrambled Halton sequence: even cover after any number of trials, for up to about ten parameters."""

    name: ClassVar[str] = "halton"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return _proposals(history, ask, self.name, _points("halton", history.space.d, ask))


@dataclass(frozen=True, slots=True)
class LatinHypercube:
    """Latin hypercubes, one after the other: every parameter takes each of `size` equal parts once in `size` trials.

    size   trials in one cube; give the number of trials you mean to run
    """

    size: int = 64

    name: ClassVar[str] = "latin"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"LatinHypercube(size={self.size}): size must be at least 1.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        d = history.space.d
        places = [divmod(ask.number + i, self.size) for i in range(ask.n)]
        points = [_cube(d, self.size, ask.seed, ask.scope, block)[row] for block, row in places]
        return _proposals(history, ask, self.name, np.array(points).reshape(ask.n, d))


@lru_cache(maxsize=8)
def _cube(d: int, size: int, seed: int, scope: str, block: int) -> Floats:
    """One Latin hypercube (size, d): in each column a shuffled draw from each of `size` equal parts."""
    rng = rng_for(seed, scope, "latin", block)
    parts = rng.permuted(np.tile(np.arange(size)[:, None], d), axis=0)
    points: Floats = (parts + rng.random((size, d))) / size
    points.flags.writeable = False
    return points
