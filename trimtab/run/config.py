"""The configuration as an objective sees it: read-only, only active names, labels already turned into objects."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trimtab.errors import did_you_mean

if TYPE_CHECKING:
    from trimtab.space import Space


PLAIN = frozenset((float, int, str, bool, type(None)))


def _own(labels: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy; most values are plain and need none."""
    return {k: v if type(v) in PLAIN else copy.deepcopy(v) for k, v in labels.items()}


class Inactive(KeyError):
    """A name this trial has no value for. A KeyError whose text is not wrapped in quotes."""

    def __str__(self) -> str:
        return str(self.args[0])


class Config(Mapping[str, Any]):
    """{"lr": 0.01, "model": "svm", "model.svm.C": 3.1}; a copy, so that nothing done to it reaches the log."""

    __slots__ = ("_labels", "_space", "_trial", "_values")

    def __init__(self, labels: Mapping[str, Any], space: Space | None = None, trial: int = 0) -> None:
        self._labels: dict[str, Any] = _own(labels)
        self._values = dict(space.resolve(_own(labels))) if space is not None else self._labels
        self._space, self._trial = space, trial

    def __getitem__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        raise Inactive(self._why_missing(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Config({self._values!r})"

    @property
    def labels(self) -> dict[str, Any]:
        """A copy of what the log has: JSON, with labels where objects were named."""
        return _own(self._labels)

    def nested(self) -> dict[str, Any]:
        """In the shape the space was declared: {"lr": 0.01, "model": {"svm": {"C": 3.1}}}."""
        return self._space.nested(self._values) if self._space is not None else _nested(self._values)

    def branch(self, name: str) -> tuple[str, dict[str, Any]]:
        """The chosen branch and its own settings: ("svm", {"C": 3.1})."""
        if name not in self._labels:
            raise Inactive(self._why_missing(name))
        if self._space is not None:
            return self._space.branch(self._values, name)
        label = self._labels[name]
        prefix = f"{name}.{label}."
        return label, {k[len(prefix) :]: v for k, v in self._values.items() if k.startswith(prefix)}

    def blocks(self, name: str) -> list[dict[str, Any]]:
        """The blocks of a Repeat that are there, each with its own settings: [{"units": 64}, {"units": 16}]."""
        if name not in self._labels:
            raise Inactive(self._why_missing(name))
        if self._space is not None:
            return self._space.blocks(self._values, name)
        from trimtab.space.repeat import blocks

        return blocks(name, self._values)

    def _why_missing(self, name: str) -> str:
        known = list(self._values) if self._space is None else self._space.names
        if name not in known:
            return f"No parameter is called {name!r}. {did_you_mean(name, known)}"
        why = self._space.why_inactive(name, self._labels) if self._space is not None else ""
        return f'{name!r} is inactive in trial {self._trial}{why and f" ({why})"}. Use trial.get("{name}", default).'


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same without a space: a choice with a name below its value, "model.svm.C", is taken for one of branches, a
    number with one below 0, "layers.0.units", for one of blocks."""
    from trimtab.space._check import inside

    out: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, str) and any(other.startswith(f"{name}.{value}.") for other in values):
            value = {value: {}}
        elif isinstance(value, int) and any(other.startswith(f"{name}.0.") for other in values):
            value = [{} for _ in range(value)]
        *groups, last = name.split(".")
        place: Any = out
        for group in groups:
            inner = inside(place, group)
            if not isinstance(inner, dict | list):  # "a" has a plain value and "a.b" exists: keep the dotted name
                place, last = out, name
                break
            place = inner
        if isinstance(place, dict):
            place.setdefault(last, value)
        else:
            out[name] = value
    return out
