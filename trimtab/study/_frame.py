"""The four lines of the live display.

Idea    They are made from a Heading, a Status and a Moment, and nothing else is read: no clock, no screen. So every
        picture a user can meet is a text that can be tested. What doesn't fit is left out whole, least important first;
        only names are cut. `parts` says what stands in each line, `frame` lays it out as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from trimtab.study._status import Status, about, duration, failed_words
from trimtab.study._text import apart, cells, cut, fitted, pad

LABEL = 8  # columns of the words at the left
BAR = (10, 54)  # columns of the bar, at least and at most
AGAIN = ("   (Ctrl-C again: end {} now)", "   (Ctrl-C: now)", "")  # as there is room


@dataclass(frozen=True, slots=True)
class Heading:
    """What doesn't change while a study runs."""

    name: str
    methods: str
    where: str
    total: int | None
    hint: str = "Ctrl-C to pause"
    save: str = ""  # of a study in memory: what to type to keep it


@dataclass(frozen=True, slots=True)
class Drain:
    """Nothing more is started: why, and what becomes of the trials that still run.

    why       "paused" after Ctrl-C or SIGTERM; else the reason in words
    trials    that still run here
    told      they were asked to end at their next step; False: they run to their end
    steps     they have steps to end at; None where nobody knows yet
    programs  they are programs, whose steps are their own affair
    wait      seconds until they are ended all the same
    now       they are being ended
    """

    why: str
    trials: int
    told: bool = True
    steps: bool | None = None
    programs: bool = False
    wait: float = inf
    now: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is made.

    elapsed  seconds since this run began;  done  trials that ended in it: speed and time left are told from both
    left     seconds until the run's own time is up
    over     how the run ended: its last frame
    """

    elapsed: float = 0.0
    done: int = 0
    left: float = inf
    drain: Drain | None = None
    over: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says: a word in a column of its own, the text, and what stands at the right end."""

    label: str
    text: str
    right: str = ""


def frame(head: Heading, now: Status, at: Moment, width: int = 100) -> list[str]:
    """The block at one moment, as text."""
    name, progress, best, last = parts(head, now, at, width)
    return [
        apart(f"{pad(name.label, LABEL)} {name.text}", name.right, width),
        _with_bar(head, now, progress.text, width),
        cut(f"{pad(best.label, LABEL)} {best.text}", width),
        _if_room(f"{pad(last.label, LABEL)} {last.text}", last.right, width),
    ]


