"""The doors beside Study(…): load, studies, delete, and minimize for a quick start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trimtab.errors import UnknownName
from trimtab.protocol import Objective, Storage
from trimtab.storage import open_stored
from trimtab.study._keywords import translated
from trimtab.study._stop import best_number
from trimtab.study._study import Study


def load(storage: str | Path | Storage, name: str | None = None) -> Study:
    """A stored study; name may be left out where the storage holds one."""
    return Study.load(storage, name)


def studies(storage: str | Path | Storage) -> list[dict[str, Any]]:
    """What a storage holds: name, trials, counts, objectives and best value (None without one) of each study."""
    out = []
    with _opened(storage) as store:
        for name in store.names():
            study = Study.load(store, name)
            number = best_number(study.history) if len(study.objectives) == 1 else None
            best = None if number is None else study.trial(number).value
            out.append(
                {"name": name, "trials": len(study), "best": best, "objectives": study.objectives, **study.counts}
            )
    return out


def delete(storage: str | Path | Storage, name: str) -> None:
    """Remove a study and its whole log. There is no way back."""
    with _opened(storage) as store:
        study = store.find(name)
        if study is None:
            raise UnknownName(name, among=store.names(), kind=f"study in {store!r}")
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
    objective: Objective, *, trials: int, workers: int | None = 1, seed: int | None = None, **study: Any
) -> Study:
    """Minimise a function that defines its own space as it runs.

    tt.minimize(lambda t: (t.float("x", -5, 5) - 2) ** 2, trials=50)

    Further keywords go to Study(…): name, storage, searcher, …. Returns the study.
    """
    made = Study(study.pop("name", "minimize"), study.pop("space", None), minimize="value", seed=seed, **study)
    return made.optimize(objective, trials=trials, workers=workers)
