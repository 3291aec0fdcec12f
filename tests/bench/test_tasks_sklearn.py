"""Real training: the same in every run, scored as it says, with curves that are their own measurements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from trimtab._random import rng_for
from trimtab.bench._families import task, tasks
from trimtab.bench.tasks._sklearn_data import CLASSIFICATION, REGRESSION, ROWS, load
from trimtab.bench.tasks._sklearn_models import MODELS
from trimtab.errors import UnknownName

pytest.importorskip("sklearn")
from trimtab.bench.tasks import sklearn as ours

KINDS = [kind for kind in MODELS if kind != "gbt" or ours.boosts()]
CURVES = ["mlp-wine", "mlp-friedman1", *(["gbt-iris", "gbt-diabetes"] if ours.boosts() else [])]


def drawn(made: Any, n: int, seed: int = 0) -> list[dict[str, Any]]:
    return made.space.decode(made.space.sample(rng_for(seed, "test"), n))


def test_there_are_enough_models_and_data_sets() -> None:
    names = tasks("sklearn/*")
    assert len(names) == len(set(names)) == 7 * 9 - 2
    assert {"sklearn/rf-digits", "sklearn/pipeline-wine", "sklearn/mlp-diabetes"} <= set(names)
    assert "sklearn/gbt-digits" not in names
    with pytest.raises(UnknownName, match="Did you mean 'rf-digits'"):
        task("sklearn/rf-digit")


@pytest.mark.parametrize("name", [*CLASSIFICATION, *REGRESSION])
def test_data_are_small_and_split_once(name: str) -> None:
    data = load(name)
    assert len(data.X) == len(data.y) <= max(ROWS, 442)
    assert np.isfinite(data.X).all()
    held = np.concatenate([test for _, test in data.splits])
    assert sorted(held) == list(range(len(data.y)))
    if data.classes:
        assert set(data.y) == set(range(data.classes))
        assert all(set(data.y[train]) == set(data.y) for train, _ in data.splits)
    else:
        assert (data.y.mean(), data.y.std()) == pytest.approx((0, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", ["wine", "friedman1"])
def test_every_model_trains_and_repeats_itself(kind: str, data: str) -> None:
    made = task(f"sklearn/{kind}-{data}")
    worst = 1.2 if data == "friedman1" else 6.92  # a constant, or ln 1000
    first, second, *_ = drawn(made, 2)
    for config in (first, second):
        found = made.measure(config, None, 0)
        assert found == made.measure(config, None, 99)
        assert set(found.metrics) == {made.goals[0].name}
        assert 0 < found.metrics[made.goals[0].name] < worst
        assert 0 < found.seconds < 5
    assert made.measure(first, None, 0) != made.measure(second, None, 0)
    assert "real" in made.tags


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_is_its_measurements(name: str) -> None:
    made = task(f"sklearn/{name}")
    (config,) = drawn(made, 1, seed=3)
    curve = made.curve(config, 0)
    assert len(curve) == made.fidelity.high == 27
    assert [made.measure(config, k, 0) for k in (1, 9, 27)] == [curve[k - 1] for k in (1, 9, 27)]
    assert made.measure(config, None, 0) == curve[-1]
    seconds = [outcome.seconds for outcome in curve]
    assert seconds == sorted(set(seconds))
    assert seconds[8] == pytest.approx(seconds[26] / 3)
    with pytest.raises(ValueError, match="outside"):
        made.measure(config, 28, 0)


def test_training_helps() -> None:
    made = task("sklearn/mlp-digits")
    config = {"layers": 1, "units": 64, "learning_rate": 0.01, "batch": 32, "alpha": 1e-4, "momentum": 0.9}
    curve = made.curve({**config, "activation": "relu"}, 0)
    assert curve[-1].metrics["log_loss"] < 0.5 < curve[0].metrics["log_loss"]


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss, mean_squared_error

    rng = rng_for(0, "scores")
    probabilities = rng.dirichlet(np.ones(4), 50)
    y = rng.integers(0, 4, 50)
    probabilities = np.maximum(probabilities, 0.01) / np.maximum(probabilities, 0.01).sum(axis=1, keepdims=True)
    assert ours.log_loss(probabilities, y) == pytest.approx(log_loss(y, probabilities, labels=range(4)))
    assert ours.log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(np.log(1000))
    assert ours.rmse(np.array([1.0, 2.0]), np.array([0.0, 0.0])) == pytest.approx(
        np.sqrt(mean_squared_error([0.0, 0.0], [1.0, 2.0]))
    )


def test_decision_values_find_their_temperature() -> None:
    """Logits of a model that is right about its doubts need none; ten times as large, they score the same."""
    rng = rng_for(0, "temperature")
    logits = rng.normal(0, 2, 400)
    y = (rng.random(400) < 1 / (1 + np.exp(-logits))).astype(int)
    honest = ours.log_loss(np.stack([1 / (1 + np.exp(logits)), 1 / (1 + np.exp(-logits))], axis=1), y)
    assert ours.tempered_log_loss(logits, y) == pytest.approx(honest, rel=0.02)
    assert ours.tempered_log_loss(10 * logits, y) == pytest.approx(ours.tempered_log_loss(logits, y))
    assert ours.tempered_log_loss(np.stack([-logits, logits], axis=1), y) == pytest.approx(honest, rel=0.02)


def test_a_pipeline_has_a_branch_a_choice() -> None:
    made = task("sklearn/pipeline-digits")
    seen = set()
    for config in drawn(made, 40):
        seen.add((config["reduce"], config["model"]))
        assert ("reduce.pca.whiten" in config) == (config["reduce"] == "pca")
        assert ("model.svm.C" in config) == (config["model"] == "svm")
        if len(seen) > 11:
            break
    config = {"scaler": "quantile", "reduce": "best", "reduce.best.share": 0.2}
    config |= {"model": "linear", "model.linear.strength": 1.0}  # corners of digits are constant: no F value
    assert made.measure(made.space.check(config), None, 0).metrics["log_loss"] < 1.5


@pytest.mark.slow
def test_another_process_finds_the_same_numbers() -> None:
    names = ["rf-iris", "mlp-iris", "knn-friedman3", "pipeline-moons"]
    program = (
        "import json; from trimtab.bench._families import task; from trimtab._random import rng_for\n"
        f"for made in map(task, {[f'sklearn/{name}' for name in names]}):\n"
        "    (config,) = made.space.decode(made.space.sample(rng_for(0, 'test'), 1))\n"
        "    print(json.dumps(dict(made.measure(config, None, 0).metrics)))"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "2"}  # more threads there than here
    told = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    there = [json.loads(line) for line in told.stdout.splitlines()]
    here = [dict(made.measure(*drawn(made, 1), None, 0).metrics) for made in (task(f"sklearn/{n}") for n in names)]
    assert there == here


def test_threads_are_as_they_were() -> None:
    import threadpoolctl

    made = task("sklearn/rf-iris")
    before = threadpoolctl.threadpool_info()
    made.measure(*drawn(made, 1), None, 0)
    after = threadpoolctl.threadpool_info()
    counts = {row["filepath"]: row["num_threads"] for row in before}
    assert all(row["num_threads"] == counts.get(row["filepath"], row["num_threads"]) for row in after)
