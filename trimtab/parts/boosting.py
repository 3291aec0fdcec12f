"""Quantiles by boosted trees, many at once.

Idea    Each round fits a small tree to the slope of the pinball loss, and a part of each leaf's quantile of what is
        left goes into the sum. All quantiles, and all parts of the data they are fitted on, grow side by side. A row is
        a list of answers to yes-or-no questions (is this number at most so much, is this choice that label), so what
        every split of every node would gain is one product of matrices, and a tree is seven questions.
Source  Friedman, Greedy Function Approximation, Annals of Statistics 29(5), 2001, algorithm 3, with the pinball loss.
Cost    O(models · n · questions) for each of three levels of each round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
DEPTH = 3
SLIGHT = 1e-6  # a gain that is rounding
NODES, LEAVES = 2**DEPTH - 1, 2**DEPTH


@dataclass(frozen=True)
class Questions:
    """Of a row: is feature[i] at most value[i]; where label[i] holds: is it that label?"""

    feature: Ints
    value: Floats
    label: Bools

    @classmethod
    def of(cls, F: Floats, sizes: Ints, most: int) -> Questions:
        """Halfway between the values of F (n, p), `most` a number; and every label of a choice."""
        found: list[tuple[int, float, bool]] = []
        for j, k in enumerate(sizes.tolist()):
            known = np.unique(F[:, j])
            if k:
                found += [(j, v, True) for v in known.tolist()] if len(known) > 1 else []
                continue
            if len(known) > most + 1:
                known = np.unique(np.quantile(F[:, j], np.linspace(0, 1, most + 1), method="nearest"))
            found += [(j, v, False) for v in (0.5 * (known[:-1] + known[1:])).tolist()]
        feature, value, label = zip(*found, strict=True) if found else ((), (), ())
        return cls(np.array(feature, np.int64), np.array(value, np.float64), np.array(label, bool))

    def answers(self, F: Floats) -> Bools:
        """(questions + 1, m) of rows F (m, p); the last one is always answered by yes."""
        out = np.ones((len(self.feature) + 1, len(F)), bool)
        asked = F.T[self.feature]
        out[:-1] = np.where(self.label[:, None], asked == self.value[:, None], asked <= self.value[:, None])
        return out


@dataclass(frozen=True)
class Boosted:
    """Models: what they start from (g,), the questions (g, rounds, 7) of their trees' nodes, the root first, then each
    level from yes to no, and the values (g, rounds, 8) of their leaves in that order.

    fitted  (g, n): their quantiles of the rows they were made of, those that were left out too
    """

    questions: Questions
    start: Floats
    nodes: Ints
    leaves: Floats
    fitted: Floats

    def predict(self, F: Floats, models: slice = slice(None)) -> Floats:
        """(models, m): quantiles of rows F (m, p)."""
        start, nodes, leaves = self.start[models], self.nodes[models], self.leaves[models]
        g, rounds, _ = nodes.shape
        at = _leaves(self.questions.answers(F), nodes.reshape(g * rounds, NODES))
        at += LEAVES * np.arange(g * rounds)[:, None]
        values: Floats = leaves.ravel().take(at).reshape(g, rounds, len(F)).sum(axis=1)
        return start[:, None] + values


def _leaves(yes: Bools, nodes: Ints) -> Ints:
    """(trees, m): the leaf of each row in each tree, from its answers (questions, m)."""
    first = yes[nodes[:, 0]]
    second = np.where(first, yes[nodes[:, 1]], yes[nodes[:, 2]])
    then, other = (
        np.where(second, yes[nodes[:, 3]], yes[nodes[:, 4]]),
        np.where(second, yes[nodes[:, 5]], yes[nodes[:, 6]]),
    )
    third = np.where(first, then, other)
    bits = first.view(np.uint8) * np.uint8(4) + second.view(np.uint8) * np.uint8(2) + third.view(np.uint8)
    return (np.uint8(LEAVES - 1) - bits).astype(np.int64)


def boosted(
    F: Floats,
    y: Floats,
    sizes: Ints,
    levels: Floats,
    kept: Bools,
    *,
    rounds: int = 50,
    rate: float = 0.2,
    least: int = 1,
    most: int = 32,
) -> Boosted:
    """A model of each quantile in levels (g,), of those rows F (n, p) with values y (n,) that kept (g, n) says.

    sizes  (p,): labels of a choice; 0: a number

    rate   part of a leaf's quantile that is believed
    least  rows in a leaf
    most   questions about a number
    """
    g, n = kept.shape
    questions = Questions.of(F, sizes, most)
    yes = questions.answers(F)
    sides = yes.T.astype(np.float32)
    start = _quantiles(np.broadcast_to(y, (g, n)), np.where(kept, 0, LEAVES), levels)[:, 0]
    fitted = np.repeat(start[:, None], n, axis=1)
    nodes, leaves = np.empty((g, rounds, NODES), np.int64), np.empty((g, rounds, LEAVES))
    for r in range(rounds):
        left = y - fitted
        slope = np.where(kept, levels[:, None] - (left < 0), 0.0)
        nodes[:, r], leaf = _tree(slope, kept, yes, sides, least)
        leaves[:, r] = rate * _quantiles(left, np.where(kept, leaf, LEAVES), levels)
        fitted += np.take_along_axis(leaves[:, r], leaf, axis=1)
    return Boosted(questions, start, nodes, leaves, fitted)


def _tree(slope: Floats, kept: Bools, yes: Bools, sides: NDArray[np.float32], least: int) -> tuple[Ints, Ints]:
    """Questions (g, 7) of one tree a model, and the leaf (g, n) of each row: least squares on the slope."""
    g, n = slope.shape
    none = len(yes) - 1  # the question that splits nothing
    nodes = np.full((g, NODES), none)
    at = np.zeros((g, n), np.int64)  # the row's place in its level, from yes to no
    rows = np.arange(n)
    sums = counts = np.empty(0, np.float32)
    for depth in range(DEPTH):
        width = 2**depth
        inside = kept[:, None] & (at[:, None] == np.arange(0, width, 2)[:, None]) if depth else kept[:, None]
        both = np.concatenate([np.where(inside, slope[:, None], 0.0), inside], axis=1).astype(np.float32)
        told = (both.reshape(-1, n) @ sides).reshape(g, 2, -1, none + 1)
        if depth:  # the other child has what this one has not
            other = np.stack([sums, counts], axis=1) - told
            told = np.stack([told, other], axis=3).reshape(g, 2, width, none + 1)
        sums, counts = told[:, 0], told[:, 1]
        s, c = sums[..., -1:], counts[..., -1:]  # everybody says yes to the last
        others = c - counts
        gain = sums - counts * (s / np.maximum(c, 1))
        gain *= gain
        gain /= np.maximum(counts * others, 1)
        gain[(counts < least) | (others < least)] = 0.0
        best = np.argmax(gain, axis=2)
        found = np.take_along_axis(gain, best[..., None], axis=2)[..., 0] > SLIGHT
        nodes[:, width - 1 : 2 * width - 1] = asked = np.where(found, best, none)
        at = 2 * at + ~yes[np.take_along_axis(asked, at, axis=1), rows]
    return nodes, at


def _quantiles(values: Floats, groups: Ints, levels: Floats) -> Floats:
    """(g, 8): the quantile levels[i] of values[i] (n,) in each of its groups (n,), 0 of an empty one; 8 is no group."""
    g, n = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    inner = np.argsort(np.take_along_axis(groups.astype(np.int8), order, axis=1), axis=1, kind="stable")
    ordered = np.take_along_axis(values, np.take_along_axis(order, inner, axis=1), axis=1)
    size = np.bincount((groups + (LEAVES + 1) * np.arange(g)[:, None]).ravel(), minlength=g * (LEAVES + 1))
    size = size.reshape(g, -1)[:, :LEAVES]
    first = np.cumsum(size, axis=1) - size
    place = levels[:, None] * np.maximum(size - 1, 0)
    low = np.floor(place)
    part = place - low
    at = np.minimum(first + low.astype(np.int64), n - 1)
    below = np.take_along_axis(ordered, at, axis=1)
    above = np.take_along_axis(ordered, np.minimum(at + (part > 0), n - 1), axis=1)
    return np.where(size > 0, (1 - part) * below + part * above, 0.0)
