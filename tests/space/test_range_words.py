"""The short way of writing: ranges that say when they exist, and choices of which only some have branches."""

from __future__ import annotations

import pytest

import trimtab as tt
from trimtab.errors import SpaceError


@pytest.mark.parametrize(
    "text", ["10..1000 log default=100 when mode == 'safe'", "10..1000:log:default=100:when=mode == 'safe'"]
)
def test_a_range_says_when_it_is_there(text: str) -> None:
    space = tt.Space({"mode": ["fast", "safe"], "restart": text})
    assert space["restart"] == tt.Int(10, 1000, log=True, default=100, when="mode == 'safe'")


def test_the_condition_is_the_rest_of_the_text() -> None:
    space = tt.Space({"kind": ["a:b", "log"], "x": "0.0..1.0:when=kind in ['a:b', 'log']"})
    assert space["x"].when.text == "kind in ['a:b', 'log']"
    with pytest.raises(SpaceError, match=r"x: \"kind == 'log' log\" can't be read at 'log'"):
        tt.Space({"kind": ["a", "log"], "x": "1..9 when kind == 'log' log"})


def test_some_choices_of_a_table_have_branches() -> None:
    table = {"type": "choice", "choices": ["none", "svm"], "default": "none", "branches": {"svm": {"C": "1..9"}}}
    space = tt.Space({"model": table})
    assert list(space.names) == ["model", "model.svm.C"]
    assert list(space["model"].labels) == ["none", "svm"]
    assert space.default == {"model": "none"}
    assert tt.Space.from_json(space.to_json()) == space
