"""Optuna's trials: the one an objective receives, and the frozen one that a study shows."""

from __future__ import annotations

import enum
import math
import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from trimtab.integrations.optuna._domains import Dist
from trimtab.integrations.optuna_api._words import not_here
from trimtab.integrations.optuna_api.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

if TYPE_CHECKING:
    from trimtab.integrations.optuna_api._study import Study


class TrialState(enum.IntEnum):
    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    __str__ = enum.Enum.__str__

    def is_finished(self) -> bool:
        return self not in (TrialState.RUNNING, TrialState.WAITING)


@dataclass
class FrozenTrial:
    """A trial as it is now. Steps are Optuna's, from 0."""

    number: int
    state: TrialState
    values: list[float] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate_values: dict[int, float] = field(default_factory=dict)
    datetime_start: datetime | None = None
    datetime_complete: datetime | None = None

    @property
    def value(self) -> float | None:
        if self.values is not None and len(self.values) > 1:
            raise RuntimeError("This trial has several values: trial.values.")
        return None if self.values is None else self.values[0]

    @property
    def last_step(self) -> int | None:
        return max(self.intermediate_values, default=None)

    @property
    def duration(self) -> timedelta | None:
        if self.datetime_start is None or self.datetime_complete is None:
            return None
        return self.datetime_complete - self.datetime_start

    @property
    def _trial_id(self) -> int:
        return self.number

    def copy(self) -> FrozenTrial:
        """Another one, which may be changed."""
        own = ("values", "params", "distributions", "user_attrs", "system_attrs", "intermediate_values")
        return replace(self, **{name: copy(getattr(self, name)) for name in own})


def create_trial(
    *, state: TrialState = TrialState.COMPLETE, value: float | None = None, values: Sequence[float] | None = None,
    params: Mapping[str, Any] | None = None, distributions: Mapping[str, BaseDistribution] | None = None,
    user_attrs: Mapping[str, Any] | None = None, system_attrs: Mapping[str, Any] | None = None,
    intermediate_values: Mapping[int, float] | None = None,
) -> FrozenTrial:  # fmt: skip
    """A trial for study.add_trial()."""
    if value is not None and values is not None:
        raise ValueError("create_trial(): give value or values, not both.")
    if set(params or {}) != set(distributions or {}):
        raise ValueError(f"create_trial(): params {sorted(params or {})}, distributions {sorted(distributions or {})}.")
    told = [value] if value is not None else None if values is None else list(values)
    if state is TrialState.COMPLETE and (told is None or any(v != v for v in told)):
        raise ValueError(f"create_trial(): a complete trial needs a value, not {told}.")
    return FrozenTrial(
        -1, state, told, dict(params or {}), dict(distributions or {}), dict(user_attrs or {}),
        dict(system_attrs or {}), dict(intermediate_values or {}), datetime.now(),
        datetime.now() if state.is_finished() else None,
    )  # fmt: skip


class BaseTrial:
    """What a running trial and a fixed one share: the ways to ask for a value."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        value: float = self._suggest(name, FloatDistribution(low, high, log, step))
        return value

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        value: int = self._suggest(name, IntDistribution(low, high, log, step))
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._suggest(name, CategoricalDistribution(choices))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        return self.suggest_float(name, low, high, step=q)

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        raise NotImplementedError

    def set_constraint(self, key: str, value: float) -> None:
        raise not_here("trial.set_constraint")


class Trial(BaseTrial):
    """What an objective receives: trimtab's trial under Optuna's words."""

    def __init__(self, study: Study, trial: Any, attrs: Mapping[str, Any] | None = None) -> None:
        self.study, self.number = study, int(trial.number)
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.user_attrs: dict[str, Any] = dict(attrs or {})
        self.system_attrs: dict[str, Any] = {}
        self.datetime_start = datetime.now()
        self._trial = trial
        self._reports: dict[int, float] = {}
        self._rule: str | None = None  # why the façade's own rule says to prune

    def __repr__(self) -> str:
        return f"Trial({self.number}, {self.params})"

    @property
    def relative_params(self) -> dict[str, Any]:
        return dict(self._trial.config)

    @property
    def _trial_id(self) -> int:
        return self.number

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name in self.params:
            if self.distributions[name] != distribution:
                warnings.warn(
                    f"{name!r} was asked for as {self.distributions[name]} before; its first value counts.",
                    RuntimeWarning, stacklevel=3,
                )  # fmt: skip
            return self.params[name]
        value = self.study._value(self._trial, name, Dist.of(distribution))
        self.params[name], self.distributions[name] = value, distribution
        return value

    def report(self, value: float, step: int) -> None:
        """Optuna's step 0 is trimtab's 1: the count of finished steps."""
        study = self.study
        if len(study.directions) > 1:
            raise NotImplementedError("trial.report() takes one number. With several objectives: tt's trial.report().")
        try:
            value, at = float(value), int(step)
        except (TypeError, ValueError):
            raise TypeError(f"trial.report({value!r}, {step!r}): a number, and a whole number of steps.") from None
        if at < 0:
            raise ValueError(f"trial.report(…, {step}): steps begin at 0.")
        if at in self._reports:
            warnings.warn(f"Step {at} of trial {self.number} was reported before; the first counts.", stacklevel=2)
            return
        late = any(at < other for other in self._reports)
        self._reports[at] = value
        if math.isfinite(value) and not late:  # trimtab's steps go forward, and its values are finite
            self._trial.report({study._metrics[0]: value}, step=at + 1)

    def should_prune(self) -> bool:
        """Also true when the study is asked to pause: end as if pruned, and the trial goes on next time."""
        if self._trial.should_stop():
            return True
        if not self._reports or self.study.pruner_says_nothing:
            return False
        if not math.isfinite(self._reports[max(self._reports)]):
            self._rule = "what it reported is no finite number"
        elif self.study._rule is not None and self.study._rule.prune(self.study, self._now()):
            self._rule = f"{type(self.study._rule).__name__} says so"
        return self._rule is not None

    def _now(self) -> FrozenTrial:
        return FrozenTrial(
            self.number, TrialState.RUNNING, None, dict(self.params), dict(self.distributions), dict(self.user_attrs),
            {}, dict(self._reports), self.datetime_start,
        )  # fmt: skip

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value
        self.study._note(self._trial, {str(key): value})

    def set_system_attr(self, key: str, value: Any) -> None:
        self.system_attrs[key] = value


class FixedTrial(BaseTrial):
    """For trying an objective with given values; nothing is stored."""

    def __init__(self, params: Mapping[str, Any], number: int = 0) -> None:
        self.number, self._given = number, dict(params)
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.datetime_start = datetime.now()

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._given:
            raise ValueError(f"FixedTrial has no value for {name!r}. It has: {', '.join(self._given) or 'none'}.")
        self.params[name], self.distributions[name] = self._given[name], distribution
        return self._given[name]

    def report(self, value: float, step: int) -> None:
        float(value)

    def should_prune(self) -> bool:
        return False

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value

    def set_system_attr(self, key: str, value: Any) -> None:
        self.system_attrs[key] = value
