"""Long-form tables with a sidecar or without; what is ambiguous or broken is refused."""

from __future__ import annotations

import json
import logging
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.bench.readers._files import WrongFile
from trimtab.bench.readers._tabular import Hole, Rows, domain
from trimtab.bench.readers.table import reward
from trimtab.errors import MissingData
from trimtab.space import Bool, Choice, Const, Int

pd = pytest.importorskip("pandas")

SIDECAR = """
parameters = ["lr", "layers", "optimizer"]
goals = {error = "minimize"}
shown = {error = "test_error"}
fidelity = "epoch"
seconds = "time"
seed = "seed"
trials = 40
licence = "CC0"
"""


def rows(seeds: int = 2, epochs: int = 3) -> list[dict[str, Any]]:
    made = []
    grid = product([0.001, 0.01, 0.1], [1, 2, 4, 8], ["sgd", "None"], range(seeds), range(1, epochs + 1))
    for lr, layers, optimizer, seed, epoch in grid:
        error = abs(math.log10(lr) + 2) + 1 / layers + (optimizer == "sgd") + seed / 10 + 1 / epoch
        made.append({"lr": lr, "layers": layers, "optimizer": optimizer, "seed": seed, "epoch": epoch, "error": error})
        made[-1] |= {"time": epoch * layers, "test_error": error + 0.5}
    return made


def write(
    root: Path, name: str, content: list[dict[str, Any]] | str, roles: str | dict[str, Any] | None = None
) -> Path:
    (root / "table").mkdir(exist_ok=True)
    file = root / "table" / name
    stem = root / "table" / name.split(".")[0]
    if isinstance(content, str):
        file.write_text(content)
    elif name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
        pd.DataFrame(content).to_parquet(file, index=False)
    else:
        pd.DataFrame(content).to_csv(file, index=False)
    if isinstance(roles, dict):
        stem.with_suffix(".json").write_text(json.dumps(roles))
    elif roles is not None:
        stem.with_suffix(".toml").write_text(roles)
    return file


CONFIG = {"lr": 0.01, "layers": 4, "optimizer": "None"}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_table_with_a_sidecar(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, f"mine{suffix}", rows(), SIDECAR)
    assert tasks("table/*", tmp_path) == ["table/mine"]
    made = task("table/mine", tmp_path)
    assert made.space.size == 24
    assert made.space["layers"] == Int(1, 8, log=2)
    assert made.space["lr"].ordered
    assert (made.trials, made.licence, made.exact) == (40, "CC0", True)
    assert made.fidelity is not None
    assert (made.fidelity.name, made.fidelity.high) == ("epoch", 3)
    seen = {made.measure(CONFIG, 2, seed).metrics["error"] for seed in range(20)}
    assert seen == {0.75, 0.75 + 0.1}
    assert made.measure(CONFIG, 2, 0).seconds == 8
    assert made.true is not None
    assert made.true(CONFIG)["error"] == pytest.approx(0.25 + 1 / 3 + 0.05 + 0.5)
    assert made.best == pytest.approx(0.125 + 1 / 3 + 0.05 + 0.5)
    assert made.curve is not None
    assert [one.seconds for one in made.curve(CONFIG, 1)] == [4, 8, 12]


def test_a_json_sidecar_and_seconds_of_each_level(tmp_path: Path) -> None:
    content = [{**row, "time": row["layers"]} for row in rows()]
    roles = {"parameters": {"lr": {}, "layers": {}, "optimizer": {}}, "goals": {"error": "minimize"}}
    roles |= {"fidelity": "epoch", "seconds": "time", "seed": "seed", "cumulative": False}  # type: ignore[dict-item]
    write(tmp_path, "mine.csv", content, roles)
    assert task("table/mine", tmp_path).measure(CONFIG, 3, 0).seconds == 12


def test_roles_are_inferred_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = [{name: value for name, value in row.items() if name != "test_error"} for row in rows()]
    write(tmp_path, "mine.csv", content)
    with caplog.at_level(logging.WARNING):
        made = task("table/mine", tmp_path)
    (record,) = caplog.records
    said = record.getMessage()
    assert "was taken from their names" in said
    assert 'parameters = ["lr", "layers", "optimizer"]' in said
    # what it said is a sidecar that gives the same task, and silence
    (tmp_path / "table" / "mine.toml").write_text(said.partition("beside it:\n")[2])
    caplog.clear()
    told = task("table/mine", tmp_path)
    assert not caplog.records
    assert told.space == made.space
    assert told.measure(CONFIG, 2, 3) == made.measure(CONFIG, 2, 3)


