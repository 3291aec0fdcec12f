"""NAS-Bench-201 and NATS: which cells are the same network; arrays and long form; wrong files are refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.bench.readers._files import WrongFile
from trimtab.bench.readers.nasbench import EDGES, OPERATIONS, WIDTHS, canonical, export, first_of_class
from trimtab.errors import MissingData

CELLS = list(product(OPERATIONS, repeat=6))
NETWORKS = list(product(WIDTHS, repeat=5))


def text(cell: tuple[str, ...]) -> str:
    a, b, c, d, e, f = cell
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def arrays(n: int = len(CELLS), *, seeds: int = 3, epochs: int = 4) -> dict[str, Any]:
    """Cells in a shuffled order, as published; the third seed was run for a third of them alone."""
    rng = np.random.default_rng(0)
    final = rng.uniform(30, 90, n)
    valid = np.round(final[:, None, None] * np.linspace(0.5, 1, epochs) + rng.normal(0, 0.3, (n, seeds, epochs)), 4)
    valid[rng.random(n) < 2 / 3, -1] = np.nan
    test = np.where(np.isnan(valid[:, :, -1]), np.nan, final[:, None] + rng.normal(0, 0.3, (n, seeds)))
    names = [text(cell) for cell in CELLS] if n == len(CELLS) else [":".join(map(str, row)) for row in NETWORKS]
    seconds = rng.uniform(100, 1000, n)
    return {"arch": np.array(names)[order(n)], "valid": valid, "test": test, "seconds": seconds}


def order(n: int) -> Any:
    return np.random.default_rng(1).permutation(n)


def config_of(cell: tuple[str, ...]) -> dict[str, str]:
    return {f"edge_{to}_{source}": op for (to, source), op in zip(EDGES, cell, strict=True)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    (root / "nasbench201").mkdir()
    np.savez(root / "nasbench201" / "cifar10.npz", **arrays())
    return root


def test_15625_cells_are_6466_networks() -> None:
    assert len(CELLS) == 15_625
    assert len({canonical(cell) for cell in CELLS}) == 6_466
    assert len({canonical(["zero" if op == "none" else op for op in cell]) for cell in CELLS}) == 12_751
    firsts = first_of_class()
    assert len(set(firsts.tolist())) == 6_466
    assert (firsts[firsts] == firsts).all()
    assert (firsts <= np.arange(len(CELLS))).all()


def test_the_task(data: Path) -> None:
    assert tasks("nasbench201/*", data) == ["nasbench201/cifar10", "nasbench201/cifar10-unique"]
    made = task("nasbench201/cifar10", data)
    given = arrays()
    assert made.space.size == 15_625
    assert made.fidelity is not None
    assert (made.fidelity.name, made.fidelity.high) == ("epochs", 4)
    for row in (0, 5, 9_999):
        config = config_of(CELLS[order(15_625)[row]])
        valid = given["valid"][row]
        ran = ~np.isnan(valid[:, 0])
        seen = {made.measure(config, 2, seed).metrics["accuracy"] for seed in range(60)}
        assert seen == set(valid[ran, 1])
        assert made.measure(config, 2, 0).seconds == pytest.approx(given["seconds"][row] / 2)
        assert made.true is not None
        assert made.true(config)["accuracy"] == pytest.approx(given["test"][row][ran].mean())
    assert made.best == pytest.approx(np.nanmax(np.nanmean(given["test"], axis=1)))


def test_unique_gives_equal_networks_equal_numbers(data: Path) -> None:
    plain, unique = task("nasbench201/cifar10", data), task("nasbench201/cifar10-unique", data)
    firsts = first_of_class()
    other = int(np.flatnonzero(firsts != np.arange(15_625))[0])
    same = config_of(CELLS[other]), config_of(CELLS[firsts[other]])
    assert unique.measure(same[0], None, 3) == unique.measure(same[1], None, 3) == plain.measure(same[1], None, 3)
    assert plain.measure(same[0], None, 3) != plain.measure(same[1], None, 3)


def test_evolution_beats_random_search(tmp_path: Path) -> None:
    # accuracy as a sum over edges of what the operation is worth, and a little noise: neighbours are alike
    rng = np.random.default_rng(3)
    worth = rng.normal(0, 1, (6, 5))
    codes = np.array(list(product(range(5), repeat=6)))
    final = 80 + worth[np.arange(6), codes].sum(axis=1) + rng.normal(0, 0.3, len(codes))
    table = {
        "arch": np.array([text(cell) for cell in CELLS]),
        "valid": (final[:, None] + rng.normal(0, 0.2, (len(codes), 2)))[:, :, None],
        "test": final,
        "seconds": np.ones(len(codes)),
    }
    (tmp_path / "nasbench201").mkdir()
    np.savez(tmp_path / "nasbench201" / "toy.npz", **table)
    made = task("nasbench201/toy", tmp_path)
    assert made.fidelity is None
    assert made.true is not None
    assert made.best is not None

    def run(seed: int, evolve: bool) -> float:
        rng = np.random.default_rng(seed)
        alive: list[tuple[float, tuple[str, ...]]] = []
        best: tuple[float, tuple[str, ...]] = (-np.inf, ())
        for _ in range(200):
            if evolve and len(alive) >= 20:
                parent = max(alive[i] for i in rng.integers(len(alive), size=5))[1]
                edge = int(rng.integers(6))
                cell = (*parent[:edge], OPERATIONS[rng.integers(5)], *parent[edge + 1 :])
                alive.pop(0)
            else:
                cell = CELLS[rng.integers(len(CELLS))]
            alive.append((made.measure(config_of(cell), None, seed).metrics["accuracy"], cell))
            best = max(best, alive[-1])
        return float(made.best - made.true(config_of(best[1]))["accuracy"])

    evolved, random = (np.median([run(seed, evolve) for seed in range(30)]) for evolve in (True, False))
    assert evolved < random / 2


def test_nats_has_32768_widths(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    given = arrays(len(NETWORKS), seeds=1, epochs=2)
    given["valid"] = np.nan_to_num(given["valid"], nan=1.0)
    given["test"] = np.nan_to_num(given["test"], nan=1.0)[:, 0]
    given["seconds"] = given["seconds"][:, None, None] * np.array([0.4, 1.0])
    np.savez_compressed(tmp_path / "nats" / "cifar100.npz", **given)
    made = task("nats/cifar100", tmp_path)
    assert tasks("nats/*", tmp_path) == ["nats/cifar100"]
    assert "NATS-Bench" in made.licence
    assert made.space.size == 32_768
    row = 77
    config = {f"layer_{i + 1}": width for i, width in enumerate(NETWORKS[order(32_768)[row]])}
    one = made.measure(config, 1, 0)
    assert (one.metrics["accuracy"], one.seconds) == (given["valid"][row, 0, 0], given["seconds"][row, 0, 0])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_long_form_is_the_same(data: Path, tmp_path: Path, suffix: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    given = arrays()
    row, seed, epoch = np.meshgrid(np.arange(15_625), np.arange(3), np.arange(4), indexing="ij")
    frame = pandas.DataFrame(
        {
            "arch": given["arch"][row.ravel()],
            "seed": np.array([777, 888, 999])[seed.ravel()],
            "epoch": epoch.ravel() + 1,
            "valid": given["valid"].ravel(),
            "test": np.repeat(given["test"].ravel(), 4),
            "seconds": given["seconds"][row.ravel()] * (epoch.ravel() + 1) / 4,
        }
    )
    frame = frame[frame["valid"].notna()].sample(frac=1, random_state=0)
    (tmp_path / "nasbench201").mkdir()
    file = tmp_path / "nasbench201" / f"cifar10{suffix}"
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file, index=False)
    one, other = task("nasbench201/cifar10", data), task("nasbench201/cifar10", tmp_path)
    config = config_of(CELLS[1234])
    a, b = one.measure(config, 3, 5), other.measure(config, 3, 5)
    assert a.metrics == b.metrics
    assert a.seconds == pytest.approx(b.seconds)
    assert one.best == pytest.approx(other.best)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid": None}, "no array 'valid' among 'arch', 'test', 'seconds'"),
        ({"arch": np.array(["|none~0|"] * 15_625)}, r"an architecture '\|none~0\|'. Expected: such as"),
        ({"arch": np.array([text(CELLS[0]).replace("none", "conv7")] * 15_625)}, "of none, skip_connect"),
        ({"arch": np.array([text(CELLS[0])] * 15_625)}, "twice"),
        ({"valid": np.ones((15_625, 4))}, r"valid \(15625, 4\)"),
        ({"valid": np.full((15_625, 3, 4), np.nan)}, "NaN in every repetition"),
        ({"valid": np.full((15_625, 3, 4), np.inf)}, "infinite"),
        ({"test": np.full(15_625, np.nan)}, "test of row 0 is NaN"),
        ({"test": np.ones(7)}, r"test of shape \(7,\)"),
        ({"seconds": np.zeros(15_625)}, "above 0"),
        ({"seconds": np.ones((15_625, 3, 4)) * np.array([4, 3, 2, 1])}, "fall within a run"),
        ({"arch": np.array([object()] * 15_625)}, "without pickle"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (tmp_path / "nasbench201").mkdir()
    file = tmp_path / "nasbench201" / "cifar10.npz"
    np.savez(file, **{name: array for name, array in {**arrays(), **change}.items() if array is not None})
    with pytest.raises(WrongFile, match=message) as caught:
        task("nasbench201/cifar10", tmp_path)
    assert str(file) in str(caught.value)


def test_too_few_truncated_or_missing(tmp_path: Path) -> None:
    (tmp_path / "nasbench201").mkdir()
    file = tmp_path / "nasbench201" / "cifar10.npz"
    with pytest.raises(MissingData, match=r"cifar10.npz is not there \(nor cifar10.parquet"):
        task("nasbench201/cifar10", tmp_path)
    np.savez(file, **{name: array[:100] for name, array in arrays().items()})
    with pytest.raises(WrongFile, match=r"100 architectures\. Expected: all 15,625"):
        task("nasbench201/cifar10", tmp_path)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(WrongFile, match="broken off"):
        task("nasbench201/cifar10", tmp_path)
    with file.open("wb") as raw:
        np.save(raw, np.ones(3))
    with pytest.raises(WrongFile, match=r"no \.npz"):
        task("nasbench201/cifar10", tmp_path)


class Stub:
    """As much of the published package's interface as `export` calls."""

    def __len__(self) -> int:
        return 3

    def arch(self, index: int) -> str:
        return text(CELLS[index])

    def query_meta_info_by_index(self, index: int, hp: str) -> Stub:
        assert hp == "12"
        self_of = Stub()
        self_of.index = index  # type: ignore[attr-defined]
        return self_of

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        return [777, 888] if self.index == 1 else [777]  # type: ignore[attr-defined]

    def get_total_epoch(self, dataset: str) -> int:
        return 12

    def get_more_info(self, index: int, dataset: str, iepoch: int | None, hp: str, is_random: int) -> dict[str, Any]:
        assert is_random in (777, 888)
        epoch = 11 if iepoch is None else iepoch
        info = {"valid-accuracy": 10 * index + epoch, "train-all-time": 5.0 * (epoch + 1), "valid-per-time": 2.0}
        return info | ({"test-accuracy": 90.0 + index} if iepoch is None else {})


def test_export_asks_the_published_package(tmp_path: Path) -> None:
    export(Stub(), "cifar10-valid", tmp_path / "cifar10.npz", hp="12")
    with np.load(tmp_path / "cifar10.npz") as made:
        assert made["arch"].tolist() == [text(cell) for cell in CELLS[:3]]
        assert made["valid"].shape == (3, 2, 12)
        assert made["valid"][1, 1, 4] == 14
        assert np.isnan(made["valid"][0, 1]).all()
        assert made["seconds"][2, 0, 11] == 62
        assert made["test"][1].tolist() == [91, 91]
