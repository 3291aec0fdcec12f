"""Mending a study's past: other values, trials taken out and brought back, failures tried again, notes.

Nothing is erased: each is an `amended` or `noted` event with its reason, and the log keeps both readings.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from trimtab.errors import ObjectiveError, StudyMismatch, UnknownName
from trimtab.history import State, Trial
from trimtab.log import JSON, Event
from trimtab.run._values import plain, storable
from trimtab.space.expression import Expression
from trimtab.study._facts import violation
from trimtab.study._hand import numbers

if TYPE_CHECKING:
    from trimtab.study._study import Study

GROUPS = ("failed", "lost")


def retry(study: Study, trials: Any) -> list[int]:
    """See Study.retry."""
    study._log.refresh()
    rows = study._log.ledger.rows
    if isinstance(trials, str):
        if trials not in GROUPS:
            raise UnknownName(trials, among=GROUPS, kind="group of trials to retry")
        failed = [r for r in rows if r.state is State.FAILED and r.valid]
        chosen = [r.number for r in failed if trials == "failed" or r.word == "lost"]
    else:
        chosen = study._numbers(trials)
        for t in chosen:
            if not rows[t].valid:
                raise StudyMismatch(f"Trial {t} was invalidated, so nothing would read it. First: study.restore({t}).")
            if rows[t].state is not State.FAILED:
                raise StudyMismatch(
                    f"Trial {t} is {rows[t].word}, not failed. "
                    f"To run its configuration once more: study.enqueue(study.trial({t}).config, seed=…)."
                )
    _amend(study, chosen, {"again": True}, "retry")
    return chosen


def correct(study: Study, trial: int | Trial, values: Any, reason: str) -> Trial:
    """See Study.correct."""
    number = study._number(trial)
    study._log.refresh()
    row, ledger = study._log.ledger.rows[number], study._log.ledger
    if row.state is State.RUNNING:
        raise StudyMismatch(f"Trial {number} is still {row.word}; there is nothing to correct yet.")
    _needs(reason, f"correct({number}, …)")
    told = numbers(values)
    if not isinstance(told, Mapping):
        if len(ledger.objectives) > 1:
            names = ", ".join(f'"{name}": …' for name in ledger.objectives)
            raise ObjectiveError(f"correct({number}, {told!r}): of which objective? Say {{{names}}}.")
        told = {ledger.objectives[0]: told}
    if not told:
        raise ObjectiveError(f'correct({number}, {{}}) says no value. Say {{"{ledger.objectives[0]}": …}}.')
    for name in ledger.objectives:
        if name in told and not isfinite(told[name]):
            raise ObjectiveError(
                f"correct({number}): {name} is {told[name]}. To take a trial out: study.invalidate({number}, reason=…)."
            )
        if row.state is State.FAILED and name not in {**row.values, **told}:
            raise ObjectiveError(f'correct({number}): the trial failed, so every objective is needed, "{name}" too.')
    _known(study, told)
    new: dict[str, JSON] = {"values": {k: v for k, v in told.items() if k in ledger.objectives}}
    new["metrics"] = {k: v for k, v in told.items() if k not in ledger.objectives}
    if ledger.constraints:
        every = {**row.metrics, **row.values, **told}
        new["constraints"] = {text: violation(text, every) for text in ledger.constraints}
    _amend(study, [number], {"set": new}, reason)
    return ledger.record(number)


def _known(study: Study, told: Mapping[str, Any]) -> None:
    """Refuse what is nearly the name of a metric: a slip of the pen would be kept, and the value left as it was."""
    from difflib import get_close_matches  # a millisecond to import

    ledger = study._log.ledger
    measured = {m for row in ledger.rows for m in row.metrics}
    asked = {*ledger.objectives, *measured}
    asked |= {n for text in ledger.constraints for n in Expression(text, known=tuple({*asked, *told})).names}
    for name in told:
        if name not in asked and get_close_matches(name, asked, n=1):
            raise UnknownName(name, among=asked, kind="metric of this study")


def invalidate(study: Study, trials: Any, reason: str) -> None:
    """See Study.invalidate."""
    chosen = study._numbers(trials)
    study._log.refresh()
    rows = study._log.ledger.rows
    for t in chosen:
        if rows[t].alive:
            raise StudyMismatch(f"Trial {t} is {rows[t].word}, not over. Tell its end first: study.tell({t}, …).")
    _needs(reason, f"invalidate({chosen[0] if len(chosen) == 1 else chosen})")
    _amend(study, [t for t in chosen if rows[t].valid], {"valid": False}, reason)


def restore(study: Study, trials: Any, reason: str) -> None:
    """See Study.restore."""
    chosen = study._numbers(trials)
    study._log.refresh()
    rows = study._log.ledger.rows
    _amend(study, [t for t in chosen if not rows[t].valid], {"valid": True}, reason)


def note(study: Study, trial: Any, text: str, attributes: Mapping[str, Any]) -> None:
    """See Study.note."""
    told = {**{k: plain(v) for k, v in attributes.items()}, **({"note": plain(text)} if text else {})}
    if isinstance(trial, str):
        raise TypeError(
            f"note({trial!r}): the trial comes first: note(17, {trial!r}); of the study: note(text={trial!r})."
        )
    if told:
        number = None if trial is None else study._number(trial)
        storable(told, "note(…)")
        study._log.write(Event("noted", {"attributes": told}, number, at=time.time()))


def _needs(reason: str, call: str) -> None:
    if not isinstance(reason, str) or not reason.strip():
        raise StudyMismatch(f"{call} needs reason=: whoever reads the log will ask.")


def _amend(study: Study, trials: Sequence[int], body: Mapping[str, JSON], reason: str) -> None:
    storable(reason, "reason=")
    events = [Event("amended", {**body, "reason": reason, "who": "user"}, t, at=time.time()) for t in trials]
    if events:
        study._log.write(*events)
