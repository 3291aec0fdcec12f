"""The contracts of searchers, schedulers and storages, for those who write one.

    from trimtab.testing import check_searcher

    def test_contract():
        check_searcher(lambda: MySearcher(candidates=10))

Each function runs every check of its kind and raises AssertionError at the first that fails. To see them one by one
in your test runner, parametrize over SEARCHER_CHECKS, SCHEDULER_CHECKS or STORAGE_CHECKS: {name: check(make)}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from trimtab.errors import UnknownName
from trimtab.protocol import Scheduler, Searcher, Storage
from trimtab.testing._chaos import random_log
from trimtab.testing._schedulers import SCHEDULER_CHECKS
from trimtab.testing._searchers import SEARCHER_CHECKS
from trimtab.testing._storages import STORAGE_CHECKS
from trimtab.testing._worlds import WORLDS, World

__all__ = [
    "SCHEDULER_CHECKS",
    "SEARCHER_CHECKS",
    "STORAGE_CHECKS",
    "WORLDS",
    "World",
    "check_scheduler",
    "check_searcher",
    "check_storage",
    "random_log",
]


def check_searcher(make: Callable[[], Searcher], *, skip: Collection[str] = ()) -> None:
    """Every check of SEARCHER_CHECKS but those named in `skip`. make() gives a new searcher with equal settings."""
    _all(SEARCHER_CHECKS, make, skip)


def check_scheduler(make: Callable[[], Scheduler], *, skip: Collection[str] = ()) -> None:
    """Every check of SCHEDULER_CHECKS but those named in `skip`."""
    _all(SCHEDULER_CHECKS, make, skip)


def check_storage(open_: Callable[[], Storage], *, skip: Collection[str] = ()) -> None:
    """Every check of STORAGE_CHECKS but those named in `skip`. open_() opens the same storage each time."""
    _all(STORAGE_CHECKS, open_, skip)


def _all(checks: Mapping[str, Callable[[Any], None]], make: Callable[[], Any], skip: Collection[str]) -> None:
    for name in skip:
        if name not in checks:
            raise UnknownName(name, among=checks, kind="check")
    for name, check in checks.items():
        if name not in skip:
            check(make)
