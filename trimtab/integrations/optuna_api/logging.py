"""Optuna's logging switches, for the loggers of trimtab."""

from __future__ import annotations

import logging as _logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING

__all__ = [
    "CRITICAL", "DEBUG", "ERROR", "FATAL", "INFO", "WARN", "WARNING", "disable_default_handler", "disable_propagation",
    "enable_default_handler", "enable_propagation", "get_logger", "get_verbosity", "set_verbosity",
]  # fmt: skip


def get_logger(name: str) -> _logging.Logger:
    return _logging.getLogger(name)


def set_verbosity(verbosity: int) -> None:
    """From WARNING on there is no display, either."""
    _logging.getLogger("trimtab").setLevel(verbosity)


def get_verbosity() -> int:
    return _logging.getLogger("trimtab").getEffectiveLevel()


def quiet() -> bool:
    """Whether the script asked for silence."""
    return _logging.getLogger("trimtab").level >= WARNING


def enable_propagation() -> None:
    _logging.getLogger("trimtab").propagate = True


def disable_propagation() -> None:
    _logging.getLogger("trimtab").propagate = False


def enable_default_handler() -> None:
    """trimtab adds no handler of its own."""


def disable_default_handler() -> None:
    """trimtab adds no handler of its own."""
