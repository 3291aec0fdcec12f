"""How the values of one parameter become columns of X, and come back.

Two stages. raw: values as numbers (codes for labels), which is what expressions compare; unit: what X holds. A coding
is made once a parameter, when the space is made. It knows nothing of conditions; dependent bounds are told to it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space._scale import FloatArray, Line, LogInts, LogLine, Powers, Scale, Steps
from trimtab.space.domains import Bool, Choice, Float, Int, plain, token
from trimtab.space.expression import Coded, Expression

SPREAD = 0.2  # sd of a numeric neighbour in unit coordinates, as in SMAC's local search


class _Absent:
    """Stands where a configuration has no value."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()
Bounds = tuple[Any, Any] | None  # (low, high) of dependent bounds: numbers, or arrays (n,)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of X. n: how many values it takes; 0: continuous, or not the same in every row.

    kind  "real" and "int" and "ordinal": in [0, 1]; "choice": codes 0 … n - 1
    """

    name: str
    kind: str
    n: int = 0


class Coding(Protocol):
    """What Space asks of the values of a parameter. Arrays are (n, width); raw is (n,) unless structured."""

    @property
    def columns(self) -> tuple[Column, ...]: ...
    def raw(self, values: list[Any]) -> NDArray[Any]:
        """Values as numbers; nan for nan and for what it does not know. Never raises."""
        ...

    def to_unit(self, raw: NDArray[Any], bounds: Bounds) -> NDArray[Any]: ...
    def from_unit(self, unit: FloatArray, bounds: Bounds) -> NDArray[Any]: ...
    def draw(self, uniform: FloatArray) -> FloatArray:
        """The inverse distribution function of the prior: uniform numbers to unit (columns of X)."""
        ...

    def seen(self, raw: NDArray[Any]) -> Any:
        """The column as expressions read it."""
        ...

    def write(self, raw: NDArray[Any]) -> list[Any]:
        """Python values; ABSENT where nan."""
        ...

    def pick(self, uniform: Sequence[float], bounds: Bounds) -> Any:
        """draw, from_unit and write for one row, without numpy."""
        ...

    def check(self, value: Any, bounds: Bounds) -> Any:
        """The value as it is stored, or SpaceError that goes on from "name: "."""
        ...

    def size(self, bounds: Bounds) -> float: ...
    def values(self, k: int, ends: bool, bounds: Bounds) -> list[Any]:
        """At most k distinct values that stand for a numeric range, or all values of a discrete one."""
        ...

    def near(self, value: Any, bounds: Bounds, rng: Generator, n: int) -> list[Any]:
        """Other values close by."""
        ...


# ── numbers ───────────────────────────────────────────────────────────────────


def scale_of(domain: Float | Int, low: Any, high: Any) -> Scale:
    """The scale for bounds that are numbers or arrays."""
    if isinstance(domain, Int):
        if isinstance(low, np.ndarray) or isinstance(high, np.ndarray):
            low, high = np.ceil(low), np.floor(high)
        elif not isinstance(low, int) or not isinstance(high, int):
            low, high = math.ceil(low), math.floor(high)
        if domain.log is True:
            return LogInts.of(low, high)
        if domain.log is not False:
            return Powers(domain.log, *domain.exponents())
        return Steps(low, domain.step or 1, _at_least_1((high - low) // (domain.step or 1) + 1), whole=True)
    if domain.step is not None:
        count = np.floor((high - low) / domain.step + 1e-9) + 1  # 1e-9: (0.3 - 0) / 0.1 is a little below 3
        return Steps(low, domain.step, _at_least_1(count), _parts(domain))
    return LogLine.of(low, high) if domain.log else Line(low, high)


def _at_least_1(count: Any) -> Any:
    """Dependent bounds may cross; such rows are infeasible, but must not break the arithmetic of the others."""
    return np.maximum(count, 1) if isinstance(count, np.ndarray) else max(int(count), 1)


def _parts(domain: Float) -> float:
    """The power of ten in which low and step are whole numbers, 0 when floats can't do that exactly."""
    if not isinstance(domain.low, float) or domain.step is None:
        return 0.0
    digits = max(0, *(-int(Decimal(repr(x)).normalize().as_tuple().exponent) for x in (domain.low, domain.step)))
    largest = max(abs(domain.low), abs(domain.high) if isinstance(domain.high, float) else 0.0) * 10.0**digits
    return 10.0**digits if digits <= 22 and largest < 2**53 else 0.0


