"""The constants of trimtab/bench/norms.json: what random search reaches on each task, and the best value known.

A task with a proven best keeps it. Else the best is that of a long search: the random draws, then an evolutionary
search from the best of them (and, for tasks that train for real, two runs of `gp`). Nothing here looks at a clock or at
a global generator, so the numbers can be made again. A task that has its constants is left alone without --again.

Where a run of any optimizer has found more than the long search, --seen raises the best to it: before the constants of
a release are frozen, and never after.

Run: OMP_NUM_THREADS=1 python -m benchmarks.norms [pattern …] [--data DIR] [--draws 2000] [--again]
     python -m benchmarks.norms --seen benchmarks/results/dev-*.jsonl [--data DIR]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.bench import norms
from trimtab.bench._families import task, tasks
from trimtab.bench._optimizers import optimizer
from trimtab.bench.norms import SIZES, medians
from trimtab.bench.report._worth import scaled
from trimtab.bench.rows import trace
from trimtab.bench.runs import results
from trimtab.bench.task import Config, Task
from trimtab.bench.virtual import run_study
from trimtab.errors import TrimtabError
from trimtab.parts.pareto import front, hypervolume
from trimtab.space import Expression, Space

Floats = NDArray[np.float64]
REFERENCE = 1.1
RESAMPLES = 200  # of n draws, for the median of a hypervolume
STEPS, STEPS_FRONT, STEPS_REAL = 6000, 12_000, 400  # of the long search
REAL_DRAWS, REAL_RUNS, REAL_TRIALS = 1000, 2, 200


# ── evaluating ───────────────────────────────────────────────────────────────


def losses_of(made: Task, config: Config, limits: list[Expression]) -> list[float]:
    """One loss a goal (normalised when there are several); inf where the evaluation fails or breaks a constraint."""
    try:
        metrics = dict(made.measure(config, None, 0).metrics)
        if made.true is not None:
            metrics |= made.true(config)
    except Exception:  # whatever the task raises: a failed evaluation is one that does not count
        return [math.inf] * len(made.goals)
    values = [float(metrics[goal.name]) for goal in made.goals]
    broken = any(not limit.violation(metrics) <= 0 for limit in limits)
    if broken or not all(map(math.isfinite, values)):
        return [math.inf] * len(made.goals)
    if len(values) == 1:
        return [made.goals[0].sign * values[0]]
    found = []
    for goal, value in zip(made.goals, values, strict=True):
        if goal.ideal is None or goal.nadir is None:
            raise TrimtabError(f"{made.name}: {goal.name} has no ideal and nadir to measure a hypervolume by.")
        found.append((value - goal.ideal) / (goal.nadir - goal.ideal))
    return found


def evaluated(made: Task, X: Floats) -> Floats:
    """(n, goals) of rows X."""
    limits = [Expression(text) for text in made.constraints]
    return np.array([losses_of(made, config, limits) for config in made.space.decode(X)])


def volume(Y: Floats) -> float:
    return float(hypervolume(Y, np.full(Y.shape[1], REFERENCE)))


# ── searching ────────────────────────────────────────────────────────────────


def children(space: Space, X: Floats, reach: float, rng: Any) -> Floats:
    """A changed copy of each row: a few columns take a step of a Gaussian or another value; what wakes up is drawn."""
    fresh = space.sample(rng, len(X))
    Z = np.where(np.isnan(X), fresh, X)
    n, d = Z.shape
    changed = rng.random((n, d)) < np.maximum(0.3, 1 / d)
    changed[np.arange(n), rng.integers(0, d, n)] = True
    numeric = np.array([column.kind != "choice" for column in space.columns])
    stepped = np.clip(Z + reach * rng.standard_normal((n, d)), 0.0, 1.0)
    anew = rng.random((n, d)) < 0.3  # of the labels that may change
    Z = np.where(changed & numeric, stepped, np.where(changed & ~numeric & anew, fresh, Z))
    Z = space.activate(Z)
    keep = space.feasible(Z)
    return np.where(keep[:, None], Z, X)


def long_search(made: Task, X: Floats, Y: Floats, steps: int) -> Floats:
    """Losses (n, goals) of all that a search from the draws X with losses Y has seen, with those of the draws.

    One goal: the best 20 draws climb each for itself, so no basin swallows the others; then the best few of them go on
    together, with smaller steps. Several goals: always 20 from the front.
    """
    rng = rng_for(0, "long search", made.name, made.revision)
    width, seen = 20, [Y]
    rounds = steps // width
    apart = int(0.6 * rounds) if len(made.goals) == 1 else 0
    at = np.argsort(Y[:, 0], kind="stable")[:width]
    parents, values = (X[at], Y[at]) if apart else _chosen(X, Y, width)
    for i in range(rounds):
        if i < apart:
            reach = 0.3 * 0.05 ** (i / apart)  # of each parameter's range: from 0.3 to 0.015
        else:
            reach = (0.1 if apart else 0.3) * 0.002 ** ((i - apart) / (rounds - apart))  # to 0.0002, or 0.0006
        Z = children(made.space, parents, reach, rng)
        found = evaluated(made, Z)
        seen.append(found)
        if i < apart:
            better = found < values
            parents, values = np.where(better, Z, parents), np.where(better, found, values)
        else:
            parents, values = _chosen(np.vstack([parents, Z]), np.vstack([values, found]), width)
    return np.vstack(seen)


def _chosen(X: Floats, Y: Floats, k: int) -> tuple[Floats, Floats]:
    """k rows to go on from: the best, several times; of several goals rows of the front, evenly along its first."""
    if Y.shape[1] == 1:
        at = np.resize(np.argsort(Y[:, 0], kind="stable")[: max(2, k // 4)], k)
    else:
        finite = np.flatnonzero(np.isfinite(Y).all(axis=1))
        ends = finite[front(Y[finite])]
        ends = ends[np.argsort(Y[ends, 0], kind="stable")]
        at = ends[np.linspace(0, len(ends) - 1, k).astype(int)]
    return X[at], Y[at]


def by_gp(made: Task) -> float:
    """The least loss of some long runs of trimtab's gp."""
    found = [math.inf]
    for seed in range(REAL_RUNS):
        rows = run_study(optimizer("gp"), made, seed, REAL_TRIALS)
        found += [made.goals[0].sign * row[2] for row in trace(rows.rows, made)]
    return min(found)


