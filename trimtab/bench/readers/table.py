"""Any long-form table as tasks: table/<name>.csv, .csv.gz or .parquet, a row for each thing that was measured.

Roles   a small <name>.toml or .json beside the file says what the columns are (`_sidecar.py` lists the keys). Without
        it they are taken from the columns' names, and the log says what was taken for what; what is ambiguous is
        refused, with the lines to write.
Look-up exact, over the values that occur: a combination that the table doesn't hold is a failed evaluation. Rows that
        were drawn at random leave nearly everything a hole; lookup = "nearest" must be asked for, and is then said in
        the task's cost.
Fits    HPOBench's, mf-prior-bench's and JAHS-Bench's tables (Parquet with a MultiIndex is read too), ArchGym's logs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.bench._families import Family
from trimtab.bench.readers._files import FloatArray, WrongFile, folder_of, located, stamp
from trimtab.bench.readers._long import check_columns, dense, numbers, read_frame
from trimtab.bench.readers._pool import Pool
from trimtab.bench.readers._sidecar import CAP, SUFFIXES, Roles, as_toml, inferred, read_roles, sidecar, stem
from trimtab.bench.readers._tabular import IntArray, Rows, Table, domain
from trimtab.bench.task import Config, Goal, Task
from trimtab.errors import TrimtabError, UnknownName
from trimtab.space import Choice, Const, Float, Int, Space

log = logging.getLogger(__name__)
DENSE = 0.01  # share of the combinations that a table must hold to be looked up exactly without being told to


def reward(values: Mapping[str, FloatArray], targets: Mapping[str, float], *, cap: float = CAP) -> FloatArray:
    """The product over targets of target / |target - value|, each at most `cap`, and so is the product.

    >>> reward({"latency": np.array([1.0, 1.5, 3.0])}, {"latency": 1.0}, cap=100.0)
    array([100. ,   2. ,   0.5])
    """
    product: Any = 1.0
    for name, target in targets.items():
        distance = np.abs(target - np.asarray(values[name], float))
        product = product * target / np.where(np.isnan(distance), np.nan, np.maximum(distance, target / cap))
    capped: FloatArray = np.minimum(product, cap)
    return capped


@dataclass(frozen=True, eq=False)
class Nearest:
    """Rows that were drawn: the nearest stands for a configuration. Numbers are scaled to 0..1 over the space's range;
    two labels that differ are as far apart as the ends of a range."""

    space: Space
    held: Mapping[str, Sequence[Any]]

    def __post_init__(self) -> None:
        n = len(next(iter(self.held.values())))
        configs = [{name: values[i] for name, values in self.held.items()} for i in range(n)]
        object.__setattr__(self, "_pool", Pool(np.array([self._point(config) for config in configs])))

    def _point(self, config: Config) -> FloatArray:
        parts: list[float] = []
        for name, one in self.space.domains.items():
            if isinstance(one, Const):
                continue
            if isinstance(one, Float | Int):
                three: tuple[Any, Any, Any] = (config[name], one.low, one.high)
                value, low, high = (np.log(float(v)) if one.log else float(v) for v in three)
                parts.append((value - low) / (high - low))
            else:
                parts += [0.5**0.5 * (config[name] == label) for label in one.labels]
        return np.array(parts)

    @property
    def reachable(self) -> IntArray:
        """The rows that are the first at their place."""
        pool: Pool = self._pool  # type: ignore[attr-defined]
        return pool.places

    def row(self, config: Config) -> int:
        """The nearest row."""
        pool: Pool = self._pool  # type: ignore[attr-defined]
        return pool.nearest(self._point(config))


@lru_cache(maxsize=4)
def _frame(file: Path, beside: Path | None, _stamps: tuple[object, ...]) -> tuple[Any, Roles]:
    """The file and what its columns are."""
    frame = read_frame(file)
    if beside is not None:
        roles = read_roles(beside)
        check_columns(file, frame, roles.columns)
        return frame, roles
    roles = inferred(file, list(frame.columns))
    words = "%s: what its columns are was taken from their names. To settle it, put a %s.toml beside it:\n%s"
    log.warning(words, file, stem(file), as_toml(roles))
    return frame, roles


def _found(data: Path | None, name: str) -> tuple[Path, Path | None, tuple[object, ...]]:
    """The table, its sidecar, and what tells that either has changed."""
    file = located(data, "table", *(name + suffix for suffix in SUFFIXES))
    beside = sidecar(file)
    return file, beside, (stamp(file), stamp(beside) if beside else None)


def _instances(file: Path, frame: Any, roles: Roles) -> list[str]:
    if not roles.instance:
        return []
    if frame[roles.instance].isna().any():
        raise WrongFile(file, f"an empty cell in column {roles.instance!r}", "an instance in every row")
    return [str(value) for value in frame[roles.instance].unique().tolist()]


def _names(data: Path | None) -> list[str]:
    folder = folder_of(data, "table")
    if folder is None:
        return []
    plain_names = {stem(path) for path in folder.iterdir() if path.name.endswith(SUFFIXES)}
    names: list[str] = []
    for name in sorted(plain_names):
        try:
            file, beside, stamps = _found(data, name)
            instances = _instances(file, *_frame(file, beside, stamps))
        except TrimtabError:  # it shows when the task is asked for; the others are not to be hidden by it
            instances = []
        names += [f"{name}:{instance}" for instance in instances] if instances else [name]
    return names


def _make(instance: str, data: Path | None) -> Task:
    return _made(instance, *_found(data, instance.partition(":")[0]))


@lru_cache(maxsize=16)
def _made(instance: str, file: Path, beside: Path | None, stamps: tuple[object, ...]) -> Task:
    name, colon, part = instance.partition(":")
    frame, roles = _frame(file, beside, stamps)
    instances = _instances(file, frame, roles)
    if bool(colon) != bool(instances) or (colon and part not in instances):
        among = [f"{name}:{one}" for one in instances] or [name]
        raise UnknownName(instance, among=among, kind=f"task of {file.name}")
    if colon:
        frame = frame[frame[roles.instance].astype(str) == part]
    return _task(f"table/{instance}", file, frame, roles)


def _task(name: str, file: Path, frame: Any, roles: Roles) -> Task:
    axes = [axis for axis in (roles.seed, roles.fidelity) if axis]
    columns = [c for c in roles.columns if c not in (*roles.parameters, *axes, roles.instance)]
    held, labels, arrays = dense(file, frame, list(roles.parameters), axes, columns)
    n = len(next(iter(held.values())))
    shape = (n, len(labels[0]) if roles.seed else 1, len(labels[-1]) if roles.fidelity else 1)
    arrays = {key: array.reshape(shape) for key, array in arrays.items()}
    levels = _levels(file, frame, roles)
    if roles.reward:
        arrays["reward"] = reward(arrays, roles.reward, cap=roles.cap)
    seen = {key: arrays[key] for key in (*roles.goals, *roles.metrics)}
    space = _space(file, held, roles)
    rows = Nearest(space, held) if roles.lookup == "nearest" else _rows(file, held, roles)
    table = Table(
        file,
        rows,
        seen=seen,
        shown={goal: _mean_at_end(arrays[roles.shown.get(goal, goal)]) for goal in roles.goals},
        seconds=_seconds(file, arrays, roles, seen),
        levels=levels,
    )
    return table.task(
        name,
        space,
        [Goal(goal, "minimize" if sense == "minimize" else "maximize") for goal, sense in roles.goals.items()],
        fidelity=roles.fidelity,
        constraints=tuple(roles.constraints),
        trials=roles.trials,
        cost=_cost(roles),
        licence=roles.licence or FAMILY.licence,
        tags=frozenset({"tabular", roles.lookup} | ({"noisy"} if shape[1] > 1 else set())),
    )


def _cost(roles: Roles) -> str:
    cost = f"virtual seconds: column {roles.seconds!r}" if roles.seconds else "every evaluation counts 1"
    near = "; a configuration that was not run is answered by the nearest that was" if roles.lookup == "nearest" else ""
    return cost + near


def _levels(file: Path, frame: Any, roles: Roles) -> FloatArray:
    if not roles.fidelity:
        return np.ones(1)
    levels = np.unique(numbers(file, frame, roles.fidelity))
    if not (np.isfinite(levels).all() and levels[0] > 0):
        raise WrongFile(file, f"{levels[0]:g} in column {roles.fidelity!r}", "levels of the fidelity above 0")
    return levels


def _mean_at_end(curves: FloatArray) -> FloatArray:
    """(n,): the mean over repetitions at the last level, of those that got there."""
    last = curves[:, :, -1]
    there = ~np.isnan(last)
    count = there.sum(axis=1)
    return np.where(count, np.where(there, last, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _seconds(file: Path, arrays: Mapping[str, FloatArray], roles: Roles, seen: Mapping[str, FloatArray]) -> FloatArray:
    """(n, repetitions, levels) since the start of the run."""
    shape = next(iter(seen.values())).shape
    if not roles.seconds:
        return np.ones((*shape[:2], 1))
    given = arrays[roles.seconds]
    ran = ~np.isnan(next(iter(seen.values())))
    if not (given[ran] >= 0).all():
        raise WrongFile(file, f"column {roles.seconds!r} is empty or below 0 where there is a result", "seconds")
    filled = np.where(np.isnan(given), 0.0, given)
    if not roles.cumulative:
        total: FloatArray = np.cumsum(filled, axis=2)
        return total
    both = ran[:, :, 1:] & ran[:, :, :-1]
    if (np.diff(filled, axis=2)[both] < 0).any():
        hint = "seconds since the start of the run. Of each level alone? Write cumulative = false"
        raise WrongFile(file, f"column {roles.seconds!r} falls within a run", hint)
    rising: FloatArray = np.maximum.accumulate(filled, axis=2)
    return rising


def _rows(file: Path, held: Mapping[str, Sequence[Any]], roles: Roles) -> Rows:
    values = {name: list(dict.fromkeys(column)) for name, column in held.items()}
    places = {name: {value: i for i, value in enumerate(some)} for name, some in values.items()}
    codes = np.array([[places[name][v] for v in column] for name, column in held.items()], np.int64).T
    rows = Rows(values, codes)
    if sidecar(file) is None and rows.distinct < DENSE * rows.size:
        found = f"{rows.distinct:,} of {rows.size:,} combinations of the values: nearly every look-up would be a hole"
        raise WrongFile(file, found, 'a sidecar that says lookup = "nearest" (rows were drawn), or "exact" after all')
    return rows


def _space(file: Path, held: Mapping[str, Sequence[Any]], roles: Roles) -> Space:
    return Space({name: _domain(file, name, held[name], details, roles) for name, details in roles.parameters.items()})


def _domain(file: Path, name: str, held: Sequence[Any], details: Mapping[str, Any], roles: Roles) -> Any:
    from dataclasses import replace

    values = [value for value in dict.fromkeys(held) if value is not None]
    if len(values) < len(set(held)) and ("when" not in details or roles.lookup == "nearest"):
        expected = f'a value in every row, or when = "…" under [parameters.{name}] in the sidecar'
        raise WrongFile(file, f"an empty cell in column {name!r}, which is a parameter", expected)
    if roles.lookup == "nearest" and len(values) > 1 and all(type(v) in (int, float) for v in values):
        kind = Int if all(type(v) is int for v in values) else Float
        return kind(min(values), max(values), log=bool(details.get("log", False)))
    if "values" in details:
        if set(details["values"]) != set(values):
            raise WrongFile(file, f"{values} in column {name!r}", f"the values {details['values']} of the sidecar")
        made: Any = Choice(list(details["values"]), ordered=bool(details.get("ordered", True)))
    elif details.get("ordered") is False and len(values) > 1:
        made = Choice(sorted(values, key=str))
    else:
        made = domain(values)
    return replace(made, when=details["when"]) if "when" in details else made


FAMILY = Family(
    "table",
    "your own tables of finished runs: CSV or Parquet in long form, with a sidecar that says what is what",
    _names,
    _make,
    licence="whoever made the table's",
    data="table",
    extra="bench",
)
