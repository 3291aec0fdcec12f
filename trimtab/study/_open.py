"""The doors beside Study(…): load, studies, delete, and minimize for a quick start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trimtab.errors import UnknownName
from trimtab.protocol import Objective, Storage
from trimtab.storage import Memory, open_stored
from trimtab.study._begin import named_storage
from trimtab.study._keywords import translated
from trimtab.study._stop import best_number
from trimtab.study._study import Study
from trimtab.study._where import where


def load(storage: str | Path | Storage | None = None, name: str | None = None) -> Study:
    """A stored study; name may be left out where the storage holds one. No storage: $TRIMTAB_STORAGE."""
    return Study.load(storage, name)


def studies(storage: str | Path | Storage | None = None) -> list[dict[str, Any]]:
    """What a storage holds: name, trials, best value (None without one), objectives, counts, times of each study.

    begun, changed: the times of its first and its newest event, in seconds since 1970.
    """
    out = []
    with _opened(named_storage(storage)) as store:
        for name in store.names():
            study = Study.load(store, name)
            number = best_number(study.history) if len(study.objectives) == 1 else None
            best = None if number is None else study.trial(number).value
            first, last = (store.read(study._log.study, i, 1)[0][0].at for i in (0, study._log.ledger.version - 1))
            told = {"name": name, "trials": len(study), "best": best, "objectives": study.objectives}
            out.append({**told, **study.counts, "begun": first, "changed": last})
    return out


def delete(storage: str | Path | Storage, name: str) -> None:
    """Remove a study and its whole log. There is no way back."""
    with _opened(storage) as store:
        study = store.find(name)
        if study is None:
            raise UnknownName(name, among=store.names(), kind=f"study in {where(store)}")
        store.delete(study)


@contextmanager
def _opened(storage: str | Path | Storage) -> Iterator[Storage]:
    """A storage, closed again if it was opened here."""
    store = open_stored(storage)
    try:
        yield store
    finally:
        if store is not storage:
            store.close()


@translated("minimize")
def minimize(
    objective: Objective, *, trials: int, workers: int | None = None, seed: int | None = None, **study: Any
) -> Study:
    """Minimise a function that defines its own space as it runs.

    tt.minimize(lambda t: (t.float("x", -5, 5) - 2) ** 2, trials=50)

    Further keywords go to Study(…): name, storage, searcher, …. Without name and storage it is kept in memory.
    Returns the study.
    """
    for word in ("minimize", "maximize"):
        if word in study:
            raise TypeError(
                "minimize() names its objective itself: the value that is returned. "
                f"For a metric with a name: tt.Study(…, {word}={study[word]!r}).optimize(…)."
            )
    if not {"name", "storage"} & set(study):
        study["storage"] = Memory()  # a nameless one is nothing to go on with
    made = Study(study.pop("name", "minimize"), study.pop("space", None), minimize="value", seed=seed, **study)
    return made.optimize(objective, trials=trials, workers=workers)
