"""The doors to Optuna's Study: create, load, copy, delete, list."""

from __future__ import annotations

import enum
import sqlite3
import uuid
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import trimtab as tt
from trimtab.errors import StorageError
from trimtab.integrations.optuna_api import _frozen
from trimtab.integrations.optuna_api._study import Study, StudyDirection
from trimtab.integrations.optuna_api.exceptions import DuplicatedStudyError
from trimtab.integrations.optuna_api.pruners import MedianPruner, scheduler_of
from trimtab.integrations.optuna_api.samplers import AutoSampler, searcher_of
from trimtab.integrations.optuna_api.storages import place_of
from trimtab.integrations.optuna_api.trial import FrozenTrial, TrialState
from trimtab.storage import open_storage, open_stored
from trimtab.study._where import where

__all__ = [
    "MaxTrialsCallback", "Study", "StudyDirection", "copy_study", "create_study", "delete_study", "get_all_study_names",
    "get_all_study_summaries", "load_study",
]  # fmt: skip


def create_study(
    *, storage: Any = None, sampler: Any = None, pruner: Any = None, study_name: str | None = None,
    direction: str | StudyDirection | None = None, load_if_exists: bool = False,
    directions: Sequence[str | StudyDirection] | None = None,
) -> Study:  # fmt: skip
    """A new study, or with load_if_exists the stored one."""
    if direction is not None and directions is not None:
        raise ValueError("create_study(): give direction= or directions=, not both.")
    words = [_goal(d) for d in (directions if directions is not None else [direction or "minimize"])]
    if not words:
        raise ValueError("create_study(directions=[]): at least one.")
    name = study_name or f"no-name-{uuid.uuid4()}"
    store = _opened(place_of(storage))
    if store.find(name) is not None:
        if not load_if_exists:
            raise DuplicatedStudyError(f"{name!r} exists in {where(store)}: load_if_exists=True goes on with it.")
        return load_study(study_name=name, storage=store, sampler=sampler, pruner=pruner)
    sampler, pruner = AutoSampler() if sampler is None else sampler, pruner or MedianPruner()  # Optuna's default
    metrics = _frozen.names_of(len(words))
    goals = {goal: [m for m, w in zip(metrics, words, strict=True) if w == goal] for goal in ("minimize", "maximize")}
    made = tt.Study(
        name, storage=store, searcher=searcher_of(sampler), scheduler=scheduler_of(pruner),
        seed=getattr(sampler, "seed", None), stop=[tt.Failures(in_a_row=None)],
        **{goal: names for goal, names in goals.items() if names},  # type: ignore[arg-type]
    )  # fmt: skip
    return Study(made, sampler, pruner)


def load_study(*, study_name: str | None = None, storage: Any = None, sampler: Any = None, pruner: Any = None) -> Study:
    """A stored study; another sampler or pruner counts from here on."""
    store = _opened(place_of(storage), create=False)
    try:
        found = tt.load(store, study_name)
    except LookupError as error:
        raise KeyError(str(error)) from None
    if sampler is not None or pruner is not None:
        found = tt.Study(
            found.name, storage=store, searcher=searcher_of(sampler),
            scheduler=None if pruner is None else scheduler_of(pruner),
        )  # fmt: skip
    return Study(found, sampler, pruner)


def delete_study(*, study_name: str, storage: Any) -> None:
    """Remove a study and its whole log."""
    try:
        tt.delete(_opened(place_of(storage), create=False), study_name)
    except LookupError as error:
        raise KeyError(str(error)) from None


def copy_study(*, from_study_name: str, from_storage: Any, to_storage: Any, to_study_name: str | None = None) -> None:
    """The whole log, in another storage or under another name."""
    source = tt.load(_opened(place_of(from_storage), create=False), from_study_name)
    source.copy(_opened(place_of(to_storage)), to_study_name or from_study_name)


def get_all_study_names(storage: Any) -> list[str]:
    return list(_opened(place_of(storage), create=False).names())


def get_all_study_summaries(storage: Any, include_best_trial: bool = True) -> list[Any]:
    """study_name, direction(s), n_trials, best_trial and user_attrs of each."""
    store = _opened(place_of(storage), create=False)
    return [_frozen.Summary.of(Study(tt.load(store, name)), include_best_trial) for name in store.names()]


class MaxTrialsCallback:
    """Ends a call of optimize() once the study has so many trials in these states."""

    def __init__(self, n_trials: int, states: Container[TrialState] | None = (TrialState.COMPLETE,)) -> None:
        self.n_trials, self.states = n_trials, states

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        if len(study.get_trials(deepcopy=False, states=self.states)) >= self.n_trials:
            study.stop()


def _goal(direction: Any) -> str:
    word = direction.name.lower() if isinstance(direction, enum.Enum) else direction
    if word not in ("minimize", "maximize"):
        raise ValueError(f'direction={direction!r}: "minimize" or "maximize".')
    return str(word)


def _opened(storage: Any, create: bool = True) -> Any:
    if storage is None and not create:
        raise TypeError("storage= says where the study is.")
    try:
        return open_storage(storage) if create else open_stored(storage)
    except StorageError as error:
        path = str(storage).partition(":///")[2] or str(storage)
        if Path(path).is_file() and _is_optunas(path):
            raise StorageError(
                f"{path} was written by Optuna. To go on with it here: "
                f'trimtab.integrations.optuna.load("{path}", into="{Path(path).stem}-trimtab.db")'
            ) from None
        raise error


def _is_optunas(path: str) -> bool:
    from trimtab.integrations.optuna._database import sqlite_file

    try:
        with sqlite_file(Path(path)) as fetch:
            return bool(fetch("SELECT 1 FROM sqlite_master WHERE name = 'trial_params'"))
    except sqlite3.Error:
        return False
