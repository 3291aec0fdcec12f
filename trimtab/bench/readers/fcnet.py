"""The FCNet tables: a network of two layers on four regression sets, every combination of nine knobs trained.

Layout  fcnet/fcnet_<instance>_data.hdf5, as published: a group for each configuration, its name the JSON of the
        configuration, with valid_mse (repetitions, epochs), final_test_error (repetitions,) and runtime (repetitions,).
        Reading 62,208 groups takes a while; `convert` writes them once as an .npz, which is taken when it is there.
Look    an evaluation sees the validation error of one repetition, drawn from the seed; a recommendation is worth its
        mean test error over repetitions. Epoch e of 100 costs e/100 of the runtime.
Source  Klein & Hutter, Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization, 2019.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab._extras import need
from trimtab.bench._families import Family
from trimtab.bench.readers._files import WrongFile, folder_of, located, read_npz, stamp
from trimtab.bench.readers._tabular import Rows, Table, domain
from trimtab.bench.task import Goal, Task
from trimtab.errors import UnknownName
from trimtab.space import Choice, Space

log = logging.getLogger(__name__)
INSTANCES = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")
KNOBS: Mapping[str, tuple[Any, ...]] = {
    "init_lr": (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1),
    "batch_size": (8, 16, 32, 64),
    "lr_schedule": ("cosine", "const"),
    "activation_fn_1": ("relu", "tanh"),
    "activation_fn_2": ("relu", "tanh"),
    "n_units_1": (16, 32, 64, 128, 256, 512),
    "n_units_2": (16, 32, 64, 128, 256, 512),
    "dropout_1": (0.0, 0.3, 0.6),
    "dropout_2": (0.0, 0.3, 0.6),
}
MANY = 10_000  # groups: more take seconds to read
ARRAYS = ("valid_mse", "final_test_error", "runtime")
EXPECTED = (
    "groups named by the JSON of nine knobs, each with valid_mse (repetitions, epochs), final_test_error, runtime"
)


def convert(source: Path, target: Path) -> None:
    """Writes an HDF5 table as an .npz, which loads in a second: convert("fcnet_x_data.hdf5", "fcnet_x_data.npz")."""
    arrays: dict[str, Any] = dict(_read_hdf5(Path(source)))
    np.savez(target, **arrays)


def _read_hdf5(file: Path) -> Mapping[str, NDArray[Any]]:
    h5py = need("h5py", extra="bench", to=f"read {file.name}")
    try:
        with h5py.File(file, "r") as groups:
            keys = list(groups)
            if not keys:
                raise WrongFile(file, "no groups at all", EXPECTED)
            if len(keys) > MANY:
                log.warning(
                    "%s: %d groups are read one by one. convert() writes them as an .npz, once", file, len(keys)
                )
            return {"keys": np.array(keys), **{name: _column(file, groups, keys, name) for name in ARRAYS}}
    except OSError as error:
        raise WrongFile(file, f"broken off or no HDF5 ({error})", EXPECTED) from None


def _column(file: Path, groups: Any, keys: list[str], name: str) -> NDArray[Any]:
    """One data set of every group, (n, …): through the low level, which takes a third of the time."""
    h5py = need("h5py", extra="bench", to=f"read {file.name}")
    first = _opened(file, h5py, groups, keys[0], name)
    if first.dtype.kind not in "fiu":
        raise WrongFile(file, f"{name} of {keys[0]} holds {first.dtype}", "numbers")
    dtype = first.dtype if first.dtype.kind == "f" else np.dtype(np.float64)
    column: NDArray[Any] = np.empty((len(keys), *first.shape), dtype)
    for i, key in enumerate(keys):
        found = _opened(file, h5py, groups, key, name)
        if found.shape != first.shape:
            raise WrongFile(file, f"{name} of {key} has the shape {found.shape}", f"{first.shape} everywhere")
        found.read(h5py.h5s.ALL, h5py.h5s.ALL, column[i, ...])
    return column


def _opened(file: Path, h5py: Any, groups: Any, key: str, name: str) -> Any:
    try:
        return h5py.h5d.open(groups.id, f"{key}/{name}".encode())
    except (KeyError, TypeError, ValueError):
        inside = ", ".join(groups[key]) if hasattr(groups[key], "keys") else "no group"
        raise WrongFile(file, f"{key[:80]!r} holds {inside or 'nothing'}, and no {name}", EXPECTED) from None


@lru_cache(maxsize=4)
def _table(file: Path, _stamp: tuple[int, int]) -> tuple[Table, Space]:
    arrays = read_npz(file, ("keys", *ARRAYS), EXPECTED) if file.suffix == ".npz" else _read_hdf5(file)
    curves, tests, runtime = (np.asarray(arrays[name]) for name in ARRAYS)
    n = len(arrays["keys"])
    if curves.ndim != 3 or tests.shape != curves.shape[:2] or runtime.shape != tests.shape or len(curves) != n:
        shapes = ", ".join(
            f"{name} {array.shape}" for name, array in zip(ARRAYS, (curves, tests, runtime), strict=True)
        )
        raise WrongFile(
            file, f"{n:,} configurations with {shapes}", "(n, repetitions, epochs) and twice (n, repetitions)"
        )
    bad = ~np.isfinite(tests).all(axis=1) | ~np.isfinite(runtime).all(axis=1) | ~(runtime > 0).all(axis=1)
    if bad.any():
        key = str(arrays["keys"][np.argmax(bad)])
        raise WrongFile(file, f"NaN, or a runtime that is not above 0, at {key}", "finite test errors and runtimes")
    rows = _rows(file, [str(key) for key in arrays["keys"]])
    space = Space({name: _domain(list(values)) for name, values in rows.values.items()})
    table = Table(
        file,
        rows,
        seen={"mse": curves},
        shown={"mse": tests.mean(axis=1)},
        seconds=runtime[:, :, None],
        levels=np.arange(1.0, curves.shape[2] + 1),
    )
    return table, space


def _rows(file: Path, keys: list[str]) -> Rows:
    """Which row holds what. The grid of the values seen must be complete: a file that was cut off is told from one that
    its owner made smaller."""
    codes = np.empty((len(keys), len(KNOBS)), np.int64)
    for i, key in enumerate(keys):
        try:
            config = json.loads(key)
            codes[i] = [KNOBS[name].index(config[name]) for name in KNOBS]
        except (ValueError, KeyError, TypeError):
            raise WrongFile(file, f"a group called {key[:120]!r}", f"{EXPECTED}: {', '.join(KNOBS)}") from None
        if len(config) != len(KNOBS):
            raise WrongFile(file, f"more knobs than nine in {key!r}", EXPECTED)
    kept, values = np.empty_like(codes), {}
    for j, (name, allowed) in enumerate(KNOBS.items()):
        seen, kept[:, j] = np.unique(codes[:, j], return_inverse=True)
        values[name] = [allowed[code] for code in seen]
    rows = Rows(values, kept)
    whole = prod(map(len, values.values()))
    if not rows.distinct == len(keys) == whole:
        counts = "·".join(str(len(found)) for found in values.values())
        raise WrongFile(file, f"{rows.distinct:,} different configurations", f"all {counts} = {whole:,} of the grid")
    return rows


def _domain(values: list[Any]) -> Any:
    return Choice(values) if isinstance(values[0], str) and len(values) > 1 else domain(values)


def _names(data: Path | None) -> list[str]:
    folder = folder_of(data, "fcnet")
    files = () if folder is None else [path.name for path in folder.iterdir()]
    return [name for name in INSTANCES if any(file.startswith(f"fcnet_{name}_data.") for file in files)]


def _make(instance: str, data: Path | None) -> Task:
    if instance not in INSTANCES:
        raise UnknownName(instance, among=INSTANCES, kind="FCNet table")
    plain = f"fcnet_{instance}_data"
    file = located(data, "fcnet", f"{plain}.npz", f"{plain}.hdf5", f"{plain}.h5", usual=f"{plain}.hdf5")
    table, space = _table(file, stamp(file))
    return table.task(
        f"fcnet/{instance}",
        space,
        [Goal("mse")],
        fidelity="epochs",
        cost="virtual seconds: the recorded runtime, and of fewer epochs their share",
        licence=FAMILY.licence,
        tags=frozenset({"tabular", "noisy"}),
    )


FAMILY = Family(
    "fcnet",
    "every combination of 9 knobs of a two-layer network on 4 regression sets, 100 epochs, 4 repetitions",
    _names,
    _make,
    licence="data published with automl/nas_benchmarks (BSD 3-clause); bring your own copy",
    data="fcnet",
    extra="bench",
)
