"""What searchers that move a distribution from generation to generation share: the way from the log to the next child.

A child's start carries, in its note, the generation it was drawn from and the seed of its draw. So whoever reads the
log makes the same draws again, and no state is stored. Results are taken as they come, in any order: when a generation
has as many as it wants, the distribution learns from them, and late ones count in the next. A trial that nobody drew
here (given by the user, of another searcher) is a stranger; one that beats all before it counts, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.history import State as Ended
from trimtab.log import JSON, Event
from trimtab.parts.order import violation
from trimtab.protocol import Ask, Proposal
from trimtab.search._layout import Layout

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
DONE, CUT, BROKEN, FAILED = range(4)  # finished, stopped or paused, infeasible, failed: earlier ones rank first
SEEDS = 2**53  # whole numbers that JSON keeps everywhere
DRAWS = 96  # of one child at most, until one breaks no rule and is new
SAME = 1e-9  # what a draw decodes to and what the trial had: the same place


@dataclass(frozen=True, slots=True)
class Birth:
    """How a child was drawn: row `row` of what `seed` gives in generation `born`."""

    born: int
    seed: int
    row: int = 0

    def note(self, key: str, scope: str) -> dict[str, JSON]:
        told: dict[str, JSON] = {"g": self.born, "seed": self.seed}
        if self.row:
            told["row"] = self.row
        if scope:
            told["in"] = scope
        return {key: told}

    @classmethod
    def read(cls, note: Mapping[str, Any], key: str, scope: str) -> Birth | None:
        told = note.get(key)
        if told is None or told.get("in", "") != scope:
            return None
        return cls(told["g"], told["seed"], told.get("row", 0))


@dataclass(frozen=True, slots=True)
class Result:
    """How a trial ended. birth: None for a stranger."""

    number: int
    birth: Birth | None
    tier: int
    level: float
    y: float
    c: Floats

    @property
    def good(self) -> bool:
        return self.tier <= CUT


@dataclass(frozen=True, slots=True)
class Row:
    """A result as a distribution learns from it.

    v, codes  where it lay: its draw, wherever its configuration is what the draw decodes to, else the configuration
    free      which of v was inactive
    told      it was not drawn from the present distribution
    """

    result: Result
    v: Floats
    codes: Floats
    free: Bools
    told: bool


M = TypeVar("M", bound="Model")


class Model(Protocol):
    """A distribution over configurations. Immutable; a function of what it was made from."""

    @property
    def layout(self) -> Layout: ...
    @property
    def population(self) -> int:
        """How many results the next update wants."""
        ...

    def draws(self, space: Space, seed: int, n: int) -> tuple[Floats, Floats]:
        """The first n draws of a seed: X (n, d), inactive columns NaN, and the numbers (n, d_numeric) behind them."""
        ...

    def numbers(self, births: Sequence[Birth]) -> Floats:
        """The numbers (n, d_numeric) behind each of these draws."""
        ...

    def after(self: M, rows: Sequence[Row], space: Space) -> M:
        """What it becomes by a generation, best first; at least one of them did not fail."""
        ...

    @property
    def text(self) -> str: ...


Start = Callable[[Sequence[tuple[Result, Floats]]], M]  # from earlier trials and where they lay (d,)


@dataclass(slots=True)
class State(Generic[M]):
    """The fold. Bounded by running trials and one generation, but for configurations that may be drawn twice."""

    key: str
    scope: str
    start: Start[M]
    layout: Layout
    model: M | None = None  # None: no child has been drawn
    generation: int = 0
    pool: list[Result] = field(default_factory=list)
    known: list[Row] = field(default_factory=list)  # draws of this generation whose results were there already
    strangers: list[tuple[Result, Floats]] = field(default_factory=list)  # that ended before the first child
    open: dict[int, Birth | None] = field(default_factory=dict)  # who runs; None: a stranger
    newest: int = -1
    best: float = inf
    tried: dict[bytes, int] = field(default_factory=dict)  # what may be drawn twice: configuration -> trial
    results: dict[int, Result] = field(default_factory=dict)  # of these

    def now(self) -> M:
        """What children are drawn from."""
        return self.start(self.strangers) if self.model is None else self.model

    # ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, event: Event, history: History) -> State[M]:
        if event.kind == "started" and event.trial is not None and event.trial > self.newest:  # not one that goes on
            self.newest = event.trial
            birth = Birth.read(event.body.get("note") or {}, self.key, self.scope)
            self.open[event.trial] = birth
            if birth is not None and self.model is None:
                self.model, self.strangers = self.now(), []
        elif event.kind == "ended" and event.trial is not None:
            if event.trial in self.open:
                self._learn(_result(event, self.open.pop(event.trial), history), history)
                return self
            for i, old in enumerate(self.pool):
                if old.number == event.trial:  # it was paused, and its generation still waits for others
                    self.pool[i] = _result(event, old.birth, history)
                    self._seen(self.pool[i], history.X_all[event.trial])
        return self

    def _learn(self, result: Result, history: History) -> None:
        x = history.X_all[result.number]
        better = self._seen(result, x)
        if self.model is None:
            self.strangers.append((result, x.copy()))
            return
        if result.birth is not None or better:
            self.known += self._known(self.model, result.birth, history)
            self.pool.append(result)
        if len(self.pool) + len(self.known) >= self.model.population:
            self._update(self.model, history)

    def _seen(self, result: Result, x: Floats) -> bool:
        """Take note of a result; whether it beats all before."""
        if self.layout.repeats(x):
            self.tried.setdefault(x.tobytes(), result.number)
            self.results[result.number] = result
        better = result.tier == DONE and result.y < self.best
        if better:
            self.best = result.y
        return better

    def _update(self, model: M, history: History) -> None:
        rows = [*self.known, *self._rows(model, history)]
        rows = [rows[i] for i in best_first([row.result for row in rows])]
        self.pool, self.known, self.generation = [], [], self.generation + 1
        if rows[0].result.tier != FAILED:  # else there is nothing to learn
            self.model = model.after(rows, history.space)

    def _rows(self, model: M, history: History) -> list[Row]:
        """Where the trials in the pool lay, all at once: a study of many trials is read anew in a second or two."""
        layout = self.layout
        births = [result.birth or Birth(-1, result.number) for result in self.pool]
        X = history.X_all[[result.number for result in self.pool]]
        V, codes = X[:, layout.numeric], X[:, layout.choices]
        free = np.isnan(V)
        drawn = model.numbers(births)
        if layout.alike(drawn, V, SAME):  # nearly always, and quicker to tell than where draws are placed
            agrees = np.ones(V.shape, np.bool_)
        else:
            agrees = free | (np.abs(layout.placed(history.space, drawn, X) - V) <= SAME)
        told = (np.array([birth.born for birth in births]) < self.generation) | ~agrees.all(axis=1)
        V = np.where(agrees, drawn, V)
        return [Row(*row) for row in zip(self.pool, V, codes, free, told.tolist(), strict=True)]

    def _known(self, model: M, birth: Birth | None, history: History) -> list[Row]:
        """Draws that were passed over because their results are known already. They count as they would have, had they
        been run again, or a generation would see only what is left over."""
        if birth is None or not birth.row or birth.born < self.generation:
            return []
        X, V = model.draws(history.space, birth.seed, birth.row)
        found = []
        for x, v in zip(X, V, strict=True):
            result = self.results.get(self.tried.get(x.tobytes(), -1))
            if result is not None:
                found.append(Row(result, v, x[self.layout.choices], np.isnan(x[self.layout.numeric]), False))
        return found


def _result(event: Event, birth: Birth | None, history: History) -> Result:
    assert event.trial is not None
    y, c, feasible = history.outcome(event)
    state, value = event.body["state"], float(y[0])
    tier = DONE if state == "finished" else CUT
    if state not in ("finished", "stopped", "paused") or np.isnan(value):
        tier = FAILED
    elif not feasible:
        tier = BROKEN
    return Result(event.trial, birth, tier, float(event.body.get("step") or 0.0), value, c)


def best_first(results: Sequence[Result]) -> Ints:
    """Their order: by tier; those cut short by how far they came, infeasible ones by how much is broken; by value; by
    age."""
    tier = np.array([r.tier for r in results])
    within = np.where(tier == CUT, [-r.level for r in results], 0.0)
    broken = tier == BROKEN
    if broken.any():
        within[broken] = violation(np.array([r.c for r in results if r.tier == BROKEN]))
    value = np.where(tier == FAILED, 0.0, [r.y for r in results])
    age = np.array([r.number for r in results])
    order: Ints = np.lexsort((age, value, within, tier))
    return order


# ── the next children ────────────────────────────────────────────────────────────────────────────────────────────────


def children(history: History, ask: Ask, state: State[M]) -> list[Proposal]:
    """ask.n of them, none of them twice or tried before, where the study has it so."""
    busy: set[bytes] | None = None
    if history.definitions[-1].get("duplicates", "avoid") == "avoid":
        busy = {x.tobytes() for x in history.X[history.state == Ended.RUNNING]}
    model = state.now()
    out = []
    for number in range(ask.number, ask.number + ask.n):
        x, birth = _child(history.space, state, model, busy, ask, number)
        if busy is not None:
            busy.add(x.tobytes())
        text = f"a child of generation {state.generation}, {model.text}"
        config = history.space.decode(x[None])[0]
        out.append(Proposal(config, note=birth.note(state.key, state.scope), why={"text": text}))
    return out


def _child(
    space: Space, state: State[M], model: M, busy: set[bytes] | None, ask: Ask, number: int
) -> tuple[Floats, Birth]:
    seed = int(ask.rng(state.key, number).integers(SEEDS))
    for draws in (1, DRAWS):  # the first of many is the same as the first of one
        X = model.draws(space, seed, draws)[0]
        new = _new(space, X, state, busy)
        if new:
            return X[new[0]], Birth(state.generation, seed, new[0])
    return _near(space, X[0], state, busy, ask.rng(f"{state.key} near", number)), Birth(state.generation, seed)


def _new(space: Space, X: Floats, state: State[M], busy: set[bytes] | None) -> list[int]:
    """The rows of X (n, d) that break no rule and, where that matters, have not been tried."""
    allowed: list[int] = np.flatnonzero(space.feasible(X)).tolist()
    if busy is None:
        return allowed
    return [i for i in allowed if (key := X[i].tobytes()) not in state.tried and key not in busy]


def _near(space: Space, x: Floats, state: State[M], busy: set[bytes] | None, rng: Generator) -> Floats:
    """Where no draw will do: of random configurations that do the nearest to one; of random ones, if none does."""
    drawn = space.sample(rng, DRAWS)
    new = _new(space, drawn, state, busy)
    drawn = drawn[new] if new else drawn
    gaps = np.where(np.isnan(drawn) | np.isnan(x), 0.5, np.minimum(np.abs(drawn - x), 1.0))
    nearest: Floats = drawn[int(np.argmin((gaps**2).sum(axis=1)))]
    return nearest