# ── a task's line ────────────────────────────────────────────────────────────


def norm_of(made: Task, draws: int) -> dict[str, Any]:
    """The constants of a task."""
    real = "real" in made.tags and not made.exact
    draws = min(draws, REAL_DRAWS) if real else draws
    X = made.space.sample(rng_for(0, "norms", made.name, made.revision), draws)
    Y = evaluated(made, X)
    if not np.isfinite(Y).any():
        raise TrimtabError(f"{made.name}: none of {draws} random configurations is feasible.")
    random = _one_goal(made, Y) if len(made.goals) == 1 else _volumes(made, Y)
    best = made.best
    if not (made.exact and best is not None):
        best = _best(made, X, Y, real)
    row = {"revision": made.revision, "draws": draws, "exact": made.exact, "best": best}
    return {**row, "random": {str(n): float(f"{value:.8g}") for n, value in random.items()}}


def _one_goal(made: Task, Y: Floats) -> dict[int, float]:
    sign = made.goals[0].sign
    return {n: sign * value for n, value in medians(Y[:, 0]).items()}


def _volumes(made: Task, Y: Floats) -> dict[int, float]:
    """Medians of the hypervolume of n draws."""
    rng = rng_for(0, "volumes", made.name, made.revision)
    return {n: float(np.median([volume(Y[rng.integers(0, len(Y), n)]) for _ in range(RESAMPLES)])) for n in SIZES}


def _best(made: Task, X: Floats, Y: Floats, real: bool) -> float:
    steps = STEPS_REAL if real else STEPS if len(made.goals) == 1 else STEPS_FRONT
    seen = long_search(made, X, Y, steps)
    if len(made.goals) > 1:
        found = volume(seen[np.isfinite(seen).all(axis=1)])
        return found if made.best is None else max(found, made.best)
    low = float(seen.min())
    if real:
        low = min(low, by_gp(made))
    sign = made.goals[0].sign
    return sign * low if made.best is None else sign * min(low, sign * made.best)


# ── the file ─────────────────────────────────────────────────────────────────


def kept() -> dict[str, Any]:
    return json.loads(norms.FILE.read_text(encoding="utf-8")) if norms.FILE.exists() else {}


def keep(name: str, row: dict[str, Any]) -> None:
    """Add a line, in the order of names. The file is read anew and replaced whole: a kill loses no line."""
    rows = kept() | {name: row}
    lines = [f"{json.dumps(n)}: {json.dumps(rows[n], separators=(',', ':'), allow_nan=False)}" for n in sorted(rows)]
    part = norms.FILE.with_suffix(f".{os.getpid()}.part")
    part.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    part.replace(norms.FILE)


def seen(files: list[Path], data: Path | None) -> None:
    """Raise the best of each task where it is not proven to what these results have found, all runs taken together."""
    points: dict[str, list[tuple[float, ...]]] = {}
    for result in results(*files):
        points.setdefault(result.cell.task, []).extend(row[2:] for row in result.trace)
    for name, found in sorted(points.items()):
        row, made = kept().get(name), task(name, data)
        if row is None or row["exact"] or row["revision"] != made.revision or not found:
            continue
        Y = np.array(found)
        if len(made.goals) > 1:
            best, more = volume(scaled(Y, made.goals)), 1.0
        else:
            more = -made.goals[0].sign
            best = float(more * (more * Y).max())
        if more * best > more * row["best"]:
            print(f"{name:45} best {row['best']:<14.8g} -> {best:.8g}", flush=True)
            keep(name, row | {"best": best})


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(prog="python -m benchmarks.norms", description=(__doc__ or "").partition("\n")[0])
    words.add_argument("patterns", nargs="*", default=["*"], help='tasks: "yahpo/lcbench-*", or a name with wrappers')
    words.add_argument("--data", type=Path, default=None)
    words.add_argument("--draws", type=int, default=2000)
    words.add_argument("--again", action="store_true", help="also where the constants of this revision are there")
    words.add_argument("--seen", type=Path, nargs="+", default=(), help="raise bests to what these results have found")
    given = words.parse_args(argv)
    if given.seen:
        seen(given.seen, given.data)
        return 0
    failed = 0
    for pattern in given.patterns:
        for name in tasks(pattern, given.data) if any(sign in pattern for sign in "*?[") else [pattern]:
            try:
                made = task(name, given.data)
                if not given.again and kept().get(name, {}).get("revision") == made.revision:
                    continue
                begun = time.perf_counter()
                row = norm_of(made, given.draws)
            except (TrimtabError, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed += 1
                continue
            keep(name, row)
            print(f"{name:45} best {row['best']:<14.8g} random {row['random']['1']:<12.6g}", end=" ")
            print(f"of 100 {row['random']['100']:<12.6g} {time.perf_counter() - begun:6.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
