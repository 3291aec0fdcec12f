"""Surrogates in the layout of YAHPO Gym: the real lcbench and iaml_glmnet, and a small scenario with conditions."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trimtab._random import rng_for
from trimtab.bench._families import task, tasks
from trimtab.bench.tasks import _onnx, yahpo
from trimtab.bench.tasks._yahpo_scenarios import SCENARIOS
from trimtab.errors import MissingData, SpaceError, TrimtabError, UnknownName

LCBENCH = "yahpo/lcbench-3945"


def drawn(made: Any, n: int, seed: int = 0) -> list[dict[str, Any]]:
    return made.space.decode(made.space.sample(rng_for(seed, "test"), n))


# ── the real scenarios ───────────────────────────────────────────────────────


@pytest.fixture
def data(shared_data: Path) -> Path:
    pytest.importorskip("onnxruntime")
    return shared_data


def test_every_data_set_is_listed_alone_and_with_the_usual_pair(data: Path) -> None:
    names = tasks("yahpo/*", data)
    assert len(names) == 2 * (34 + 4)
    assert {LCBENCH, f"{LCBENCH}-val_accuracy+time"} <= set(names)


def test_lcbench_is_as_published(data: Path) -> None:
    made = task(LCBENCH, data)
    assert made.space.d == 7
    assert made.trials == 126
    assert made.kind == "multifidelity"
    assert (made.fidelity.name, made.fidelity.low, made.fidelity.high, made.fidelity.integer) == ("epoch", 1, 52, True)
    assert [(g.name, g.sense) for g in made.goals] == [("val_accuracy", "maximize")]
    assert made.space["batch_size"].log is True
    assert made.space["batch_size"].low == 16


@pytest.mark.parametrize("instance", ["3945", "167168", "189906"])
def test_learning_curves_are_plausible(data: Path, instance: str) -> None:
    """Accuracies are percentages, most curves rise, and a later epoch is never earlier in time."""
    made = task(f"yahpo/lcbench-{instance}", data)
    rising = 0
    for config in drawn(made, 20):
        curve = made.curve(config, 0)
        accuracy = [o.metrics["val_accuracy"] for o in curve]
        seconds = [o.seconds for o in curve]
        assert len(curve) == 52
        assert all(-1 <= a <= 101 for a in accuracy)
        assert all(b - a >= 0.01 - 1e-9 for a, b in zip([0.0, *seconds], seconds, strict=False))
        assert curve[-1].seconds == pytest.approx(curve[-1].metrics["time"], rel=0.02)
        rising += accuracy[-1] >= accuracy[0]
    assert rising >= 16


PUBLISHED = {  # least and greatest predictions, from YAHPO Gym's own table of statistics
    "3945": {"val_accuracy": (15.986547, 99.62601), "time": (1.3681177, 3868.758)},
    "167184": {"val_accuracy": (31.071255, 84.42773), "time": (1.0683066, 1467.2593)},
    "189905": {"val_accuracy": (1.070654, 96.34633), "time": (0.32923716, 2186.3516)},
}


@pytest.mark.parametrize("instance", PUBLISHED)
def test_predictions_span_the_published_range(data: Path, instance: str) -> None:
    """3,000 draws stay within it and nearly fill it: order of inputs, codes and units are those of the source."""
    folder = yahpo.opened((data / "yahpo" / "lcbench").resolve())
    rng = rng_for(0, "published", instance)
    configs = folder.space.decode(folder.space.sample(rng, 3000))
    found = folder.predict(instance, configs, rng.integers(1, 53, 3000))
    for output, (low, high) in PUBLISHED[instance].items():
        values = found[:, folder.scenario.outputs.index(output)]
        assert low <= values.min() < low + 0.2 * (high - low)
        assert high >= values.max() > high - (0.02 if output == "val_accuracy" else 0.8) * (high - low)


def test_a_curve_is_its_measurements(data: Path) -> None:
    made = task(LCBENCH, data)
    (config,) = drawn(made, 1)
    curve = made.curve(config, 0)
    assert [made.measure(config, k, 7) for k in (1, 2, 26, 52)] == [curve[k - 1] for k in (1, 2, 26, 52)]
    assert made.measure(config, None, 0) == curve[-1]
    assert task(LCBENCH, data).measure(config, None, 1) == curve[-1]


@pytest.mark.parametrize("budget", [0, 53, 2.5, float("nan")])
def test_an_epoch_that_is_none_is_refused(data: Path, budget: float) -> None:
    made = task(LCBENCH, data)
    with pytest.raises(ValueError, match="epoch"):
        made.measure(drawn(made, 1)[0], budget, 0)


def test_learning_rate_matters_as_it_does_in_training(data: Path) -> None:
    """That numbers reach the model in its order: a rate of 1e-4 with huge weight decay underfits on these data."""
    made = task("yahpo/lcbench-189906", data)
    base = {"batch_size": 64, "max_dropout": 0.2, "max_units": 512, "momentum": 0.9, "num_layers": 2}
    good = made.measure({**base, "learning_rate": 0.01, "weight_decay": 1e-4}, None, 0).metrics["val_accuracy"]
    slow = made.measure({**base, "learning_rate": 1e-4, "weight_decay": 0.1}, None, 0).metrics["val_accuracy"]
    assert good > slow + 5


def test_glmnet_learns_from_a_fraction_of_the_data(data: Path) -> None:
    made = task("yahpo/iaml_glmnet-40981", data)
    assert made.curve is None
    assert not made.fidelity.integer
    assert made.fidelity.low == 0.03
    config = {"alpha": 0.5, "s": 1e-3}
    whole, part = made.measure(config, None, 0), made.measure(config, 0.03, 0)
    assert whole == made.measure(config, 1.0, 3)
    assert whole.metrics["mmce"] < part.metrics["mmce"]
    assert all(0 <= made.measure(c, None, 0).metrics["mmce"] <= 1 for c in drawn(made, 50))


def test_several_goals_have_a_scale(data: Path) -> None:
    made = task("yahpo/lcbench-167168-val_accuracy+time", data)
    accuracy, time = made.goals
    assert accuracy.sense == "maximize"
    assert accuracy.ideal > accuracy.nadir
    assert time.sense == "minimize"
    assert time.ideal < time.nadir
    assert made.kind == "objectives-multifidelity"
    assert made.goals == task("yahpo/lcbench-167168-val_accuracy+time", data).goals


def test_what_is_not_there_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean '3945'"):
        task("yahpo/lcbench-394", data)
    with pytest.raises(UnknownName, match="Did you mean 'val_accuracy'"):
        task("yahpo/lcbench-3945-val_acc", data)
    with pytest.raises(MissingData, match="rbv2_svm"):
        task("yahpo/rbv2_svm-12", data)
    with pytest.raises(MissingData, match="TRIMTAB_BENCH_DATA"):
        task("yahpo/rbv2_svm-12")
    (tmp_path / "yahpo" / "lcbench").mkdir(parents=True)
    with pytest.raises(MissingData, match=r"config_space\.json"):
        task(LCBENCH, tmp_path)
    assert tasks("yahpo/*", tmp_path) == []


# ── a scenario written here ──────────────────────────────────────────────────


def number(name: str, low: float, high: float, kind: str = "uniform_float", log: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "log": log, "lower": low, "upper": high, "default": low}


def label(name: str, *choices: str) -> dict[str, Any]:
    return {"name": name, "type": "categorical", "choices": list(choices), "default": choices[0], "probabilities": None}


def svm(folder: Path) -> Path:
    """rbv2_svm in little, in the files' own layout. Its model is faked: each output is a sum that shows its inputs."""
    place = folder / "yahpo" / "rbv2_svm"
    place.mkdir(parents=True)
    space = {
        "hyperparameters": [
            number("cost", 1e-4, 1e4, log=True),
            label("kernel", "linear", "polynomial", "radial"),
            label("num.impute.selected.cpo", "impute.mean", "impute.hist"),
            number("repl", 1, 10, "uniform_int"),
            label("task_id", "12", "1040"),
            number("tolerance", 1e-4, 2.0, log=True),
            number("trainsize", 0.05, 1.0),
            number("degree", 2, 5, "uniform_int"),
            number("gamma", 1e-4, 1e4, log=True),
        ],
        "conditions": [
            {"child": "degree", "parent": "kernel", "type": "EQ", "value": "polynomial"},
            {"child": "gamma", "parent": "kernel", "type": "EQ", "value": "radial"},
        ],
        "forbiddens": [],
        "json_format_version": 0.2,
    }
    codes = {
        "kernel": {"#na#": 0, "linear": 1, "polynomial": 2, "radial": 3},
        "num.impute.selected.cpo": {"#na#": 0, "impute.hist": 1, "impute.mean": 2},
        "task_id": {"#na#": 0, "1040": 1, "12": 2},
    }
    (place / "config_space.json").write_text(json.dumps(space))
    (place / "encoding.json").write_text(json.dumps(codes))
    (place / "model.onnx").write_bytes(b"")
    return place


