"""HPO-B: pools of evaluated configurations of 16 OpenML search spaces, as published in JSON.

Layout  hpob/meta-test-dataset.json, and beside it, where wanted, meta-validation-dataset.json, meta-train-dataset.json,
        meta-train-dataset-augmented.json: {space: {data set: {"X": [[…]], "y": [[accuracy]]}}}, X in the unit cube;
        bo-initializations.json: {space: {data set: {"test0": [5 rows], …}}}.
Tasks   "hpob/5860-145" (the test split), "hpob/validation-5860-145", "hpob/train-…", "hpob/augmented-…". The accuracy
        is scaled to 0..1 within the pool, and is to be maximised.
        The task's space is the unit cube of the pool's columns, and a configuration is answered by the *nearest
        row*: an index of rows would tell a model nothing. A task has no memory, so it can't leave out rows that were
        seen before, as the published protocol does: for figures to compare with published ones, use `discrete_run`.
Source  Pineda Arango et al., HPO-B: A Large-Scale Reproducible Benchmark for Black-Box HPO Based on OpenML, 2021.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.bench._families import Family
from trimtab.bench.readers._files import FloatArray, WrongFile, folder_of, located, read_json, stamp
from trimtab.bench.readers._pool import Pool
from trimtab.bench.task import Config, Goal, Outcome, Task
from trimtab.errors import UnknownName
from trimtab.space import Bool, Float, Space

log = logging.getLogger(__name__)
FILES: Mapping[str, str] = {
    "test": "meta-test-dataset.json",
    "validation": "meta-validation-dataset.json",
    "train": "meta-train-dataset.json",
    "augmented": "meta-train-dataset-augmented.json",
}
STARTS = "bo-initializations.json"
EXPECTED = '{space: {data set: {"X": [[…]], "y": [[accuracy]]}}} with X in the unit cube'
TRIALS = 100  # after the initial points, as published
Suggest = Callable[[FloatArray, FloatArray, FloatArray], int]


@dataclass(frozen=True, eq=False)
class Points:
    """One data set of one space.

    x  (n, d) in the unit cube
    y  (n,): accuracy, scaled to 0..1 within the pool; greater is better
    starts  of each published seed ("test0" … "test4") its initial rows
    """

    x: FloatArray
    y: FloatArray
    starts: Mapping[str, tuple[int, ...]]

    @cached_property
    def varying(self) -> list[int]:
        """The columns that are not the same everywhere."""
        return [int(j) for j in np.flatnonzero(np.ptp(self.x, axis=0) > 0)]

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.x[:, self.varying])

    @cached_property
    def space(self) -> Space:
        """x0, x1, …: the columns that vary; one of 0 and 1 alone (an indicator) is a Bool."""
        flags = [bool(np.isin(self.x[:, j], (0.0, 1.0)).all()) for j in self.varying]
        return Space({f"x{j}": Bool() if flag else Float(0, 1) for j, flag in zip(self.varying, flags, strict=True)})

    def row(self, config: Config) -> int:
        """The row nearest to a configuration."""
        return self._pool.nearest(np.array([float(config[f"x{j}"]) for j in self.varying]))

    def measure(self, config: Config, budget: float | None, seed: int) -> Outcome:
        """The accuracy of the nearest row. There is no noise and no fidelity."""
        return Outcome({"accuracy": float(self.y[self.row(config)])})

    @property
    def best(self) -> float:
        """Of the rows that can be answered: 1.0 unless a worse row lies at the very place of the best."""
        return float(self.y[self._pool.places].max())


def points(instance: str, data: Path | None) -> Points:
    """The pool called "5860-145" or "train-5860-3"."""
    first, _, rest = instance.partition("-")
    split, name = (first, rest) if first in FILES else ("test", instance)
    file = located(data, "hpob", FILES[split])
    pools = _pools(file, stamp(file))
    space, _, dataset = name.partition("-")
    if (space, dataset) not in pools:
        among = ["-".join(pair) for pair in pools]
        raise UnknownName(name, among=among, kind=f"pool (space-data set) of {file.name}")
    x, y = pools[space, dataset]
    beside = file.parent / STARTS
    starts = _starts(beside, stamp(beside)).get(space, {}).get(dataset, {}) if beside.is_file() else {}
    for seed, rows in starts.items():
        if not all(0 <= row < len(y) for row in rows):
            raise WrongFile(beside, f"{seed} of {name} names row {max(rows)}", f"rows 0 to {len(y) - 1}")
    return Points(x, y, starts)


def discrete_run(
    suggest: Suggest, pool: Points, *, start: str | Sequence[int] = "test0", trials: int = TRIALS
) -> FloatArray:
    """The published protocol for discrete pools -> (trials + 1,): regret after the initial points and after each trial.

    suggest  (X seen (m, d), y seen (m,), X pending (k, d)) -> which of the pending rows is next. y is accuracy, so
             greater is better. Once the optimum is found the rest is 0, and nothing more is asked.
    """
    if isinstance(start, str):
        if start not in pool.starts:
            raise UnknownName(start, among=list(pool.starts), kind=f"initialisation in {STARTS}")
        start = pool.starts[start]
    seen = [int(row) for row in start]
    pending = np.setdiff1d(np.arange(len(pool.y)), seen)
    regret = np.zeros(trials + 1)
    regret[0] = 1 - pool.y[seen].max()
    for t in range(1, trials + 1):
        if regret[t - 1] <= 0 or not len(pending):
            break
        chosen = int(suggest(pool.x[seen], pool.y[seen], pool.x[pending]))
        if not 0 <= chosen < len(pending):
            raise IndexError(f"suggest() returned {chosen}: it must be a row of the {len(pending)} that are pending")
        seen.append(int(pending[chosen]))
        pending = np.delete(pending, chosen)
        regret[t] = min(regret[t - 1], 1 - pool.y[seen[-1]])
    return regret


@lru_cache(maxsize=4)
def _pools(file: Path, _stamp: tuple[int, int]) -> Mapping[tuple[str, str], tuple[FloatArray, FloatArray]]:
    """Every pool of a file, parsed once: lists become arrays pool by pool, so memory stays near the arrays' size."""

    def arrays(found: dict[str, Any]) -> Any:
        if found.keys() != {"X", "y"}:
            return found
        try:
            return np.array(found["X"], float), np.array(found["y"], float)
        except (TypeError, ValueError):
            raise WrongFile(file, "X or y with rows of unequal length, or with text in it", EXPECTED) from None

    content = read_json(file, EXPECTED, arrays)
    if not isinstance(content, dict) or not content:
        raise WrongFile(file, f"a {type(content).__name__} at the top", EXPECTED)
    pools = {}
    for space, sets in content.items():
        if not isinstance(sets, dict):
            raise WrongFile(file, f"a {type(sets).__name__} under {space!r}", EXPECTED)
        for dataset, pool in sets.items():
            if not isinstance(pool, tuple):
                keys = f"the keys {', '.join(map(repr, pool))}" if isinstance(pool, dict) else type(pool).__name__
                raise WrongFile(file, f"{keys} under {space!r}, {dataset!r}", EXPECTED)
            pools[space, dataset] = _checked(file, f"{space}-{dataset}", *pool)
    return pools


