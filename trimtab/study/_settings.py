"""What one call of Study(…) says, and what it means for a new study and for a stored one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from numbers import Integral
from typing import Any

from trimtab._random import fresh_seed
from trimtab.errors import StudyMismatch
from trimtab.log import JSON
from trimtab.protocol import Scheduler
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.space import Space
from trimtab.study._define import RETRY, Names, check_fit, check_unchanged, definition, metrics_of
from trimtab.study._stop import Rule, rules_of, rules_to_json


class Settings:
    """What one call of Study(…) says, and what it means for a new study and for a stored one."""

    def __init__(
        self, space: Space | None, minimize: Names | None, maximize: Names | None, constraints: Sequence[str],
        hidden: Sequence[str], searcher: Any, scheduler: Any, max_budget: float | None, seed: int | None,
        duplicates: str | None, value: str | None, stop: Sequence[Rule] | Mapping[str, Any] | None,
        retry: Mapping[str, JSON] | None, note: str,
    ) -> None:  # fmt: skip
        self.space, self.note = space, note
        self.named = minimize is not None or maximize is not None or bool(constraints) or bool(hidden)
        self.metrics = metrics_of(minimize, maximize, constraints, hidden)
        if self.named and not any(m["role"] == "objective" for m in self.metrics.values()):
            self.metrics = {**metrics_of("loss", None, (), ()), **self.metrics}
        self.searcher = None if searcher is None else SEARCHERS.make(searcher)
        self.scheduler, self.max_budget = _scheduler(scheduler, max_budget), max_budget
        self.longer = scheduler is None and max_budget is not None  # of a stored study: its own scheduler, and further
        self.stop = None if stop is None else rules_of(stop)
        _check_words(seed, retry)
        self.seed = None if seed is None else int(seed)
        self.duplicates, self.value = duplicates, value
        self.retry = retry if retry is None or "times" not in retry else {**retry, "times": int(retry["times"])}

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
        new = dict(old)
        new.pop("why", None)
        if self.space is not None and self.space.to_json() != old["space"]:
            new["space"] = self.space.to_json()
            new.pop("open", None)
        tests = [n for n, m in self.metrics.items() if m["role"] == "test"]
        if tests:
            kept = {n: m for n, m in old["metrics"].items() if m["role"] != "test"}
            new["metrics"] = kept | {n: self.metrics[n] for n in tests}
        scheduler = self._scheduler_again(name, SCHEDULERS.from_json(old["scheduler"]))
        for key, method, registry in (("searcher", self.searcher, SEARCHERS), ("scheduler", scheduler, SCHEDULERS)):
            if method is not None:
                new[key] = registry.to_json(method)
        for key, value in (("duplicates", self.duplicates), ("value", self.value), ("retry", self.retry)):
            if value is not None:
                new[key] = value
        if self.stop is not None:
            new["stop"] = rules_to_json(self.stop)
        lines = changes(old, new)
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

    def _scheduler_again(self, name: str, old: Scheduler) -> Scheduler | None:
        """What this call makes of a stored study's scheduler. Its budget can only rise."""
        new, had = self.scheduler, getattr(old, "max", None)
        if self.longer and hasattr(old, "max"):
            new = SCHEDULERS.from_json(
                (told := SCHEDULERS.to_json(old)) | {"settings": told["settings"] | {"max": self.max_budget}}
            )
        most = getattr(new, "max", None)
        if had is not None and most is not None and most < had:
            raise StudyMismatch(
                f'"{name}" has max_budget {had:g}; this call says {most:g}. It can only rise, because trials have run '
                "that far. Use another name, or leave it out."
            )
        return new


def changes(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> list[str]:
    """What another definition changes, a line each: one a parameter, one a setting."""
    lines = []
    if new["space"] != old["space"]:
        lines += Space.from_json(old["space"]).diff(Space.from_json(new["space"]))
    tests, had = ([n for n, m in d["metrics"].items() if m["role"] == "test"] for d in (new, old))
    if tests != had:
        lines.append(f"hidden: {', '.join(tests)}")
    for key in ("searcher", "scheduler"):
        if new[key] != old[key]:
            name, before = new[key]["name"], old[key]["name"]
            lines.append(f"{key}: {_method(old[key])} → {_method(new[key])}" if name == before else
                         f"{key}: {before} → {name}")  # fmt: skip
    for key in ("duplicates", "value", "retry"):
        if new[key] != old[key]:
            lines.append(f"{key}: {old[key]} → {new[key]}")
    gone = [rule for rule in old["stop"] if rule not in new["stop"]]
    come = [rule for rule in new["stop"] if rule not in old["stop"]]
    if gone or come:
        lines.append(f"stop: {_rules(gone)} → {_rules(come)}")
    return lines


def _method(told: Mapping[str, JSON]) -> str:
    settings = ", ".join(f"{k}={v!r}" for k, v in told.get("settings", {}).items())
    return f"{told['name']}({settings})"


def _rules(rows: Sequence[Mapping[str, JSON]]) -> str:
    """`target 0.05, patience 60`, as [stop] of a study file would say it."""
    return ", ".join(f"{r['rule']} {next((v for k, v in r.items() if k != 'rule'), '')}" for r in rows) or "none"


def _check_words(seed: Any, retry: Any) -> None:
    """Refuse what could only fail later, in the middle of a run."""
    if seed is not None and (not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0):
        raise ValueError(f"seed={seed!r}: a whole number, at least 0; left out, one is drawn and stored.")
    if retry is None:
        return
    if not isinstance(retry, Mapping) or not set(retry) <= {"times", "on"}:
        raise TypeError(f'retry={retry!r}: it says {{"times": 2, "on": ["lost", "crash", "OutOfMemory"]}}.')
    times, on = retry.get("times", 0), retry.get("on", ())
    if not isinstance(times, Integral) or isinstance(times, bool) or times < 0 or isinstance(on, str):
        raise TypeError(
            f'retry={retry!r}: times is a whole number, on a list of words: {{"times": 2, "on": ["lost"]}}.'
        )


def _scheduler(scheduler: Any, max_budget: float | None) -> Scheduler | None:
    if scheduler is None:
        return None if max_budget is None else SCHEDULERS.make("full", max=max_budget)
    if isinstance(scheduler, str) and max_budget is not None:
        return SCHEDULERS.make(scheduler, max=max_budget)  # type: ignore[no-any-return]
    if isinstance(scheduler, Mapping) and max_budget is not None:
        return SCHEDULERS.make({**scheduler, "max": max_budget})  # type: ignore[no-any-return]
    if isinstance(scheduler, str) and any(f.name == "max" and f.default is MISSING for f in _fields(scheduler)):
        raise TypeError(f'scheduler="{scheduler}" needs max_budget=, the steps of a full run.')
    if max_budget is not None:
        raise StudyMismatch("max_budget= goes with a scheduler's name; a scheduler object has max= of its own.")
    return SCHEDULERS.make(scheduler)  # type: ignore[no-any-return]


def _fields(scheduler: str) -> tuple[Field[Any], ...]:
    cls = SCHEDULERS.load(scheduler)
    return fields(cls) if is_dataclass(cls) else ()