class FakeModel:
    """Takes what rbv2_svm takes; keeps what it was given."""

    def __init__(self, labels: int = 3, numbers: int = 6, outputs: int = 9) -> None:
        self.widths, self.outputs, self.seen = {"x_cat": labels, "x_cont": numbers}, outputs, []

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name=name, shape=["batch_size", width]) for name, width in self.widths.items()]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="output", shape=["batch_size", self.outputs])]

    def run(self, names: None, inputs: dict[str, Any]) -> list[Any]:
        self.seen.append(inputs)
        assert inputs["x_cat"].dtype == np.int32
        assert inputs["x_cont"].dtype == np.float32
        total = inputs["x_cat"].sum(axis=1) + inputs["x_cont"].sum(axis=1)
        return [np.repeat(total[:, None], self.outputs, axis=1).astype(np.float32)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    model = FakeModel()
    monkeypatch.setattr(_onnx, "session", lambda path: model)
    return model


def test_inputs_come_in_the_models_order_and_inactive_ones_as_nothing(tmp_path: Path, fake: FakeModel) -> None:
    svm(tmp_path)
    made = task("yahpo/rbv2_svm-12", tmp_path)
    assert made.space.names == ("cost", "kernel", "num.impute.selected.cpo", "tolerance", "degree", "gamma")
    assert made.goals[0].name == "acc"
    assert made.goals[0].sense == "maximize"
    config = {"cost": 2.0, "kernel": "polynomial", "num.impute.selected.cpo": "impute.hist", "tolerance": 0.5}
    made.measure({**config, "degree": 3}, 0.25, 0)
    (given,) = fake.seen
    assert given["x_cat"].tolist() == [[2, 2, 1]]  # task, kernel, imputation
    assert given["x_cont"].tolist() == [[2.0, 0.0, 0.5, 3.0, 0.25, 10.0]]  # gamma is inactive; the most replications


def test_conditions_hold_in_the_space(tmp_path: Path, fake: FakeModel) -> None:
    svm(tmp_path)
    made = task("yahpo/rbv2_svm-1040", tmp_path)
    for config in drawn(made, 200):
        assert ("degree" in config) == (config["kernel"] == "polynomial")
        assert ("gamma" in config) == (config["kernel"] == "radial")
    linear = next(config for config in drawn(made, 200) if config["kernel"] == "linear")
    with pytest.raises(SpaceError, match="gamma"):
        made.space.check({**linear, "gamma": 1.0})


def test_a_model_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    svm(tmp_path)
    monkeypatch.setattr(_onnx, "session", lambda path: FakeModel(labels=4, numbers=5, outputs=7))
    with pytest.raises(TrimtabError, match=r"1\.0\.2"):
        task("yahpo/rbv2_svm-12", tmp_path)


def test_a_label_without_a_code_is_refused(tmp_path: Path, fake: FakeModel) -> None:
    place = svm(tmp_path)
    codes = json.loads((place / "encoding.json").read_text())
    del codes["kernel"]["radial"]
    (place / "encoding.json").write_text(json.dumps(codes))
    with pytest.raises(TrimtabError, match="kernel = 'radial'"):
        task("yahpo/rbv2_svm-12", tmp_path)


def test_a_scenario_of_ones_own_is_described_in_its_folder(tmp_path: Path, fake: FakeModel) -> None:
    place = svm(tmp_path)
    mine = place.rename(place.with_name("mine"))
    assert tasks("yahpo/*", tmp_path) == []
    with pytest.raises(TrimtabError, match=r"scenario\.json"):
        task("yahpo/mine-12", tmp_path)
    words = {"numbers": ["cost", "gamma", "tolerance", "degree", "trainsize", "repl"]}
    words |= {"labels": ["task_id", "kernel", "num.impute.selected.cpo"], "outputs": [f"y{i}" for i in range(9)]}
    words |= {"fidelity": "trainsize", "seconds": "y1", "goal": "y0", "fixed": {"repl": 1}, "maximize": ["y0"]}
    (mine / "scenario.json").write_text(json.dumps(words))
    made = task("yahpo/mine-12", tmp_path)
    assert made.goals[0].sense == "maximize"
    assert tasks("yahpo/*", tmp_path) == ["yahpo/mine-12", "yahpo/mine-1040"]
    (mine / "scenario.json").write_text(json.dumps({**words, "fidelty": "x"}))
    other = mine.rename(mine.with_name("theirs"))
    with pytest.raises(TrimtabError, match="Did you mean 'fidelity'"):
        task("yahpo/theirs-12", tmp_path)
    (other / "scenario.json").write_text(json.dumps({"goal": "y0"}))
    with pytest.raises(TrimtabError, match="'numbers' is missing"):
        task("yahpo/theirs-12", tmp_path)


def test_a_scenario_of_one_data_set_with_epochs_has_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nb301: no parameter says which data set, and another is set for good."""
    place = tmp_path / "yahpo" / "cells"
    place.mkdir(parents=True)
    space = {
        "hyperparameters": [
            label("node", "0_1", "0_2"),
            label("edge", "skip", "pool"),
            number("epoch", 1, 5, "uniform_int"),
        ],
        "conditions": [{"child": "edge", "parent": "node", "type": "IN", "values": ["0_1"]}],
        "forbiddens": [],
    }
    space["hyperparameters"].append(label("dataset", "CIFAR10"))
    words = {"numbers": ["epoch"], "labels": ["node", "edge"], "outputs": ["acc", "runtime"], "fidelity": "epoch"}
    words |= {"seconds": "runtime", "goal": "acc", "instance": "", "only": "CIFAR10", "fixed": {"dataset": "CIFAR10"}}
    codes = {"node": {"#na#": 0, "0_1": 1, "0_2": 2}, "edge": {"#na#": 0, "skip": 1, "pool": 2}}
    for name, content in {"config_space": space, "encoding": codes, "scenario": words}.items():
        (place / f"{name}.json").write_text(json.dumps(content))
    (place / "model.onnx").write_bytes(b"")
    model = FakeModel(labels=2, numbers=1, outputs=2)
    monkeypatch.setattr(_onnx, "session", lambda path: model)
    assert tasks("yahpo/*", tmp_path) == ["yahpo/cells-CIFAR10"]
    made = task("yahpo/cells-CIFAR10", tmp_path)
    curve = made.curve({"node": "0_2"}, 0)
    assert model.seen[-1]["x_cat"].tolist() == [[2, 0]] * 5
    assert model.seen[-1]["x_cont"].tolist() == [[1], [2], [3], [4], [5]]
    assert [o.metrics["acc"] for o in curve] == [3, 4, 5, 6, 7]
    assert made.measure({"node": "0_2"}, 3, 0) == curve[2]
    assert [o.seconds for o in curve] == [3, 4, 5, 6, 7]


def test_the_table_knows_all_fourteen_scenarios() -> None:
    assert len(SCENARIOS) == 14
    for name, scenario in SCENARIOS.items():
        inputs = [*scenario.numbers, *scenario.labels]
        assert len(set(inputs)) == len(inputs), name
        assert scenario.fidelity in scenario.numbers
        assert scenario.seconds in scenario.outputs
        assert {scenario.goal, *scenario.pair} <= set(scenario.outputs)
    widths = {name: (len(s.labels), len(s.numbers), len(s.outputs)) for name, s in SCENARIOS.items()}
    assert widths["lcbench"] == (1, 8, 6)
    assert widths["iaml_glmnet"] == (1, 3, 12)
    assert widths["rbv2_super"] == (8, 33, 9)
    assert widths["iaml_super"] == (6, 24, 12)
    assert widths["nb301"] == (34, 1, 2)
