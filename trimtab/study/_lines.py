"""The display of a log file: lines that can be grepped, time first, no codes, and never a flood of them.

Idea    One line at the start, one an improvement, one a minute at most when anything else changed, one when the run
        begins to pause, one at the end. Improvements may come thousands a second, so no line follows another within a
        second, nor within a fiftieth of the time the run has taken: what was held back is told by the next line, and
        their number grows with the logarithm of time.
"""

from __future__ import annotations

from math import inf

from trimtab.study._frame import Drain, Heading, Moment, drain_words, time_left
from trimtab.study._status import Status

SPEAK = 60.0  # seconds between lines while nothing improved
SHORTEST, SHARE = 1.0, 0.02  # no line sooner after another than this, in seconds and of the time taken


class Lines:
    """What to say next. Feed it the state of things; it says a line, or nothing."""

    def __init__(self, head: Heading) -> None:
        self.head = head
        self._at = -inf  # when the last line was said, in seconds since the run began
        self._said: tuple[object, ...] = ()

    def first(self, now: Status, at: Moment, workers: int) -> str:
        """`resumed, 21/60 trials, best accuracy 0.9822 (trial 14), 2 workers, digits.db`"""
        self._remember(now, at)
        of = f"{now.ended}/{self.head.total} trials" if self.head.total else f"{now.ended} trials"
        words = ["resumed" if now.counted > now.running else "started", of, *best_words(now)]
        words += [f"{workers} worker{'s' * (workers != 1)}"] * bool(workers)
        return ", ".join([*words, self.head.where])

    def next(self, now: Status, at: Moment) -> str:
        """`27/60 accuracy 0.9844 trial 24 model=svm C=40.1`, or `38/60 1 failed, best …, about 2 min left`, or ""."""
        best, ended, drain = self._said
        since = at.elapsed - self._at
        text = ""
        if at.drain is not None and at.drain.trials and at.drain.why != drain:
            text = f"{self._of(now)} {_draining(at.drain)}"
        elif since < max(SHORTEST, SHARE * at.elapsed):
            return ""
        elif _best(now) != best and (now.best is not None or now.front):
            config = now.config.replace("  ", " ")
            found = f"{now.objective} {now.value} trial {now.best} {config}" if now.best is not None else ""
            text = f"{self._of(now)} {found or ', '.join(best_words(now))}"
        elif now.ended != ended and since >= SPEAK:
            left = time_left(self.head.total, now, at)
            words = [f"{now.failed} failed"] * bool(now.failed) + best_words(now) + [left] * bool(left)
            text = f"{self._of(now)} {', '.join(words)}"
        if text:
            self._remember(now, at)
        return text.rstrip()

    def last(self, now: Status, at: Moment) -> str:
        """`60/60 done, best accuracy 0.9861 (trial 29)`"""
        return ", ".join([f"{self._of(now)} {at.over}", *best_words(now)])

    def _of(self, now: Status) -> str:
        return f"{now.ended}/{self.head.total}" if self.head.total else f"{now.ended}"

    def _remember(self, now: Status, at: Moment) -> None:
        self._at, self._said = at.elapsed, (_best(now), now.ended, at.drain.why if at.drain else "")


def _best(now: Status) -> object:
    """What an improvement changes: of several objectives the front, whose size and hypervolume tell of it."""
    return now.best if not now.front else now.front[:2]


def _draining(drain: Drain) -> str:
    reason = "pausing" if drain.why == "paused" else f"ending ({drain.why})"
    return f"{reason}: {drain_words(drain)[0]}"


def best_words(now: Status) -> list[str]:
    """`best accuracy 0.9822 (trial 14)`, or the front, or why there is neither."""
    if now.front:
        return [f"front {now.front[0]}", *now.front[1:]]
    if now.best is None:
        return [now.note] if now.note else []
    mark = ", outside the present space" * now.outside
    return [f"best {now.objective} {now.value} (trial {now.best}{mark})"]
