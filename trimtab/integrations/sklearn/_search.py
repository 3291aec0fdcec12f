"""SearchCV: scikit-learn's BaseSearchCV whole, with trimtab deciding what to evaluate next.

Idea    `fit` is scikit-learn's own: it calls `_run_search` with a function that evaluates candidates. There a study is
        opened, and its driver runs with that function as its runner (see _folds). Everything that is known of a
        candidate goes into the log, and cv_results_ is made from the log (see _results): so it also holds what an
        earlier fit, or another process, has found.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from numbers import Integral
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV

from trimtab.errors import StudyStopped
from trimtab.integrations.sklearn._folds import AllFailed, FixedSplits, Fold, Folds
from trimtab.integrations.sklearn._results import rows
from trimtab.integrations.sklearn._space import Parameters
from trimtab.integrations.sklearn._study import Snapshot, go_on_in_spite_of_failures, open_study
from trimtab.log import JSON
from trimtab.study import Study
from trimtab.study._keywords import translated

log = logging.getLogger(__name__)


class FitsFailed(StudyStopped, ValueError):
    """No candidate could be fitted."""


class SearchCV(BaseSearchCV):  # type: ignore[misc]  # scikit-learn has no types
    """Search settings of an estimator by cross-validation, learning from each candidate where to look next.

    To be used as RandomizedSearchCV is; whatever it has besides is below. All attributes, methods and rules of
    scikit-learn's searches hold: cv_results_, best_estimator_, refit, several metrics, metadata routing, pipelines.

    Parameters
    ----------
    estimator : estimator
        A pipeline, or anything with fit.
    space : dict, list of dicts, or tt.Space
        Names as in set_params ("clf__C"), to tt.Float, tt.Int, tt.Choice …, text such as "1e-3..1e3 log" or "2..20",
        lists of any objects, or distributions of scipy.stats. A dict in a dict names a part: {"clf": {"C": …}}. To swap
        a part, each with settings of its own: {"clf": {"svm": (SVC(), {"C": …}), "forest": (ForestClassifier(), {…})}}.
    trials : int
        Candidates in all; in a stored study, those of earlier fits count. Fewer where the space has no more.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in RandomizedSearchCV. A random cv without random_state gets its splits from the search's seed, once, so that
        all candidates see the same folds.
    random_state : int, RandomState or None
        Seeds the search. The same seed and batch give the same candidates; n_jobs changes nothing. (The estimator and
        cv have random states of their own.)
    searcher : str or searcher, default "auto"
        How to look: "auto", "tpe", "random", "grid" …
    batch : int
        Candidates that are chosen at once, and then evaluated in parallel. 1 learns most from each; where n_jobs is
        above the number of folds, a larger batch keeps all processes busy.
    baseline : bool
        Try the estimator's own settings first, where the space holds them: what is gained is told against them.
    objective : str or list of str
        The score to search for. By default the one that refit names; with several scores and refit=False or a callable,
        all of them: study_.front has the candidates that no other beats in every score.
    timeout : float or str
        Start no batch after so many seconds, or "4h".
    stop : list of rules
        Such as [tt.Target(0.99), tt.Patience(30)]; any one ends the search.
    storage : str, path or storage
        "digits.db", or a database's URL. The same search (data, estimator, cv, scoring) goes on there after any
        interruption, and several processes may share it; another search has its own study there.
    name : str
        Of the study; by default the estimator's class and a few digits that stand for what is searched.
    callbacks : list of functions
        Each is called with (study, event) for what is written to the study's log.
    display : bool, str or None
        Progress. None: on a terminal or in a notebook; False: never.

    Attributes
    ----------
    study_ : tt.Study
        Every candidate, why it was chosen, its folds, times and errors: study_.to_pandas(), study_.best,
        study_.explain(3). There is one after an interrupted fit too. In a pickled search it is a copy in memory.
    cv_results_ : dict
        scikit-learn's, and a column "trial": the number of each candidate in study_.

    Examples
    --------
    >>> import trimtab as tt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> X, y = load_iris(return_X_y=True)
    >>> search = tt.SearchCV(SVC(), {"C": "1e-2..1e3 log", "kernel": ["linear", "rbf"]}, trials=10, random_state=0)
    >>> bool(search.fit(X, y).best_score_ > 0.96)
    True
    >>> search.study_.best.config == search.best_params_
    True
    >>> len(search.cv_results_["params"])
    10
    """

    _required_parameters = ("estimator", "space")  # what scikit-learn's checks, before 1.6, ask meta-estimators for

    @translated("SearchCV", n_iter="trials=", n_trials="trials=", n_calls="trials=", n_initial_points="searcher=",
                param_distributions="space=", param_grid="space=", search_spaces="space=", params="space=",
                seed="random_state=", n_points="batch=", study="storage= and name=", workers="n_jobs=")  # fmt: skip
    def __init__(
        self,
        estimator: Any,
        space: Any,
        *,
        trials: int = 50,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        searcher: Any = None,
        batch: int = 1,
        baseline: bool = True,
        objective: str | Sequence[str] | None = None,
        timeout: float | str | None = None,
        stop: Sequence[Any] | None = None,
        storage: Any = None,
        name: str | None = None,
        callbacks: Sequence[Callable[..., None]] | None = None,
        display: Any = None,
    ) -> None:
        super().__init__(
            estimator=estimator, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose,
            pre_dispatch=pre_dispatch, error_score=error_score, return_train_score=return_train_score,
        )  # fmt: skip
        self.space, self.trials, self.random_state, self.searcher = space, trials, random_state, searcher
        self.batch, self.baseline, self.objective = batch, baseline, objective
        self.timeout, self.stop = timeout, stop
        self.storage, self.name, self.callbacks, self.display = storage, name, callbacks, display

    def fit(self, X: Any, y: Any = None, **params: Any) -> SearchCV:
        """Search, and refit the best on all data. params go where scikit-learn sends them: groups to cv, and so on."""
        self._fitting = _Fitting(X, y, params)
        try:
            super().fit(X, y, **params)
        finally:
            del self._fitting
        return self

    # ── what scikit-learn's fit calls ────────────────────────────────────────────────────────────────────────────────

    def _run_search(self, evaluate_candidates: Any, *, callback_ctx: Any = None) -> None:
        """Everything between scikit-learn's preparations and its choice of the best."""
        self._check_settings()
        fitting = self._fitting
        parameters = Parameters.of(self.space, self.estimator, defaults=self.baseline)
        goals = self._goals()
        study = self.study_ = open_study(self, parameters, goals, {"X": fitting.X, "y": fitting.y, **fitting.params})
        fitting.open(study, parameters, None if hasattr(self.cv, "__next__") else self._splits(study))
        with _context(callback_ctx, self) as inner:

            def evaluate(configs: Sequence[Mapping[str, JSON]]) -> list[list[Fold]] | AllFailed:
                return self._evaluate(evaluate_candidates, configs, inner)

            self._run(Folds(evaluate, self._names, goals, self.batch))
            self._finish(evaluate)

    def _format_results(self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None) -> Any:
        """Called with all the fits so far: takes the new ones. What it gives is filled in when the search is over."""
        fitting = self._fitting
        fitting.out, fitting.folds = out[fitting.taken :], n_splits
        fitting.taken = len(out)
        return fitting.results

    # ── the search ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, runner: Folds) -> None:
        """Let the study's driver evaluate what is still to do."""
        study = self.study_
        baseline = self._fitting.parameters.baseline(self.estimator) if self.baseline else None
        if baseline is not None and not len(study):
            study.enqueue(baseline, why="the estimator as it was given: the baseline")
        counts = study.counts
        if counts["counted"] >= self.trials and not counts["queued"] + counts["running"]:
            log.warning("%s: done, all of trials=%d are stored. A larger number goes on", study.name, self.trials)
            return
        call = {"timeout": self.timeout, "callbacks": tuple(self.callbacks or ()), "display": self.display}
        try:
            study.optimize(_evaluated_by_scikit_learn, trials=self.trials, runner=runner, **call)
        except StudyStopped as error:
            if not self._fitting.taken:
                raise self._none_fitted() or error from None
            go_on_in_spite_of_failures(study)
            study.optimize(_evaluated_by_scikit_learn, trials=self.trials, runner=runner, **call)
        if study.ended == "paused":
            raise KeyboardInterrupt

    def _evaluate(
        self, evaluate_candidates: Any, configs: Sequence[Mapping[str, JSON]], callback_ctx: Any
    ) -> list[list[Fold]] | AllFailed:
        """A batch through scikit-learn's cross-validation."""
        fitting = self._fitting
        more = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        try:
            evaluate_candidates([fitting.parameters.params(c) for c in configs], cv=fitting.splits, **more)
        except ValueError as error:
            # scikit-learn ends a search when all fits of a call fail; here a call is one batch of many
            if self.error_score == "raise" or " fits failed" not in str(error):
                raise
            fitting.failed = str(error)
            warnings.warn(fitting.failed, FitFailedWarning, stacklevel=2)
            return AllFailed(fitting.failed)
        self._hint()
        each = len(fitting.out) // len(configs)
        return [fitting.out[i : i + each] for i in range(0, len(fitting.out), each)]

    def _hint(self) -> None:
        """Say once that a larger batch would be faster."""
        fitting, jobs = self._fitting, effective_n_jobs(self.n_jobs)
        fits = self.batch * fitting.folds
        if jobs > fits and self.trials > self.batch and fitting.taken == len(fitting.out):  # the first batch
            batch = ceil(jobs / fitting.folds)
            log.warning("%d processes, but a batch is %d fits: batch=%d keeps all of them busy", jobs, fits, batch)

    def _finish(self, evaluate: Callable[..., list[list[Fold]] | AllFailed]) -> None:
        """cv_results_ from the log. scikit-learn needs one evaluation in each fit: where all was stored, the best's."""
        fitting, study = self._fitting, self.study_
        if not fitting.taken:
            ended = [t for t in study.trials if t.state in ("finished", "stopped")]
            if not ended:
                raise self._none_fitted() or ValueError(
                    f"No candidate was evaluated: {study.ended or 'the study has none'}. Raise trials= or timeout=."
                )
            front = study.front if len(study.objectives) > 1 else [study.best]
            again = evaluate([front[0].config])
            if isinstance(again, AllFailed):
                raise FitsFailed(
                    f"Trial {front[0].number} is the best that is stored; it can't be fitted now.{again.text}"
                )
            first = again[0][0]["test_scores"]
            self._names(list(first) if isinstance(first, dict) else None)
        made = rows(
            study, fitting.parameters, fitting.names, fitting.folds, single=fitting.single,
            train=self.return_train_score, error_score=self.error_score,
        )  # fmt: skip
        fitting.results |= super()._format_results(made.params, fitting.folds, made.out, {"trial": made.numbers})

    def _none_fitted(self) -> FitsFailed | None:
        """What to say when every candidate has failed."""
        groups = self.study_.failures()
        if not groups or any(t.state in ("finished", "stopped") for t in self.study_.trials):
            return None
        n = sum(group["count"] for group in groups)
        lines = [f"    {g['count']} × {g['kind']}: {g['text']}   {g['where'] or ''}".rstrip() for g in groups[:3]]
        return FitsFailed(
            f"All the {n} candidates failed, so nothing more was tried:\n" + "\n".join(lines) + "\n"
            'Mend it and fit again. error_score="raise" stops at the very line; to go on in spite of failures: '
            "stop=[tt.Failures(in_a_row=None)].\n" + self._fitting.failed
        )

    # ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_settings(self) -> None:
        for word in ("trials", "batch"):
            value = getattr(self, word)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"SearchCV({word}={value!r}): a whole number, at least 1.")
        if not (self.error_score == "raise" or isinstance(self.error_score, int | float | np.number)):
            raise ValueError(f'SearchCV(error_score={self.error_score!r}): a number, np.nan, or "raise".')

    def _goals(self) -> list[str]:
        """The metrics to search for, by the names they have in the study."""
        if self.objective is not None:
            return [self.objective] if isinstance(self.objective, str) else list(self.objective)
        if isinstance(self.scoring, list | tuple | set | dict):
            return [self.refit] if isinstance(self.refit, str) else list(self.scoring)
        if isinstance(self.scoring, str):
            return [self.scoring]
        return [self.refit] if callable(self.scoring) and isinstance(self.refit, str) else ["score"]

    def _names(self, scores: Sequence[str] | None) -> Mapping[str, str]:
        """{score in cv_results_: metric in the study}. scores: what the scorer gave; None: one number."""
        fitting, goals = self._fitting, list(self.study_.objectives)
        fitting.single = scores is None
        fitting.names = {"score": goals[0]} if scores is None else {name: name for name in scores}
        if scores is not None and len(scores) == 1 and goals == ["score"]:  # a callable's: its name wasn't known before
            fitting.names = {scores[0]: "score"}
        if missing := [goal for goal in goals if goal not in fitting.names.values()]:
            if callable(self.scoring) and self.objective is None:
                self._check_refit_for_multimetric(scores)  # scikit-learn's own words for a wrong refit
            raise ValueError(
                f"There is no score {missing[0]!r} to search for; scoring gives {', '.join(scores or ['score'])}. "
                f'Say which: objective="{next(iter(scores or ["score"]))}", or a list of them.'
            )
        return fitting.names

    def _splits(self, study: Study) -> FixedSplits:
        return FixedSplits(check_cv(self.cv, self._fitting.y, classifier=is_classifier(self.estimator)), study.seed)

    # ── pickling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def __getstate__(self) -> dict[str, Any]:
        """The study goes along as its log. During a fit (scikit-learn sends searches to its workers) it stays here."""
        state = dict(super().__getstate__())
        study = state.pop("study_", None)
        if state.pop("_fitting", None) is not None:
            state |= {"storage": None, "callbacks": None}
        elif study is not None and (kept := Snapshot.of(study)) is not None:
            state["study_"] = kept
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = state.get("study_")
        super().__setstate__({**state, "study_": kept.opened()} if isinstance(kept, Snapshot) else state)


