"""What a history tells about each configuration, as a table that trees can be grown on.

Rows are trials that ended, oldest first; beyond `most` the best, the newest and an even part of the rest. A failed one
counts like the worst value. Numbers are themselves, and below all numbers where they are inactive; a choice is its
label, with one more for "inactive". How far a trial that was cut short has come is one more column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.history import State
from trimtab.parts.normal import quantile
from trimtab.parts.order import violation
from trimtab.parts.trees import ABSENT
from trimtab.parts.useful import reached, useful

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LABELS = 32  # a choice of more is a number: the rank of its label's mean
SHARES = (0.4, 0.3)  # of a full table: the best trials, and the newest


@dataclass(frozen=True)
class Coder:
    """From encoded configurations (n, d) to features (n, p).

    ranks   for each column with too many labels, where each label stands from 0 to 1
    levels  whether the level that was reached is a feature
    """

    space: Space
    ranks: dict[int, Floats]
    levels: bool

    @property
    def sizes(self) -> Ints:
        """(p,): labels of each feature, "inactive" among them; 0: a number."""
        sizes = [c.n + 1 if c.kind == "choice" and 2 < c.n <= LABELS else 0 for c in self.space.columns]
        return np.array(sizes + [0] * self.levels, np.int64)

    def features(self, X: Floats, level: Floats | float = 0.0) -> Floats:
        """level: of each row, 0 the highest."""
        F = np.empty((len(X), self.space.d + self.levels))
        for j, column in enumerate(self.space.columns):
            x = X[:, j]
            void = np.isnan(x)
            if column.kind != "choice":
                F[:, j] = np.where(void, ABSENT, np.clip(x, 0.0, 1.0))
                continue
            code = np.where(void | (x < 0) | (x >= column.n), column.n, x).astype(np.int64)
            if j in self.ranks:
                F[:, j] = np.append(self.ranks[j], ABSENT)[code]
            else:
                F[:, j] = code if column.n > 2 else np.where(code == column.n, ABSENT, code)
        if self.levels:
            F[:, -1] = 1.0 + level  # from 0 to 1, so that none is taken for ABSENT
        return F


@dataclass(frozen=True)
class Table:
    """X (n, d) and its features F (n, p); y (n,), nan: failed; C (n, k), nan: not measured.

    order   rows that have a value, best first: feasible ones by value, then by how little they violate
    scores  (n,): what the models are of
    """

    coder: Coder
    X: Floats
    F: Floats
    y: Floats
    C: Floats
    order: Ints
    feasible: NDArray[np.bool_]
    scores: Floats

    @property
    def best(self) -> float | None:
        """The least feasible score."""
        rows = self.order[:1]
        return float(self.scores[rows[0]]) if len(rows) and self.feasible[rows[0]] else None

    @property
    def flat(self) -> bool:
        """There is nothing to learn from the values."""
        known = self.y[np.isfinite(self.y)]
        return len(known) == len(self.y) and bool((known == known[0]).all()) if len(known) else True

    def limits(self) -> Iterator[tuple[Ints, Floats, float]]:
        """Of each constraint: rows that tell of it, their scores, and the score of its limit.

        A failed trial is bad for its value, not for this as well.
        """
        for c in self.C.T:
            rows = np.flatnonzero(np.isfinite(self.y) | ~np.isnan(c))
            if len(rows) > 1:
                n, held = len(rows), float((c[rows] <= 0).sum())
                bound = quantile(np.array([min(max(held, 0.25), n - 0.25) / n]))
                yield rows, normal_scores(c[rows]), float(bound[0])

    def back(self, scores: Floats) -> Floats:
        """The values that scores (m,) stand for."""
        known = np.flatnonzero(np.isfinite(self.y))
        known = known[np.argsort(self.y[known], kind="stable")]
        with np.errstate(over="ignore", invalid="ignore"):
            values: Floats = np.interp(scores, self.scores[known], self.y[known])
        return values


@dataclass(frozen=True)
class Results:
    """What trials have shown, oldest first: X (n, d), Y (n, m) with nan for no value, C (n, k), how far they came."""

    space: Space
    X: Floats
    Y: Floats
    C: Floats
    level: Floats

    @classmethod
    def of(cls, history: History, *, running: bool = False) -> Results:
        """Those that ended or pause; running: also the last reports of those that run."""
        rows, Y = np.flatnonzero(history.state != State.RUNNING), history.Y
        if running and not history.constraints:
            Y = Y.copy()
            more = np.flatnonzero(history.state == State.RUNNING)
            for row in more.tolist():
                Y[row] = _last(history, int(history.numbers[row]))
            rows = np.sort(np.concatenate([rows, more[np.isfinite(Y[more]).all(axis=1)]]))
        level = reached(history.state[rows], history.level[rows])
        return cls(history.space, history.X[rows], Y[rows], history.C[rows], level)

    @property
    def known(self) -> int:
        """How many have a value."""
        return int(np.isfinite(self.Y).all(axis=1).sum())

    def table(self, rng: Generator, most: int, *, levels: bool) -> Table:
        """Several objectives become one by weights from rng (ParEGO); levels: whether those reached are a feature."""
        y = self.Y[:, 0]
        if self.Y.shape[1] > 1:
            from trimtab.search.gp._outputs import scalarised

            y, _ = scalarised(self.Y, rng)
        y = np.where(np.isfinite(y), y, np.nan)
        rows = useful(y, most, SHARES)
        y, X, C = y[rows], self.X[rows], self.C[rows]
        level = self.level[rows] if levels else np.zeros(len(rows))
        broken = violation(C)
        feasible = np.isfinite(y) & ~(broken > 0)
        order = np.lexsort((np.where(feasible, y, broken), ~feasible))
        order = order[np.isfinite(y[order])]
        coder = Coder(self.space, _ranks(self.space, X, y), bool(level.any()))
        return Table(coder, X, coder.features(X, level), y, C, order, feasible, normal_scores(y))


def _last(history: History, trial: int) -> Floats:
    """The newest report (m,) of each objective; nan where there is none."""
    curve = history.reports(trial)
    out = np.full(len(history.objectives), np.nan)
    if len(curve):
        row = int(np.argmax(curve.step))
        for j, name in enumerate(history.objectives):
            if name in curve.metrics:
                out[j] = history.sign(name) * curve.metrics[name][row]
    return out


def normal_scores(values: Floats) -> Floats:
    """Of n values the i-th smallest becomes the (i - ½)/n quantile of a standard normal; nan counts as the largest.

    Order is all a tree needs, and one diverged run then costs nothing, and what is best stands apart however small its
    lead. Equal values stay equal.
    """
    filled = np.where(np.isnan(values), np.inf, values)
    ordered = np.sort(filled)
    first, last = np.searchsorted(ordered, filled), np.searchsorted(ordered, filled, side="right")
    return quantile(0.5 * (first + last) / len(values))


def running(history: History) -> Floats:
    """Configurations (m, d) that run, in the order of what they are, not of who runs them."""
    X: Floats = history.X[history.state == State.RUNNING]
    if len(X) and X.shape[1]:
        X = X[np.lexsort(np.nan_to_num(X, nan=-1.0).T[::-1])]
    return X


def _ranks(space: Space, X: Floats, y: Floats) -> dict[int, Floats]:
    """Of choices with very many labels: the labels by the mean of their values, those nobody tried in the middle."""
    found: dict[int, Floats] = {}
    wide: Sequence[int] = [j for j, c in enumerate(space.columns) if c.kind == "choice" and c.n > LABELS]
    for j in wide:
        n = space.columns[j].n
        known = np.flatnonzero(np.isfinite(y) & ~np.isnan(X[:, j]) & (X[:, j] < n))
        place = np.full(n, 0.5)
        if len(known):
            codes, rank = X[known, j].astype(np.int64), np.argsort(np.argsort(y[known], kind="stable")) / len(known)
            counts = np.bincount(codes, minlength=n)
            place = (np.bincount(codes, rank, n) + 0.5) / (counts + 1)  # shrunk to the middle, as by one more trial
        found[j] = place
    return found
