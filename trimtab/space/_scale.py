"""How a range of numbers lies on [0, 1].

Idea    A continuous range maps its ends to 0 and 1. A range of k separate values is widened by half a value on both
        sides and cut into k cells: a uniform draw then takes every value equally often (the outer ones, too), and value
        i sits at (i + ½)/k. Whole numbers on a log scale have cells between log(v - ½) and log(v + ½).
Bounds  low and high may be arrays (n,): dependent bounds, one pair a row. A scale is then made for the call.
Outside A number outside the range extrapolates on the way in; on the way out everything is clipped to the range.
One     `place` and `pick` are unit() and value() of one number, bit for bit: sums and products are Python's, exp and
        log numpy's, because other libraries round them differently.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Bound = Any  # a float, or an array (n,) of floats
EDGES = 100_000  # with more values than these a column is as good as continuous
EXACT = 2**53  # up to here a float tells whole numbers apart


class Scale(Protocol):
    """Numbers to [0, 1] and back. n: how many values; 0: continuous, or not the same in every row."""

    @property
    def n(self) -> int: ...
    def unit(self, value: FloatArray) -> FloatArray: ...
    def value(self, unit: FloatArray) -> NDArray[Any]: ...
    def place(self, value: float) -> float:
        """unit() of one number; the bounds are numbers, too."""
        ...

    def pick(self, unit: float) -> float | int:
        """value() of one finite number; the bounds are numbers, too."""
        ...

    def cell(self, unit: FloatArray) -> tuple[FloatArray, FloatArray]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A continuous range."""

    low: Bound
    high: Bound
    n: int = 0

    def unit(self, value: FloatArray) -> FloatArray:
        return _ratio(value - self.low, np.subtract(self.high, self.low))

    def value(self, unit: FloatArray) -> FloatArray:
        inside = np.clip(self.low + unit * np.subtract(self.high, self.low), self.low, self.high)
        value: FloatArray = np.where(unit >= 1.0, self.high, inside)
        return value

    def place(self, value: float) -> float:
        width = self.high - self.low
        return (value - self.low) / width if width > 0 else 0.5

    def pick(self, unit: float) -> float:
        if unit >= 1.0:
            return self.high  # type: ignore[no-any-return]
        return min(max(self.low + unit * (self.high - self.low), self.low), self.high)  # type: ignore[no-any-return]

    def cell(self, unit: FloatArray) -> tuple[FloatArray, FloatArray]:
        return unit, unit


@dataclass(frozen=True, slots=True)
class LogLine:
    """A continuous range, spaced by ratio."""

    low: Bound
    high: Bound
    log_low: Bound
    width: Bound
    n: int = 0

    @classmethod
    def of(cls, low: Bound, high: Bound) -> LogLine:
        log_low = _number(np.log(low))
        return cls(low, high, log_low, _number(np.log(high)) - log_low)

    def unit(self, value: FloatArray) -> FloatArray:
        return _ratio(_log(value) - self.log_low, self.width)

    def value(self, unit: FloatArray) -> FloatArray:
        inside = np.clip(np.exp(self.log_low + np.clip(unit, 0.0, 1.0) * self.width), self.low, self.high)
        value: FloatArray = np.where(unit <= 0.0, self.low, np.where(unit >= 1.0, self.high, inside))
        return value

    def place(self, value: float) -> float:
        return _placed(value, self.log_low, self.width)

    def pick(self, unit: float) -> float:
        if unit <= 0.0:
            return self.low  # type: ignore[no-any-return]
        if unit >= 1.0:
            return self.high  # type: ignore[no-any-return]
        value = float(np.exp(self.log_low + unit * self.width))
        return min(max(value, self.low), self.high)  # type: ignore[no-any-return]

    def cell(self, unit: FloatArray) -> tuple[FloatArray, FloatArray]:
        return unit, unit


@dataclass(frozen=True, slots=True)
class Steps:
    """k values low, low + step, …; each has a cell of width 1/k.

    parts > 0 (a power of ten): values are whole numbers of 1/parts, so that 0.1 steps come out as typed.
    """

    low: Bound
    step: float
    k: Bound
    parts: float = 0.0
    whole: bool = False

    @property
    def n(self) -> int:
        return 0 if isinstance(self.k, np.ndarray) else int(self.k)

    def unit(self, value: FloatArray) -> FloatArray:
        k = self.k if isinstance(self.k, np.ndarray) else float(self.k)
        unit: FloatArray = ((value - self.low) / self.step + 0.5) / k
        return unit

    def value(self, unit: FloatArray) -> NDArray[Any]:
        if self.whole and self.n and max(abs(self.low), abs(self.low + self.k * self.step)) > EXACT:
            return _one_by_one(self.pick, unit)
        i = np.clip(np.floor(unit * self.k), 0, np.subtract(self.k, 1))
        if self.parts:
            i = (round(self.low * self.parts) + i * round(self.step * self.parts)) / self.parts
        else:
            i = self.low + i * self.step
        value: FloatArray = i
        return value

    def place(self, value: float) -> float:
        return float(((value - self.low) / self.step + 0.5) / self.k)

    def pick(self, unit: float) -> float | int:
        i = min(max(int(unit * self.k), 0), int(self.k) - 1)
        if self.whole:
            return int(self.low) + i * int(self.step)
        if self.parts:
            return float((round(self.low * self.parts) + i * round(self.step * self.parts)) / self.parts)
        return float(self.low + i * self.step)

    def cell(self, unit: FloatArray) -> tuple[FloatArray, FloatArray]:
        k = self.k if isinstance(self.k, np.ndarray) else float(self.k)
        i = np.clip(np.floor(unit * k), 0, k - 1)
        return i / k, (i + 1) / k


