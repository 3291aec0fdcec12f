"""Random logs that real drivers have written: the raw material of law 1.

Idea    Two drivers share one storage. Their runner makes trials report, fail, pause and end by chance; drivers are
        declared dead while they run, so that late words of superseded attempts come by themselves; and a user asks,
        tells, corrects, invalidates, retries, enqueues, grows the space, closes and reopens. Nothing is written by
        hand but what a driver that lost touch may send. A seed gives the same events every time (but for the times).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trimtab._registry import Registry
from trimtab.errors import TrimtabError
from trimtab.history import State
from trimtab.log import JSON, Event
from trimtab.protocol import ENDS, Run, Scheduler, Searcher
from trimtab.run._late import late
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.space import Space
from trimtab.storage.memory import Memory
from trimtab.study._driver import Driver
from trimtab.study._log import Log, new_id
from trimtab.study._study import Study
from trimtab.testing._worlds import LATE, World, measured


class Morgue(Memory):
    """Memory in which drivers are dead when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.declared: set[str] = set()

    def dead(self, study: int) -> Sequence[str]:
        return sorted(self.declared)


class _Live:
    __slots__ = ("asked", "news", "run", "step", "told", "until", "waits")

    def __init__(self, run: Run) -> None:
        self.run, self.step, self.until = run, run.source_step, run.until
        self.told, self.waits = "", False
        self.asked: dict[str, list[JSON]] = {}
        self.news: dict[str, list[JSON]] = {}


class ChanceRunner:
    """Trials to which things happen by chance."""

    def __init__(self, rng: np.random.Generator, world: World, slots: int) -> None:
        self.rng, self.world, self.slots = rng, world, slots
        self.live: dict[int, _Live] = {}
        self.time = 0.0

    def now(self) -> float:
        self.time += 1.0
        return self.time

    def free(self) -> int:
        return self.slots - len(self.live)

    def submit(self, run: Run) -> None:
        self.live[run.trial] = _Live(run)

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        live = self.live.get(trial)
        if live is None or live.run.attempt != attempt:
            return
        if message["go"] == "on":
            live.until, live.waits = float(message.get("until") or "inf"), False
        else:
            live.told = ENDS.get(message["go"], "cancelled")

    def close(self, kill: bool = False) -> None:
        self.live.clear()

    def collect(self, timeout: float) -> Sequence[Event]:
        out: list[Event] = []
        for live in list(self.live.values()):
            if self.rng.random() < 0.7:
                self._happen(live, out)
        return out

    def _happen(self, live: _Live, out: list[Event]) -> None:
        chance, run = self.rng.random(), live.run
        if chance < 0.06:
            kind = ["ValueError", "Reject", "crash"][self.rng.integers(3)]
            self._end(live, out, {"state": "failed", "error": {"kind": kind, "text": "by chance"}})
        elif chance < 0.09:
            self._end(live, out, {"state": "cancelled"})
        elif live.told:
            self._end(live, out, {"state": live.told})
        elif live.waits:
            return
        elif live.step >= (run.budget or 3):
            self._end(live, out, {"state": "finished", "returned": None if live.step else self._value(live, 1.0)})
        elif run.budget is None and chance < 0.4:  # a plain objective that only returns
            spoilt = {"loss": float("nan")} if chance < 0.12 else {}
            self._end(live, out, {"state": "finished", "returned": {**self._value(live, 2.0), **spoilt}})
        else:
            self._report(live, out, 1 + int(self.rng.integers(2)))

    def _value(self, live: _Live, step: float) -> dict[str, float]:
        config: Any = {name: label for name, (label, _) in live.asked.items()} if live.run.open else live.run.config
        noisy = 0.5 if live.run.attempt > 1 and self.rng.random() < 0.3 else 0.0
        return measured(config, step, noisy)

    def _ask(self, live: _Live) -> None:
        for name in [*LATE][: 2 + int(self.rng.integers(len(LATE) - 1))]:
            late(live.run, name, LATE[name], live.asked, live.news)

    def _report(self, live: _Live, out: list[Event], n: int) -> None:
        run = live.run
        if run.open:
            self._ask(live)
        last = min(run.budget or 3, live.until, live.step + n)
        steps = [float(s) for s in np.arange(live.step + 1, last + 1)]
        if not steps:
            return
        rows = [(s, f) for s in steps for f in ((0, 1) if self.world.folds else (None,))]
        values = [self._value(live, s + (f or 0) / 2) for s, f in rows]
        body: dict[str, JSON] = {"step": [s for s, _ in rows]}
        body["metrics"] = {name: [v[name] for v in values] for name in values[0]}
        if self.world.folds:
            body["fold"] = [f for _, f in rows]
        if live.news:
            body["asked"], live.news = live.news, {}
        live.step = steps[-1]
        if self.rng.random() < 0.5:
            ref = f"chance/{run.trial}/{run.attempt}/{live.step:g}"
            self._say("saved", live, out, {"step": live.step, "ref": ref, "bytes": 0, "sha256": ""})
        self._say("reported", live, out, body)
        live.waits = live.step >= live.until or run.wait == "all"

    def _end(self, live: _Live, out: list[Event], body: dict[str, JSON]) -> None:
        del self.live[live.run.trial]
        if live.run.open and not live.asked:
            self._ask(live)
        if live.news:
            body["asked"] = live.news
        self._say("ended", live, out, {**body, "step": live.step or None, "cost": {"seconds": 1.0 + live.step}})

    def _say(self, kind: str, live: _Live, out: list[Event], body: Mapping[str, JSON]) -> None:
        out.append(Event(kind, body, live.run.trial, live.run.attempt, self.now()))


