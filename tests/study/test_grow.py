"""Define by run: the space is the hull of everything that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from trimtab import Choice, Const, Float, Int, Space, SpaceError
from trimtab.study._grow import grown


def hull(*domains: Any) -> Any:
    space = Space({"x": domains[0]})
    for domain in domains[1:]:
        space = grown(space, {"x": [None, Space({"x": domain}).to_json()]})
    return space.domains["x"]


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        ([Float(0, 1), Float(0, 1)], Float(0, 1)),
        ([Float(0, 1), Float(-1, 0.5)], Float(-1, 1)),
        ([Float(0, 1, step=0.25), Float(0.5, 2, step=0.25)], Float(0, 2, step=0.25)),
        ([Int(0, 10, step=2), Int(1, 11, step=2)], Int(0, 11)),  # two grids that don't meet
        ([Int(1, 8, log=True), Int(2, 9)], Int(1, 9)),
        ([Const(1), Int(1, 3)], Int(1, 3)),
        ([Int(1, 3), Const(7)], Int(1, 7)),
        ([Int(1, 7, step=3), Const(4)], Int(1, 7, step=3)),
        ([Int(1, 7, step=3), Const(5)], Int(1, 7)),
        ([Float(1, 2, log=True), Const(0.0)], Float(0, 2)),
        ([Const(3), Const(3)], Const(3)),
        ([Const(3), Const(1)], Int(1, 3)),
        ([Const(3), Const(0.5)], Float(0.5, 3)),
        ([Const("a"), Const(None)], Choice(["a", None])),
        ([Choice(["a", "b"]), Const("c")], Choice(["a", "b", "c"])),
        ([Choice(["a"]), Choice(["b", "a"])], Choice(["a", "b"])),
        ([Float(0, 1, when="k > 1"), Float(0, 2)], Float(0, 2, when="k > 1")),
    ],
)  # fmt: skip
def test_hull(domains: list[Any], expected: Any) -> None:
    if getattr(domains[0], "when", None) is not None:
        space = grown(Space({"k": Int(0, 3), "x": domains[0]}), {"x": [0, Space({"x": domains[1]}).to_json()]})
        assert space.domains["x"] == expected
    else:
        assert hull(*domains) == expected


@pytest.mark.parametrize("domains", [[Int(1, 3), Float(0, 1)], [Int(1, 3), Const(0.5)], [Int(1, 3), Const(True)]])
def test_another_kind_is_refused(domains: list[Any]) -> None:
    with pytest.raises(SpaceError, match=r"x was a Int in earlier trials .* give it another name"):
        hull(*domains)
