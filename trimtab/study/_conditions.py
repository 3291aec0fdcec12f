"""When parameters exist, found out from which trials had them: define by run never says it.

Idea    A name that some trials lack is conditional. If the values of one earlier discrete parameter tell apart the
        trials that have it from those that lack it, that is its condition: `model in ["svm"]`, `layers >= 3`. With a
        condition a searcher models the parameter on the trials that have it; without one it could learn from none.
        A wrong guess from few trials costs one random draw, and the trial that proves it wrong mends it.
        A choice is likelier to be the reason than a number, and what was asked for just before likelier than the rest.
Cost    O(discrete parameters) a trial; conditions are looked for again only when a new combination appears.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trimtab.space._grammar import literal, quoted
from trimtab.space.domains import token

MOST = 64  # values in a condition


class Conditions:
    """Which names occur together with which values. Only choices and whole numbers may be parents."""

    def __init__(self) -> None:
        self.order: dict[str, int] = {}
        self.choices: set[str] = set()
        self._seen: dict[frozenset[str], dict[str, dict[str, Any]]] = {}  # names present -> name -> token -> value
        self._found: dict[str, str | None] | None = None

    def add(self, config: Mapping[str, Any], choices: Collection[str], numbers: Collection[str]) -> None:
        """A trial that came to its end; which of its parameters are choices, and which are whole numbers."""
        self.choices.update(choices)
        for name in config:
            self.order.setdefault(name, len(self.order))
        pattern = frozenset(config)
        if pattern not in self._seen:
            self._seen[pattern], self._found = {}, None
        values = self._seen[pattern]
        for name in config:
            if name in choices or name in numbers:
                there = values.setdefault(name, {})
                key = token(config[name])
                if key not in there:
                    there[key], self._found = config[name], None

    def found(self) -> Mapping[str, str | None]:
        """{name: its condition}; "" for a name that every trial has, None where no single parameter tells."""
        if self._found is None:
            self._found = {}
            for name in self.order:
                always = all(name in pattern for pattern in self._seen)
                self._found[name] = "" if always else self._condition(name)
        return self._found

    def _condition(self, name: str) -> str | None:
        """Of the parents that tell a choice, else a number; and of these the nearest before it."""
        assert self._found is not None
        earlier = [p for p in self.order if self.order[p] < self.order[name] and self._found[p] is not None]
        for parent in sorted(reversed(earlier), key=lambda p: p not in self.choices):
            on: dict[str, Any] = {}
            off: dict[str, Any] = {}
            for pattern, values in self._seen.items():
                if name in pattern and parent not in values:
                    break  # it exists without this parent
                (on if name in pattern else off).update(values.get(parent, {}))
            else:
                if off and not on.keys() & off.keys():
                    text = _told(parent, on, off, bounds=parent not in self.choices)
                    if text is not None:
                        return text
        return None


def _told(parent: str, on: Mapping[str, Any], off: Mapping[str, Any], *, bounds: bool) -> str | None:
    """The condition in words: a bound where whole numbers allow one, else the list of values."""
    if bounds:
        if min(on.values()) > max(off.values()):
            return f"{quoted(parent)} >= {min(on.values())}"
        if max(on.values()) < min(off.values()):
            return f"{quoted(parent)} <= {max(on.values())}"
    if len(on) > MOST or not all(v is None or isinstance(v, (str, bool, int, float)) for v in on.values()):
        return None
    return f"{quoted(parent)} in {literal(sorted(on.values(), key=token))}"
