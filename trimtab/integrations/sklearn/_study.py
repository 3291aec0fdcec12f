"""The study behind a scikit-learn search: made anew, or the stored one of the very same search.

Idea    A fit without storage forgets what was before, as scikit-learn's contract wants. With one, the study is found by
        what is searched: the same data, estimator, splits and scoring go on with their study, any other has its own. So
        a killed script goes on, a second fit on the same data has its results at once, and the folds of a nested
        cross-validation never meet each other's scores.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from sklearn.utils import check_random_state

from trimtab.errors import StorageError, StudyMismatch
from trimtab.integrations.sklearn._identity import digest, identity
from trimtab.integrations.sklearn._space import Parameters
from trimtab.log import Event
from trimtab.protocol import Storage
from trimtab.storage import Memory, open_storage
from trimtab.study import Failures, Study
from trimtab.study._stop import rules_to_json

log = logging.getLogger(__name__)
SEEDS = 2**31 - 1  # what a RandomState draws seeds from


def open_study(search: Any, parameters: Parameters, goals: Sequence[str], data: dict[str, Any]) -> Study:
    """The study of a SearchCV. data: what fit() was given."""
    settings: dict[str, Any] = {"searcher": search.searcher, "stop": search.stop, "maximize": list(goals)}
    space, label = parameters.space, type(search.estimator).__name__
    if search.storage is None:
        return Study(search.name or label, space, seed=_seed(search.random_state), **settings)
    store = open_storage(search.storage)
    parts = identity(data=data, estimator=search.estimator, cv=search.cv, scoring=search.scoring)
    words = "tt.SearchCV: " + ", ".join(f"{name} {hash_}" for name, hash_ in parts.items())
    name = search.name or f"{label}-{digest(words)}"
    if store.find(name) is None:
        seed = None if search.random_state is None else _seed(search.random_state)
        return Study(name, space, storage=store, seed=seed, note=words, **settings)
    _check_same(name, store, words)
    seed = int(search.random_state) if isinstance(search.random_state, Integral) else None
    study = Study(name, space, storage=store, seed=seed, **settings)
    for line in study.changes:
        log.warning("%s: %s", name, line)
    return study


def _check_same(name: str, store: Storage, words: str) -> None:
    """Refuse to mix the scores of two searches."""
    before = str(Study.load(store, name).history.definitions[0].get("why", ""))
    if before == words:
        return
    if not before.startswith("tt.SearchCV: "):
        raise StudyMismatch(f'"{name}" in {store!r} is no study of a tt.SearchCV. Give this search another name=.')
    was, now = (dict(part.split() for part in text[13:].split(", ")) for text in (before, words))
    other = [part for part in now if now[part] != was.get(part)]
    raise StudyMismatch(
        f'"{name}" in {store!r} was a search with other {" and ".join(other)}, so its scores and new ones can\'t be '
        "compared. Give this search another name=, or leave name= out: then each has a study of its own."
    )


def go_on_in_spite_of_failures(study: Study) -> None:
    """The estimator can be fitted, but all scores are NaN. scikit-learn goes on then, and so do we, not silently."""
    told = "; ".join(f"{group['kind']}: {group['text']}" for group in study.failures()[:3])
    log.warning(
        "%s: none of the first %d candidates has a finite score (%s). The search goes on, as scikit-learn's do; "
        'error_score="raise" shows where it comes from', study.name, len(study), told,
    )  # fmt: skip
    state, rules = study._log, rules_to_json([Failures(in_a_row=None)])
    while True:
        old = state.ledger.definitions[-1]
        new = {**old, "stop": [*old["stop"], *rules], "why": "scores that are NaN are no reason to stop"}
        if state.decide(Event("defined", new, at=time.time())):
            return


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(SEEDS))


@dataclass(frozen=True)
class Snapshot:
    """A study's whole log, to be pickled with a fitted search: it opens anywhere, without the storage."""

    name: str
    events: tuple[Event, ...]

    @classmethod
    def of(cls, study: Study) -> Snapshot | None:
        try:
            return cls(study.name, tuple(study.log()))
        except StorageError:  # the file is gone: a model can be kept without its history
            return None

    def opened(self) -> Study:
        """The same study, in memory."""
        store = Memory()
        number, _ = store.create(self.name, self.events[0])
        store.append(number, self.events[1:], "snapshot")
        return Study.load(store, self.name)
