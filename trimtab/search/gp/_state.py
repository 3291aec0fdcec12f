"""What the searcher keeps of a history: the newest fitted hyperparameters, and measured noise.

A fit is logged with the decision it was made for (`note`), so a study that is opened anew goes on from the newest one
and refits nothing. When the next fit is due, and where it starts, follows from that note and the number of trials: a
log read at once and one that grew come to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.log import JSON, Event

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
KEY, SETS = "gp", "gp sets"  # in the note of a proposal
ALWAYS = 100  # below so many trials every decision refits
GROWTH = 1.1  # beyond, each time there are so many times more
AFRESH = 1.3  # and a search from the prior's mode, beside the one from the newest fit, each time so many times more
ROOM = 3_500  # characters of a note


@dataclass(frozen=True, slots=True)
class Fit:
    """Hyperparameters in thousandths of a nat, of the objective and then of each constraint.

    n     trials it was made on
    full  trials the newest fit from the prior's mode was made on
    """

    theta: tuple[Floats, ...]
    n: int
    full: int

    def due(self, n: int) -> bool:
        return n != self.n if n < ALWAYS else n >= GROWTH * self.n

    def due_afresh(self, n: int) -> bool:
        return n >= AFRESH * self.full

    def note(self, mark: str) -> dict[str, JSON]:
        told: list[JSON] = [[int(v) for v in theta] for theta in self.theta]
        note: dict[str, JSON] = {KEY: {"for": mark, "n": self.n, "full": self.full, "theta": told}}
        return note if len(str(told)) <= ROOM else {}


@dataclass(slots=True)
class State:
    """The fold: the newest fit of each layout, by its mark, and the standard errors of trials that have them.

    The spread over folds is none: all trials share the folds, so what one fold is harder than another by is no noise
    between trials. What noise there is, the model infers.
    """

    fits: dict[str, Fit] = field(default_factory=dict)
    sem: dict[int, Mapping[str, float]] = field(default_factory=dict)
    folded: set[int] = field(default_factory=set)  # trials that report by fold
    sets: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of hyperparameters, as they were noted

    def step(self, event: Event, history: History) -> State:
        if event.kind == "started":
            note = event.body.get("note", {})
            if SETS in note:
                self.sets[note[SETS]["for"]] = note[SETS]
            told: Any = note.get(KEY)
            if told is not None:
                theta = tuple(np.array(values, np.float64) for values in told["theta"])
                self.fits[told["for"]] = Fit(theta, told["n"], told["full"])
        elif event.kind == "reported" and event.trial is not None and max(event.body.get("fold") or (-1,)) >= 0:
            self.folded.add(event.trial)
        elif event.kind == "ended" and event.trial is not None:
            sem = event.body.get("sem")
            if sem and event.trial not in self.folded:
                self.sem[event.trial] = sem
        return self
