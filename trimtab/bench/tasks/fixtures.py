"""Small tasks with a known optimum, by which trimtab's own methods are tuned and watched.

Idea    Eight problems that each ask one thing: categories, a smooth bowl with false friends, many kinds of parameters,
        learning curves that cross, two goals, idle parameters, a deep tree, a feasible region with one of three optima.
Source  Branin and Hartmann: Dixon & Szegő, Towards Global Optimisation 2, 1978, with the usual constants; ZDT1:
        Zitzler, Deb & Thiele, Evolutionary Computation 8(2), 2000; the others are our own. Optima to 12
        digits and more, refined by a local search from the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trimtab._random import rng_for
from trimtab.bench._families import catalogue
from trimtab.bench.task import Config, Fidelity, Goal, Outcome, Task
from trimtab.space import Choice, Float, Int, Space

BRANIN = 0.39788735772973816  # 10 / 8π, the least value, at (-π, 12.275), (π, 2.275) and (3π, 2.475)
HARTMANN6 = -3.3223680114155147
OPTIMUM6 = (
    0.2016895106414348,
    0.15001069461424155,
    0.4768739765861194,
    0.2753324285232711,
    0.31165161724300744,
    0.6573005330010271,
)

_A6 = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def branin(x: float, y: float) -> float:
    """On [-5, 10] × [0, 15]."""
    a = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann(x: Sequence[float], scale: Any = _A6, centre: Any = _P6) -> float:
    """On [0, 1]^d: four Gaussian hollows."""
    inner = (scale * (np.asarray(x) - centre) ** 2).sum(axis=1)
    return -float(np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-inner))


def single(
    name: str,
    space: Mapping[str, Any],
    f: Callable[[Config], float],
    best: float,
    optimum: Config,
    **words: Any,
) -> Task:
    """A task with one goal `y`, minimised, without noise, whose optimum is known."""

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        return Outcome({"y": float(f(config))})

    words = {"exact": True, "tags": frozenset({"synthetic"}), "licence": "trimtab's own formulas", **words}
    return Task(name, Space(space), (Goal("y"),), measure, best=best, optimum=optimum, **words)


def floats(names: str, count: int, low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    """x0, x1, …"""
    return {f"{names}{i}": Float(low, high) for i in range(count)}


def named(values: Sequence[Any], name: str = "x") -> dict[str, Any]:
    """The configuration x0, x1, … of these values."""
    return {f"{name}{i}": v for i, v in enumerate(values)}


def _branin_cat() -> Task:
    """F1: two categories shift the whole valley; they also rub against each other."""

    def f(c: Config) -> float:
        i, j = int(c["c1"]), int(c["c2"])
        shift = (0, 3, 6, 12)[i] + (0, 5, 10, 20)[j] + (5 if i == j != 0 else 0)
        return branin(-5 + 15 * c["x1"], 15 * c["x2"]) + shift

    space = {"x1": Float(0, 1), "x2": Float(0, 1), "c1": Choice(list("0123")), "c2": Choice(list("0123"))}
    optimum = {"x1": (math.pi + 5) / 15, "x2": 2.275 / 15, "c1": "0", "c2": "0"}
    return single("fixtures/branin_cat", space, f, BRANIN, optimum, trials=50)


def _hartmann6() -> Task:
    """F2."""
    return single("fixtures/hartmann6", floats("x", 6), lambda c: hartmann(_row(c, 6)), HARTMANN6, named(OPTIMUM6))


def _mixed_sphere() -> Task:
    """F3: thirteen parameters of three kinds that do not interact."""

    def f(c: Config) -> float:
        return float(
            sum(c[f"x{i}"] ** 2 + c[f"z{i}"] ** 2 for i in range(5)) + sum(c[f"c{i}"] != "0" for i in range(3))
        )

    kinds = {f"z{i}": Int(-5, 5) for i in range(5)} | {f"c{i}": Choice(list("01234")) for i in range(3)}
    optimum = named([0.0] * 5) | named([0] * 5, "z") | named(["0"] * 3, "c")
    return single("fixtures/mixed_sphere", floats("x", 5, -5, 5) | kinds, f, 0.0, optimum, trials=200)


def _h6_in_20d() -> Task:
    """F6: fourteen of twenty parameters do nothing."""
    optimum = named(OPTIMUM6 + (0.5,) * 14)
    f = lambda c: hartmann(_row(c, 6))  # noqa: E731
    return single("fixtures/h6_in_20d", floats("x", 20), f, HARTMANN6, optimum, trials=80)


def _branin_con() -> Task:
    """F8: of Branin's three optima, a disc and a bound leave one."""

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        x, y = config["x"], config["y"]
        disc = 0.04 - ((x - 0.543) ** 2 + (y - 0.152) ** 2)
        return Outcome({"y": branin(-5 + 15 * x, 15 * y), "c1": disc, "c2": x - 0.9})

    return Task(
        "fixtures/branin_con",
        Space({"x": Float(0, 1), "y": Float(0, 1)}),
        (Goal("y"),),
        measure,
        constraints=("c1 <= 0", "c2 <= 0"),
        best=BRANIN,
        exact=True,
        optimum={"x": (5 - math.pi) / 15, "y": 12.275 / 15},
        trials=60,
        licence="trimtab's own formulas",
        tags=frozenset({"synthetic", "constrained"}),
    )


