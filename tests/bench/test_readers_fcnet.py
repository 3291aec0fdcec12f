"""FCNet tables: read in the published layout, looked up exactly, refused when something is off."""

from __future__ import annotations

import json
import time
from itertools import pairwise, product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.bench.readers._files import WrongFile
from trimtab.bench.readers._tabular import Hole
from trimtab.bench.readers.fcnet import KNOBS, convert
from trimtab.errors import MissingData

h5py = pytest.importorskip("h5py")

SMALL = {**KNOBS, "n_units_1": (16, 32, 64), "n_units_2": (16, 512), "dropout_2": (0.3,), "batch_size": (8, 32)}
SMALL |= {"dropout_1": (0.0, 0.6), "lr_schedule": ("const",)}  # 6·2·1·2·2·3·2·2·1 = 576 of 62,208
TINY = {**SMALL, "init_lr": (0.001, 0.01), "n_units_1": (64,), "dropout_1": (0.0,), "batch_size": (8,)}  # 16


def write(file: Path, knobs: dict[str, Any] = SMALL, *, epochs: int = 100, leave_out: int = 0) -> list[str]:
    """A table as published: a group for each configuration, its name the JSON of it."""
    rng = np.random.default_rng(0)
    names = sorted(knobs)
    keys = [json.dumps(dict(zip(names, row, strict=True))) for row in product(*(knobs[name] for name in names))]
    with h5py.File(file, "w") as groups:
        for key in keys[: len(keys) - leave_out]:
            group = groups.create_group(key)
            final = np.exp(rng.normal(-2, 1)) + rng.uniform(0, 0.1, 4)
            curve = final[:, None] * (1 + 3 / np.arange(1, epochs + 1))
            group["train_mse"] = curve * 0.9
            group["train_loss"] = curve * 0.9
            group["valid_loss"] = curve
            group["valid_mse"] = curve
            group["final_test_error"] = final * rng.uniform(0.9, 1.1, 4)
            group["runtime"] = rng.uniform(50, 100, 4)
            group["n_params"] = np.full(4, 1000)
    return keys


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    (root / "fcnet").mkdir()
    write(root / "fcnet" / "fcnet_protein_structure_data.hdf5")
    return root


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "fcnet").mkdir()
    return tmp_path / "fcnet" / "fcnet_protein_structure_data.hdf5"


def load(file: Path) -> None:
    task("fcnet/protein_structure", file.parent.parent)


def test_the_whole_grid_is_62208() -> None:
    assert prod(map(len, KNOBS.values())) == 62_208


def test_the_task(data: Path) -> None:
    assert tasks("fcnet/*", data) == ["fcnet/protein_structure"]
    made = task("fcnet/protein_structure", data)
    assert made.space.size == 576
    assert set(made.space.names) == set(KNOBS)
    assert made.space["n_units_1"].log == 2
    assert made.fidelity is not None
    assert (made.fidelity.low, made.fidelity.high, made.fidelity.integer) == (1, 100, True)
    assert made.exact
    assert made.kind == "multifidelity"


def test_an_evaluation_is_what_the_file_holds(data: Path) -> None:
    made = task("fcnet/protein_structure", data)
    config = made.space.sample_config(np.random.default_rng(1))
    with h5py.File(data / "fcnet" / "fcnet_protein_structure_data.hdf5") as groups:
        group = groups[json.dumps({name: config[name] for name in sorted(config)})]
        curves, runtime, test = group["valid_mse"][()], group["runtime"][()], group["final_test_error"][()]
    seen = [made.measure(config, 27, seed) for seed in range(40)]
    assert {one.metrics["mse"] for one in seen} == set(curves[:, 26])  # every repetition is drawn, and nothing else
    for one in seen:
        repetition = list(curves[:, 26]).index(one.metrics["mse"])
        assert one.seconds == pytest.approx(runtime[repetition] * 0.27)
    assert made.true is not None
    assert made.true(config) == {"mse": pytest.approx(test.mean())}
    full = made.measure(config, None, 5)
    assert full == made.measure(config, 100, 5)
    assert full.metrics["mse"] in curves[:, 99]


def test_the_curve_is_the_same_run_at_every_epoch(data: Path) -> None:
    made = task("fcnet/protein_structure", data)
    config = made.space.sample_config(np.random.default_rng(2))
    assert made.curve is not None
    curve = made.curve(config, 3)
    assert curve == [made.measure(config, epoch, 3) for epoch in range(1, 101)]
    assert all(a.seconds < b.seconds for a, b in pairwise(curve))


def test_regret_is_never_below_0_and_the_oracles_is_0(data: Path) -> None:
    made = task("fcnet/protein_structure", data)
    assert made.true is not None
    assert made.best is not None
    worth = [made.true(config)["mse"] for config in made.space.grid(6)]
    assert len(worth) == 576
    assert min(worth) == made.best


