"""trimtab: one workbench for hyperparameters.

import trimtab as tt. Names are loaded when first used, so importing costs no more than numpy does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.errors import (
        MetricError,
        MissingExtra,
        MultiObjective,
        NonFinite,
        NoResult,
        ObjectiveError,
        PlaceholderError,
        Reject,
        ReportError,
        SpaceError,
        StorageAway,
        StorageError,
        StorageFull,
        StudyFinished,
        StudyMismatch,
        StudyStopped,
        TrimtabError,
        UnknownName,
        Unsupported,
    )
    from trimtab.integrations.sklearn import SearchCV
    from trimtab.parts.weights import weight_features
    from trimtab.run.current import current_trial
    from trimtab.run.trial import Trial
    from trimtab.schedule.asha import ASHA
    from trimtab.schedule.full import Full
    from trimtab.schedule.halving import Halving
    from trimtab.schedule.median import Median
    from trimtab.search.auto import Auto
    from trimtab.search.carbs import CARBS
    from trimtab.search.cem import CEM
    from trimtab.search.cmaes import CMAES
    from trimtab.search.cqr import CQR
    from trimtab.search.de import DE
    from trimtab.search.designs import Halton, LatinHypercube, Sobol
    from trimtab.search.forest import Forest
    from trimtab.search.ga.vlga import VLGA
    from trimtab.search.gp import GP
    from trimtab.search.grid import Grid
    from trimtab.search.hier_ucb import HierUCB
    from trimtab.search.nsga import NSGA2, NSGA3
    from trimtab.search.random import RandomSearch
    from trimtab.search.tpe import TPE
    from trimtab.search.turbo import Turbo
    from trimtab.space import Bool, Choice, Const, Derived, Float, Int, Permutation, Repeat, Simplex, Space, Subset
    from trimtab.study import (
        Failures,
        GpuHours,
        Patience,
        Study,
        Target,
        Time,
        delete,
        load,
        minimize,
        register,
        studies,
    )
    from trimtab.study._compare import compare

__version__ = "0.1.0"

_HOME = {
    name: home
    for home, names in {
        "trimtab.errors": (
            "MetricError MissingExtra MultiObjective NonFinite NoResult ObjectiveError PlaceholderError Reject "
            "ReportError SpaceError StorageAway StorageError StorageFull StudyFinished StudyMismatch StudyStopped "
            "TrimtabError UnknownName Unsupported"
        ),
        "trimtab.integrations.sklearn": "SearchCV",
        "trimtab.parts.weights": "weight_features",
        "trimtab.run.current": "current_trial",
        "trimtab.run.trial": "Trial",
        "trimtab.schedule.asha": "ASHA",
        "trimtab.schedule.full": "Full",
        "trimtab.schedule.halving": "Halving",
        "trimtab.schedule.median": "Median",
        "trimtab.search.auto": "Auto",
        "trimtab.search.carbs": "CARBS",
        "trimtab.search.cem": "CEM",
        "trimtab.search.cmaes": "CMAES",
        "trimtab.search.cqr": "CQR",
        "trimtab.search.de": "DE",
        "trimtab.search.designs": "Halton LatinHypercube Sobol",
        "trimtab.search.forest": "Forest",
        "trimtab.search.ga.vlga": "VLGA",
        "trimtab.search.gp": "GP",
        "trimtab.search.grid": "Grid",
        "trimtab.search.hier_ucb": "HierUCB",
        "trimtab.search.nsga": "NSGA2 NSGA3",
        "trimtab.search.random": "RandomSearch",
        "trimtab.search.tpe": "TPE",
        "trimtab.search.turbo": "Turbo",
        "trimtab.space": "Bool Choice Const Derived Float Int Permutation Repeat Simplex Space Subset",
        "trimtab.study._compare": "compare",
        "trimtab.study": "Failures GpuHours Patience Study Target Time delete load minimize register studies",
    }.items()
    for name in names.split()
}

__all__ = [
    "ASHA",
    "CARBS",
    "CEM",
    "CMAES",
    "CQR",
    "DE",
    "GP",
    "NSGA2",
    "NSGA3",
    "TPE",
    "VLGA",
    "Auto",
    "Bool",
    "Choice",
    "Const",
    "Derived",
    "Failures",
    "Float",
    "Forest",
    "Full",
    "GpuHours",
    "Grid",
    "Halton",
    "Halving",
    "HierUCB",
    "Int",
    "LatinHypercube",
    "Median",
    "MetricError",
    "MissingExtra",
    "MultiObjective",
    "NoResult",
    "NonFinite",
    "ObjectiveError",
    "Patience",
    "Permutation",
    "PlaceholderError",
    "RandomSearch",
    "Reject",
    "Repeat",
    "ReportError",
    "SearchCV",
    "Simplex",
    "Sobol",
    "Space",
    "SpaceError",
    "StorageAway",
    "StorageError",
    "StorageFull",
    "Study",
    "StudyFinished",
    "StudyMismatch",
    "StudyStopped",
    "Subset",
    "Target",
    "Time",
    "Trial",
    "TrimtabError",
    "Turbo",
    "UnknownName",
    "Unsupported",
    "__version__",
    "compare",
    "current_trial",
    "delete",
    "load",
    "minimize",
    "register",
    "studies",
    "weight_features",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        from trimtab._foreign import MODULE, attribute

        raise AttributeError(attribute("module 'trimtab'", name, MODULE))
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # so that the next look-up is a plain one
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