def _zdt1_d5() -> Task:
    """F5: two goals, five parameters, a convex front."""

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        first, *rest = _row(config, 5)
        g = 1 + 9 * sum(rest) / 4
        return Outcome({"f1": first, "f2": g * (1 - math.sqrt(first / g))})

    return Task(
        "fixtures/zdt1_d5",
        Space(floats("x", 5)),
        (Goal("f1", ideal=0.0, nadir=1.0), Goal("f2", ideal=0.0, nadir=1.0)),
        measure,
        best=0.1 + 2 / 3 + 0.11,  # ∫ (0.1 + √x) over [0, 1], and the strip beyond x = 1
        exact=True,
        licence="trimtab's own formulas",
        tags=frozenset({"synthetic"}),
    )


# ── F4: learning curves ──────────────────────────────────────────────────────

EPOCHS = 81
_WEIGHTS, _CENTRE = np.array([1, 0.5, 0.25, 0.25]), np.array([0.3, 0.7, 0.5, 0.2])


def _curves(name: str, slow: float, slope: float, best: float, place: float) -> Task:
    """L(r) = a + (1 - a)(1 + r)^-c with noise: `a` is a bowl, and x0 also sets how fast the curve falls.

    mild: who leads after one epoch mostly leads at the end (rank correlation 0.93); hard: less so (0.67;
    0.25 among the best tenth).
    """
    space = Space(floats("x", 4))

    def clean(config: Config) -> Any:
        z = np.array(_row(config, 4))
        a = 0.05 + 0.6 * min(1.0, 2 * float(_WEIGHTS @ (z - _CENTRE) ** 2))
        return a + (1 - a) * (1.0 + np.arange(1, EPOCHS + 1)) ** -(slow + slope * z[0])

    def noisy(config: Config, seed: int) -> Any:
        return clean(config) + 0.005 * rng_for(seed, name, space.key(config)).standard_normal(EPOCHS)

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        step = EPOCHS if budget is None else min(max(int(budget), 1), EPOCHS)
        return Outcome({"loss": float(noisy(config, seed)[step - 1])}, float(step))

    def curve(config: Config, seed: int) -> list[Outcome]:
        return [Outcome({"loss": loss}, float(i)) for i, loss in enumerate(noisy(config, seed).tolist(), 1)]

    return Task(
        f"fixtures/{name}",
        space,
        (Goal("loss"),),
        measure,
        curve=curve,
        fidelity=Fidelity("epoch", 1, EPOCHS),
        true=lambda config: {"loss": float(clean(config)[-1])},
        best=best,
        exact=True,
        optimum=named((place, *_CENTRE[1:].tolist())),
        trials=20,
        cost="an epoch counts one second; a run that goes on pays for the further epochs only",
        licence="trimtab's own formulas",
        tags=frozenset({"synthetic", "noisy", "multifidelity"}),
    )


# ── F7: a tree ───────────────────────────────────────────────────────────────

DEPTH, BRANCHING = 8, 3


def _tree() -> Task:
    """F7: eight decisions, each paid by the one before it, later ones less: 6,561 leaves, one of them 1 and one 0."""
    gain = 0.7 ** np.arange(DEPTH)[:, None, None] * np.random.default_rng(0).random((DEPTH, BRANCHING, BRANCHING))

    def reward(path: Sequence[int]) -> float:
        return float(sum(gain[k, path[k - 1] if k else 0, p] for k, p in enumerate(path)))

    worst, best = _extreme_path(gain, np.argmin), _extreme_path(gain, np.argmax)
    low, high = reward(worst), reward(best)

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        return Outcome({"reward": (reward([int(p) for p in _row(config, DEPTH, "p")]) - low) / (high - low)})

    return Task(
        "fixtures/tree",
        Space({f"p{k}": Choice([str(b) for b in range(BRANCHING)]) for k in range(DEPTH)}),
        (Goal("reward", "maximize"),),
        measure,
        best=1.0,
        exact=True,
        optimum=named([str(p) for p in best], "p"),
        licence="trimtab's own formulas",
        tags=frozenset({"synthetic", "categorical"}),
    )


def _extreme_path(gain: Any, pick: Any) -> list[int]:
    """The best (argmax) or worst (argmin) path, from the leaves back to the root."""
    value, choice = np.zeros(BRANCHING), []
    for table in gain[::-1]:  # table (from, to)
        total = table + value
        choice.append(pick(total, axis=1))
        value = np.take_along_axis(total, choice[-1][:, None], axis=1)[:, 0]
    path = [0]
    for step in choice[::-1]:
        path.append(int(step[path[-1]]))
    return path[1:]


def _row(config: Config, count: int, name: str = "x") -> list[Any]:
    return [config[f"{name}{i}"] for i in range(count)]


FAMILY = catalogue(
    "fixtures",
    "small tasks with a known optimum, one question each",
    {
        "branin_cat": _branin_cat,
        "hartmann6": _hartmann6,
        "mixed_sphere": _mixed_sphere,
        "curves_mild": lambda: _curves("curves_mild", 0.6, 0.4, 0.08877647322608442, 0.3288938243995587),
        "curves_hard": lambda: _curves("curves_hard", 0.2, 1.0, 0.127979284880367, 0.41950655897644384),
        "zdt1_d5": _zdt1_d5,
        "h6_in_20d": _h6_in_20d,
        "tree": _tree,
        "branin_con": _branin_con,
    },
    licence="trimtab's own formulas",
)
