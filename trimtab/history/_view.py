"""History: what methods may know, as columns; and the views, folds and memos on it.

A History always stands at the version its ledger has read to. Arrays it hands out are read-only and are what
the columns hold now: use them within one decision, don't keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trimtab.history._buffers import Buffer
from trimtab.history._context import Context, context
from trimtab.history._ledger import Ledger
from trimtab.history._records import State, Trial
from trimtab.history._reports import Curve
from trimtab.history._row import EMPTY
from trimtab.log import JSON, Event
from trimtab.space import Space

S = TypeVar("S")
T = TypeVar("T")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Levels:
    """What each trial showed when it first reached each level: one row a (trial, level), in the order of the log.

    trial, level, Y (n, m) smaller is better, C (n, k) feasible at or below 0 (NaN: not measured)
    """

    trial: NDArray[np.int32]
    level: Floats
    Y: Floats
    C: Floats
    rows: Mapping[tuple[int, float], int]  # (trial, level) -> row

    def of(self, level: float) -> Levels:
        """The rows of one level."""
        at = np.flatnonzero(self.level == level)
        rows = {(int(t), level): i for i, t in enumerate(self.trial[at])}
        return Levels(self.trial[at], self.level[at], self.Y[at], self.C[at], rows)


class History:
    """The effective log as columns. Rows are trials in the order of their numbers; invalid ones are left out.

    X (n, d)      configurations encoded by `space`; NaN: inactive or unknown
    Y (n, m)      objectives, smaller is better; NaN: no value (running or failed)
    C (n, k)      constraints, feasible at or below 0; NaN: not measured
    state (n,)    codes of State
    level (n,)    the last step that counts; NaN: none
    numbers (n,)  the trials' numbers
    """

    def __init__(
        self, ledger: Ledger, *, keep: Callable[[Mapping[str, JSON]], bool] | None = None, space: Space | None = None
    ) -> None:
        self._ledger = ledger
        self._keep = keep
        self._own_space = space
        self._era = -1
        self._folds: dict[object, list[Any]] = {}
        self._memos: dict[object, tuple[int, Any]] = {}
        self._views: dict[object, History] = {}
        self._members: list[int] = []
        self._scanned = 0
        self._rows: NDArray[np.int64] | None = None
        self._encoded: Buffer | None = None
        self._fresh()

    # ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def version(self) -> int:
        return self._ledger.version

    @property
    def decisions(self) -> int:
        return self._ledger.decisions

    @property
    def era(self) -> int:
        return self._ledger.era

    @property
    def space(self) -> Space:
        return self._own_space if self._own_space is not None else self._ledger.space

    @property
    def definitions(self) -> Sequence[Mapping[str, JSON]]:
        return self._ledger.definitions

    @property
    def objectives(self) -> tuple[str, ...]:
        return self._ledger.objectives

    @property
    def constraints(self) -> tuple[str, ...]:
        return self._ledger.constraints

    def sign(self, objective: str) -> float:
        """-1.0 for an objective that is maximised, else 1.0: Y = sign · value."""
        return float(self._ledger.signs[self._ledger.objectives.index(objective)])

    def __len__(self) -> int:
        if self._whole():
            return len(self._ledger.rows)
        return len(self.numbers)

    @property
    def numbers(self) -> NDArray[np.int64]:
        if self._whole():
            return np.arange(len(self._ledger.rows))
        self._scan()
        assert self._rows is not None
        return self._rows

    @property
    def X(self) -> Floats:
        self._fresh()
        if self._own_space is None and self._keep is not None:
            return self._base().X_all[self.numbers]
        return self.X_all if self._whole() else self.X_all[self.numbers]

    @property
    def X_all(self) -> Floats:
        """Every trial's row, invalid ones and those outside this view too; index it by trial number."""
        self._fresh()
        assert self._encoded is not None
        ledger, space = self._ledger, self.space
        if self._encoded.n < len(ledger.rows):
            self._encoded.extend(space.encode([row.config for row in ledger.rows[self._encoded.n :]]))
        changed = [t for t in ledger.dirty[self._dirty_seen :] if t < self._encoded.n]
        self._dirty_seen = len(ledger.dirty)
        if changed:
            self._encoded[changed] = space.encode([ledger.rows[t].config for t in changed])
        return self._encoded.rows()

    @property
    def Y(self) -> Floats:
        return self._pick(self._ledger.Y)

    @property
    def C(self) -> Floats:
        return self._pick(self._ledger.C)

    @property
    def state(self) -> NDArray[np.int8]:
        return self._pick(self._ledger.state)

    @property
    def level(self) -> Floats:
        return self._pick(self._ledger.level)

    @property
    def cost(self) -> Mapping[str, Floats]:
        return {"seconds": self._pick(self._ledger.seconds)}

    def trial(self, number: int) -> Trial:
        """One trial as methods may see it: no attempts, no times, no errors' texts."""
        return self._ledger.record(number, private=False)

    def config(self, number: int) -> Mapping[str, JSON]:
        return self._ledger.rows[number].config

    def tags(self, number: int) -> Mapping[str, JSON]:
        return self._ledger.rows[number].tags

    def checkpoints(self, trial: int) -> tuple[float, ...]:
        """The steps of a trial's checkpoints that are still there, in rising order: what a clone may start from."""
        return tuple(sorted(self._ledger.rows[trial].saved or ()))

    def features(self, at: float = inf) -> Context:
        """Of each trial what its newest checkpoint at or before that step told, also when the checkpoint has gone."""
        return self.memo(("features", at), lambda: context([self._ledger.rows[t] for t in self.numbers.tolist()], at))

    def reports(self, trial: int | None = None) -> Curve:
        """All reports, or one trial's, without metrics of role `test`."""
        reports, hide = self._ledger.reports, self._ledger.hidden
        if trial is not None:
            return reports.curve(reports.rows_of(trial), hide)
        if self._whole():
            return reports.curve(slice(None), hide)
        return reports.curve(np.isin(reports.trial.rows(), self.numbers), hide)

    def answer(self, key: str) -> Mapping[str, JSON] | None:
        """The `answered` event's body for a Need, or None."""
        return self._ledger.answers.get(key)

    def outcome(self, event: Event) -> tuple[Floats, Floats, bool]:
        """Y (m,), C (k,) and whether all constraints hold, from an `ended` event of `fold`. A failure is NaN."""
        ledger, body = self._ledger, event.body
        values, limits = body.get("values", EMPTY), body.get("constraints", EMPTY)
        good = body["state"] in ("finished", "stopped", "paused")
        y = np.array([float(values[n]) if good and n in values else np.nan for n in ledger.objectives]) * ledger.signs
        c = np.array([float(limits[n]) if n in limits else np.nan for n in ledger.constraints])
        return y, c, not len(c) or bool((c <= 0).all())

    def at(self, levels: Sequence[float], resource: str = "step", *, by: tuple[str, float] | None = None) -> Levels:
        """Each trial's first report at or past each level. With resource="fold": the mean over the folds so far.

        A clone has the levels above its source only: it was never at the others. by=("val/loss", 1.0) reads that
        metric, times that sign, in place of the objectives.
        """
        key = tuple(float(v) for v in levels)
        marks: _Marks = self.fold(
            ("at", key, resource, by), lambda: _Marks(self._ledger, key, resource, by), _Marks.step
        )
        return marks.levels()

    # ── what methods keep ────────────────────────────────────────────────────────────────────────────────────────

    def fold(self, key: object, init: Callable[[], S], step: Callable[[S, Event, History], S]) -> S:
        """A method's running state: step(state, event, history) once for each effective event, in the order of the log.

        It is brought up to date here, in O(new), and made again from the log when the cache is cold or `era` has
        risen. So `step` may use the event's body and what never changes (the space; a trial's seed, tags and notes;
        its configuration once it has ended), and key must hold the method's settings.
        """
        self._fresh()
        entry = self._folds.get(key)
        if entry is None:
            entry = self._folds[key] = [init(), 0]
        if entry[1] < self.version:
            state = entry[0]
            for event in self.events(entry[1]):
                state = step(state, event, self)
            entry[0], entry[1] = state, self.version
        state_now: S = entry[0]
        return state_now

    def memo(self, key: object, f: Callable[[], T]) -> T:
        """f()'s result, kept for this version only. f must be a function of this history and of what is in key."""
        there = self._memos.get(key)
        if there is not None and there[0] == self.version:
            kept: T = there[1]
            return kept
        made = f()
        self._memos = {k: v for k, v in self._memos.items() if v[0] == self.version}
        self._memos[key] = (self.version, made)
        return made

    def events(self, since: int = 0) -> Iterator[Event]:
        """Effective events with seq > since: started (not retries), reported, ended, defined."""
        events = self._ledger.effective(since)
        if self._keep is None:
            return events
        rows, keep = self._ledger.rows, self._keep
        return (e for e in events if e.trial is None or keep(rows[e.trial].tags))

    def view(
        self, *, tags: Mapping[str, JSON] | None = None, space: Space | None = None, regime: str | None = None
    ) -> History:
        """The trials whose tags match, in a sub-space if one is given, with folds and memos of its own.

        regime keeps the trials of one regime (those without the tag belong to every regime).
        """
        self._fresh()
        key = (tuple(sorted((tags or {}).items())), space, regime)
        there = self._views.get(key)
        if there is None:
            above, wanted = self._keep, dict(tags or {})

            def keep(has: Mapping[str, JSON]) -> bool:
                return (
                    (above is None or above(has))
                    and all(has.get(k) == v for k, v in wanted.items())
                    and (regime is None or has.get("regime", regime) == regime)
                )

            there = self._views[key] = History(self._ledger, keep=keep, space=space or self._own_space)
            there._root = self._base()
        return there

    def forget(self) -> None:
        """Drop every cache. Nothing that is decided may change by it (law 1)."""
        self._era = -1
        self._fresh()

    # ── insides ──────────────────────────────────────────────────────────────────────────────────────────────────

    _root: History | None = None
    _dirty_seen = 0

    def _base(self) -> History:
        return self._root if self._root is not None else self

    def _whole(self) -> bool:
        return self._keep is None and not self._ledger.invalid

    def _fresh(self) -> None:
        if self._era != self._ledger.era:
            self._era = self._ledger.era
            self._folds, self._memos, self._views = {}, {}, {}
            self._members, self._scanned, self._rows = [], 0, None
            self._encoded, self._dirty_seen = Buffer(self.space.d), 0

    def _scan(self) -> None:
        self._fresh()
        rows = self._ledger.rows
        if self._rows is None or self._scanned < len(rows):
            for row in rows[self._scanned :]:
                if row.valid and (self._keep is None or self._keep(row.tags)):
                    self._members.append(row.number)
            self._scanned = len(rows)
            self._rows = np.array(self._members, np.int64)

    def _pick(self, column: Buffer) -> NDArray[Any]:
        return column.rows() if self._whole() else column.rows()[self.numbers]

    # ── for tests and studies made by hand ───────────────────────────────────────────────────────────────────────

    @classmethod
    def empty(
        cls,
        space: Space,
        objectives: Sequence[str] | Mapping[str, str] = ("loss",),
        constraints: Sequence[str] = (),
        seed: int = 0,
    ) -> History:
        """A history without a storage; feed it with extend()."""
        goals = dict(objectives) if isinstance(objectives, Mapping) else dict.fromkeys(objectives, "min")
        metrics: dict[str, JSON] = {name: {"role": "objective", "goal": goal} for name, goal in goals.items()}
        metrics |= {text: {"role": "constraint"} for text in constraints}
        log: list[Event] = []
        made = cls(Ledger(lambda since: log[since:]))
        made._log = log
        made.extend([Event("defined", {"space": space.to_json(), "metrics": metrics, "seed": seed})])
        return made

    _log: list[Event] | None = None

    def extend(self, events: Sequence[Event]) -> History:
        """Append events (their seq is given here) to a history made by empty()."""
        assert self._log is not None, "only a History made by empty() grows by hand"
        new = [
            Event(e.kind, e.body, e.trial, e.attempt, e.at, e.by, len(self._log) + i)
            for i, e in enumerate(events, start=1)
        ]
        self._log.extend(new)
        self._ledger.extend(new)
        return self


