"""What TPE keeps of a history: for each group of parameters who is good, who is not, and the densities of both.

The fold only queues what an event says; `sync` then brings orders and densities up to date, at most a few rows an ask.
Where trials stand is a function of what is known, and a Parzen does not depend on how it was reached, so a state that
was rebuilt from the log in one go equals one that was kept, bit for bit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, isfinite, isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab.log import Event
from trimtab.parts import pareto
from trimtab.parts.order import best_rows
from trimtab.search.tpe._density import Layout, Parzen

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.tpe import TPE

Floats = NDArray[np.float64]
Entry = tuple[int, float, float, int]  # tier, within, value, number: sorts as section 2.2 ranks
DONE, CUT, INFEASIBLE, FAILED = range(4)  # tiers of section 2.2: finished, stopped or paused, infeasible, failed
CAP = 512  # beyond it only every 2nd, 4th … of the bad trials stays in the density: an ask costs the same at 1e5, and
# regret at 600 and 900 trials of six fixtures is as low as with 2048; with 128 it is half as large again
SHARE, FEWER = 0.15, 0.1  # of the trials that count as good: one objective, several
LEAST = 0.1  # weight of a good trial that adds no hypervolume
CAUTION = 3.0  # times the prior's weight where choices open branches: a branch is judged by trials whose own settings
# were poor, and with weight 1 one in four runs never came back to the best branch (benchmarks/tpe_quality.py)
SPREAD = 0x9E3779B1  # odd; scatters the trials that stay evenly over the numbers, with no regard to parity


@dataclass(slots=True)
class Result:
    """How an ended trial ranks: by tier, then `within` (minus the level, or the violation), then value."""

    tier: int
    within: float
    y: Floats  # (m,)
    c: Floats  # (k,)


def stays(number: int, halvings: int) -> bool:
    """Whether a bad trial is still in the density after so many halvings."""
    return (number * SPREAD >> 7) & ((1 << halvings) - 1) == 0


def result_of(event: Event, history: History) -> Result:
    y, c, feasible = history.outcome(event)
    state = event.body["state"]
    if state not in ("finished", "stopped", "paused") or any(map(isnan, y.tolist())):
        tier, within = FAILED, 0.0
    elif not feasible:
        tier, within = INFEASIBLE, float(np.where(np.isnan(c), np.inf, np.maximum(c, 0.0)).sum())
    elif state == "finished":
        tier, within = DONE, 0.0
    else:
        tier, within = CUT, -float(event.body.get("step") or 0.0)
    return Result(tier, within, y, c)


class Group:
    """Parameters that always occur together, modelled jointly on the trials that have them."""

    def __init__(
        self, columns: Sequence[int], layout: Layout, settings: TPE, history: History, cautious: bool = False
    ) -> None:
        self.columns = np.array(columns, np.int64)
        self.settings = settings
        self.share = settings.share or (FEWER if len(history.objectives) > 1 else SHARE)
        self.most = np.maximum(np.array(layout.sizes, np.float64) - 1.0, 0.0) + (np.array(layout.sizes) == 0)
        self.results: dict[int, Result] = {}
        self.order: list[Entry] = []  # where there is one objective
        self.failed = 0
        self.pending: set[int] = set()
        self.good_ones: frozenset[int] = frozenset()
        self.bad_ones: set[int] = set()
        self.halvings = 0

        self.prior_weight = settings.prior_weight * (CAUTION if cautious and len(layout.choices) else 1.0)

        def new() -> Parzen:
            return Parzen(layout, floor=settings.floor, prior_weight=self.prior_weight)

        self.good, self.bad, self.prior = new(), new(), new()
        self.held, self.broken = [new() for _ in history.constraints], [new() for _ in history.constraints]
        self.weighed: Floats | None = None
        self.stale = True  # the weights, that is
        self.upset = True  # who is good
        self.limits: dict[int, tuple[bool, ...]] = {}

    @property
    def n(self) -> int:
        """Trials that ended with a value (running and failed ones don't count towards the share of good ones)."""
        return len(self.results) - self.failed

    def forget(self, number: int) -> None:
        old = self.results.pop(number, None)
        if old is not None:
            self.failed -= old.tier == FAILED
            if len(old.y) == 1:
                at = bisect_left(self.order, _entry(old, number))
                del self.order[at]
                self._changed(at)
            else:
                self._upset(number)

    def learn(self, number: int, result: Result) -> None:
        self.forget(number)
        self.pending.discard(number)
        self.results[number] = result
        self.failed += result.tier == FAILED
        if len(result.y) == 1:
            entry = _entry(result, number)
            at = bisect_left(self.order, entry)
            self.order.insert(at, entry)
            self._changed(at)
        else:
            self._upset(number)

    def _upset(self, number: int) -> None:
        """Several objectives: anybody may be good now."""
        self.upset = True
        self.stale |= number in self.good_ones

    def _changed(self, at: int) -> None:
        """Something has come to this place in the order, or gone from it."""
        self.stale |= at <= len(self.good_ones)
        self.upset |= at < len(self.good_ones)

    def unsee(self, number: int) -> None:
        """Take a trial out of the densities, because its configuration has changed (define by run)."""
        if number in self.good_ones:
            self.good.update([], [number], np.empty((0, len(self.columns))))
            self.good_ones -= {number}
            self.upset = True
        if number in self.bad_ones:
            self.bad.update([], [number], np.empty((0, len(self.columns))))
            self.bad_ones.discard(number)

    def resort(self, touched: set[int], X: Floats) -> None:
        """Bring both densities up to date after the trials in `touched` have started or ended."""
        size, good = min(ceil(self.share * self.n), self.settings.most), self.good_ones
        if self.upset or size != len(good):
            good, self.upset = frozenset(self._best(size)), False
            touched |= good ^ self.good_ones
        halvings = max(0, ((len(self.results) + len(self.pending)) // CAP).bit_length())
        if halvings != self.halvings:
            self.halvings = halvings
            touched = set(self.results) | self.pending
        added, dropped = sorted(good - self.good_ones), self.good_ones - good
        if added or dropped:
            self.good.update(added, dropped, self.inside(X[added]))
            self.good_ones, self.stale = good, True
        add, drop = [], []
        for t in sorted(touched):
            ended = t in self.results and t not in good and stays(t, halvings)
            here = ended or t in self.pending
            if here and t not in self.bad_ones:
                add.append(t)
            elif not here and t in self.bad_ones:
                drop.append(t)
        if add or drop:
            self.bad.update(add, drop, self.inside(X[add]))
            self.bad_ones.difference_update(drop)
            self.bad_ones.update(add)

    def inside(self, X: Floats) -> Floats:
        """Rows (n, d) of this group's columns; values outside a range that was narrowed count as its ends."""
        rows: Floats = np.minimum(np.maximum(X.take(self.columns, axis=1), 0.0), self.most)
        return rows

    def _best(self, k: int) -> list[int]:
        if self.order:
            return [entry[3] for entry in self.order[:k]]
        return self._best_of_several(k)

    def _best_of_several(self, k: int) -> list[int]:
        """Whole tiers, in each whole fronts, the last one filled up by hypervolume (MOTPE)."""
        tiers: dict[tuple[int, float], list[int]] = {}
        for number in sorted(self.results):
            result = self.results[number]
            if result.tier != FAILED:
                tiers.setdefault((result.tier, result.within), []).append(number)
        chosen: list[int] = []
        for tier in sorted(tiers):
            numbers = tiers[tier]
            if len(chosen) + len(numbers) > k:
                rows = best_rows(np.array([self.results[t].y for t in numbers]), k - len(chosen))
                numbers = [numbers[i] for i in rows]
            chosen += numbers
            if len(chosen) >= k:
                break
        return chosen

    def note_limits(self, number: int, c: Floats, x: Floats) -> None:
        """One pair of densities a constraint: where it held and where it did not."""
        was, now = self.limits.get(number), tuple(bool(v <= 0) for v in c)
        if was is not None and was != now:  # ended before, with another outcome
            for k, ok in enumerate(was):
                (self.held if ok else self.broken)[k].update([], [number], x[:0])
        if was != now:
            for k, ok in enumerate(now):
                (self.held if ok else self.broken)[k].update([number], [], x)
        self.limits[number] = now

    def flat(self) -> bool:
        """All values are the same: nothing to learn from yet."""
        return self.n > 0 and bool(self.order) and self.order[0][:3] == self.order[-1 - self.failed][:3]

    def weights(self) -> Floats | None:
        """Weights (n_good + 1,) of the good density, prior first: by how much each beats the best bad one (EI), or what
        hypervolume each adds.

        None, uniform, where values can't be compared: trials cut at different levels, infinities, four objectives.
        """
        if self.stale:
            lead = self._leads(self.order[: len(self.good_ones) + 1]) if self.order else self._volumes()
            self.stale, self.weighed = False, None
            if lead is not None:
                self.weighed = np.append(lead.mean() * self.prior_weight, lead)
        return self.weighed

    def _volumes(self) -> Floats | None:
        """What hypervolume each good one adds, as a part of the largest; LEAST of it at least."""
        results = [self.results[number] for number in sorted(self.good_ones)]
        if len(results) < 2 or len(results[0].y) > 3 or any(result.tier != DONE for result in results):
            return None
        Y = np.array([result.y for result in results])
        with np.errstate(over="ignore", invalid="ignore"):
            low, width = Y.min(axis=0), np.ptp(Y, axis=0)
        if not np.isfinite(width).all():
            return None
        added = pareto.contributions((Y - low) / np.where(width > 0, width, 1.0), np.full(Y.shape[1], 1.1))
        return np.maximum(added / added.max(), LEAST) if added.max() > 0 else None

    def _leads(self, entries: list[Entry]) -> Floats | None:
        *good, first_bad = entries or [(DONE, 0.0, 0.0, 0)]
        k = len(good)
        if k < len(self.good_ones) or any(entry[:2] != first_bad[:2] for entry in good):
            return None
        if not all(isfinite(entry[2]) for entry in entries):
            return None
        good.sort(key=lambda entry: entry[3])
        lead = first_bad[2] - np.array([entry[2] for entry in good])
        top = float(lead.max()) if k else 0.0
        if not 0.0 < top < np.inf:  # all the same, or too far apart for a float
            return None
        return np.maximum(lead / top, 1e-12)


def _entry(result: Result, number: int) -> Entry:
    value = float(result.y[0])
    return result.tier, result.within, np.inf if isnan(value) else value, number


@dataclass(slots=True)
class State:
    """The fold: groups of columns, and what has happened since the last sync."""

    groups: list[Group]
    started: list[int] = field(default_factory=list)
    ended: list[tuple[int, Result]] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)  # their configurations were still growing
    n: int = 0  # trials that ended with a value
    values: dict[int, bool] = field(default_factory=dict)

    def step(self, event: Event, history: History) -> State:
        number = event.trial
        if number is None:
            return self
        if event.body.get("asked"):
            self.changed.append(number)
        if event.kind == "ended":
            result = result_of(event, history)
            self.n += (result.tier != FAILED) - self.values.get(number, False)
            self.values[number] = result.tier != FAILED
            self.ended.append((number, result))
        elif event.kind == "started":
            self.started.append(number)
        return self

    def sync(self, history: History) -> None:
        """Orders and densities as of now."""
        if not self.started and not self.ended and not self.changed:
            return
        X = history.X_all
        touched = {*self.started, *self.changed, *(number for number, _ in self.ended)}
        for group in self.groups:
            self._sync_group(group, touched, X)
        self.started, self.ended, self.changed = [], [], []

    def _sync_group(self, group: Group, touched: set[int], X: Floats) -> None:
        numbers = sorted(touched)
        sums = X.take(numbers, axis=0).take(group.columns, axis=1).sum(axis=1)  # NaN where a column is not there
        mine = {number for number, total in zip(numbers, sums.tolist(), strict=True) if not isnan(total)}
        for number in self.changed:
            group.unsee(number)
            if number not in group.results and number in mine:
                group.pending.add(number)
        for number in self.started:
            if number in mine and number not in group.results:
                group.pending.add(number)
        for number, result in self.ended:
            if number in mine:
                group.learn(number, result)
                if group.held and result.tier != FAILED:
                    group.note_limits(number, result.c, group.inside(X[number : number + 1]))
        group.resort(set(mine), X)

    def pretend(self, number: int, x: Floats) -> None:
        """Count a proposal (d,) as pending for as long as its batch is being made."""
        for group in self.groups:
            z = group.inside(x[None])
            if not np.isnan(z).any():
                group.bad.update([number], [], z)

    def unpretend(self, numbers: Sequence[int]) -> None:
        """Take back what pretend() did: densities are as they were, bit for bit."""
        for group in self.groups:
            there = [number for number in numbers if number in group.bad.numbers]
            if there:
                group.bad.update([], there, np.empty((0, len(group.columns))))
