"""How subsets, permutations and shares become columns of X; see _coding for the protocol.

Subset       a choice of 0 or 1 an element. A row with too many or too few is repaired: highest columns first.
Permutation  a key an element: the order is that of the keys. Element at place i of k has key (i + ½)/k (random keys,
             Bean, ORSA Journal on Computing 6, 1994).
Simplex      the shares themselves; any row is clipped at 0 and divided by its sum. Drawn as normalised exponentials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.errors import SpaceError
from trimtab.space._coding import ABSENT, Bounds, Column
from trimtab.space._scale import FloatArray
from trimtab.space.domains import plain, token
from trimtab.space.structured import Permutation, Simplex, Subset

LISTED = 100_000  # values of a grid at most


class _Many:
    """What the three share: a row of X a value, and values that are checked and read as Python objects."""

    kind = "real"
    n = 0

    def __init__(self, name: str, domain: Any) -> None:
        self.domain, self.of, self.k = domain, domain.of, len(domain.of)
        self.columns = tuple(Column(f"{name}[{element}]", self.kind, self.n) for element in self.of)
        self._places = {t: i for i, t in enumerate(domain.tokens)}

    def raw(self, values: list[Any]) -> NDArray[Any]:
        rows = np.full((len(values), self.k), math.nan)
        for row, value in zip(rows, values, strict=True):
            with suppress(SpaceError):  # unknown: it was recorded under another space
                row[:] = self.numbers(self.check(value, None))
        return rows

    def numbers(self, value: Any) -> Any:
        raise NotImplementedError

    def value(self, row: list[float]) -> Any:
        raise NotImplementedError

    def check(self, value: Any, bounds: Bounds) -> Any:
        raise NotImplementedError

    def place(self, element: Any) -> int:
        """Where an element stands in `of`."""
        try:
            return self._places[token(plain(element))]
        except (KeyError, TypeError, ValueError):
            raise SpaceError(f"{element!r} is not one of {', '.join(map(repr, self.of))}.") from None

    def places(self, value: Any) -> list[int]:
        if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset | np.ndarray):
            raise SpaceError(f"{value!r} is not a list of elements.")
        found = [self.place(x) for x in value]
        if len(set(found)) < len(found):
            raise SpaceError(f"{value!r} has an element twice.")
        return found

    def to_unit(self, raw: NDArray[Any], bounds: Bounds) -> NDArray[Any]:
        return raw

    def seen(self, raw: NDArray[Any]) -> Any:
        out = np.empty(len(raw), dtype=object)
        out[:] = [math.nan if v is ABSENT else v for v in self.write(raw)]
        return out

    def write(self, raw: NDArray[Any]) -> list[Any]:
        return [ABSENT if row[0] != row[0] else self.value(row) for row in raw.tolist()]

    def draw(self, uniform: FloatArray) -> FloatArray:
        return uniform

    def from_unit(self, unit: FloatArray, bounds: Bounds) -> NDArray[Any]:
        return unit

    def pick(self, uniform: Sequence[float], bounds: Bounds) -> Any:
        return self.write(self.from_unit(self.draw(np.array([uniform], dtype=np.float64)), bounds))[0]

    def _listed(self, count: float, values: Callable[[], list[Any]]) -> list[Any]:
        if count > LISTED:
            raise SpaceError(f"a grid over {count:,} values of a {type(self.domain).__name__} is too large.")
        return values()


class Subsets(_Many):
    kind, n = "choice", 2
    domain: Subset

    @cached_property
    def _ways(self) -> list[list[float]]:
        """ways[c][r]: how many subsets there are with c elements taken and r still to be decided."""
        low, high, k = self.domain.min, self.domain.most, self.k
        return [
            [float(sum(math.comb(r, m) for m in range(max(low - c, 0), high - c + 1))) for r in range(k + 1)]
            for c in range(k + 2)
        ]

    def numbers(self, value: Any) -> Any:
        taken = set(self.places(value))
        return [float(i in taken) for i in range(self.k)]

    def value(self, row: list[float]) -> Any:
        return [x for x, taken in zip(self.of, row, strict=True) if taken]

    def draw(self, uniform: FloatArray) -> FloatArray:
        """Element after element, each with the share of allowed subsets that have it: uniform over all of them."""
        ways = np.array(self._ways)
        out, taken = np.zeros_like(uniform), np.zeros(len(uniform), dtype=np.int64)
        for i in range(self.k):
            left = self.k - i
            hit = uniform[:, i] * ways[taken, left] < ways[taken + 1, left - 1]
            out[:, i] = hit
            taken += hit
        return out

    def from_unit(self, unit: FloatArray, bounds: Bounds) -> NDArray[Any]:
        codes = np.clip(np.rint(unit), 0.0, 1.0)
        count = codes.sum(axis=1)
        for i in np.flatnonzero((count < self.domain.min) | (count > self.domain.most)):
            best = np.argsort(-unit[i], kind="stable")
            codes[i] = 0.0
            codes[i, best[: self.domain.min if count[i] < self.domain.min else self.domain.most]] = 1.0
        return codes

    def check(self, value: Any, bounds: Bounds) -> Any:
        found = sorted(self.places(value))
        if not self.domain.min <= len(found) <= self.domain.most:
            raise SpaceError(
                f"{value!r} has {len(found)} elements; {self.domain.min} to {self.domain.most} are allowed."
            )
        return [self.of[i] for i in found]

    def size(self, bounds: Bounds) -> float:
        return int(sum(math.comb(self.k, m) for m in range(self.domain.min, self.domain.most + 1)))

    def values(self, k: int, ends: bool, bounds: Bounds) -> list[Any]:
        sizes = range(self.domain.min, self.domain.most + 1)
        return self._listed(self.size(None), lambda: [list(c) for m in sizes for c in combinations(self.of, m)])

    def near(self, value: Any, bounds: Bounds, rng: Generator, n: int) -> list[Any]:
        """One element more or less; where the size is fixed, one for another."""
        here = set(self.places(value))
        moves = [here ^ {i} for i in range(self.k)]
        moves += [
            here - {i} | {j}
            for i in sorted(here)
            for j in range(self.k)
            if self.domain.min == self.domain.most and j not in here
        ]
        return [[self.of[i] for i in sorted(m)] for m in moves if self.domain.min <= len(m) <= self.domain.most]


class Orders(_Many):
    domain: Permutation

    def numbers(self, value: Any) -> Any:
        return np.argsort(self.places(value))

    def value(self, row: list[float]) -> Any:
        out: list[Any] = [None] * self.k
        for element, place in zip(self.of, row, strict=True):
            out[int(place)] = element
        return out

    def to_unit(self, raw: NDArray[Any], bounds: Bounds) -> NDArray[Any]:
        return (raw + 0.5) / self.k

    def from_unit(self, unit: FloatArray, bounds: Bounds) -> NDArray[Any]:
        order = np.argsort(unit, axis=1, kind="stable")
        places = np.argsort(order, axis=1, kind="stable").astype(np.float64)
        places[np.isnan(unit).any(axis=1)] = math.nan
        return places

    def check(self, value: Any, bounds: Bounds) -> Any:
        found = self.places(value)
        if len(found) != self.k:
            raise SpaceError(f"{value!r} has {len(found)} of {self.k} elements; an order needs all of them.")
        return [self.of[i] for i in found]

    def size(self, bounds: Bounds) -> float:
        return math.factorial(self.k)

    def values(self, k: int, ends: bool, bounds: Bounds) -> list[Any]:
        return self._listed(self.size(None), lambda: [list(p) for p in permutations(self.of)])

    def near(self, value: Any, bounds: Bounds, rng: Generator, n: int) -> list[Any]:
        """Each two neighbours exchanged, and n exchanges at random."""
        pairs = [(i, i + 1) for i in range(self.k - 1)]
        pairs += [tuple(rng.choice(self.k, 2, replace=False).tolist()) for _ in range(n)]
        out = []
        for i, j in dict.fromkeys((min(p), max(p)) for p in pairs):
            moved = list(value)
            moved[i], moved[j] = moved[j], moved[i]
            out.append(moved)
        return out


class Shares(_Many):
    domain: Simplex

    def numbers(self, value: Any) -> Any:
        return [value[label] for label in self.of]

    def value(self, row: list[float]) -> Any:
        return dict(zip(self.of, row, strict=True))

    def draw(self, uniform: FloatArray) -> FloatArray:
        return self.from_unit(-np.log1p(-uniform), None)

    def from_unit(self, unit: FloatArray, bounds: Bounds) -> NDArray[Any]:
        shares = np.maximum(unit, 0.0)
        total = shares.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            shares = np.where(
                np.abs(total - 1.0) < 1e-9, shares, shares / total
            )  # already shares: stay exactly as they are
        return np.where(total == 0.0, 1.0 / self.k, shares)

    def check(self, value: Any, bounds: Bounds) -> Any:
        if not hasattr(value, "items"):
            raise SpaceError(f"{value!r} is no dict of shares, as {dict.fromkeys(self.of, round(1 / self.k, 3))}.")
        for label in value:
            self.place(label)
        numbers = [plain(value.get(label, 0.0)) for label in self.of]
        if not all(isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x < math.inf for x in numbers):
            raise SpaceError(f"{value!r}: every share must be a number, none below 0.")
        total = math.fsum(numbers)
        if abs(total - 1.0) > 1e-6:
            raise SpaceError(f"{value!r}: the shares sum to {total:g}, not to 1.")
        exact = abs(total - 1.0) < 1e-9
        return {label: float(x) if exact else x / total for label, x in zip(self.of, numbers, strict=True)}

    def size(self, bounds: Bounds) -> float:
        return math.inf

    def values(self, k: int, ends: bool, bounds: Bounds) -> list[Any]:
        """All shares that are whole numbers of (k - 1)ths; the centre alone for k = 1."""
        if k == 1:
            return [self.value([1.0 / self.k] * self.k)]
        parts = k - 1
        bars = self._listed(
            math.comb(parts + self.k - 1, parts), lambda: list(combinations(range(parts + self.k - 1), self.k - 1))
        )
        cuts = [(-1, *b, parts + self.k - 1) for b in bars]
        return [self.value([(b - a - 1) / parts for a, b in pairwise(c)]) for c in cuts]

    def near(self, value: Any, bounds: Bounds, rng: Generator, n: int) -> list[Any]:
        here = np.array([self.numbers(value)])
        return self.write(self.from_unit(here + 0.1 * rng.standard_normal((n, self.k)), None))
