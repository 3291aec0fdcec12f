"""Optuna's storages, by their names: what they name for trimtab."""

from __future__ import annotations

from typing import Any

from trimtab.integrations.optuna_api._words import not_here
from trimtab.storage import Memory


class InMemoryStorage(Memory):
    """In memory; studies that share the object share it."""


class RDBStorage:
    """A database by its URL; the other arguments are Optuna's own affair and change nothing here."""

    def __init__(
        self, url: str, engine_kwargs: Any = None, skip_compatibility_check: bool = False, **others: Any
    ) -> None:
        self.url = url


def JournalStorage(*_: Any, **__: Any) -> Any:
    raise not_here("JournalStorage")


def get_storage(storage: Any) -> Any:
    return storage


def place_of(storage: Any) -> Any:
    """What trimtab takes as storage=."""
    if isinstance(storage, RDBStorage):
        return storage.url
    if isinstance(storage, str) and storage.startswith(("redis://", "mysql")):
        raise not_here(
            f'storage="{storage.partition(":")[0]}://…"', 'trimtab stores in "study.db" or "postgresql://…".'
        )
    return storage


def __getattr__(name: str) -> Any:
    raise not_here(f"optuna.storages.{name}", 'trimtab says storage="study.db" or storage="postgresql://…".')