class _Fitting:
    """What one call of fit() knows."""

    study: Study
    parameters: Parameters
    splits: FixedSplits | None

    def __init__(self, X: Any, y: Any, params: dict[str, Any]) -> None:
        self.X, self.y, self.params = X, y, params
        self.out: list[Fold] = []  # of the last batch
        self.taken = 0  # fits so far
        self.folds = 0
        self.names: Mapping[str, str] = {}
        self.single = True
        self.failed = ""  # scikit-learn's words when all fits of a batch failed
        self.results: dict[str, Any] = {}  # what scikit-learn holds as the search's results, from its first batch on

    def open(self, study: Study, parameters: Parameters, splits: FixedSplits | None) -> None:
        self.study, self.parameters, self.splits = study, parameters, splits


def _evaluated_by_scikit_learn(trial: Any) -> None:
    """Stands where a study has its objective; the runner does the work."""


@contextmanager
def _context(root: Any, search: SearchCV) -> Iterator[Any]:
    """The place of this search among the tasks that scikit-learn's callbacks watch (from 1.9 on)."""
    if root is None:
        yield None
        return
    inner = root.subcontext(task_name="search", max_subtasks=None, sequential_subtasks=False)
    inner.call_on_fit_task_begin(estimator=search)
    yield _Numbered(inner)
    inner.call_on_fit_task_end(estimator=search)


class _Numbered:
    """Numbers the fits of all batches on; scikit-learn begins at 0 with each call."""

    def __init__(self, context: Any) -> None:
        self.context, self.given = context, 0

    def subcontext(self, task_id: int, **settings: Any) -> Any:
        self.given += 1
        return self.context.subcontext(task_id=self.given - 1, **settings)