def parts(head: Heading, now: Status, at: Moment, width: int = 100) -> list[Line]:
    """The block at one moment, with as many words as fit so many columns."""
    name, took = cut(head.name, max(LABEL, width // 3)), duration(at.elapsed)
    where = f"{head.methods} · {head.where}"
    kept = f"{where}; {head.save} keeps it" if head.save and at.over else where
    if max(LABEL, cells(name)) + 1 + cells(kept) + 2 + cells(took) <= width:
        where = kept
    return [
        Line(name, where, took),
        Line("", _progress(head, now, at, width)),
        Line("front" if now.front else "best", _best(now, width - LABEL - 1)),
        _last(head, now, at, width),
    ]


def _if_room(left: str, right: str, width: int) -> str:
    left = cut(left, width)
    space = width - cells(left) - cells(right)
    return f"{left}{' ' * space}{right}" if right and space >= 3 else left


def _with_bar(head: Heading, now: Status, text: str, width: int) -> str:
    if not head.total:
        return cut(text, width)
    room = max(BAR[0], min(BAR[1], width - cells(text) - 3))
    full = min(room, room * now.ended // head.total)  # rounded down: a full bar is a study that is done
    return cut(f"{'━' * full}{'╌' * (room - full)}   {text}", width)


def _progress(head: Heading, now: Status, at: Moment, width: int) -> str:
    words = [f"{now.ended}/{head.total}" if head.total else f"{now.ended} ended"]
    if now.running or not at.over:
        words.append(f"{now.running} running" + (f" ({now.elsewhere})" if now.elsewhere else ""))
    words += [f"{now.queued} queued"] * bool(now.queued) + [f"{now.paused} paused"] * bool(now.paused)
    if at.done >= 2 and at.elapsed > 0:
        words.append(speed(at.done, at.elapsed))
    if not at.over and not at.drain and (left := time_left(head.total, now, at)):
        words.append(left)
    return fitted(words, width - BAR[0] - 3 if head.total else width)


def speed(done: int, elapsed: float) -> str:
    """How many trials end in a minute; in a second where that is many, in an hour or a day where it is not one."""
    rate = 60 * done / elapsed
    if rate >= 1:
        return f"{rate:.0f} a minute" if rate < 1_000 else f"{rate / 60:.0f} a second"
    return f"{60 * rate:.0f} an hour" if 60 * rate >= 1 else f"{1440 * rate:.1f} a day"


def time_left(total: int | None, now: Status, at: Moment) -> str:
    """Until the last trial at this speed, or until the run's own time is up; "" where neither is known."""
    guess = inf
    if total and at.done >= 3 and not now.paused and now.ended < total:
        guess = (total - now.ended) * at.elapsed / at.done
    if at.left < guess:
        return f"time is up in {about(at.left)}"
    return f"{about(guess)} left" if guess < inf else ""


def _best(now: Status, width: int) -> str:
    if now.front:
        return fitted(now.front, width)
    if now.best is None:
        return cut(now.note or "none yet", width)
    words = f"{cut(now.objective, max(12, width // 3))} {now.value}"
    notes, room = [f"trial {now.best}"], width - cells(words) - 4
    if now.outside:
        mark = "outside the present space"
        notes.append(mark if cells(f"{notes[0]}; {mark}") <= room else "outside the space")
    if now.default is not None and now.default != now.best:
        notes.append(f"default {now.default_value}")
    notes += [f"feasible: {now.limits}"] * bool(now.limits)
    words += f"  ({fitted(notes, room, '; ')})"
    config = fitted(["", *now.config.split("  ")], width - cells(words) - 1, "  ") if now.config else ""
    return f"{words} {config}".rstrip()


def _last(head: Heading, now: Status, at: Moment, width: int) -> Line:
    room = width - LABEL - 1
    if at.drain is not None and not at.over:
        return Line("pausing" if at.drain.why == "paused" else "ending", _draining(at.drain, room))
    hint = _over(at.over, width) if at.over else head.hint
    words = [f"{now.finished} finished"]
    words += [f"{now.stopped} stopped early"] * bool(now.stopped)
    rest = [f"{now.invalid} invalid"] * bool(now.invalid)
    room -= (cells(hint) + 3) * bool(at.over)  # a run's end is told before what went wrong
    if now.failed:
        words.append(_failed(now, room - cells("   ".join([*words, *rest])) - 3))
    return Line("ended", fitted(words + rest, room), hint)


def _over(over: str, width: int) -> str:
    """`stopped: patience: …`, where half a line has room for the reason; else the word."""
    return over if cells(over) <= width // 2 else over.partition(":")[0]


def _failed(now: Status, room: int) -> str:
    """`31 failed: 20 × ValueError, …`: as many kinds as fit."""
    for k in range(min(3, len(now.failures)), 0, -1):
        more = ", …" if k < len(now.failures) else ""
        text = f"{now.failed} failed: {failed_words(now.failures[:k], alone=not more)}{more}"
        if cells(text) <= room:
            return text
    return f"{now.failed} failed"


def _draining(drain: Drain, width: int) -> str:
    """`2 trials end at their next step and go on next time   (Ctrl-C again: end them now)`, as it fits."""
    again = AGAIN if drain.why == "paused" and drain.trials and not drain.now else ("",)
    for text in _wordings(drain):
        for hint in again:
            line = f"{text}{hint.format('them' if drain.trials != 1 else 'it')}"
            if cells(line) <= width:
                return line
    return cut(line, width)


def _wordings(drain: Drain) -> Iterator[str]:
    """What happens to the trials that run: in full, then shorter."""
    reason = "" if drain.why == "paused" else f"{drain.why}: "
    long, short = drain_words(drain)
    yield f"{reason}{long}"
    yield f"{reason}{short}"
    yield short


def drain_words(drain: Drain) -> tuple[str, str]:
    """What happens to the trials that run, in full and short."""
    n, s = drain.trials, "s" * (drain.trials != 1)
    they, go = ("they go", "go") if s else ("it goes", "goes")
    if not n:
        return ("nothing runs any more",) * 2
    if drain.now:
        return f"{n} trial{s} ended now; {they} on next time", f"{n} trial{s} ended now"
    if not drain.told:
        run = "run" if s else "runs"
        return f"{n} trial{s} {run} to {'their' if s else 'its'} end", f"{n} still {run}"
    if drain.steps:
        when = f"end{'' if s else 's'} at {'their' if s else 'its'} next step"
        return f"{n} trial{s} {when} and {go} on next time", f"{n} trial{s} {when}"
    until = f"up to {drain.wait:.0f} s" if drain.wait < inf else f"for {'their' if s else 'its'} end"
    if drain.programs:
        run = "run" if s else "runs"
        return f"{n} program{s} {run} on; waiting {until}", f"{n} program{s} {run} on"
    if drain.steps is None:
        return f"waiting for {n} trial{s} to reach a step or the end", f"waiting for {n} trial{s}"
    whose = "they don't" if s else "it doesn't"
    return f"{n} trial{s} can't pause ({whose} use trial.steps()); waiting {until}", f"{n} can't pause; waiting {until}"
