"""Harder versions of any task: with noise, with a constraint, with a region that crashes.

Idea    "family/instance~noise=0.1" is the task with something around its measure(). What is added follows from the
        task's name alone, so the wrapped name makes the same task again in any process. The region that is cut off (or
        left) is a ball: all that is near a random place by city-block distance, each parameter with a random weight of
        its own. That works for numbers, labels and conditions alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trimtab._random import rng_for
from trimtab.bench.task import Config, Outcome, Task
from trimtab.errors import TrimtabError, UnknownName
from trimtab.space import Space

DRAWS = 200  # evaluations that the scale of the noise is taken from
ANCHORS = 200  # centres of a ball that are tried


class WrapperError(TrimtabError, ValueError):
    """A wrapper's setting, or a task that it does not fit."""


class Diverged(RuntimeError):
    """What an evaluation in the crashing region raises."""


def wrapped(task: Task, wrapper: str) -> Task:
    """The task with the wrapper around it: "noise=0.1", "constrained" or "crash"."""
    word, equals, value = wrapper.partition("=")
    if word not in WRAPPERS:
        raise UnknownName(wrapper, among=EXAMPLES, kind="wrapper of a task")
    return replace(WRAPPERS[word](task, wrapper, value if equals else None), name=f"{task.name}~{wrapper}")


# ── noise ────────────────────────────────────────────────────────────────────


def _noisy(task: Task, wrapper: str, value: str | None) -> Task:
    """N(0, (share × scale)²) on every goal; scale: the interquartile range of a goal over 200 random evaluations.

    The noise belongs to configuration, seed and step: asked again, an evaluation gives the same.
    """
    share = _share(wrapper, value)
    goals = [goal.name for goal in task.goals]

    def blurred(outcome: Outcome, config: Config, step: float | None, seed: int) -> Outcome:
        full = task.fidelity is None or step is None or step >= task.fidelity.high
        words = ("noise", task.name, task.space.key(config), "full" if full else float(step or 0))
        shifts = share * np.array(_spreads(task)) * rng_for(seed, *words).standard_normal(len(goals))
        moved = {name: outcome.metrics[name] + shift for name, shift in zip(goals, shifts.tolist(), strict=True)}
        return replace(outcome, metrics={**outcome.metrics, **moved})

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        return blurred(task.measure(config, budget, seed), config, budget, seed)

    def curve(config: Config, seed: int) -> list[Outcome]:
        assert task.curve is not None
        return [blurred(outcome, config, i, seed) for i, outcome in enumerate(task.curve(config, seed), 1)]

    def true(config: Config) -> Mapping[str, float]:
        return task.measure(config, None, 0).metrics

    return replace(
        task,
        measure=measure,
        curve=curve if task.curve else None,
        true=task.true or true,
        tags=task.tags | {"noisy"},
    )


def _share(wrapper: str, value: str | None) -> float:
    try:
        share = float(value or "")
    except ValueError:
        share = math.nan
    if not 0 < share < math.inf:
        raise WrapperError(f'~{wrapper}: give the noise as a share of the task\'s spread, as in "~noise=0.1".')
    return share


def _spreads(task: Task) -> tuple[float, ...]:
    """For each goal the interquartile range of random evaluations; those that fail are left out.

    Only taken when a task is first measured, and once a process: a task is made anew for every cell.
    """
    key = (task.name, task.revision, task.space, task.best)
    if key not in _KNOWN:
        _KNOWN[key] = _measured_spreads(task)
    return _KNOWN[key]


_KNOWN: dict[tuple[object, ...], tuple[float, ...]] = {}


def _measured_spreads(task: Task) -> tuple[float, ...]:
    rng, rows = rng_for(0, "spread", task.name), list[list[float]]()
    for i in range(DRAWS):
        config = task.space.sample_config(rng)
        try:
            outcome = task.measure(config, None, i)
        except Exception:  # a failed evaluation has no value
            continue
        rows.append([outcome.metrics[goal.name] for goal in task.goals])
    table = np.array(rows).reshape(len(rows), len(task.goals))
    return tuple(_spread(column[np.isfinite(column)]) for column in table.T)


def _spread(values: Any) -> float:
    """Interquartile range; the whole range where a plateau holds half of the values."""
    if not len(values):
        return 0.0
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low) or float(np.ptp(values))


# ── a ball that is cut off, or left ──────────────────────────────────────────


