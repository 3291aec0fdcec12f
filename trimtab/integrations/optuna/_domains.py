"""Optuna's distributions as trimtab's domains, from objects or from the JSON text that Optuna stores.

Read by attributes, so that Optuna itself is not needed. Three things differ: Optuna allows low == high (a Const here),
a step that does not divide the range (high moves down), and choices that JSON can't hold (they get labels).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from trimtab.space import Choice, Const, Float, Int
from trimtab.space.domains import plain, token

Kind = Literal["float", "int", "choice"]


@dataclass(frozen=True, slots=True)
class Dist:
    """One distribution: numbers from low to high (both included), or one of `choices`."""

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    @classmethod
    def of(cls, distribution: Any) -> Dist:
        """From a distribution object of Optuna, of whatever version."""
        if hasattr(distribution, "choices"):
            return cls("choice", choices=tuple(distribution.choices))
        kind: Kind = "int" if type(distribution).__name__.startswith("Int") else "float"
        return number(kind, distribution.low, distribution.high, bool(distribution.log), distribution.step)

    @property
    def single(self) -> bool:
        return len(self.choices) == 1 if self.kind == "choice" else self.low == self.high

    def value(self, internal: float) -> Any:
        """What the objective saw, from Optuna's internal number."""
        if self.kind == "choice":
            index = int(internal)
            if not 0 <= index < len(self.choices):
                raise ValueError(f"choice number {index} of {len(self.choices)}")
            return self.choices[index]
        return int(internal) if self.kind == "int" else float(internal)

    def domain(self) -> Float | Int | Choice | Const:
        """The same in trimtab's words."""
        if self.kind == "choice":
            return Choice(choice_of(self.choices))
        if self.single:
            return Const(self.low)
        if self.kind == "int":
            step = None if self.step in (None, 1) else int(self.step or 1)
            return Int(int(self.low), int(self.high), log=self.log, step=step)
        return Float(self.low, self.high, log=self.log, step=self.step)

    def hull(self, other: Dist) -> Dist | None:
        """The smallest one that has both; None where there is none."""
        if self == other:
            return self
        if self.kind != other.kind or self.kind == "choice":
            return None
        low, high = min(self.low, other.low), max(self.high, other.high)
        a, b = (self, other) if not self.single else (other, self)  # a range of one value has no scale of its own
        log = a.log if b.single else a.log and b.log
        step = a.step if b.single or a.step == b.step else None
        if step is not None and any(_rest(x, low, step) for x in (self.low, self.high, other.low, other.high)):
            step = None
        if self.kind == "int" and step is None:
            step = 1
        return replace(self, low=low, high=high, log=log, step=step)


def number(kind: Kind, low: Any, high: Any, log: bool = False, step: Any = None) -> Dist:
    """A numeric one; a high that is no multiple of step away from low moves down, as in Optuna."""
    convert = int if kind == "int" else float
    low, high = convert(low), convert(high)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"the range from {low} to {high}")
    if step is not None:
        step = convert(step)
        if step <= 0:
            raise ValueError(f"step={step}")
        rest = _rest(high, low, step)
        if rest:
            high = convert(Decimal(repr(high)) - rest)
    return Dist(kind, low, high, log, step)


def _rest(x: float, low: float, step: float) -> Decimal:
    return (Decimal(repr(x)) - Decimal(repr(low))) % Decimal(repr(step))


def from_json(text: str) -> Dist:
    """From the text in Optuna's storages: {"name": …, "attributes": {…}}, or the short form {"type": …}."""
    data = json.loads(text)
    name, fields = (data["name"], data["attributes"]) if "name" in data else (data["type"], data)
    if not isinstance(fields, Mapping) or not isinstance(name, str):
        raise ValueError(f"the distribution {text:.80}")
    if name in ("CategoricalDistribution", "categorical"):
        choices = fields["choices"]
        if not isinstance(choices, list) or not choices:
            raise ValueError(f"the choices {choices!r:.80}")
        return Dist("choice", choices=tuple(choices))
    if name in ("IntDistribution", "IntUniformDistribution", "IntLogUniformDistribution", "int"):
        log = name == "IntLogUniformDistribution" or bool(fields.get("log", False))
        return number("int", fields["low"], fields["high"], log, 1 if log else fields.get("step") or 1)
    if name in ("FloatDistribution", "UniformDistribution", "LogUniformDistribution", "DiscreteUniformDistribution",
                "float"):  # fmt: skip
        log = name == "LogUniformDistribution" or bool(fields.get("log", False))
        return number("float", fields["low"], fields["high"], log, fields.get("q", fields.get("step")))
    raise ValueError(f"the distribution {name!r}, which is not known here")


def choice_of(choices: Sequence[Any]) -> Any:
    """What Choice takes for these values: a list where JSON can hold them all, else {label: value}."""
    choices = [plain(value) for value in choices]
    if all(_plain(value) for value in choices):
        return list({token(value): value for value in choices}.values())  # twice the same counts once
    labels: dict[str, Any] = {}
    for i, value in enumerate(choices):
        label = label_of(value, i)
        labels[label if label not in labels else f"{label} #{i}"] = value
    return labels


def label_of(value: Any, place: int) -> str:
    """A name for a value that JSON can't hold: the same in every process."""
    if isinstance(value, str):
        return value
    text = getattr(value, "__name__", None) or repr(value)
    return f"choice {place}" if " at 0x" in text else str(text)


def _plain(value: Any) -> bool:
    """Whether it comes back from JSON as itself; a tuple would not."""
    return value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value))
