"""NAS-Bench-201 and NATS-Bench: every cell of 6 edges x 5 operations, every network of 5 widths, as arrays.

Layout  nasbench201/<data set>.npz and nats/<data set>.npz with
            arch     (n,)                     "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|…|" or "64:8:16:24:32"
            valid    (n, seeds, epochs)       validation accuracy; NaN where a seed was not run
            test     (n,) or (n, seeds)       test accuracy at the end; or (n, seeds, epochs), whose last one counts
            seconds  (n,), (n, seeds)         of the whole run; or (n, seeds, epochs), since the start of the run
        or the same in long form, <data set>.parquet or .csv, with the columns arch, seed, epoch, valid, test, seconds.
        The published archives are pickles, which can run code, and so are not opened here: open one with its own
        package and hand that to `export`.
Look    an evaluation sees the validation accuracy of one seed, a recommendation is worth its mean test accuracy.
Tasks   "nasbench201/cifar10" has 15,625 cells, of which 6,466 are different networks; "nasbench201/cifar10-unique"
        answers each with the first of its class, so that equal networks have equal numbers.
Source  Dong & Yang, NAS-Bench-201, ICLR 2020; Dong et al., NATS-Bench, TPAMI 2021.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bench._families import Family
from trimtab.bench.readers._files import FloatArray, WrongFile, folder_of, located, read_npz, stamp
from trimtab.bench.readers._long import dense, read_frame
from trimtab.bench.readers._tabular import IntArray, Rows, Table
from trimtab.bench.task import Config, Goal, Task
from trimtab.space import Choice, Int, Space

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (to, from), in the order of the published strings
WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5
ARRAYS = ("arch", "valid", "test", "seconds")
SUFFIXES = (".npz", ".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Kind:
    """What tells the two spaces apart: their parameters, and how an architecture is written."""

    folder: str
    names: tuple[str, ...]
    values: tuple[Any, ...]
    example: str
    pattern: str
    space: Space

    @property
    def size(self) -> int:
        return int(len(self.values) ** len(self.names))

    def parse(self, file: Path, arch: str) -> list[int]:
        """An architecture as places in `values`."""
        found = re.fullmatch(self.pattern, arch)
        if not found:
            raise WrongFile(file, f"an architecture {arch[:120]!r}", f"such as {self.example!r}")
        try:
            return [self.values.index(type(self.values[0])(word)) for word in found.groups()]
        except ValueError:
            raise WrongFile(file, f"an architecture {arch!r}", f"of {', '.join(map(str, self.values))}") from None


_NODES = ("|{}~0|", "|{}~0|{}~1|", "|{}~0|{}~1|{}~2|")
_CELL = "+".join(_NODES)
CELLS = Kind(
    "nasbench201",
    tuple(f"edge_{to}_{source}" for to, source in EDGES),
    OPERATIONS,
    _CELL.format(*OPERATIONS, "none"),
    re.escape(_CELL).replace(r"\{\}", "([^|~]+)"),
    Space({f"edge_{to}_{source}": Choice(list(OPERATIONS)) for to, source in EDGES}),
)
SIZES = Kind(
    "nats",
    tuple(f"layer_{i}" for i in range(1, LAYERS + 1)),
    WIDTHS,
    "64:8:16:24:32",
    ":".join([r"(\d+)"] * LAYERS),
    Space({f"layer_{i}": Int(8, 64, step=8) for i in range(1, LAYERS + 1)}),
)


def canonical(operations: Sequence[str]) -> str:
    """The same text for cells that compute the same: operations of the edges in the order of EDGES.

    A node is the sorted sum of what arrives; "#" marks an edge that brings nothing, and is kept: how many count.

    >>> canonical(["none", "none", "skip_connect", "skip_connect", "none", "none"])
    '#+#+0'
    """
    nodes = ["0"]
    for to in (1, 2, 3):
        arriving = []
        for (end, source), operation in zip(EDGES, operations, strict=True):
            if end == to:
                text = nodes[source]
                if operation == "none" or text == "#":
                    arriving.append("#")
                else:
                    arriving.append(text if operation == "skip_connect" else f"({text})@{operation}")
        nodes.append("+".join(sorted(arriving)))
    return nodes[3]


@cache
def first_of_class() -> IntArray:
    """(15625,): of each cell, in the order of product(OPERATIONS, repeat=6), the first that computes the same."""
    firsts: dict[str, int] = {}
    cells = product(OPERATIONS, repeat=len(EDGES))
    return np.array([firsts.setdefault(canonical(cell), i) for i, cell in enumerate(cells)])


def export(api: Any, dataset: str, target: Path, *, hp: str = "200") -> None:
    """Writes what the published package knows of a data set as an .npz. Minutes, once:

    export(nats_bench.create(path, "tss", fast_mode=True), "cifar10-valid", Path("nasbench201/cifar10.npz"))

    dataset  as the package calls it: "cifar10-valid" is what is tuned on CIFAR-10
    hp       the training recipe: "12" or "200" epochs for cells, "90" for sizes. Values at 12 epochs of one and of the
             other differ, because the learning rate's schedule does
    """
    held = [api.query_meta_info_by_index(i, hp) for i in range(len(api))]
    seeds = sorted({seed for one in held for seed in one.get_dataset_seeds(dataset)})
    shape = len(held), len(seeds), max(one.get_total_epoch(dataset) for one in held)
    valid, seconds, test = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[:2], np.nan)
    for i, one in enumerate(held):
        for seed in one.get_dataset_seeds(dataset):
            s = seeds.index(seed)
            for epoch in range(shape[2]):
                info = api.get_more_info(i, dataset, iepoch=epoch, hp=hp, is_random=seed)
                valid[i, s, epoch] = info["valid-accuracy"]
                seconds[i, s, epoch] = info["train-all-time"] + (info.get("valid-per-time") or 0.0)
            test[i, s] = api.get_more_info(i, dataset, iepoch=None, hp=hp, is_random=seed)["test-accuracy"]
    arch = np.array([api.arch(i) for i in range(len(api))])
    np.savez_compressed(target, arch=arch, valid=valid, test=test, seconds=seconds)


@dataclass(frozen=True, eq=False)
class Firsts:
    """Every cell is answered by the first that computes the same."""

    cells: Rows

    @property
    def reachable(self) -> IntArray:
        return np.unique(first_of_class())

    def row(self, config: Config) -> int:
        return int(first_of_class()[self.cells.row(config)])


@lru_cache(maxsize=4)
def _table(kind: Kind, file: Path, _stamp: tuple[int, int]) -> Table:
    arrays = _long(file) if file.suffix != ".npz" else read_npz(file, ARRAYS, f"the arrays {', '.join(ARRAYS)}")
    arch, valid, test, seconds = (np.asarray(arrays[name]) for name in ARRAYS)
    if valid.ndim != 3 or len(arch) != len(valid) or 0 in valid.shape:
        raise WrongFile(file, f"arch {arch.shape} and valid {valid.shape}", "arch (n,) and valid (n, seeds, epochs)")
    if len(valid) != kind.size:
        raise WrongFile(file, f"{len(valid):,} architectures", f"all {kind.size:,}")
    codes = np.array([kind.parse(file, str(text)) for text in arch])
    place = codes @ (len(kind.values) ** np.arange(len(kind.names))[::-1])
    order = np.argsort(place, kind="stable")
    if not (place[order] == np.arange(kind.size)).all():
        twice = arch[order][:-1][place[order][:-1] == place[order][1:]][0]
        raise WrongFile(file, f"the architecture {twice!s} twice", "each once")
    shown = _at_end(file, "test", test, valid)[order]
    spent = _seconds(file, seconds, valid)[order]
    rows = Rows({name: kind.values for name in kind.names}, codes[order])
    levels = np.arange(1.0, valid.shape[2] + 1)
    return Table(file, rows, seen={"accuracy": valid[order]}, shown={"accuracy": shown}, seconds=spent, levels=levels)


def _at_end(file: Path, name: str, array: NDArray[Any], valid: NDArray[Any]) -> FloatArray:
    """(n,): at the last epoch, the mean over the seeds that were run."""
    if array.shape not in (valid.shape[:1], valid.shape[:2], valid.shape):
        raise WrongFile(
            file, f"{name} of shape {array.shape}", f"(n,), (n, seeds) or (n, seeds, epochs): {valid.shape}"
        )
    last = array[..., -1] if array.ndim == 3 else array
    last = last[:, None] if last.ndim == 1 else last
    ran = ~np.isnan(last)
    if not ran.any(axis=1).all():
        raise WrongFile(file, f"{name} of row {int(np.argmin(ran.any(axis=1)))} is NaN", "one number at least a row")
    mean: FloatArray = np.where(ran, last, 0).sum(axis=1) / ran.sum(axis=1)
    return mean


def _seconds(file: Path, seconds: NDArray[Any], valid: NDArray[Any]) -> FloatArray:
    if seconds.shape not in (valid.shape[:1], valid.shape[:2], valid.shape):
        found = f"seconds of shape {seconds.shape}"
        raise WrongFile(file, found, f"(n,), (n, seeds) or (n, seeds, epochs): {valid.shape}")
    per_seed = seconds[:, None] if seconds.ndim == 1 else seconds
    full: FloatArray = np.broadcast_to(
        per_seed if per_seed.ndim == 3 else per_seed[:, :, None],
        (*valid.shape[:2], per_seed.shape[2] if per_seed.ndim == 3 else 1),
    )
    ran = ~np.isnan(valid[:, :, : full.shape[2]])
    if not (full[ran] > 0).all():
        raise WrongFile(file, "seconds that are NaN or not above 0 for a run that has an accuracy", "seconds above 0")
    if full.shape[2] > 1 and (np.diff(full, axis=2)[ran[:, :, 1:]] < 0).any():
        raise WrongFile(file, "seconds that fall within a run", "seconds since the start of the run")
    return full


def _long(file: Path) -> Mapping[str, NDArray[Any]]:
    """Long form as arrays."""
    frame = read_frame(file, ("arch", "seed", "epoch", "valid", "test", "seconds"))
    arch, (_, epochs), arrays = dense(file, frame, ["arch"], ["seed", "epoch"], ["valid", "test", "seconds"])
    if not (np.asarray(epochs) == np.arange(1, len(epochs) + 1)).all():
        raise WrongFile(file, f"the epochs {', '.join(map(str, epochs[:5]))}, …", "1, 2, 3, …")
    return {"arch": np.array(arch["arch"]), **arrays}


def _names(kind: Kind, data: Path | None) -> list[str]:
    folder = folder_of(data, kind.folder)
    found = sorted({path.stem for path in folder.iterdir() if path.suffix in SUFFIXES}) if folder else []
    return [name + end for name in found for end in (("", "-unique") if kind is CELLS else ("",))]


def _make(kind: Kind, instance: str, data: Path | None) -> Task:
    plain = instance.removesuffix("-unique") if kind is CELLS else instance
    file = located(data, kind.folder, *(plain + suffix for suffix in SUFFIXES))
    table = _table(kind, file, stamp(file))
    if plain != instance:
        assert isinstance(table.rows, Rows)
        table = replace(table, rows=Firsts(table.rows))
    return table.task(
        f"{kind.folder}/{instance}",
        kind.space,
        [Goal("accuracy", "maximize")],
        fidelity="epochs",
        cost="virtual seconds as recorded; of fewer epochs, where only the whole is known, their share",
        licence=(FAMILY if kind is CELLS else NATS).licence,
        tags=frozenset({"tabular", "noisy"}),
    )


FAMILY = Family(
    "nasbench201",
    "15,625 cells of 6 edges and 5 operations, one file of arrays a data set",
    lambda data: _names(CELLS, data),
    lambda instance, data: _make(CELLS, instance, data),
    licence="data published with D-X-Y/NAS-Bench-201 (MIT); bring your own copy",
    data="nasbench201",
)
NATS = Family(
    "nats",
    "32,768 networks of 5 layers and 8 widths, one file of arrays a data set",
    lambda data: _names(SIZES, data),
    lambda instance, data: _make(SIZES, instance, data),
    licence="data published with D-X-Y/NATS-Bench (MIT); bring your own copy",
    data="nats",
)
