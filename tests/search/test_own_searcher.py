"""A searcher of a script or a notebook cell: an object that no package names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import trimtab as tt
from trimtab.history import History
from trimtab.protocol import Ask, Proposal
from trimtab.study.verify import verify


@dataclass(frozen=True, slots=True)
class Listed:
    """The given values of x, one after the other."""

    values: tuple[float, ...] = (0.25, 0.5)
    name: ClassVar[str] = "listed"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = frozenset()
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return [Proposal({"x": x}) for x in self.values[ask.number :][: ask.n]]


class Impostor(Listed):
    name: ClassVar[str] = "tpe"


class Nameless:
    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        return []


def study(searcher: object, **more: object) -> tt.Study:
    return tt.Study("own", {"x": tt.Float(0, 1)}, minimize="loss", searcher=searcher, **more)  # type: ignore[arg-type]


def test_an_object_is_used_stored_and_verified(tmp_path: Path) -> None:
    made = study(Listed((0.1, 0.9, 0.4)), storage=tmp_path / "own.db")
    made.optimize(lambda trial: trial["x"], trials=10, display=False)
    assert [t.config["x"] for t in made.trials] == [0.1, 0.9, 0.4]
    made.close()
    again = tt.load(tmp_path / "own.db")
    assert again.searcher == Listed((0.1, 0.9, 0.4))
    again.close()
    assert verify(tmp_path / "own.db").ok


def test_it_can_take_no_built_in_name() -> None:
    with pytest.raises(TypeError, match="is called 'tpe', as the searcher that comes with trimtab"):
        study(Impostor())
    with pytest.raises(TypeError, match="Nameless needs a name"):
        study(Nameless())
