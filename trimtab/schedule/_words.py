"""What schedulers say and are told in words: the unit of steps ("rank 3 of 9 at epoch 3"), and what they judge by.

The unit is a label: no decision depends on it. A metric that trials are judged by is minimized, with "-" before its
name maximized; the name of an objective has the direction that the study gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.errors import Unsupported

if TYPE_CHECKING:
    from trimtab.history import History

STEPS = "steps"
ENDINGS = (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("s", ""))
RESERVED = ("step", "fold", "sem")  # words of report() itself


def check_labels(method: str, budget: object, metric: object = None) -> None:
    """Refuse a unit that is no word, and a metric that can't be one."""
    if not isinstance(budget, str) or not budget.strip():
        raise Unsupported(
            f'{method}(budget={budget!r}): budget is the unit of steps, for labels, such as "epochs". '
            "How many a full run has is max."
        )
    if metric is None:
        return
    if not isinstance(metric, str) or not metric.removeprefix("-").strip():
        raise Unsupported(
            f'{method}(metric={metric!r}): a metric that trials report, such as "val/loss"; "-val/accuracy" where '
            "larger is better. Left out: the objectives."
        )
    if metric.removeprefix("-") in RESERVED:
        raise Unsupported(
            f'{method}(metric="{metric}"): report() uses that word itself. Name a metric that is reported.'
        )


def at(unit: str, step: float) -> str:
    """`epoch 3`"""
    return f"{_one(unit)} {step:g}"


def count(unit: str, n: float) -> str:
    """`9 epochs`, `1 epoch`"""
    return f"{n:g} {_one(unit) if n == 1 else unit}"


def _one(unit: str) -> str:
    """epochs -> epoch, batches -> batch. Short ones (ms) are as they are."""
    if len(unit) < 3:
        return unit
    return next((unit.removesuffix(end) + one for end, one in ENDINGS if unit.endswith(end)), unit)


def aim(history: History, metric: str | None) -> tuple[str, float] | None:
    """(name, sign) of the metric that trials are judged by, smaller sign * value is better; None: the objectives."""
    if metric is None:
        return None
    if metric in history.objectives:
        return metric, history.sign(metric)
    return (metric.removeprefix("-"), -1.0) if metric.startswith("-") else (metric, 1.0)


def named(metric: str | None) -> str:
    """What decides, in words."""
    return "value" if metric is None else metric.removeprefix("-")


def without(metric: str | None) -> str:
    """Why a trial that has come to its rung can't be told from others there."""
    return f" without {named(metric)}, which decides who goes on"


def by(metric: str | None) -> str:
    """` by val/loss`, where not the objectives decide."""
    return "" if metric is None else f" by {named(metric)}"
