"""From what an objective did to the body of its `ended` event. The one place where any exception becomes data."""

from __future__ import annotations

import linecache
import os
import sysconfig
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from trimtab.errors import NonFinite, Reject
from trimtab.log import JSON
from trimtab.protocol import ENDS, Objective
from trimtab.run._values import clean, number, plain

if TYPE_CHECKING:
    from trimtab.run.trial import Trial

TEXT_LIMIT, TRACEBACK_LIMIT = 4_000, 16_000  # characters


def execute(objective: Objective, trial: Trial) -> dict[str, JSON]:
    """Run it and say how it ended, whatever it raises. KeyboardInterrupt (and leaving the debugger) cancels."""
    try:
        returned = objective(trial)
    except BaseException as error:
        return failure(error, trial)
    return outcome(returned, trial)


def outcome(returned: Any, trial: Trial) -> dict[str, JSON]:
    """The body of `ended` for an objective that came back."""
    if trial._error is not None:
        return failure(trial._error, trial)
    if (told := _told(trial)) is not None:
        body = _body(trial, told)
        body["returned"] = _kept(returned)
        return body
    if returned is None and (trial._last or trial._run.source_step):
        # with a checkpoint of its last step there is nothing left to report: what it reported before counts
        return _body(trial, "finished") | {"returned": None}
    try:
        return _body(trial, "finished") | {"returned": _values(returned)}
    except (TypeError, NonFinite) as error:
        return failure(error, trial)


def ending(trial: Trial) -> dict[str, JSON]:
    """The body for a program that is leaving: its values, if any, are read from what it printed."""
    return failure(trial._error, trial) if trial._error is not None else _body(trial, _told(trial) or "finished")


def failure(error: BaseException, trial: Trial) -> dict[str, JSON]:
    """The body of `ended` for an objective that raised."""
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "BdbQuit":
        told = _told(trial)  # a loop of somebody else's may be left this way
        trial.interrupted = told is None
        return _body(trial, told or "cancelled")
    body = _body(trial, "failed")
    body["error"] = describe(error)
    return body


def describe(error: BaseException) -> dict[str, JSON]:
    """{"kind", "text", "where", "traceback"}; where is the innermost line that is the user's own."""
    kind = (
        "NonFinite" if isinstance(error, NonFinite) else "Reject" if isinstance(error, Reject) else type(error).__name__
    )
    try:
        text = clean(str(error))
    except Exception as second:  # its own __str__ is broken
        text = f"(its text could not be made: {second!r})"
    if isinstance(error, SystemExit):
        text = f"the objective called sys.exit({error.code!r})"
    told: dict[str, JSON] = {"kind": kind, "text": text[:TEXT_LIMIT]}
    if kind == "Reject":
        return told
    tb = _without_ours(error.__traceback__)
    if tb is not None:
        if isinstance(error, MemoryError):
            traceback.clear_frames(tb)  # what filled the memory is in their variables, and we need a little now
        told["where"] = clean(_where(tb))
        told["traceback"] = _cut(clean("".join(traceback.format_exception(type(error), error, tb))))
    return told


def _told(trial: Trial) -> str | None:
    """The state a verdict or a request left the trial in; None when it simply ran to its end."""
    if trial._told is None:
        return None
    done = trial.budget is not None and any(step >= trial.budget for step, _ in trial._last.values())
    if trial._bound or (trial._obeyed and not done):
        return ENDS[trial._told]
    return None


def _body(trial: Trial, state: str) -> dict[str, JSON]:
    """What every `ended` has."""
    steps = [step for step, _ in trial._last.values()]
    if state == "finished" and trial._reached:
        steps.append(trial._reached)
    body: dict[str, JSON] = {"state": state, "step": max(steps) if steps else trial._run.source_step or None}
    body["cost"] = {"seconds": round(time.monotonic() - trial._started, 6)}
    notes = dict(trial._notes)
    if trial._dropped:
        notes["reports_dropped"] = trial._dropped
    if notes:
        body["notes"] = notes
    if trial._news:
        body["asked"], trial._news = trial._news, {}
    return body


def _values(returned: Any) -> float | dict[str, float]:
    if returned is None:
        raise TypeError("objective returned None; did you forget `return`?")
    if isinstance(returned, Mapping):
        if not returned:
            raise TypeError("the objective returned an empty dict; a number for each metric was expected")
        return {str(k): number(v, f'returned "{k}"') for k, v in returned.items()}
    if isinstance(returned, (list, tuple)):
        raise TypeError(
            f"the objective returned a {type(returned).__name__} of {len(returned)}; name the values: "
            'return {"loss": …}'
        )
    return number(returned, "returned")


def _kept(returned: Any) -> JSON:
    """A return after an early end is kept when it is a value, and never makes the trial fail."""
    try:
        return None if returned is None else _values(returned)
    except (TypeError, NonFinite):
        return plain(returned) if isinstance(returned, str) else None


HERE = str(Path(__file__).parent.parent) + os.sep
LIBRARIES = tuple({sysconfig.get_path(k) + os.sep for k in ("stdlib", "platstdlib", "purelib", "platlib")})


def _without_ours(tb: TracebackType | None) -> TracebackType | None:
    """The traceback from the objective's own frame on."""
    first = tb
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(HERE):
        tb = tb.tb_next
    return tb or first


def _where(tb: TracebackType) -> str:
    """'train.py:41 in objective   net = Net(…)'"""
    frames = [(f.f_code.co_filename, line, f.f_code.co_name) for f, line in traceback.walk_tb(tb)]
    own = [f for f in frames if not f[0].startswith((HERE, *LIBRARIES, "<frozen"))]
    file, line, name = (own or frames)[-1]
    source = linecache.getline(file, line).strip()
    return f"{os.path.basename(file)}:{line} in {name}" + (f"   {source[:200]}" if source else "")


def _cut(text: str) -> str:
    """The beginning and, above all, the end."""
    if len(text) <= TRACEBACK_LIMIT:
        return text
    head, tail = text[:4_000], text[-(TRACEBACK_LIMIT - 4_100) :]
    return f"{head}\n… {len(text) - len(head) - len(tail)} characters left out …\n{tail}"
