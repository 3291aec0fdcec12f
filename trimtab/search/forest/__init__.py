"""Random-forest search (SMAC): a forest of trees models the objective; try where it promises most.

Idea    Trees split by what matters, take labels, conditions and jumps as they come, and don't mind what is idle. Where
        they disagree little is known. The next trial is where the expected improvement on the best one is largest, and
        now and then a random one, since trees know nothing beyond what they have seen.
Source  Hutter, Hoos & Leyton-Brown, Sequential Model-Based Optimization for General Algorithm Configuration, LION 2011;
        defaults after Lindauer et al., SMAC3, JMLR 23, 2022. Several objectives: Knowles, ParEGO, IEEE TEC 10(1), 2006;
        constraints: Gardner et al., ICML 2014.
Takes   Everything. Running trials count at their predicted value in the leaves they come to (kriging believer), failed
        ones at the worst, those cut short at the level they reached.
Cost    O(trees · n · d · log n) a decision, n at most `most`; a tree is grown on ROWS draws at most.
Leaves  the papers in this: candidates are searched many at a time, not one exchange after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab._random import seed_for
from trimtab.log import JSON
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.designs import LatinHypercube
from trimtab.search.forest._pool import Seen
from trimtab.search.forest._table import Results, running
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.forest._acquire import Surrogate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Forest:
    """Models the objective as a forest of trees and tries where it is likeliest to improve most.

    startup     trials with a value before the first model: an even design of the space
    trees       in the forest
    share       of the parameters that each split of a tree may look at
    random      one proposal in 1/random is a random draw
    candidates  configurations that are looked at for each proposal
    most        trials in a model: beyond it the best, the newest and an even part of the rest
    repeats     runs that a good configuration gets, each with another seed, where results are noisy; more than 1 is for
                studies of one objective with duplicates="allow"
    """

    startup: int = 10
    trees: int = 30
    share: float = 5 / 6
    random: float = 0.2
    candidates: int = 1000
    most: int = 2000
    repeats: int = 1

    name: ClassVar[str] = "forest"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, least in (("startup", 2), ("trees", 2), ("candidates", 16), ("most", 20), ("repeats", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"Forest({name}={getattr(self, name)}): {name} must be at least {least}.")
        if not 0 < self.share <= 1:
            raise ValueError(f"Forest(share={self.share}): share must be above 0 and at most 1.")
        if not 0 <= self.random <= 1:
            raise ValueError(f"Forest(random={self.random}): random must be from 0 to 1.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if not history.space.d or not history.objectives:
            return RandomSearch().propose(history, ask)
        if self.repeats > 1 and history.definitions[-1].get("duplicates") == "allow" and len(history.objectives) == 1:
            return self._intensified(history, ask)
        return self._new(history, ask, Results.of(history))

    def _intensified(self, history: History, ask: Ask) -> list[Proposal]:
        """One more run of a good configuration, if one is due, and new ones. The k-th runs of all share a seed."""
        from trimtab.search.forest._repeats import Runs, averaged

        def seeded(proposal: Proposal, k: int) -> Proposal:
            return replace(proposal, seed=seed_for(ask.seed, ask.scope, "forest run", k))

        runs, out = Runs.of_history(history), list[Proposal]()
        due = runs.next(self.repeats, self.startup)
        if due is not None:
            row, k = due
            text: dict[str, JSON] = {"text": f"run {k + 1} of the configuration of trial {int(history.numbers[row])}"}
            out.append(seeded(Proposal(history.space.decode(history.X[row : row + 1])[0], why=text), k))
        if ask.n > len(out):
            rest = replace(ask, n=ask.n - len(out), number=ask.number + len(out))
            results = averaged(Results.of(history), runs, history)
            out += [seeded(p, 0) for p in self._new(history, rest, results)]
        return out

    def _new(self, history: History, ask: Ask, results: Results) -> list[Proposal]:
        if results.known < self.startup:
            text: dict[str, JSON] = {"text": f"one of the first {self.startup}, spread evenly over the space"}
            return [replace(p, why=text) for p in LatinHypercube(size=self.startup).propose(history, ask)]
        with one_thread():
            return self._model(history, ask, results)

    def _model(self, history: History, ask: Ask, results: Results) -> list[Proposal]:
        from trimtab.search.forest._acquire import surrogate  # scipy comes with it

        space, seen, proposals = history.space, Seen(history.X), list[Proposal]()
        pending, model = running(history), None
        for number in range(ask.number, ask.number + ask.n):
            alone = replace(ask, number=number, n=1)
            if ask.rng("forest random", number).random() < self.random:
                proposals.append(
                    at_random(history, alone, f"one in {1 / self.random:.3g} is, lest a place be forgotten")
                )
            else:
                if model is None or len(history.objectives) > 1:
                    model = surrogate(results, alone, self)
                proposals.append(self._best(history, alone, model, pending, seen))
            told = space.encode([proposals[-1].config or {}])
            pending = np.concatenate([pending, told])
            seen.add(told)
        return proposals

    def _best(self, history: History, ask: Ask, model: Surrogate | str, pending: Floats, seen: Seen) -> Proposal:
        from trimtab.search.forest._acquire import best_of

        if isinstance(model, str):
            return at_random(history, ask, model)
        space = history.space
        found = best_of(model.believing(pending), space, ask.rng("forest", ask.number), self.candidates, seen)
        if found is None:
            return at_random(history, ask, "all candidates had been tried")
        x, score = found
        return Proposal(space.decode(x[None])[0], why=model.why(history, x, score))


def at_random(history: History, ask: Ask, because: str) -> Proposal:
    why: dict[str, JSON] = {"text": f"a random draw: {because}"}
    return replace(RandomSearch().propose(history, ask)[0], why=why)
