"""Repeated blocks in a space, and what changes their number and order.

A block is a group of parameters that a count switches on: "units3" with when="layers > 3". Which these are is found out
by asking which parameters become active as the count rises, so it doesn't matter how the conditions are written. Blocks
that are there at the lowest count have no condition that tells; they are known by their names, which are those of the
others but for a lower number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.parts.genes import Genes
from trimtab.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST = 64  # values of a count
ROWS = 32  # settings of the other parameters under which it is looked who is active
STRUCTURAL = 0.1  # probability of each change of the number or order of blocks
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Blocks:
    """Where blocks lie in a row of X.

    count    column of their number; places (n,): where its values lie in [0, 1]
    columns  (most, w): the columns of each block, in the same order
    base     blocks that are there at the lowest count
    """

    count: int
    places: Floats
    columns: Ints
    base: int

    @property
    def least(self) -> int:
        """The fewest blocks that operators leave: one, where there may be none, has nothing to be told of."""
        return max(self.base, 1)

    @property
    def most(self) -> int:
        return len(self.columns)

    def length(self, x: Floats) -> int:
        """How many blocks the row (d,) has."""
        return self.base + int(np.abs(self.places - x[self.count]).argmin())

    def of(self, x: Floats) -> Floats:
        """(length, w): the genes of the blocks that are there."""
        found: Floats = x[self.columns[: self.length(x)]]
        return found

    def put(self, x: Floats, genes: Floats) -> Floats:
        """The row with these blocks (k, w) in the place of its own."""
        out = np.array(x)
        out[self.columns[: len(genes)]] = genes
        out[self.columns[len(genes) :]] = np.nan
        out[self.count] = self.places[len(genes) - self.base]
        return out


def blocks_of(space: Space) -> Blocks | None:
    """The blocks of a space: those of the count that switches most parameters; None where there are none."""
    if "conditional" not in space.traits:
        return None
    found: list[Blocks] = []
    for j, column in enumerate(space.columns):
        edges = space.column_cells(j)
        if column.kind == "int" and edges is not None and 2 <= column.n <= MOST:
            made = _counted(space, j, (edges[1:] + edges[:-1]) / 2)
            if made is not None:
                found.append(made)
    return max(found, key=lambda b: b.columns.size, default=None)


def _counted(space: Space, j: int, places: Floats) -> Blocks | None:
    """The blocks that column j counts, if all its values switch on as many parameters of the same kinds."""
    n = len(places)
    rows = np.repeat(Genes.of(space).fresh(rng_for(0, "blocks"), ROWS)[None], n, axis=0)
    rows[:, :, j] = places[:, None]
    there = ~np.isnan(space.activate(rows.reshape(-1, space.d))).reshape(n, ROWS, space.d)
    on = there.any(axis=1)  # (n, d): active at this count, whatever the rest
    first = np.where(on.any(axis=0), on.argmax(axis=0), n)
    if (np.diff(on.astype(int), axis=0) < 0).any():
        return None
    groups = [np.flatnonzero(first == v) for v in range(1, n)]
    if not len(groups[0]) or any(_shape(space, g) != _shape(space, groups[0]) for g in groups):
        return None
    early = _early(space, groups[0], np.flatnonzero((first == 0) & (np.arange(space.d) != j)))
    return Blocks(j, places, np.array([*early, *groups], np.int64), len(early))


def _shape(space: Space, columns: Ints) -> list[tuple[str, int]]:
    return [(space.columns[j].kind, space.columns[j].n) for j in columns]


def _early(space: Space, block: Ints, always: Ints) -> list[Ints]:
    """Blocks among the columns that are always there: named as `block` is, with lower numbers, lowest first."""
    names = [space.columns[j].name for j in block]
    numbers = [NUMBER.findall(name) for name in names]
    if not all(numbers):
        return []
    place = next((i for i in range(len(numbers[0])) if all(len(m) > i for m in numbers)), None)
    if place is None or len({m[place] for m in numbers}) > 1:
        return []
    by_name = {space.columns[j].name: int(j) for j in always}
    found: list[Ints] = []
    for number in range(int(numbers[0][place]) - 1, -1, -1):
        wanted = [_renumbered(name, place, number) for name in names]
        if not all(name in by_name for name in wanted):
            break
        columns = np.array([by_name[name] for name in wanted], np.int64)
        if _shape(space, columns) != _shape(space, block):
            break
        found.insert(0, columns)
    return found


def _renumbered(name: str, place: int, number: int) -> str:
    spans = [m.span() for m in NUMBER.finditer(name)]
    begin, end = spans[place]
    return f"{name[:begin]}{number}{name[end:]}"


# ── operators: genes (k, w) of blocks, and origin (k,): which block of the first parent each is, -1 none ─────────────


def crossed(blocks: Blocks, a: Floats, b: Floats, rng: Generator) -> tuple[Floats, Ints]:
    """A child (d,) of two rows: other genes from either; blocks aligned at the front, each whole from either parent,
    the tail from one of them."""
    child = np.where(rng.random(len(a)) < 0.5, a, b)
    child = np.where(np.isnan(child), np.where(np.isnan(a), b, a), child)
    A, B = blocks.of(a), blocks.of(b)
    common = min(len(A), len(B))
    mine = np.append(rng.random(common) < 0.5, np.ones(abs(len(A) - len(B)), bool))
    longer = A if len(A) >= len(B) else B
    keep = len(longer) if rng.random() < 0.5 else common
    genes = np.where(mine[:common, None], A[:common], B[:common])
    genes = np.concatenate([genes, longer[common:keep]])
    origin = np.where(mine[:keep], np.arange(keep), -1)
    if len(A) < len(B):
        origin[common:] = -1
    return blocks.put(child, genes), origin


def grown(blocks: Blocks, x: Floats, to: int, fresh: Floats) -> tuple[Floats, Ints]:
    """The row with blocks appended, from the row `fresh` (d,) that has a value everywhere; its own stay as they are."""
    genes = blocks.of(x)
    k, to = len(genes), min(to, blocks.most)
    if to <= k:
        return np.array(x), np.arange(k)
    genes = np.concatenate([genes, fresh[blocks.columns[k:to]]])
    return blocks.put(x, genes), np.append(np.arange(k), np.full(to - k, -1))


def rearranged(
    blocks: Blocks, x: Floats, origin: Ints, most: int, fresh: Floats, rng: Generator
) -> tuple[Floats, Ints]:
    """Insert, delete, exchange and duplicate blocks, each with probability 0.1."""
    genes, changed = blocks.of(x), False
    for what in ("insert", "delete", "swap", "duplicate"):
        k = len(genes)
        go, at, other = rng.random() < STRUCTURAL, int(rng.integers(max(k, 1))), int(rng.integers(max(k, 1)))
        if not go:
            continue
        if what == "delete" and k > blocks.least:
            genes, origin, changed = np.delete(genes, at, axis=0), np.delete(origin, at), True
        elif what == "swap" and k > 1 and at != other:
            order = np.arange(k)
            order[[at, other]] = order[[other, at]]
            genes, origin, changed = genes[order], origin[order], True
        elif what in ("insert", "duplicate") and 0 < k < most:
            new = fresh[blocks.columns[k]] if what == "insert" else genes[at]
            place = int(rng.integers(k + 1)) if what == "insert" else at + 1
            genes, origin, changed = np.insert(genes, place, new, axis=0), np.insert(origin, place, -1), True
    return (blocks.put(x, genes), origin) if changed else (x, origin)
