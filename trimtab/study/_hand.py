"""Asking and telling by hand, and what users put into a study themselves: the queue, and trials from elsewhere.

The driver does the same for runners; both close a trial through `ending`, so that a value told at a rung is judged
there, and both hold the log's lock from reading to appending.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from math import inf, isfinite
from numbers import Integral
from typing import TYPE_CHECKING, Any

from trimtab.errors import ObjectiveError, StorageAway, StudyFinished, StudyMismatch, StudyStopped
from trimtab.history import Row, State, Trial
from trimtab.log import JSON, Event, to_text
from trimtab.protocol import ENDS, Done, Need, Start, Wait
from trimtab.run._values import plain, single, storable
from trimtab.study._asked import Asked
from trimtab.study._ends import ending, reap, settle_interrupted
from trimtab.study._facts import complete, named, settled
from trimtab.study._grow import grow, learn
from trimtab.study._log import shown
from trimtab.study._needs import answered, answered_elsewhere
from trimtab.study._queued import queued
from trimtab.study._starts import ask_of, method_of, retry, started

if TYPE_CHECKING:
    from trimtab.study._study import Study

ENDED = (State.FINISHED, State.STOPPED, State.PAUSED)


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────


def ask(study: Study, n: int, expires: float | None, fixed: Mapping[str, JSON] | None) -> list[Asked]:
    """Up to n trials; fewer when no more can be started now, StudyFinished when none can."""
    log, got = study._log, list[Asked]()
    values = _checked(study, fixed, "ask(fixed=…)") if fixed else {}
    while len(got) < n:
        try:
            with log.lock, log.storage.turn(log.study, 5.0):
                got += _decide(study, n - len(got), expires, values)
        except StudyFinished:
            if not got:
                raise
            break
    return got


def _decide(study: Study, n: int, expires: float | None, fixed: Mapping[str, JSON]) -> list[Asked]:
    """Trials of one decision; none when another driver decided first or an answer came in: ask again."""
    log = study._log
    log.refresh()
    study._current()
    if log.ledger.closed is not None:
        raise StudyFinished(f'"{study.name}" has ended: {log.ledger.closed["text"]}. To go on: study.reopen().')
    if log.ledger.alive:
        reap(log, study._me, time.time())
    learn(log, study.searcher, time.time(), study._me)
    events = [] if fixed else _offered_again(study, n, expires)
    if not events:
        begun = time.perf_counter()
        question = ask_of(log.ledger, n, None, fixed)
        acts = study.scheduler.next(shown(log), queued(study.searcher, log.ledger), question)
        if isinstance(acts, Need):
            if acts.key in log.ledger.answers:
                raise StudyStopped(f"{study.searcher.name} asks {acts.key!r} again although the log has an answer.")
            if answered_elsewhere(log.ledger, study._me):
                raise StudyFinished(f'"{study.name}" waits for an answer that a running driver gives. Ask again then.')
            answered(log, acts, None, time.time(), study._me)
            return []
        starts = _starts(study, acts, fixed)
        method, took = method_of(study.searcher), round(time.perf_counter() - begun, 6)
        events = started(log.ledger, starts, question, method, None, at=time.time(), took=took, expires=expires)
    return [Asked.of(study, e) for e in events] if log.decide(*events) else []


def _starts(study: Study, acts: Any, fixed: Mapping[str, JSON]) -> list[Start]:
    """What the scheduler decided, or why there is nothing to ask for."""
    if isinstance(acts, (Wait, Done)) or not acts:
        why = getattr(acts, "why", "") or "nothing was proposed"
        mine = [str(t) for t, row in sorted(study._log.ledger.alive.items()) if row.owner is None]
        mend = (
            f" Tell how trial {', '.join(mine[:8])} ended, then ask again." if isinstance(acts, Wait) and mine else ""
        )
        raise StudyFinished(f'"{study.name}" has nothing to try now: {why}.{mend}')
    if fixed and any(s.proposal.resume is not None for s in acts):
        raise StudyFinished(f"{study.scheduler.name} goes on with a paused trial first: ask() without fixed= for it.")
    return list(acts)


def _offered_again(study: Study, n: int, expires: float | None) -> list[Event]:
    """Trials that were asked for before, and whose time went by or whose driver died."""
    log, out = study._log, list[Event]()
    for trial in sorted(log.ledger.waiting)[:n]:
        row, now = log.ledger.rows[trial], time.time()
        until = settle_interrupted(log, study.scheduler, row, now, study._me)
        if until is not None:
            event = retry(row, until, None, now, log.ledger.version)
            out.append(replace(event, body={**event.body, "expires": expires}) if expires else event)
    return out


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────


def tell(
    study: Study, trial: int | Trial | Asked, values: Any, failed: str | None, sem: Any, step: float | None, cost: Any
) -> None:
    """See Study.tell."""
    log, number = study._log, study._number(trial)
    if failed is not None and values is not None:
        raise ObjectiveError(f"tell({number}, {values!r}, failed={failed!r}): give values or failed=, not both.")
    told = None if values is None else numbers(values)
    spread = None if sem is None else _spread(study, sem)
    at, spent = None if step is None else size(step, "step="), None if cost is None else _cost(cost)
    with log.lock:
        with suppress(StorageAway):  # then the value is kept in a file, by write()
            log.refresh()
        study._current()
        row = log.ledger.rows[number]
        if row.state in ENDED or (row.state is State.FAILED and failed is not None):
            _told_before(study, row, told, failed)
            return
        body = _end(study, row, told, failed)
        if at is not None:
            body["step"] = at
        if spent is not None:
            body["cost"] = spent
        attempt, until = row.attempt, row.until
        if isinstance(trial, Asked):
            attempt, until = trial.attempt, trial._until
            if trial._news:  # define by run: asked for since the last report
                grow(log, number, trial._news, time.time(), study._me)
                body["asked"], trial._news = trial._news, {}
        event = Event("ended", body, number, attempt, time.time())
        if row.state is State.FAILED:  # given up, and now there is a result: nothing is left to judge
            *facts, last = settled(log.ledger, row, event)
        else:
            *facts, last = ending(log, study.scheduler, row, event, until, event.at, "")
        if spread is not None and last.body["state"] != "failed":
            last = replace(last, body={**last.body, "sem": spread})
        log.write(*facts, last)


def _end(study: Study, row: Row, told: Any, failed: str | None) -> dict[str, JSON]:
    """What a runner would have collected: an end with what was `returned`, if anything was."""
    ledger = study._log.ledger
    if failed is not None:
        return {"state": "failed", "error": {"kind": "Told", "text": storable(str(failed), "failed=")}}
    if told is None and row.step is None:
        raise ObjectiveError(
            f"tell({row.number}) without values: nothing was reported. "
            f'Say tell({row.number}, {{"{ledger.objectives[0]}": …}}).'
        )
    if told is not None:
        found = named(ledger, row, told)
        bad = [name for name in ledger.objectives if not isfinite(found[name])]
        if bad:
            text = f'"{bad[0]}" is {found[bad[0]]}'
            return {"state": "failed", "error": {"kind": "NonFinite", "text": text}}
    state = "finished" if row.verdict is None else ENDS[row.verdict[0]]
    return {"state": state, "returned": told}


def _spread(study: Study, sem: Any) -> dict[str, float]:
    names = study._log.ledger.objectives
    if isinstance(sem, Mapping):
        return {str(k): size(v, f'the sem of "{k}"') for k, v in sem.items()}
    if len(names) > 1:
        raise ObjectiveError(f"sem={sem!r}: which objective is it of? Name it: sem={{{names[0]!r}: {sem!r}}}.")
    return {names[0]: size(sem, "sem=")}


def _cost(cost: Any) -> dict[str, JSON]:
    return {
        str(k): size(v, f'the cost "{k}"')
        for k, v in (cost if isinstance(cost, Mapping) else {"seconds": cost}).items()
    }


def _told_before(study: Study, row: Row, told: Any, failed: str | None) -> None:
    """Telling the same again is harmless; anything else is refused."""
    if row.state is State.FAILED:
        return
    had = dict(row.values)
    if failed is None:
        new = None if told is None else named(study._log.ledger, row, told)
        if new is None or all(new[k] == v for k, v in had.items()) or told == row.notes.get("returned"):
            return
    said = f"failed={failed!r}" if failed is not None else told
    raise StudyMismatch(
        f"Trial {row.number} already ended ({row.word}) with {had}; this call says {said}. "
        f'To change it: study.correct({row.number}, {{…}}, reason="…").'
    )


def numbers(values: Any) -> Any:
    """A number, or {metric: number}: of numpy, of one-element arrays, of tensors."""
    if isinstance(values, Mapping):
        return {str(k): _one(v, f'"{k}"') for k, v in values.items()}
    if isinstance(values, (list, tuple)):
        raise ObjectiveError(f'values come as a number or by name: {{"loss": …}}, not as a {type(values).__name__}.')
    return _one(values, "the value")


def _one(value: Any, what: str) -> float:
    try:
        value = single(value)
        if isinstance(value, (bool, str, bytes, complex)) or not hasattr(value, "__float__"):
            raise TypeError(f"{what} is {value!r:.60}; a real number was expected.")
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ObjectiveError(str(error)) from None


def size(value: Any, what: str) -> float:
    """A finite number, at least 0."""
    found = _one(value, what)
    if not 0 <= found < inf:
        raise ObjectiveError(f"{what} is {found:g}; a finite number, at least 0, was expected.")
    return found


# ── what users put in ────────────────────────────────────────────────────────────────────────────────────────────


def enqueue(study: Study, config: Any, seed: int | None, tags: Mapping[str, JSON] | None, why: str) -> bool:
    """See Study.enqueue."""
    log = study._log
    if seed is not None and (not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0):
        raise ValueError(f"enqueue(seed={seed!r}): a whole number, at least 0; left out, the trial has its own.")
    with log.lock:
        log.refresh()
        ledger = log.ledger
        values = _checked(study, config, "enqueue(…)")
        key = to_text(dict(sorted(values.items()))) if _open(study) else ledger.space.key(values)
        body: dict[str, JSON] = {"config": values, "key": key if seed is None else f"{key} seed {seed}"}
        if seed is not None:
            body["seed"] = int(seed)
        if tags:
            body["tags"] = storable(plain(tags), "tags=")
        if why:
            body["why"] = why
        new = body["key"] not in ledger.queued_keys
        if new:
            log.write(Event("enqueued", body, at=time.time()))
        return new


def add(study: Study, config: Any, values: Any, tags: Mapping[str, JSON] | None, sem: Any) -> Trial:
    """See Study.add."""
    log, told = study._log, numbers(values)
    if not isinstance(config, Mapping):
        raise TypeError(f"add({config!r:.60}, …): the configuration is a dict of names and values.")
    while True:
        with log.lock:
            log.refresh()
            ledger, full = log.ledger, log.ledger.space.check(config)
            metrics = told if isinstance(told, Mapping) else {ledger.objectives[0]: told}
            missing = [name for name in ledger.objectives if name not in metrics]
            if missing:
                raise ObjectiveError(f'add(): no value for the objective "{missing[0]}". Say {{"{missing[0]}": …}}.')
            number, now = len(ledger.rows), time.time()
            body: dict[str, JSON] = {"cause": "added", "config": full, "seen": ledger.version, "method": "user"}
            if tags:
                body["tags"] = storable(plain(tags), "tags=")
            end: dict[str, JSON] = {"state": "finished"}
            complete(ledger, end, metrics, None if sem is None else _spread(study, sem))
            if log.decide(Event("started", body, number, 1, now), Event("ended", end, number, 1, now)):
                return ledger.record(number)


def _open(study: Study) -> bool:
    return bool(study._log.ledger.definitions[-1].get("open"))


def _checked(study: Study, config: Any, call: str) -> dict[str, JSON]:
    """Some values of a configuration, in normal form. Define by run takes any: its names are known later."""
    if not isinstance(config, Mapping):
        raise TypeError(f"{call} takes one configuration, a dict of names and values; not {config!r:.60}.")
    if _open(study):
        return {str(k): plain(v) for k, v in config.items()}
    return study._log.ledger.space.check(config, partial=True)
