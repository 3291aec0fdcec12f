"""Genetic operators on encoded rows: crossover, mutation and what makes their children configurations again.

Idea    A row of X (n, d) is a chromosome: numbers in [0, 1], codes of labels, NaN where a gene is not expressed. All
        operators take and give whole arrays, a row a child. A gene that one parent lacks comes from the other; one
        that both lack is NaN, and `mended` draws it if the child turns out to need it.
Source  SBX and polynomial mutation: Deb & Agrawal, Complex Systems 9, 1995, and Deb's bounded form of NSGA-II (IEEE
        TEC 6(2), 2002); BLX-α: Eshelman & Schaffer, FOGA 2, 1993; uniform crossover: Syswerda, ICGA 1989; orders by
        random keys: Bean, ORSA Journal on Computing 6, 1994.
Leaves  these in one thing: a mutated number that has separate values moves by one of them at least, for a step that is
        rounded away costs a trial its mutation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Move = Callable[[Floats, Generator], Floats]  # numbers (k,) in [0, 1] to where mutation takes them
BEYOND = 1e-9  # past the edge of a cell: the next value
SAME = 1e-14  # parents whose genes differ by less have the same one


@dataclass(frozen=True, slots=True)
class Genes:
    """A space as operators see it.

    space
    labels (d,)  how many labels a choice has; 0: a number
    steps        columns of numbers that have separate values
    """

    space: Space
    labels: Ints
    steps: tuple[int, ...]

    @classmethod
    def of(cls, space: Space) -> Genes:
        labels = [column.n if column.kind == "choice" else 0 for column in space.columns]
        steps = [j for j, column in enumerate(space.columns) if column.kind != "choice" and column.n]
        return cls(space, np.array(labels, np.int64), tuple(steps))

    def inside(self, X: Floats) -> Floats:
        """Rows whose values lie outside a range that was narrowed, moved to its ends."""
        clipped: Floats = np.minimum(np.maximum(X, 0.0), np.where(self.labels > 0, self.labels - 1, 1))
        return clipped

    def fresh(self, rng: Generator, n: int) -> Floats:
        """Draws from the priors (n, d) in which every gene has a value, expressed or not."""
        X = self.space.sample(rng, n)
        spare = rng.random(X.shape)
        return np.where(np.isnan(X), np.where(self.labels > 0, np.floor(spare * self.labels), spare), X)

    def mended(self, X: Floats, fresh: Floats) -> Floats:
        """Each row at the place of a configuration: what it lacks taken from `fresh`, what is inactive NaN.

        Rules of the space are not looked at: ask space.feasible.
        """
        return self.space.snap(self.inside(np.where(np.isnan(X), fresh, X)))


def is_in(X: Floats, x: Floats) -> bool:
    """Whether some row of X (n, d) equals x (d,); NaN equals NaN."""
    rows = np.arange(len(X))
    for j, value in enumerate(x.tolist()):
        column = X[rows, j]
        rows = rows[np.isnan(column) if value != value else column == value]
        if not len(rows):
            return False
    return bool(len(rows))


# ── crossover: rows A and B (n, d) are the two parents of each child ─────────────────────────────────────────────────


def either(A: Floats, B: Floats, first: Mask) -> Floats:
    """A's genes where `first`, else B's; where that parent lacks one, the other's."""
    taken, left = np.where(first, A, B), np.where(first, B, A)
    return np.where(np.isnan(taken), left, taken)


def uniform(A: Floats, B: Floats, rng: Generator, share: float = 0.5) -> Floats:
    """Each gene from A with probability `share`, else from B."""
    return either(A, B, rng.random(A.shape) < share)


def one_point(A: Floats, B: Floats, rng: Generator) -> Floats:
    """A's genes up to a cut, B's after it."""
    n, d = A.shape
    cut = rng.integers(1, max(d, 2), n)
    return either(A, B, np.arange(d) < cut[:, None])


def blend(A: Floats, B: Floats, labels: Ints, rng: Generator, alpha: float = 0.5) -> Floats:
    """BLX-α: numbers uniform in the parents' interval, longer by α of its length at both ends; labels from either."""
    width = B - A
    mixed = A - alpha * width + rng.random(A.shape) * (1.0 + 2.0 * alpha) * width
    return _numbers(mixed, labels, uniform(A, B, rng))


