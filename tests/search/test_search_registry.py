"""Searchers by name: settings are checked, stored and read back; other packages can add theirs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from trimtab import _registry
from trimtab._registry import Registry
from trimtab.errors import UnknownName
from trimtab.protocol import TRAITS
from trimtab.search import SEARCHERS, describe, searcher
from trimtab.search._registry import REGISTRY
from trimtab.search.random import RandomSearch
from trimtab.search.tpe import TPE

FIRST = RandomSearch()


@dataclass(frozen=True)
class Meta:
    """Made of others."""

    children: tuple[Any, ...]
    first: Any = FIRST

    name = "meta"
    revision = 1

    def propose(self, history: object, ask: object) -> list[object]:
        return []


@pytest.mark.parametrize("name", sorted(SEARCHERS))
def test_every_name_gives_a_searcher_of_that_name(name: str) -> None:
    made = searcher(name)
    assert made.name == name
    assert made.revision >= 1
    assert made.takes <= TRAITS
    assert hash(made) == hash(searcher(name))
    assert REGISTRY.from_json(REGISTRY.to_json(made)) == made


def test_a_row_a_method() -> None:
    rows = {row.name: row for row in describe()}
    assert set(SEARCHERS) <= set(rows)
    assert rows["tpe"].settings["startup"] == 10
    assert "Bergstra" in rows["tpe"].source
    assert all(row.summary and row.source for row in rows.values())


def test_settings_by_name_by_table_and_back() -> None:
    made = searcher("tpe", startup=20)
    assert made == TPE(startup=20) == searcher({"method": "tpe", "startup": 20}) == searcher(made)
    assert REGISTRY.to_json(made) == {"name": "tpe", "revision": TPE.revision, "settings": {"startup": 20}}


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: searcher("tpee"), UnknownName, "No searcher is called 'tpee'. Did you mean 'tpe'"),
        (lambda: searcher("tpe", start_up=3), TypeError, "TPE has no setting 'start_up'. Did you mean 'startup'"),
        (lambda: searcher("random", seed=3), TypeError, "RandomSearch has no setting 'seed'. It has none"),
        (lambda: searcher(3), TypeError, "3 is not a searcher"),  # type: ignore[arg-type]
        (lambda: searcher(TPE), TypeError, r"Write TPE\(…\)"),  # type: ignore[arg-type]
        (lambda: searcher(TPE(), startup=3), TypeError, "startup can't be set here"),
        (lambda: searcher({"startup": 3}), TypeError, "needs its name"),
    ],
)
def test_mistakes_are_named_with_the_mend(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_other_packages_add_theirs_but_replace_none(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "meta": EntryPoint("meta", f"{__name__}:Meta", "g"),
        "tpe": EntryPoint("tpe", "nowhere:Nothing", "g"),
    }
    monkeypatch.setattr(_registry, "_foreign", lambda group: points)
    monkeypatch.setattr(EntryPoint, "load", lambda self: Meta)
    registry = Registry("searcher", SEARCHERS, "g", "propose")
    assert registry.names() == [*SEARCHERS, "meta"]
    assert isinstance(registry.make("tpe"), TPE)
    with pytest.raises(TypeError, match="Meta needs the setting 'children'"):
        registry.make("meta")
    made = registry.make("meta", children=[{"method": "tpe", "most": 9}, {"method": "grid"}], first={"method": "tpe"})
    assert made.children[0] == TPE(most=9)
    assert registry.from_json(registry.to_json(made)) == made
