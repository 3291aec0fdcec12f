"""Wrappers: names that round-trip, noise of the size asked for, a half that is left, a seventh that crashes."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.bench._families import task
from trimtab.bench.tasks.wrappers import Diverged, WrapperError, wrapped
from trimtab.errors import UnknownName
from trimtab.space import Expression

PLAIN = (
    "fixtures/branin_cat",
    "fixtures/hartmann6",
    "fixtures/mixed_sphere",
    "fixtures/tree",
    "fixtures/h6_in_20d",
    "fixtures/branin_con",
    "fixtures/curves_hard",
    "fixtures/zdt1_d5",
    "analytic/cash",
    "analytic/layers",
    "analytic/training",
    "analytic/levy4_100d",
)


def draws(made, n, seed=0):
    rng = np.random.default_rng(seed)
    return [made.space.sample_config(rng) for _ in range(n)]


@pytest.mark.parametrize("wrapper", ["noise=0.1", "constrained", "crash", "noise=0.1~constrained~crash"])
@pytest.mark.parametrize("plain", PLAIN)
def test_a_wrapped_name_makes_the_same_task_again(plain, wrapper):
    made = task(f"{plain}~{wrapper}")
    assert made.name == f"{plain}~{wrapper}"
    again = task(made.name)
    for config in draws(made, 10):
        try:
            answer = made.measure(config, None, 3)
        except Diverged:
            with pytest.raises(Diverged, match=r"in the region that crashes"):
                again.measure(config, None, 3)
        else:
            assert again.measure(config, None, 3) == answer


def test_noise_has_the_size_it_says():
    plain, noisy = task("fixtures/hartmann6"), task("fixtures/hartmann6~noise=0.1")
    values = [plain.measure(c, None, 0).metrics["y"] for c in draws(plain, 2000, 1)]
    spread = np.subtract(*np.quantile(values, [0.75, 0.25]))
    shifts = [noisy.measure(c, None, 0).metrics["y"] - noisy.true(c)["y"] for c in draws(plain, 2000, 1)]
    assert np.std(shifts) == pytest.approx(0.1 * spread, rel=0.25)  # the task takes its scale from 200 other draws
    assert abs(np.mean(shifts)) < 0.1 * spread / 10
    config = draws(plain, 1)[0]
    assert noisy.true(config) == plain.measure(config, None, 0).metrics
    assert noisy.measure(config, None, 1) == noisy.measure(config, None, 1) != noisy.measure(config, None, 2)
    assert {"noisy", "synthetic"} <= noisy.tags


def test_noise_scales_with_its_share():
    small, large = task("fixtures/hartmann6~noise=0.1"), task("fixtures/hartmann6~noise=0.2")
    config = draws(small, 1)[0]
    true = small.true(config)["y"]
    assert large.measure(config, None, 0).metrics["y"] - true == pytest.approx(
        2 * (small.measure(config, None, 0).metrics["y"] - true)
    )


def test_noise_goes_to_every_goal_and_not_to_limits():
    plain, noisy = task("fixtures/zdt1_d5"), task("fixtures/zdt1_d5~noise=0.1")
    config = draws(plain, 1)[0]
    one, two = plain.measure(config, None, 0).metrics, noisy.measure(config, None, 0).metrics
    assert one["f1"] != two["f1"]
    assert one["f2"] != two["f2"]
    plain, noisy = task("fixtures/branin_con"), task("fixtures/branin_con~noise=0.1")
    one, two = (made.measure({"x": 0.3, "y": 0.3}, None, 0).metrics for made in (plain, noisy))
    assert one["y"] != two["y"]
    assert {k: v for k, v in one.items() if k != "y"} == {k: v for k, v in two.items() if k != "y"}


@pytest.mark.parametrize("wrapper", ["noise=0.1", "constrained", "noise=0.1~constrained"])
def test_curve_and_measure_agree(wrapper):
    made = task(f"fixtures/curves_mild~{wrapper}")
    config = draws(made, 1)[0]
    steps = made.curve(config, 5)
    assert [made.measure(config, r, 5) for r in range(1, 82)] == steps
    assert made.measure(config, None, 5) == steps[-1]


@pytest.mark.parametrize("plain", PLAIN)
def test_about_half_is_feasible_and_the_optimum_is_in_it(plain):
    made = task(f"{plain}~constrained")
    limit = Expression(made.constraints[-1])
    held = [limit.holds(made.measure(c, None, 0).metrics) for c in draws(made, 1000, 2)]
    assert 0.4 < np.mean(held) < 0.6
    if made.optimum is None:
        assert not made.exact
    else:
        assert made.exact
        metrics = made.true(made.optimum) if made.true else made.measure(made.optimum, None, 0).metrics
        assert limit.holds(metrics)
        assert metrics[made.goals[0].name] == pytest.approx(made.best, abs=1e-12)


@pytest.mark.parametrize("plain", PLAIN)
def test_a_seventh_crashes_and_the_optimum_does_not(plain):
    made = task(f"{plain}~crash")

    def crashes(config):
        try:
            made.measure(config, None, 0)
        except Diverged:
            return True
        return False

    assert 0.1 < np.mean([crashes(c) for c in draws(made, 1000, 2)]) < 0.2
    assert made.optimum is None or not crashes(made.optimum)


def test_a_crash_takes_the_curve_with_it():
    made = task("fixtures/curves_mild~crash")
    bad = next(c for c in draws(made, 1000) if _fails(made, c))
    with pytest.raises(Diverged, match="fixtures/curves_mild: the training diverged"):
        made.curve(bad, 0)


def _fails(made, config):
    try:
        made.measure(config, None, 0)
    except Diverged:
        return True
    return False


def test_constraints_can_be_stacked():
    made = task("fixtures/branin_con~constrained~constrained")
    assert made.constraints == ("c1 <= 0", "c2 <= 0", "excess <= 0", "excess2 <= 0")
    metrics = made.measure(made.optimum, None, 0).metrics
    assert all(Expression(text).holds(metrics) for text in made.constraints)


@pytest.mark.parametrize(
    ("wrapper", "error", "words"),
    [
        ("constrain", UnknownName, "No wrapper of a task is called 'constrain'. Did you mean 'constrained'?"),
        ("", UnknownName, "No wrapper of a task is called ''. Known: constrained, crash, noise=0.1."),
        ("noise", WrapperError, '~noise: give the noise as a share of the task\'s spread, as in "~noise=0.1".'),
        ("noise=-1", WrapperError, "~noise=-1: give the noise as a share"),
        ("noise=nan", WrapperError, "~noise=nan: give the noise as a share"),
        ("crash=2", WrapperError, "~crash=2: this wrapper takes no setting. Write ~crash."),
    ],
)
def test_what_no_wrapper_is(wrapper, error, words):
    with pytest.raises(error) as caught:
        wrapped(task("fixtures/hartmann6"), wrapper)
    assert words in str(caught.value)


def test_the_scale_of_the_noise_is_taken_once_a_process(monkeypatch):
    """A task is made anew for every cell, and 200 real trainings before each cell would be a nuisance."""
    from trimtab.bench.tasks import wrappers

    counted = []
    measured = wrappers._measured_spreads
    monkeypatch.setattr(wrappers, "_KNOWN", {})
    monkeypatch.setattr(wrappers, "_measured_spreads", lambda made: counted.append(made.name) or measured(made))
    for _ in range(3):
        made = task("fixtures/hartmann6~noise=0.3")
        assert counted == [] or len(counted) == 1
        made.measure(made.optimum, None, 0)
    assert counted == ["fixtures/hartmann6"]


def test_failures_are_left_out_of_the_scale():
    plain, crashing = task("fixtures/hartmann6~noise=0.1"), task("fixtures/hartmann6~crash~noise=0.1")
    config = next(c for c in draws(plain, 100) if not _fails(crashing, c))
    sizes = [abs(made.measure(config, None, 0).metrics["y"] - made.true(config)["y"]) for made in (plain, crashing)]
    assert all(0 < size < 1 for size in sizes)


def test_a_plateau_has_a_scale_too():
    from trimtab.bench.tasks.wrappers import _spread

    assert _spread(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 7.0])) == 7
    assert _spread(np.arange(5.0)) == 2
    assert _spread(np.array([])) == 0
