"""Which generation each trial belongs to, and who may be a parent: read off the log.

A child carries its generation in its note. A trial without one (of the user, of another method) belongs to the
generation that was being born when it started. A generation is complete once it has been started: its children
are made while some of their parents still run, and earlier trials stand in for those.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.log import Event
from trimtab.parts.genes import Genes
from trimtab.parts.standing import NONE, Standing

if TYPE_CHECKING:
    from trimtab.history import History

Ints = NDArray[np.int64]
KEY = "ga"  # in the note of a proposal


@dataclass(slots=True)
class Generations:
    """The fold: each trial's generation; the newest one, and how many of it have started.

    given  trials without a note
    told   the first note of the newest generation
    """

    genes: Genes
    key: str = KEY
    born: array[int] = field(default_factory=lambda: array("l"))
    newest: int = 0
    started: int = 0
    given: list[int] = field(default_factory=list)
    told: Mapping[str, Any] = field(default_factory=dict)

    def step(self, event: Event, history: History) -> Generations:
        if event.kind == "started" and "config" in event.body and event.trial is not None:
            told: Mapping[str, Any] | None = event.body.get("note", {}).get(self.key)
            if told is None:
                self.given.append(event.trial)
            generation = self.newest if told is None else int(told["g"])
            self.born.extend([-1] * (event.trial + 1 - len(self.born)))
            self.born[event.trial] = generation
            if generation > self.newest:
                self.newest, self.started, self.told = generation, 0, told or {}
            self.started += generation == self.newest
        return self

    def of(self, numbers: Ints) -> Ints:
        """(n,) the generation of each trial."""
        return np.array(self.born, np.int64)[numbers]


def parents(stand: Standing, born: Ints, running: Ints, generation: int, population: int, elites: int) -> Ints:
    """Rows of those whose children make `generation`, best first: the one before it and the elite of all before that.

    running (n,): rows that have no result yet; for each that is missing, one more of the earlier ones stays.
    """
    rows = np.arange(len(born))
    last = stand.best_first(rows[born == generation - 1], population)
    missing = int((born[running] == generation - 1).sum())
    stay = elites + missing if len(last) + missing >= 2 else population  # the rest of them may all have failed
    before = stand.best_first(rows[born < generation - 1], stay) if stay else rows[:0]
    return stand.best_first(np.concatenate([last, before]), population)


def youngest(stand: Standing, population: int) -> Ints:
    """Rows of the newest trials that have a result, best first."""
    return stand.best_first(np.flatnonzero(stand.tier < NONE)[-population:])
