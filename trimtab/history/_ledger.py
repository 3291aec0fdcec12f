"""The raw log, read event by event: who runs what in which attempt, what counts, and what methods get to see.

The rules of the fold (they replace any fencing in the storage; all drivers agree because all read one order):

- a report or checkpoint of an attempt below the current one is late: kept in the log, not counted;
- the first `finished` or `stopped` closes a trial whatever its attempt; later ends change nothing;
- `failed`, `lost`, `paused`, `cancelled` of a superseded attempt are ignored;
- a lost trial, and a failed one that the retry rule covers, waits to be retried and looks running meanwhile;
- a correction, a withdrawn end or another space changes the past: `era` rises and methods' folds start again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any

import numpy as np

from trimtab.history._buffers import Buffer
from trimtab.history._context import told
from trimtab.history._records import State, Trial
from trimtab.history._reports import Reports
from trimtab.history._row import EMPTY, Row, named
from trimtab.log import DECISIONS, JSON, Event
from trimtab.space import Space

HIDDEN, SHOWN, SUBSTITUTED = 0, 1, 2
Source = Callable[[int], Iterable[Event]]  # events with seq > since, oldest first
TAIL = 1_000  # effective events kept at hand; folds are rarely further behind


class Ledger:
    """Reads events in order and keeps what they amount to."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.version = 0
        self.decisions = 0
        self.era = 0
        self.space: Space = Space({})
        self.definitions: list[Mapping[str, JSON]] = []
        self.objectives: tuple[str, ...] = ()
        self.signs: np.ndarray[Any, np.dtype[np.float64]] = np.ones(0)
        self.constraints: tuple[str, ...] = ()
        self.hidden: tuple[str, ...] = ()  # metrics of role test
        self.rows: list[Row] = []
        self.alive: dict[int, Row] = {}
        self.owners: dict[str | None, int] = {}  # of those, how many are whose; None: asked for by hand
        self.judged = 0  # how many verdicts have been read
        self.waiting: dict[int, Row] = {}
        self.queue: dict[int, Mapping[str, JSON]] = {}  # seq -> body of an unclaimed `enqueued`
        self.queued_keys: set[str] = set()
        self.answers: dict[str, Mapping[str, JSON]] = {}
        self.attributes: dict[int | None, dict[str, JSON]] = {}
        self.environments: dict[str, Mapping[str, JSON]] = {}
        self.runs: list[tuple[int, str, Mapping[str, JSON]]] = []  # trials before it, its driver, what was noted of it
        self.spent: dict[str, float] = {}  # what all attempts together have cost: seconds, gpu_seconds, …
        self.closed: Mapping[str, JSON] | None = None
        self.move = 0
        self.counted = 0  # trials that count towards `trials=`
        self.counts = dict.fromkeys(("running", "paused", "finished", "stopped", "failed"), 0)
        self.invalid = 0
        self.reports = Reports()
        self.Y = Buffer(0)
        self.C = Buffer(0)
        self.state = Buffer(dtype=np.int8)
        self.level = Buffer()
        self.seconds = Buffer()
        self.flags = bytearray(1)  # by seq: HIDDEN, SHOWN or SUBSTITUTED
        self.tail: list[Event] = []  # the newest effective events, in order
        self.tail_from = 0  # tail has every effective event with seq > tail_from
        self._names: dict[str, str] = {}  # one text for each parameter's name, whatever text the log came with
        self._feature_names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.dirty: list[int] = []  # trials whose configuration has changed since it was last encoded
        self._substitutes: dict[int, Event] = {}

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def extend(self, events: Sequence[Event]) -> None:
        """Take in the next events of the log."""
        for event in events:
            self.version = event.seq
            if event.kind in DECISIONS:
                self.decisions += 1
            shown = self._READ[event.kind](self, event)
            if shown is None:
                self.flags.append(HIDDEN)
            else:
                if shown is event:
                    self.flags.append(SHOWN)
                else:
                    self.flags.append(SUBSTITUTED)
                    self._substitutes[event.seq] = shown
                self.tail.append(shown)
        if len(self.tail) > 2 * TAIL:  # older ones are read from the source when a cold fold wants them
            self.tail_from = self.tail[-TAIL - 1].seq
            del self.tail[:-TAIL]

    def effective(self, since: int) -> Iterator[Event]:
        """The events that methods see, with seq > since, of trials that are valid."""
        rows = self.rows
        for event in self._newest(since) if since >= self.tail_from else self._from_source(since):
            if event.trial is None or rows[event.trial].valid:
                yield event

    def _newest(self, since: int) -> Sequence[Event]:
        start = len(self.tail)
        while start and self.tail[start - 1].seq > since:
            start -= 1
        return self.tail[start:]

    def _from_source(self, since: int) -> Iterator[Event]:
        flags, end = self.flags, self.version
        for event in self.source(since):
            if event.seq > end:
                return
            if flags[event.seq] != HIDDEN:
                yield self._substitutes[event.seq] if flags[event.seq] == SUBSTITUTED else event

    # ── one reader a kind: returns the event as methods see it, or None ──────────────────────────────────────────

    def _defined(self, event: Event) -> Event:
        body = event.body
        first = not self.definitions
        metrics = body.get("metrics", EMPTY)
        if first:
            self._metrics(metrics)
        self.hidden = tuple(name for name, m in metrics.items() if m.get("role") == "test")
        if first or body["space"] != self.definitions[-1]["space"]:
            self.space = Space.from_json(body["space"])
            self._new_era()
        self.definitions.append(body)
        self.closed = None
        return event

    def _metrics(self, metrics: Mapping[str, Mapping[str, JSON]]) -> None:
        role = {name: m.get("role", "watch") for name, m in metrics.items()}
        self.objectives = tuple(n for n, r in role.items() if r == "objective")
        self.signs = np.array([-1.0 if metrics[n].get("goal") == "max" else 1.0 for n in self.objectives])
        self.constraints = tuple(n for n, r in role.items() if r == "constraint")
        self.Y, self.C = Buffer(len(self.objectives)), Buffer(len(self.constraints))

    def _enqueued(self, event: Event) -> None:
        key = event.body["key"]
        if key not in self.queued_keys:
            self.queued_keys.add(key)
            self.queue[event.seq] = event.body

    def _started(self, event: Event) -> Event | None:
        body, number = event.body, event.trial
        assert number is not None
        if body["cause"] != "retry":
            self.move += 1
        if number < len(self.rows):
            return self._restarted(event, self.rows[number])
        row = Row(number, event, self._names)
        self.rows.append(row)
        if row.cause != "added":
            self.counted += 1
        if row.queue is not None:
            self.queue.pop(row.queue, None)
        self.counts["running"] += 1
        self._begins(row)
        self.Y.append(np.nan)
        self.C.append(np.nan)
        self.state.append(int(State.RUNNING))
        self.level.append(np.nan)
        self.seconds.append(np.nan)
        return event

    def _restarted(self, event: Event, row: Row) -> Event | None:
        was = row.state
        self._over(row)
        self._tally(row, -1)
        row.start(event)
        self._tally(row, 1)
        self.waiting.pop(row.number, None)
        self._begins(row)
        self.state[row.number] = int(State.RUNNING)
        if event.body["cause"] != "retry":
            if row.losses:
                row.losses = 0  # what it does next is another piece of work
            return event
        if was not in (State.RUNNING, State.PAUSED):  # a final end is withdrawn: methods must forget it
            self._withdraw(row)
        return None

    def _withdraw(self, row: Row) -> None:
        row.values = row.metrics = row.constraints = EMPTY
        row.error, row.losses = None, 0
        self.Y[row.number] = np.nan
        self.C[row.number] = np.nan
        seq, row.end = row.end, None
        if seq is not None:
            self.flags[seq] = HIDDEN
            self._new_era()

    def _reported(self, event: Event) -> Event | None:
        row, body = self._row(event), event.body
        if row is None or (event.attempt or 1) < row.attempt or row.state is not State.RUNNING:
            return None
        steps, folds, metrics = body["step"], body.get("fold"), body["metrics"]
        new = self.reports.add(row.number, steps, folds, metrics)
        changed = self._asked(row, body.get("asked"))
        row.step = self.reports.top(row.number)
        if not new:
            self._unseen(changed)
            return None
        hide = [name for name in self.hidden if name in metrics]
        if len(new) == len(steps) and not hide:
            return event
        shown = {
            "step": [steps[i] for i in new],
            "metrics": {name: [values[i] for i in new] for name, values in metrics.items() if name not in hide},
        }
        if folds is not None:
            shown["fold"] = [folds[i] for i in new]
        if changed:
            shown["asked"] = body["asked"]
        return Event("reported", shown, event.trial, event.attempt, event.at, event.by, event.seq)

    def _judged(self, event: Event) -> None:
        row, body = self._row(event), event.body
        self.judged += 1
        if row is not None and row.alive and (event.attempt is None or event.attempt == row.attempt):
            row.verdict = (body["verdict"], body.get("by", ""), body.get("why", ""))

    def _ended(self, event: Event) -> Event | None:
        row, body = self._row(event), event.body
        if row is None:
            return None
        for kind, cost in body.get("cost", EMPTY).items():
            if _number(cost):
                self.spent[kind] = self.spent.get(kind, 0.0) + cost
        word, late = body["state"], (event.attempt or row.attempt) < row.attempt
        if row.state in (State.FINISHED, State.STOPPED) or (late and word not in ("finished", "stopped")):
            return None
        result = word in ("finished", "stopped")
        if not result and row.state is not State.RUNNING:
            return None
        if row.waits is not None and word not in ("finished", "stopped", "paused"):
            return None  # a second word on an attempt that is known to be over
        if row.state is State.PAUSED:
            return None
        if body.get("cost"):  # of this attempt; the trial's is that of all its attempts
            row.cost = {**row.cost, **{k: row.cost.get(k, 0.0) + v for k, v in body["cost"].items() if _number(v)}}
        changed = self._asked(row, body.get("asked"))
        again = word in ("lost", "failed") and self._retries(row, word, body)
        if again or word == "cancelled":
            self._wait(row, body, "again" if word == "failed" else word)
            self._unseen(changed)
            return None
        return self._close(row, word, event)

    def _retries(self, row: Row, word: str, body: Mapping[str, JSON]) -> bool:
        row.losses += 1
        if row.owner is None and word == "lost":
            return True  # asked for by hand: offered again by the next ask
        rule = self.definitions[-1].get("retry", EMPTY)
        kind = (body.get("error") or EMPTY).get("kind", word)
        return row.losses <= rule.get("times", 0) and (word in rule.get("on", ()) or kind in rule.get("on", ()))

    def _wait(self, row: Row, body: Mapping[str, JSON], why: str) -> None:
        self._over(row)
        self.waiting[row.number] = row
        row.waits, row.word = why, "queued"
        row.error = body.get("error") or row.error

    def _close(self, row: Row, word: str, event: Event) -> Event | None:
        body = event.body
        superseded = row.state is State.FAILED
        self._tally(row, -1)
        row.state = State.FAILED if word == "lost" else State[word.upper()]
        row.word, row.ended = intern(word), event.at
        if row.waits is not None:
            row.waits = None
        self._tally(row, 1)
        self._over(row)
        self.waiting.pop(row.number, None)
        for name in ("values", "metrics", "constraints", "sem", "notes"):
            if body.get(name):
                setattr(row, name, body[name])
        row.values = named(row.values, self._names)
        if body.get("error") != row.error:
            row.error = body.get("error")
        if body.get("step") is not None:
            row.step = float(body["step"])
        self._fill(row)
        if superseded:  # a late result of a trial given up: its place in the order stays
            self._replace_end(row, event)
            return None
        row.end = event.seq
        return self._bare(event)

    def _fill(self, row: Row) -> None:
        """Write a trial's row of the columns."""
        n = row.number
        good = row.state in (State.FINISHED, State.STOPPED, State.PAUSED)
        values, limits = row.values, row.constraints
        for j, name in enumerate(self.objectives):
            self.Y._data[n, j] = self.signs[j] * float(values[name]) if good and name in values else np.nan
        for j, name in enumerate(self.constraints):
            self.C._data[n, j] = float(limits[name]) if name in limits else np.nan
        self.state[n] = int(row.state)
        self.level[n] = np.nan if row.step is None else row.step
        self.seconds[n] = row.cost.get("seconds", np.nan)

    def _replace_end(self, row: Row, event: Event) -> None:
        seq = row.end
        assert seq is not None
        bare = self._bare(event)
        self._substitutes[seq] = Event(bare.kind, bare.body, bare.trial, None, bare.at, bare.by, seq)
        self.flags[seq] = SUBSTITUTED
        self._new_era()

    def _saved(self, event: Event) -> None:
        row = self._row(event)
        if row is not None and (event.attempt or 1) >= row.attempt:
            row.saved = row.saved or {}
            body, step = event.body, float(event.body["step"])
            if "features" in body:
                row.features = row.features or {}
                row.features[step] = told(body["features"], self._feature_names)
                body = {k: v for k, v in body.items() if k != "features"}
            row.saved[step] = body

    def _dropped(self, event: Event) -> None:
        row = self._row(event)
        if row is not None and row.saved:
            row.saved.pop(float(event.body["step"]), None)

    def _amended(self, event: Event) -> None:
        row, body = self._row(event), event.body
        if row is None:
            return
        if body.get("set"):
            self._correct(row, body["set"])
        if body.get("again") and row.state is not State.RUNNING:
            self._again(row)
        if "valid" in body and body["valid"] != row.valid:
            self._tally(row, -1)  # without effect where it was invalid
            row.valid = body["valid"]
            self._tally(row, 1)
            self.invalid += -1 if row.valid else 1
            if row.waits is not None and row.valid:
                self.waiting[row.number] = row
            elif row.waits is not None:
                self.waiting.pop(row.number)  # nobody tries it again
            if row.cause != "added":
                self.counted += 1 if row.valid else -1
        self._new_era()

    def _again(self, row: Row) -> None:
        """The user wants it run once more: its end never was, and it waits for its next attempt."""
        self._tally(row, -1)
        self._withdraw(row)
        row.state, row.word, row.waits, row.verdict = State.RUNNING, "queued", "again", None
        self._tally(row, 1)
        self.state[row.number] = int(State.RUNNING)
        self.waiting[row.number] = row

    def _correct(self, row: Row, new: Mapping[str, JSON]) -> None:
        seq = row.end
        for name in ("values", "metrics", "constraints"):
            if new.get(name):
                setattr(row, name, {**getattr(row, name), **new[name]})
        if new.get("values") and row.sem:
            row.sem = EMPTY  # it was the spread of what has turned out wrong
        if row.state is State.FAILED and new.get("values"):
            self._tally(row, -1)
            row.state, row.word, row.error = State.FINISHED, "finished", None
            self._tally(row, 1)
        self._fill(row)
        if seq is not None:
            body: dict[str, JSON] = {
                "state": row.word,
                "values": row.values,
                "metrics": self._open_metrics(row.metrics),
                "constraints": row.constraints,
            }
            if row.step is not None:
                body["step"] = row.step
            self._substitutes[seq] = Event("ended", body, row.number, None, row.ended or 0.0, "", seq)
            self.flags[seq] = SUBSTITUTED

    def _answered(self, event: Event) -> None:
        self.answers.setdefault(event.body["key"], event.body)

    def _noted(self, event: Event) -> None:
        body = event.body
        if body.get("attributes"):
            self.attributes.setdefault(event.trial, {}).update(body["attributes"])
        for key, fingerprint in body.get("env", EMPTY).items():
            self.environments[key] = fingerprint
        if body.get("run"):
            self.runs.append((len(self.rows), event.by, body["run"]))

    def _closed(self, event: Event) -> None:
        self.closed = event.body

    _READ: dict[str, Callable[[Ledger, Event], Event | None]] = {  # noqa: RUF012 - a table, never changed
        "defined": _defined, "enqueued": _enqueued, "started": _started, "reported": _reported, "judged": _judged,
        "ended": _ended, "saved": _saved, "dropped": _dropped, "amended": _amended, "answered": _answered,
        "noted": _noted, "closed": _closed,
    }  # fmt: skip

    # ── small things ─────────────────────────────────────────────────────────────────────────────────────────────

    def _row(self, event: Event) -> Row | None:
        number = event.trial
        return self.rows[number] if number is not None and number < len(self.rows) else None

    def _begins(self, row: Row) -> None:
        """An attempt is under way."""
        self.alive[row.number] = row
        self.owners[row.owner] = self.owners.get(row.owner, 0) + 1

    def _over(self, row: Row) -> None:
        """No attempt is under way (any more)."""
        if self.alive.pop(row.number, None) is not None:
            self.owners[row.owner] -= 1
            if not self.owners[row.owner]:
                del self.owners[row.owner]

    def _tally(self, row: Row, by: int) -> None:
        """Count a trial in or out under its present state; invalid ones are counted apart."""
        if row.valid:
            self.counts[row.state.name.lower()] += by

    def _asked(self, row: Row, asked: Mapping[str, JSON] | None) -> bool:
        """Define by run: what the objective really asked for, so far, is the configuration. Whether that is news."""
        if not asked:
            return False
        if row.asked is None:
            row.proposal = row.config
        row.asked = {**(row.asked or {}), **{name: value for name, (value, _) in asked.items()}}
        changed = row.config != row.asked
        row.config = row.asked
        self.dirty.append(row.number)
        if changed and row.end is not None:  # folds may rely on the configuration of a trial that has ended (paused)
            self._new_era()
        return changed

    def _bare(self, event: Event) -> Event:
        """An end without metrics of role test."""
        body = event.body
        if not self.hidden or not body.get("metrics"):
            return event
        body = {**body, "metrics": self._open_metrics(body["metrics"])}
        return Event(event.kind, body, event.trial, event.attempt, event.at, event.by, event.seq)

    def _unseen(self, changed: bool) -> None:
        """Methods don't get to see this event; if it changed a configuration all the same, they start again."""
        if changed:
            self._new_era()

    def _new_era(self) -> None:
        """The past has changed: positions in it mean nothing any more."""
        self.era += 1
        self.tail, self.tail_from = [], self.version

    def _open_metrics(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        return {name: value for name, value in metrics.items() if name not in self.hidden}

    def record(self, number: int, *, private: bool = True) -> Trial:
        """A trial as people read it; with private=False as methods may."""
        row = self.rows[number]
        word = row.word if row.valid else "invalid"
        if not private and row.state is State.RUNNING:
            word = "running"
        return Trial(
            number=number, state=word, config=row.config,
            values={n: float(row.values[n]) for n in self.objectives if n in row.values},
            metrics={**row.metrics, **row.values} if private else self._open_metrics(row.metrics),
            constraints={n: float(row.constraints.get(n, "nan")) for n in self.constraints},
            sem=row.sem, step=row.step, seed=row.seed, cause=row.cause, method=row.method, tags=row.tags, note=row.note,
            source=row.source, parents=row.parents, cost=row.cost, error=row.error if private else None,
            notes=row.notes if private else EMPTY, attempts=row.attempt if private else 0,
            began=row.began if private else None, ended=row.ended if private else None,
            _space=None if self.definitions[-1].get("open") else self.space,
        )  # fmt: skip


def _number(value: Any) -> bool:
    return isinstance(value, (int, float))  # a log may hold what a user told, such as NaN as text
