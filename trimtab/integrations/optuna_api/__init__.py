"""For scripts written for Optuna: `import trimtab.integrations.optuna_api as optuna`, and the rest stays as it is.

The study behind it is a real study of trimtab's: stored, resumable, define by run; `study.study` is its handle, with
all that Optuna has no word for. Optuna itself need not be installed. What is not here says what trimtab calls it.
"""

from __future__ import annotations

from typing import Any

from trimtab import __version__
from trimtab.integrations.optuna_api import (
    distributions,
    exceptions,
    logging,
    pruners,
    samplers,
    storages,
    study,
    trial,
)
from trimtab.integrations.optuna_api._words import WORDS, NotHere, not_here
from trimtab.integrations.optuna_api.exceptions import TrialPruned
from trimtab.integrations.optuna_api.study import (
    Study,
    copy_study,
    create_study,
    delete_study,
    get_all_study_names,
    get_all_study_summaries,
    load_study,
)
from trimtab.integrations.optuna_api.trial import Trial, create_trial

__all__ = [
    "WORDS", "NotHere", "Study", "Trial", "TrialPruned", "__version__", "copy_study", "create_study", "create_trial",
    "delete_study", "distributions", "exceptions", "get_all_study_names", "get_all_study_summaries", "load_study",
    "logging", "pruners", "samplers", "storages", "study", "trial",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise not_here(f"optuna.{name}")