def test_names_with_dots_and_columns_that_count_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = [{"Unnamed: 0": i, "id": i, "x": i % 5, "loss": i} for i in range(5)]
    write(tmp_path, "mine.v2.csv", content)
    assert tasks("table/*", tmp_path) == ["table/mine.v2"]
    assert task("table/mine.v2", tmp_path).space.names == ("x",)
    assert "mine.v2.toml" in caplog.text


def test_a_hole_fails_and_nothing_nearby_stands_in(tmp_path: Path) -> None:
    write(tmp_path, "mine.csv", [row for row in rows() if (row["lr"], row["layers"]) != (0.01, 4)], SIDECAR)
    made = task("table/mine", tmp_path)
    assert made.space.inside(CONFIG)
    with pytest.raises(Hole, match="no row for"):
        made.measure(CONFIG, None, 0)
    made.measure({**CONFIG, "layers": 8}, None, 0)


def drawn(n: int = 300) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {"lr": lr, "units": units, "kind": kind, "loss": lr + units}
        for lr, units, kind in zip(
            10 ** rng.uniform(-5, -1, n), rng.integers(1, 513, n).tolist(), rng.choice(["a", "b"], n), strict=True
        )
    ]


def test_nearest_must_be_asked_for(tmp_path: Path) -> None:
    content = drawn()
    write(tmp_path, "mine.csv", content)
    with pytest.raises(WrongFile, match=r'nearly every look-up would be a hole.*lookup = "nearest"'):
        task("table/mine", tmp_path)
    roles = 'goals = {loss = "minimize"}\nlookup = "nearest"\n[parameters]\nunits={}\nkind={}\nlr={log=true}'
    write(tmp_path, "mine.csv", content, roles)
    made = task("table/mine", tmp_path)
    assert "nearest" in made.cost
    assert "nearest" in made.tags
    assert made.space["lr"].log
    assert made.space["units"].high <= 512
    for row in content[:20]:
        config = {name: row[name] for name in ("lr", "units", "kind")}
        assert made.measure(config, None, 0).metrics["loss"] == row["loss"]
        assert made.measure({**config, "lr": row["lr"] * 1.0001}, None, 0).metrics["loss"] == row["loss"]
    assert made.best == min(row["loss"] for row in content)


def test_an_instance_is_a_task(tmp_path: Path) -> None:
    content = [{**row, "dataset": name, "error": row["error"] + i} for i, name in enumerate("ab") for row in rows()]
    write(tmp_path, "mine.parquet", content, SIDECAR + 'instance = "dataset"\n')
    assert tasks("table/*", tmp_path) == ["table/mine:a", "table/mine:b"]
    one, other = task("table/mine:a", tmp_path), task("table/mine:b", tmp_path)
    assert other.measure(CONFIG, 2, 0).metrics["error"] == one.measure(CONFIG, 2, 0).metrics["error"] + 1
    for wrong in ("table/mine", "table/mine:c"):
        with pytest.raises(LookupError, match=r"mine:[ab]"):
            task(wrong, tmp_path)


def test_parquet_with_a_multiindex(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "table").mkdir()
    frame = pd.DataFrame(rows(seeds=1))
    frame["id"] = frame.groupby(["lr", "layers", "optimizer"]).ngroup()
    frame = frame.drop(columns=["seed", "test_error"]).set_index(["id", "epoch"])
    frame.to_parquet(tmp_path / "table" / "mine.parquet")
    roles = 'parameters = ["lr", "layers", "optimizer"]\ngoals = {error = "minimize"}\nfidelity = "epoch"'
    (tmp_path / "table" / "mine.toml").write_text(roles)
    assert task("table/mine", tmp_path).measure(CONFIG, 2, 0).metrics == {"error": 0.75}


def test_fractions_as_fidelity_get_the_level_below(tmp_path: Path) -> None:
    content = [{"x": x, "part": part, "loss": x / part} for x in range(4) for part in (0.1, 0.3, 1.0)]
    write(tmp_path, "mine.csv", content, 'parameters = ["x"]\ngoals = {loss = "minimize"}\nfidelity = "part"')
    made = task("table/mine", tmp_path)
    assert made.fidelity is not None
    assert (made.fidelity.low, made.fidelity.integer, made.curve) == (0.1, False, None)
    assert made.measure({"x": 3}, 0.5, 0) == made.measure({"x": 3}, 0.3, 0)
    with pytest.raises(ValueError, match=r"0\.1 to 1"):
        made.measure({"x": 3}, 0.05, 0)


