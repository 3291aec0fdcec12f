"""When parameters exist, found out from which trials had them: define by run never says it.

Idea    A name that some trials lack is conditional. If the values of one earlier discrete parameter tell apart the
        trials that have it from those that lack it, that is its condition: `model in ["svm"]`, `layers >= 3`. With a
        condition a searcher models the parameter on the trials that have it; without one it could learn from none.
        A wrong guess from few trials costs one random draw, and the trial that proves it wrong mends it.
        Where several do, the one that could fit by chance least: few values, and a choice rather than a number; then
        the choice that was asked for last, or the number that was asked for first (`for i in range(layers)`).
Cost    O(discrete parameters) a trial and name whose condition is still in doubt; that is soon nearly none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf, log2
from typing import Any

from trimtab.space._grammar import literal, quoted
from trimtab.space.domains import token

MOST = 64  # values in a condition
FEW = 16  # distinct values of a whole number that are counted


class Conditions:
    """Which names occur together with which values. Only choices and whole numbers may be parents."""

    def __init__(self) -> None:
        self.order: dict[str, int] = {}
        self.trials = 0
        self._values: dict[frozenset[str], dict[str, Side]] = {}  # names present -> parent -> its values there
        # of each name that some trials lack: parent -> its values where the name is there, and where it is not; only
        # parents whose values tell the two apart, so there are soon few
        self._sides: dict[str, dict[str, tuple[Side, Side]]] = {}
        self._found: dict[str, str | None] | None = None

    def add(self, config: Mapping[str, Any], choices: Collection[str], numbers: Collection[str]) -> None:
        """A trial that came to its end; which of its parameters are choices, and which are whole numbers."""
        values = {n: v for n, v in config.items() if n in choices or n in numbers}
        fresh = [name for name in config if name not in self.order] if self.trials else []
        for name in config:
            self.order.setdefault(name, len(self.order))
        for name, parents in self._sides.items():
            self._narrow(parents, name in config, values)
        there = self._values.setdefault(frozenset(config), {})
        for name, value in values.items():
            if name not in there:
                there[name] = _Labels() if name in choices else _Range()
            there[name].add(value)
        for name in [*fresh, *(n for n in self.order if n not in config and n not in self._sides)]:
            self._sides[name] = self._parents(name)
        self.trials, self._found = self.trials + 1, None

    def _narrow(self, parents: dict[str, tuple[Side, Side]], present: bool, values: Mapping[str, Any]) -> None:
        """Drop the parents that this trial proves wrong."""
        for parent in list(parents):
            if parent in values:
                on, off = parents[parent]
                if (on if present else off).add(values[parent]) and on.meets(off):
                    del parents[parent]
            elif present:
                del parents[parent]  # the name exists without it

    def _parents(self, name: str) -> dict[str, tuple[Side, Side]]:
        """The parents that tell, from all the trials so far."""
        out: dict[str, tuple[Side, Side]] = {}
        for parent, place in self.order.items():
            both = self._split(name, parent) if place < self.order[name] else None
            if both is not None:
                out[parent] = both
        return out

    def _split(self, name: str, parent: str) -> tuple[Side, Side] | None:
        kind = next((type(v[parent]) for v in self._values.values() if parent in v), None)
        if kind is None:
            return None
        on, off = kind(), kind()
        for pattern, values in self._values.items():
            here = values.get(parent)
            if here is not None:
                (on if name in pattern else off).take(here)
                if on.meets(off):
                    return None
            elif name in pattern:
                return None
        return on, off

    def found(self) -> Mapping[str, str | None]:
        """{name: its condition}; "" for a name that every trial has, None where no single parameter tells."""
        if self._found is None:
            self._found = {}
            for name in self.order:
                self._found[name] = self._condition(name) if name in self._sides else ""
        return self._found

    def _condition(self, name: str) -> str | None:
        """By the likeliest of the parents that tell."""
        assert self._found is not None
        told: list[tuple[float, int, str]] = []
        for parent, (on, off) in self._sides[name].items():
            text = on.told(parent, off) if on.n and off.n and self._found.get(parent) is not None else None
            if text is not None:
                number, place = isinstance(on, _Range), self.order[parent]
                told.append((_doubt(on.n + off.n, number), place if number else -place, text))
        return min(told)[2] if told else None


def _doubt(values: int, number: bool) -> float:
    """Bits: how many conditions so many values allow, hence how easily one fits by chance; a choice is likelier."""
    return log2(2 * (values - 1)) + 3.0 if number else float(values)


class _Labels:
    """Values of a choice."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    @property
    def n(self) -> int:
        return len(self.values)

    def add(self, value: Any) -> bool:
        """Whether it is news."""
        key = token(value)
        new = key not in self.values
        self.values[key] = value
        return new

    def take(self, other: Any) -> None:
        self.values.update(other.values)

    def meets(self, other: Any) -> bool:
        return not self.values.keys().isdisjoint(other.values)

    def told(self, parent: str, off: Any) -> str | None:
        values = self.values.values()
        if self.n > MOST or not all(v is None or isinstance(v, (str, bool, int, float)) for v in values):
            return None
        return f"{quoted(parent)} in {literal(sorted(values, key=token))}"


class _Range:
    """Values of a whole number: the ends, and how many there are, up to a few."""

    def __init__(self) -> None:
        self.low, self.high, self.some = inf, -inf, set[int]()

    @property
    def n(self) -> int:
        return len(self.some)

    def add(self, value: int) -> bool:
        """Whether the ends have moved."""
        if len(self.some) < FEW:
            self.some.add(value)
        wider = value < self.low or value > self.high
        self.low, self.high = min(self.low, value), max(self.high, value)
        return wider

    def take(self, other: Any) -> None:
        if other.n:
            self.low, self.high = min(self.low, other.low), max(self.high, other.high)
            self.some |= other.some

    def meets(self, other: Any) -> bool:
        return bool(self.low <= other.high and other.low <= self.high)

    def told(self, parent: str, off: Any) -> str | None:
        return f"{quoted(parent)} >= {self.low}" if self.low > off.high else f"{quoted(parent)} <= {self.high}"


Side = _Labels | _Range
