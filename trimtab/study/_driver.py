"""The driver: facts first, verdicts on its own trials, the dead, stop rules, then — holding the turn — new starts.

Any number of drivers on any machines work on one study. The order of the steps is part of the contract (see
docs/architecture.md): retries come before the queue, the queue before search, and nothing is submitted before the
event that starts it is in the log.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from math import inf
from threading import Event as Flag
from threading import RLock, Thread
from typing import Any

from trimtab._random import seed_for
from trimtab.errors import StudyStopped
from trimtab.history import History, Ledger, Row, State
from trimtab.log import JSON, Event, Mark, Stale
from trimtab.protocol import Ask, Done, Need, Proposal, Run, Runner, Scheduler, Searcher, Start, Storage, Verdict, Wait
from trimtab.study._facts import complete, reported, settled
from trimtab.study._grow import grow
from trimtab.study._queued import queued
from trimtab.study._stop import Rule
from trimtab.study._tidy import tidy

logger = logging.getLogger(__name__)

LEASE = 60.0  # seconds without a sign of life after which another host may take a driver's trials over
BATCH = 2_000  # events read at once: enough to be fast, few enough to stay small with long reports


_PREFIX = uuid.uuid4().hex[:12]  # of this interpreter; the pid tells a fork from its parent
_COUNT = count(1)


def new_id() -> str:
    """An append id that nobody else will ever use."""
    return f"{_PREFIX}-{os.getpid():x}-{next(_COUNT):x}"


@dataclass(slots=True)
class Log:
    """One study in one storage, with the ledger and history that follow it.

    The lock is for threads that share a handle: whoever decides holds it from reading to appending.
    """

    storage: Storage
    study: int
    ledger: Ledger
    history: History
    lock: Any = field(default_factory=RLock, repr=False)

    @classmethod
    def open(cls, storage: Storage, study: int) -> Log:
        ledger = Ledger(lambda since: read_all(storage, study, since))
        log = cls(storage, study, ledger, History(ledger))
        log.refresh()
        return log

    def refresh(self) -> None:
        """Read what others and we have written."""
        with self.lock:
            while True:
                events, mark = self.storage.read(self.study, self.ledger.version, BATCH)
                self.ledger.extend(events)
                if self.ledger.version >= mark.version or not events:
                    return

    def write(self, *events: Event) -> None:
        """Append facts, unconditionally, and read on."""
        with self.lock:
            self._read_back(events, self.storage.append(self.study, events, new_id()))

    def decide(self, *events: Event) -> bool:
        """Append decisions made on what was read; False when somebody else decided first."""
        with self.lock:
            try:
                mark = self.storage.append(self.study, events, new_id(), decides=self.ledger.decisions)
            except Stale:
                self.refresh()
                return False
            self._read_back(events, mark)
            return True

    def _read_back(self, events: Sequence[Event], mark: Mark) -> None:
        """Take in what was just appended; when nobody wrote in between, without reading it from the storage."""
        first = self.ledger.version + 1
        if mark.version != self.ledger.version + len(events):
            self.refresh()
            return
        self.ledger.extend(
            [Event(e.kind, e.body, e.trial, e.attempt, e.at, e.by, first + i) for i, e in enumerate(events)]
        )


def read_all(storage: Storage, study: int, since: int = 0) -> Iterator[Event]:
    """Every event with seq > since, a batch at a time."""
    while True:
        events, _ = storage.read(study, since, BATCH)
        yield from events
        if len(events) < BATCH:
            return
        since = events[-1].seq


def shown_in(history: History) -> History:
    """The history that methods get to see: of the regime in force, where the study has regimes."""
    regime = history.definitions[-1].get("regime")
    return history.view(regime=regime) if regime else history


def shown(log: Log) -> History:
    return shown_in(log.history)


def ask_of(ledger: Ledger, n: int, fresh: int | None) -> Ask:
    """The outer Ask of a decision, as it is stored in `started`."""
    definition = ledger.definitions[-1]
    tags = {"regime": definition["regime"]} if definition.get("regime") else {}
    return Ask(number=len(ledger.rows), n=n, move=ledger.move, seed=definition["seed"], fresh=fresh, tags=tags)


def started(
    ledger: Ledger, starts: Sequence[Start], ask: Ask, method: str, owner: str | None, *, at: float, took: float,
    expires: float | None = None, env: str = "",
) -> list[Event]:  # fmt: skip
    """The `started` events of one decision. New trials are numbered in the order of the starts."""
    open_ = bool(ledger.definitions[-1].get("open"))
    number, out = ask.number, []
    asked = ask.to_json()
    for i, start in enumerate(starts):
        p = start.proposal
        tags = {**ask.tags, **p.tags, **start.tags} if (ask.tags or p.tags or start.tags) else {}
        if p.resume is not None:
            row = ledger.rows[p.resume]
            trial, attempt, cause = row.number, row.attempt + 1, "promote"
            body: dict[str, JSON] = {"cause": cause, "method": method}
            saved = row.newest()
            if saved is not None:
                body["source"] = [trial, saved["step"]]
        else:
            queue = tags.pop("queue", None)
            trial, attempt = number, 1
            cause = "queue" if queue is not None else "clone" if p.source is not None else "new"
            seed = p.seed if p.seed is not None else seed_for(ask.seed, "objective", trial)
            body = {"cause": cause, "config": p.config or {}, "seed": seed, "method": method}
            if queue is not None:
                body["queue"] = queue
            if open_:
                body["open"] = True
            if p.source is not None:
                body["source"] = list(p.source)
            number += 1
        if p.parents:
            body["parents"] = {role: list(at_) for role, at_ in p.parents.items()}
        if start.until != inf:
            body["until"] = start.until
        if start.budget is not None:
            body["budget"] = start.budget
        if tags:
            body["tags"] = tags
        if p.note:
            body["note"] = dict(p.note)
        why = {**p.why, "plan": start.why} if start.why else p.why
        if why:
            body["why"] = why
        body["seen"], body["ask"] = ledger.version, asked if i == 0 else {**asked, "i": i}
        if took:
            body["took"] = took
        if owner is not None:
            body["owner"] = owner
        if expires is not None:
            body["expires"] = expires
        if env:
            body["env"] = env
        out.append(Event("started", body, trial, attempt, at, owner or ""))
    return out


class Driver:
    """Runs one study's trials on one runner until nothing is left to do.

    trials    the study's total, counted as the log counts; None: no limit
    answer    answers a Need: a function of it, called outside the turn
    on_event  called with each event of the log as it is read (display, callbacks)
    """

    def __init__(
        self, log: Log, searcher: Searcher, scheduler: Scheduler, runner: Runner, *,
        trials: int | None = None, rules: Sequence[Rule] = (), folder: Callable[[int, int], str] | None = None,
        answer: Callable[[Need], JSON] | None = None, deadline: float = inf, env: str = "",
        brief: int | None = 3, limits: Mapping[str, float] | None = None, driver: str | None = None,
    ) -> None:  # fmt: skip
        self.log, self.searcher, self.scheduler, self.runner = log, searcher, scheduler, runner
        self.trials, self.rules, self.folder, self.answer = trials, list(rules), folder, answer
        self.deadline, self.env, self.brief, self.limits = deadline, env, brief, dict(limits or {})
        self.id = driver or f"{socket.gethostname()}:{os.getpid()}:{new_id()[:8]}"
        self.until: dict[int, float] = {}  # my running trials -> their next milestone
        self.waiting_for: set[int] = set()  # my trials that have reached it
        self.told: set[int] = set()  # my trials that have been told to pause, stop or cancel
        self.draining = ""  # why nothing more is started
        self.repeated = False  # whether it was said that steps are run twice
        self.watch: Callable[[Driver], None] | None = None  # called once a turn of the loop
        if hasattr(runner, "pump"):
            runner.pump = self.pump
        self._tick = 0.05

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> str:
        """Until nothing is left to do; returns why it ended."""
        with self._beating():
            self.reap()
            more = False  # something was started and a slot is still free: ask again before any time passes
            while True:
                events = self.runner.collect(self._tick if self.until and not more else 0.0)
                if events:
                    self.absorb(events)
                else:
                    self.log.refresh()
                self.verdicts()
                self.reap()
                self.check()
                asked = not self.draining and self.runner.free() > 0
                idle = self.start() if asked else None
                more = asked and idle is None and self.runner.free() > 0
                if self.watch:
                    self.watch(self)
                if not self.until:
                    if self.draining:
                        return self.draining
                    if isinstance(idle, Done):
                        return idle.why
                    if isinstance(idle, Wait):
                        if not self._others():
                            return f"nothing is left that a worker could do: {idle.why or 'the scheduler waits'}"
                        self.log.storage.wait(self.log.study, self.log.ledger.version, 0.5)

    def _others(self) -> bool:
        """Whether anything else may still change the log: other drivers' trials, and those to be tried again.

        What was asked for by hand may never be told, so nobody waits for it.
        """
        ledger = self.log.ledger
        again = (row for row in ledger.waiting.values() if row.owner is not None or row.waits != "lost")
        return any(row.owner is not None for row in ledger.alive.values()) or any(again)

    def check(self) -> None:
        """Stop rules, the time that is up, and the first trials that all failed."""
        if self.draining:
            return
        ledger, history = self.log.ledger, self.log.history
        self._all_failed(ledger)
        if ledger.closed is not None:
            self.draining = str(ledger.closed["text"])
        elif self.runner.now() >= self.deadline:
            self.drain("the time for this run is up")
        else:
            why = next((text for rule in self.rules if (text := rule.over(ledger, history)) is not None), None)
            if why is not None:
                name = why.split(":", 1)[0].split(" ", 1)[0]
                body = {"rule": name, "text": why, "seen": ledger.version}
                self.log.decide(Event("closed", body, at=self.runner.now(), by=self.id))
                self.draining = why

    def _all_failed(self, ledger: Ledger) -> None:
        counts = ledger.counts
        if (
            self.brief is None
            or counts["failed"] < self.brief
            or counts["finished"] + counts["stopped"] + counts["paused"]
        ):
            return
        failed = [r for r in ledger.rows if r.state is State.FAILED and r.valid]
        if any((r.error or {}).get("kind") == "Reject" for r in failed):
            return
        if any(row.step is not None for row in ledger.alive.values()):
            return  # others are on their way: the script works
        self.drain("the first trials all failed")
        raise StudyStopped(_first_failures(failed))

    def drain(self, why: str, message: str = "cancel") -> None:
        """Start nothing more, and ask my running trials to end at their next step."""
        self.draining = why
        self.tell_all(message)

    def tell_all(self, message: str) -> None:
        for trial in list(self.until):
            self.runner.send(trial, self.log.ledger.rows[trial].attempt, {"go": message, "drain": True})

    # ── 1 facts ──────────────────────────────────────────────────────────────────────────────────────────────────

    def absorb(self, events: Sequence[Event]) -> None:
        """Append what was measured. An end that a milestone's verdict may turn into a pause is judged first."""
        ledger, out = self.log.ledger, []
        problem: Exception | None = None
        for event in events:
            if event.trial not in self.until or ledger.rows[event.trial].owner != self.id:
                continue  # a run of an attempt that was taken over
            row = ledger.rows[event.trial]
            if event.body.get("asked"):
                grow(self.log, row.number, event.body["asked"], self.runner.now(), self.id)
            if event.kind == "reported" and max(event.body["step"]) >= self.until[event.trial]:
                self.waiting_for.add(event.trial)
            if event.kind != "ended":
                out.append(_by(event, self.id))
                continue
            if out:  # what it reported must be in the ledger before its end is made from it
                self.log.write(*out)
                out = []
            try:
                out += self._end(row, event)
            except Exception as error:  # the script's mistake: the trial goes back into the queue
                problem = problem or error
                body = {"state": "cancelled", "cost": event.body.get("cost", {})}
                out.append(Event("ended", body, event.trial, event.attempt, event.at, self.id))
            self._forget(event.trial)
            if event.body["state"] == "cancelled" and not self.draining:  # nobody asked: Ctrl-C inside the objective
                self.drain("paused")
        if out:
            self.log.write(*out)
        saved = {e.trial for e in events if e.kind in ("saved", "ended") and e.trial is not None}
        tidy(self.log, (t for t in saved if ledger.rows[t].saved), self.runner.now(), self.id)
        if problem is not None:
            self.drain("the objective's answer can't be used")
            raise problem

    def _end(self, row: Row, event: Event) -> list[Event]:
        return ending(self.log, self.scheduler, row, event, self.until[row.number], self.runner.now(), self.id)

    def _forget(self, trial: int) -> None:
        self.until.pop(trial, None)
        self.waiting_for.discard(trial)
        self.told.discard(trial)

    # ── 2, 3 verdicts ────────────────────────────────────────────────────────────────────────────────────────────

    def pump(self, events: Sequence[Event]) -> None:
        """For a runner whose objective runs in this thread: facts and verdicts in the middle of collect()."""
        self.absorb(events)
        self.verdicts()
        if self.watch:
            self.watch(self)

    def verdicts(self) -> None:
        """Judge my trials that have reached their milestone, in the order of their numbers."""
        rows = self.log.ledger.rows
        for trial in sorted(t for t in self.until if rows[t].verdict is not None and t not in self.told):
            self._tell(trial, rows[trial].verdict[0])  # type: ignore[index]  # somebody else's: the user's, say
        for trial in sorted(self.waiting_for - self.told):
            row = rows[trial]
            self.waiting_for.discard(trial)
            verdict = self._judge(trial)
            if verdict.go == "on":
                self.until[trial] = inf if verdict.until is None else verdict.until
                self.runner.send(trial, row.attempt, {"go": "on", "until": self.until[trial]})
            else:
                self.log.write(judged(self.log, self.scheduler, row, verdict, self.runner.now(), self.id))
                self._tell(trial, verdict.go)

    def _judge(self, trial: int) -> Verdict:
        return self.scheduler.judge(shown(self.log), trial)

    def _tell(self, trial: int, go: str) -> None:
        self.told.add(trial)
        self.waiting_for.discard(trial)
        self.runner.send(trial, self.log.ledger.rows[trial].attempt, {"go": go})

    # ── 4 the dead ───────────────────────────────────────────────────────────────────────────────────────────────

    def reap(self) -> None:
        """End the attempts of drivers that are gone, and of asked trials whose time is up."""
        reap(self.log, self.id, self.runner.now())

    # ── 5 – 7 starts ─────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> Wait | Done | None:
        """Fill the free slots: retries, then the queue, then search. None when something was started."""
        with self.log.lock, self.log.storage.turn(self.log.study, 5.0):
            self.log.refresh()
            if self.log.ledger.closed is not None:
                return Done(str(self.log.ledger.closed["text"]))
            begun = time.perf_counter()
            acts = self._retries() or self._search()
            if isinstance(acts, (Wait, Done)):
                return acts
            if not acts:
                return Wait("nothing was proposed")
            if isinstance(acts, Need) and acts.key in self.log.ledger.answers:
                raise StudyStopped(
                    f"{self.searcher.name} asks {acts.key!r} again although the log has an answer to it. "
                    "A searcher reads history.answer(key) first, and falls back when it holds an error."
                )
            if isinstance(acts, Need):
                need, events = acts, []
            else:
                need, events = None, self._events(acts, time.perf_counter() - begun)
            if events and not self.log.decide(*events):
                return None  # somebody else decided: again from the newer log
        if need is not None:
            answered(self.log, need, self.answer, self.runner.now(), self.id)
            return None
        for event in events:
            self._submit(event)
        return None

    def _events(self, acts: Sequence[Start] | Sequence[Event], took: float) -> list[Event]:
        if acts and isinstance(acts[0], Event):
            return list(acts)  # type: ignore[arg-type]
        ledger = self.log.ledger
        method = f"{self.searcher.name}/{self.searcher.revision}"
        ask = ask_of(ledger, self.runner.free(), self._fresh())
        return started(
            ledger, acts, ask, method, self.id, at=self.runner.now(), took=round(took, 6), env=self.env  # type: ignore[arg-type]
        )  # fmt: skip

    def _retries(self) -> list[Event]:
        """Trials that wait for another attempt. What their last report asks for is settled first."""
        log, out = self.log, []
        for trial in sorted(log.ledger.waiting):
            row = log.ledger.rows[trial]
            if row.owner is None and row.waits == "lost":
                continue  # asked for by hand: the next ask() gets it
            until = settle_interrupted(log, self.scheduler, row, self.runner.now(), self.id)
            if until is not None:
                out.append(retry(row, until, self.id, self.runner.now(), log.ledger.version, self.env))
            if len(out) == self.runner.free():
                break
        return out

    def _search(self) -> Sequence[Start] | Need | Wait | Done:
        log = self.log
        ask = ask_of(log.ledger, self.runner.free(), self._fresh())
        return self.scheduler.next(shown(log), queued(self.searcher, log.ledger), ask)

    def _fresh(self) -> int | None:
        return None if self.trials is None else max(0, self.trials - self.log.ledger.counted)

    def _submit(self, event: Event) -> None:
        ledger = self.log.ledger
        assert event.trial is not None
        row = ledger.rows[event.trial]
        if row.attempt != event.attempt or row.owner != self.id:
            return
        self.until[row.number] = row.until
        twin = twin_of(ledger, row) if ledger.definitions[-1].get("duplicates") == "reuse" else None
        if twin is not None:
            body = {
                "state": "finished",
                "values": dict(twin.values),
                "metrics": dict(twin.metrics),
                "notes": {"reused": twin.number},
            }
            if twin.constraints:
                body["constraints"] = dict(twin.constraints)
            self._forget(row.number)
            self.log.write(Event("ended", body, row.number, row.attempt, self.runner.now(), self.id))
            return
        run = run_of(ledger, row, event.body, self.scheduler, self.folder, self.limits)
        again = (row.step or 0.0) - run.source_step
        if again > 0 and not self.repeated:
            self.repeated = True  # said once a run: it will be so for every trial
            saved = (
                "no checkpoint was saved" if run.source is None else f"its checkpoint is of step {run.source_step:g}"
            )
            words = row.number, run.source_step + 1, saved, again
            logger.warning(
                "Trial %d starts again from step %g: %s (steps repeated: %g). See trial.save_checkpoint().", *words
            )
        self.runner.submit(run)

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Signs of life from a thread of their own, so that a busy objective can't silence them."""
        storage, study, stop = self.log.storage, self.log.study, Flag()
        storage.beat(study, self.id, LEASE)

        def beat() -> None:
            while not stop.wait(LEASE / 4):
                try:
                    storage.beat(study, self.id, LEASE)
                except Exception:  # the storage is away: the loop itself will meet that and tell
                    continue

        thread = Thread(target=beat, name="trimtab heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5)
            forget = getattr(storage, "forget", None)
            if forget is not None and not self.until:
                forget(study, self.id)


# ── what drivers and hand-asked studies share ────────────────────────────────────────────────────────────────────


def reap(log: Log, me: str, now: float) -> None:
    """Append `ended` for every attempt whose driver is dead or whose time is up. Twice is harmless."""
    ledger = log.ledger
    others = {r.owner for r in ledger.alive.values() if r.owner not in (None, me)}
    late = [r for r in ledger.alive.values() if r.owner is None and r.expires is not None and r.expires < now]
    dead = set(log.storage.dead(log.study)) & others if others else set()
    gone = [r for r in ledger.alive.values() if r.owner in dead]
    ends = []
    for row in sorted({r.number: r for r in (*gone, *late)}.values(), key=lambda r: r.number):
        ends.append(Event("ended", interrupted(ledger, row), row.number, row.attempt, now, me))
    if ends:
        log.write(*ends)


def ending(log: Log, scheduler: Scheduler, row: Row, event: Event, until: float, now: float, me: str) -> list[Event]:
    """The facts of a trial's end. One that came to its milestone by returning is judged first: it may be a pause."""
    *before, ended = [_by(e, me) for e in settled(log.ledger, row, event)]
    if row.verdict is not None or ended.body["state"] != "finished" or row.budget is None:
        return [*before, ended]
    if before:
        log.write(*before)
    if ended.body.get("step") is not None and ended.body["step"] >= until:
        verdict = scheduler.judge(shown(log), row.number)
        if verdict.go != "on":
            word = "paused" if verdict.go == "pause" else "stopped"
            told = judged(log, scheduler, row, verdict, now, me)
            return [told, replace(ended, body={**ended.body, "state": word})]
    return [ended]


def judged(log: Log, scheduler: Scheduler, row: Row, verdict: Verdict, now: float, me: str) -> Event:
    by = f"{scheduler.name}/{scheduler.revision}"
    body = {"verdict": verdict.go, "step": row.step, "seen": log.ledger.version, "by": by, "why": verdict.why}
    return Event("judged", body, row.number, row.attempt, now, me)


def interrupted(ledger: Ledger, row: Row) -> dict[str, JSON]:
    """How an attempt that died has ended: as it had been told to, else lost."""
    body: dict[str, JSON] = {"state": "lost", "step": row.step, "error": {"kind": "lost", "text": "its driver is gone"}}
    if row.verdict is not None:
        body = {"state": "paused" if row.verdict[0] == "pause" else "stopped", "step": row.step}
        complete(ledger, body, *reported(ledger, row, body))
    return body


def settle_interrupted(log: Log, scheduler: Scheduler, row: Row, now: float, me: str) -> float | None:
    """The next milestone of an interrupted trial, after the verdict that its last report is still owed.

    None when the verdict is to pause or stop: then that is its end, and there is nothing to retry.
    """
    step, until = row.step, row.until
    if step is None or step < until:
        return until
    verdict = scheduler.judge(shown(log), row.number)
    if verdict.go == "on":
        return inf if verdict.until is None else verdict.until
    by = f"{scheduler.name}/{scheduler.revision}"
    body: dict[str, JSON] = {"state": "paused" if verdict.go == "pause" else "stopped", "step": step}
    complete(log.ledger, body, *reported(log.ledger, row, body))
    log.write(Event("ended", {**body, "why": verdict.why, "by": by}, row.number, row.attempt, now, me))
    return None


def retry(row: Row, until: float, owner: str | None, now: float, seen: int, env: str = "") -> Event:
    body: dict[str, JSON] = {"cause": "retry", "seen": seen}
    if until != inf:
        body["until"] = until
    if row.budget is not None:
        body["budget"] = row.budget
    saved = row.newest()
    if saved is not None:
        body["source"] = [row.number, saved["step"]]
    elif row.source is not None and row.source[0] != row.number:
        body["source"] = list(row.source)
    if owner is not None:
        body["owner"] = owner
    if env:
        body["env"] = env
    return Event("started", body, row.number, row.attempt + 1, now, owner or "")


def run_of(
    ledger: Ledger, row: Row, body: Mapping[str, JSON], scheduler: Scheduler, folder: Callable[[int, int], str] | None,
    limits: Mapping[str, float],
) -> Run:  # fmt: skip
    """What the runner is handed for a `started` event."""
    source, step = None, 0.0
    if body.get("source") is not None:
        trial, at = body["source"]
        saved = (ledger.rows[trial].saved or {}).get(float(at))
        if saved is not None:
            source, step = saved["ref"], float(at)
    return Run(
        trial=row.number, attempt=row.attempt, config=row.proposed, seed=row.seed, until=row.until, budget=row.budget,
        checkpoint=folder(row.number, row.attempt) if folder else "", source=source, source_step=step,
        wait=scheduler.listens, limits=limits, open=row.open,
        space=ledger.space.to_json() if row.open else None,
    )  # fmt: skip


def answered(log: Log, need: Need, answer: Callable[[Need], JSON] | None, now: float, me: str) -> None:
    """Get an outside answer and log it, or log that there is none. Holds no lock: it may take a minute."""
    body: dict[str, JSON] = {"key": need.key, "kind": need.kind}
    if answer is None:
        body["error"] = f"nobody here answers {need.kind!r} questions"
    else:
        try:
            body["answer"] = answer(need)
        except Exception as error:
            body["error"] = f"{type(error).__name__}: {error}"
    log.write(Event("answered", body, at=now, by=me))


def twin_of(ledger: Ledger, row: Row) -> Row | None:
    """An earlier finished trial of the same configuration."""
    key = ledger.space.key(row.config)
    for other in ledger.rows[: row.number]:
        if other.state is State.FINISHED and other.valid and ledger.space.key(other.config) == key:
            return other
    return None


def _by(event: Event, driver: str) -> Event:
    return event if event.by == driver else Event(event.kind, event.body, event.trial, event.attempt, event.at, driver)


def _first_failures(rows: Sequence[Row]) -> str:
    """Message 6 of the interface: where they failed, and what to do."""
    errors: list[Any] = [r.error or {} for r in rows]
    same = len({(e.get("kind"), e.get("where")) for e in errors}) == 1
    error = errors[0]
    where = f"    {error['where']}\n" if error.get("where") else ""
    return (
        f"The first {len(rows)} trials all failed{' in the same place' if same else ''}, so nothing more was started:\n"
        f"{where}    {error.get('kind', 'error')}: {error.get('text', '')}\n"
        f"Mend it and run the same command again: these {len(rows)} are tried first.\n"
        "To go on in spite of failures: stop=[tt.Failures(in_a_row=None)]."
    )


__all__ = ["Driver", "Log", "Proposal", "ask_of", "reap", "retry", "run_of", "shown", "started"]
