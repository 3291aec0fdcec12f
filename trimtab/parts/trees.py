"""A forest of regression trees, grown and asked with numpy alone.

Idea    All trees grow at once, level by level: for every feature the rows stand sorted within their node, so that sums
        of prefixes give the gain of every split of every node of every tree in a few passes, and a stable partition
        makes the next level. Choices are split into two sets of labels: in the order of their means the best of all
        subsets is a prefix (Breiman et al., Classification and Regression Trees, 1984, section 4.2).
Source  Breiman, Random Forests, Machine Learning 45, 2001. Thresholds are drawn between the two values that a split
        separates, and a leaf keeps its variance: Hutter, Hoos & Leyton-Brown, SMAC, LION 2011, section 4.1.
Cost    O(trees · n · p) a level, and about twice log2(n) levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ABSENT = -1.0  # stands for what is inactive, below all numbers, so that one split tells it apart
DEEPEST = 48  # levels: only values that grow exponentially make longer trees
PURE = 1e-14  # of the variance of all: a node that varies less is a leaf


@dataclass(frozen=True)
class Forest:
    """Trees as one table of nodes; the first `trees` of them are roots.

    feature    the feature a node splits by; -1: a leaf
    threshold  numbers at or below it go left; for a choice, the row of `lefts`
    child      the left child; the right one is the next
    lefts      (s, k): the labels that go left
    weight, mean, var  of the rows in the node
    """

    trees: int
    sizes: Ints
    feature: Ints
    threshold: Floats
    child: Ints
    lefts: Bools
    weight: Floats
    mean: Floats
    var: Floats

    def leaves(self, F: Floats) -> Ints:
        """(trees, m): the leaf that each row of F (m, p) comes to."""
        m = len(F)
        flat, choices = np.ascontiguousarray(F).ravel(), self.sizes > 0
        out = np.empty(self.trees * m, np.int64)
        left_of = len(self.lefts) > 0
        who = np.arange(self.trees * m)
        row = np.tile(np.arange(m) * F.shape[1], self.trees)
        node = np.repeat(np.arange(self.trees), m)
        while True:
            feature = self.feature.take(node)
            on = feature >= 0
            if not on.all():
                out[who[~on]] = node[~on]
                who, row, node, feature = who[on], row[on], node[on], feature[on]
                if not len(who):
                    return out.reshape(self.trees, m)
            value, threshold = flat.take(row + feature), self.threshold.take(node)
            right = value > threshold
            if left_of:
                labelled = np.flatnonzero(choices.take(feature))
                right[labelled] = ~self.lefts[threshold[labelled].astype(np.int64), value[labelled].astype(np.int64)]
            node = self.child.take(node) + right

    def predict(self, F: Floats) -> tuple[Floats, Floats]:
        """Mean and variance (m,) over the trees, by the law of total variance."""
        leaves = self.leaves(F)
        means = self.mean[leaves]
        mean = means.mean(axis=0)
        return mean, self.var[leaves].mean(axis=0) + ((means - mean) ** 2).mean(axis=0)

    def believing(self, F: Floats, y: Floats) -> Forest:
        """With further rows (m, p) and their values (m,) in the leaves they come to."""
        leaves = self.leaves(F).ravel()
        values = np.tile(y, self.trees)
        weight, total, square = self.weight.copy(), self.weight * self.mean, self.weight * (self.var + self.mean**2)
        np.add.at(weight, leaves, 1.0)
        np.add.at(total, leaves, values)
        np.add.at(square, leaves, values**2)
        mean = total / weight
        return replace(self, weight=weight, mean=mean, var=np.maximum(square / weight - mean**2, 0.0))


def forest(
    F: Floats,
    y: Floats,
    sizes: Ints,
    rng: Generator,
    *,
    trees: int = 30,
    share: float = 5 / 6,
    min_split: float = 3,
    rows: int | None = None,
) -> Forest:
    """Trees on rows F (n, p) with values y (n,). sizes (p,): labels of a choice, coded 0, 1 …; 0: a number.

    share      of the features that each split may look at
    min_split  rows a node must have to be split
    rows       a tree is grown on so many draws, with replacement; None: n of them
    """
    n = len(y)
    drawn = rng.integers(n, size=(trees, n if rows is None else min(rows, n))) + n * np.arange(trees)[:, None]
    weights = np.bincount(drawn.ravel(), minlength=trees * n).astype(np.float64)
    grower = _Grower(F, y, sizes, weights, trees, rng, share, min_split)
    while grower.level():
        pass
    return grower.done()


class _Grower:
    """Trees as they grow. An entry is a row in a tree; those of one open node stand side by side."""

    def __init__(
        self, F: Floats, y: Floats, sizes: Ints, weights: Floats, trees: int, rng: Generator, share: float, least: float
    ) -> None:
        n, p = F.shape
        self.rng, self.least, self.trees, self.sizes = rng, least, trees, sizes
        self.numbers, self.choices = np.flatnonzero(sizes == 0), np.flatnonzero(sizes > 0)
        self.labels = int(sizes.max(initial=0))
        self.looked = max(1, ceil(share * p))
        there = np.flatnonzero(weights)
        self.w, self.y = weights[there], y[there % n]
        self.deviation = np.zeros(len(there))  # of an entry from its node's mean, times its weight
        self.values = np.ascontiguousarray(F[there % n].T)  # (p, entries)
        self.codes = self.values[self.choices].astype(np.int64)
        self.pure = PURE * max(float(y.var()), 1e-300)
        self.node = there // n  # of each entry, as a place among the open nodes
        place = np.full(trees * n, -1, np.int64)
        place[there] = np.arange(len(there))
        self.orders = np.empty((len(self.numbers), len(there)), np.int64)
        for i, j in enumerate(self.numbers):
            ranks = np.argsort(F[:, j], kind="stable") + n * np.arange(trees)[:, None]
            found = place[ranks.ravel()]
            self.orders[i] = found[found >= 0]
        self.entries = np.arange(len(there))
        self.rows = self.numbers[:, None] * len(there)  # where a feature's values begin
        self.open = trees  # nodes of this level
        self.first = 0  # and the number of the first of them
        self.depth = 0
        self.table: list[tuple[Ints, Floats, Ints, Floats, Floats, Floats]] = []
        self.lefts: list[Bools] = []
        self.sets = 0

    def level(self) -> bool:
        """Split the nodes of this level; whether there are any below."""
        size = np.bincount(self.node[self.entries], minlength=self.open)
        self.starts = np.concatenate([[0], np.cumsum(size)])
        self.of = np.repeat(np.arange(self.open), size)  # the node of each place
        node, w = self.node[self.entries], self.w[self.entries]
        weight: Floats = np.bincount(node, w, self.open).astype(np.float64)
        mean = np.bincount(node, w * self.y[self.entries], self.open) / weight
        off = self.y[self.entries] - mean[node]
        self.deviation[self.entries] = w * off
        var = np.bincount(node, w * off * off, self.open) / weight
        may = (weight >= self.least) & (var > self.pure) & (self.depth < DEEPEST)
        feature, threshold = self._splits(weight, may)
        split = feature >= 0
        child: Ints = np.where(split, self.first + self.open + 2 * (np.cumsum(split) - 1), -1)
        self.table.append((feature, threshold, child, weight, mean, var))
        self._descend(feature, threshold, split)
        return bool(self.open)

    def done(self) -> Forest:
        columns = [np.concatenate(column) for column in zip(*self.table, strict=True)]
        feature, threshold, child, weight, mean, var = columns
        lefts = np.concatenate(self.lefts) if self.lefts else np.zeros((0, max(self.labels, 1)), bool)
        return Forest(self.trees, self.sizes, feature, threshold, child, lefts, weight, mean, var)

    # ── the best split of every node ──

    def _splits(self, weight: Floats, may: Bools) -> tuple[Ints, Floats]:
        """Feature (-1: none) and threshold of each node."""
        p, s = len(self.sizes), self.open
        gains = np.full((p, s), -np.inf)
        by_place = self._number_gains(weight) if len(self.numbers) else np.empty((0, 0))
        if len(self.numbers):
            gains[self.numbers] = np.maximum.reduceat(by_place, self.starts[:-1], axis=1)
        if len(self.choices):
            gains[self.choices], ends, ranked, empty = self._choice_gains(weight)
        if self.looked < p:  # the others are left out; where they were the only ones, so be it
            keys = self.rng.random((p, s))
            gains[keys > np.partition(keys, self.looked - 1, axis=0)[self.looked - 1]] = -np.inf
        feature = np.argmax(gains, axis=0)
        best = gains[feature, np.arange(s)]
        feature = np.where(may & np.isfinite(best), feature, -1)
        threshold = np.zeros(s)
        draw = self.rng.random(s)
        kinds = np.zeros(p, np.int64)
        kinds[self.numbers], kinds[self.choices] = np.arange(len(self.numbers)), np.arange(len(self.choices))
        at = np.flatnonzero((feature >= 0) & (self.sizes[feature] == 0))
        if len(at):
            threshold[at] = self._thresholds(
                by_place, np.where(self.sizes[feature] == 0, kinds[feature], 0), best, draw
            )[at]
        at = np.flatnonzero((feature >= 0) & (self.sizes[feature] > 0))
        if len(at):
            c = kinds[feature[at]]
            left = np.zeros((len(at), self.labels), bool)
            before = np.arange(self.labels) <= ends[c, at][:, None]
            np.put_along_axis(left, ranked[c, at], before, axis=1)
            fair = self.rng.random(left.shape) < 0.5  # labels that this node has not seen go either way
            self.lefts.append(np.where(empty[c, at], fair, left))
            threshold[at] = self.sets + np.arange(len(at))
            self.sets += len(at)
        return feature, threshold

    def _number_gains(self, weight: Floats) -> Floats:
        """(numbers, places): what a split after each place would explain; -inf where there can be none."""
        # deviations from a node's mean sum to 0, so what is summed before a node's first place is 0 as well
        sums = np.cumsum(self.deviation.take(self.orders), axis=1)
        left = np.cumsum(self.w.take(self.orders), axis=1)  # whole numbers: exact
        left -= (np.cumsum(weight) - weight).take(self.of)
        right = weight.take(self.of) - left
        self.sorted = self.values.ravel().take(self.orders + self.rows)
        can = self.sorted[:, :-1] < self.sorted[:, 1:]
        can &= self.of[:-1] == self.of[1:]
        sums *= sums
        left *= np.maximum(right, 0.5)
        sums /= left  # times the node's weight, the same for all its splits: L²(1/l + 1/r) = L²w/(lr)
        gains = np.full(sums.shape, -np.inf)
        np.copyto(gains[:, :-1], sums[:, :-1], where=can)
        return gains

    def _thresholds(self, gains: Floats, which: Ints, best: Floats, draw: Floats) -> Floats:
        """(nodes,): a number between the two values that the best split by a number separates."""
        places = np.arange(len(self.of))
        row = which[self.of]
        hit = np.flatnonzero(gains[row, places] == best[self.of])[::-1]
        at = np.zeros(self.open, np.int64)
        at[self.of[hit]] = hit  # the first of equals, since it is written last
        low = self.sorted[which, at]
        high = self.sorted[which, np.minimum(at + 1, len(places) - 1)]
        cut = np.minimum(low + draw * (high - low), np.nextafter(high, -np.inf))
        return np.where((low == ABSENT) & (high > 0.5 * ABSENT), 0.5 * ABSENT, cut)

    def _choice_gains(self, weight: Floats) -> tuple[Floats, Ints, Ints, Bools]:
        """For each choice and node: the best gain, up to where in the order of labels, that order, who is not there."""
        c, s, k = len(self.choices), self.open, self.labels
        node, entries = self.node[self.entries], self.entries
        keys = ((np.arange(c)[:, None] * s + node) * k + self.codes[:, entries]).ravel()
        counts = np.bincount(keys, np.tile(self.w[entries], c), c * s * k).reshape(c, s, k)
        sums = np.bincount(keys, np.tile(self.deviation[entries], c), c * s * k).reshape(c, s, k)
        empty = counts == 0
        ranked = np.argsort(np.where(empty, np.inf, sums / np.where(empty, 1.0, counts)), axis=2, kind="stable")
        left = np.cumsum(np.take_along_axis(counts, ranked, axis=2), axis=2)
        total = np.cumsum(np.take_along_axis(sums, ranked, axis=2), axis=2)
        right = weight[:, None] - left
        can = right > 0.5
        gains = np.where(can, total * total / (left * np.where(can, right, 1.0)), -np.inf)
        ends = np.argmax(gains, axis=2)
        return np.take_along_axis(gains, ends[:, :, None], axis=2)[:, :, 0], ends, ranked, empty

    # ── the next level ──

    def _descend(self, feature: Ints, threshold: Floats, split: Bools) -> None:
        """Entries to the children of their nodes; those of leaves are done."""
        node = self.node[self.entries]
        mine = feature[node]
        value = self.values[np.maximum(mine, 0), self.entries]
        left = value <= threshold[node]
        if self.lefts:
            at = np.flatnonzero((mine >= 0) & (self.sizes[mine] > 0))
            if len(at):
                sets = np.concatenate(self.lefts) if len(self.lefts) > 1 else self.lefts[0]
                self.lefts = [sets]
                left[at] = sets[threshold[node[at]].astype(np.int64), value[at].astype(np.int64)]
        rank = np.cumsum(split) - 1
        self.node[self.entries] = np.where(split[node], 2 * rank[node] + ~left, -1)
        self.first += self.open
        self.open = 2 * int(split.sum())
        self.depth += 1
        self.orders = self._partitioned(self.orders)
        self.entries = self.entries[self.node[self.entries] >= 0]

    def _partitioned(self, orders: Ints) -> Ints:
        """Entries by their new nodes, those of one node in the order they had."""
        if not len(orders) or not self.open:
            return np.empty((len(orders), 0), np.int64)
        p, target = len(orders), self.node.take(orders)
        kept = target >= 0
        if not kept.all():
            orders, target = orders[kept].reshape(p, -1), target[kept].reshape(p, -1)
        right = target & 1
        size = np.bincount(target[0], minlength=self.open)
        starts = np.cumsum(size) - size
        rights = np.cumsum(right, axis=1) - right  # those before it that went right
        # what goes left moves down by the rights before it in its node; what goes right stands after all lefts
        pair = target[0] >> 1  # the same for all features: they are sorted by the old nodes
        before = (np.cumsum(size[1::2]) - size[1::2]).take(pair)
        lefts = np.arange(target.shape[1]) + before
        goal = np.where(right, starts[1::2].take(pair) - before + rights, lefts - rights)
        goal += np.arange(p)[:, None] * target.shape[1]
        out = np.empty(orders.size, np.int64)
        out[goal] = orders
        return out.reshape(p, -1)
