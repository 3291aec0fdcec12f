"""An Optuna study as a History: what a searcher may know of it, brought up to date before every proposal.

Idea    One row a trial, begun in the order of their numbers and ended in the order they ended. Only what is new is
        added, so a searcher's folds cost what they cost in a study of trimtab's own. The space is the hull of all
        distributions seen so far; another one begins a new era, as when a trimtab study defines itself by run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from trimtab.history import History
from trimtab.integrations.optuna._domains import Dist
from trimtab.log import JSON, Event
from trimtab.space import Choice, Space
from trimtab.study._conditions import Conditions

GOOD = ("COMPLETE", "PRUNED")


class Seen:
    """The history of one study (or of one bracket of it, where a pruner shows samplers a part only)."""

    def __init__(self, directions: Sequence[str], seed: int) -> None:
        goals = {"value" if len(directions) == 1 else f"value_{i}": goal for i, goal in enumerate(directions)}
        self.goals: dict[str, str] = goals
        self.seed = seed
        self.hulls: dict[str, Dist] = {}
        self.conditions = Conditions()
        self.rows: dict[int, int] = {}  # trial number -> row of the history
        self.open: dict[int, int] = {}  # trial number -> how many parameters its row knows; not ended yet
        self._attempts: dict[int, int] = {}  # of trials that were not known whole when they were first seen
        self.limits: tuple[str, ...] = ()
        self.history: History | None = None
        self._domains: dict[str, Any] = {}

    def belongs(self, numbers: set[int]) -> bool:
        """Whether these trials may be the ones that this history is of."""
        return self.rows.keys() <= numbers

    def update(self, trials: Sequence[Any], now: int) -> None:
        """Take in what is new of the trials with a number below `now`, and of those known before."""
        begun = [t for t in trials if t.state.name != "WAITING"]
        new = [t for t in begun if t.number < now and t.number not in self.rows]
        ended = [t for t in trials if t.number in self.open and t.state.is_finished()]
        ended += [t for t in new if t.state.is_finished()]
        for trial in (*new, *ended):
            for name, distribution in trial.distributions.items():
                self._widen(name, Dist.of(distribution))
        choices, numbers = ({n for n, d in self.hulls.items() if d.kind == kind} for kind in ("choice", "int"))
        for trial in ended:
            if trial.state.name in GOOD:  # a failed one may have failed before it asked for everything
                self.conditions.add(self.config_of(trial, single=True), choices, numbers)
        limits = dict.fromkeys((*self.limits, *(name for t in ended for name in constraints_of(t))))
        if self.history is None or len(limits) > len(self.limits):
            self._begin(tuple(limits), [t for t in begun if t.number < now or t.number in self.rows])
            return
        self._define()
        running = [t for t in trials if t.number in self.open and not t.state.is_finished()]
        self.history.extend([*self._started(new), *self._learned(running), *self._ended(ended)])

    def _begin(self, limits: tuple[str, ...], trials: Sequence[Any]) -> None:
        """Everything from the beginning: constraints are named once, when a history is made."""
        self.limits, self.rows, self.open, self._attempts = limits, {}, {}, {}
        self._domains = {}
        self.history = History.empty(Space({}), self.goals, [f"{_rule(i)} <= 0" for i in range(len(limits))], self.seed)
        self._define()
        self.history.extend([*self._started(trials), *self._ended([t for t in trials if t.state.is_finished()])])

    def _widen(self, name: str, dist: Dist) -> None:
        old = self.hulls.get(name)
        self.hulls[name] = dist if old is None else old.hull(dist) or dist

    def space_of(self) -> dict[str, Dist]:
        """What varies and can be modelled: more than one value, and a condition that is known if it needs one."""
        found = self.conditions.found()
        return {n: d for n, d in self.hulls.items() if not d.single and found.get(n, "") is not None}

    def domains(self) -> dict[str, Any]:
        found = self.conditions.found()
        return {n: replace(domain_of(d), when=found.get(n) or None) for n, d in self.space_of().items()}

    def _define(self) -> None:
        domains = self.domains()
        if domains != self._domains and self.history is not None:
            self._domains = domains
            body = {**self.history.definitions[-1], "space": Space(domains).to_json()}
            self.history.extend([Event("defined", body)])

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, number: int, config: Mapping[str, JSON]) -> None:
        """The trial that a proposal was just made for: from now on it is one that runs with it."""
        if self.history is not None and number not in self.rows:
            self.history.extend([self._start(number, config)])
            self.open[number] = 0

    def _start(self, number: int, config: Mapping[str, JSON]) -> Event:
        row = self.rows[number] = len(self.rows)
        return Event("started", {"cause": "new", "config": dict(config), "seen": 0}, row, 1)

    def _started(self, trials: Sequence[Any]) -> Iterator[Event]:
        for trial in trials:
            if not trial.state.is_finished():
                self.open[trial.number] = len(trial.params)
            yield self._start(trial.number, self.config_of(trial))

    def _learned(self, trials: Sequence[Any]) -> Iterator[Event]:
        """Trials of other processes that have asked for more since."""
        for trial in trials:
            if len(trial.params) > self.open[trial.number] and len(trial.params):
                self.open[trial.number] = len(trial.params)
                asked = {name: [value, None] for name, value in self.config_of(trial).items()}
                if asked and self._differs(trial.number, asked):  # as if it had been interrupted and gone on
                    row, attempt = self.rows[trial.number], self._attempts.get(trial.number, 1)
                    yield Event("ended", {"state": "cancelled", "asked": asked}, row, attempt)
                    yield Event("started", {"cause": "retry", "seen": 0}, row, attempt + 1)
                    self._attempts[trial.number] = attempt + 1

    def _differs(self, number: int, asked: Mapping[str, Any]) -> bool:
        assert self.history is not None
        known = self.history.config(self.rows[number])
        return any(name not in known or known[name] != value for name, (value, _) in asked.items())

    def _ended(self, trials: Sequence[Any]) -> Iterator[Event]:
        for trial in sorted(trials, key=lambda t: (t.datetime_complete is None, t.datetime_complete, t.number)):
            self.open.pop(trial.number, None)
            row, attempt = self.rows[trial.number], self._attempts.pop(trial.number, 1)
            yield from self._reports(trial, row, attempt)
            yield Event("ended", self._end(trial), row, attempt)

    def _reports(self, trial: Any, row: int, attempt: int) -> Iterator[Event]:
        curve = [(step + 1, v) for step, v in sorted(trial.intermediate_values.items()) if isfinite(v)]
        if curve and len(self.goals) == 1:
            metrics = {name: [v for _, v in curve] for name in self.goals}
            yield Event("reported", {"step": [s for s, _ in curve], "metrics": metrics}, row, attempt)

    def _end(self, trial: Any) -> dict[str, JSON]:
        """Steps are counts here, so Optuna's first step, 0, is 1."""
        asked = {name: [value, None] for name, value in self.config_of(trial).items()}
        body: dict[str, JSON] = {"asked": asked} if asked else {}
        values = trial.values if trial.state.name in GOOD else None
        if trial.state.name == "COMPLETE" and not (values and all(map(isfinite, values))):
            return {**body, "state": "failed", "error": {"kind": "NonFinite", "text": f"{values}"}}
        if trial.state.name not in GOOD:
            return {**body, "state": "failed", "error": {"kind": "Failed", "text": "it failed"}}
        body["state"] = "finished" if trial.state.name == "COMPLETE" else "stopped"
        if values and all(map(isfinite, values)):
            body["values"] = dict(zip(self.goals, map(float, values), strict=True))
        if trial.intermediate_values:
            body["step"] = max(trial.intermediate_values) + 1
        if self.limits:
            told = constraints_of(trial)
            body["constraints"] = {
                f"{_rule(i)} <= 0": float(told[name]) for i, name in enumerate(self.limits) if name in told
            }
        return body

    def config_of(self, trial: Any, single: bool = False) -> dict[str, JSON]:
        """The parameters as the history keeps them: a choice by its place in the list."""
        out: dict[str, JSON] = {}
        for name, value in trial.params.items():
            dist = self.hulls.get(name)
            if dist is not None and (single or not dist.single):
                internal = trial.distributions[name].to_internal_repr(value)
                out[name] = int(internal) if dist.kind != "float" else float(internal)
        return out


def domain_of(dist: Dist) -> Any:
    """As Dist.domain, but choices by their places: they may be any object at all."""
    return Choice(list(range(len(dist.choices)))) if dist.kind == "choice" else dist.domain()


def constraints_of(trial: Any) -> dict[str, float]:
    """{name: value} of a trial, feasible at or below 0, as any version of Optuna stores them."""
    found = {str(i): value for i, value in enumerate(trial.system_attrs.get("constraints") or ())}
    prefix = "constraints:"
    return found | {k[len(prefix) :]: v for k, v in trial.system_attrs.items() if k.startswith(prefix)}


def _rule(i: int) -> str:
    return f"limit_{i}"
