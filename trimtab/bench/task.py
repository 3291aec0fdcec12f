"""A task of a benchmark: what is searched, what one evaluation gives and costs, and how good is good.

Idea    A task is a frozen record with one function in it, `measure(config, budget, seed) -> Outcome`. It knows nothing
        of optimizers, and an optimizer knows nothing of it but the space, the goals, the constraints and the fidelity.
        The same question gets the same answer: noise is drawn from the seed, never from a global generator.
Source  The interface follows carps (one glue between N optimizers and M tasks); see docs/explanation/benchmarks.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from trimtab.space import Space

Config = Mapping[str, Any]
Sense = Literal["minimize", "maximize"]


@dataclass(frozen=True, slots=True)
class Goal:
    """One objective.

    name   of its metric
    sense  "minimize" or "maximize"
    ideal, nadir   the best and the worst value on the front, in the metric's own units; for several objectives only:
                   hypervolumes are taken after (value - ideal) / (nadir - ideal)
    """

    name: str
    sense: Sense = "minimize"
    _: KW_ONLY
    ideal: float | None = None
    nadir: float | None = None

    @property
    def sign(self) -> float:
        """What turns a value into one that is smaller when better."""
        return 1.0 if self.sense == "minimize" else -1.0


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far an evaluation may go: epochs 1..52, say. Steps are 1, 2, … high of it when `integer`."""

    name: str
    low: float
    high: float
    _: KW_ONLY
    integer: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one evaluation gave.

    metrics  the goals and whatever the constraints speak of, by name
    seconds  what it cost, in the task's own (virtual) seconds; for a real training, the CPU seconds it took
    """

    metrics: Mapping[str, float]
    seconds: float = 1.0


Measure = Callable[[Config, float | None, int], Outcome]


@dataclass(frozen=True)
class Task:
    """A task.

    name         "family/instance"; with wrappers behind it: "bbob/f1-d5-i1~noise=0.1"
    space        what is searched
    goals        one or several
    measure      (config, budget, seed) -> Outcome; budget None or fidelity.high is a full evaluation. An exception is a
                 failed evaluation
    curve        (config, seed) -> the outcomes at steps 1, 2, … of the fidelity, seconds counted from the start of the
                 run; None: measure() is asked for each step
    fidelity     None for tasks that can only be evaluated whole
    constraints  expressions over metrics that hold for a feasible configuration: "c1 <= 0"
    true         the metrics without noise, for the regret of what is recommended; None: measure() has no noise
    best         best known value of the only goal, in its own units; of several goals, the hypervolume of the best
                 known front (normalised by ideal and nadir, reference point 1.1); None: unknown
    exact        whether `best` is proven, and not merely the best that anybody saw
    optimum      a configuration that reaches `best`, where one is known; no optimizer ever sees it
    trials       evaluations that a run of this task usually gets
    cost         the cost model in words
    licence      of the data or the problem, in words
    revision     goes up when its numbers change: old results are then not mixed with new ones
    """

    name: str
    space: Space
    goals: tuple[Goal, ...]
    measure: Measure
    _: KW_ONLY
    curve: Callable[[Config, int], list[Outcome]] | None = None
    fidelity: Fidelity | None = None
    constraints: tuple[str, ...] = ()
    true: Callable[[Config], Mapping[str, float]] | None = None
    best: float | None = None
    exact: bool = False
    optimum: Config | None = None
    trials: int = 100
    cost: str = "every evaluation counts 1"
    licence: str = ""
    revision: int = 1
    tags: frozenset[str] = field(default_factory=frozenset)  # "real", "surrogate", "tabular", "synthetic", "noisy", …

    @property
    def family(self) -> str:
        return self.name.partition("/")[0]

    @property
    def kind(self) -> str:
        """blackbox, multifidelity, objectives, or objectives-multifidelity."""
        parts = ["objectives"] * (len(self.goals) > 1) + ["multifidelity"] * (self.fidelity is not None)
        return "-".join(parts) or "blackbox"


def usual_trials(d: int) -> int:
    """How many evaluations a task of d parameters usually gets: 20 + 40 √d, rounded up (the rule of carps).

    >>> [usual_trials(d) for d in (2, 4, 8, 16, 32)]
    [77, 100, 134, 180, 247]
    """
    return math.ceil(20 + 40 * math.sqrt(d))
