"""BBOB and bbob-mixint: 24 functions with a known optimum, in several dimensions and instances.

Idea    An instance is f{function}-d{dimension}-i{instance}. Optima are COCO's own: the best parameter of a function is
        asked of the library, and `best` is its value. bbob-mixint has no such question, but its definition says where
        the optimum goes: each whole-number coordinate takes the grid point that is shifted onto the continuous optimum,
        and the value is multiplied by a factor for each function.
Source  Hansen et al., COCO: a platform for comparing continuous optimizers in a black-box setting, Optimization Methods
        and Software 36(1), 2021; bbob-mixint: Tušar, Brockhoff & Hansen, GECCO 2019. Run by coco-experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np

from trimtab._extras import need
from trimtab.bench._families import Family
from trimtab.bench.task import Config, Goal, Outcome, Task, usual_trials
from trimtab.errors import UnknownName
from trimtab.space import Float, Int, Space

FUNCTIONS = (
    "sphere", "ellipsoid", "rastrigin", "bueche-rastrigin", "linear-slope", "attractive-sector", "step-ellipsoid",
    "rosenbrock", "rosenbrock-rotated", "ellipsoid-rotated", "discus", "bent-cigar", "sharp-ridge", "different-powers",
    "rastrigin-rotated", "weierstrass", "schaffers", "schaffers-ill", "griewank-rosenbrock", "schwefel",
    "gallagher-101", "gallagher-21", "katsuura", "lunacek-bi-rastrigin",
)  # fmt: skip
LICENCE = "COCO, BSD 3-clause"


def _names(dimensions: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"f{f}-d{d}-i{i}" for f in range(1, 25) for d in dimensions for i in range(1, 6))


_BBOB, _MIXINT = _names((2, 3, 5, 10, 20, 40)), _names((5, 10, 20, 40))


def _numbers(instance: str, known: Sequence[str], family: str) -> tuple[int, int, int]:
    """Function, dimension and instance of "f3-d10-i1"."""
    if instance not in known:
        raise UnknownName(instance, among=known, kind=f"task of {family}")
    f, d, i = (int(part[1:]) for part in instance.split("-"))
    return f, d, i


def _bare(family: str, f: int, d: int, i: int) -> Any:
    """The function alone: without a suite, without observers, and so without files. Freed with the object."""
    need("cocoex", extra="bench", to=f"run {family} tasks")
    return import_module("cocoex.bare_problem").BareProblem("bbob", f, d, i)


def _task(name: str, f: int, domains: list[Any], value: Any, optimum: Sequence[Any], *tags: str) -> Task:
    names = [f"x{j}" for j in range(len(domains))]

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        return Outcome({"y": float(value(np.array([config[n] for n in names], float)))})

    return Task(
        name,
        Space(dict(zip(names, domains, strict=True))),
        (Goal("y"),),
        measure,
        best=float(value(np.array(optimum, float))),
        exact=True,
        optimum=dict(zip(names, optimum, strict=True)),
        trials=usual_trials(len(domains)),
        licence=LICENCE,
        tags=frozenset({"synthetic", FUNCTIONS[f - 1], *tags}),
    )


def _bbob(instance: str, data: Path | None) -> Task:
    f, d, i = _numbers(instance, _BBOB, "bbob")
    problem = _bare("bbob", f, d, i)
    return _task(f"bbob/{instance}", f, [Float(-5, 5)] * d, problem, problem.best_parameter().tolist())


def _mixint(instance: str, data: Path | None) -> Task:
    f, d, i = _numbers(instance, _MIXINT, "bbob-mixint")
    continuous = _bare("bbob-mixint", f, d, i).best_parameter()
    cocoex = need("cocoex", extra="bench", to="run bbob-mixint tasks")
    suite = cocoex.Suite("bbob-mixint", f"instances: {i}", f"dimensions: {d} function_indices: {f}")
    problem = suite.get_problem_by_function_dimension_instance(f, d, i)
    whole = problem.number_of_integer_variables
    low, high = problem.lower_bounds, problem.upper_bounds
    domains: list[Any] = [Int(int(a), int(b)) for a, b in zip(low[:whole], high[:whole], strict=True)]
    domains += [Float(float(a), float(b)) for a, b in zip(low[whole:], high[whole:], strict=True)]
    optimum = [*_on_grid(continuous[:whole], high[:whole]), *continuous[whole:].tolist()]
    value = partial(problem)
    finalize(value, _free, problem, suite)
    return _task(f"bbob-mixint/{instance}", f, domains, value, optimum, "mixed")


def _on_grid(x: Any, high: Any) -> list[int]:
    """(k,) coordinates of a continuous optimum -> the whole numbers 0 … high that bbob-mixint puts it on.

    The numbers stand at equal distances on [-4, 4] with as much room at either end; the nearest one (a half goes up,
    beyond the ends the last) is then moved onto the optimum.
    """
    edge = 4 - 8 / (high + 2)
    return np.clip(np.floor(high * (x + edge) / (2 * edge) + 0.5), 0, high).astype(int).tolist()  # type: ignore[no-any-return]


def _free(problem: Any, suite: Any) -> None:
    """In this order: a problem outlives its suite only as a dangling pointer."""
    problem.free()
    suite.free()


FAMILY = Family(
    "bbob",
    "24 continuous functions × dimensions 2–40 × 5 instances",
    lambda data: _BBOB,
    _bbob,
    licence=LICENCE,
    extra="bench",
)
MIXINT = Family(
    "bbob-mixint",
    "the same with four fifths of the coordinates whole numbers, dimensions 5–40",
    lambda data: _MIXINT,
    _mixint,
    licence=LICENCE,
    extra="bench",
)
