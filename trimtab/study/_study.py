"""Study: the user's handle. It joins rooms; what can be asked of a History stands elsewhere."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trimtab.errors import MultiObjective, NoResult, ObjectiveError, StudyFinished, StudyMismatch, UnknownName
from trimtab.history import History, State, Trial
from trimtab.log import JSON, Event
from trimtab.protocol import Done, Need, Objective, Scheduler, Searcher, Storage, Wait
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.space import Space
from trimtab.storage import open_storage
from trimtab.study._asked import Asked
from trimtab.study._define import Names
from trimtab.study._driver import (
    Log,
    answered,
    ask_of,
    new_id,
    read_all,
    reap,
    retry,
    settle_interrupted,
    shown,
    started,
)
from trimtab.study._facts import complete, violation
from trimtab.study._keywords import translated
from trimtab.study._queued import queued
from trimtab.study._settings import Settings
from trimtab.study._stop import Rule, best_number
from trimtab.study._times import seconds

if TYPE_CHECKING:
    import pandas as pd

POLICIES = ("avoid", "allow", "reuse")


class Study:
    """An append-only log of trials, and what to try next.

    name        of the study in its storage; the same name resumes it
    space       a Space (or a dict of domains); None: define by run, or the stored one
    minimize, maximize   a metric's name, or several; they can't change later
    constraints expressions over metrics that hold for a feasible trial: "memory <= 8"
    hidden      metrics of the test set: kept, and never shown to searchers or schedulers
    storage     "digits.db", a database URL, a Storage; None: in memory
    searcher    a name or an object; None: the stored one, "auto" for a new study
    scheduler   a name or an object; max_budget sets its `max`
    seed        None: drawn once and stored
    duplicates  "avoid", "allow" or "reuse" (copy the result)
    value       "last" or "best": which report counts as a trial's value
    stop        rules such as tt.Target(0.05); any one ends the study
    retry       {"times": 2, "on": ["lost", "crash", …]}
    if_exists   "resume", "error" or "new" (the next free name)
    folder      for outputs and checkpoints of trials; None: beside the SQLite file
    """

    @translated("Study")
    def __init__(
        self,
        name: str,
        space: Space | Mapping[str, Any] | None = None,
        *,
        minimize: Names | None = None,
        maximize: Names | None = None,
        constraints: Sequence[str] = (),
        hidden: Sequence[str] = (),
        storage: str | Path | Storage | None = None,
        searcher: str | Searcher | Mapping[str, Any] | None = None,
        scheduler: str | Scheduler | Mapping[str, Any] | None = None,
        max_budget: float | None = None,
        seed: int | None = None,
        duplicates: str | None = None,
        value: str | None = None,
        stop: Sequence[Rule] | None = None,
        retry: Mapping[str, JSON] | None = None,
        if_exists: str = "resume",
        folder: str | Path | None = None,
        durability: Literal["normal", "full"] = "normal",
        note: str = "",
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise StudyMismatch(f"A study needs a name, as its first argument; this one is {name!r}.")
        if if_exists not in ("resume", "error", "new"):
            raise UnknownName(if_exists, among=("resume", "error", "new"), kind="if_exists")
        for word, given, words in (("duplicates", duplicates, POLICIES), ("value", value, ("last", "best"))):
            if given is not None and given not in words:
                raise UnknownName(given, among=words, kind=f"{word} policy")
        labels = space if isinstance(space, Space) or space is None else Space(space)
        store = open_storage(storage, durability=durability)
        known = store.find(name)
        if known is not None and if_exists == "error":
            raise StudyMismatch(
                f'"{name}" exists in {store!r}. Use another name, or if_exists="resume" to go on with it.'
            )
        if known is not None and if_exists == "new":
            name = next(n for k in count(2) if store.find(n := f"{name}-{k}") is None)
            known = None
        settings = Settings(labels, minimize, maximize, constraints, hidden, searcher, scheduler, max_budget, seed,
                             duplicates, value, stop, retry, note)  # fmt: skip
        self.resumed = known is not None
        self.changes: list[str] = []  # what this call changed in a stored study, a line each
        if known is None:
            known, new = store.create(name, Event("defined", settings.fresh(), at=time.time()))
            self.resumed = not new
        self._take(Log.open(store, known), name, labels, folder)
        if self.resumed:
            self._redefine(settings)

    def _take(self, log: Log, name: str, labels: Space | None, folder: str | Path | None) -> None:
        self.name, self._log, self._labels = name, log, labels
        self._folder = Path(folder) if folder is not None else _folder_for(log.storage)
        self.ended = ""  # why the last optimize() ended
        self._me = f"hand:{new_id()[:8]}"
        self._read_methods()

    def _read_methods(self) -> None:
        newest = self._log.ledger.definitions[-1]
        self.searcher: Searcher = SEARCHERS.from_json(newest["searcher"])
        self.scheduler: Scheduler = SCHEDULERS.from_json(newest["scheduler"])
        self._methods_at = len(self._log.ledger.definitions)

    def _redefine(self, settings: Settings) -> None:
        """Give the stored study what this call says differently, as one more `defined`."""
        while True:
            old = self._log.ledger.definitions[-1]
            body, self.changes = settings.again(self.name, repr(self._log.storage), old)
            if body is None or self._log.decide(Event("defined", body, at=time.time())):
                self._read_methods()
                return

    @classmethod
    def load(cls, storage: str | Path | Storage, name: str | None = None) -> Study:
        """A stored study as it is. name may be left out where the storage holds one study."""
        store = open_storage(storage)
        names = list(store.names())
        if name is None:
            if len(names) != 1:
                listed = ", ".join(names) or "none"
                raise (
                    UnknownName("", among=names, kind="study")
                    if not names
                    else StudyMismatch(
                        f"{store!r} holds {len(names)} studies ({listed}). "
                        f"Say which: tt.load({str(storage)!r}, name={names[0]!r})."
                    )
                )
            name = names[0]
        known = store.find(name)
        if known is None:
            raise UnknownName(name, among=names, kind=f"study in {store!r}")
        study = cls.__new__(cls)
        study.resumed, study.changes = True, []
        study._take(Log.open(store, known), name, None, None)
        return study

    def __repr__(self) -> str:
        c = self._log.ledger.counts
        told = ", ".join(f"{n} {word}" for word, n in c.items() if n)
        return f"Study({self.name!r}, {told or 'no trials yet'}, {self._log.storage!r})"

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def history(self) -> History:
        """What methods see: columns, smaller is better."""
        self._log.refresh()
        return self._log.history

    @property
    def space(self) -> Space:
        self._log.refresh()
        return self._log.ledger.space

    @property
    def seed(self) -> int:
        seed: int = self._log.ledger.definitions[0]["seed"]
        return seed

    @property
    def objectives(self) -> dict[str, str]:
        """{name: "min" or "max"}"""
        ledger = self._log.ledger
        return {n: "min" if s > 0 else "max" for n, s in zip(ledger.objectives, ledger.signs, strict=True)}

    @property
    def trials(self) -> list[Trial]:
        """Every trial, also running, failed and invalid ones."""
        self._log.refresh()
        return [self._log.ledger.record(i) for i in range(len(self._log.ledger.rows))]

    def __len__(self) -> int:
        self._log.refresh()
        return len(self._log.ledger.rows)

    def trial(self, number: int | Trial) -> Trial:
        """One trial by its number."""
        return self._log.ledger.record(self._number(number))

    @property
    def counts(self) -> dict[str, int]:
        """Trials by state; `counted` is what counts towards trials=."""
        self._log.refresh()
        ledger = self._log.ledger
        waiting = len(ledger.waiting)
        shown_ = {**ledger.counts, "queued": waiting, "invalid": ledger.invalid, "counted": ledger.counted}
        shown_["running"] -= waiting
        return shown_

    @property
    def best(self) -> Trial:
        """The best feasible finished trial of a study with one objective."""
        self._log.refresh()
        ledger = self._log.ledger
        if len(ledger.objectives) != 1:
            raise MultiObjective(
                f"This study has {len(ledger.objectives)} objectives ({', '.join(ledger.objectives)}), so there is no "
                f"single best. Use study.front ({len(self.front)} trials)."
            )
        number = best_number(self._log.history)
        if number is None:
            raise NoResult(self._nothing())
        return ledger.record(number)

    @property
    def front(self) -> list[Trial]:
        """The feasible trials that no other beats in every objective, oldest first."""
        from trimtab.parts.pareto import front

        history = self.history
        if not len(history):
            return []
        good = np.isin(history.state, (State.FINISHED, State.STOPPED)) & ~np.isnan(history.Y).any(axis=1)
        if history.constraints:
            good &= (history.C <= 0).all(axis=1)
        rows = np.flatnonzero(good)
        return [self.trial(int(history.numbers[rows[i]])) for i in front(history.Y[rows])]

    def _nothing(self) -> str:
        ledger, c = self._log.ledger, self.counts
        told = (
            ", ".join(f"{c[w]} {w}" for w in ("running", "queued", "paused", "failed", "finished") if c[w])
            or "no trials"
        )
        if ledger.constraints and c["finished"] + c["stopped"]:
            y, limits = ledger.Y.rows()[:, 0], ledger.C.rows()
            done = ~np.isnan(y)
            near = float(np.nanmin(np.max(limits[done], axis=1))) if done.any() else float("nan")
            broken = ", ".join(f'"{text}"' for text in ledger.constraints)
            return (
                f'"{self.name}" has no feasible trial yet ({told}): all of them break {broken}; '
                f"the closest misses by {near:.4g}."
            )
        return (
            f'"{self.name}" has no finished trial yet ({told}), so there is no best. Failures: study.failures() or: '
            f"trimtab show {_where(self._log.storage)} --failures"
        )

    def failures(self) -> list[dict[str, JSON]]:
        """Failed trials, grouped by what went wrong and where: kind, text, where, trials, most frequent first."""
        from trimtab.study import _tables

        return _tables.failures(self.trials)

    def explain(self, trial: int | Trial) -> dict[str, JSON]:
        """Why a trial was tried, went on, paused or stopped: a line each, with the method that decided it."""
        from trimtab.study import _tables

        return _tables.explain(self._log, self._number(trial))

    def log(self) -> Iterator[Event]:
        """The raw log, oldest first."""
        return read_all(self._log.storage, self._log.study)

    def attributes(self, trial: int | Trial | None = None) -> Mapping[str, JSON]:
        """What was noted of a trial, or, without one, of the study."""
        self._log.refresh()
        return dict(self._log.ledger.attributes.get(None if trial is None else self._number(trial), {}))

    def to_dicts(self, *, reports: bool = False) -> list[dict[str, Any]]:
        """One dict a trial, or with reports=True one a report."""
        from trimtab.study import _tables

        self._log.refresh()
        return _tables.report_rows(self._log.ledger) if reports else _tables.trial_rows(self.trials)

    def to_pandas(self, *, reports: bool = False, style: str = "trimtab") -> pd.DataFrame:
        """One row a trial, or with reports=True one a report. style="optuna": Optuna's columns and state words."""
        from trimtab.study import _tables

        self._log.refresh()
        return _tables.to_pandas(self._log.ledger, self.trials, reports=reports, style=style)

    def export(self, path: str | Path, *, what: str = "trials") -> None:
        """Write trials, reports or events to a .csv, .json, .jsonl or .parquet file."""
        self._log.refresh()
        from trimtab.study import _tables

        _tables.export(self, Path(path), what)

    # ── asking and telling ───────────────────────────────────────────────────────────────────────────────────────

    @translated("Study.ask")
    def ask(
        self, n: int | None = None, *, expires: float | str | None = None, fixed: Mapping[str, JSON] | None = None
    ) -> Any:
        """A new trial to evaluate (or a paused one to go on with); with n, a list of n.

        It is yours until you tell() its end; with expires= (seconds or "2h") it is offered again after that time.
        """
        if n is not None and n < 1:
            raise ValueError(f"ask(n={n}): ask for at least one trial.")
        until = None if expires is None else time.time() + seconds(expires)
        if fixed:
            self.enqueue(fixed)
        got: list[Asked] = []
        while len(got) < (n or 1):
            try:
                with self._log.storage.turn(self._log.study, 5.0):
                    got += self._ask((n or 1) - len(got), until)
            except StudyFinished:
                if not got:
                    raise
                break
        return got if n is not None else got[0]

    def _ask(self, n: int, expires: float | None) -> list[Asked]:
        """Trials for the asking; none when another driver decided first or an answer came in: ask again."""
        log = self._log
        log.refresh()
        self._current()
        if log.ledger.alive:
            reap(log, self._me, time.time())
        begun = time.perf_counter()
        events = self._offered_again(n, expires)
        if not events:
            ask = ask_of(log.ledger, n, None)
            acts = self.scheduler.next(shown(log), queued(self.searcher, log.ledger), ask)
            if isinstance(acts, Need):
                answered(log, acts, None, time.time(), self._me)
                return []
            if isinstance(acts, (Wait, Done)):
                raise StudyFinished(f'"{self.name}" has nothing to try now: {acts.why}.')
            method = f"{self.searcher.name}/{self.searcher.revision}"
            took = time.perf_counter() - begun
            events = started(log.ledger, acts, ask, method, None, at=time.time(), took=round(took, 6), expires=expires)
        if not log.decide(*events):
            return []
        return [Asked.of(self, e) for e in events]

    def _offered_again(self, n: int, expires: float | None) -> list[Event]:
        log, out = self._log, []
        for trial in sorted(log.ledger.waiting)[:n]:
            row = log.ledger.rows[trial]
            until = settle_interrupted(log, self.scheduler, row, time.time(), self._me)
            if until is not None:
                event = retry(row, until, None, time.time(), log.ledger.version)
                out.append(
                    Event("started", {**event.body, "expires": expires}, event.trial, event.attempt, event.at)
                    if expires
                    else event
                )
        return out

    def _current(self) -> None:
        """Follow a change of methods that another process has made."""
        if len(self._log.ledger.definitions) != self._methods_at:
            self._read_methods()

    @translated("Study.tell")
    def tell(
        self,
        trial: int | Trial | Asked,
        values: float | Mapping[str, float] | None = None,
        *,
        failed: str | None = None,
        sem: float | Mapping[str, float] | None = None,
        step: float | None = None,
        cost: Mapping[str, float] | float | None = None,
    ) -> None:
        """The end of a trial: its values, or why it failed. By number it works from any process.

        values: a number (one objective) or {metric: value}; None: what was reported counts. Telling the same again is
        harmless; another value is refused (see correct()). cost: seconds, or {"seconds": …, …}.
        """
        number = trial.number if isinstance(trial, (Trial, Asked)) else self._number(trial)
        ledger = self._log.ledger
        if number >= len(ledger.rows):
            self._log.refresh()
        if number >= len(ledger.rows):
            raise UnknownName(str(number), among=[str(i) for i in range(len(ledger.rows))][-3:], kind="trial")
        body = self._told(number, values, failed, sem)
        if step is not None:
            body["step"] = float(step)
        if cost is not None:
            body["cost"] = dict(cost) if isinstance(cost, Mapping) else {"seconds": float(cost)}
        row = ledger.rows[number]
        if row.state in (State.FINISHED, State.STOPPED) or (row.state is State.FAILED and body["state"] == "failed"):
            self._told_before(number, body)
            return
        attempt = trial.attempt if isinstance(trial, Asked) else row.attempt
        self._log.write(Event("ended", body, number, attempt, time.time()))

    def _told(self, number: int, values: Any, failed: str | None, sem: Any) -> dict[str, JSON]:
        ledger = self._log.ledger
        if failed is not None:
            if values is not None:
                raise ObjectiveError(
                    f"tell({number}, {values!r}, failed={failed!r}): give values or failed=, not both."
                )
            return {"state": "failed", "error": {"kind": "Told", "text": str(failed)}}
        from trimtab.study._facts import named, reported

        row = ledger.rows[number]
        body: dict[str, JSON] = {"state": "finished"}
        if values is None:
            metrics, spread = reported(ledger, row, body)
            if not metrics:
                raise ObjectiveError(
                    f"tell({number}) without values: nothing was reported. "
                    f'Say tell({number}, {{"{ledger.objectives[0]}": …}}).'
                )
        else:
            metrics, spread = named(ledger, row, _plain(values)), {}
        if sem is not None:
            spread = (
                {k: float(v) for k, v in sem.items()}
                if isinstance(sem, Mapping)
                else {ledger.objectives[0]: float(sem)}
            )
        complete(ledger, body, metrics, spread)
        return body

    def _told_before(self, number: int, body: Mapping[str, JSON]) -> None:
        row = self._log.ledger.rows[number]
        same = body["state"] == "failed" if row.state is State.FAILED else dict(row.values) == body.get("values")
        if not same:
            had = f"failed ({(row.error or {}).get('text', '')})" if row.state is State.FAILED else dict(row.values)
            raise StudyMismatch(
                f"Trial {number} already ended with {had}; this call says {body.get('values', 'failed')}. "
                f'To change it: study.correct({number}, {{…}}, reason="…").'
            )

    def enqueue(
        self,
        config: Mapping[str, Any],
        *,
        seed: int | None = None,
        tags: Mapping[str, JSON] | None = None,
        why: str = "",
    ) -> bool:
        """Try this configuration next; names left out are filled in by the searcher. False: it was queued before."""
        self._log.refresh()
        ledger = self._log.ledger
        space = ledger.space
        plain = dict(config) if ledger.definitions[-1].get("open") else space.check(config, partial=True)
        body: dict[str, JSON] = {
            "config": plain,
            "key": space.key(plain) if seed is None else f"{space.key(plain)} seed {seed}",
        }
        if seed is not None:
            body["seed"] = seed
        if tags:
            body["tags"] = dict(tags)
        if why:
            body["why"] = why
        new = body["key"] not in ledger.queued_keys
        self._log.write(Event("enqueued", body, at=time.time()))
        return new

    def add(
        self,
        config: Mapping[str, Any],
        values: float | Mapping[str, float],
        *,
        tags: Mapping[str, JSON] | None = None,
        sem: Any = None,
    ) -> Trial:
        """A trial that was evaluated elsewhere. It does not count towards trials=."""
        space = self.space
        full = space.check(config)
        while True:
            log = self._log
            number = len(log.ledger.rows)
            body: dict[str, JSON] = {"cause": "added", "config": full, "seen": log.ledger.version, "method": "user"}
            if tags:
                body["tags"] = dict(tags)
            end: dict[str, JSON] = {"state": "finished"}
            metrics = (
                {log.ledger.objectives[0]: float(_plain(values))}
                if not isinstance(values, Mapping)
                else {k: float(v) for k, v in values.items()}
            )
            missing = [n for n in log.ledger.objectives if n not in metrics]
            if missing:
                raise ObjectiveError(f'add(): no value for the objective "{missing[0]}".')
            complete(log.ledger, end, metrics, {log.ledger.objectives[0]: float(sem)} if sem is not None else None)
            now = time.time()
            if log.decide(Event("started", body, number, 1, now), Event("ended", end, number, 1, now)):
                return log.ledger.record(number)

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    @translated("Study.optimize")
    def optimize(
        self,
        objective: Objective,
        *,
        trials: int | None = None,
        more: int | None = None,
        workers: int | None = 1,
        per_trial: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        trial_timeout: float | str | None = None,
        grace: float | str | None = None,
        callbacks: Sequence[Callable[[Study, Event], None]] = (),
        runner: Any = None,
        recycle: int | None = None,
        answer: Callable[[Need], JSON] | None = None,
        display: bool | None = None,
    ) -> Study:
        """Run the objective until the study has `trials` trials (its total), or `more` further ones.

        workers=1 runs here, in this process; more runs processes (objectives may be lambdas or notebook functions).
        timeout is for this call, trial_timeout for each trial: seconds, or "4h". Ctrl-C ends running trials at their
        next step and puts them back into the queue; the same call goes on. Returns the study.
        """
        from trimtab.study._optimize import Call, optimize

        return optimize(
            self, objective,
            Call(
                trials, more, workers, per_trial, timeout, trial_timeout, grace, tuple(callbacks), runner, recycle,
                answer, display,
            ),
        )  # fmt: skip

    def rerun(self, trial: int | Trial, objective: Objective) -> Any:
        """Run a trial's configuration here and now; exceptions propagate, nothing is recorded. Returns its value."""
        from trimtab.protocol import Run
        from trimtab.run.trial import Trial as Handle
        from trimtab.run.trial import _Recorder

        row = self._log.ledger.rows[self._number(trial)]
        run = Run(row.number, row.attempt, row.config, row.seed, inf, row.budget, open=row.open)
        return objective(Handle(run, _Recorder(), self._labels))

    # ── mending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def retry(self, trials: int | Trial | str | Sequence[int] = "failed") -> list[int]:
        """Put failed (or lost) trials back into the queue; the next run tries them first. Returns their numbers."""
        self._log.refresh()
        rows = self._log.ledger.rows
        if isinstance(trials, str):
            if trials not in ("failed", "lost"):
                raise UnknownName(trials, among=("failed", "lost"), kind="group of trials to retry")
            numbers = [
                r.number
                for r in rows
                if r.state is State.FAILED and r.valid and (trials == "failed" or r.word == "lost")
            ]
        else:
            numbers = self._numbers(trials)
            bad = [t for t in numbers if rows[t].state is not State.FAILED]
            if bad:
                raise StudyMismatch(
                    f"Trial {bad[0]} is {rows[bad[0]].word}, not failed. "
                    "To run its configuration once more: study.enqueue(study.trial(…).config, seed=…)."
                )
        self._amend(numbers, {"again": True}, reason="retry")
        return numbers

    def correct(self, trial: int | Trial, values: Mapping[str, float], *, reason: str) -> Trial:
        """Give a trial other values. The log keeps both."""
        number = self._number(trial)
        row, ledger = self._log.ledger.rows[number], self._log.ledger
        if row.state is State.RUNNING:
            raise StudyMismatch(f"Trial {number} is still {row.word}; there is nothing to correct yet.")
        if not reason:
            raise StudyMismatch(f"correct({number}, …) needs reason=: whoever reads the log will ask.")
        told = {k: float(_plain(v)) for k, v in values.items()}
        for name, v in told.items():
            if name in ledger.objectives and not isfinite(v):
                raise ObjectiveError(
                    f"correct({number}): {name} is {v}. To take a trial out: study.invalidate({number}, reason=…)."
                )
        new: dict[str, JSON] = {"values": {k: v for k, v in told.items() if k in ledger.objectives}}
        new["metrics"] = {k: v for k, v in told.items() if k not in ledger.objectives}
        if ledger.constraints:
            every = {**row.metrics, **row.values, **told}
            new["constraints"] = {text: violation(text, every) for text in ledger.constraints}
        self._amend([number], {"set": new}, reason)
        return ledger.record(number)

    def invalidate(self, trials: int | Trial | Sequence[int], *, reason: str) -> None:
        """Take trials out: nothing reads them any more, and they don't count. restore() brings them back."""
        numbers = self._numbers(trials)
        running = [t for t in numbers if self._log.ledger.rows[t].state is State.RUNNING]
        if running:
            raise StudyMismatch(f"Trial {running[0]} is still running. Tell its end first.")
        self._amend(numbers, {"valid": False}, reason)

    def restore(self, trials: int | Trial | Sequence[int], *, reason: str = "") -> None:
        """Bring invalidated trials back."""
        self._amend(self._numbers(trials), {"valid": True}, reason)

    def note(self, trial: int | Trial | None = None, text: str = "", **attributes: JSON) -> None:
        """Keep words or numbers with a trial (or with the study). Searchers never read them."""
        body = {"attributes": {**attributes, **({"note": text} if text else {})}}
        self._log.write(Event("noted", body, None if trial is None else self._number(trial), at=time.time()))

    def stop(self, why: str = "stopped by the user") -> None:
        """End the study for every driver: running trials end at their next step. Another optimize() call of a changed
        study reopens it."""
        self._log.refresh()
        while not self._log.decide(
            Event("closed", {"rule": "user", "text": why, "seen": self._log.ledger.version}, at=time.time())
        ):
            pass

    def reopen(self) -> None:
        """Undo stop(), or a stop rule that has fired."""
        while not self._log.decide(
            Event("defined", {**self._log.ledger.definitions[-1], "why": "reopened"}, at=time.time())
        ):
            pass

    def _amend(self, numbers: Sequence[int], body: Mapping[str, JSON], reason: str) -> None:
        events = [Event("amended", {**body, "reason": reason, "who": "user"}, t, at=time.time()) for t in numbers]
        if events:
            self._log.write(*events)

    def copy(self, to: str | Path | Storage, name: str | None = None) -> Study:
        """The whole log in another storage, event for event."""
        store = open_storage(to)
        name = name or self.name
        events = list(self.log())
        study, new = store.create(name, events[0])
        if not new:
            raise StudyMismatch(f'"{name}" exists in {store!r} already. Give another name=.')
        for i in range(1, len(events), 10_000):
            store.append(study, events[i : i + 10_000], new_id())
        return Study.load(store, name)

    save = copy

    def close(self) -> None:
        """Let go of the storage."""
        self._log.storage.close()

    def _home(self) -> Path:
        """The folder for outputs and checkpoints; a temporary one where the study has none."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="trimtab-"))
        return self._folder

    def _checkpoints(self, trial: int, attempt: int) -> str:
        """Where an attempt publishes its checkpoints: a folder of its own, so that a zombie can't overwrite."""
        return str(self._home() / "checkpoints" / str(trial) / str(attempt))

    def _environment(self) -> str:
        """Note what this run is made with: a line each run, the full text once. Returns its short hash."""
        from trimtab.run.environment import fingerprint, short_hash

        told = fingerprint()
        key = short_hash(told)
        body: dict[str, JSON] = {"run": {"env": key, **{k: told[k] for k in ("host", "argv", "commit") if k in told}}}
        if key not in self._log.ledger.environments:
            body["env"] = {key: told}
        self._log.write(Event("noted", body, at=time.time()))
        return key

    # ── insides ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _number(self, trial: int | Trial | Asked) -> int:
        number = (
            trial
            if isinstance(trial, (int, np.integer)) and not isinstance(trial, bool)
            else getattr(trial, "number", None)
        )
        if number is None:
            raise TypeError(f"{trial!r} is no trial: give its number, or a Trial.")
        if not 0 <= number < len(self._log.ledger.rows):
            self._log.refresh()
        have = len(self._log.ledger.rows)
        if not 0 <= number < have:
            span = f"0 to {have - 1}" if have else "none yet"
            raise NoResult(f'"{self.name}" has no trial {number}: there are {have} ({span}).')
        return int(number)

    def _numbers(self, trials: Any) -> list[int]:
        many = trials if isinstance(trials, (list, tuple, range, np.ndarray)) else [trials]
        return [self._number(t) for t in many]


def _plain(value: Any) -> Any:
    """numpy and one-element arrays -> float; {name: value} likewise."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (bool, str, bytes, complex)) or value is None:
        raise ObjectiveError(f"a value is {value!r}; a real number was expected.")
    if isinstance(value, (list, tuple)):
        raise ObjectiveError(f'values come as a number or by name: {{"loss": …}}, not as a {type(value).__name__}.')
    return float(value)


def _folder_for(storage: Storage) -> Path | None:
    path = getattr(storage, "path", None)
    return Path(path).with_suffix(".runs") if path else None


def _where(storage: Storage) -> str:
    path = getattr(storage, "path", None)
    return str(path) if path else repr(storage)
