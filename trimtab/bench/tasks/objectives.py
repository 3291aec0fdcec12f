"""Several goals at once: test functions through pymoo, designs of machines, and a network that is to be good and quick.

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
from trimtab.space import Choice, Float, Int, Space

Evaluate = Callable[[list[Any]], tuple[Sequence[float], Sequence[float]]]  # values -> goals, limits (kept when <= 0)


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
    "network": Front(
        (0.10303300858899106, -0.6020599913279624), (0.5482640687119285, 3.272313252240935), 0.8656328207609282
    ),
}
NAMES = (
    *(f"zdt{k}-d10" for k in (1, 2, 3, 4, 6)),
    "zdt1-d30",
    *(f"dtlz{k}-d6-m{m}" for m in (2, 3) for k in (1, 2, 7)),
    *("bnh", "osy", "tnk", "welded_beam", "four_bar_truss", "disc_brake", "network"),
)
LICENCE = "formulas; pymoo is Apache-2.0"


def _task(instance: str, front: Front, space: Mapping[str, Any], limits: int, evaluate: Evaluate) -> Task:
    """A task from a function of the values of a configuration, in the order of the space."""
    names = tuple(space)
    goals = tuple(
        Goal(f"f{j}", ideal=a, nadir=b) for j, (a, b) in enumerate(zip(front.ideal, front.nadir, strict=True), 1)
    )

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        values, kept = evaluate([config[n] for n in names])
        metrics = {goal.name: float(value) for goal, value in zip(goals, values, strict=True)}
        return Outcome(metrics | {f"g{j}": float(value) for j, value in enumerate(kept, 1)})

    return Task(
        f"objectives/{instance}",
        Space(space),
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

    def evaluate(x: list[Any]) -> tuple[Sequence[float], Sequence[float]]:
        out = problem.evaluate(np.array(x, float), return_as_dictionary=True)
        return out["F"], out["G"] if problem.n_ieq_constr else ()

    space = {f"x{j}": Float(a, b) for j, (a, b) in enumerate(zip(low, high, strict=True))}
    return _task(instance, FRONTS[front], space, problem.n_ieq_constr, evaluate)


# ── our own ──────────────────────────────────────────────────────────────────


def _four_bar_truss() -> Task:
    """Volume of a truss of four bars against how far its joint gives way; the areas of the bars are searched."""
    root, force, modulus, length = math.sqrt(2), 10.0, 2e5, 200.0

    def evaluate(x: list[Any]) -> tuple[Sequence[float], Sequence[float]]:
        a, b, c, d = x
        volume = length * (2 * a + root * b + math.sqrt(c) + d)
        return (volume, force * length / modulus * (2 / a + 2 * root / b - 2 * root / c + 2 / d)), ()

    space = {"a1": Float(1, 3), "a2": Float(root, 3), "a3": Float(root, 3), "a4": Float(1, 3)}
    return _task("four_bar_truss", FRONTS["four_bar_truss"], space, 0, evaluate)


def _disc_brake() -> Task:
    """Mass of a disc brake against its stopping time: radii, force, number of surfaces (not rounded, as published).

    Limits: distance of the radii, pressure, temperature, torque.
    """

    def evaluate(x: list[Any]) -> tuple[Sequence[float], Sequence[float]]:
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

    space = {
        "inner": Float(55, 80),
        "outer": Float(75, 110),
        "force": Float(1000, 3000),
        "surfaces": Float(11, 20),
    }
    return _task("disc_brake", FRONTS["disc_brake"], space, 4, evaluate)


def _network() -> Task:
    """Error of a network against log10 of the seconds that it takes: whole numbers, powers of two, a log scale, labels.

    The rate matters for the error only, and its best value goes with the batch; so the front is one of finitely many
    networks, each at its best rate.
    """

    def evaluate(x: list[Any]) -> tuple[Sequence[float], Sequence[float]]:
        width, layers, batch, rate, activation = x
        error, seconds = network(width, layers, batch, activation)
        off = math.log10(rate / best_rate(batch))
        return (error + 0.5 * (1 - math.exp(-(off**2) / 4)), seconds), ()

    space = {
        "width": Int(8, 512, log=True),
        "layers": Int(1, 8),
        "batch": Int(16, 1024, log=2),
        "rate": Float(1e-5, 1.0, log=True),
        "activation": Choice(list(_ACTIVATIONS)),
    }
    return _task("network", FRONTS["network"], space, 0, evaluate)


_ACTIVATIONS = {"relu": (0.01, 1.0), "tanh": (0.03, 1.1), "gelu": (0.0, 1.2)}  # what it adds to error, costs in time


def network(width: Any, layers: Any, batch: Any, activation: str) -> tuple[Any, Any]:
    """Error, and the logarithm of the seconds, at the best rate; numbers or arrays."""
    worse, slower = _ACTIVATIONS[activation]
    deep = 1 + np.log2(width / 8)  # wider ones may be deeper
    error = 0.05 + 1.2 * width**-0.5 + 0.008 * (layers - deep) ** 2 + 0.004 * np.log2(batch / 64) ** 2 + worse
    return error, np.log10(slower * layers * (width / 8) ** 1.3 * (64 / batch) ** 0.5)


def best_rate(batch: float) -> float:
    return 3e-3 * math.sqrt(batch / 64)


_OWN: Mapping[str, Callable[[], Task]] = {
    "four_bar_truss": _four_bar_truss,
    "disc_brake": _disc_brake,
    "network": _network,
}
_PLAIN = ("bnh", "osy", "tnk", "welded_beam")


def _make(instance: str, data: Path | None) -> Task:
    """Also other dimensions than those of NAMES: "zdt4-d5"."""
    if instance in _OWN:
        return _OWN[instance]()
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
    "two and three goals: ZDT, DTLZ, constrained ones, designs of machines, a network",
    lambda data: NAMES,
    _make,
    licence=LICENCE,
    extra="bench",
)
