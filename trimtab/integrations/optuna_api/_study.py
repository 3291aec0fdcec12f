"""Optuna's Study over a study of trimtab's: define by run, stored, resumable."""

from __future__ import annotations

import enum
import gc
import logging
import os
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trimtab as tt
from trimtab.errors import NoResult
from trimtab.integrations.optuna._domains import Dist
from trimtab.integrations.optuna._events import Words, trial_events
from trimtab.integrations.optuna._stored import StoredTrial
from trimtab.integrations.optuna_api import _frozen
from trimtab.integrations.optuna_api import logging as _verbosity
from trimtab.integrations.optuna_api._run import Ending, Here, Over, Threads, ending
from trimtab.integrations.optuna_api._words import not_here
from trimtab.integrations.optuna_api.distributions import BaseDistribution
from trimtab.integrations.optuna_api.pruners import rule_of
from trimtab.integrations.optuna_api.samplers import GridSampler
from trimtab.integrations.optuna_api.trial import FrozenTrial, Trial, TrialState
from trimtab.log import Event
from trimtab.run._values import plain
from trimtab.study import _mend
from trimtab.study._asked import Asked
from trimtab.study._ends import cut_short
from trimtab.study._grow import grow
from trimtab.study._stop import best_number

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
ENDLESS = 2**53  # trials of a call that says no number


class StudyDirection(enum.IntEnum):
    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2

    __str__ = enum.Enum.__str__


