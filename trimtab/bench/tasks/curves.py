"""Learning curves by formula: how far early steps may be trusted is a dial.

Idea    `power-…`: y(r) = a + b (1 + r)^-c, where the end `a` is a bowl over the configuration, and the speed `c` leans
        on it: with 90 what ends well also falls fast; with minus90 it falls slowly, so curves cross and early leaders
        lose. `hartmann3-…`, `hartmann6-…`: Hartmann's function with a bias that shrinks with the budget, soon ("good")
        or late ("bad"), and till then moves its hollows. `net10`: ten parameters of a made-up network, three of them
        conditional. All end in a function whose least value is known exactly.
Source  Power laws of learning: Domhan, Springenberg & Hutter, IJCAI 2015. Hartmann's function with a fidelity:
        Kandasamy et al., Multi-fidelity Bayesian Optimisation with Continuous Approximations, ICML 2017; here the
        hollows move as well, and the exponent of the bias is our own.
Noise   Of the measurements at each step, drawn from the seed and the configuration: sd 0.003 of `power`, else none.
Cost    A step counts a second. Of `hartmann` r steps count 81 (0.05 + 0.95 (r / 81)^2): late ones cost more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.bench._families import catalogue
from trimtab.bench.task import Config, Fidelity, Goal, Outcome, Task, usual_trials
from trimtab.bench.tasks._steps import step
from trimtab.bench.tasks.fixtures import HARTMANN6, OPTIMUM6
from trimtab.space import Bool, Choice, Float, Int, Space

Floats = NDArray[np.float64]
HIGH = 81
STEPS = np.arange(1, HIGH + 1, dtype=np.float64)
FIDELITY = Fidelity("epoch", 1, HIGH)
LICENCE = "trimtab's own formulas"


def _task(
    name: str, space: Space, clean: Callable[[Config], Floats], seconds: Floats, noise: float, **words: Any
) -> Task:
    """clean: (81,) values without noise; seconds (81,) since the start of the run."""
    full = f"curves/{name}"

    def noisy(config: Config, seed: int) -> list[float]:
        values = clean(config)
        if noise:
            values = values + noise * rng_for(seed, full, space.key(config)).standard_normal(HIGH)
        found: list[float] = values.tolist()
        return found

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        at = step(full, FIDELITY, budget) - 1
        return Outcome({"loss": noisy(config, seed)[at]}, float(seconds[at]))

    def curve(config: Config, seed: int) -> list[Outcome]:
        rows = zip(noisy(config, seed), seconds.tolist(), strict=True)
        return [Outcome({"loss": loss}, at) for loss, at in rows]

    return Task(
        full,
        space,
        (Goal("loss"),),
        measure,
        curve=curve,
        fidelity=FIDELITY,
        true=(lambda config: {"loss": float(clean(config)[-1])}) if noise else None,
        exact=True,
        trials=usual_trials(space.d),
        licence=LICENCE,
        tags=frozenset({"synthetic", "multifidelity"} | ({"noisy"} if noise else set())),
        **words,
    )


# ── power laws ───────────────────────────────────────────────────────────────

_CENTRE = np.array([0.3, 0.7, 0.5, 0.2])
_WEIGHTS = np.array([1.0, 0.6, 0.4, 0.3])
_BEST_END = 0.05


def falling(end: float, start: float, speed: float) -> Floats:
    """(81,): a power law of 1 + r from `start` before the first step to exactly `end` after the last one."""
    shape = (1 + STEPS) ** -speed
    values: Floats = end + (start - end) * (shape - shape[-1]) / (1 - shape[-1])
    return values


def _power(name: str, corr: float) -> Task:
    """Five parameters: x0 to x3 shape the end, and x4 is a nuisance: the speed, with the end in the share of `corr`.

    With t the height of the end above the best one (0 to 1), the speed is c = 0.2 + 1.3 s, where
    s = |corr| (1 - t) + (1 - |corr|) x4 for corr > 0, and |corr| t + … for corr < 0.
    """
    space = Space({f"x{i}": Float(0, 1) for i in range(5)})

    def clean(config: Config) -> Floats:
        x = np.array([config[f"x{i}"] for i in range(4)])
        t = min(1.0, 2 * float(_WEIGHTS @ (x - _CENTRE) ** 2))
        lean = 1 - t if corr > 0 else t
        return falling(_BEST_END + 0.4 * t, 1.0, 0.2 + 1.3 * (abs(corr) * lean + (1 - abs(corr)) * config["x4"]))

    optimum = dict(zip(space.names, [*_CENTRE.tolist(), 0.5], strict=True))
    return _task(name, space, clean, STEPS, 0.003, best=_BEST_END, optimum=optimum, cost="an epoch counts one second")


# ── Hartmann with a bias ─────────────────────────────────────────────────────

HARTMANN3 = -3.862779787332663
OPTIMUM3 = (0.11458887665506896, 0.5556488946169301, 0.8525469846866774)

_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_DEPTHS = np.array([0.8, 0.6, -0.5, -0.7])  # what the bias adds to each hollow's weight, as a share of it
_SHIFTS = np.array([0.2, -0.15, 0.15, -0.2])  # and to its place, in every coordinate
_A3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_P3 = 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])


def _hartmann(name: str, d: int, exponent: float) -> Task:
    """At step r a bias of (1 - r/81)^exponent, 0 at the end: the larger the exponent, the sooner it is small."""
    from trimtab.bench.tasks.fixtures import _A6, _P6

    scale, centre = (_A3, _P3) if d == 3 else (_A6, _P6)
    best, place = (HARTMANN3, OPTIMUM3) if d == 3 else (HARTMANN6, OPTIMUM6)
    space = Space({f"x{i}": Float(0, 1) for i in range(d)})
    bias = (1 - STEPS / HIGH) ** exponent
    weights = _ALPHA * (1 + bias[:, None] * _DEPTHS)  # (81, 4)
    centres = centre + bias[:, None, None] * _SHIFTS[:, None]  # (81, 4, d)

    def clean(config: Config) -> Floats:
        x = np.array([config[f"x{i}"] for i in range(d)])
        values: Floats = -(weights * np.exp(-(scale * (x - centres) ** 2).sum(axis=2))).sum(axis=1)
        return values

    seconds = HIGH * (0.05 + 0.95 * (STEPS / HIGH) ** 2)
    optimum = dict(zip(space.names, place, strict=True))
    return _task(name, space, clean, seconds, 0.0, best=best, optimum=optimum, cost="late epochs cost more")


# ── a network that isn't one ─────────────────────────────────────────────────


def _net10(name: str) -> Task:
    """Ten parameters: two optimisers with a parameter each of their own, regularisers that hurt early and help late."""
    space = Space(
        {
            "optimizer": Choice(["adam", "sgd", "lion"]),
            "lr": Float(1e-5, 1.0, log=True),
            "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
            "beta2": Float(0.8, 0.9999, when={"optimizer": ["adam", "lion"]}),
            "layers": Int(1, 8),
            "width": Int(16, 1024, log=True),
            "dropout": Float(0.0, 0.7),
            "decay": Float(1e-6, 1e-1, log=True),
            "augment": Bool(),
            "strength": Float(0.0, 1.0, when={"augment": True}),
        }
    )
    optimum = {"optimizer": "adam", "lr": 1e-3, "beta2": 0.99, "layers": 4, "width": 256, "dropout": 0.2, "decay": 1e-3}
    optimum |= {"augment": True, "strength": 0.5}
    return _task(name, space, _made_up, STEPS, 0.0, best=0.1, optimum=optimum, cost="an epoch counts one second")


_RATE = {"adam": -3.0, "sgd": -1.0, "lion": -4.0}  # log10 of the best learning rate
_EXTRA = {"adam": 0.0, "sgd": 0.03, "lion": 0.015}


def _made_up(c: Config) -> Floats:
    """(81,): the end is 0.1 and terms that are at least 0, all of them 0 at the optimum.

    Of the learning rate's and the width's the form is a r² + b s² + c r s with c² < 4 a b.
    """
    rate = (math.log10(c["lr"]) - _RATE[c["optimizer"]]) / 2
    if c["optimizer"] == "sgd":
        inner = (c["momentum"] - 0.9) ** 2
    else:
        inner = (math.log10(1 - c["beta2"]) - math.log10(0.01)) ** 2 / 8
    depth = ((c["layers"] - 4) / 4) ** 2
    size = (math.log2(c["width"]) - 8) / 4
    slack = (c["dropout"] - 0.2) ** 2 + ((math.log10(c["decay"]) + 3) / 4) ** 2
    views = 0.05 if not c["augment"] else 0.2 * (c["strength"] - 0.5) ** 2
    bowl = 0.3 * rate**2 + 0.1 * size**2 + 0.1 * rate * size
    end = 0.1 + _EXTRA[c["optimizer"]] + bowl + 0.1 * inner + 0.15 * depth + 0.3 * slack + views
    speed = 0.5 + 0.7 * math.exp(-2 * abs(rate)) - 0.2 * c["dropout"] - (0.15 if c["augment"] else 0.0)
    return falling(end, max(2.3, end + 0.5), max(speed, 0.15))


_MAKERS: Mapping[str, Callable[[], Task]] = {
    "power-90": lambda: _power("power-90", 0.9),
    "power-50": lambda: _power("power-50", 0.5),
    "power-minus50": lambda: _power("power-minus50", -0.5),
    "power-minus90": lambda: _power("power-minus90", -0.9),
    "hartmann3-good": lambda: _hartmann("hartmann3-good", 3, 4.0),
    "hartmann3-bad": lambda: _hartmann("hartmann3-bad", 3, 0.5),
    "hartmann6-good": lambda: _hartmann("hartmann6-good", 6, 4.0),
    "hartmann6-bad": lambda: _hartmann("hartmann6-bad", 6, 0.5),
    "net10": lambda: _net10("net10"),
}
FAMILY = catalogue(
    "curves",
    "learning curves by formula, from early steps that tell all to early steps that mislead",
    _MAKERS,
    licence=LICENCE,
)