class _Marks:
    """The fold behind at(): for each trial the next level it has not reached."""

    def __init__(self, ledger: Ledger, levels: tuple[float, ...], resource: str, by: tuple[str, float] | None) -> None:
        self.levels_, self.resource = levels, resource
        self.names, self.signs, self.limits = ledger.objectives, ledger.signs, ledger.constraints
        if by is not None:
            self.names, self.signs = (by[0],), np.array([by[1]])
        self.trial, self.level = Buffer(dtype=np.int32), Buffer()
        self.Y, self.C = Buffer(len(self.names)), Buffer(len(self.limits))
        self.next: dict[int, int] = {}
        self.rows: dict[tuple[int, float], int] = {}
        self.sums: dict[int, tuple[set[int], Floats]] = {}

    def step(self, event: Event, history: History) -> _Marks:
        source = event.body.get("source") if event.kind == "started" else None
        if source is not None and source[0] != event.trial and self.resource == "step":
            assert event.trial is not None  # a clone: it was never at the levels below its source
            self.next[event.trial] = sum(level <= float(source[1]) for level in self.levels_)
        elif event.kind == "reported":
            trial, body = event.trial, event.body
            assert trial is not None
            i = self.next.get(trial, 0)
            if i < len(self.levels_):
                columns = [body["metrics"].get(name) for name in self.names]
                if all(c is not None for c in columns):
                    self.next[trial] = self._walk(trial, i, body, columns)
        return self

    def _walk(self, trial: int, i: int, body: Mapping[str, JSON], columns: list[Any]) -> int:
        positions = body["step"] if self.resource == "step" else body.get("fold", ())
        for k, position in enumerate(positions):
            y = np.array([np.nan if c[k] is None else float(c[k]) for c in columns]) * self.signs
            if self.resource == "fold":
                seen, total = self.sums.get(trial, (set(), np.zeros(len(self.names))))
                if position not in seen:
                    seen.add(position)
                    total = total + y
                self.sums[trial] = (seen, total)
                y, position = total / len(seen), len(seen)
            while i < len(self.levels_) and position >= self.levels_[i]:
                self.rows[trial, self.levels_[i]] = self.trial.n
                self.trial.append(trial)
                self.level.append(self.levels_[i])
                self.Y.append(y)
                self.C.append(np.array([_violation(text, body["metrics"], k) for text in self.limits]))
                i += 1
        return i

    def levels(self) -> Levels:
        return Levels(self.trial.rows(), self.level.rows(), self.Y.rows(), self.C.rows(), self.rows)


def _violation(text: str, metrics: Mapping[str, Any], k: int) -> float:
    from trimtab.space import Expression

    env = {name: float(values[k]) for name, values in metrics.items() if values[k] is not None}
    rule = Expression(text, known=tuple(env))
    return rule.violation(env) if set(rule.names) <= set(env) else float("nan")


__all__ = ["Curve", "History", "Levels", "State"]