class Study:
    """What create_study() and load_study() return. `study` is trimtab's own, for everything that is not here."""

    def __init__(self, study: tt.Study, sampler: Any = None, pruner: Any = None) -> None:
        self.study, self.sampler, self.pruner = study, sampler, pruner
        self._rule = rule_of(pruner)
        self._metrics = _frozen.in_order(study._log.ledger.objectives)
        self._objects: dict[str, dict[str, Any]] = {}  # parameter -> label -> what it stands for
        self._frozen = _frozen.Kept(self)
        self._loop: Ending | None = None

    def __repr__(self) -> str:
        return f"Study({self.study!r})"

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def study_name(self) -> str:
        return self.study.name

    @property
    def directions(self) -> list[StudyDirection]:
        goals = self.study.objectives
        return [StudyDirection.MINIMIZE if goals[m] == "min" else StudyDirection.MAXIMIZE for m in self._metrics]

    @property
    def direction(self) -> StudyDirection:
        self._single()
        return self.directions[0]

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.get_trials()

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        found = [t for t in self._frozen.all() if states is None or t.state in states]
        return [t.copy() for t in found] if deepcopy else found

    @property
    def best_trial(self) -> FrozenTrial:
        self._single()
        number = best_number(self.study.history)
        trial = None if number is None else self._frozen.one(number)
        if trial is None or trial.state is not TrialState.COMPLETE:
            raise ValueError("No trials are completed yet.")
        return trial

    @property
    def best_params(self) -> dict[str, Any]:
        return self.best_trial.params

    @property
    def best_value(self) -> float:
        value = self.best_trial.value
        assert value is not None
        return value

    @property
    def best_trials(self) -> list[FrozenTrial]:
        found = (self._frozen.one(t.number) for t in self.study.front if t.state == "finished")
        return list(found)

    @property
    def user_attrs(self) -> dict[str, Any]:
        return dict(self.study.attributes())

    @property
    def system_attrs(self) -> dict[str, Any]:
        return {}

    @property
    def metric_names(self) -> list[str] | None:
        return None if self._metrics == _frozen.names_of(len(self._metrics)) else list(self._metrics)

    @property
    def pruner_says_nothing(self) -> bool:
        """Whether nothing prunes at all, not even what is no number."""
        return self._rule is None and self.study.scheduler.name == "full"

    def trials_dataframe(self, attrs: tuple[str, ...] = _frozen.COLUMNS, multi_index: bool = False) -> pd.DataFrame:
        if multi_index:
            raise not_here("trials_dataframe(multi_index=True)", "Split its column names at the first underscore.")
        return _frozen.frame(self.trials, attrs, self.metric_names)

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    def optimize(
        self, func: Callable[[Trial], float | Sequence[float]], n_trials: int | None = None,
        timeout: float | None = None, n_jobs: int = 1, catch: Any = (),
        callbacks: Iterable[Callable[[Study, FrozenTrial], None]] | None = None, gc_after_trial: bool = False,
        show_progress_bar: bool = False,
    ) -> None:  # fmt: skip
        """n_trials more trials. Ctrl-C ends them at their next step; they go on with the next call."""
        if self._loop is not None:
            raise RuntimeError("optimize() inside of optimize() is not possible.")
        if n_trials is not None and n_trials <= 0:
            return
        called = list(callbacks or ())
        self._loop = ending(timeout, lambda number: self._after(number, called, gc_after_trial))
        try:
            left = self._grid_left()
            if left == 0:
                log.warning("%s: every point of the grid has been tried.", self.study_name)
                return
            more = min(ENDLESS if n_trials is None else n_trials, ENDLESS if left is None else left)
            self._run(
                func, more, os.cpu_count() or 1 if n_jobs == -1 else n_jobs, tuple(_listed(catch)), show_progress_bar
            )
            self._loop.more()  # callbacks of the last trials
        finally:
            self._loop = None

    def _run(self, func: Any, more: int, n_jobs: int, catch: tuple[Any, ...], bar: bool) -> None:
        loop = self._loop
        assert loop is not None
        body = self._objective(func, catch, loop)
        folder = self.study._home()
        runner = Here(body, loop, folder) if n_jobs == 1 else Threads(body, loop, folder, n_jobs)
        display = True if bar else False if _verbosity.quiet() else None
        try:
            self.study.optimize(body, more=more, runner=runner, display=display)
        except Over:
            self.study.ended = "stopped by the script"
        if self.study.ended == "paused":
            raise KeyboardInterrupt
        if loop.why is not None and not isinstance(loop.why, Over):
            raise loop.why

    def _objective(self, func: Any, catch: tuple[Any, ...], loop: Ending) -> Callable[[Any], Any]:
        """The script's objective as trimtab calls one."""

        def objective(trial: Any) -> Any:
            mine = Trial(self, trial, self._frozen.attributes(trial.number))
            try:
                returned = func(mine)
            except BaseException as error:
                if type(error).__name__ == "TrialPruned":  # also of Optuna's own integrations
                    if not trial.should_stop():
                        loop.pruned[trial.number] = mine._rule or str(error) or "the objective ended it"
                    return None
                if not isinstance(error, (*catch, KeyboardInterrupt)) and loop.why is None:
                    loop.why = error
                raise
            return self._named(returned)

        return objective

    def _named(self, returned: Any) -> Any:
        """What an objective returned, by metric."""
        values = list(returned) if isinstance(returned, (list, tuple)) else [returned]
        if len(values) != len(self._metrics):
            raise TypeError(
                f"the objective returned {len(values)} values; the study has {len(self._metrics)} directions"
            )
        if len(values) == 1:
            return float(values[0]) if isinstance(values[0], bool) else values[0]
        return {name: float(v) for name, v in zip(self._metrics, values, strict=True)}

    def _after(self, number: int, callbacks: Sequence[Any], collect: bool) -> None:
        if collect:
            gc.collect()
        for f in callbacks:
            f(self, self._frozen.one(number))

    def _grid_left(self) -> int | None:
        """Points of a grid that nobody has begun; they are queued, once. None without a grid."""
        if not isinstance(self.sampler, GridSampler):
            return None
        for point in self.sampler.points():
            self.study.enqueue(point, why="a point of the grid")
        return len(self.study._log.ledger.queue)

    def stop(self) -> None:
        """End the call of optimize() that is under way, after the trials that run."""
        if self._loop is None:
            raise RuntimeError("stop() is for objectives and callbacks, while optimize() runs.")
        if self._loop.why is None:
            self._loop.why = Over()

    # ── asking and telling ───────────────────────────────────────────────────────────────────────────────────────

    def ask(self, fixed_distributions: Mapping[str, BaseDistribution] | None = None) -> Trial:
        self._grid_left()
        asked = self.study.ask()
        trial = Trial(self, asked, self._frozen.attributes(asked.number))
        for name, distribution in (fixed_distributions or {}).items():
            trial._suggest(name, distribution)
        return trial

    def tell(
        self, trial: Trial | int, values: float | Sequence[float] | None = None, state: TrialState | None = None,
        skip_if_finished: bool = False,
    ) -> FrozenTrial:  # fmt: skip
        number = trial if isinstance(trial, int) else trial.number
        try:
            had = self._frozen.one(number)
        except NoResult as error:
            raise ValueError(str(error)) from None
        if had.state.is_finished():
            if skip_if_finished:
                return had
            raise ValueError(f"Trial {number} has ended already ({had.state.name}).")
        if state in (TrialState.PRUNED, TrialState.FAIL) and values is not None:
            raise ValueError(f"tell({number}, {values}, state={state.name}): a value goes with COMPLETE only.")
        handle = number if isinstance(trial, int) else trial._trial
        if state is TrialState.PRUNED:
            self._tell_pruned(number, handle)
        elif state is TrialState.FAIL or (values is None and state is None):
            self.study.tell(handle, failed="told so" if state is TrialState.FAIL else "no value was told")
        elif state in (None, TrialState.COMPLETE):
            self._tell_values(number, handle, values, strict=state is not None)
        else:
            raise ValueError(f"tell({number}, state={state!r}): COMPLETE, PRUNED or FAIL.")
        return self._frozen.one(number)

    def _tell_values(self, number: int, handle: Any, values: Any, strict: bool) -> None:
        told = list(values) if isinstance(values, (list, tuple)) else [values]
        try:
            numbers = [float(v) for v in told]
            if len(numbers) != len(self._metrics):
                raise ValueError(f"{len(numbers)} values for {len(self._metrics)} directions")
            if any(v != v for v in numbers):
                raise ValueError(f"{numbers} holds no number")
        except (TypeError, ValueError) as error:
            if strict:
                raise ValueError(f"tell({number}, {values!r}): {error}") from None
            self.study.tell(handle, failed=f"tell({values!r}): {error}")
            return
        self.study.tell(handle, dict(zip(self._metrics, numbers, strict=True)))

    def _tell_pruned(self, number: int, handle: Any) -> None:
        """As an objective that raises TrialPruned: the last report counts."""
        store, now = self.study._log, time.time()
        with store.lock:
            store.refresh()
            row = store.ledger.rows[number]
            body = {**cut_short(store.ledger, row, "stop"), "why": "told so"}
            news = getattr(handle, "_news", None)
            if news:
                grow(store, number, news, now, self.study._me)
                body["asked"], handle._news = news, {}
            store.write(Event("ended", body, number, row.attempt, now))

    def enqueue_trial(
        self, params: Mapping[str, Any], user_attrs: Mapping[str, Any] | None = None, skip_if_exists: bool = False
    ) -> None:
        if not isinstance(params, Mapping):
            raise TypeError(f"enqueue_trial({params!r}): a dict of names and values.")
        labels = {name: self._label(name, value) for name, value in params.items()}
        if skip_if_exists and any(dict(t.config) == labels for t in self.study.trials):
            return
        tags = {"user_attrs": plain(dict(user_attrs))} if user_attrs else None
        if not self.study.enqueue(labels, tags=tags) and not skip_if_exists:  # again: with a seed of its own
            self.study.enqueue(labels, tags=tags, seed=len(self.study._log.ledger.queued_keys))

    def add_trial(self, trial: FrozenTrial) -> None:
        if trial.values is not None and len(trial.values) != len(self._metrics):
            raise ValueError(f"add_trial(): {len(trial.values)} values for {len(self._metrics)} directions.")
        if trial.state is TrialState.WAITING:
            self.enqueue_trial(trial.system_attrs.get("fixed_params", trial.params), trial.user_attrs)
            return
        dists = {name: Dist.of(d) for name, d in trial.distributions.items()}
        for name, dist in dists.items():
            self._remember(name, dist)
        times = (None if t is None else t.timestamp() for t in (trial.datetime_start, trial.datetime_complete))
        stored = StoredTrial(-1, trial.state.name, trial.values, dict(trial.params), dists,
                             dict(trial.intermediate_values), dict(trial.user_attrs), {}, *times)  # fmt: skip
        asked = {name: [None, tt.Space({name: dist.domain()}).to_json()] for name, dist in dists.items()}
        store, now = self.study._log, time.time()
        while True:
            with store.lock:
                store.refresh()
                number = stored.number = len(store.ledger.rows)
                grow(store, number, asked, now, self.study._me)
                first, *rest = trial_events(stored, number, Words(tuple(self._metrics), {}), now)
                first = Event(first.kind, {**first.body, "seen": store.ledger.version}, number, 1, first.at)
                if store.decide(first, *rest):
                    return

    def add_trials(self, trials: Iterable[FrozenTrial]) -> None:
        for trial in trials:
            self.add_trial(trial)

    def set_user_attr(self, key: str, value: Any) -> None:
        _mend.note(self.study, None, "", {str(key): value})

    def set_metric_names(self, metric_names: Sequence[str]) -> None:
        raise not_here("study.set_metric_names")

    # ── insides ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _single(self) -> None:
        if len(self._metrics) > 1:
            raise RuntimeError(f"This study has {len(self._metrics)} directions: study.best_trials, study.directions.")

    def _value(self, trial: Any, name: str, dist: Dist) -> Any:
        """The value of one name in a running trial."""
        if not trial._run.open:  # a study whose space was declared
            return trial[name]
        self._remember(name, dist)
        domain = dist.domain()
        value = trial._ask(name, domain)
        return float(value) if dist.kind == "float" else value

    def _remember(self, name: str, dist: Dist) -> None:
        labels = getattr(dist.domain(), "choices", None)
        if isinstance(labels, Mapping):
            self._objects.setdefault(name, {}).update(labels)

    def _label(self, name: str, value: Any) -> Any:
        """How a value of a parameter is stored, where objects have labels."""
        for label, known in self._objects.get(name, {}).items():
            if known is value or (type(known) is type(value) and known == value):
                return label
        return value

    def _note(self, trial: Any, attributes: Mapping[str, Any]) -> None:
        if self._loop is not None and not isinstance(trial, Asked):
            trial.note(**attributes)
        else:
            _mend.note(self.study, trial.number, "", attributes)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise not_here(f"study.{name}")


def _listed(catch: Any) -> Iterable[Any]:
    return catch if isinstance(catch, Iterable) else (catch,)
