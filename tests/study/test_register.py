"""Searchers and schedulers of one's own: given as objects, known by name, and missing where a study is only read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

import trimtab as tt
from trimtab.protocol import TRAITS, Proposal
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.study.verify import verify


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    SEARCHERS.own.clear()
    SCHEDULERS.own.clear()


@dataclass(frozen=True, slots=True)
class Middle:
    """The middle of everything, a little off each time."""

    off: float = 0.0
    name: ClassVar[str] = "middle"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: Any, ask: Any) -> Any:
        return [Proposal({"x": 0.5 + self.off + 0.01 * (ask.number + i)}) for i in range(ask.n)]


def study(path: Path, **settings: Any) -> tt.Study:
    return tt.Study("s", {"x": tt.Float(0, 1)}, minimize="loss", storage=path, **settings)


def test_an_object_needs_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    study(path, searcher=Middle(off=0.1)).optimize(lambda t: t["x"], trials=3)
    again = study(path, searcher=Middle(off=0.1))
    assert again.changes == []
    assert again.searcher == Middle(off=0.1)
    assert verify(path).ok


def test_by_name_once_registered(tmp_path: Path) -> None:
    with pytest.raises(tt.UnknownName, match="middle"):
        study(tmp_path / "s.db", searcher="middle")
    assert tt.register(Middle) is Middle
    assert study(tmp_path / "s.db", searcher={"method": "middle", "off": 0.2}).searcher == Middle(off=0.2)


def test_where_it_is_missing_the_study_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    study(path, searcher=Middle()).optimize(lambda t: t["x"], trials=3)
    SEARCHERS.own.clear()
    found = tt.load(path)
    assert (found.best.number, found.searcher.name, len(found.to_dicts())) == (0, "middle", 3)
    for act in (found.ask, lambda: found.optimize(lambda t: t["x"], more=1)):
        with pytest.raises(tt.UnknownName, match=r"searcher is called .middle.*@tt\.register.*searcher=…"):
            act()
    with pytest.raises(tt.UnknownName, match=r"@tt\.register"):
        study(path)._log and tt.Study("s", {"x": tt.Float(0, 2)}, storage=path)
    other = study(path, searcher="random").optimize(lambda t: t["x"], trials=4)
    assert other.changes == ["searcher: middle → random"]
    tt.register(Middle)
    assert verify(path).ok


def test_what_can_not_be_registered() -> None:
    @dataclass(frozen=True)
    class Tpe(Middle):
        name: ClassVar[str] = "tpe"

    with pytest.raises(TypeError, match=r"'tpe', as the searcher that comes with trimtab"):
        tt.register(Tpe)
    with pytest.raises(TypeError, match=r"a searcher has propose\(\), a scheduler"):
        tt.register(dict)
    with pytest.raises(TypeError, match="needs a name"):
        tt.register(type("Nameless", (), {"propose": lambda *_: []}))
