"""What a quality is worth at its cost: one number for two objectives.

Idea    log       (1 - w) E - w ln T: a cost twice as high takes off the same wherever it begins
        harmonic  the weighted harmonic mean of E and exp(-T / T₀): both must be good, and beyond T₀ little is
        target    E (T / T*)^-p: about as good as E, with a mild pull to and below T*
        E is a quality, larger is better: an objective that is minimised counts with the other sign. T is the cost.
Source  After Wang, Dernoncourt & Bui, Bayesian Optimization for Selecting Efficient Machine Learning Models, arXiv
        2008.00386, 2020, whose idea it is to search by one such number; target: Tan et al., MnasNet, CVPR 2019, where
        p = 0.07; harmonic: the F-measure.
Leaves  target: where E is below 0 the factor is turned over, so that a higher cost is never better. harmonic: below 0
        and above 1 it goes on straight, so that a model's beliefs about such values do no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
WORDS = {"log": (), "harmonic": ("beta",), "target": ("power",)}  # the formulas, and what else each takes
EXAMPLES = '{"log": 0.3}, {"harmonic": 60.0} or {"target": 60.0}'
FARTHEST = 300.0  # times T₀, so that no square underflows


class Formula(Protocol):
    """U(E, L) of a quality and the logarithm of a cost; it rises with E, and falls with L. All arrays (…)."""

    def value(self, E: Floats, L: Floats) -> Floats: ...
    def slopes(self, E: Floats, L: Floats) -> tuple[Floats, Floats]: ...
    def needed(self, U: float, L: Floats) -> Floats:
        """The quality at which the utility is U."""
        ...


@dataclass(frozen=True)
class LogLinear:
    weight: float

    def value(self, E: Floats, L: Floats) -> Floats:
        out: Floats = (1 - self.weight) * E - self.weight * L
        return out

    def slopes(self, E: Floats, L: Floats) -> tuple[Floats, Floats]:
        return np.full(E.shape, 1 - self.weight), np.full(E.shape, -self.weight)

    def needed(self, U: float, L: Floats) -> Floats:
        out: Floats = (U + self.weight * L) / (1 - self.weight)
        return out


@dataclass(frozen=True)
class Harmonic:
    """scale: T₀; beta: how many times as much the quality weighs as the speed."""

    scale: float
    beta: float = 1.0

    def _speed(self, L: Floats) -> tuple[Floats, Floats]:
        """exp(-T / T₀), and what it changes by with L."""
        times = np.exp(np.minimum(L - log(self.scale), log(FARTHEST)))
        speed = np.exp(-times)
        return speed, -times * speed

    def value(self, E: Floats, L: Floats) -> Floats:
        s, b = self._speed(L)[0], self.beta**2
        inner = np.clip(E, 0.0, 1.0)
        return (1 + b) * inner * s / (b * s + inner) + (E - inner) * self._rise(inner, s)

    def slopes(self, E: Floats, L: Floats) -> tuple[Floats, Floats]:
        (s, by), b = self._speed(L), self.beta**2
        inner = np.clip(E, 0.0, 1.0)
        by_s = (1 + b) * inner**2 / (b * s + inner) ** 2
        by_s += np.where(E > 1, (E - inner) * (1 + b) * b * 2 * s / (b * s + 1) ** 3, 0.0)
        return self._rise(inner, s), by * by_s

    def _rise(self, E: Floats, s: Floats) -> Floats:
        b = self.beta**2
        out: Floats = (1 + b) * b * s * s / (b * s + E) ** 2
        return out

    def needed(self, U: float, L: Floats) -> Floats:
        s, b = self._speed(L)[0], self.beta**2
        top = (1 + b) * s / (b * s + 1)  # at a quality of 1
        if U <= 0:
            return np.full(L.shape, U * b / (1 + b))
        inside = U * b * s / np.maximum((1 + b) * s - U, 1e-300)
        return np.where(top >= U, np.minimum(inside, 1.0), 1 + (U - top) / self._rise(np.ones(L.shape), s))


@dataclass(frozen=True)
class Latency:
    """goal: T*; power: p."""

    goal: float
    power: float = 0.07

    def _factor(self, E: Floats | float, L: Floats) -> Floats:
        far = np.clip(self.power * (L - log(self.goal)), -300.0, 300.0)
        out: Floats = np.exp(np.where(np.asarray(E) < 0, far, -far))
        return out

    def value(self, E: Floats, L: Floats) -> Floats:
        return E * self._factor(E, L)

    def slopes(self, E: Floats, L: Floats) -> tuple[Floats, Floats]:
        factor = self._factor(E, L)
        return factor, -self.power * np.abs(E) * factor

    def needed(self, U: float, L: Floats) -> Floats:
        return U / self._factor(U, L)


def formula(utility: Mapping[str, float]) -> Formula:
    """The formula that a setting names: {"log": w}, {"harmonic": T₀, "beta": β}, {"target": T*, "power": p}."""
    told = f"GP(utility={dict(utility)!r})"
    named = [word for word in WORDS if word in utility]
    if len(named) != 1:
        raise ValueError(f"{told}: one of {', '.join(WORDS)} was expected, such as {EXAMPLES}.")
    word = named[0]
    for other in utility:
        if other not in (word, *WORDS[word]):
            also = f"; what else it takes is {WORDS[word][0]!r}" if WORDS[word] else ""
            raise ValueError(f"{told}: {word!r} does not take {other!r}{also}.")
    for each, value in utility.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{told}: {each} is a number.")
    number, rest = float(utility[word]), {k: float(v) for k, v in utility.items() if k != word}
    if word == "log":
        if not 0 <= number < 1:
            raise ValueError(f"{told}: the weight of the cost is at least 0, and below 1.")
        return LogLinear(number)
    for each, value in utility.items():
        if not 0 < value < inf:
            raise ValueError(f"{told}: {each} must be above 0, and finite.")
    return Harmonic(number, **rest) if word == "harmonic" else Latency(number, **rest)


def columns(history: History, cost: str, rule: Formula) -> tuple[int, int]:
    """Which objective is the quality, and which the cost; refuses what has no such two."""
    names = history.objectives
    if len(names) != 2 or cost not in names:
        known = ", ".join(names)
        raise ValueError(
            f"GP(cost={cost!r}, utility=…) is for two objectives, a quality and {cost}; this study's objectives are "
            f"{known}. Report {cost} and minimise it, or leave utility out."
        )
    c = names.index(cost)
    if history.sign(cost) < 0:
        raise ValueError(
            f"GP(cost={cost!r}, utility=…): {cost} is maximised, and a cost is to be minimised. Report its inverse."
        )
    quality = names[1 - c]
    if isinstance(rule, Harmonic):
        if history.sign(quality) > 0:
            raise ValueError(
                f'GP(utility={{"harmonic": …}}): {quality} is minimised, and this mean is of something good between 0 '
                f'and 1. Maximise an accuracy in its place, or choose "log".'
            )
        most = float(np.max(-history.Y[:, 1 - c], initial=-np.inf, where=np.isfinite(history.Y[:, 1 - c])))
        if most > 1 + 1e-9:
            raise ValueError(
                f'GP(utility={{"harmonic": …}}): a trial has {quality} = {most:g}, and this mean is of something '
                'between 0 and 1. Report it as a share, or choose "log".'
            )
    return 1 - c, c
