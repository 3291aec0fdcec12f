"""Several goals: the known front is on the task, its volume is `best`, and nothing random is above it."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.bench.tasks.objectives import NAMES, best_rate, network
from trimtab.errors import MissingExtra, UnknownName
from trimtab.space import Expression

pytest.importorskip("pymoo")
moocore = pytest.importorskip("moocore")

N = 1001  # points of a front
T = np.linspace(0, 1, N)


def front_of(made):
    """(n, d) configurations on the front, from what the papers say of it; None where no formula is known."""
    name, d = made.name.partition("/")[2].partition("-")[0], made.space.d
    if name.startswith("zdt"):
        return np.column_stack([T, *np.zeros((d - 1, N))])
    if name.startswith("dtlz"):
        m = len(made.goals)
        first = T[:, None] if m == 2 else np.stack(np.meshgrid(T[::25], T[::25]), axis=-1).reshape(-1, 2)
        rest = 0.0 if name == "dtlz7" else 0.5
        return np.column_stack([first, np.full((len(first), d - m + 1), rest)])
    if name == "bnh":
        return np.concatenate([np.column_stack([3 * T, 3 * T]), np.column_stack([3 + 2 * T, 3 + 0 * T])])
    if name == "tnk":
        angle = np.linspace(1e-6, math.pi / 2 - 1e-6, 4 * N)
        radius = np.sqrt(1 + 0.1 * np.cos(16 * (math.pi / 2 - angle))) * (1 + 1e-12)
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    if name == "osy":
        t = T[::4]
        one, zero = np.ones(len(t)), np.zeros(len(t))
        return np.concatenate(
            [
                np.column_stack([5 * one, one, 1 + 4 * t, zero, 5 * one, zero]),
                np.column_stack([5 * one, one, 1 + 4 * t, zero, one, zero]),
                np.column_stack([4 + t, (2 + t) / 3, one, zero, one, zero]),
                np.column_stack([zero, 2 * one, 1 + 4 * t, zero, one, zero]),
                np.column_stack([t, 2 - t, one, zero, one, zero]),
            ]
        )
    if name == "four_bar_truss":  # a bar's area grows with the price of giving way, until it meets its bounds
        price, root = np.geomspace(1e3, 1e6, N), math.sqrt(2)
        areas = [(400, 0.02, 1.0), (200 * root, 0.02 * root, root), (200, 0.02, 1.0)]
        a, b, d = (np.clip(np.sqrt(price * gain / cost), low, 3.0) for cost, gain, low in areas)
        return np.column_stack([a, b, np.full(N, root), d])
    return None


def values_of(made, configs):
    """(n, m) goals of those that are feasible."""
    limits = [Expression(text) for text in made.constraints]
    rows = [made.measure(config, None, 0).metrics for config in configs]
    rows = [row for row in rows if all(row[limit.names[0]] <= 1e-9 for limit in limits)]
    return np.array([[row[goal.name] for goal in made.goals] for row in rows])


def volume(made, Y):
    ideal, nadir = (np.array([getattr(goal, side) for goal in made.goals]) for side in ("ideal", "nadir"))
    return moocore.hypervolume((Y - ideal) / (nadir - ideal), ref=[1.1] * len(made.goals))


@pytest.mark.parametrize("instance", [n for n in NAMES if n not in ("welded_beam", "disc_brake", "network")])
def test_best_is_the_volume_of_the_known_front(instance):
    made = task(f"objectives/{instance}")
    assert made.exact
    Y = values_of(made, [dict(zip(made.space.names, x, strict=True)) for x in front_of(made).tolist()])
    Y = moocore.filter_dominated(Y)
    for j, goal in enumerate(made.goals):
        spread = goal.nadir - goal.ideal
        assert Y[:, j].min() == pytest.approx(goal.ideal, abs=5e-3 * spread)
        assert Y[:, j].max() == pytest.approx(goal.nadir, abs=2e-2 * spread)
        assert Y[:, j].min() >= goal.ideal - 1e-9 * spread
    lack = made.best - volume(made, Y)
    assert 0 <= lack < (6e-3 if len(made.goals) == 2 else 0.03)  # a staircase of points stays below the front


@pytest.mark.parametrize("instance", NAMES)
def test_nothing_random_is_above_the_front(instance):
    made = task(f"objectives/{instance}")
    assert (made.name, made.kind) == (f"objectives/{instance}", "objectives")
    drawn = made.space.decode(made.space.sample(np.random.default_rng(0), 1000))
    Y = values_of(made, drawn)
    assert len(Y) > 20  # there are feasible ones
    assert volume(made, Y) < made.best
    assert (Y.min(axis=0) >= np.array([goal.ideal for goal in made.goals])).all()
    again = task(made.name)
    assert [again.measure(c, None, 5) for c in drawn[:20]] == [made.measure(c, None, 5) for c in drawn[:20]]


@pytest.mark.slow
@pytest.mark.parametrize("instance", ["osy", "tnk", "welded_beam", "disc_brake"])
def test_a_long_run_comes_to_the_front_and_not_beyond(instance):
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.optimize import minimize

    made = task(f"objectives/{instance}")
    names = made.space.names
    low, high = (np.array([getattr(made.space.domains[n], side) for n in names]) for side in ("low", "high"))

    class Wrapped(ElementwiseProblem):
        def __init__(self):
            super().__init__(n_var=len(names), n_obj=2, n_ieq_constr=len(made.constraints), xl=low, xu=high)

        def _evaluate(self, x, out, *args, **kwargs):
            metrics = made.measure(dict(zip(names, x.tolist(), strict=True)), None, 0).metrics
            out["F"] = [metrics["f1"], metrics["f2"]]
            out["G"] = [metrics[f"g{j}"] for j in range(1, len(made.constraints) + 1)]

    reached = volume(made, minimize(Wrapped(), NSGA2(pop_size=100), ("n_gen", 300), seed=1).F)
    assert made.best - 0.03 < reached < made.best


def test_the_brake_is_the_published_one():
    """By hand, from the formulas with their cubes and squares."""
    made = task("objectives/disc_brake")
    inner, outer, force, surfaces = 60.0, 90.0, 2000.0, 15.0
    square, cube = outer**2 - inner**2, outer**3 - inner**3
    metrics = made.measure({"inner": inner, "outer": outer, "force": force, "surfaces": surfaces}, None, 0).metrics
    wanted = {
        "f1": 4.9e-5 * square * 14,
        "f2": 9.82e6 * square / (force * surfaces * cube),
        "g1": -10.0,
        "g2": force / (3.14 * square) - 0.4,
        "g3": 2.22e-3 * force * cube / square**2 - 1,
        "g4": 900 - 2.66e-2 * force * surfaces * cube / square,
    }
    assert metrics == pytest.approx(wanted)
    equal = made.measure({"inner": 77.0, "outer": 77.0, "force": force, "surfaces": surfaces}, None, 0).metrics
    assert equal["g1"] == 20
    assert all(math.isfinite(value) for value in equal.values())


def test_the_truss_at_its_ends():
    made = task("objectives/four_bar_truss")
    root = math.sqrt(2)
    least = made.measure({"a1": 1.0, "a2": root, "a3": root, "a4": 1.0}, None, 0).metrics
    assert least == pytest.approx({"f1": made.goals[0].ideal, "f2": made.goals[1].nadir})
    most = made.measure({"a1": 3.0, "a2": 3.0, "a3": root, "a4": 3.0}, None, 0).metrics
    assert most == pytest.approx({"f1": made.goals[0].nadir, "f2": made.goals[1].ideal})


def test_the_front_of_the_network_is_that_of_all_networks():
    """Every width, depth, batch and activation at its best rate; the others are worse in error and no quicker."""
    made = task("objectives/network")
    grid = np.stack(np.meshgrid(np.arange(8, 513), np.arange(1, 9), 2 ** np.arange(4, 11), indexing="ij"), axis=-1)
    grid = grid.reshape(-1, 3)
    kinds = made.space.domains["activation"].labels
    Y = np.concatenate([np.column_stack(network(*grid.T.astype(float), kind)) for kind in kinds])
    on = np.flatnonzero(moocore.is_nondominated(Y))
    assert Y[on].min(axis=0) == pytest.approx([g.ideal for g in made.goals], rel=1e-12)
    assert Y[on].max(axis=0) == pytest.approx([g.nadir for g in made.goals], rel=1e-12)
    assert volume(made, Y[on]) == pytest.approx(made.best, rel=1e-12)
    configs = []
    for i in on[::40].tolist():
        width, layers, batch = grid[i % len(grid)].tolist()
        rate = best_rate(batch)
        configs.append(
            {"width": width, "layers": layers, "batch": batch, "rate": rate, "activation": kinds[i // len(grid)]}
        )
    assert values_of(made, configs) == pytest.approx(Y[on[::40]], rel=1e-12)
    off = values_of(made, [made.space.check({**config, "rate": config["rate"] * 1.5}) for config in configs])
    assert (off[:, 0] > Y[on[::40], 0]).all()
    assert off[:, 1] == pytest.approx(Y[on[::40], 1])


def test_the_names():
    assert tasks("objectives/*") == [f"objectives/{name}" for name in NAMES]
    for wanted in ("zdt1-d10", "zdt3-d10", "dtlz2-d6-m3"):  # the suites name these
        assert wanted in NAMES
    other = task("objectives/zdt4-d4")
    assert (other.space.d, other.name) == (4, "objectives/zdt4-d4")
    assert [(d.low, d.high) for d in other.space.domains.values()] == [(0, 1)] + [(-5, 5)] * 3
    assert len(task("objectives/dtlz2-d4-m3").goals) == 3
    for wrong in ("zdt5-d10", "zdt1-d1", "zdt1", "dtlz2-d2-m3", "dtlz2-d6-m4", "zdt1-d010"):
        with pytest.raises(UnknownName, match=f"No task of objectives is called '{wrong}'"):
            task(f"objectives/{wrong}")


def test_without_the_library_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymoo", None)
    with pytest.raises(MissingExtra, match=r"needs pymoo.*pip install 'trimtab\[bench\]'"):
        task("objectives/zdt1-d10")
    assert task("objectives/four_bar_truss").space.d == 4  # needs numpy alone
