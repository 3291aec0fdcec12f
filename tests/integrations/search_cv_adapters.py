"""A pytest plugin that puts tt.SearchCV in the place of scikit-learn's searches, for scikit-learn's own tests of them.

pytest -p search_cv_adapters …/sklearn/model_selection/tests/test_search.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.model_selection
import sklearn.model_selection._search
from sklearn.model_selection import ParameterGrid

import trimtab as tt

GO_ON = [tt.Failures(in_a_row=None)]  # theirs evaluate all candidates whatever fails


class RandomizedSearchCV(tt.SearchCV):
    """Their arguments, our search: all at once, without a baseline, by chance."""

    def __init__(
        self, estimator: Any, param_distributions: Any, *, n_iter: int = 10, scoring: Any = None, n_jobs: Any = None,
        refit: Any = True, cv: Any = None, verbose: int = 0, pre_dispatch: Any = "2*n_jobs", random_state: Any = None,
        error_score: Any = np.nan, return_train_score: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            estimator, param_distributions, trials=n_iter, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv,
            verbose=verbose, pre_dispatch=pre_dispatch, random_state=random_state, error_score=error_score,
            return_train_score=return_train_score, searcher="random", batch=n_iter, baseline=False, stop=GO_ON,
        )  # fmt: skip
        self.param_distributions, self.n_iter = param_distributions, n_iter

    space = property(lambda self: self.param_distributions, lambda self, value: None)
    trials = property(lambda self: self.n_iter, lambda self, value: None)

    def fit(self, *args: Any, **params: Any) -> Any:
        return _as_theirs(super().fit(*args, **params))


class GridSearchCV(tt.SearchCV):
    def __init__(
        self, estimator: Any, param_grid: Any, *, scoring: Any = None, n_jobs: Any = None, refit: Any = True,
        cv: Any = None, verbose: int = 0, pre_dispatch: Any = "2*n_jobs", error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            estimator, param_grid, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose,
            pre_dispatch=pre_dispatch, random_state=0, error_score=error_score, return_train_score=return_train_score,
            searcher="grid", batch=1000, baseline=False, stop=GO_ON,
        )  # fmt: skip
        self.param_grid = param_grid

    space = property(lambda self: self.param_grid, lambda self, value: None)
    trials = property(lambda self: len(ParameterGrid(self.param_grid)), lambda self, value: None)

    def fit(self, *args: Any, **params: Any) -> Any:
        return _as_theirs(super().fit(*args, **params))


def _as_theirs(search: Any) -> Any:
    """Without the one column that theirs don't have, for tests that count the columns."""
    search.cv_results_.pop("trial")
    return search


for _search in (RandomizedSearchCV, GridSearchCV):
    setattr(sklearn.model_selection, _search.__name__, _search)
    setattr(sklearn.model_selection._search, _search.__name__, _search)
