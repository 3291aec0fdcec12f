"""A storage and a runner that fall over at a chosen point, and a driver loop that starts again after each fall."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from trimtab.log import Event
from trimtab.protocol import Run, Scheduler, Searcher
from trimtab.run.simulated import Simulated
from trimtab.space import Space
from trimtab.storage.memory import Memory
from trimtab.study._define import metrics_of
from trimtab.study._driver import Driver
from trimtab.study._log import Log
from trimtab.study._settings import Settings

Curve = Callable[[Run], Generator[tuple[float, Mapping[str, float]], None, Any]]


class Crash(BaseException):
    """kill -9: nothing on the way may catch it."""


class Fuse:
    """Goes off at the n-th thing that happens; before it (the act is lost) or after it (the act is done)."""

    def __init__(self, at: int | None = None, after: bool = True) -> None:
        self.at, self.after, self.count = at, after, 0

    def around(self, act: Callable[[], Any]) -> Any:
        self.count += 1
        if self.count == self.at and not self.after:
            raise Crash
        done = act()
        if self.count == self.at:
            raise Crash
        return done


class Fragile(Memory):
    """Memory whose appends may be the last thing a driver does; every driver but the newest is dead."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse, self.drivers = fuse, list[str]()

    def append(self, study: int, events: Any, append_id: str, decides: int | None = None) -> Any:
        return self.fuse.around(lambda: Memory.append(self, study, events, append_id, decides))

    def beat(self, study: int, driver: str, seconds: float) -> None:
        if driver not in self.drivers:
            self.drivers.append(driver)

    def dead(self, study: int) -> list[str]:
        return self.drivers[:-1]


class FragileRunner(Simulated):
    """A simulation whose submits may be the last thing a driver does."""

    def __init__(self, model: Curve, fuse: Fuse, **settings: Any) -> None:
        super().__init__(model, **settings)
        self.fuse = fuse

    def submit(self, run: Run) -> None:
        self.fuse.around(lambda: Simulated.submit(self, run))


def new_log(storage: Memory, space: Space | None, searcher: Any, scheduler: Any, seed: int = 0, **more: Any) -> Log:
    """A study in `storage`, without the fuse taking part."""
    settings = Settings(
        space, more.get("minimize", "loss"), None, more.get("constraints", ()), (), searcher, scheduler, None, seed,
        more.get("duplicates"), None, None, more.get("retry"), "",
    )  # fmt: skip
    study, _ = storage.create("s", Event("defined", settings.fresh()))
    return Log.open(storage, study)


def run_to_end(
    space: Space | None, searcher: Searcher, scheduler: Scheduler, model: Curve | None, *, trials: int, fuse: Fuse,
    workers: int = 1, seed: int = 0, **more: Any,
) -> Log:  # fmt: skip
    """Drive a study to its end, with a new driver (and a cold ledger) after each crash."""
    storage = Fragile(fuse)
    log = new_log(storage, space, searcher, scheduler, seed, **more)
    for life in range(50):
        log = Log.open(storage, log.study)
        make = more.get("runner")
        runner = make(fuse) if make else FragileRunner(model, fuse, workers=workers)
        driver = Driver(log, searcher, scheduler, runner, trials=trials, driver=f"d{life}", answer=more.get("answer"))
        driver.watch = more.get("watch")
        try:
            driver.run()
        except Crash:
            continue
        return Log.open(storage, log.study)
    raise AssertionError("fifty lives were not enough")


def story(log: Log) -> list[tuple[Any, ...]]:
    """What an undisturbed observer would tell of the trials: everything but attempts, times and owners."""
    ledger = log.ledger
    out = []
    for row in ledger.rows:
        curve = ledger.reports.curve(ledger.reports.rows_of(row.number))
        points = sorted(zip(curve.step.tolist(), *(c.tolist() for c in curve.metrics.values()), strict=True))
        out.append(
            (row.number, dict(row.config), row.seed, row.word, row.step, dict(row.values), dict(row.tags), points)
        )
    return out


__all__ = ["Crash", "Fragile", "Fuse", "metrics_of", "new_log", "run_to_end", "story"]
