"""The `defined` event: what a study is, in JSON; and which parts of it may change later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.errors import SpaceError, StudyMismatch, Unsupported
from trimtab.log import FORMAT, JSON
from trimtab.protocol import Scheduler, Searcher
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.space import Expression, Space

Names = str | Sequence[str]
RETRY: Mapping[str, JSON] = {"times": 2, "on": ["lost"]}


def metrics_of(
    minimize: Names | None, maximize: Names | None, constraints: Sequence[str], hidden: Sequence[str]
) -> dict[str, JSON]:
    """{name: {"role": objective | constraint | test, "goal": min | max}}, minimised objectives first."""
    metrics: dict[str, JSON] = {}
    constraints, hidden = ([names] if isinstance(names, str) else names for names in (constraints, hidden))
    for word, names in (
        ("minimize", minimize),
        ("maximize", maximize),
        ("constraints", constraints),
        ("hidden", hidden),
    ):
        if names is not None and not (
            isinstance(names, str) or (isinstance(names, Sequence) and all(isinstance(n, str) for n in names))
        ):
            raise TypeError(f"{word}={names!r}: a name, or a list of names.")
        if names in ("", []) and word.endswith("imize"):
            raise StudyMismatch(f'{word}={names!r} names no metric. Say {word}="loss", or leave it out.')
    for goal, names in (("min", minimize), ("max", maximize)):
        for name in [names] if isinstance(names, str) else names or ():
            if name in ("step", "fold", "sem"):
                raise StudyMismatch(f'A metric can\'t be called "{name}": report() uses that word itself.')
            if name in metrics:
                raise StudyMismatch(
                    f'"{name}" is named twice as an objective. Name it once, in minimize= or in maximize=.'
                )
            metrics[name] = {"role": "objective", "goal": goal}
    for text in constraints:
        if not Expression(text).is_condition:
            raise SpaceError(f'The constraint "{text}" is no condition. Say what holds when it is kept: "{text} <= 8".')
        if text in metrics:
            raise StudyMismatch(f'The constraint "{text}" is named twice.')
        metrics[text] = {"role": "constraint"}
    for name in hidden:
        if name in metrics:
            raise StudyMismatch(f'"{name}" is an objective, so it can\'t be a test metric: searchers would see it.')
        metrics[name] = {"role": "test"}
    return metrics


def definition(
    *, space: Space, metrics: Mapping[str, JSON], seed: int, searcher: Searcher, scheduler: Scheduler,
    duplicates: str, value: str, retry: Mapping[str, JSON], stop: Sequence[Mapping[str, JSON]], open: bool,
    why: str = "",
) -> dict[str, JSON]:  # fmt: skip
    body: dict[str, JSON] = {
        "schema": FORMAT,
        "space": space.to_json(),
        "metrics": dict(metrics),
        "seed": seed,
        "searcher": SEARCHERS.to_json(searcher),
        "scheduler": SCHEDULERS.to_json(scheduler),
        "duplicates": duplicates,
        "value": value,
        "retry": dict(retry),
        "stop": [dict(rule) for rule in stop],
    }
    if open:
        body["open"] = True
    if why:
        body["why"] = why
    return body


def check_unchanged(
    name: str, where: str, old: Mapping[str, JSON], metrics: Mapping[str, JSON] | None, seed: int | None
) -> None:
    """Objectives, their goals and the seed belong to a study for ever."""
    if metrics is not None:
        mine, theirs = _goals(metrics), _goals(old["metrics"])
        if mine != theirs:
            raise StudyMismatch(
                f'"{name}" in {where} {_says(theirs)}; this call says {_says(mine, call=True)}. '
                f'Objectives can\'t change in a study. Use another name, or if_exists="new" to begin a new one.'
            )
        limits = [n for n, m in metrics.items() if m["role"] == "constraint"]
        had = [n for n, m in old["metrics"].items() if m["role"] == "constraint"]
        if limits and set(limits) != set(had):
            raise StudyMismatch(
                f'"{name}" in {where} has {f"the constraints {had}" if had else "no constraints"}; this call says '
                f'{limits}. Constraints can\'t change in a study. Leave them out, or use if_exists="new".'
            )
    if seed is not None and seed != old["seed"]:
        raise StudyMismatch(
            f'"{name}" in {where} has the seed {old["seed"]}; this call says seed={seed}. Leave seed= out.'
        )


def _goals(metrics: Mapping[str, Any]) -> dict[str, str]:
    return {n: m["goal"] for n, m in metrics.items() if m.get("role") == "objective"}


def _says(goals: Mapping[str, str], call: bool = False) -> str:
    parts = []
    for goal, verb in (("min", "minimize"), ("max", "maximize")):
        names = [f'"{n}"' for n, g in goals.items() if g == goal]
        if names:
            parts.append(f"{verb}={', '.join(names)}" if call else f"{verb}s {', '.join(names)}")
    return " and ".join(parts) or "no objective"


def check_fit(space: Space, metrics: Mapping[str, Any], searcher: Searcher, scheduler: Scheduler) -> None:
    """Refuse, naming it, what a method has declared it can't take (law 2)."""
    roles = [m.get("role") for m in metrics.values()]
    wanted = set(space.traits)
    if roles.count("objective") > 1:
        wanted.add("objectives")
    if "constraint" in roles:
        wanted.add("constraints")
    for trait in sorted(wanted - searcher.takes):
        raise Unsupported(
            f"{searcher.name} can't take {_TRAIT_WORDS.get(trait, trait)}. "
            f'searcher="auto" can; `trimtab methods` lists what each takes.'
        )
    _check_metric(metrics, scheduler)
    if scheduler.needs_chooser and not searcher.chooses:
        raise Unsupported(
            f"{scheduler.name} needs a searcher that chooses which trial goes on; {searcher.name} doesn't."
        )


def _check_metric(metrics: Mapping[str, Any], scheduler: Scheduler) -> None:
    """The metric that a scheduler judges by, if it has one: not hidden, and not against the study's own direction."""
    metric = getattr(scheduler, "metric", None)
    if not isinstance(metric, str) or (metric in metrics and metrics[metric]["role"] == "objective"):
        return
    name = metric.removeprefix("-")
    told = metrics.get(name, {})
    if told.get("role") == "test":
        raise Unsupported(
            f'{scheduler.name} can\'t judge by "{name}": it is hidden, a metric of the test set. Judge by one of a '
            "validation set, or leave metric= out: the objectives."
        )
    if told.get("role") == "objective" and metric.startswith("-") and told["goal"] == "min":
        raise Unsupported(
            f'{scheduler.name}(metric="{metric}") would keep the trials of largest {name}, which the study minimizes. '
            f'Say metric="{name}".'
        )


_TRAIT_WORDS = {
    "conditional": "conditional parameters (when=, or a choice between spaces)",
    "rules": "require=/forbid= rules or bounds that depend on other parameters",
    "objectives": "several objectives",
    "constraints": "constraints",
    "subset": "Subset parameters",
    "permutation": "Permutation parameters",
    "simplex": "Simplex parameters",
}
