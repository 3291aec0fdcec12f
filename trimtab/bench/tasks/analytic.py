"""Formulas of every shape that a space can have, with a known optimum that no habit finds by chance.

Idea    An optimizer that tries the middle or the corners first must gain nothing by it: optima are moved to places that
        are drawn once, by the task's name. Beside the classics there are whole numbers, log scales, ordered and
        unordered labels, branches of several kinds, a cliff, and many dimensions of which few matter.
Source  Branin and Hartmann as in `fixtures`; Rosenbrock: Computer Journal 3, 1960; Levy & Montalvo: SIAM J. Sci. Stat.
        Comput. 6(1), 1985; Ackley, A Connectionist Machine for Genetic Hillclimbing, 1987; the others are our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from trimtab._random import rng_for
from trimtab.bench._families import catalogue
from trimtab.bench.task import Config, Task
from trimtab.bench.tasks.fixtures import (
    BRANIN,
    HARTMANN6,
    OPTIMUM6,
    branin,
    floats,
    hartmann,
    named,
    single,
)
from trimtab.bench.tasks.wrappers import Diverged
from trimtab.space import Bool, Choice, Float, Int, Space

HARTMANN3 = -3.862779787332663
OPTIMUM3 = (0.11458887133078371, 0.5556488955562107, 0.852546983879289)
_A3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_P3 = 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])


def place(name: str, d: int, low: float, high: float) -> Any:
    """(d,) where the optimum of a task goes: drawn once, rounded so that it can be read."""
    return np.round(rng_for(0, "place", name).uniform(low, high, d), 3)


def _on(name: str, low: float, high: float, f: Callable[[Any], float], best: float, optimum: Sequence[float]) -> Task:
    """A function of x0, x1, … in a cube."""
    names = [f"x{i}" for i in range(len(optimum))]
    place = named([float(v) for v in optimum])
    return single(
        f"analytic/{name}",
        floats("x", len(optimum), low, high),
        lambda c: f(np.array([c[n] for n in names])),
        best,
        place,
    )


# ── continuous ───────────────────────────────────────────────────────────────


def _sphere5() -> Task:
    s = place("sphere5", 5, -4, 4)
    return _on("sphere5", -5, 5, lambda x: float(((x - s) ** 2).sum()), 0.0, s)


def _ellipsoid6() -> Task:
    """A rotated bowl, a hundred times as long as wide."""
    s, turn, scale = place("ellipsoid6", 6, -3, 3), _rotation("ellipsoid6", 6), 10.0 ** np.linspace(0, 4, 6)
    return _on("ellipsoid6", -5, 5, lambda x: float((scale * (turn * (x - s)).sum(axis=1) ** 2).sum()), 0.0, s)


def _rotation(name: str, d: int) -> Any:
    """(d, d) a product of turns in every plane: the same to the last digit on every machine, as a QR would not be."""
    out = np.eye(d)
    angles = iter(rng_for(0, "turn", name).uniform(0, 2 * math.pi, d * (d - 1) // 2).tolist())
    for i in range(d):
        for j in range(i + 1, d):
            angle = next(angles)
            a, b = out[i].copy(), out[j].copy()
            out[i], out[j] = math.cos(angle) * a - math.sin(angle) * b, math.sin(angle) * a + math.cos(angle) * b
    return out


def _branin() -> Task:
    space = {"x": Float(-5, 10), "y": Float(0, 15)}
    return single("analytic/branin", space, lambda c: branin(c["x"], c["y"]), BRANIN, {"x": math.pi, "y": 2.275})


def _hartmann3() -> Task:
    return _on("hartmann3", 0, 1, lambda x: hartmann(x, _A3, _P3), HARTMANN3, OPTIMUM3)


def _rosenbrock4() -> Task:
    """A bent valley."""
    s = place("rosenbrock4", 4, -2, 3)

    def f(x: Any) -> float:
        z = x - s + 1
        return float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum())

    return _on("rosenbrock4", -5, 5, f, 0.0, s)


def _levy(z: Any) -> float:
    """Waves on a bowl; 0 at z = 0."""
    w = 1 + z / 4
    inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    ends = np.sin(np.pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(ends + inner)


def _levy8() -> Task:
    s = place("levy8", 8, -7, 7)
    return _on("levy8", -10, 10, lambda x: _levy(x - s), 0.0, s)


def _plateau4() -> Task:
    """Terraces: no slope anywhere, and ties everywhere."""
    s, weight = place("plateau4", 4, -4, 4), np.array([1.0, 2.0, 4.0, 8.0])
    return _on("plateau4", -5, 5, lambda x: float(weight @ np.floor(np.abs(x - s) + 0.5) ** 2), 0.0, s)


def _crash4() -> Task:
    """A bowl whose optimum lies close to a half space in which everything diverges (a quarter of the cube)."""
    s, normal = place("crash4", 4, 0.5, 2), np.array([0.7, -0.3, 0.5, 0.4])
    edge = float(normal @ s) + 0.3

    def f(x: Any) -> float:
        if normal @ x > edge:
            raise Diverged("analytic/crash4: the training diverged (this configuration is beyond the cliff)")
        return float(((x - s) ** 2).sum())

    return _on("crash4", -5, 5, f, 0.0, s)


# ── many dimensions of which few matter ──────────────────────────────────────


def _hartmann6_30d() -> Task:
    """Six of thirty coordinates matter, and no two of them are neighbours in the list; the rest bend it by 1e-3."""
    places = rng_for(0, "coordinates", "hartmann6_30d").permutation(30)
    s = place("hartmann6_30d", 30, 0.05, 0.95)
    s[places[:6]] = OPTIMUM6

    def f(x: Any) -> float:
        return hartmann(x[places[:6]]) + 1e-3 * float(((x - s)[places[6:]] ** 2).sum())

    return _on("hartmann6_30d", 0, 1, f, HARTMANN6, s)


def _levy4_100d() -> Task:
    """Four of a hundred coordinates matter; the rest bend it by 1e-3."""
    places = rng_for(0, "coordinates", "levy4_100d").permutation(100)
    s = place("levy4_100d", 100, -7, 7)

    def f(x: Any) -> float:
        z = x - s
        return _levy(z[places[:4]]) + 1e-3 * float((z[places[4:]] ** 2).sum()) / 96

    return _on("levy4_100d", -10, 10, f, 0.0, s)


# ── mixed and conditional ────────────────────────────────────────────────────


def _ackley_mixed() -> Task:
    """Waves over four floats and three whole numbers; two categories, each with labels from good to bad in no order."""
    s, whole = place("ackley_mixed", 4, -5, 7), [17, 4, 9]
    bad = {"c0": dict(zip("abcde", (2, 0, 4, 1, 3), strict=True)), "c1": dict(zip("abc", (1, 2, 0), strict=True))}

    def f(c: Config) -> float:
        x = [c[f"x{i}"] - s[i] for i in range(4)] + [(c[f"z{i}"] - whole[i]) / 2 for i in range(3)]
        z = np.array(x + [bad[name][c[name]] for name in bad])
        root, wave = math.sqrt(float((z * z).mean())), float(np.cos(2 * math.pi * z).mean())
        return -20 * math.expm1(-0.2 * root) + (math.e - math.exp(wave))

    space = floats("x", 4, -7, 9) | {f"z{i}": Int(0, 24) for i in range(3)}
    optimum = named(s.tolist()) | named(whole, "z") | {"c0": "b", "c1": "c"}
    space |= {name: Choice(list(labels)) for name, labels in bad.items()}
    return single("analytic/ackley_mixed", space, f, 0.0, optimum)


def _cash() -> Task:
    """Which model, and its settings: three branches, of which the best is good only when it is set well.

    A forest is hard to spoil (0.15 at best, 0.2 nearly always), an SVM can come to 0.1, a net to 0.05.
    """
    models = {
        "forest": Space({"depth": Int(2, 30), "leaf": Float(0, 0.5), "bootstrap": Bool()}),
        "svm": Space(
            {
                "c": Float(1e-3, 1e3, log=True),
                "kernel": Choice(["linear", "rbf"]),
                "gamma": Float(1e-5, 1e1, log=True, when="kernel == 'rbf'"),
            }
        ),
        "net": Space(
            {
                "rate": Float(1e-6, 1.0, log=True),
                "layers": Int(1, 8),
                "width": Int(8, 1024, log=True),
                "activation": Choice(["relu", "tanh", "gelu"]),
            }
        ),
    }

    def f(c: Config) -> float:
        model = c["model"]
        v = {name.rpartition(".")[2]: value for name, value in c.items() if name.startswith(f"model.{model}.")}
        if model == "forest":
            off = 0.004 * abs(v["depth"] - 13) + 0.3 * (v["leaf"] - 0.07) ** 2 + 0.01 * (not v["bootstrap"])
            return float(0.15 + off)
        if model == "svm":
            far = (math.log10(v["c"]) - 0.8) ** 2
            far += 4.0 if v["kernel"] == "linear" else (math.log10(v["gamma"]) + 2.3) ** 2
            return 0.1 + 0.3 * (1 - math.exp(-far / 6))
        far = 1.5 * (math.log10(v["rate"] / 2e-3) + 0.25 * math.log2(v["width"] / 180)) ** 2
        far += 0.15 * math.log2(v["width"] / 180) ** 2 + 0.2 * abs(v["layers"] - 3)
        return 0.05 + 0.6 * (1 - math.exp(-far / 3)) + {"relu": 0.01, "tanh": 0.04, "gelu": 0.0}[v["activation"]]

    best = {"rate": 2e-3, "layers": 3, "width": 180, "activation": "gelu"}
    optimum = {"model": "net"} | {f"model.net.{name}": value for name, value in best.items()}
    return single(
        "analytic/cash", {"model": Choice(models)}, f, 0.05, optimum, tags=frozenset({"synthetic", "conditional"})
    )


def _layers() -> Task:
    """How many layers, and a width for each that there is: whole numbers that exist when another one is large."""
    wanted = [190, 75, 40, 24, 16, 12]

    def f(c: Config) -> float:
        n = c["layers"]
        off = [math.log2(c[f"width{i}"] / wanted[i]) ** 2 for i in range(n)]
        return float(0.05 + 0.03 * (n - 4) ** 2 + 0.04 * sum(off) / n)

    space: dict[str, Any] = {"layers": Int(1, 6)}
    space |= {f"width{i}": Int(8, 512, log=True, when=f"layers > {i}") for i in range(6)}
    optimum = {"layers": 4} | named(wanted[:4], "width")
    return single("analytic/layers", space, f, 0.05, optimum, tags=frozenset({"synthetic", "conditional"}))


def _training() -> Task:
    """Settings of a training as people write them: log scales, powers of two, steps, ordered labels, a switch.

    The best rate goes with the square root of the batch.
    """
    sizes = ["tiny", "small", "medium", "large", "huge"]

    def f(c: Config) -> float:
        rate = math.log10(c["rate"] / 3e-4) - 0.5 * math.log10(c["batch"] / 128)
        parts = [
            rate**2,
            0.3 * math.log10(c["batch"] / 128) ** 2,
            0.1 * math.log10(c["decay"] / 2e-2) ** 2,
            0.2 * math.log2(c["epochs"] / 40) ** 2,
            2.0 * (c["dropout"] - 0.2) ** 2,
            0.15 * (sizes.index(c["size"]) - 3) ** 2,
            0.2 * (not c["norm"]) * (1 + c["dropout"]),
        ]
        return float(0.1 + 0.9 * (1 - math.exp(-sum(parts) / 8)))

    space = {
        "rate": Float(1e-6, 1.0, log=True),
        "decay": Float(1e-5, 1.0, log=True),
        "batch": Int(8, 1024, log=2),
        "epochs": Int(1, 300, log=True),
        "dropout": Float(0.0, 0.9, step=0.1),
        "size": Choice(sizes, ordered=True),
        "norm": Bool(),
    }
    optimum = {"rate": 3e-4, "decay": 2e-2, "batch": 128, "epochs": 40, "dropout": 0.2, "size": "large", "norm": True}
    return single("analytic/training", space, f, 0.1, optimum)


def _labels() -> Task:
    """Categories alone: a cost for each label of ten, and one for each pair of neighbours."""
    rng = rng_for(0, "tables", "labels")
    own, pair = rng.random((10, 4)), rng.random((9, 4, 4))
    least, path = _chain(own, pair)

    def f(c: Config) -> float:
        codes = [int(c[f"c{i}"]) for i in range(10)]
        return _chain_cost(own, pair, codes) - least

    optimum = named([str(p) for p in path], "c")
    return single("analytic/labels", {f"c{i}": Choice(list("0123")) for i in range(10)}, f, 0.0, optimum)


def _chain_cost(own: Any, pair: Any, codes: Sequence[int]) -> float:
    alone = sum(float(own[i, c]) for i, c in enumerate(codes))
    return alone + sum(float(pair[i, a, b]) for i, (a, b) in enumerate(pairwise(codes)))


def _chain(own: Any, pair: Any) -> tuple[float, list[int]]:
    """The least cost of a chain and where it is, by dynamic programming from its end."""
    rest, steps = own[-1], list[Any]()
    for i in range(len(own) - 2, -1, -1):
        total = own[i][:, None] + pair[i] + rest[None, :]
        steps.append(total.argmin(axis=1))
        rest = total.min(axis=1)
    path = [int(rest.argmin())]
    for step in reversed(steps):
        path.append(int(step[path[-1]]))
    return _chain_cost(own, pair, path), path


MAKERS: dict[str, Callable[[], Task]] = {
    "sphere5": _sphere5,
    "ellipsoid6": _ellipsoid6,
    "branin": _branin,
    "hartmann3": _hartmann3,
    "rosenbrock4": _rosenbrock4,
    "levy8": _levy8,
    "plateau4": _plateau4,
    "crash4": _crash4,
    "hartmann6_30d": _hartmann6_30d,
    "levy4_100d": _levy4_100d,
    "ackley_mixed": _ackley_mixed,
    "cash": _cash,
    "layers": _layers,
    "training": _training,
    "labels": _labels,
}
FAMILY = catalogue(
    "analytic",
    "formulas of every shape of space, their optima off the middle and off the corners",
    MAKERS,
    licence="trimtab's own formulas",
)