class Numeric:
    """Float and Int."""

    def __init__(self, name: str, domain: Float | Int) -> None:
        self.domain, self.name, self.whole = domain, name, isinstance(domain, Int)
        self._bounds: tuple[Any, Any] = (domain.low, domain.high)
        fixed = not isinstance(domain.low, Expression) and not isinstance(domain.high, Expression)
        self.scale = scale_of(domain, domain.low, domain.high) if fixed else None
        self.columns = (Column(name, "int" if self.whole else "real", self.scale.n if self.scale else 0),)
        self.value_of = self.scale.pick if self.scale else None
        self._draw = _prior(domain, self.scale)

    def _scale(self, bounds: Bounds) -> Scale:
        return self.scale or scale_of(self.domain, *bounds)  # type: ignore[misc]

    def raw(self, values: list[Any]) -> NDArray[Any]:
        try:
            numbers = np.array(values, dtype=np.float64)
            if numbers.ndim == 1:
                return numbers
        except (TypeError, ValueError, OverflowError):
            pass  # somewhere there is text, a list, a number too large
        return np.array([_float(v) for v in values], dtype=np.float64)

    def to_unit(self, raw: NDArray[Any], bounds: Bounds) -> NDArray[Any]:
        return self._scale(bounds).unit(raw)[:, None]

    def from_unit(self, unit: FloatArray, bounds: Bounds) -> NDArray[Any]:
        return self._scale(bounds).value(unit[:, 0])

    def unit_of(self, value: Any) -> float:
        """to_unit() of one number as decode writes it; TypeError for anything else. value_of is the way back."""
        if (type(value) is not float and type(value) is not int) or value != value:
            raise TypeError
        assert self.scale is not None
        return self.scale.place(float(value))

    def draw(self, uniform: FloatArray) -> FloatArray:
        return uniform if self._draw is None else self._draw(uniform)

    def seen(self, raw: NDArray[Any]) -> Any:
        return raw.astype(np.float64, copy=False)

    def write(self, raw: NDArray[Any]) -> list[Any]:
        if not self.whole:
            values = raw.tolist()
        elif raw.dtype == object:
            return [ABSENT if v != v else int(v) for v in raw.tolist()]
        else:
            values = np.nan_to_num(raw).astype(np.int64).tolist()
        missing = np.isnan(raw)
        if missing.any():
            for i in np.flatnonzero(missing):
                values[i] = ABSENT
        return values  # type: ignore[no-any-return]

    def pick(self, uniform: Sequence[float], bounds: Bounds) -> Any:
        unit = uniform[0] if self._draw is None else float(self._draw(np.array(uniform[:1]))[0])
        return self._scale(bounds).pick(unit)

    def check(self, value: Any, bounds: Bounds) -> Any:
        number = plain(value)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise SpaceError(f"{value!r} is not a number.")
        if not math.isfinite(number):
            raise SpaceError(f"{value!r} is not a finite number.")
        if self.whole and number != int(number):
            raise SpaceError(f"{value!r} is no whole number.")
        number = int(number) if self.whole else float(number)
        low, high = bounds or self._bounds
        if not low <= number <= high:
            raise SpaceError(f"{number!r} is outside {low} to {high}.")
        return self._on_grid(number, bounds)

    def _on_grid(self, number: Any, bounds: Bounds) -> Any:
        if self.domain.step is None and (self.domain.log is True or self.domain.log is False):
            return number
        scale = self._scale(bounds)
        nearest = scale.pick(float(scale.unit(np.array([float(number)]))[0]))
        if not math.isclose(nearest, number, rel_tol=1e-9, abs_tol=1e-9 * float(self.domain.step or 1)):
            grid = f"a step of {self.domain.step}" if self.domain.step else f"a power of {self.domain.log}"
            raise SpaceError(f"{number!r} is not {grid}. The nearest is {nearest!r}.")
        return nearest

    def canon(self, value: Any) -> Any:
        """The number as it stands in a key."""
        return int(value) if self.whole else float(value) + 0.0  # -0.0 becomes 0.0

    def size(self, bounds: Bounds) -> float:
        if not self.whole and self.domain.step is None:
            return math.inf
        return self._scale(bounds).n

    def values(self, k: int, ends: bool, bounds: Bounds) -> list[Any]:
        scale = self._scale(bounds)
        if 0 < scale.n <= k:
            k, ends = scale.n, False
            if isinstance(scale, LogInts):
                return list(range(int(scale.low), int(scale.high) + 1))
        units = [i / (k - 1) for i in range(k)] if ends and k > 1 else [(i + 0.5) / k for i in range(k)]
        return list(dict.fromkeys(scale.pick(u) for u in units))

    def near(self, value: Any, bounds: Bounds, rng: Generator, n: int) -> list[Any]:
        scale = self._scale(bounds)
        unit = float(scale.unit(np.array([float(value)]))[0])
        units = np.clip(unit + SPREAD * rng.standard_normal(n), 0.0, 1.0).tolist()
        if scale.n:  # the next values down and up
            low, high = scale.cell(np.array([unit]))
            units += [float(low[0]) - 1e-12, float(high[0]) + 1e-12]
        found = dict.fromkeys(scale.pick(u) for u in units)
        found.pop(value, None)
        return list(found)


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _prior(domain: Float | Int, scale: Scale | None) -> Callable[[FloatArray], FloatArray] | None:
    """Uniform numbers to unit coordinates, for a normal cut off at the bounds or a beta."""
    if domain.prior is None:
        return None
    ((kind, (a, b)),) = domain.prior.items()
    if kind == "beta":

        def beta(uniform: FloatArray) -> FloatArray:
            from scipy.special import betaincinv

            return np.asarray(betaincinv(a, b, uniform), dtype=np.float64)

        return beta
    assert scale is not None  # a normal prior with dependent bounds is refused by the domain
    if domain.log:
        sides = a * 10.0 ** (b / 2), a * 10.0 ** (-b / 2)
    else:
        sides = a + b / 2, a - b / 2
    mean, upper, lower = scale.unit(np.array([a, *sides])).tolist()
    return lambda uniform: _cut_normal(uniform, mean, upper - lower)


