"""Learning curves by formula: exact optima, and early steps that are worth what their names say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trimtab._random import rng_for
from trimtab.bench._families import task, tasks
from trimtab.bench.tasks.curves import falling

NAMES = tasks("curves/*")


def drawn(made: Any, n: int) -> list[dict[str, Any]]:
    return made.space.decode(made.space.sample(rng_for(0, "test"), n))


def end_of(made: Any, config: dict[str, Any]) -> float:
    return (made.true(config) if made.true else made.measure(config, None, 0).metrics)["loss"]


def ranks(values: Any) -> Any:
    return np.argsort(np.argsort(values))


def told_after(made: Any, step: int, n: int = 600) -> float:
    """The rank correlation of the value at a step with that at the end."""
    configs = drawn(made, n)
    early = [made.measure(config, step, 0).metrics["loss"] for config in configs]
    return float(np.corrcoef(ranks(early), ranks([end_of(made, c) for c in configs]))[0, 1])


@pytest.mark.parametrize("name", NAMES)
def test_the_best_value_is_exact(name: str) -> None:
    made = task(name)
    assert made.exact
    assert end_of(made, made.space.check(made.optimum)) == pytest.approx(made.best, abs=1e-12)
    assert min(end_of(made, config) for config in drawn(made, 1000)) > made.best
    rng = rng_for(1, "near")
    for config in made.space.neighbours(made.optimum, rng, n=20):
        assert end_of(made, config) >= made.best - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_a_curve_is_its_measurements(name: str) -> None:
    made = task(name)
    (config,) = drawn(made, 1)
    curve = made.curve(config, 5)
    assert len(curve) == 81
    assert [made.measure(config, k, 5) for k in range(1, 82)] == curve
    assert made.measure(config, None, 5) == curve[-1]
    seconds = [outcome.seconds for outcome in curve]
    assert seconds == sorted(set(seconds))
    assert seconds[-1] == pytest.approx(81)
    with pytest.raises(ValueError, match="epoch"):
        made.measure(config, 82, 0)


def test_noise_is_the_seeds() -> None:
    made = task("curves/power-90")
    (config,) = drawn(made, 1)
    one, same, other = (made.measure(config, None, seed).metrics["loss"] for seed in (0, 0, 1))
    assert one == same != other
    found = [made.measure(config, None, seed).metrics["loss"] for seed in range(400)]
    assert np.std(found) == pytest.approx(0.003, rel=0.15)
    assert np.mean(found) == pytest.approx(made.true(config)["loss"], abs=0.001)
    assert "noisy" in made.tags
    assert task("curves/net10").true is None


def test_early_steps_are_worth_what_the_names_say() -> None:
    told = {name: told_after(task(f"curves/{name}"), 3) for name in ("power-90", "power-50", "power-minus50")}
    assert told["power-90"] > 0.98 > told["power-50"] > 0.85 > 0.7 > told["power-minus50"] > 0.3
    assert told_after(task("curves/power-minus90"), 1) < -0.6
    assert told_after(task("curves/power-minus90"), 27) > 0.95
    good, bad = (told_after(task(f"curves/hartmann6-{word}"), 27) for word in ("good", "bad"))
    assert good > 0.95
    assert bad < 0.8


def test_a_power_law_ends_where_it_should() -> None:
    values = falling(0.2, 1.0, 0.7)
    assert values[-1] == 0.2
    assert values[0] < 1.0
    assert (np.diff(values) < 0).all()
    slow = falling(0.2, 1.0, 0.1)
    assert (slow[:-1] > values[:-1]).all()


def test_the_network_has_parameters_of_its_optimiser() -> None:
    made = task("curves/net10")
    assert made.space.d == 10
    for config in drawn(made, 100):
        assert ("momentum" in config) == (config["optimizer"] == "sgd")
        assert ("beta2" in config) == (config["optimizer"] != "sgd")
        assert ("strength" in config) == config["augment"]