def test_a_parameter_that_is_there_at_times(tmp_path: Path) -> None:
    content = [{"kind": "tree", "depth": depth, "loss": 1 / depth} for depth in (1, 2, 3)]
    content += [{"kind": "linear", "depth": None, "loss": 0.7}]
    roles = "goals = {loss = 'minimize'}\n[parameters.kind]\n[parameters.depth]\n"
    write(tmp_path, "mine.csv", content, roles)
    with pytest.raises(WrongFile, match=r"an empty cell in column 'depth'.*when = .* under \[parameters.depth\]"):
        task("table/mine", tmp_path)
    write(tmp_path, "mine.csv", content, roles + "when = \"kind == 'tree'\"")
    made = task("table/mine", tmp_path)
    assert made.space["depth"].low == 1
    assert made.measure({"kind": "linear"}, None, 0).metrics["loss"] == 0.7
    assert made.measure({"kind": "tree", "depth": 2}, None, 0).metrics["loss"] == 0.5
    for config in made.space.decode(made.space.sample(np.random.default_rng(0), 50)):
        made.measure(config, None, 0)


def test_several_goals_and_a_constraint(tmp_path: Path) -> None:
    content = [{"x": x, "error": x, "latency": 9 - x, "memory": x % 2} for x in range(9)]
    roles = 'parameters = ["x"]\ngoals = {error = "minimize", latency = "minimize"}\nmetrics = ["memory"]'
    write(tmp_path, "mine.csv", content, roles + '\nconstraints = ["memory <= 0"]')
    made = task("table/mine", tmp_path)
    assert (made.kind, made.best, made.constraints) == ("objectives", None, ("memory <= 0",))
    assert made.measure({"x": 3}, None, 0).metrics == {"error": 3, "latency": 6, "memory": 1}


