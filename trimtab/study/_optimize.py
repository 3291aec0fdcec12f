"""One call of study.optimize(): the runner, the signals, the display, and leaving in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from trimtab.errors import StorageAway
from trimtab.history import State
from trimtab.log import JSON, Event
from trimtab.protocol import Need, Objective
from trimtab.run._importing import check_not_importing
from trimtab.run.leaving import GRACE, Leaving
from trimtab.study._define import check_fit
from trimtab.study._driver import Driver, new_driver
from trimtab.study._runs import begin
from trimtab.study._say import say
from trimtab.study._stop import Failures, rules_from_json
from trimtab.study._times import seconds, until

if TYPE_CHECKING:
    from trimtab.study._study import Study

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one optimize()."""

    trials: int | None
    more: int | None
    workers: int | None
    per_trial: Mapping[str, Any] | None
    timeout: float | str | None
    trial_timeout: float | str | None
    grace: float | str | None
    callbacks: tuple[Callable[[Any, Event], None], ...]
    runner: Any
    recycle: int | None
    answer: Callable[[Need], JSON] | None
    display: Any

    def __post_init__(self) -> None:
        if (self.trials is None) == (self.more is None) and self.timeout is None:
            raise TypeError("optimize() needs exactly one of trials= (the study's total) and more= (so many more).")
        if self.trials is not None and self.more is not None:
            raise TypeError("optimize() takes trials= (the study's total) or more= (so many more), not both.")
        for name in ("trials", "more", "workers"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"optimize({name}={value!r}): a whole number, at least 1.")
            object.__setattr__(self, name, int(value))  # numpy has whole numbers of its own


def listed(callbacks: Any) -> tuple[Callable[[Any, Event], None], ...]:
    """One callback needs no list."""
    found = tuple(callbacks) if isinstance(callbacks, Iterable) else (callbacks,)
    for f in found:
        if not callable(f):
            raise TypeError(f"optimize(callbacks={callbacks!r}): functions f(study, event), in a list.")
    return found


def optimize(study: Study, objective: Objective, call: Call) -> Study:
    """Run it. See Study.optimize."""
    check_not_importing(study.name)
    if not callable(objective) and call.runner is None:
        raise TypeError(f"optimize({objective!r}): the objective must be a function of a trial.")
    store = study._log
    store.refresh()
    study._current()
    ledger = store.ledger
    definition = ledger.definitions[-1]
    check_fit(ledger.space, definition["metrics"], study.searcher, study.scheduler)
    total = ledger.counted + call.more if call.more is not None else call.trials
    rules = rules_from_json(definition.get("stop", ()))
    brief = None if any(isinstance(r, Failures) and r.in_a_row is None for r in rules) else 3
    _enqueue_default(study)
    if brief is not None:
        _try_again(study)
    if total is not None and _done(study, total):
        study.ended = "all trials have been started" if ledger.closed is None else str(ledger.closed["text"])
        again = "optimize(…, more=…)" if ledger.closed is None else "study.reopen(), then optimize(…)"
        of = f"{ledger.counted} of {total} trials" if ledger.counted <= total else f"{ledger.counted} trials"
        say("done", f"{study.name}: done, {of} ({study.ended}). To go on: {again}")
        return study
    runner = call.runner or _runner(study, objective, call)
    grace = None if call.grace is None else seconds(call.grace)
    me, deadline = new_driver(), until(call.timeout, runner.now(), GRACE if grace is None else grace)
    driver = Driver(
        store, study.searcher, study.scheduler, runner, trials=total, rules=rules, folder=study._checkpoints,
        answer=call.answer, deadline=deadline, brief=brief, driver=me, name=study.name,
        env=begin(study, objective, runner, me, answers=call.answer is not None),
    )  # fmt: skip
    if call.timeout == "slurm":
        driver.margin = 0.9 * (GRACE if grace is None else grace)  # the rest is for storing what has ended
    elif grace is not None:
        driver.margin = grace
    driver.watch = _Watch(study, call)
    try:
        with Leaving(driver, runner, grace) as leaving:
            try:
                study.ended = driver.run()
            finally:
                leaving.closing = True
                _leave(driver, runner, own=call.runner is None)
    finally:
        study._current()
        study.ran = driver.ended
        driver.watch.close(driver)
    return study