def _constrained(task: Task, wrapper: str, value: str | None) -> Task:
    """A metric `excess` that must not be above 0: about half of the space is infeasible.

    Feasible is what is near a random place. Where the task's optimum is known it is among the feasible ones,
    and so `best` stays; else `best` is a bound that the feasible part may not reach, and `exact` is off.
    """
    _bare(wrapper, value)
    name = next(n for n in ("excess", *(f"excess{i}" for i in range(2, 99))) if f"{n} <= 0" not in task.constraints)
    excess = _ball(task, name, 0.5, optimum_in=True)

    def limited(outcome: Outcome, config: Config) -> Outcome:
        return replace(outcome, metrics={**outcome.metrics, name: excess(config)})

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        return limited(task.measure(config, budget, seed), config)

    def curve(config: Config, seed: int) -> list[Outcome]:
        assert task.curve is not None
        return [limited(outcome, config) for outcome in task.curve(config, seed)]

    def true(config: Config) -> Mapping[str, float]:
        assert task.true is not None
        return {**task.true(config), name: excess(config)}

    return replace(
        task,
        measure=measure,
        curve=curve if task.curve else None,
        true=true if task.true else None,
        constraints=(*task.constraints, f"{name} <= 0"),
        exact=task.exact and task.optimum is not None,
        tags=task.tags | {"constrained"},
    )


def _crashing(task: Task, wrapper: str, value: str | None) -> Task:
    """An evaluation raises in about 15 % of the space, around a random place but not at a known optimum."""
    _bare(wrapper, value)
    outside = _ball(task, "crash", 0.15, optimum_in=False)

    def check(config: Config) -> None:
        if outside(config) <= 0:
            raise Diverged(f"{task.name}: the training diverged (this configuration is in the region that crashes)")

    def measure(config: Config, budget: float | None, seed: int) -> Outcome:
        check(config)
        return task.measure(config, budget, seed)

    def curve(config: Config, seed: int) -> list[Outcome]:
        assert task.curve is not None
        check(config)
        return task.curve(config, seed)

    return replace(
        task,
        measure=measure,
        curve=curve if task.curve else None,
        exact=task.exact and task.optimum is not None,
        tags=task.tags | {"crashes"},
    )


def _bare(wrapper: str, value: str | None) -> None:
    if value is not None:
        raise WrapperError(f"~{wrapper}: this wrapper takes no setting. Write ~{wrapper.partition('=')[0]}.")


def _ball(task: Task, use: str, share: float, *, optimum_in: bool) -> Callable[[Config], float]:
    """A function of configurations that is at most 0 in about `share` of the space, and that has the optimum well
    inside, or well outside, when it is known."""
    rng = rng_for(0, "ball", use, task.name)
    space = task.space
    X = space.sample(rng, 1000)
    optimum = None if task.optimum is None else space.encode([task.optimum])
    tried: list[tuple[float, Any, Any, float]] = []
    for _ in range(ANCHORS):
        anchor = np.array([rng.integers(c.n) if c.kind == "choice" else rng.random() for c in space.columns], float)
        weight = rng.exponential(size=space.d)
        far = _distances(space, X, anchor, weight)
        radius = float(np.quantile(far, share))
        if optimum is None:
            tried.append((0.0, anchor, weight, radius))
            break
        place = float((far < _distances(space, optimum, anchor, weight)[0]).mean())  # of the optimum among all
        miss = max(place - 0.8 * share, 0.0) if optimum_in else max(share + 0.1 - place, 0.0)
        tried.append((miss, anchor, weight, radius))
        if not miss:
            break
    _, anchor, weight, radius = min(tried, key=lambda entry: entry[0])

    def beyond(config: Config) -> float:
        return float(_distances(space, space.encode([config]), anchor, weight)[0]) - radius

    return beyond


def _distances(space: Space, X: Any, anchor: Any, weight: Any) -> Any:
    """(n,) weighted city-block distances from `anchor`: labels count 0 or 1, what is inactive counts ½."""
    labels = np.array([column.kind == "choice" for column in space.columns])
    apart = np.where(labels, np.not_equal(X, anchor).astype(float), np.abs(X - anchor))
    return np.where(np.isnan(X), 0.5, apart) @ (weight / weight.sum())


WRAPPERS: Mapping[str, Callable[[Task, str, str | None], Task]] = {
    "noise": _noisy,
    "constrained": _constrained,
    "crash": _crashing,
}
EXAMPLES = ("noise=0.1", "constrained", "crash")
