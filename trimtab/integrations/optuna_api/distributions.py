"""Optuna's distributions, by their names: small records that say what may be suggested."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.integrations.optuna._domains import Dist, number
from trimtab.space import Bool, Choice, Const, Float, Int


class BaseDistribution:
    """What the three kinds share."""

    def single(self) -> bool:
        """Whether there is one value only."""
        return Dist.of(self).single


@dataclass(frozen=True)
class FloatDistribution(BaseDistribution):
    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        _check(self, "float", 0)


@dataclass(frozen=True)
class IntDistribution(BaseDistribution):
    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        if self.log and self.step != 1:
            raise ValueError(f"{self!r}: log=True and step={self.step} can't be combined.")
        _check(self, "int", 1)


@dataclass(frozen=True)
class CategoricalDistribution(BaseDistribution):
    choices: Sequence[Any]

    def __post_init__(self) -> None:
        if not len(self.choices):
            raise ValueError("CategoricalDistribution([]): there is nothing to choose from.")
        object.__setattr__(self, "choices", tuple(self.choices))


def UniformDistribution(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high)


def LogUniformDistribution(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high, log=True)


def DiscreteUniformDistribution(low: float, high: float, q: float) -> FloatDistribution:
    return FloatDistribution(low, high, step=q)


def IntUniformDistribution(low: int, high: int, step: int = 1) -> IntDistribution:
    return IntDistribution(low, high, step=step)


def IntLogUniformDistribution(low: int, high: int, step: int = 1) -> IntDistribution:
    return IntDistribution(low, high, log=True)


def _check(d: Any, kind: Any, least: int) -> None:
    if not (math.isfinite(d.low) and math.isfinite(d.high)) or d.low > d.high:
        raise ValueError(f"{d!r}: low must be at most high, and both finite.")
    if d.log and (d.low <= 0 if kind == "float" else d.low < least):
        raise ValueError(f"{d!r}: a log scale needs low {'above 0' if kind == 'float' else 'of at least 1'}.")
    if kind == "float" and d.log and d.step is not None:
        raise ValueError(f"{d!r}: log=True and step={d.step} can't be combined.")
    found = number(kind, d.low, d.high, d.log, d.step)  # high moves down to the grid
    for name in ("low", "high", "step"):
        object.__setattr__(d, name, getattr(found, name))


def of_domain(domain: Any, objects: Mapping[str, Any]) -> BaseDistribution:
    """The distribution that a domain of trimtab's amounts to; `objects` are what its labels stand for."""
    if isinstance(domain, Float):
        return FloatDistribution(float(str(domain.low)), float(str(domain.high)), domain.log, domain.step)
    if isinstance(domain, Int):
        step = 1 if domain.step is None else domain.step
        return IntDistribution(int(str(domain.low)), int(str(domain.high)), bool(domain.log), step)
    if isinstance(domain, (Choice, Bool)):
        labels = domain.labels
        return CategoricalDistribution([objects.get(v, v) if isinstance(v, str) else v for v in labels])
    value = domain.value if isinstance(domain, Const) else None
    if isinstance(value, float):
        return FloatDistribution(value, value)
    return IntDistribution(value, value) if type(value) is int else CategoricalDistribution([value])