def _enqueue_default(study: Study) -> None:
    """If every domain has a default, the default is tried: trial 0, or after what was queued before."""
    ledger = study._log.ledger
    default = ledger.space.default if not ledger.definitions[-1].get("open") else None
    if default and not ledger.rows:
        study.enqueue(default, why="the default: the baseline")


def _try_again(study: Study) -> None:
    """After a start in which everything failed, the mended objective gets the same trials first."""
    rows = [r for r in study._log.ledger.rows if r.valid]
    failed = [r for r in rows if r.state is State.FAILED]
    if any((r.error or {}).get("kind") == "Reject" for r in failed):
        return  # an answer, not a mistake
    if all(r.state is State.FAILED or r.waits is not None for r in rows):
        study.retry([r.number for r in failed])


def _done(study: Study, total: int) -> bool:
    ledger = study._log.ledger
    if ledger.closed is not None:
        return True
    open_ends = ledger.alive or ledger.waiting or (study.scheduler.levels and ledger.counts["paused"])
    return ledger.counted >= total and not open_ends


def _runner(study: Study, objective: Objective, call: Call) -> Any:
    folder = study._home()
    workers = 1 if call.workers is None and not call.per_trial else call.workers
    if workers == 1 and not call.per_trial and call.trial_timeout is None:
        from trimtab.run.inline import Inline

        return Inline(objective, study._labels, folder=folder)
    from trimtab.run.processes import Processes

    return Processes(
        objective, study._labels, workers=workers, per_trial=call.per_trial, recycle=call.recycle, folder=folder,
        trial_timeout=None if call.trial_timeout is None else seconds(call.trial_timeout),
        **({} if call.grace is None else {"grace": seconds(call.grace)}),
    )  # fmt: skip


def _leave(driver: Driver, runner: Any, *, own: bool) -> None:
    """Close the runner; what of mine still runs goes back into the queue."""
    if own:
        runner.close(kill=bool(driver.until))
    ledger = driver.log.ledger
    mine = [row for _, row in sorted(ledger.alive.items()) if row.owner == driver.id]
    if mine:
        body = {"state": "cancelled", "cost": {}}
        driver.log.write(*(Event("ended", body, r.number, r.attempt, runner.now(), driver.id) for r in mine))
    driver.until.clear()
    with suppress(StorageAway):  # our time runs out by itself
        driver.log.storage.forget(driver.log.study, driver.id)


class _Watch:
    """Once a turn of the loop: callbacks for each new event, and the display."""

    def __init__(self, study: Study, call: Call) -> None:
        self.study, self.callbacks, self.seen = study, call.callbacks, study._log.ledger.version
        self.display = _display(study, call.display)
        self.broken: set[int] = set()

    def __call__(self, driver: Driver) -> None:
        if self.callbacks and driver.log.ledger.version > self.seen:
            events, _ = driver.log.storage.read(driver.log.study, self.seen)
            self.seen = driver.log.ledger.version
            for event in events:
                self._call(event)
        if self.display is not None:
            self.display.update(driver)

    def _call(self, event: Event) -> None:
        for i, f in enumerate(self.callbacks):
            try:
                f(self.study, event)
            except Exception:
                if i not in self.broken:
                    self.broken.add(i)
                    log.exception("callback %r failed; the study goes on, and this is said once", f)

    def close(self, driver: Driver) -> None:
        if self.display is not None:
            self.display.close(driver)


def _display(study: Study, wanted: Any) -> Any:
    """None: only in front of a person; False: never; True, a mode or a Display: yes."""
    if wanted is False:
        return None
    from trimtab.study._display import display_for

    return display_for(study, wanted)