def study_of(space: Space | None, searcher: Searcher, scheduler: Scheduler, **more: Any) -> Study:
    """A study that these very methods run, also when no registry knows them (others stand in its definition then)."""
    study = Study(
        "checked", space, searcher=searcher if _registered(SEARCHERS, searcher) else "random",
        scheduler=scheduler if _registered(SCHEDULERS, scheduler) else "full", **more,
    )  # fmt: skip
    study.searcher, study.scheduler = searcher, scheduler
    return study


def _registered(registry: Registry, method: Searcher | Scheduler) -> bool:
    return method.name in registry.names() and registry.load(method.name) is type(method)


class Chaos:
    """One random log, in the making."""

    def __init__(self, world: World, searcher: Searcher, scheduler: Scheduler, seed: int) -> None:
        self.world, self.rng = world, np.random.default_rng(seed)
        self.storage = Morgue()
        self.study = study_of(
            world.space, searcher, scheduler, minimize="loss", maximize=world.maximize, hidden=["secret"], seed=seed,
            constraints=world.constraints, storage=self.storage, retry={"times": 2, "on": ["lost", "crash"]},
        )  # fmt: skip
        self.methods = searcher, scheduler
        self.lives = 0
        self.drivers = [self._driver(), self._driver()]
        self.by_hand: list[Any] = []

    def _driver(self) -> Driver:
        self.lives += 1
        log = Log.open(self.storage, self.study._log.study)
        runner = ChanceRunner(self.rng, self.world, slots=2)
        return Driver(log, *self.methods, runner, brief=None, driver=f"d{self.lives}")

    def run(self, events: int) -> list[Event]:
        """At least so many events."""
        while len(log := list(self.study.log())) < events:
            if self.rng.random() < 0.75:
                self._turn(int(self.rng.integers(2)))
            else:
                self._user()
        return log

    def _turn(self, i: int) -> None:
        """One turn of a driver's loop, in the order of Driver.run."""
        driver = self.drivers[i]
        if self.rng.random() < 0.04:
            self._dies(i)
            return
        if got := driver.runner.collect(0.0):
            driver.absorb(got)
        elif self.rng.random() < 0.7:  # else it goes on with what it knew
            driver.log.refresh()
        driver.verdicts()
        driver.reap()
        driver.check()
        if not driver.draining and driver.runner.free() and self.rng.random() < 0.8:
            driver.start()
        if driver.draining and not driver.until:
            self.drivers[i] = self._driver()

    def _dies(self, i: int) -> None:
        """The other takes over. Half of the dead don't know it, and go on for a while."""
        driver, other = self.drivers[i], self.drivers[1 - i]
        other.log.refresh()
        self.storage.declared = {driver.id}
        other.reap()
        self.storage.declared = set()
        if self.rng.random() < 0.5:
            self.drivers[i] = self._driver()

    def _user(self) -> None:
        acts: list[Callable[[], object]] = [
            self._enqueue, self._ask, self._tell, self._add, self._correct, self._invalidate, self._restore,
            self._retry, self._grow, self._note, self._late, self._drop, self._answer, self._close,
        ]  # fmt: skip
        self.study._log.refresh()
        try:
            acts[int(self.rng.integers(len(acts)))]()
        except TrimtabError:
            return  # not possible just now

    def _config(self) -> dict[str, JSON]:
        return self.study.space.sample_config(self.rng)

    def _any(self, *states: State) -> int:
        rows = [r.number for r in self.study._log.ledger.rows if not states or r.state in states]
        if not rows:
            raise TrimtabError("none")
        return int(rows[self.rng.integers(len(rows))])

    def _enqueue(self) -> None:
        config = self._config()
        kept = {k: v for k, v in config.items() if self.rng.random() < 0.7} if not self.world.open else config
        self.study.enqueue(kept if self.rng.random() < 0.5 else config, why="by chance")

    def _ask(self) -> None:
        if not self.world.open:
            self.study._current()
            self.study.searcher, self.study.scheduler = self.methods
            self.by_hand.append(self.study.ask())

    def _tell(self) -> None:
        """An asked one's end, or a word by number on a trial that a driver runs."""
        if self.by_hand and self.rng.random() < 0.8:
            trial = self.by_hand.pop(int(self.rng.integers(len(self.by_hand))))
            if self.rng.random() < 0.2:
                self.study.tell(trial, failed="by hand")
                return
            number = trial.number
        else:
            trial = number = self._any(State.RUNNING)
        self.study.tell(trial, measured(self.study.trial(number).config, 3.0))

    def _add(self) -> None:
        if not self.world.open:
            config = self._config()
            self.study.add(config, measured(config, 3.0))

    def _correct(self) -> None:
        number = self._any(State.FINISHED, State.STOPPED, State.FAILED, State.PAUSED)
        self.study.correct(number, measured(self.study.trial(number).config, 1.0, 0.25), reason="by chance")

    def _invalidate(self) -> None:
        self.study.invalidate(self._any(State.FINISHED, State.STOPPED, State.FAILED), reason="by chance")

    def _restore(self) -> None:
        self.study.restore(self._any())

    def _retry(self) -> None:
        self.study.retry([self._any(State.FAILED)])

    def _grow(self) -> None:
        if self.world.grown and self.rng.random() < 0.5:
            space = self.world.grown[int(self.rng.integers(len(self.world.grown)))]
            Study(self.study.name, space, storage=self.storage)

    def _note(self) -> None:
        self.study.note(self._any(), mood=int(self.rng.integers(9)))

    def _late(self) -> None:
        """A word of an attempt that was superseded."""
        rows = [r for r in self.study._log.ledger.rows if r.attempt > 1]
        if not rows:
            return
        row = rows[int(self.rng.integers(len(rows)))]
        chance, values = self.rng.random(), measured(row.config, 2.0, 1.0)
        body: dict[str, JSON]
        if chance < 0.3:
            kind, body = "reported", {"step": [2.0], "metrics": {k: [v] for k, v in values.items()}}
        elif chance < 0.6:
            kind, body = "ended", {"state": ["failed", "lost", "paused", "cancelled"][self.rng.integers(4)]}
        else:
            goals = self.study._log.ledger.objectives
            kind, body = "ended", {"state": "finished", "step": 2.0, "values": {n: values[n] for n in goals}}
            if self.world.constraints:
                body["constraints"] = {text: values["mem"] - 3 for text in self.world.constraints}
        self._write(Event(kind, body, row.number, row.attempt - 1, 0.0, "late"))

    def _drop(self) -> None:
        log = self.study._log
        row = log.ledger.rows[self._any()]
        if row.saved:
            body = {"step": max(row.saved), "why": "by chance"}
            log.decide(Event("dropped", body, row.number, row.attempt))

    def _answer(self) -> None:
        self._write(Event("answered", {"key": f"q{self.rng.integers(3)}", "answer": int(self.rng.integers(9))}))

    def _close(self) -> None:
        if self.study._log.ledger.closed is None:
            if self.rng.random() < 0.3:
                self.study.stop()
        else:
            self.study.reopen()

    def _write(self, event: Event) -> None:
        self.storage.append(self.study._log.study, [event], new_id())


def random_log(world: World, searcher: Searcher, scheduler: Scheduler, *, seed: int, events: int) -> list[Event]:
    """A whole raw log of this kind of study; the same seed gives the same one."""
    chaos = Chaos(world, searcher, scheduler, seed)
    return chaos.run(events)