@dataclass(frozen=True, slots=True)
class LogInts:
    """Whole numbers spaced by ratio: the cell of v lies between log(v - ½) and log(v + ½)."""

    low: Bound
    high: Bound
    log_low: Bound
    width: Bound

    @classmethod
    def of(cls, low: Bound, high: Bound) -> LogInts:
        log_low = _number(np.log(np.subtract(low, 0.5)))
        return cls(low, high, log_low, _number(np.log(np.add(high, 0.5))) - log_low)

    @property
    def n(self) -> int:
        return 0 if isinstance(self.low, np.ndarray) or isinstance(self.high, np.ndarray) else self.high - self.low + 1

    def unit(self, value: FloatArray) -> FloatArray:
        return _ratio(_log(value) - self.log_low, self.width)

    def value(self, unit: FloatArray) -> NDArray[Any]:
        if self.n and self.high > EXACT:
            return _one_by_one(self.pick, unit)
        rounded = np.floor(np.exp(self.log_low + np.clip(unit, 0.0, 1.0) * self.width) + 0.5)
        value: FloatArray = np.clip(rounded, self.low, self.high)
        return value

    def place(self, value: float) -> float:
        return _placed(value, self.log_low, self.width)

    def pick(self, unit: float) -> int:
        value = math.floor(float(np.exp(self.log_low + min(max(unit, 0.0), 1.0) * self.width)) + 0.5)
        return int(min(max(value, self.low), self.high))

    def cell(self, unit: FloatArray) -> tuple[FloatArray, FloatArray]:
        value = self.value(unit)
        low, high = (
            _ratio(np.log(value - 0.5) - self.log_low, self.width),
            _ratio(np.log(value + 0.5) - self.log_low, self.width),
        )
        return np.maximum(low, 0.0), np.minimum(high, 1.0)


@dataclass(frozen=True, slots=True)
class Powers:
    """base ** first, base ** (first + 1), …: k of them, all equally wide."""

    base: int
    first: int
    k: int

    @property
    def n(self) -> int:
        return self.k

    def unit(self, value: FloatArray) -> FloatArray:
        return (_log(value) / math.log(self.base) - self.first + 0.5) / self.k

    def value(self, unit: FloatArray) -> NDArray[Any]:
        if self.base ** (self.first + self.k - 1) > EXACT:
            return _one_by_one(self.pick, unit)
        table = np.array([float(self.base**e) for e in range(self.first, self.first + self.k)])
        i = np.clip(np.floor(unit * self.k), 0, self.k - 1)
        return np.where(np.isnan(i), math.nan, table[np.nan_to_num(i).astype(np.int64)])

    def place(self, value: float) -> float:
        log = float(np.log(value)) if value > 0 else math.nan
        return (log / math.log(self.base) - self.first + 0.5) / self.k

    def pick(self, unit: float) -> int:
        return int(self.base ** (self.first + min(max(int(unit * self.k), 0), self.k - 1)))

    def cell(self, unit: FloatArray) -> tuple[FloatArray, FloatArray]:
        i = np.clip(np.floor(unit * self.k), 0, self.k - 1)
        return i / self.k, (i + 1) / self.k


def edges(scale: Scale) -> FloatArray | None:
    """(K + 1,): where the cells begin and end on [0, 1]; None when continuous, or with too many cells to list."""
    if not 0 < scale.n <= EDGES:
        return None
    if isinstance(scale, LogInts):
        inner = np.log(np.arange(scale.low, scale.high + 2) - 0.5)
        cut = (inner - scale.log_low) / scale.width
        cut[0], cut[-1] = 0.0, 1.0
        return np.asarray(cut, dtype=np.float64)
    return np.arange(scale.n + 1) / scale.n


def _log(value: FloatArray) -> FloatArray:
    """log, and unknown (nan) for what has none: a zero of another day must not become -inf in a model."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.where(value > 0, value, math.nan))


def _number(value: Any) -> Any:
    """A scalar of numpy's as Python's own, which is several times as fast to calculate with; arrays as they are."""
    return value if isinstance(value, np.ndarray) else float(value)


def _placed(value: float, log_low: float, width: float) -> float:
    if width <= 0:
        return 0.5 if value > 0 else math.nan
    return (float(np.log(value)) - log_low) / width if value > 0 else math.nan


def _one_by_one(pick: Callable[[float], float | int], unit: FloatArray) -> NDArray[Any]:
    """Whole numbers beyond EXACT, in Python's own arithmetic."""
    return np.array([pick(u) if u == u else math.nan for u in unit.tolist()], dtype=object)


def _ratio(part: Any, whole: Any) -> FloatArray:
    """part / whole; ½ where the range is a single point, as dependent bounds may make it."""
    if isinstance(whole, np.ndarray):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(whole > 0, part / whole, np.where(np.isnan(part), math.nan, 0.5))
    return np.asarray(part / whole if whole > 0 else np.where(np.isnan(part), math.nan, 0.5), dtype=np.float64)
