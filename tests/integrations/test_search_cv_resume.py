"""tt.SearchCV with a storage: the same search goes on, another one never meets its scores."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt

pytest.importorskip("sklearn")
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from trimtab.integrations.sklearn._identity import digest

X, Y = make_classification(n_samples=80, n_features=5, random_state=0)
SPACE = {"max_depth": "1..20", "min_samples_leaf": [1, 3, 10]}


class Counting(DecisionTreeClassifier):
    fits = 0

    def fit(self, X: Any, y: Any) -> Any:  # type: ignore[override]
        Counting.fits += 1
        return super().fit(X, y)


def search(folder: Path, estimator: Any = None, **settings: Any) -> tt.SearchCV:
    estimator = Counting(random_state=0) if estimator is None else estimator
    settings = {"trials": 5, "cv": 3, "random_state": 0, "storage": str(folder / "s.db"), **settings}
    return tt.SearchCV(estimator, settings.pop("space", SPACE), **settings)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    Counting.fits = 0


def table(found: tt.SearchCV) -> dict[str, Any]:
    return {k: np.ma.getdata(v) for k, v in found.cv_results_.items() if "time" not in k}


def same(a: tt.SearchCV, b: tt.SearchCV) -> None:
    assert a.cv_results_.keys() == b.cv_results_.keys()
    for name, column in table(a).items():
        np.testing.assert_array_equal(column, table(b)[name], err_msg=name)
    assert a.best_params_ == b.best_params_
    assert a.best_score_ == b.best_score_
    np.testing.assert_array_equal(a.predict(X), b.predict(X))


# ── the same search ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_larger_number_goes_on_where_the_first_fit_ended(tmp_path: Path) -> None:
    search(tmp_path).fit(X, Y)
    Counting.fits = 0
    more = search(tmp_path, trials=8).fit(X, Y)
    assert Counting.fits == 3 * 3 + 1  # three candidates, and the refit
    whole = search(tmp_path, trials=8, storage=None, name=more.study_.name).fit(X, Y)
    same(more, whole)


def test_a_second_fit_has_its_results_for_one_candidates_price(tmp_path: Path, caplog: Any) -> None:
    first = search(tmp_path).fit(X, Y)
    Counting.fits = 0
    again = search(tmp_path).fit(X, Y)
    assert Counting.fits == 3 + 1
    same(first, again)
    assert len(again.study_) == 5
    assert any("done, all of trials=5 are stored" in m for m in caplog.messages)
    same(first, first.fit(X, Y))
    assert len(first.study_) == 5


@pytest.mark.parametrize("refit", ["accuracy", False])
def test_several_scores_come_back(tmp_path: Path, refit: Any) -> None:
    settings: dict[str, Any] = {"scoring": ["accuracy", "f1"], "refit": refit, "return_train_score": True}
    first, again = (search(tmp_path, **settings).fit(X, Y) for _ in range(2))
    assert again.multimetric_
    assert first.cv_results_.keys() == again.cv_results_.keys()
    for name, column in first.cv_results_.items():
        np.testing.assert_array_equal(np.ma.getdata(column), np.ma.getdata(again.cv_results_[name]), err_msg=name)


def test_failed_candidates_come_back(tmp_path: Path) -> None:
    estimator, space = LogisticRegression(solver="liblinear"), {"C": [0.1, -1.0, 10.0]}
    with pytest.warns(FitFailedWarning, match="fits failed"), pytest.warns(UserWarning, match="non-finite"):
        first = search(tmp_path, estimator, space=space, searcher="grid", trials=3, baseline=False).fit(X, Y)
    with pytest.warns(UserWarning, match="non-finite"):
        again = search(tmp_path, estimator, space=space, searcher="grid", trials=3, baseline=False).fit(X, Y)
    same(first, again)
    assert np.isnan(again.cv_results_["mean_test_score"]).sum() == 1


def test_objects_come_back(tmp_path: Path) -> None:
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    space = {"standardscaler": ["passthrough", StandardScaler()], "logisticregression": {"C": "0.1..10.0 log"}}
    first, again = (search(tmp_path, pipe, space=space).fit(X, Y) for _ in range(2))
    assert [type(p["standardscaler"]) for p in again.cv_results_["params"]] == [
        type(p["standardscaler"]) for p in first.cv_results_["params"]
    ]


def test_the_space_may_change_on_the_way(tmp_path: Path, caplog: Any) -> None:
    first = search(tmp_path).fit(X, Y)
    more = search(tmp_path, space={**SPACE, "max_features": [1, 2, 3]}, trials=8).fit(X, Y)
    assert more.cv_results_["param_max_features"].mask.tolist() == [True] * 5 + [False] * 3
    assert more.cv_results_["params"][:5] == list(first.cv_results_["params"])
    assert any("max_features: new" in m for m in caplog.messages)


def test_a_killed_script_goes_on(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_search_cv_resume import *

        def die(study, event):
            if sys.argv[1:] and event.kind == "ended" and event.trial == 3:
                os._exit(9)

        found = search(Path({str(tmp_path)!r}), DecisionTreeClassifier(random_state=0), trials=6, batch=2,
                       callbacks=[die]).fit(X, Y)
        print(found.cv_results_["mean_test_score"].tolist(), found.best_params_)
    """)
    killed = subprocess.run([sys.executable, "-c", script, "die"], capture_output=True, text=True, check=False)
    assert killed.returncode == 9, killed.stderr
    gone_on = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    tree = DecisionTreeClassifier(random_state=0)
    whole = search(tmp_path, tree, trials=6, batch=2, storage=None).fit(X, Y)
    assert gone_on.stdout.strip() == f"{whole.cv_results_['mean_test_score'].tolist()} {whole.best_params_}"


