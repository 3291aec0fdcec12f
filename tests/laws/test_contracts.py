"""trimtab.testing for third parties: methods no registry knows can be checked, and what breaks a law is found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from trimtab.errors import UnknownName
from trimtab.history import History
from trimtab.protocol import TRAITS, Ask, Proposal, Verdict
from trimtab.schedule.full import Full
from trimtab.search.random import RandomSearch
from trimtab.storage import Memory
from trimtab.testing import check_scheduler, check_searcher, check_storage


@dataclass(frozen=True)
class Mine:
    """Near the best so far, or anywhere."""

    name: ClassVar[str] = "mine"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return RandomSearch().propose(history, replace(ask, scope=f"{ask.scope}/mine {int(len(history) > 5)}"))


class Remembers(Mine):
    """Draws by how often it was asked: warm and cold differ."""

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        asked: list[int] = history.fold("asked", list, lambda seen, event, _: seen)
        asked.append(1)
        return RandomSearch().propose(history, replace(ask, scope=str(len(asked))))


class Outside(Mine):
    """Forgets what is conditional."""

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return [Proposal({"x": 99.0}) for _ in range(ask.n)]


class Greedy(Full):
    """Starts whatever it likes."""

    name: ClassVar[str] = "greedy"

    def next(self, history: History, searcher: Any, ask: Ask) -> Any:
        return super().next(history, searcher, replace(ask, n=ask.n + 1, fresh=None))


class Moody(Full):
    """Stops without a reason."""

    name: ClassVar[str] = "moody"

    def judge(self, history: History, trial: int) -> Verdict:
        return Verdict("stop")


class Forgetful(Memory):
    """Doesn't know its append ids."""

    def append(self, study: int, events: Any, append_id: str, decides: int | None = None) -> Any:
        return super().append(study, events, f"{append_id} {len(self.read(study, 0)[0])}", decides)


def test_a_searcher_of_somebody_else() -> None:
    check_searcher(Mine)


def test_a_scheduler_of_somebody_else() -> None:
    check_scheduler(lambda: Full(max=4))


@pytest.mark.parametrize(("wrong", "says"), [(Remembers, "warm"), (Outside, "outside the space")])
def test_a_searcher_that_breaks_a_law(wrong: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_searcher(wrong, skip=["cold_equals_warm"] if wrong is Outside else [])


@pytest.mark.parametrize(("wrong", "says"), [(Greedy, "starts where|counted"), (Moody, "gives no reason")])
def test_a_scheduler_that_breaks_a_law(wrong: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_scheduler(lambda: wrong(max=4))


def test_a_storage_that_breaks_a_law() -> None:
    one = Forgetful()
    with pytest.raises(AssertionError, match="recognised by its id"):
        check_storage(lambda: one)


def test_what_to_skip_is_named() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'stays_inside'"):
        check_searcher(Mine, skip=["stay_inside"])