def _cut_normal(uniform: FloatArray, mean: float, sd: float) -> FloatArray:
    """The inverse distribution function of a normal on [0, 1]."""
    from scipy.special import ndtr, ndtri

    low, high = -mean / sd, (1.0 - mean) / sd
    if low + high > 0:  # most of it is right of the mean: count from the right, where 1 - tiny keeps its digits
        z = -ndtri(ndtr(-low) + uniform * (ndtr(-high) - ndtr(-low)))
    else:
        z = ndtri(ndtr(low) + uniform * (ndtr(high) - ndtr(low)))
    return np.asarray(np.clip(mean + sd * z, 0.0, 1.0), dtype=np.float64)


# ── labels ────────────────────────────────────────────────────────────────────


class Labels:
    """Choice and Bool: codes 0 … K - 1; an ordered Choice lies on [0, 1] like a whole number."""

    def __init__(self, name: str, domain: Choice | Bool) -> None:
        self.domain, self.labels = domain, domain.labels
        k = len(self.labels)
        self.ordered = isinstance(domain, Choice) and domain.ordered
        self.columns = (Column(name, "ordinal" if self.ordered else "choice", k),)
        self.scale: Scale | None = Steps(0, 1, k, whole=True) if self.ordered else None
        self._edges = list(accumulate(domain.weights))[:-1] if domain.weights else None
        self._exact = self._index()
        self._text = {i: token(x) for i, x in enumerate(self.labels)}

    def _index(self) -> dict[Any, int] | None:
        """label → code where Python's equality tells the labels apart."""
        try:
            index = {label: i for i, label in enumerate(self.labels)}
        except TypeError:
            return None
        return index if len(index) == len(self.labels) else None

    def raw(self, values: list[Any]) -> NDArray[Any]:
        if self._exact is not None:
            get = self._exact.get
            try:
                return np.array([get(v, math.nan) for v in values], dtype=np.float64)
            except TypeError:
                pass  # a list where a label should be
        codes = [self.domain.code(v) for v in values]
        return np.array([math.nan if c is None else c for c in codes], dtype=np.float64)

    def to_unit(self, raw: NDArray[Any], bounds: Bounds) -> NDArray[Any]:
        return ((raw + 0.5) / len(self.labels) if self.ordered else raw)[:, None]

    def from_unit(self, unit: FloatArray, bounds: Bounds) -> NDArray[Any]:
        codes = np.floor(unit[:, 0] * len(self.labels)) if self.ordered else np.rint(unit[:, 0])
        return np.clip(codes, 0, len(self.labels) - 1)

    def unit_of(self, value: Any) -> float:
        """to_unit() of one label; KeyError or TypeError for what is none."""
        if self._exact is None:
            raise TypeError
        code = self._exact[value]
        return (code + 0.5) / len(self.labels) if self.ordered else float(code)

    def value_of(self, unit: float) -> Any:
        """The label at one finite unit."""
        code = math.floor(unit * len(self.labels)) if self.ordered else round(unit)
        return self.labels[min(max(code, 0), len(self.labels) - 1)]

    def draw(self, uniform: FloatArray) -> FloatArray:
        if self._edges is not None:
            codes = np.searchsorted(self._edges, uniform, side="right").astype(np.float64)
        elif self.ordered:
            return uniform
        else:
            codes = np.minimum(np.floor(uniform * len(self.labels)), len(self.labels) - 1)
        return (codes + 0.5) / len(self.labels) if self.ordered else codes

    def seen(self, raw: NDArray[Any]) -> Any:
        return Coded(np.where(np.isnan(raw), -1, raw).astype(np.int64), self.labels)

    def write(self, raw: NDArray[Any]) -> list[Any]:
        labels = [*self.labels, ABSENT]
        return [labels[c] for c in np.where(np.isnan(raw), len(labels) - 1, raw).astype(np.int64).tolist()]

    def pick(self, uniform: Sequence[float], bounds: Bounds) -> Any:
        if self._edges is not None:
            return self.labels[bisect_right(self._edges, uniform[0])]
        return self.labels[int(uniform[0] * len(self.labels))]

    def check(self, value: Any, bounds: Bounds) -> Any:
        code = self.domain.code(value)
        if code is None:
            known = ", ".join(map(repr, self.labels))
            near = did_you_mean(value, [x for x in self.labels if isinstance(x, str)]) if isinstance(value, str) else ""
            raise SpaceError(f"{plain(value)!r} is not one of {known}.{' ' + near if near.startswith('Did') else ''}")
        return self.labels[code]

    def size(self, bounds: Bounds) -> float:
        return len(self.labels)

    def values(self, k: int, ends: bool, bounds: Bounds) -> list[Any]:
        return list(self.labels)

    def near(self, value: Any, bounds: Bounds, rng: Generator, n: int) -> list[Any]:
        here = self.domain.code(value)
        return [label for i, label in enumerate(self.labels) if i != here]
