"""Fixtures F1–F8: the optimum is where it is said to be, nothing beats it, and same question, same answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.bench.task import Task, usual_trials
from trimtab.errors import UnknownName

NAMES = tasks("fixtures/*")
SINGLE = [name for name in NAMES if len(task(name).goals) == 1]


def true_value(made: Task, config) -> float:
    (goal,) = made.goals
    metrics = made.true(config) if made.true else made.measure(config, None, 0).metrics
    return goal.sign * metrics[goal.name]


def feasible(made: Task, config) -> bool:
    from trimtab.space import Expression

    metrics = made.measure(config, None, 0).metrics
    return all(Expression(text).holds(metrics) for text in made.constraints)


def test_the_names():
    assert [name.partition("/")[2] for name in NAMES] == [
        "branin_cat", "hartmann6", "mixed_sphere", "curves_mild", "curves_hard", "zdt1_d5", "h6_in_20d", "tree",
        "branin_con",
    ]  # fmt: skip
    assert all(task(name).name == name for name in NAMES)


def test_an_unknown_one_is_named_with_its_nearest():
    with pytest.raises(UnknownName, match=r"No task of fixtures is called 'hartman6'\. Did you mean 'hartmann6'"):
        task("fixtures/hartman6")


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("branin_cat", 0.3978873577),
        ("hartmann6", -3.32236801),
        ("mixed_sphere", 0.0),
        ("curves_mild", 0.0887765),
        ("curves_hard", 0.1279793),
        ("h6_in_20d", -3.32236801),
        ("tree", 1.0),
        ("branin_con", 0.3978873577),
    ],
)
def test_the_published_minima(name, best):
    made = task(f"fixtures/{name}")
    assert made.best == pytest.approx(best, rel=1e-6, abs=1e-12)
    assert made.exact


@pytest.mark.parametrize("name", SINGLE)
def test_the_optimum_reaches_best_and_nothing_random_beats_it(name):
    made = task(name)
    sign = made.goals[0].sign
    assert made.space.check(made.optimum) == made.optimum
    assert feasible(made, made.optimum)
    assert true_value(made, made.optimum) == pytest.approx(sign * made.best, rel=1e-12, abs=1e-12)
    rng = np.random.default_rng(1)
    drawn = [made.space.sample_config(rng) for _ in range(1000)]
    assert min(true_value(made, config) for config in drawn if feasible(made, config)) >= sign * made.best - 1e-12


@pytest.mark.parametrize("name", SINGLE)
def test_a_step_away_from_the_optimum_is_no_better(name):
    """It is a local optimum: to the last digits, in every direction."""
    made = task(name)
    rng, best = np.random.default_rng(2), made.goals[0].sign * made.best
    X = made.space.encode([made.optimum])[0]
    real = np.array([column.kind == "real" for column in made.space.columns])
    for size in (1e-2, 1e-4, 1e-6):
        for _ in range(30):
            near = X + np.where(real, size * rng.standard_normal(len(X)), 0.0)
            (config,) = made.space.decode(np.where(real, np.clip(near, 0, 1), X)[None])
            assert not feasible(made, config) or true_value(made, config) >= best - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_same_question_same_answer(name):
    one, two = task(name), task(name)
    rng = np.random.default_rng(3)
    for _ in range(20):
        config = one.space.sample_config(rng)
        assert one.measure(config, None, 7) == two.measure(dict(config), None, 7)


def test_the_tree_spans_zero_to_one():
    made = task("fixtures/tree")
    rewards = [made.measure(config, None, 0).metrics["reward"] for config in made.space.grid(3)]
    assert len(rewards) == 3**8
    assert (min(rewards), max(rewards)) == (0.0, 1.0)
    assert made.goals[0].sense == "maximize"


@pytest.mark.parametrize(("name", "rank"), [("curves_mild", 0.93), ("curves_hard", 0.67)])
def test_the_curves(name, rank):
    """Noise of 0.005; the first epoch tells the last to the stated rank correlation; measure and curve agree."""
    made = task(f"fixtures/{name}")
    rng = np.random.default_rng(4)
    configs = [made.space.sample_config(rng) for _ in range(2000)]
    first = [made.measure(config, 1, 0).metrics["loss"] for config in configs]
    last = [made.true(config)["loss"] for config in configs]
    ranks = [np.argsort(np.argsort(column)) for column in (first, last)]
    assert np.corrcoef(ranks)[0, 1] == pytest.approx(rank, abs=0.04)
    noise = [made.measure(config, None, 0).metrics["loss"] - t for config, t in zip(configs, last, strict=True)]
    assert np.std(noise) == pytest.approx(0.005, rel=0.06)
    steps = made.curve(configs[0], 5)
    assert [outcome.seconds for outcome in steps] == list(range(1, 82))
    assert [made.measure(configs[0], r, 5) for r in range(1, 82)] == steps
    assert made.measure(configs[0], None, 5) == steps[-1]
    assert made.measure(configs[0], None, 5) != made.measure(configs[0], None, 6)
    assert made.kind == "multifidelity"


def test_the_feasible_part_of_branin_con_has_one_optimum():
    made = task("fixtures/branin_con")
    others = [{"x": (math.pi + 5) / 15, "y": 2.275 / 15}, {"x": (3 * math.pi + 5) / 15, "y": 2.475 / 15}]
    for config in others:
        assert made.measure(config, None, 0).metrics["y"] == pytest.approx(made.best)
        assert not feasible(made, config)


def test_the_hypervolume_of_zdt1():
    """Against a staircase of points on the front, which comes to it from below."""
    made = task("fixtures/zdt1_d5")
    front = np.linspace(0, 1, 20_001)
    points = [made.measure({"x0": x, **{f"x{i}": 0.0 for i in range(1, 5)}}, None, 0).metrics for x in front.tolist()]
    f1, f2 = (np.array([p[name] for p in points]) for name in ("f1", "f2"))
    volume = float((np.diff(np.append(f1, 1.1)) * (1.1 - f2)).sum())
    assert made.best - 1e-4 < volume < made.best
    assert made.kind == "objectives"
    # spec: with the reference (1.1, 11) the ideal hypervolume is 11.76667
    assert made.best + 1.1 * (11 - 1.1) == pytest.approx(11.76667, abs=1e-5)


def test_the_usual_number_of_trials():
    assert [usual_trials(d) for d in (2, 4, 8, 16, 32)] == [77, 100, 134, 180, 247]
