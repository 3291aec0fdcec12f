"""Methods of one's own in this process: registered by name, or missing where a study is only looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from trimtab._registry import Registry
from trimtab.errors import UnknownName
from trimtab.log import JSON
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS

Class = TypeVar("Class", bound=type[Any])


def register(cls: Class) -> Class:
    """Make a searcher or scheduler of your own known by its name, in this process. A class decorator.

    What is given as an object is registered by that alone. For every process: name it in the entry points of a
    package, in the group "trimtab.searchers" or "trimtab.schedulers".
    """
    for registry in (SEARCHERS, SCHEDULERS):
        if isinstance(cls, type) and hasattr(cls, registry.verb):
            registry.register(cls)
            return cls
    raise TypeError(f"{cls!r} is no method: a searcher has propose(), a scheduler next() and judge().")


class Missing:
    """Stands for a method whose class is not here: its name can be read, and using it says what to do."""

    def __init__(self, told: Mapping[str, JSON], error: UnknownName) -> None:
        self.name, self.revision, self._error = told["name"], told.get("revision", 0), error

    def __repr__(self) -> str:
        return f"<{self.name}, not known here>"

    def __getattr__(self, attribute: str) -> Any:
        if attribute in NEEDED:
            raise self._error
        raise AttributeError(attribute)


NEEDED = frozenset(
    {"takes", "chooses", "propose", "next", "judge", "levels", "listens", "resource", "needs_chooser", "reads_time"}
)


def found_or_missing(registry: Registry, told: Mapping[str, JSON]) -> Any:
    """The method of a definition. A study can be read where its methods are not."""
    try:
        return registry.from_json(told)
    except UnknownName as error:
        return Missing(told, error)