def test_rewards_of_targets_are_capped(tmp_path: Path) -> None:
    values = {"energy": np.array([1.0, 2.0, 1.5]), "latency": np.array([3.0, 3.0, 2.0])}
    np.testing.assert_allclose(reward(values, {"energy": 1.0, "latency": 4.0}, cap=50.0), [50.0, 4.0, 4.0])
    assert reward({"a": np.array([2.0])}, {"a": 2.0})[0] == 1000.0
    # a memory controller: 4^6 designs, of which the logs of four agents hold what each tried
    rng = np.random.default_rng(0)
    content = [
        {
            **{f"knob{j}": int(v) for j, v in enumerate(design)},
            "power": 0.5 + float(rng.random()),
            "latency": sum(design),
        }
        for design in product(range(4), repeat=6)
    ]
    names = [f"knob{j}" for j in range(6)]
    roles = {"parameters": names, "reward": {"power": 1.0, "latency": 9.0}, "cap": 100.0}
    write(tmp_path, "dram.csv", content, roles)
    made = task("table/dram", tmp_path)
    assert made.space.size == 4**6
    assert (made.goals[0].name, made.goals[0].sense) == ("reward", "maximize")
    for row in content[:: 4**6 // 50]:  # to the file and back without losing a bit
        power = 1.0 / max(abs(1.0 - row["power"]), 1 / 100)
        latency = 9.0 / max(abs(9.0 - row["latency"]), 9 / 100)
        seen = made.measure({name: row[name] for name in names}, None, 0).metrics["reward"]
        assert seen == pytest.approx(min(power * latency, 100.0), rel=1e-14)
    assert made.best == 100.0


@pytest.mark.parametrize(
    ("content", "roles", "message"),
    [
        ([], None, "broken off or no csv|no rows"),
        ("lr,error\n", None, "a header and no rows"),
        (rows(), SIDECAR.replace('"time"', '"tiem"'), "no column 'tiem'. Expected: it. Did you mean 'time'"),
        (rows(), SIDECAR.replace("trials", "trails"), "the key 'trails'. Expected: one of the roles. Did you mean 'tr"),
        (rows(), SIDECAR.replace("minimize", "min"), "goals.error = 'min'"),
        (rows(), SIDECAR.replace("[", "", 1), "broken .*Expected: TOML or JSON"),
        (rows(), SIDECAR.replace('seed = "seed"', ""), "data rows 1 and 4 are the same configuration and epoch"),
        (rows(), SIDECAR + 'lookup = "closest"', "lookup = 'closest'"),
        (rows(), 'parameters = ["lr"]', "no goals"),
        (rows(), 'goals = {error = "minimize"}', "no parameters"),
        (rows(), SIDECAR.replace('["lr", "layers", "optimizer"]', "{lr = {lgo = true}}"), "'lgo' of parameter 'lr'"),
        ([{**row, "error": "bad"} for row in rows()], SIDECAR, "'bad' in column 'error', data row 1"),
        ([{**row, "error": None} for row in rows()], SIDECAR, "NaN in every repetition"),
        ([{**row, "seed": None} for row in rows()], SIDECAR, "an empty cell in column 'seed'"),
        ([{**row, "time": 9 - row["epoch"]} for row in rows()], SIDECAR, "falls within a run.*cumulative = false"),
        ([{**row, "time": -1} for row in rows()], SIDECAR, "below 0"),
        ([{**row, "epoch": row["epoch"] - 1} for row in rows()], SIDECAR, "0 in column 'epoch'"),
        (rows(), SIDECAR + 'constraints = "error <= 1"', "constraints = 'error <= 1'. Expected: a list"),
        (rows(), 'goals = {error = "minimize"}\nparameters = {lr = 3}', "parameters.lr = 3"),
        (rows(), None, "2 columns that could be the goal .error, test_error."),
        ([{"a": 1, "b": 2}], None, "0 columns that could be the goal .*mine.toml"),
        ([{"loss": 1, "seed": 2}], None, "no column that could be a parameter"),
        ([{"x": 1, "loss": 1, "epoch": 2, "step": 1}], None, "'epoch', 'step' could each be the fidelity"),
        ([{"x": i, "loss": 1, "seed": i} for i in range(3000)], None, "3,000 configurations x 3,000 seed, but"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, content: Any, roles: str | None, message: str) -> None:
    file = write(tmp_path, "mine.csv", content, roles)
    with pytest.raises(WrongFile, match=message) as caught:
        task("table/mine", tmp_path)
    assert str(file.parent) in str(caught.value)
    assert "Expected" in str(caught.value)


def test_truncated_parquet_and_nothing_there(tmp_path: Path) -> None:
    file = write(tmp_path, "mine.parquet", rows(), SIDECAR)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(WrongFile, match=r"mine\.parquet: broken off"):
        task("table/mine", tmp_path)
    with pytest.raises(MissingData, match=r"yours\.parquet is not there \(nor yours\.csv, yours\.csv\.gz\)"):
        task("table/yours", tmp_path)


def test_one_broken_file_hides_no_others(tmp_path: Path) -> None:
    write(tmp_path, "good.csv", rows(), SIDECAR)
    write(tmp_path, "bad.parquet", "no parquet")
    write(tmp_path, "odd.csv", "a,b\n1,2\n")
    assert tasks("table/*", tmp_path) == ["table/bad", "table/good", "table/odd"]


def test_a_table_is_built_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    write(tmp_path, "mine.csv", rows(), SIDECAR)
    first = task("table/mine", tmp_path)
    assert task("table/mine", tmp_path) is first
    write(tmp_path, "mine.csv", rows(epochs=2), SIDECAR)
    assert task("table/mine", tmp_path).fidelity.high == 2  # type: ignore[union-attr]
    (tmp_path / "table" / "mine.toml").write_text(SIDECAR.replace("trials = 40", "trials = 7"))
    assert task("table/mine", tmp_path).trials == 7


def test_domains_allow_the_values_and_no_others() -> None:
    assert domain([3]) == Const(3)
    assert domain([False, True]) == Bool()
    assert domain([True]) == Const(True)
    assert domain([4, 2, 6]) == Int(2, 6, step=2)
    assert domain([1, 3, 9]) == Int(1, 9, log=3)
    assert domain([1, 2, 5]) == Choice([1, 2, 5], ordered=True)
    assert domain([8, 2]) == Choice([2, 8], ordered=True)
    assert domain([6, 12, 24]) == Choice([6, 12, 24], ordered=True)
    assert domain(["b", "a"]) == Choice(["a", "b"])
    assert domain([0.5, 0.1]) == Choice([0.1, 0.5], ordered=True)
    for values in ([4, 2, 6], [1, 3, 9], [1, 2, 5], [8, 2], [6, 12, 24], [-2, -1, 0], [-4, -2, -1]):
        from trimtab.space import Space

        space = Space({"x": domain(values)})
        assert sorted(config["x"] for config in space.grid(9)) == sorted(values)


def test_rows_of_spaces_too_big_for_64_bits() -> None:
    codes = np.random.default_rng(0).integers(0, 100, (50, 12))
    held = Rows({f"x{j}": list(range(100)) for j in range(12)}, codes)
    assert held.size == 100**12
    for i in range(50):
        assert held.row({f"x{j}": int(codes[i, j]) for j in range(12)}) == i
