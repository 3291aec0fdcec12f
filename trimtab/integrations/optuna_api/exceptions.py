"""Optuna's exceptions, by their names."""

from __future__ import annotations

from trimtab.errors import StorageError


class OptunaError(Exception):
    """The root of these."""


class TrialPruned(OptunaError):
    """Raise it in an objective that was told to stop."""


class DuplicatedStudyError(OptunaError):
    """A study of this name exists, and load_if_exists is not set."""


class CLIUsageError(OptunaError):
    """Never raised here."""


class UpdateFinishedTrialError(OptunaError, RuntimeError):
    """Never raised here."""


class ExperimentalWarning(Warning):
    """Never given here."""


StorageInternalError = StorageError
