"""Grid: exactly its points, in an order of the study's own, none twice."""

from __future__ import annotations

import pytest

from benchmarks.fixtures import ended, started
from trimtab.errors import SpaceError
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.grid import Grid
from trimtab.space import Choice, Float, Int, Space

BRANCHES = Space(
    {
        "model": Choice(["svm", "forest"]),
        "c": Float(0, 1, when="model == 'svm'"),
        "gamma": Float(0, 1, when="model == 'svm'"),
        "depth": Int(1, 4, when="model == 'forest'"),
        "scale": Choice([True, False]),
    }
)


def walk(grid: Grid, space: Space, seed: int = 0, given: tuple = (), batch: int = 1) -> list[dict]:
    """Everything it proposes until it has nothing left."""
    history, found = History.empty(space), []
    for number, config in enumerate(given):
        history.extend([started(number, config), ended(history, number, 0.0)])
    while proposals := grid.propose(history, Ask(number=len(history), n=batch, seed=seed)):
        for p in proposals:
            history.extend([started(len(history), p.config)])
            found.append(dict(p.config))
        if len(history) % 5 == 0:
            history.forget()
    return found


def test_counts_the_products_of_the_branches() -> None:
    found = walk(Grid(points=3), BRANCHES)
    assert len(found) == 2 * (3 * 3 + 3)
    assert len({BRANCHES.key(c) for c in found}) == len(found)
    assert len(walk(Grid(points={"c": 2, "depth": 9}), BRANCHES)) == 2 * (2 * 3 + 4)


def test_order_is_the_seeds_and_batches_change_nothing() -> None:
    first = walk(Grid(points=3), BRANCHES)
    assert walk(Grid(points=3), BRANCHES, batch=7) == first
    other = walk(Grid(points=3), BRANCHES, seed=1)
    assert other != first
    assert sorted(map(BRANCHES.key, other)) == sorted(map(BRANCHES.key, first))


def test_places() -> None:
    space = Space({"x": Float(0, 1)})
    assert sorted(c["x"] for c in walk(Grid(points=4), space)) == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert sorted(c["x"] for c in walk(Grid(points=3, place="ends"), space)) == pytest.approx([0, 0.5, 1])


def test_integers_are_not_repeated() -> None:
    assert sorted(c["n"] for c in walk(Grid(points=10), Space({"n": Int(1, 3)}))) == [1, 2, 3]


def test_given_points_cost_the_grid_none_of_its_own() -> None:
    space = Space({"n": Int(1, 3), "m": Int(1, 3)})
    found = walk(Grid(points=3), space, given=({"n": 2, "m": 2}, {"n": 1, "m": 3}))
    assert len(found) == 7
    assert {"n": 2, "m": 2} not in found


def test_too_large_is_refused_with_the_mend() -> None:
    space = Space({f"x{i}": Float(0, 1) for i in range(30)})
    with pytest.raises(SpaceError, match=r"more than 1,000,000 points. Take fewer"):
        Grid(points=2).propose(History.empty(space), Ask(number=0))


def test_too_large_with_conditions_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.search.grid.MOST", 100)
    with pytest.raises(SpaceError, match="more than 100 points"):
        Grid(points=20).propose(History.empty(BRANCHES), Ask(number=0))


@pytest.mark.parametrize(
    ("settings", "match"), [({"points": 0}, "at least 1"), ({"place": "edge"}, '"middle" or "ends"')]
)
def test_settings_are_checked(settings: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Grid(**settings)
