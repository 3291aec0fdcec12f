"""The configuration as an objective sees it: read-only, only active names, labels already turned into objects."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trimtab.errors import did_you_mean

if TYPE_CHECKING:
    from trimtab.space import Space


class Inactive(KeyError):
    """A name this trial has no value for. A KeyError whose text is not wrapped in quotes."""

    def __str__(self) -> str:
        return str(self.args[0])


class Config(Mapping[str, Any]):
    """{"lr": 0.01, "model": "svm", "model.svm.C": 3.1}; a copy, so that nothing done to it reaches the log."""

    __slots__ = ("_labels", "_space", "_trial", "_values")

    def __init__(self, labels: Mapping[str, Any], space: Space | None = None, trial: int = 0) -> None:
        self._labels: dict[str, Any] = copy.deepcopy(dict(labels))
        self._values = dict(space.resolve(copy.deepcopy(self._labels))) if space is not None else dict(self._labels)
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
        return copy.deepcopy(self._labels)

    def nested(self) -> dict[str, Any]:
        """In the shape the space was declared: {"lr": 0.01, "model": {"svm": {"C": 3.1}}}."""
        return _nested(self._values, self._labels)

    def branch(self, name: str) -> tuple[str, dict[str, Any]]:
        """The chosen branch and its own settings: ("svm", {"C": 3.1})."""
        if name not in self._labels:
            raise Inactive(self._why_missing(name))
        label = self._labels[name]
        prefix = f"{name}.{label}."
        inner = {k[len(prefix) :]: k for k in self._values if k.startswith(prefix)}
        own = {short: self._values[k] for short, k in inner.items()}
        return label, _nested(own, {short: self._labels[k] for short, k in inner.items()})

    def _why_missing(self, name: str) -> str:
        known = set(self._values) if self._space is None else set(self._space)
        if name not in known:
            return f"No parameter is called {name!r}. {did_you_mean(name, known)}"
        needs = _needs(self._space, name, self._labels)
        return f'{name!r} is inactive in trial {self._trial}{needs}. Use trial.get("{name}", default).'


def _nested(values: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as nested dicts. A choice whose branch has settings becomes {branch: settings}."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(labels[name], str) and any(other.startswith(f"{name}.{labels[name]}.") for other in values):
            value = {labels[name]: {}}
        *groups, last = name.split(".")
        place = out
        for group in groups:
            inner = place.setdefault(group, {})
            if not isinstance(inner, dict):  # "a" has a plain value and "a.b" exists: keep the dotted name
                place, last = out, name
                break
            place = inner
        place.setdefault(last, value)
    return out


def _needs(space: Any, name: str, labels: Mapping[str, Any]) -> str:
    """' (it needs optimizer == 'sgd'; this trial has 'adam')', as far as the space tells."""
    when = getattr(space[name], "when", None)
    if when is None:
        parent, _, branch = name.rpartition(".")[0].rpartition(".")
        if parent in labels:
            return f" (it needs {parent} == {branch!r}; this trial has {labels[parent]!r})"
        return ""
    if isinstance(when, Mapping):
        has = ", ".join(repr(labels[k]) if k in labels else "none" for k in when)
        return f" (it needs {' and '.join(f'{k} == {v!r}' for k, v in when.items())}; this trial has {has})"
    named = [k for k in labels if k in str(when)]
    has = ", ".join(f"{labels[k]!r}" if len(named) == 1 else f"{k} = {labels[k]!r}" for k in named)
    return f" (it needs {when}" + (f"; this trial has {has})" if has else ")")
