"""What one call of Study(…) says, and what it means for a new study and for a stored one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab._random import fresh_seed
from trimtab.errors import StudyMismatch
from trimtab.log import JSON
from trimtab.protocol import Scheduler
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.space import Space
from trimtab.study._define import RETRY, Names, check_fit, check_unchanged, definition, metrics_of
from trimtab.study._stop import Rule, rules_to_json


class Settings:
    """What one call of Study(…) says, and what it means for a new study and for a stored one."""

    def __init__(
        self, space: Space | None, minimize: Names | None, maximize: Names | None, constraints: Sequence[str],
        hidden: Sequence[str], searcher: Any, scheduler: Any, max_budget: float | None, seed: int | None,
        duplicates: str | None, value: str | None, stop: Sequence[Rule] | None, retry: Mapping[str, JSON] | None,
        note: str,
    ) -> None:  # fmt: skip
        self.space, self.seed, self.note = space, seed, note
        self.named = minimize is not None or maximize is not None or bool(constraints) or bool(hidden)
        self.metrics = metrics_of(minimize, maximize, constraints, hidden)
        if self.named and not any(m["role"] == "objective" for m in self.metrics.values()):
            self.metrics = {**metrics_of("loss", None, (), ()), **self.metrics}
        self.searcher = None if searcher is None else SEARCHERS.make(searcher)
        self.scheduler = _scheduler(scheduler, max_budget)
        self.duplicates, self.value, self.stop, self.retry = duplicates, value, stop, retry

    def fresh(self) -> dict[str, JSON]:
        space = self.space if self.space is not None else Space({})
        metrics = self.metrics or metrics_of("loss", None, (), ())
        searcher = self.searcher or SEARCHERS.make("auto")
        scheduler = self.scheduler or SCHEDULERS.make("full")
        check_fit(space, metrics, searcher, scheduler)
        return definition(
            space=space, metrics=metrics, seed=fresh_seed() if self.seed is None else self.seed, searcher=searcher,
            scheduler=scheduler, duplicates=self.duplicates or "avoid", value=self.value or "last",
            retry=RETRY if self.retry is None else self.retry, stop=rules_to_json(self.stop or ()),
            open=self.space is None, why=self.note,
        )  # fmt: skip

    def again(self, name: str, where: str, old: Mapping[str, JSON]) -> tuple[dict[str, JSON] | None, list[str]]:
        """The changed definition (None: nothing changes) and a line for each change."""
        check_unchanged(name, where, old, self.metrics if self.named else None, self.seed)
        new, lines = dict(old), []
        new.pop("why", None)
        if self.space is not None and self.space.to_json() != old["space"]:
            lines += Space.from_json(old["space"]).diff(self.space)
            new["space"] = self.space.to_json()
            new.pop("open", None)
        if self.named and self.metrics != old["metrics"]:
            new["metrics"] = self.metrics
            lines.append("metrics changed")
        for key, method, registry in (
            ("searcher", self.searcher, SEARCHERS),
            ("scheduler", self.scheduler, SCHEDULERS),
        ):
            if method is not None and registry.to_json(method) != old[key]:
                new[key] = registry.to_json(method)
                lines.append(
                    f"{key}: {old[key]['name']} -> {method.name}"
                    if old[key]["name"] != method.name
                    else f"{key}: other settings"
                )
        for key, value in (("duplicates", self.duplicates), ("value", self.value), ("retry", self.retry)):
            if value is not None and value != old[key]:
                new[key] = value
                lines.append(f"{key}: {old[key]} -> {value}")
        if self.stop is not None and rules_to_json(self.stop) != old["stop"]:
            new["stop"] = rules_to_json(self.stop)
            lines.append("stop rules changed")
        if not lines:
            return None, []
        check_fit(
            Space.from_json(new["space"]),
            new["metrics"],
            SEARCHERS.from_json(new["searcher"]),
            SCHEDULERS.from_json(new["scheduler"]),
        )
        new["why"] = self.note or "; ".join(lines)
        return new, lines


def _scheduler(scheduler: Any, max_budget: float | None) -> Scheduler | None:
    if scheduler is None:
        return None if max_budget is None else SCHEDULERS.make("full", max=max_budget)
    if isinstance(scheduler, str) and max_budget is not None:
        return SCHEDULERS.make(scheduler, max=max_budget)  # type: ignore[no-any-return]
    if isinstance(scheduler, Mapping) and max_budget is not None:
        return SCHEDULERS.make({**scheduler, "max": max_budget})  # type: ignore[no-any-return]
    if max_budget is not None:
        raise StudyMismatch("max_budget= goes with a scheduler's name; a scheduler object has max= of its own.")
    return SCHEDULERS.make(scheduler)  # type: ignore[no-any-return]
