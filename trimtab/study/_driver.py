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
from contextlib import contextmanager, suppress
from math import inf
from threading import Event as Flag
from threading import Thread
from typing import Any

from trimtab.errors import StorageAway, StudyStopped
from trimtab.history import Ledger, Row, State
from trimtab.log import JSON, Event
from trimtab.protocol import Done, Need, Runner, Scheduler, Searcher, Start, Verdict, Wait
from trimtab.study._ends import ending, judged, reap, settle_interrupted, signed
from trimtab.study._grow import grow
from trimtab.study._log import AWAY, Log, shown
from trimtab.study._queued import queued
from trimtab.study._starts import ask_of, method_of, retry, run_of, started, twin_of
from trimtab.study._stop import Rule
from trimtab.study._tidy import tidy

logger = logging.getLogger(__name__)

LEASE = 60.0  # seconds without a sign of life after which another host may take a driver's trials over


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
        self.id = driver or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
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
        with self._beating(), self.log.waiting_out(AWAY):
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
                        self.log.wait(0.5)

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
            for rule in self.rules:
                why = rule.over(ledger, history)
                if why is not None:
                    body = {"rule": rule.name, "text": why, "seen": ledger.version}
                    self.log.decide(Event("closed", body, at=self.runner.now(), by=self.id))
                    self.draining = why
                    return

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
                out.append(signed(event, self.id))
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
        method = method_of(self.searcher)
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
        curve = ledger.reports.curve(ledger.reports.rows_of(row.number))
        if again > 0 and not self.repeated and not (curve.fold >= 0).any():  # folds are no steps to save after
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
            if not self.until:
                with suppress(StorageAway):  # our time runs out by itself
                    storage.forget(study, self.id)


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