def _checked(file: Path, name: str, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    flat = y.reshape(-1)
    if x.ndim != 2 or len(flat) != len(x) or y.ndim > 2 or len(x) == 0:
        raise WrongFile(file, f"{name} with X of shape {x.shape} and y of shape {y.shape}", "X (n, d) and y (n, 1)")
    if not (np.isfinite(x).all() and np.isfinite(flat).all()):
        raise WrongFile(file, f"{name} holds NaN or infinity", "finite numbers")
    if x.min() < -1e-6 or x.max() > 1 + 1e-6:
        raise WrongFile(file, f"{name} with X from {x.min():g} to {x.max():g}", "X in the unit cube")
    low, high = flat.min(), flat.max()
    if low == high:
        raise WrongFile(file, f"{name} with y = {low:g} everywhere", "a pool with something to find")
    return np.clip(x, 0.0, 1.0), (flat - low) / (high - low)


@lru_cache(maxsize=4)
def _starts(file: Path, _stamp: tuple[int, int]) -> Mapping[str, Mapping[str, Mapping[str, tuple[int, ...]]]]:
    expected = '{space: {data set: {"test0": [rows], …}}}'
    content = read_json(file, expected)
    try:
        return {
            space: {
                dataset: {seed: tuple(int(row) for row in np.ravel(rows)) for seed, rows in seeds.items()}
                for dataset, seeds in sets.items()
            }
            for space, sets in content.items()
        }
    except (AttributeError, TypeError, ValueError):
        raise WrongFile(file, "something else than rows by space, data set and seed", expected) from None


def _names(data: Path | None) -> list[str]:
    """Of the test split; those of the others go by their names all the same (reading them takes a while)."""
    folder = folder_of(data, "hpob")
    if folder is None or not (folder / FILES["test"]).is_file():
        return []
    file = folder / FILES["test"]
    try:
        return ["-".join(pair) for pair in _pools(file, stamp(file))]
    except WrongFile as error:  # a list of every family's tasks is not to end here
        log.warning("%s", error)
        return []


def _make(instance: str, data: Path | None) -> Task:
    pool = points(instance, data)
    return Task(
        f"hpob/{instance}",
        pool.space,
        (Goal("accuracy", "maximize"),),
        pool.measure,
        best=pool.best,
        exact=True,
        licence=FAMILY.licence,
        tags=frozenset({"tabular", "nearest"}),
    )


FAMILY = Family(
    "hpob",
    "pools of evaluated configurations of OpenML flows; a configuration is answered by the nearest row",
    _names,
    _make,
    licence="published with machinelearningnuremberg/HPO-B; bring your own copy and see its terms",
    data="hpob",
)
