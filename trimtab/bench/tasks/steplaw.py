"""Real pre-training runs of language models: 1,746 of them, from the table of Step Law.

Idea    For each of 15 sizes of model and data the runs are a grid of learning rates and batch sizes. A task of one size
        ("n215m-d4b") is that grid, each cell the loss of a run. The others use a smooth model of all runs: in
        "n215m-tokens" learning rate and batch size of one model are searched, and the tokens it is trained on are the
        fidelity; in "all" the sizes are searched too; "all-loss+exaflops" wants little compute as well.
Source  Li et al., Predictable Scale: Part I, Step Law, 2025; the dense models' table. The loss is its smoothed one: the
        other is of a single batch. DATA/steplaw/dense_lr_bs_loss.csv.
Gaps    44 cells of the 15 grids have no run. Such a cell is the mean of its neighbours along both axes, so it is never
        the best one. How well the smooth model fits stands in _steplaw_fit.py.
Cost    6 N D floating point operations, at 10^18 a second.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bench._families import DATA, Family
from trimtab.bench.norms import stored
from trimtab.bench.task import Config, Fidelity, Goal, Outcome, Task, usual_trials
from trimtab.bench.tasks import _steplaw_fit
from trimtab.bench.tasks._steps import checked
from trimtab.errors import MissingData, TrimtabError, UnknownName
from trimtab.space import Choice, Float, Int, Space

REVISION = 1
FILE = "dense_lr_bs_loss.csv"
COLUMNS = ("N", "D", "lr", "bs", "smooth loss")
SPEED = 1e18  # operations a second
MOST_TOKENS = 5e10  # of "all": beyond it the larger models have no runs, and the best would be an extrapolation


@dataclass(frozen=True, eq=False)
class Grid:
    """The runs of one size: losses (rates, sizes), nan where there is none."""

    parameters: float
    tokens: float
    rates: list[float]
    sizes: list[int]
    losses: NDArray[np.float64]

    @property
    def name(self) -> str:
        return f"{_million(self.parameters)}-d{self.tokens / 1e9:g}b"

    def filled(self) -> NDArray[np.float64]:
        """The losses, a gap as the mean of its neighbours along both axes; gaps beside each other by turns."""
        losses = self.losses.copy()
        while np.isnan(losses).any():
            around = np.pad(losses, 1, constant_values=np.nan)
            beside = np.stack([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
            known = ~np.isnan(beside)
            means = np.where(known, beside, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            losses = np.where(np.isnan(losses) & known.any(axis=0), means, losses)
        return losses


def _million(parameters: float) -> str:
    return f"n{parameters / 1e6:.0f}m"


@cache
def table(path: Path) -> NDArray[np.float64]:
    """(n, 5): N, D, lr, bs and loss of each run, in the order of the file."""
    if not path.is_file():
        raise MissingData(f"steplaw: there is no {path}.")
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if lacking:
            raise TrimtabError(f"{path} has no column {lacking[0]!r}. This reader wants {', '.join(COLUMNS)}.")
        try:
            rows = [[float(row[name]) for name in COLUMNS] for row in reader]
        except (TypeError, ValueError) as error:
            raise TrimtabError(f"{path}: line {reader.line_num}: {error}.") from None
    if not rows or not np.isfinite(rows).all():
        raise TrimtabError(f"{path}: {'a loss is not finite' if rows else 'there are no rows'}.")
    return np.array(rows)


@cache
def grids(path: Path) -> dict[str, Grid]:
    """The runs by size, small models first, few tokens first."""
    rows = table(path)
    found = {}
    for parameters, tokens in np.unique(rows[:, :2], axis=0):
        runs = rows[(rows[:, 0] == parameters) & (rows[:, 1] == tokens)]
        rates, at_rate = np.unique(runs[:, 2], return_inverse=True)
        sizes, at_size = np.unique(runs[:, 3], return_inverse=True)
        losses = np.full((len(rates), len(sizes)), np.nan)
        losses[at_rate, at_size] = runs[:, 4]
        grid = Grid(float(parameters), float(tokens), rates.tolist(), [int(size) for size in sizes], losses)
        found[grid.name] = grid
    return found


@cache
def model(path: Path) -> _steplaw_fit.Fit:
    """The smooth model of all runs."""
    rows = table(path)
    return _steplaw_fit.fit(rows[:, :4], rows[:, 4])


def exaflops(parameters: float, tokens: float) -> float:
    return 6 * parameters * tokens / 1e18


# ── tasks ────────────────────────────────────────────────────────────────────


def _task(name: str, space: Space, measure: Callable[..., Outcome], **words: Any) -> Task:
    known = stored(f"steplaw/{name}", REVISION)
    given: dict[str, Any] = {
        "goals": (Goal("loss"),),
        "best": known.best if known else None,
        "trials": usual_trials(space.d),
        "cost": "6 N D operations at 10^18 a second",
        "licence": FAMILY.licence,
        "revision": REVISION,
        **words,
    }
    return Task(f"steplaw/{name}", space, measure=measure, **given)


def _one_size(grid: Grid) -> Task:
    losses = grid.filled()
    cost = exaflops(grid.parameters, grid.tokens) * 1e18 / SPEED
    row, column = np.unravel_index(int(np.nanargmin(grid.losses)), losses.shape)

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        cell = grid.rates.index(config["lr"]), grid.sizes.index(config["bs"])
        return Outcome({"loss": float(losses[cell])}, cost)

    return _task(
        grid.name,
        Space({"lr": Choice(grid.rates, ordered=True), "bs": Choice(grid.sizes, ordered=True)}),
        measure,
        best=float(losses[row, column]),
        exact=True,
        optimum={"lr": grid.rates[row], "bs": grid.sizes[column]},
        trials=40,  # a third of the grid
        tags=frozenset({"tabular", "real"}),
    )


def _knobs(path: Path) -> dict[str, Any]:
    """Learning rate and batch size within the range of the runs."""
    rows = table(path)
    low, high = rows.min(axis=0), rows.max(axis=0)
    return {"lr": Float(low[2], high[2], log=True), "bs": Int(int(low[3]), int(high[3]), log=True)}


def _tokens(path: Path, parameters: float) -> Task:
    mine = [grid.tokens for grid in grids(path).values() if grid.parameters == parameters]
    fidelity = Fidelity("tokens", min(mine), max(mine), integer=False)
    name = f"{_million(parameters)}-tokens"

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        tokens = checked(f"steplaw/{name}", fidelity, budget)
        (loss,) = model(path).predict([[parameters, tokens, config["lr"], config["bs"]]])
        return Outcome({"loss": float(loss)}, exaflops(parameters, tokens) * 1e18 / SPEED)

    return _task(name, Space(_knobs(path)), measure, fidelity=fidelity, tags=frozenset({"surrogate"}))


def _all(path: Path, name: str) -> Task:
    rows = table(path)
    smallest, largest = float(rows[:, 0].min()), float(rows[:, 0].max())
    fewest = float(rows[:, 1].min())
    sizes = {"N": Float(smallest, largest, log=True), "D": Float(fewest, MOST_TOKENS, log=True)}

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        (loss,) = model(path).predict([[config[k] for k in ("N", "D", "lr", "bs")]])
        spent = exaflops(config["N"], config["D"])
        return Outcome({"loss": float(loss), "exaflops": spent}, spent * 1e18 / SPEED)

    goals: tuple[Goal, ...] = (Goal("loss"),)
    if name != "all":
        ends = exaflops(smallest, fewest), exaflops(largest, MOST_TOKENS)
        well = rows[rows[:, 1] == fewest][:, 4].min(), rows[:, 4].min()  # the best loss at either end
        losses = Goal("loss", ideal=round(float(well[1]), 3), nadir=round(float(well[0]), 3))
        goals = losses, Goal("exaflops", ideal=round(ends[0], 2), nadir=round(ends[1], 2))
    return _task(name, Space({**sizes, **_knobs(path)}), measure, goals=goals, tags=frozenset({"surrogate"}))


def _makers(path: Path) -> dict[str, Callable[[], Task]]:
    found = grids(path)
    made: dict[str, Callable[[], Task]] = {name: partial(_one_size, grid) for name, grid in found.items()}
    for parameters in dict.fromkeys(grid.parameters for grid in found.values()):
        made[f"{_million(parameters)}-tokens"] = partial(_tokens, path, parameters)
    return made | {name: partial(_all, path, name) for name in ("all", "all-loss+exaflops")}


def _make(instance: str, data: Path | None) -> Task:
    if data is None:
        raise MissingData(f"steplaw/{instance}: say where the data is: data=…, --data, or the variable {DATA}.")
    makers = _makers((data / "steplaw" / FILE).resolve())
    if instance not in makers:
        raise UnknownName(instance, among=makers, kind="task of steplaw")
    return makers[instance]()


def _names(data: Path | None) -> list[str]:
    path = data / "steplaw" / FILE if data else None
    return list(_makers(path.resolve())) if path and path.is_file() else []


FAMILY = Family(
    "steplaw",
    "learning rate and batch size of real language-model pre-training: tables, and a smooth model of 1,746 runs",
    _names,
    _make,
    licence="Step Law's table: its authors'; no licence file comes with it",
    data="steplaw",
)
