"""Optional packages, imported where they are used, with the line to type where they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from trimtab.errors import MissingExtra


def need(module: str, *, extra: str, to: str) -> ModuleType:
    """The module, or MissingExtra: `to` says what it is wanted for ("write r.parquet")."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # installed but broken: its own error tells more
        raise MissingExtra(f"To {to}, trimtab needs {module}. Run: pip install 'trimtab[{extra}]'") from None
