"""Tasks with a known minimum for tests and benchmarks of searchers, and a loop that drives one without a study."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trimtab.bench.tasks.fixtures import branin
from trimtab.bench.tasks.fixtures import hartmann as hartmann6
from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask, Searcher
from trimtab.space import Choice, Float, Int, Space

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """What is searched, what it costs, and the least it can cost."""

    name: str
    space: Space
    cost: Callable[[Config], Any]
    least: float
    trials: int
    constraints: Sequence[str] = field(default=())
    limits: Callable[[Config], Sequence[float]] | None = None


def _branin_cat(c: Config) -> float:
    i, j = int(c["c1"]), int(c["c2"])
    extra = (0, 3, 6, 12)[i] + (0, 5, 10, 20)[j] + (5 if i == j != 0 else 0)
    return branin(-5 + 15 * c["x1"], 15 * c["x2"]) + extra


BRANIN_CAT = Task(
    "F1 branin_cat",
    Space({"x1": Float(0, 1), "x2": Float(0, 1), "c1": Choice(list("0123")), "c2": Choice(list("0123"))}),
    _branin_cat,
    0.3978873577,
    50,
)

HARTMANN6 = Task(
    "F2 hartmann6",
    Space({f"x{i}": Float(0, 1) for i in range(6)}),
    lambda c: hartmann6([c[f"x{i}"] for i in range(6)]),
    -3.32236801,
    200,
)

MIXED_SPHERE = Task(
    "F3 mixed_sphere",
    Space(
        {f"x{i}": Float(-5, 5) for i in range(5)}
        | {f"z{i}": Int(-5, 5) for i in range(5)}
        | {f"c{i}": Choice(list("01234")) for i in range(3)}
    ),
    lambda c: sum(v * v for k, v in c.items() if k[0] != "c") + sum(v != "0" for k, v in c.items() if k[0] == "c"),
    0.0,
    200,
)

ROSENBROCK5 = Task(
    "rosenbrock5",
    Space({f"x{i}": Float(-2, 2) for i in range(5)}),
    lambda c: sum(100 * (c[f"x{i + 1}"] - c[f"x{i}"] ** 2) ** 2 + (1 - c[f"x{i}"]) ** 2 for i in range(4)),
    0.0,
    200,
)


def _ackley(c: Config) -> float:
    x = np.array([c[f"x{i}"] for i in range(4)] + [(c[f"z{i}"] - 7) / 2 for i in range(3)] + [float(c["c"] != "b")])
    root, wave = math.sqrt(float((x * x).mean())), float(np.cos(2 * math.pi * x).mean())
    return -20 * math.exp(-0.2 * root) - math.exp(wave) + 20 + math.e


ACKLEY_MIXED = Task(
    "ackley_mixed",
    Space(
        {f"x{i}": Float(-7, 9) for i in range(4)} | {f"z{i}": Int(0, 24) for i in range(3)} | {"c": Choice(list("abc"))}
    ),
    _ackley,
    0.0,
    200,
)


def _models(c: Config) -> float:
    """Three kinds of model with settings of their own; the best kind is good only when its settings are."""
    if c["model"] == "svm":
        return 0.1 + 0.05 * (math.log10(c["svm_c"]) - 1) ** 2 + 0.05 * (math.log10(c["svm_gamma"]) + 2) ** 2
    if c["model"] == "forest":
        return 0.15 + 0.01 * abs(c["depth"] - 12) + 0.2 * (c["leaf"] - 0.1) ** 2
    rate = (math.log10(c["rate"]) + 3) ** 2
    return 0.05 + 0.08 * rate + 0.02 * abs(c["layers"] - 3) + (0.1 if c["act"] == "tanh" else 0.0)


CONDITIONAL = Task(
    "conditional",
    Space(
        {
            "model": Choice(["svm", "forest", "net"]),
            "svm_c": Float(1e-3, 1e3, log=True, when="model == 'svm'"),
            "svm_gamma": Float(1e-5, 1e1, log=True, when="model == 'svm'"),
            "depth": Int(2, 30, when="model == 'forest'"),
            "leaf": Float(0, 0.5, when="model == 'forest'"),
            "rate": Float(1e-6, 1.0, log=True, when="model == 'net'"),
            "layers": Int(1, 8, when="model == 'net'"),
            "act": Choice(["relu", "tanh", "gelu"], when="model == 'net'"),
        }
    ),
    _models,
    0.05,
    100,
)

BRANIN_CON = Task(
    "F8 branin_con",
    Space({"x": Float(0, 1), "y": Float(0, 1)}),
    lambda c: branin(-5 + 15 * c["x"], 15 * c["y"]),
    0.3978873577,
    60,
    ("away <= 0", "x <= 0.9"),
    lambda c: (0.04 - ((c["x"] - 0.543) ** 2 + (c["y"] - 0.152) ** 2), c["x"] - 0.9),
)


def _zdt1(c: Config) -> tuple[float, float]:
    x = [c[f"x{i}"] for i in range(5)]
    g = 1 + 9 * sum(x[1:]) / 4
    return x[0], g * (1 - math.sqrt(x[0] / g))


ZDT1 = Task("F5 zdt1_d5", Space({f"x{i}": Float(0, 1) for i in range(5)}), _zdt1, 11.76667, 200)


def _branches(c: Config) -> float:
    """The best branch is the steepest: at random settings it looks worst."""
    k = c["a"]
    base, steep = {"p": (0.3, 0.5), "q": (0.2, 0.5), "r": (0.0, 4.0), "s": (0.5, 0.3)}[k]
    return base + steep * ((c[f"x_{k}"] - 0.7) ** 2 + (c[f"y_{k}"] - 0.2) ** 2)


BRANCHES = Task(
    "branches",
    Space({"a": Choice(list("pqrs"))} | {f"{v}_{k}": Float(0, 1, when=f"a == '{k}'") for k in "pqrs" for v in "xy"}),
    _branches,
    0.0,
    100,
)

CATEGORIES = Task(
    "categories",
    Space({f"c{i}": Choice(list("0123")) for i in range(6)} | {"x": Float(0, 1)}),
    lambda c: (
        sum(int(c[f"c{i}"]) != i % 4 for i in range(6))
        + 2 * (c["c0"] == c["c1"])
        + 5 * (c["x"] - 0.5 * (c["c0"] == "0") - 0.2) ** 2
    ),
    0.0,
    100,
)


def _levy(c: Config) -> float:
    w = np.array([1 + (v - 1) / 4 for v in c.values()])
    inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    return float(np.sin(np.pi * w[0]) ** 2 + inner + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


LEVY6 = Task("levy6", Space({f"x{i}": Float(-10, 10) for i in range(6)}), _levy, 0.0, 150)

STYBLINSKI20 = Task(
    "styblinski20",
    Space({f"x{i}": Float(-5, 5) for i in range(20)}),
    lambda c: sum(v**4 - 16 * v * v + 5 * v for v in c.values()) / 2,
    -39.16616570377 * 20,
    200,
)

TASKS = (
    BRANIN_CAT,
    HARTMANN6,
    MIXED_SPHERE,
    ROSENBROCK5,
    ACKLEY_MIXED,
    CONDITIONAL,
    BRANCHES,
    CATEGORIES,
    LEVY6,
    STYBLINSKI20,
)


def started(number: int, config: Config, note: Config | None = None) -> Event:
    body = {"cause": "new", "attempt": 1, "config": dict(config)}
    return Event("started", {**body, "note": dict(note)} if note else body, number, 1)


def ended(history: History, number: int, values: Any, limits: Sequence[float] = (), **more: Any) -> Event:
    values = np.atleast_1d(np.asarray(values, float)).tolist()
    body = {"state": "finished", "values": dict(zip(history.objectives, values, strict=True)), **more}
    if limits:
        body["constraints"] = dict(zip(history.constraints, limits, strict=True))
    return Event("ended", body, number, 1)


def drive(searcher: Searcher, task: Task, trials: int | None = None, seed: int = 0) -> History:
    """One trial after the other, with neither storage nor study."""
    m = len(np.atleast_1d(task.cost(task.space.sample_config(np.random.default_rng(0)))))
    history = History.empty(task.space, [f"y{i}" for i in range(m)], task.constraints)
    for number in range(task.trials if trials is None else trials):
        ask = Ask(number=number, move=number, seed=seed)
        (proposal,) = searcher.propose(history, ask)
        assert proposal.config is not None
        limits = task.limits(proposal.config) if task.limits else ()
        end = ended(history, number, task.cost(proposal.config), limits)
        history.extend([started(number, proposal.config, proposal.note), end])
    return history


def regret(searcher: Searcher, task: Task, trials: int | None = None, seed: int = 0) -> float:
    """How far the best feasible value is above the least there is."""
    history = drive(searcher, task, trials, seed)
    feasible = (history.C <= 0).all(axis=1)
    return float(np.min(history.Y[feasible, 0], initial=np.inf)) - task.least
