"""The schedulers by name. A new one is a file and a line here, or an entry point in another package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab._registry import Registry, Row
from trimtab.protocol import Scheduler

SCHEDULERS: Mapping[str, str] = {
    "full": "trimtab.schedule.full:Full",
    "halving": "trimtab.schedule.halving:Halving",
    "median": "trimtab.schedule.median:Median",
    "asha": "trimtab.schedule.asha:ASHA",
}
REGISTRY = Registry(kind="scheduler", known=SCHEDULERS, group="trimtab.schedulers", verb="judge")


def scheduler(method: str | Mapping[str, Any] | Scheduler, **settings: Any) -> Scheduler:
    """A scheduler from its name (with settings), from a table {"method": name, …}, or the one given."""
    made: Scheduler = REGISTRY.make(method, **settings)
    return made


def describe() -> list[Row]:
    """A row for every scheduler: what `trimtab methods` prints."""
    return REGISTRY.describe()
