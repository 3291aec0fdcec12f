"""Analytic tasks: optima that are known, reached by nothing random, and not where a habit would look first."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.bench.tasks.analytic import MAKERS, _chain, _chain_cost, _rotation
from trimtab.bench.tasks.wrappers import Diverged
from trimtab.space import Choice, Float

NAMES = tasks("analytic/*")
UNMOVED = {"analytic/branin", "analytic/hartmann3"}  # their optima are where everybody knows them


def value(made, config):
    try:
        return made.measure(config, None, 0).metrics["y"]
    except Diverged:
        return np.inf


def test_the_names():
    assert [f"analytic/{name}" for name in MAKERS] == NAMES
    for wanted in ("cash", "ackley_mixed", "levy8", "rosenbrock4"):  # the suites name these
        assert wanted in MAKERS


@pytest.mark.parametrize("name", NAMES)
def test_the_optimum_reaches_best_and_nothing_random_beats_it(name):
    made = task(name)
    assert (made.name, made.exact, made.kind) == (name, True, "blackbox")
    assert made.space.check(made.optimum) == made.optimum
    assert value(made, made.optimum) == pytest.approx(made.best, abs=1e-12)
    drawn = made.space.decode(made.space.sample(np.random.default_rng(1), 1000))
    values = [value(made, config) for config in drawn]
    assert min(values) >= made.best
    again = task(name)
    assert [value(again, config) for config in drawn[:100]] == values[:100]


@pytest.mark.parametrize("name", NAMES)
def test_no_neighbour_of_the_optimum_is_better(name):
    """Each parameter changed alone, by little and by much; and all reals moved together."""
    made = task(name)
    rng = np.random.default_rng(2)
    for config in made.space.neighbours(made.optimum, rng, n=8):
        assert value(made, config) >= made.best - 1e-12
    X = made.space.encode([made.optimum])[0]
    real = np.array([column.kind == "real" for column in made.space.columns])
    for size in (1e-2, 1e-4, 1e-6):
        for _ in range(30):
            near = np.where(real, np.clip(X + size * rng.standard_normal(len(X)), 0, 1), X)
            (config,) = made.space.decode(near[None])
            assert value(made, config) >= made.best - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_the_optimum_is_neither_in_the_middle_nor_in_a_corner(name):
    made = task(name)
    middle = {n: d.labels[0] if hasattr(d, "labels") else None for n, d in made.space.domains.items()}
    if all(isinstance(d, Float) and not d.step for d in made.space.domains.values()):
        middle = made.space.decode(np.full((1, made.space.d), 0.5))[0]
        assert value(made, middle) > made.best + 0.05
        X = made.space.encode([made.optimum])[0]
        assert ((X > 0.01) & (X < 0.99)).all()
        if name not in UNMOVED:
            assert np.abs(X - 0.5).max() > 0.15
    else:  # the first label of each choice is not the best one throughout
        choices = {n: d for n, d in made.space.domains.items() if isinstance(d, Choice) and n in made.optimum}
        assert not choices or any(made.optimum[n] != middle[n] for n in choices)


def test_the_rotation_is_one():
    turn = _rotation("ellipsoid6", 6)
    assert np.allclose(turn @ turn.T, np.eye(6), atol=1e-14)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert np.abs(turn - np.diag(np.diag(turn))).max() > 0.3


def test_the_cliff_cuts_a_quarter_off_close_to_the_optimum():
    made = task("analytic/crash4")
    drawn = made.space.decode(made.space.sample(np.random.default_rng(3), 2000))
    assert 0.15 < np.mean([value(made, config) == np.inf for config in drawn]) < 0.35
    beyond = {n: v + 0.3 * sign for (n, v), sign in zip(made.optimum.items(), (1, -1, 1, 1), strict=True)}
    with pytest.raises(Diverged, match="beyond the cliff"):
        made.measure(beyond, None, 0)


@pytest.mark.parametrize(("name", "few"), [("hartmann6_30d", 6), ("levy4_100d", 4)])
def test_few_coordinates_matter(name, few):
    made = task(f"analytic/{name}")
    effect = []
    for n in made.space.names:
        low, high = made.space.domains[n].low, made.space.domains[n].high
        moved = [value(made, {**made.optimum, n: v}) for v in np.linspace(low, high, 9).tolist()]
        effect.append(max(moved) - made.best)
    effect = np.sort(effect)[::-1]
    assert effect[few - 1] > 20 * effect[few]
    assert effect[-1] > 0  # no coordinate is idle


def test_the_branches_of_cash():
    """Its three models differ in what they can reach, and in how easily they reach it."""
    made = task("analytic/cash")
    assert made.space.traits == {"conditional"}
    drawn = made.space.decode(made.space.sample(np.random.default_rng(4), 6000))
    by_model = {m: [value(made, c) for c in drawn if c["model"] == m] for m in ("forest", "svm", "net")}
    least = {m: min(values) for m, values in by_model.items()}
    usual = {m: np.median(values) for m, values in by_model.items()}
    assert 0.15 <= least["forest"] < 0.16
    assert 0.1 <= least["svm"] < 0.11
    assert 0.05 <= least["net"] < 0.1
    assert usual["forest"] < usual["svm"] < usual["net"]  # who judges a branch by its average picks the wrong one


def test_the_chain_of_labels_is_solved():
    """Dynamic programming against trying all, on a chain short enough for that."""
    rng = np.random.default_rng(5)
    own, pair = rng.random((4, 3)), rng.random((3, 3, 3))
    every = {path: _chain_cost(own, pair, path) for path in np.ndindex(3, 3, 3, 3)}
    least, path = _chain(own, pair)
    assert tuple(path) == min(every, key=every.get)
    assert least == min(every.values())


def test_every_kind_of_parameter_is_there():
    kinds, logs, ordered, steps = set(), set(), 0, 0
    for name in NAMES:
        for domain in task(name).space.domains.values():
            kinds.add(type(domain).__name__)
            logs.add((type(domain).__name__, getattr(domain, "log", False)))
            ordered += getattr(domain, "ordered", False)
            steps += getattr(domain, "step", None) is not None
    assert kinds == {"Float", "Int", "Choice", "Bool"}
    assert {("Float", True), ("Int", True), ("Int", 2)} <= logs
    assert ordered
    assert steps
