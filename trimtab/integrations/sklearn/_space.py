"""A space of a scikit-learn search: what users write, as a tt.Space, and its configurations as parameters to set.

Idea    trimtab stores labels and numbers; scikit-learn sets objects on names such as clf__C. `Parameters` is both ways'
        dictionary. A list of anything but plain values becomes labels that stand for its objects.
Names   A dot is scikit-learn's double underscore: {"clf": {"C": …}} says clf__C.
Choices {"clf": {"svm": (SVC(), {"C": …}), "forest": (RandomForestClassifier(), {"max_depth": …})}} swaps a step, with
        settings of its own under each: they are the object's (clf__C). Under a plain label they stand beside the
        choice: {"kernel": tt.Choice({"rbf": {"gamma": …}, "linear": {}})} sets kernel and gamma.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from typing import Any

from sklearn.base import clone

from trimtab.errors import SpaceError, did_you_mean
from trimtab.integrations.sklearn import _scipy
from trimtab.space import Bool, Choice, Const, Float, Int, Space

PART = "part"  # which of a list of spaces a configuration is from
LONGEST_LABEL = 60
Objects = dict[str, dict[str, Any]]  # choice -> label -> the object it stands for


@dataclass(frozen=True)
class Parameters:
    """A space, what its names are called in scikit-learn, and what its labels stand for there."""

    space: Space
    names: Mapping[str, str | None]  # None: no parameter of the estimator
    objects: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, given: Any, estimator: Any, *, defaults: bool = True) -> Parameters:
        """From whatever a user gave as space=. defaults: the estimator's own values, where none were given."""
        objects: Objects = {}
        if isinstance(given, list | tuple) and len(given) == 1:
            (given,) = given
        if isinstance(given, Space):
            space = Space(dict(_translated(given.domains, "", objects)), given.require, given.forbid)
        elif isinstance(given, Mapping):
            space = Space(dict(_translated(given, "", objects)))
        elif isinstance(given, list | tuple) and given and all(isinstance(part, Mapping | Space) for part in given):
            parts = {str(i): part for i, part in enumerate(given)}
            space = Space({PART: _choice(PART, Choice(parts), objects)})
        else:
            raise SpaceError(f"space={given!r:.80}: give a dict of names and ranges, or a tt.Space.")
        names: dict[str, str | None] = {name: _name(name, space, objects) for name in space.names}
        if isinstance(given, list | tuple):
            names[PART] = None
        _check_names(names, estimator, objects)
        made = cls(space, names, objects)
        return replace(made, space=made._with_defaults(estimator)) if defaults else made

    def params(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What to set for a configuration: labels as the objects they stand for."""
        found: dict[str, Any] = {}
        for name, value in config.items():
            known = self.names.get(name, name.replace(".", "__"))  # of an older space: as it would be called
            if known is None:
                continue
            if known in found:
                both = [n for n in config if self.names.get(n) == known]
                raise SpaceError(f"{' and '.join(both)} both set {known}. Give one of them a when= that rules it out.")
            labels = self.objects.get(name)
            found[known] = labels.get(value, value) if labels is not None else value
        return found

    def baseline(self, estimator: Any) -> dict[str, Any] | None:
        """The configuration that is the estimator as it was given; None where the space doesn't hold it."""
        own = estimator.get_params(deep=True)
        nones = {  # default=None says that there is no default, so these are not among the space's own
            name: None
            for name, domain in self.space.domains.items()
            if isinstance(domain, Choice) and own.get(self.names[name], 0) is None and domain.code(None) is not None
        }
        try:
            return self.space.check(self.space.complete(nones))
        except SpaceError:
            return None

    def _with_defaults(self, estimator: Any) -> Space:
        """Where the user gave no default, the estimator's own value, so that every gain is told over it."""
        own, found = estimator.get_params(deep=True), dict[str, Any]()
        for name, domain in self.space.domains.items():
            known = self.names[name]
            if known not in own or getattr(domain, "default", 0) is not None:
                continue
            value = self._label(name, own[known])
            if value is None:
                continue
            try:
                found[name] = replace(domain, default=value)
            except (SpaceError, TypeError, ValueError):
                continue  # the space doesn't hold it: gamma="scale" in a range of numbers
        return Space({**self.space.domains, **found}, self.space.require, self.space.forbid) if found else self.space

    def _label(self, name: str, value: Any) -> Any:
        """How the space says a value that the estimator has."""
        searched = {str(known).removeprefix(f"{self.names[name]}__") for known in self.names.values()}
        for label, thing in self.objects.get(name, {}).items():
            if thing is value or (
                type(thing) is type(value) and _settings(thing, searched) == _settings(value, searched)
            ):
                return label
        return value


def _settings(thing: Any, searched: set[str]) -> str:
    """What makes an object what it is, but for what is searched."""
    if not _is_object(thing):
        return repr(thing)
    return repr({k: v for k, v in thing.get_params(deep=True).items() if k not in searched})


# ── what users write ─────────────────────────────────────────────────────────────────────────────────────────────────


def _translated(spec: Mapping[str, Any], prefix: str, objects: Objects) -> Iterator[tuple[str, Any]]:
    for key, value in spec.items():
        yield key, _domain(value, f"{prefix}{key}", objects)


def _domain(value: Any, name: str, objects: Objects) -> Any:
    """What tt.Space takes for it."""
    if isinstance(value, Space):
        return Space(dict(_translated(value.domains, f"{name}.", objects)), value.require, value.forbid)
    if isinstance(value, Choice):
        return _choice(name, value, objects) if isinstance(value.choices, dict) else value
    if _scipy.is_distribution(value):
        return _scipy.domain_of(value, name)
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            return value
        if value and any(_is_pair(v) or _is_object(v) for v in value.values()):
            return _choice(name, Choice(dict(value)), objects)
        return dict(_translated(value, f"{name}.", objects))
    if isinstance(value, range) or (hasattr(value, "tolist") and getattr(value, "ndim", 1) == 1):
        value = list(value)  # arrays and series as well
    if isinstance(value, list) or (isinstance(value, tuple) and not _is_range(value)):
        return _listed(value, name, objects)
    if _is_object(value):
        return _listed([value], name, objects)
    return value


def _listed(values: Sequence[Any], name: str, objects: Objects) -> Any:
    """A list as scikit-learn takes it: plain values as they are, anything else by a label."""
    if not len(values):
        raise SpaceError(f"{name}: an empty list. Give at least one value.")
    plain = [v.item() if hasattr(v, "item") and getattr(v, "ndim", 1) == 0 else v for v in values]
    if not all(_is_plain(v) for v in plain):
        labels: dict[str, Any] = {}
        for value in values:
            label = text = _label_of(value)
            again = 2
            while label in labels:
                label, again = f"{text} ({again})", again + 1
            labels[label] = value
        objects[name] = labels
        return Choice(labels)
    once = list({(type(v), v): v for v in plain}.values())  # twice in a list is no likelier here
    if len(once) == 1:
        return Const(once[0])
    return Choice(once, ordered=len(once) > 2 and _is_monotone(once))


def _choice(name: str, choice: Choice, objects: Objects) -> Choice:
    """A choice by labels: the object of each, and the space under it."""
    made: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    for label, value in choice.choices.items():
        thing, below = value if _is_pair(value) else (None, value) if _is_space(value) else (value, None)
        if not _is_space(value):
            labels[label] = thing
        made[label] = labels.get(label, label)
        if below is not None:
            rules = (below.require, below.forbid) if isinstance(below, Space) else ((), ())
            spec = below.domains if isinstance(below, Space) else below
            made[label] = Space(dict(_translated(spec, f"{name}.{label}.", objects)), *rules)
    if labels:
        objects[name] = labels
    return replace(choice, choices=made)


def _is_pair(value: Any) -> bool:
    """(SVC(), {"C": …}): an object, and the space of its settings."""
    pair = isinstance(value, tuple) and len(value) == 2
    return pair and _is_object(value[0]) and isinstance(value[1], Mapping | Space)


def _is_object(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _is_space(value: Any) -> bool:
    """Of a label: settings that come with it, not an object that happens to be a dict (class_weight={0: 1})."""
    if isinstance(value, Space):
        return True
    kinds = (Space, Float, Int, Choice, Bool, Mapping, list)
    return (
        isinstance(value, Mapping)
        and all(isinstance(k, str) for k in value)
        and (
            not value
            or any(isinstance(v, kinds) or _scipy.is_distribution(v) or _is_text_range(v) for v in value.values())
        )
    )


def _is_text_range(value: Any) -> bool:
    return isinstance(value, str) and ".." in value


def _is_range(value: tuple[Any, ...]) -> bool:
    """Two numbers in round brackets: a range to some, two values to others; tt.Space asks which."""
    return len(value) == 2 and all(type(v) in (int, float) for v in value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value))


def _is_monotone(values: Sequence[Any]) -> bool:
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return False
    up = [a < b for a, b in pairwise(values)]
    return all(up) or not any(up)


def _label_of(value: Any) -> str:
    """A short name for any object, the same in every process."""
    text = value if isinstance(value, str) else getattr(value, "__name__", None) or repr(value)
    text = re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-f]+", "", text))
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


