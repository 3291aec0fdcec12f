"""tt.SearchCV as people use it, and where scikit-learn's own searches set the rule."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt

pytest.importorskip("sklearn")
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, RandomizedSearchCV, ShuffleSplit, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

X, Y = make_classification(n_samples=90, n_features=6, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)
DEPTH = {"max_depth": "1..30", "min_samples_leaf": "1..20"}


def search(estimator: Any = TREE, space: Any = DEPTH, **settings: Any) -> tt.SearchCV:
    return tt.SearchCV(estimator, space, **{"trials": 6, "cv": 3, "random_state": 0, **settings})


class Moody(ClassifierMixin, BaseEstimator):
    """Fails when told to; else a constant."""

    def __init__(self, fail: Any = False, level: float = 0.0) -> None:
        self.fail, self.level = fail, level

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Moody:
        if self.fail is True or (self.fail == "half" and X[0, 0] == Moody.first):
            raise ValueError("in no mood")
        self.classes_ = np.unique(y)
        self.seen_ = None if sample_weight is None else float(np.sum(sample_weight))
        return self

    first = X[0, 0]

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), dtype=int)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        return float(self.level)


# ── the whole of scikit-learn's search ───────────────────────────────────────────────────────────────────────────────


def test_it_is_a_search_with_a_study_behind_it() -> None:
    found = search().fit(X, Y)
    study = found.study_
    assert study.best.value == found.best_score_ == found.cv_results_["mean_test_score"].max()
    assert dict(study.best.config) == found.best_params_
    assert found.cv_results_["trial"].tolist() == list(range(6))
    assert study.objectives == {"score": "max"}
    assert found.best_estimator_.get_params()["max_depth"] == found.best_params_["max_depth"]
    assert found.n_features_in_ == 6
    assert found.classes_.tolist() == [0, 1]
    assert is_classifier(found)
    assert found.score(X, Y) > 0.8
    assert len(study.to_pandas()) == 6
    assert not hasattr(found, "_fitting")


def test_the_folds_spread_is_known() -> None:
    found = search().fit(X, Y)
    folds = np.array([found.cv_results_[f"split{k}_test_score"] for k in range(3)])
    for trial in found.study_.trials:
        assert trial.sem["score"] == pytest.approx(folds[:, trial.number].std(ddof=1) / 3**0.5)
        assert trial.metrics["fit_time"] > 0
    reports = found.study_.to_pandas(reports=True)
    assert len(reports) == 18


def test_columns_are_those_of_a_randomized_search_and_trial() -> None:
    names = {"C": stats.loguniform(0.1, 10), "kernel": ["rbf", "linear"]}
    settings: dict[str, Any] = {"cv": 3, "random_state": 0, "return_train_score": True, "scoring": ["accuracy", "f1"]}
    theirs = RandomizedSearchCV(SVC(), names, n_iter=4, refit="f1", **settings).fit(X, Y)
    ours = search(SVC(), names, trials=4, refit="f1", **settings).fit(X, Y)
    assert set(ours.cv_results_) == set(theirs.cv_results_) | {"trial"}
    for name, column in theirs.cv_results_.items():
        assert len(ours.cv_results_[name]) == len(column)
        assert getattr(ours.cv_results_[name], "dtype", None) == getattr(column, "dtype", None), name
    assert {k for k in vars(theirs) if k.endswith("_")} <= {k for k in vars(ours) if k.endswith("_")}


def test_the_scores_are_those_of_cross_validation() -> None:
    found = search(SVC(), {"C": "0.1..10.0 log"}, cv=4).fit(X, Y)
    for params, mean in zip(found.cv_results_["params"], found.cv_results_["mean_test_score"], strict=True):
        assert mean == pytest.approx(cross_val_score(SVC(**params), X, Y, cv=4).mean())


def test_inactive_parameters_are_masked() -> None:
    space = {"kernel": tt.Choice({"rbf": {"gamma": "1e-3..1.0 log"}, "linear": {}}), "C": "0.1..10.0 log"}
    found = search(SVC(gamma=0.1), space, trials=8).fit(X, Y)
    gamma, kernel = found.cv_results_["param_gamma"], found.cv_results_["param_kernel"]
    assert gamma.mask.tolist() == [k == "linear" for k in kernel]
    assert 0 < gamma.mask.sum() < 8
    assert all(("gamma" in p) == (p["kernel"] == "rbf") for p in found.cv_results_["params"])


def test_pipelines_whose_steps_are_swapped() -> None:
    pipe = Pipeline([("scale", StandardScaler()), ("keep", SelectKBest(k=4)), ("clf", SVC())])
    space = {
        "scale": [StandardScaler(), MinMaxScaler(), "passthrough"],
        "keep__k": "1..6",
        "clf": {
            "svm": (SVC(), {"C": "0.1..10.0 log"}),
            "forest": (RandomForestClassifier(n_estimators=5, random_state=0), {"max_depth": "2..6"}),
        },
    }
    found = search(pipe, space, trials=10).fit(X, Y)
    kinds = {type(c).__name__ for c in found.cv_results_["param_clf"]}
    assert kinds == {"SVC", "RandomForestClassifier"}
    best = found.best_params_
    assert type(found.best_estimator_["clf"]) is type(best["clf"])
    assert found.best_estimator_["clf"] is not best["clf"]  # a clone: the space's own objects are never fitted
    assert not any(hasattr(pair[0], "classes_") for pair in space["clf"].values())
    assert found.study_.best.config["clf"] in ("svm", "forest")
    assert found.predict(X).shape == (90,)


@pytest.mark.parametrize("refit", ["f1", False, lambda results: int(results["mean_test_f1"].argmin())])
@pytest.mark.parametrize("kind", ["list", "dict", "callable"])
def test_several_scores(kind: str, refit: Any) -> None:
    def scores(estimator: Any, X: Any, y: Any) -> dict[str, float]:
        told = estimator.predict(X)
        return {"accuracy": accuracy_score(y, told), "f1": f1_score(y, told)}

    scoring: Any = {"list": ["accuracy", "f1"], "dict": {"accuracy": "accuracy", "f1": make_scorer(f1_score)}}
    objective = ["accuracy", "f1"] if kind == "callable" and refit != "f1" else None
    found = search(scoring=scoring.get(kind, scores), refit=refit, objective=objective).fit(X, Y)
    study = found.study_
    assert set(study.objectives) == ({"f1"} if refit == "f1" else {"accuracy", "f1"})
    for trial in study.trials:
        for name in ("accuracy", "f1"):
            assert trial.metrics[name] == pytest.approx(found.cv_results_[f"mean_test_{name}"][trial.number])
    assert found.multimetric_
    if refit == "f1":
        assert found.best_score_ == study.best.value
    elif refit:
        assert found.best_index_ == found.cv_results_["mean_test_f1"].argmin()
        assert found.study_.front
    assert hasattr(found, "best_index_") == bool(refit)
    assert hasattr(found, "best_estimator_") == bool(refit)


def test_a_callables_scores_must_be_told_apart() -> None:
    def scores(estimator: Any, X: Any, y: Any) -> dict[str, float]:
        return {"a": 0.5, "b": 0.5}

    with pytest.raises(ValueError, match=r"no score 'score' to search for; scoring gives a, b. .*objective=\"a\""):
        search(scoring=scores, refit=False).fit(X, Y)
    with pytest.raises(ValueError, match="For multi-metric scoring, the parameter refit must be set"):
        search(scoring=scores).fit(X, Y)
    with pytest.raises(ValueError, match="no score 'c'"):
        search(scoring=["f1"], refit="f1", objective="c").fit(X, Y)
    one = search(scoring=lambda e, X, y: {"only": e.score(X, y)}, refit="only").fit(X, Y)
    assert one.study_.objectives == {"only": "max"}


def test_a_named_score_names_the_objective() -> None:
    found = search(Ridge(), {"alpha": "0.1..10.0"}, scoring="neg_mean_squared_error").fit(X, Y)
    assert found.study_.objectives == {"neg_mean_squared_error": "max"}
    assert "mean_test_score" in found.cv_results_


def test_no_refit() -> None:
    found = search(refit=False).fit(X, Y)
    assert found.best_params_
    assert not hasattr(found, "best_estimator_")
    with pytest.raises(AttributeError, match="predict"):
        found.predict(X)
    assert not hasattr(found, "predict")


def test_not_fitted_and_wrong_settings() -> None:
    with pytest.raises((NotFittedError, AttributeError)):
        search().predict(X)
    with pytest.raises(ValueError, match=r"SearchCV\(trials=0\): a whole number, at least 1"):
        search(trials=0).fit(X, Y)
    with pytest.raises(ValueError, match=r"SearchCV\(batch=2.5\)"):
        search(batch=2.5).fit(X, Y)
    with pytest.raises(tt.UnknownName, match="No searcher is called 'bayes'"):
        search(searcher="bayes").fit(X, Y)
    with pytest.raises(ValueError, match="error_score"):
        search(error_score="nan").fit(X, Y)
    for word, ours in (("n_iter", "trials="), ("param_distributions", "space="), ("seed", "random_state=")):
        with pytest.raises(TypeError, match=rf'SearchCV\(\) has no argument "{word}". trimtab says {ours}'):
            tt.SearchCV(TREE, DEPTH, **{word: 3})


# ── what is searched with ────────────────────────────────────────────────────────────────────────────────────────────


def candidates(found: tt.SearchCV) -> list[dict[str, Any]]:
    return list(found.cv_results_["params"])


def test_a_seed_and_a_batch_say_all() -> None:
    first = search(trials=8, batch=2).fit(X, Y)
    for again in (search(trials=8, batch=2), search(trials=8, batch=2, n_jobs=2)):
        again.fit(X, Y)
        assert candidates(again) == candidates(first)
        np.testing.assert_array_equal(again.cv_results_["mean_test_score"], first.cv_results_["mean_test_score"])
    assert candidates(search(trials=8, batch=2, random_state=1).fit(X, Y)) != candidates(first)


def test_a_random_state_object_goes_on_and_none_is_numpys() -> None:
    state = np.random.RandomState(3)
    a, b = (candidates(search(random_state=state).fit(X, Y)) for _ in range(2))
    assert a != b
    state = np.random.RandomState(3)
    assert candidates(search(random_state=state).fit(X, Y)) == a
    np.random.seed(5)  # noqa: NPY002  # what random_state=None means in scikit-learn
    c = candidates(search(random_state=None).fit(X, Y))
    np.random.seed(5)  # noqa: NPY002
    assert candidates(search(random_state=None).fit(X, Y)) == c


def test_random_splits_are_the_same_for_all_candidates_and_follow_the_seed() -> None:
    cv = ShuffleSplit(3, test_size=0.3)
    found = search(TREE, {"max_depth": [3, 4]}, cv=cv, trials=2, batch=1).fit(X, Y)
    again = search(TREE, {"max_depth": [3, 4]}, cv=cv, trials=2, batch=1).fit(X, Y)
    np.testing.assert_array_equal(found.cv_results_["split0_test_score"], again.cv_results_["split0_test_score"])
    assert cv.random_state is None  # the user's own object stays as it was
    same = search(Moody(), {"level": [0.1, 0.2, 0.3]}, cv=cv, trials=3, scoring=lambda e, X, y: float(X.sum())).fit(
        X, Y
    )
    for k in range(3):
        assert len(set(same.cv_results_[f"split{k}_test_score"])) == 1


def test_splits_may_be_an_iterator_or_a_list() -> None:
    splits = list(KFold(3).split(X, Y))
    by_list = search(cv=splits).fit(X, Y)
    by_iterator = search(cv=KFold(3).split(X, Y)).fit(X, Y)
    np.testing.assert_array_equal(by_list.cv_results_["mean_test_score"], by_iterator.cv_results_["mean_test_score"])


def test_the_estimators_own_settings_come_first() -> None:
    found = search(SVC(C=3, gamma=0.2), {"C": "0.1..10.0 log", "gamma": "0.01..1.0 log"}).fit(X, Y)
    assert candidates(found)[0] == {"C": 3.0, "gamma": 0.2}
    assert found.study_.space.default == {"C": 3.0, "gamma": 0.2}
    assert "baseline" in str(found.study_.explain(0)["lines"])
    without = search(SVC(C=3, gamma=0.2), {"C": "0.1..10.0 log", "gamma": "0.01..1.0 log"}, baseline=False).fit(X, Y)
    assert {"C": 3.0, "gamma": 0.2} not in candidates(without)


def test_a_small_space_ends_early_and_an_empty_one_is_the_estimator() -> None:
    assert len(candidates(search(TREE, {"max_depth": [2, 3]}, trials=10).fit(X, Y))) == 2
    assert candidates(search(TREE, {}, trials=5).fit(X, Y)) == [{}]
    assert candidates(search(TREE, {"max_depth": [2]}, trials=5).fit(X, Y)) == [{"max_depth": 2}]
    grid = search(TREE, {"max_depth": [2, 3], "min_samples_leaf": [1, 2]}, searcher="grid", trials=99, batch=3).fit(
        X, Y
    )
    assert len(candidates(grid)) == 4


def test_stop_rules_timeout_and_callbacks() -> None:
    seen: list[str] = []
    found = search(
        Moody(), {"level": "0.0..1.0"}, trials=50, stop=[tt.Target(0.5)], callbacks=[lambda s, e: seen.append(e.kind)]
    ).fit(X, Y)
    assert 1 <= len(candidates(found)) < 50
    assert found.best_score_ >= 0.5
    assert "target 0.5 was reached" in found.study_.ended
    assert seen.count("ended") == len(candidates(found))
    short = search(Moody(), {"level": "0.0..1.0"}, trials=10_000, timeout=0.5)
    begun = time.monotonic()
    short.fit(X, Y)
    assert 1 <= len(candidates(short)) < 10_000
    assert time.monotonic() - begun < 60


def test_a_larger_batch_is_offered_when_processes_idle(caplog: pytest.LogCaptureFixture) -> None:
    search(n_jobs=8, trials=2, pre_dispatch=2, cv=2).set_params(n_jobs=1).fit(X, Y)
    assert not caplog.messages
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trimtab.integrations.sklearn._search.effective_n_jobs", lambda n: 8)
        search(trials=4, cv=3).fit(X, Y)
    assert caplog.messages == ["8 processes, but a batch is 3 fits: batch=3 keeps all of them busy"]


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_failed_fits_get_the_error_score_and_the_search_goes_on(batch: int) -> None:
    space = {"fail": [False, True], "level": [0.25, 0.5, 0.75]}
    with pytest.warns(FitFailedWarning, match="fits failed"), pytest.warns(UserWarning, match="non-finite"):
        found = search(Moody(), space, trials=6, batch=batch).fit(X, Y)
    failed = [p["fail"] for p in candidates(found)]
    assert sum(failed) == 3
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == failed
    assert found.best_params_ == {"fail": False, "level": 0.75}
    assert [t.state == "failed" for t in found.study_.trials] == failed
    (group,) = found.study_.failures()
    assert (group["kind"], group["text"], group["count"]) == ("ValueError", "in no mood", 3)
    assert group["where"].startswith("test_search_cv.py:")
    assert set(found.cv_results_["rank_test_score"][failed]) == {4}


def test_a_number_as_error_score_counts() -> None:
    with pytest.warns(FitFailedWarning, match="fits failed"):
        found = search(Moody(), {"fail": [False, True, "half"]}, trials=3, error_score=-1).fit(X, Y)
    means = {p["fail"]: m for p, m in zip(candidates(found), found.cv_results_["mean_test_score"], strict=True)}
    assert means == {False: 0.0, True: -1.0, "half": pytest.approx(-2 / 3)}
    assert {t.state for t in found.study_.trials} == {"finished", "failed"}


def test_half_a_failure_is_one_without_error_score() -> None:
    with pytest.warns(FitFailedWarning, match="2 fits failed out of"), pytest.warns(UserWarning, match="finite"):
        found = search(Moody(), {"fail": [False, "half"]}, trials=2).fit(X, Y)
    assert sorted(t.state for t in found.study_.trials) == ["failed", "finished"]
    row = [p["fail"] for p in candidates(found)].index("half")
    assert sorted(np.isnan([found.cv_results_[f"split{k}_test_score"][row] for k in range(3)])) == [False, True, True]


def test_raise_raises_and_keeps_the_candidate() -> None:
    failing = search(Moody(), {"fail": [True], "level": [0.1, 0.2]}, error_score="raise")
    with pytest.raises(ValueError, match=r"^in no mood$"):
        failing.fit(X, Y)
    assert failing.study_.counts["queued"] == 1
    assert not hasattr(failing, "_fitting")


def test_when_the_first_three_fail_nothing_more_is_tried() -> None:
    failing = search(Moody(fail=True), {"level": "0.0..1.0"}, trials=40)
    message = (
        r"(?s)All the 3 candidates failed.*3 × ValueError: in no mood.*error_score=\"raise\".*All the 3 fits failed"
    )
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match=message) as caught:
        failing.fit(X, Y)
    assert isinstance(caught.value, tt.StudyStopped)
    assert len(failing.study_) == 3
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match="All the 5 candidates failed"):
        search(Moody(fail=True), {"level": "0.0..1.0"}, trials=5, stop=[tt.Failures(in_a_row=None)]).fit(X, Y)
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match="All the 1 candidates failed"):
        search(Moody(fail=True), {"level": "0.0..1.0"}, trials=1).fit(X, Y)


def test_a_score_that_is_nan_is_a_failure_that_is_told() -> None:
    def score(estimator: Any, X: Any, y: Any) -> float:
        return float("nan") if estimator.level > 0.5 else estimator.level

    with pytest.warns(UserWarning, match="test scores are non-finite"):
        found = search(Moody(), {"level": [0.0, 0.4, 0.6, 0.8]}, trials=4, scoring=score).fit(X, Y)
    assert found.best_params_ == {"level": 0.4}
    (group,) = found.study_.failures()
    assert (group["kind"], group["text"]) == ("NonFinite", "no finite score")


def test_when_all_scores_are_nan_it_is_said_early_and_goes_on_as_scikit_learn_does(caplog: Any) -> None:
    def score(estimator: Any, X: Any, y: Any) -> float:
        return float("nan") if len(caplog.messages) == 0 or estimator.level < 0.5 else estimator.level

    with pytest.warns(UserWarning, match="test scores are non-finite"):
        found = search(Moody(), {"level": "0.0..1.0"}, scoring=score, trials=12, stop=[tt.Patience(50)]).fit(X, Y)
    assert caplog.messages == [
        "Moody: none of the first 3 candidates has a finite score (NonFinite: no finite score). The search goes on, as "
        'scikit-learn\'s do; error_score="raise" shows where it comes from'
    ]
    assert len(candidates(found)) == 12
    assert found.best_score_ >= 0.5
    with pytest.warns(UserWarning, match="test scores are non-finite"):
        all_nan = search(Moody(), {"level": "0.0..0.4"}, scoring=score, trials=5).fit(X, Y)
    assert all_nan.best_index_ == 0
    assert all_nan.predict(X).shape == (90,)


def test_a_score_called_like_a_time_is_refused() -> None:
    with pytest.raises(tt.TrimtabError, match="can't be called 'fit_time'"):
        search(scoring={"fit_time": "accuracy"}, refit="fit_time").fit(X, Y)


# ── what fit() is given ──────────────────────────────────────────────────────────────────────────────────────────────


def test_groups_weights_and_fit_params_arrive() -> None:
    groups = np.repeat(np.arange(9), 10)
    found = search(Moody(), {"level": "0.0..1.0"}, cv=GroupKFold(3), trials=3)
    found.fit(X, Y, groups=groups, sample_weight=np.full(90, 2.0))
    assert found.n_splits_ == 3
    assert found.best_estimator_.seen_ == 180.0


def test_metadata_is_routed() -> None:
    sklearn = pytest.importorskip("sklearn", minversion="1.4")
    seen: list[float] = []

    def weighed(y: Any, told: Any, sample_weight: Any) -> float:
        seen.append(float(np.sum(sample_weight)))
        return 0.5

    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(weighed).set_score_request(sample_weight=True)
        estimator = Moody().set_fit_request(sample_weight=True)
        found = search(estimator, {"level": "0.0..1.0"}, cv=GroupKFold(3), scoring=scorer, trials=3)
        found.fit(X, Y, groups=np.repeat(np.arange(9), 10), sample_weight=np.full(90, 2.0))
        assert found.best_estimator_.seen_ == 180.0
        assert set(seen) == {60.0}
        assert found.score(X, Y, sample_weight=np.full(90, 2.0)) == 0.5
        plain = search(Moody().set_fit_request(sample_weight=False), {"level": "0.0..1.0"}, trials=3)
        with pytest.raises(TypeError, match="other"):
            plain.fit(X, Y, sample_weight=np.full(90, 2.0), other=3)


def test_data_frames_and_unsupervised() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    found = search().fit(frame, pd.Series(Y))
    assert found.feature_names_in_.tolist() == list("abcdef")
    assert len(found.predict(frame)) == 90
    from sklearn.neighbors import KernelDensity

    density = search(KernelDensity(), {"bandwidth": stats.loguniform(0.1, 10)}).fit(X)
    assert density.score_samples(X).shape == (90,)


# ── a citizen of scikit-learn ────────────────────────────────────────────────────────────────────────────────────────


def test_clone_and_parameters() -> None:
    from sklearn.utils.validation import check_is_fitted

    found = search(SVC(), {"C": "0.1..10.0 log", "kernel": tt.Choice({"rbf": {"gamma": [0.1, 1.0]}, "linear": {}})})
    again = clone(found.fit(X, Y)).set_params(trials=3, estimator__tol=1e-2)
    assert not hasattr(again, "study_")
    with pytest.raises(NotFittedError):
        check_is_fitted(again)
    assert again.get_params()["trials"] == 3
    assert again.estimator.tol == 1e-2
    assert len(candidates(again.fit(X, Y))) == 3
    assert "SearchCV(" in repr(again)
    assert "estimator" in again._repr_html_()


def test_a_fitted_search_is_pickled_with_its_study() -> None:
    found = search().fit(X, Y)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(X), found.predict(X))
    assert again.study_.best == found.study_.best
    assert [e.body for e in again.study_.log()] == [e.body for e in found.study_.log()]
    assert pickle.loads(pickle.dumps(search())).trials == 6
    assert again.fit(X, Y).best_params_ == found.best_params_


def test_a_second_fit_forgets_the_first() -> None:
    found = search().fit(X, Y)
    first = found.study_
    other = np.roll(Y, 7)
    found.fit(X, other)
    assert found.study_ is not first
    assert len(found.study_) == 6
    assert found.best_score_ == search().fit(X, other).best_score_


def test_nested_cross_validation() -> None:
    scores = cross_val_score(search(trials=3), X, Y, cv=3)
    assert scores.shape == (3,)
    assert (scores > 0.5).all()


def test_ctrl_c_leaves_what_was_found(caplog: pytest.LogCaptureFixture) -> None:
    fitted: list[int] = []

    class Interrupted(Moody):
        def fit(self, X: Any, y: Any) -> Any:
            fitted.append(1)
            if len(fitted) == 8:
                import signal

                signal.raise_signal(signal.SIGINT)
            return super().fit(X, y)

    found = search(Interrupted(), {"level": "0.0..1.0"}, trials=20)
    with pytest.raises(KeyboardInterrupt):
        found.fit(X, Y)
    assert found.study_.counts["finished"] == 2
    assert found.study_.counts["queued"] == 1  # the third, which goes first next time
    assert found.study_.best.value == max(t.value for t in found.study_.trials if t.state == "finished")


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_loaded_when_asked_for_and_says_what_to_install() -> None:
    code = "import sys\nimport trimtab as tt\nassert 'sklearn' not in sys.modules\nassert 'SearchCV' in dir(tt)\n"
    code += "sys.modules['sklearn'] = None\ntry:\n    tt.SearchCV\nexcept tt.MissingExtra as error:\n    print(error)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "To search with tt.SearchCV, trimtab needs sklearn. Run: pip install 'trimtab[sklearn]'"
    )


def test_the_docstring_runs() -> None:
    import doctest

    import trimtab.integrations.sklearn._search as module

    results = doctest.testmod(module)
    assert results.attempted >= 6
    assert results.failed == 0


def test_the_example_runs(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "search_cv.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "best" in done.stdout