@pytest.mark.slow
def test_several_processes_share_the_work(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_search_cv_resume import *

        found = search(Path({str(tmp_path)!r}), DecisionTreeClassifier(random_state=0), trials=24).fit(X, Y)
        print(found.cv_results_["trial"].tolist(), len(found.cv_results_["params"]), found.best_score_)
    """)
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=240)[0] for process in both]
    assert told[0] == told[1]
    assert told[0].startswith(f"{list(range(24))} 24 ")


def test_random_splits_are_the_same_after_a_restart(tmp_path: Path) -> None:
    class Sums(ClassifierMixin, BaseEstimator):
        def __init__(self, level: float = 0.0) -> None:
            self.level = level

        def fit(self, X: Any, y: Any) -> Any:
            self.classes_ = np.unique(y)
            return self

        def score(self, X: Any, y: Any) -> float:
            return float(X.sum())

    settings: dict[str, Any] = {"cv": ShuffleSplit(3), "random_state": None, "space": {"level": "0.0..1.0"}}
    search(tmp_path, Sums(), trials=2, **settings).fit(X, Y)
    more = search(tmp_path, Sums(), trials=4, **settings).fit(X, Y)
    assert len(set(more.cv_results_["split0_test_score"])) == 1


# ── another search ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_search_has_its_own_study(tmp_path: Path) -> None:
    first = search(tmp_path).fit(X, Y)
    others = [
        search(tmp_path).fit(X[:60], Y[:60]),
        search(tmp_path).fit(X, 1 - Y),
        search(tmp_path, cv=4).fit(X, Y),
        search(tmp_path, scoring="f1").fit(X, Y),
        search(tmp_path, Counting(random_state=1)).fit(X, Y),
    ]
    names = [first.study_.name, *(o.study_.name for o in others)]
    assert len(set(names)) == 6
    assert all(len(o.study_) == 5 for o in others)
    assert set(names) == {s["name"] for s in tt.studies(str(tmp_path / "s.db"))}


def test_folds_of_a_nested_cross_validation_do_not_meet(tmp_path: Path) -> None:
    outer = StratifiedKFold(3)
    plain = cross_validate(search(tmp_path, storage=None), X, Y, cv=outer, return_estimator=True)
    for _ in range(2):
        stored = cross_validate(search(tmp_path), X, Y, cv=outer, return_estimator=True)
        np.testing.assert_array_equal(stored["test_score"], plain["test_score"])
        assert [e.best_params_ for e in stored["estimator"]] == [e.best_params_ for e in plain["estimator"]]
    assert len(tt.studies(str(tmp_path / "s.db"))) == 3


def test_a_name_of_ones_own_is_kept_from_other_searches(tmp_path: Path) -> None:
    first = search(tmp_path, name="digits").fit(X, Y)
    assert first.study_.name == "digits"
    same(first, search(tmp_path, name="digits").fit(X, Y))
    with pytest.raises(tt.StudyMismatch, match=r'"digits" in .* was a search with other data, so its scores .* name='):
        search(tmp_path, name="digits").fit(X, 1 - Y)
    with pytest.raises(tt.StudyMismatch, match="other data and cv"):
        search(tmp_path, name="digits", cv=KFold(3)).fit(X[:50], Y[:50])
    with pytest.raises(tt.StudyMismatch, match="has the seed 0; this call says seed=1"):
        search(tmp_path, name="digits", random_state=1).fit(X, Y)
    assert len(tt.load(str(tmp_path / "s.db"), "digits").history.definitions) == 1
    tt.Study("mine", {"x": [1, 2]}, maximize="score", storage=str(tmp_path / "s.db"))
    with pytest.raises(tt.StudyMismatch, match=r'"mine" in .* is no study of a tt.SearchCV'):
        search(tmp_path, name="mine").fit(X, Y)


def test_a_storage_object_and_a_path_work(tmp_path: Path) -> None:
    search(tmp_path, storage=tmp_path / "p.db").fit(X, Y)
    assert (tmp_path / "p.db").exists()
    study = search(tmp_path).fit(X, Y).study_
    assert tt.load(str(tmp_path / "s.db")).best == study.best


# ── what counts as the same ──────────────────────────────────────────────────────────────────────────────────────────


def test_identity_is_of_contents() -> None:
    pd = pytest.importorskip("pandas")
    from scipy import sparse

    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    pairs: list[tuple[Any, Any]] = [
        (X, X.copy()),
        (np.asfortranarray(X), X),
        (frame, frame.copy()),
        (sparse.csr_matrix(X), sparse.coo_matrix(X).tocsr()),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (LogisticRegression(C=2), LogisticRegression(C=2)),
        (make_scorer(accuracy_score), make_scorer(accuracy_score)),
        (KFold(3, shuffle=True, random_state=1), KFold(3, shuffle=True, random_state=1)),
        (np.random.RandomState(1), np.random.RandomState(1)),
        (["a", None, 1.5], ["a", None, 1.5]),
        (np.float64(1.5), 1.5),
    ]
    for a, b in pairs:
        assert digest(a) == digest(b), a
    apart: list[Any] = [
        X, X[:-1], X + 1e-12, X.astype(np.float32), X.tolist(), frame, frame.rename(columns={"a": "c"}),
        LogisticRegression(), LogisticRegression(C=2), make_pipeline(LogisticRegression()), KFold(3), KFold(4),
        StratifiedKFold(3), None, 0, False, "0", 0.0, (), [], {}, [0], [[0]], [0, 0], "f1", accuracy_score,
        make_scorer(accuracy_score), np.random.RandomState(1), np.random.RandomState(2), {"a": 1}, {"a": 2}, b"0",
        np.array(["a", None], dtype=object), np.array(["a", "b"], dtype=object), LogisticRegression, {1, 2}, {1},
    ]  # fmt: skip
    assert len({digest(thing) for thing in apart}) == len(apart)


def test_identity_is_the_same_in_every_process() -> None:
    code = (
        "from test_search_cv_resume import *\n"
        "print(digest([X, {'b', 'a', 'c'}, make_pipeline(StandardScaler()), make_scorer(accuracy_score), lambda x: x]))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(tt.__file__).parents[1])},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1
