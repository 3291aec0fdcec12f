"""The driver: facts first, verdicts on its own trials, the dead, stop rules, then — holding the turn — new starts.

Any number of drivers on any machines work on one study. The order of the steps is part of the contract (see
docs/architecture.md): retries come before the queue, the queue before search, and nothing is submitted before the
event that starts it is in the log.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf

from trimtab.errors import StudyStopped
from trimtab.history import Ledger, Row, State
from trimtab.log import JSON, Event
from trimtab.protocol import Ask, Done, Need, Runner, Scheduler, Searcher, Start, Wait
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.study._beat import beating
from trimtab.study._ends import ending, judged, nothing_left, reap, settle_interrupted, signed
from trimtab.study._grow import grow, learn
from trimtab.study._log import AWAY, Log, shown
from trimtab.study._needs import answered, answered_elsewhere
from trimtab.study._queued import queued
from trimtab.study._say import say, warn
from trimtab.study._settings import changes
from trimtab.study._starts import as_its_twin, ask_of, check_sources, method_of, retry, run_of, started, twin_of
from trimtab.study._stop import Failures, Rule, rules_from_json
from trimtab.study._tidy import tidy
from trimtab.study._words import first_failures, joined, repeated, silent

ENOUGH = 3  # trials that have ended before it is said that none of them reports
BY_SIGNAL = ("lost", "killed", "exit", "crash")  # kinds of errors that a process sent a signal may end with
LEFT = 3  # attempts left by KeyboardInterrupt without a Ctrl-C after which a trial has failed


def new_driver() -> str:
    """A name for a driver: its host, its process, and a part that nobody else has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


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
        name: str = "",
    ) -> None:  # fmt: skip
        self.log, self.searcher, self.scheduler, self.runner = log, searcher, scheduler, runner
        self.trials, self.rules, self.folder, self.answer = trials, list(rules), folder, answer
        self.deadline, self.env, self.brief, self.limits = deadline, env, brief, dict(limits or {})
        self.id = driver or new_driver()
        self.name = name
        self.ended = self._judged = 0  # attempts of mine that closed their trial; verdicts that have been looked at
        self._defined = len(log.ledger.definitions)  # of which definition the methods and rules are
        self.until: dict[int, float] = {}  # my running trials -> their next milestone
        self.waiting_for: set[int] = set()  # my trials that have reached it
        self.told: set[int] = set()  # my trials that have been told to pause, stop or cancel
        self.draining = ""  # why nothing more is started
        self.order = ""  # what my running trials are asked to do then
        self._ordered: set[int] = set()  # those that have been asked
        self.kill_at = inf  # when those that have not obeyed are ended, on the monotonic clock
        self.margin = inf  # seconds between the end of the time and that
        self.repeated = False  # whether it was said that steps are run twice
        self.listened = False  # whether it was looked whether trials report at all
        self.watch: Callable[[Driver], None] | None = None  # called once a turn of the loop
        if hasattr(runner, "pump"):
            runner.pump = self.pump
        self._tick = 0.05
        self._clock: Callable[[], float] | None = getattr(runner, "clock", time.perf_counter)  # of decisions

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> str:
        """Until nothing is left to do; returns why it ended."""
        with beating(self.log.storage, self.log.study, self.id, lambda: self.until), self.log.waiting_out(AWAY):
            self.reap()
            if words := joined(self.log.ledger, self.id):
                say("joined", f"{self.name}: {words}")
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
                self._give_order()
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
                            return nothing_left(self.log.ledger, idle.why)
                        self.log.wait(0.5)

    def follow(self) -> None:
        """Another call has changed the study: from here on its methods and rules are this driver's too."""
        definitions = self.log.ledger.definitions
        if len(definitions) == self._defined:
            return
        old, new = definitions[self._defined - 1], definitions[-1]
        self._defined = len(definitions)
        if new["searcher"] != old["searcher"]:
            self.searcher = SEARCHERS.from_json(new["searcher"])
        if new["scheduler"] != old["scheduler"]:
            self.scheduler = SCHEDULERS.from_json(new["scheduler"])
        if new.get("stop") != old.get("stop"):
            self.rules = rules_from_json(new.get("stop", ()))
            self.brief = None if Failures(None) in self.rules else self.brief
        if not new.get("open"):  # define by run: the space changes with what trials ask for
            for line in changes(old, new):
                warn(f"{self.name}: changed by another call: {line}")

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
            self.drain("the time for this run is up", grace=self.margin)
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
        raise StudyStopped(first_failures(failed, getattr(self.runner, "outputs", None)))

    def drain(self, why: str, message: str = "cancel", grace: float = inf) -> None:
        """Start nothing more, and ask my running trials to end at their next step; after the grace, end them.

        Signal handlers call this and hurry(): they only set attributes, and the loop gives the order.
        """
        self.draining, self.order, self.kill_at = why, message, time.monotonic() + grace
        self._ordered = set()

    def hurry(self) -> None:
        """End my running trials now."""
        self.kill_at = 0.0

    @property
    def deaf(self) -> int:
        """How many of my running trials will not end at their next step: they don't use steps or should_stop."""
        hears, rows = getattr(self.runner, "hears", None), self.log.ledger.rows
        return sum(not hears(t, rows[t].attempt) for t in list(self.until)) if hears else 0

    def _give_order(self) -> None:
        if self.order and time.monotonic() >= self.kill_at:
            self.tell_all("kill")
        elif self.order:
            for trial in [t for t in self.until if t not in self._ordered]:  # also one that began while it was given
                self._ordered.add(trial)
                self.runner.send(trial, self.log.ledger.rows[trial].attempt, {"go": self.order, "drain": True})

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
            event = self._measured(event, row)
            if out:  # what it reported must be in the ledger before its end is made from it
                self.log.write(*out)
                out = []
            try:
                out += self._end(row, event)
            except Exception as error:  # the script's mistake: the trial goes back into the queue
                problem = problem or error
                body = {"state": "cancelled", "cost": event.body.get("cost", {})}
                out.append(Event("ended", body, event.trial, event.attempt, event.at, self.id))
            self._forget(row.number)
            self.ended += out[-1].body["state"] in ("finished", "stopped", "failed")
            if event.body["state"] == "cancelled" and not self.draining:  # nobody asked: Ctrl-C inside the objective
                say("paused", f"{self.name}: trial {row.number} was left by Ctrl-C or a debugger; it goes on next time")
                self.drain("paused")
        if out:
            self.log.write(*out)
        saved = {e.trial for e in events if e.kind in ("saved", "ended") and e.trial is not None}
        tidy(self.log, (t for t in saved if ledger.rows[t].saved), self.runner.now(), self.id)
        if problem is not None:
            self.drain("the objective's answer can't be used")
            raise problem

    def _measured(self, event: Event, row: Row) -> Event:
        """An end with the GPU time it took. One that leaves by KeyboardInterrupt again and again has failed."""
        more: dict[str, JSON] = {}
        state, cost, gpus = event.body["state"], event.body.get("cost", {}), getattr(self.runner, "gpus", 0.0)
        if gpus and "seconds" in cost:
            more["cost"] = {**cost, "gpu_seconds": round(gpus * cost["seconds"], 6)}
        if self.order and (event.body.get("error") or {}).get("kind") in BY_SIGNAL:
            more["state"] = state = "cancelled"  # a cluster that wants its node back tells all processes
        if state == "cancelled" and not self.draining:
            times = 1 + (row.error or {}).get("times", 0)
            text = f"the objective was left by KeyboardInterrupt {times} times, and nobody pressed Ctrl-C"
            more["error"] = {"kind": "KeyboardInterrupt", "text": text, "times": times}
            more["state"] = "failed" if times == LEFT else "cancelled"
        return replace(event, body={**event.body, **more}) if more else event

    def _end(self, row: Row, event: Event) -> list[Event]:
        self.follow()
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
        self.follow()
        rows, read = self.log.ledger.rows, self.log.ledger.judged
        if read != self._judged:  # a thousand trials may be running, and verdicts are rare
            self._judged = read
            for trial in sorted(t for t in self.until if rows[t].verdict is not None and t not in self.told):
                self._tell(trial, rows[trial].verdict[0])  # type: ignore[index]  # somebody else's: the user's, say
        for trial in sorted(self.waiting_for - self.told):
            row = rows[trial]
            self.waiting_for.discard(trial)
            verdict = self.scheduler.judge(shown(self.log), trial)
            if verdict.go == "on":
                self.until[trial] = inf if verdict.until is None else verdict.until
                self.runner.send(trial, row.attempt, {"go": "on", "until": self.until[trial]})
            else:
                self.log.write(judged(self.log, self.scheduler, row, verdict, self.runner.now(), self.id))
                self._judged += self.log.ledger.judged == self._judged + 1  # else somebody else's came with it
                self._tell(trial, verdict.go)

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
            self.follow()
            if self.log.ledger.closed is not None:
                return Done(str(self.log.ledger.closed["text"]))
            learn(self.log, self.searcher, self.runner.now(), self.id)
            begun = self._clock() if self._clock else 0.0
            ask = ask_of(self.log.ledger, self.runner.free(), self._fresh())
            acts = self._retries() or self.scheduler.next(shown(self.log), queued(self.searcher, self.log.ledger), ask)
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
                need, events = None, self._events(acts, ask, self._clock() - begun if self._clock else 0.0)
            check_sources(self.log.ledger, events, self.folder)
            if events and not self.log.decide(*events):
                return None  # somebody else decided: again from the newer log
        if need is not None and self.answer is None and answered_elsewhere(self.log.ledger, self.id):
            return Wait("another driver can answer")
        if need is not None:
            answered(self.log, need, self.answer, self.runner.now(), self.id)
            return None
        for event in events:
            self._submit(event)
        return None

    def _events(self, acts: Sequence[Start] | Sequence[Event], ask: Ask, took: float) -> list[Event]:
        if acts and isinstance(acts[0], Event):
            return list(acts)  # type: ignore[arg-type]
        return started(
            self.log.ledger, acts, ask, method_of(self.searcher), self.id,  # type: ignore[arg-type]
            at=self.runner.now(), took=round(took, 6), env=self.env,
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
            self._forget(row.number)
            self.ended += 1
            self.log.write(Event("ended", as_its_twin(twin), row.number, row.attempt, self.runner.now(), self.id))
            return
        run = run_of(ledger, row, event.body, self.scheduler, self.folder, self.limits)
        ended = sum(ledger.counts[state] for state in ("finished", "stopped", "paused"))
        if not self.listened and ended >= ENOUGH:
            self.listened = True
            if hint := silent(ledger, self.scheduler):
                warn(f"{self.name}: {hint}")
        words = "" if self.repeated else repeated(ledger, row, run)
        if words:
            self.repeated = True  # said once a run: it will be so for every trial
            warn(words)
        self.runner.submit(run)