def test_ten_thousand_look_ups_are_quick(data: Path) -> None:
    made = task("fcnet/protein_structure", data)
    configs = made.space.decode(made.space.sample(np.random.default_rng(0), 10_000))
    made.measure(configs[0], None, 0)
    before = time.process_time()
    for i, config in enumerate(configs):
        made.measure(config, 50, i)
    assert time.process_time() - before < 2.0  # .1 s on a quiet machine


def test_a_hole_is_a_failed_evaluation(data: Path) -> None:
    made = task("fcnet/protein_structure", data)
    config = made.space.sample_config(np.random.default_rng(2))
    with pytest.raises(Hole, match="n_units_1=48"):
        made.measure({**config, "n_units_1": 48}, None, 0)
    with pytest.raises(ValueError, match="1 to 100"):
        made.measure(config, 101, 0)


def test_converted_it_is_the_same(data: Path, tmp_path: Path) -> None:
    (tmp_path / "fcnet").mkdir()
    target = tmp_path / "fcnet" / "fcnet_protein_structure_data.npz"
    convert(data / "fcnet" / "fcnet_protein_structure_data.hdf5", target)
    one, other = task("fcnet/protein_structure", data), task("fcnet/protein_structure", tmp_path)
    assert one.space == other.space
    config = one.space.sample_config(np.random.default_rng(4))
    assert one.measure(config, 10, 1) == other.measure(config, 10, 1)
    target.write_bytes(target.read_bytes()[:5000])
    with pytest.raises(WrongFile, match=r"npz: broken off"):
        load(target)


def test_no_file_says_where_it_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingData, match=r"fcnet/fcnet_slice_localization_data.hdf5 is not there .*npz.*--data"):
        task("fcnet/slice_localization", tmp_path)
    monkeypatch.delenv("TRIMTAB_BENCH_DATA", raising=False)
    with pytest.raises(MissingData, match=r"no folder is set. Set \$TRIMTAB_BENCH_DATA"):
        task("fcnet/slice_localization")
    with pytest.raises(LookupError, match="Did you mean 'protein_structure'"):
        task("fcnet/protein_struct", tmp_path)
    assert tasks("fcnet/*") == []


def test_a_truncated_file(broken: Path) -> None:
    write(broken, TINY)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    with pytest.raises(WrongFile, match=r"protein_structure_data.hdf5: broken off or no HDF5"):
        load(broken)


def test_a_grid_with_a_row_missing(broken: Path) -> None:
    write(broken, TINY, leave_out=1)
    with pytest.raises(WrongFile, match=r"15 different configurations. Expected: all 2·1·1·2·2·1·2·1·1 = 16"):
        load(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda group, key: group[key].pop("runtime"), "holds .*valid_mse.*, and no runtime"),
        (lambda group, key: group.move(key, "not json"), "a group called 'not json'"),
        (lambda group, key: group.move(key, key.replace("relu", "gelu")), "a group called .*gelu"),
        (lambda group, key: _replaced(group[key], "valid_mse", np.ones((4, 50))), r"\(4, 50\)"),
        (lambda group, key: _replaced(group[key], "valid_mse", np.full((4, 100), np.nan)), "NaN in every repetition"),
        (lambda group, key: _replaced(group[key], "final_test_error", np.full(4, np.nan)), "NaN, or a runtime"),
        (lambda group, key: _replaced(group[key], "runtime", np.zeros(4)), "NaN, or a runtime"),
        (lambda group, key: _replaced(group[key], "runtime", 7.0), r"runtime of .* has the shape"),
        (lambda group, key: _replaced(group[sorted(group)[0]], "valid_mse", "text"), "holds object. Expected: numbers"),
    ],
)
def test_wrong_files_are_refused(broken: Path, change: Any, message: str) -> None:
    keys = write(broken, TINY)
    with h5py.File(broken, "a") as groups:
        change(groups, next(key for key in keys if "relu" in key))
    with pytest.raises(WrongFile, match=message) as caught:
        load(broken)
    assert str(broken) in str(caught.value)
    assert "Expected" in str(caught.value)


def _replaced(group: Any, name: str, array: Any) -> None:
    del group[name]
    group[name] = array


def test_a_run_that_diverged_is_a_failure_from_there_on(broken: Path) -> None:
    keys = write(broken, TINY)
    curves = np.ones((4, 100))
    curves[:, 30:] = np.nan
    with h5py.File(broken, "a") as groups:
        _replaced(groups[keys[0]], "valid_mse", curves)
    made = task("fcnet/protein_structure", broken.parent.parent)
    config = json.loads(keys[0])
    assert made.measure(config, 30, 0).metrics["mse"] == 1
    assert np.isnan(made.measure(config, 31, 0).metrics["mse"])
    curves[0, 60] = 1.0
    with h5py.File(broken, "a") as groups:
        _replaced(groups[keys[0]], "valid_mse", curves)
    with pytest.raises(WrongFile, match="NaN at level 59 and a number after it"):
        load(broken)


def test_empty_hdf5(broken: Path) -> None:
    with h5py.File(broken, "w"):
        pass
    with pytest.raises(WrongFile, match="no groups at all"):
        load(broken)