def sbx(A: Floats, B: Floats, labels: Ints, rng: Generator, eta: float = 20.0) -> tuple[Floats, Floats]:
    """Simulated binary crossover within [0, 1]: two children, as near their parents as `eta` is large.

    Numbers are crossed with probability ½, and all genes change places between the children with probability ½.
    """
    low, high = np.fmin(A, B), np.fmax(A, B)
    gap = high - low
    u, apart = rng.random(A.shape), gap > SAME
    width = np.where(apart, gap, 1.0)
    children = []
    for end in (low, 1.0 - high):  # the room beyond each parent, in lengths of the gap
        spread = 2.0 - (1.0 + 2.0 * np.maximum(end, 0.0) / width) ** -(eta + 1.0)
        inner = u * spread
        with np.errstate(invalid="ignore", divide="ignore"):
            beta = np.where(inner <= 1.0, inner, 1.0 / (2.0 - inner)) ** (1.0 / (eta + 1.0))
        children.append(beta)
    left = 0.5 * (low + high - children[0] * gap)
    right = 0.5 * (low + high + children[1] * gap)
    crossed = apart & (rng.random(A.shape) < 0.5)
    swap = rng.random(A.shape) < 0.5
    left, right = np.where(crossed, left, low), np.where(crossed, right, high)
    first, second = np.where(swap, right, left), np.where(swap, left, right)
    return _numbers(first, labels, either(A, B, ~swap)), _numbers(second, labels, either(A, B, swap))


def _numbers(mixed: Floats, labels: Ints, taken: Floats) -> Floats:
    """Mixed genes where both parents have a number, else the one that was taken."""
    return np.where((labels > 0) | np.isnan(mixed), taken, np.clip(mixed, 0.0, 1.0))


# ── mutation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def hit(X: Floats, rng: Generator, rate: float, least: int = 0) -> Mask:
    """Which genes (n, d) mutate: each expressed one with probability `rate`; least=1: one in every row at least."""
    u = np.where(np.isnan(X), np.inf, rng.random(X.shape))
    chosen: Mask = u < rate
    if least and X.shape[1]:
        chosen[np.arange(len(X)), u.argmin(axis=1)] = True  # in a row without any it is the likeliest one
    return chosen & ~np.isnan(X)


def mutated(genes: Genes, X: Floats, chosen: Mask, rng: Generator, move: Move) -> Floats:
    """X with the chosen genes changed: numbers go where `move` says, labels become another one."""
    out = np.array(X)
    rows, columns = np.nonzero(chosen)
    values, labels = X[rows, columns], genes.labels[columns]
    coded = labels > 0
    values[~coded] = _reflected(move(values[~coded], rng))
    others = labels[coded] - 1  # every other label is as likely; a single one stays
    step = np.floor(rng.random(len(others)) * others) + (others > 0)
    values[coded] = (values[coded] + step) % labels[coded]
    out[rows, columns] = values
    for j in genes.steps:
        at = np.flatnonzero(chosen[:, j])
        if at.size:
            out[at, j] = _to_another(genes.space, j, X[at, j], out[at, j])
    return out


def gauss(sd: float = 0.15) -> Move:
    """A normal step."""
    return lambda z, rng: z + sd * rng.standard_normal(len(z))


def polynomial(eta: float = 20.0) -> Move:
    """Deb's polynomial step, which never leaves [0, 1]; the larger eta, the shorter."""

    def move(z: Floats, rng: Generator) -> Floats:
        u = rng.random(len(z))
        down = u < 0.5
        room = 1.0 - np.where(down, z, 1.0 - z)
        part = np.where(down, 2.0 * u, 2.0 * (1.0 - u))
        size = 1.0 - (part + (1.0 - part) * room ** (eta + 1.0)) ** (1.0 / (eta + 1.0))
        return np.where(down, z - size, z + size)

    return move


def anywhere(z: Floats, rng: Generator) -> Floats:
    """A uniform draw, whatever it was."""
    return rng.random(len(z))


def _reflected(z: Floats) -> Floats:
    """Numbers beyond an end of [0, 1] come back from it: clipping would pile them up there."""
    folded: Floats = np.abs((z + 1.0) % 2.0 - 1.0)
    return folded


def _to_another(space: Space, j: int, old: Floats, new: Floats) -> Floats:
    """Where `new` would be rounded back to `old`, the next value on that side, or on the other where there is none."""
    low, high = space.cells(j, old)
    stuck = (new >= low) & (new < high)
    up = np.where(new >= old, high < 1.0 - BEYOND, low <= BEYOND)
    moved: Floats = np.where(stuck, np.where(up, high + BEYOND, low - BEYOND), new)
    return np.clip(moved, 0.0, 1.0)
