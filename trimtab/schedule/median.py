"""The median stopping rule.

Idea    Stop a trial whose best value so far is worse than the median of the running means that the other trials had
        at the same step. No rungs, no model; wraps any searcher. With several objectives: worse in every one of them,
        so that a trial which may lie on the front goes on.
Source  Golovin et al., Google Vizier, KDD 2017, section 3.2.2.
Differs irregular steps: a trial's running mean at step s is the one of its nearest report at or before s.
Cost    O(trials) a judgement and objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from trimtab.errors import Unsupported
from trimtab.protocol import Ask, Done, Need, Searcher, Start, Verdict, Wait
from trimtab.schedule._words import STEPS, aim, at, check_labels
from trimtab.schedule.full import start_new

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.log import Event


class _Means:
    """Running means of every trial, by step."""

    def __init__(self, objective: str, sign: float) -> None:
        self.objective, self.sign = objective, sign
        self.steps: dict[int, list[float]] = {}
        self.means: dict[int, list[float]] = {}
        self.best: dict[int, float] = {}
        self.at: dict[float, dict[int, float]] = {}  # step -> trial -> running mean there

    def step(self, event: Event, history: History) -> _Means:
        if event.kind == "reported" and self.objective in event.body["metrics"]:
            assert event.trial is not None
            for step, value in zip(event.body["step"], event.body["metrics"][self.objective], strict=True):
                if value is not None:
                    self._add(event.trial, float(step), self.sign * float(value))
        return self

    def _add(self, trial: int, step: float, value: float) -> None:
        steps, means = self.steps.setdefault(trial, []), self.means.setdefault(trial, [])
        if steps and step <= steps[-1]:
            return  # repeated after a restart: the first value counts, as methods saw it then
        before = steps[-1] if steps else -inf
        k = len(steps)
        mean = value if k == 0 else means[-1] + (value - means[-1]) / (k + 1)
        self.best[trial] = min(value, self.best.get(trial, inf))
        if step not in self.at:  # a step nobody has reported at: those already past it are entered now
            self.at[step] = {}
            for other, theirs in self.steps.items():
                if theirs and theirs[-1] > step:
                    i = int(np.searchsorted(theirs, step, side="right")) - 1
                    if i >= 0:
                        self.at[step][other] = self.means[other][i]
        if k:
            for s, there in self.at.items():  # steps jumped over keep the mean of before
                if before < s < step:
                    there[trial] = means[-1]
        steps.append(step)
        means.append(mean)
        self.at[step][trial] = mean


@dataclass(frozen=True, slots=True)
class Median:
    """Stops a trial whose best value is worse than the median of the others' running means at the same step.

    With several objectives: worse in each of them.

    max         steps of a full run, None: as many as the objective likes
    grace       no trial is stopped before this step; None: the larger of 1 and 5 % of max
    min_trials  no trial is stopped before so many others have reached its step
    share       the share of trials that may go on: 0.5 is the median
    every       judge only every so many steps
    budget      the unit of steps, such as "epochs": for labels
    metric      judge by this reported metric, smaller is better ("-val/accuracy": larger), or as the study says of an
                objective; None: the objectives
    """

    max: float | None = None
    grace: float | None = None
    min_trials: int = 5
    share: float = 0.5
    every: float = 1
    budget: str = STEPS
    metric: str | None = None

    name: ClassVar[str] = "median"
    revision: ClassVar[int] = 2
    resource: ClassVar[str] = "step"
    listens: ClassVar[Literal["milestones", "all"]] = "milestones"
    needs_chooser: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise Unsupported(f"Median(share={self.share}): a share between 0 and 1; 0.5 is the median.")
        if self.every <= 0:
            raise Unsupported(f"Median(every={self.every}): a number of steps above 0.")
        check_labels("Median", self.budget, self.metric)

    @property
    def levels(self) -> tuple[float, ...]:
        return ()

    @property
    def first(self) -> float:
        if self.grace is not None:
            return self.grace
        return 1.0 if self.max is None else max(1.0, 0.05 * self.max)

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        return start_new(history, searcher, ask, until=self.first, budget=self.max)

    def judge(self, history: History, trial: int) -> Verdict:
        verdict = Verdict("on", self.first)
        why: list[str] = []
        judged_by = aim(history, self.metric)
        goals = [judged_by] if judged_by is not None else [(name, history.sign(name)) for name in history.objectives]
        for goal in goals:  # one that it isn't worse in is enough to go on
            verdict = self._judge(history, trial, *goal)
            if verdict.go == "on":
                return verdict
            why.append(verdict.why)
        return Verdict("stop", why="; ".join(why)) if why else verdict

    def _judge(self, history: History, trial: int, objective: str, sign: float) -> Verdict:
        """The verdict on one objective."""
        means = history.fold(("running means", objective, sign), lambda: _Means(objective, sign), _Means.step)
        steps = means.steps.get(trial)
        if not steps:
            return Verdict("on", self._after(history, trial))
        now = steps[-1]
        on = Verdict("on", now + self.every)
        if now < self.first or (self.max is not None and now >= self.max):
            return on
        others = [mean for other, mean in means.at[now].items() if other != trial]
        if len(others) < self.min_trials:
            return on
        cut = float(np.quantile(others, self.share))
        best = means.best[trial]
        if best > cut:
            name = "median" if self.share == 0.5 else f"{self.share:g} quantile"
            return Verdict(
                "stop",
                why=f"best {objective} {sign * best:.6g} at {at(self.budget, now)} is worse than the {name} "
                f"{sign * cut:.6g} of {len(others)} other trials",
            )
        return on

    def _after(self, history: History, trial: int) -> float:
        """The next milestone of a trial that has not reported this objective: judged again a little later."""
        curve = history.reports(trial)
        return max(self.first, float(curve.step.max()) + self.every) if len(curve) else self.first