# ── what scikit-learn calls it ───────────────────────────────────────────────────────────────────────────────────────


def _name(full: str, space: Space, objects: Objects) -> str:
    """ "clf.svm.C" as clf__C where svm stands for an object, and else as a neighbour of clf."""
    found = [
        (name, label)
        for name, domain in space.domains.items()
        for label in getattr(domain, "branches", ())
        if full.startswith(f"{name}.{label}.")
    ]
    if not found:
        return full.replace(".", "__")
    name, label = max(found, key=lambda pair: len(".".join(pair)))  # the innermost branch
    rest, own = full.removeprefix(f"{name}.{label}.").replace(".", "__"), _name(name, space, objects)
    if label in objects.get(name, {}):
        return f"{own}__{rest}"
    group, _, _ = own.rpartition("__")
    return f"{group}__{rest}" if group else rest


def _check_names(names: Mapping[str, str | None], estimator: Any, objects: Objects) -> None:
    """Say now what the first fit would die of."""
    known = estimator.get_params(deep=True)
    swapped: dict[str, list[Any]] = {}
    for name, labels in objects.items():
        swapped.setdefault(str(names.get(name)), []).extend(labels.values())
    for name in filter(None, names.values()):
        if name in known or _known_below(name, swapped) or _settable(estimator, name):
            continue
        raise SpaceError(f'"{name}" is no parameter of {type(estimator).__name__}. {did_you_mean(name, known)}')


def _settable(estimator: Any, name: str) -> bool:
    """An estimator need not list all that it lets itself be told."""
    try:
        clone(estimator).set_params(**{name: None})
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _known_below(name: str, swapped: Mapping[str, Sequence[Any]]) -> bool:
    """Whether it is a setting of an object that may be put in place of a part of the estimator."""
    words = name.split("__")
    for k in range(len(words) - 1, 0, -1):
        if (owner := "__".join(words[:k])) in swapped:
            rest = "__".join(words[k:])
            parts = [thing for thing in swapped[owner] if _is_object(thing)]
            return not parts or any(rest in thing.get_params(deep=True) for thing in parts)
    return False
