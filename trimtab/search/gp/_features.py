"""Encoded configurations as points between which distances mean something.

Idea    The kernel sees features, one length scale a group of them. A number is itself, on its grid where it has one. A
        choice is one feature a label, 0 or √½, so that two labels are at squared distance 1. What is inactive stands
        at a fixed place: a number in the middle of its range, a choice at a label of its own; and every condition has
        one more feature that says whether it holds. All distances are then Euclidean, so every kernel of them is a
        covariance, and two configurations that differ only in what is inactive are the same point.
Source  Own work, after the one-hot and the imputed encodings that Hutter et al., SMAC, LION 2011, and Swersky et al.,
        Raiders of the Lost Architecture, 2014, compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab._random import stable_hash
from trimtab.space import Permutation, Simplex

if TYPE_CHECKING:
    from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
APART = 0.5**0.5  # one label: two of them are at squared distance 1
MIDDLE = 0.5
SWEPT = 16  # discrete columns of at most so many values are searched value by value, finer ones along their slope


@dataclass(frozen=True)
class Layout:
    """How X (n, d) of a space becomes features (n, p).

    gaps     columns that are unknown in some trial though no condition explains it: they have an indicator, too
    levels   whether the level a trial has reached is one more feature
    """

    space: Space
    gaps: tuple[int, ...] = ()
    levels: bool = False

    @cached_property
    def sizes(self) -> list[int]:
        """Labels of each column; 0: a number."""
        return [c.n if c.kind == "choice" else 0 for c in self.space.columns]

    @cached_property
    def starts(self) -> Ints:
        """The first feature of each column; a choice has one more feature than labels."""
        widths = [k + 1 if k else 1 for k in self.sizes]
        return np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)

    @cached_property
    def conditions(self) -> list[int]:
        """A column for each distinct condition, whose activity tells whether that holds; then the gaps."""
        found: dict[str, int] = {}
        for name, place in self.space.slices.items():
            when = getattr(self.space.domains[name], "when", None)
            if when is not None:
                found.setdefault(str(getattr(when, "text", when)), place.start)
        return [*found.values(), *self.gaps]

    @cached_property
    def group(self) -> Ints:
        """(p,): the length scale of each feature, in rising order."""
        d = len(self.sizes)
        columns = np.repeat(np.arange(d), np.diff(self.starts))
        more = len(self.conditions) + self.levels
        return np.concatenate([columns, np.arange(d, d + more)])

    @property
    def groups(self) -> int:
        return len(self.sizes) + len(self.conditions) + int(self.levels)

    @cached_property
    def mark(self) -> str:
        """Eight characters that another layout does not share: fitted length scales belong to one."""
        words = [f"{c.name}/{c.kind}/{self.sizes[j]}" for j, c in enumerate(self.space.columns)]
        return f"{stable_hash(*words, self.conditions, self.gaps, self.levels):032x}"[:8]

    @cached_property
    def numbers(self) -> Ints:
        return np.array([j for j, k in enumerate(self.sizes) if not k], np.int64)

    @cached_property
    def choices(self) -> Ints:
        return np.array([j for j, k in enumerate(self.sizes) if k], np.int64)

    def features(self, X: Floats, level: Floats | float = 0.0) -> Floats:
        """(n, d) with nan for what is inactive or unknown -> (n, p). level: of each row, 0 the highest."""
        n = len(X)
        out = np.zeros((n, len(self.group)))
        void = np.isnan(X)
        if len(self.numbers):
            Z = X[:, self.numbers]
            out[:, self.starts[self.numbers]] = np.where(void[:, self.numbers], MIDDLE, np.clip(Z, -1.0, 2.0))
        if len(self.choices):
            k = np.array([self.sizes[j] for j in self.choices])
            codes = np.where(void[:, self.choices], k, np.nan_to_num(X[:, self.choices])).astype(np.int64)
            out[np.arange(n)[:, None], self.starts[self.choices] + np.clip(codes, 0, k)] = APART
        at = int(self.starts[-1])
        if self.conditions:
            out[:, at : at + len(self.conditions)] = ~void[:, self.conditions]
        if self.levels:
            out[:, -1] = level
        return out

    # ── what the search for the best acquisition needs to know ──

    @cached_property
    def orders(self) -> list[slice]:
        """The columns of each permutation."""
        return [s for name, s in self.space.slices.items() if isinstance(self.space.domains[name], Permutation)]

    @cached_property
    def shares(self) -> list[slice]:
        """The columns of each simplex."""
        return [s for name, s in self.space.slices.items() if isinstance(self.space.domains[name], Simplex)]

    @cached_property
    def sloped(self) -> Ints:
        """Columns that are searched along their slope."""
        keys = {j for s in self.orders for j in range(s.start, s.stop)}
        columns = self.space.columns
        return np.array([j for j in self.numbers.tolist() if j not in keys and not 0 < columns[j].n <= SWEPT], np.int64)

    @cached_property
    def cells(self) -> Sequence[int]:
        """How many values each discrete ordered column has; 0 for the others."""
        keys = {j for s in self.orders for j in range(s.start, s.stop)}
        return [0 if k or j in keys else self.space.columns[j].n for j, k in enumerate(self.sizes)]


def gaps_of(space: Space, X: Floats) -> tuple[int, ...]:
    """Columns without a condition in which some row is unknown."""
    free = [s for n, s in space.slices.items() if getattr(space.domains[n], "when", None) is None]
    void: list[bool] = np.any(np.isnan(X), axis=0).tolist()
    return tuple(j for s in free for j in range(s.start, s.stop) if void[j] and space.columns[j].kind != "choice")
