"""Several goals at once: test functions through pymoo, and three designs of machines.

Idea    "zdt1-d10" is ZDT1 in ten dimensions, "dtlz2-d6-m3" has three goals. Every front is known: `best` is its
        hypervolume after (value - ideal) / (nadir - ideal), reference point 1.1. Where the front is a formula the
        volume is an integral, so that no archive of points, however large, can be above it.
Source  ZDT: Zitzler, Deb & Thiele, Evolutionary Computation 8(2), 2000. DTLZ: Deb, Thiele, Laumanns & Zitzler, 2005.
        BNH, OSY, TNK: Deb, Multi-Objective Optimization using Evolutionary Algorithms, 2001, section 8.3. The truss and
        the brake: Cheng & Li, Engineering Optimization 31, 1999, and Ray & Liew, Engineering Optimization 34(2), 2002,
        with the constants of Tanabe & Ishibuchi, Applied Soft Computing 89, 2020 (RE2-4-1 and CRE2-4-3 there).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from trimtab._extras import need
from trimtab.bench._families import Family
from trimtab.bench.task import Config, Goal, Outcome, Task
from trimtab.errors import UnknownName
from trimtab.space import Float, Space

Evaluate = Callable[[Any], tuple[Sequence[float], Sequence[float]]]  # x (d,) -> goals, limits (kept when <= 0)


@dataclass(frozen=True, slots=True)
class Front:
    """What is known of the best trade-offs.

    ideal, nadir   the best and the worst value of each goal on the front
    volume         normalised hypervolume up to 1.1
    exact          whether the front is a formula; else the volume is that of long runs, refined point by point
    """

    ideal: tuple[float, ...]
    nadir: tuple[float, ...]
    volume: float
    exact: bool = True


# The volumes are integrals: ZDT1 ∫ (0.1 + √x) over [0, 1] and a strip, ZDT2 ∫ (0.1 + x²), DTLZ1 the cube less a
# simplex, DTLZ2 the cube less an orthant of the ball. ZDT3 and DTLZ7 take the running least of a wavy function.
FRONTS: Mapping[str, Front] = {
    "zdt1": Front((0.0, 0.0), (1.0, 1.0), 0.21 + 2 / 3),
    "zdt2": Front((0.0, 0.0), (1.0, 1.0), 0.21 + 1 / 3),
    "zdt3": Front((0.0, -0.7733690123266403), (0.8518328648213717, 1.0), 0.7274525),
    "zdt4": Front((0.0, 0.0), (1.0, 1.0), 0.21 + 2 / 3),
    "zdt6": Front((0.28077531881536977, 0.0), (1.0, 0.9211652203441275), 0.6164076435293),
    "dtlz1-m2": Front((0.0, 0.0), (0.5, 0.5), 1.1**2 - 1 / 2),
    "dtlz1-m3": Front((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), 1.1**3 - 1 / 6),
    "dtlz2-m2": Front((0.0, 0.0), (1.0, 1.0), 1.1**2 - math.pi / 4),
    "dtlz2-m3": Front((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.1**3 - math.pi / 6),
    "dtlz7-m2": Front((0.0, 2.3070043655015775), (0.8594008565950879, 4.0), 0.54732901),
    "dtlz7-m3": Front((0.0, 0.0, 2.614008731003155), (0.8594008565950879, 0.8594008565950879, 6.0), 0.60206192),
    "bnh": Front((0.0, 4.0), (136.0, 50.0), 1.02543052),
    "osy": Front((-274.0, 4.0), (-42.0, 76.0), 0.9688633),
    "tnk": Front((0.0416642332560131, 0.0416642332560131), (1.0384497850936537, 1.0384497850936537), 0.5188841),
    "welded_beam": Front((2.38095648, 0.00043904), (36.42088488, 0.015759165), 1.143483, exact=False),
    "four_bar_truss": Front((1237.8414230005442, 0.0027614237491539674), (2886.3695604244012, 0.04), 0.8891488),
    "disc_brake": Front((1.274, 1.139072039072039), (5.3067, 3.028168178853728), 1.01274, exact=False),
}
NAMES = (
    *(f"zdt{k}-d10" for k in (1, 2, 3, 4, 6)),
    "zdt1-d30",
    *(f"dtlz{k}-d6-m{m}" for m in (2, 3) for k in (1, 2, 7)),
    *("bnh", "osy", "tnk", "welded_beam", "four_bar_truss", "disc_brake"),
)
LICENCE = "formulas; pymoo is Apache-2.0"


def _task(instance: str, front: Front, names: Sequence[str], bounds: Any, limits: int, evaluate: Evaluate) -> Task:
    """A task over floats from the function of an array and its bounds [(low, high), …]."""
    goals = tuple(
        Goal(f"f{j}", ideal=a, nadir=b) for j, (a, b) in enumerate(zip(front.ideal, front.nadir, strict=True), 1)
    )

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        values, kept = evaluate(np.array([config[n] for n in names], float))
        metrics = {goal.name: float(value) for goal, value in zip(goals, values, strict=True)}
        return Outcome(metrics | {f"g{j}": float(value) for j, value in enumerate(kept, 1)})

    return Task(
        f"objectives/{instance}",
        Space({n: Float(low, high) for n, (low, high) in zip(names, bounds, strict=True)}),
        goals,
        measure,
        constraints=tuple(f"g{j} <= 0" for j in range(1, limits + 1)),
        best=front.volume,
        exact=front.exact,
        licence=LICENCE,
        tags=frozenset({"synthetic", *(["constrained"] if limits else [])}),
    )


# ── pymoo's problems ─────────────────────────────────────────────────────────


def _pymoo(instance: str, front: str, name: str, **words: int) -> Task:
    need("pymoo", extra="bench", to="run objectives tasks")
    problem = import_module("pymoo.problems").get_problem(name, **words)
    low, high = (np.broadcast_to(np.asarray(side, float), problem.n_var).tolist() for side in (problem.xl, problem.xu))

    def evaluate(x: Any) -> tuple[Sequence[float], Sequence[float]]:
        out = problem.evaluate(x, return_as_dictionary=True)
        return out["F"], out["G"] if problem.n_ieq_constr else ()

    names = [f"x{j}" for j in range(problem.n_var)]
    return _task(instance, FRONTS[front], names, zip(low, high, strict=True), problem.n_ieq_constr, evaluate)


# ── designs ──────────────────────────────────────────────────────────────────


def _four_bar_truss() -> Task:
    """Volume of a truss of four bars against how far its joint gives way; the areas of the bars are searched."""
    root, force, modulus, length = math.sqrt(2), 10.0, 2e5, 200.0

    def evaluate(x: Any) -> tuple[Sequence[float], Sequence[float]]:
        a, b, c, d = x
        volume = length * (2 * a + root * b + math.sqrt(c) + d)
        return (volume, force * length / modulus * (2 / a + 2 * root / b - 2 * root / c + 2 / d)), ()

    bounds = ((1.0, 3.0), (root, 3.0), (root, 3.0), (1.0, 3.0))
    return _task("four_bar_truss", FRONTS["four_bar_truss"], ("a1", "a2", "a3", "a4"), bounds, 0, evaluate)


def _disc_brake() -> Task:
    """Mass of a disc brake against its stopping time: radii, force, number of surfaces (not rounded, as published).

    Limits: distance of the radii, pressure, temperature, torque.
    """

    def evaluate(x: Any) -> tuple[Sequence[float], Sequence[float]]:
        inner, outer, force, surfaces = x
        square = outer**2 - inner**2 or 1e-9  # equal radii are no brake (the first limit says so) and no error either
        mean = (outer**2 + outer * inner + inner**2) / (outer + inner)  # (outer³ - inner³) / (outer² - inner²)
        goals = 4.9e-5 * square * (surfaces - 1), 9.82e6 / (force * surfaces * mean)
        limits = (
            20 - (outer - inner),
            force / (3.14 * square) - 0.4,
            2.22e-3 * force * mean / square - 1,
            900 - 2.66e-2 * force * surfaces * mean,
        )
        return goals, limits

    names = ("inner", "outer", "force", "surfaces")
    bounds = ((55.0, 80.0), (75.0, 110.0), (1000.0, 3000.0), (11.0, 20.0))
    return _task("disc_brake", FRONTS["disc_brake"], names, bounds, 4, evaluate)


_DESIGNS: Mapping[str, Callable[[], Task]] = {"four_bar_truss": _four_bar_truss, "disc_brake": _disc_brake}
_PLAIN = ("bnh", "osy", "tnk", "welded_beam")


def _make(instance: str, data: Path | None) -> Task:
    """Also other dimensions than those of NAMES: "zdt4-d5"."""
    if instance in _DESIGNS:
        return _DESIGNS[instance]()
    if instance in _PLAIN:
        return _pymoo(instance, instance, instance)
    if found := re.fullmatch(r"(zdt[12346])-d([1-9]\d*)", instance):
        name, d = found[1], int(found[2])
        if d >= 2:
            return _pymoo(instance, name, name, n_var=d)
    if found := re.fullmatch(r"(dtlz[127])-d([1-9]\d*)-m([23])", instance):
        name, d, m = found[1], int(found[2]), int(found[3])
        if d >= m:
            return _pymoo(instance, f"{name}-m{m}", name, n_var=d, n_obj=m)
    raise UnknownName(instance, among=NAMES, kind="task of objectives")


FAMILY = Family(
    "objectives",
    "two and three goals: ZDT, DTLZ, constrained ones, designs of machines",
    lambda data: NAMES,
    _make,
    licence=LICENCE,
    extra="bench",
)
