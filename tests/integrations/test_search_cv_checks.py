"""scikit-learn's own checks of estimators, and its own tests of its searches, on tt.SearchCV."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest

import trimtab as tt

pytest.importorskip("sklearn")
import sklearn
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import check_estimator

KNOWN = {"check_supervised_y_2d"}  # scikit-learn expects it to fail for its own searches
RECENT = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 6)

# as scikit-learn checks its own searches
ESTIMATORS = {
    "regressor": (Ridge(), "alpha", 46 if RECENT else 34),
    "classifier": (LogisticRegression(), "C", 50 if RECENT else 37),
    "pipeline of a regressor": (Pipeline([("pca", PCA()), ("ridge", Ridge())]), "ridge__alpha", 46 if RECENT else 34),
    "pipeline of a classifier": (
        Pipeline([("pca", PCA()), ("lr", LogisticRegression())]),
        "lr__C",
        50 if RECENT else 37,
    ),
}


def outcomes(estimator: Any) -> dict[str, str]:
    """{check: passed, failed or skipped}"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if RECENT:
            return {r["check_name"]: r["status"] for r in check_estimator(estimator, on_fail=None, on_skip=None)}
        found = {}
        for made, check in check_estimator(estimator, generate_only=True):
            try:
                check(made)
                status = "passed"
            except SkipTest:
                status = "skipped"
            except Exception:
                status = "failed"
            found[check.func.__name__] = status
        return found


def checked(kind: str, capsys: pytest.CaptureFixture[str], space: Any, **settings: Any) -> dict[str, str]:
    """The outcomes, told and counted: as many passed as of their own search, and nothing failed that passes there."""
    estimator, name, fewest = ESTIMATORS[kind]
    found = outcomes(tt.SearchCV(estimator, {name: space}, cv=2, random_state=0, **settings))
    counts = Counter(found.values())
    with capsys.disabled():
        print(f"\n    {kind}, scikit-learn {sklearn.__version__}: {dict(counts)}")
    assert counts["passed"] >= fewest
    assert {check for check, told in found.items() if told == "failed"} <= KNOWN
    return found


@pytest.mark.parametrize("kind", ["classifier", "pipeline of a regressor"])
def test_it_passes_the_checks_of_estimators(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    checked(kind, capsys, "0.1..10.0 log", trials=2, batch=2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_each_check_ends_as_with_their_own_search(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    ours = checked(kind, capsys, [0.1, 1.0], trials=2, error_score="raise")
    estimator, name, _ = ESTIMATORS[kind]
    theirs = RandomizedSearchCV(estimator, {name: [0.1, 1.0]}, n_iter=2, cv=2, random_state=0, error_score="raise")
    assert ours == outcomes(theirs)


# ── their tests of their searches ────────────────────────────────────────────────────────────────────────────────────

REPEATS = "the same value twice in a list is one candidate here"
DRAWS = "it wants the very candidates that their random numbers give, in their order"
WORDS = "as many fits as candidates were listed, though they are all the same one"
EXPECTED: Mapping[str, str] = {
    "test_grid_search_classifier_all_fits_fail": WORDS,
    "test_callable_multimetric_clf_all_fits_fail": WORDS,
    "test_grid_search_cv_splits_consistency": REPEATS,
    "test_search_default_iid[RandomizedSearchCV-specialized_params1]": DRAWS,
    "test_search_cv_results_rank_tie_breaking": DRAWS,
    "test_custom_run_search": "it wants the very attributes of theirs; there is study_ as well",
    "test_search_cv_timing": DRAWS,
    "test_search_with_2d_array": DRAWS,
}


@pytest.mark.slow
def test_their_own_tests_of_searches_pass(capsys: pytest.CaptureFixture[str]) -> None:
    theirs = Path(sklearn.__file__).parent / "model_selection" / "tests" / "test_search.py"
    if not theirs.exists():
        pytest.skip("scikit-learn is installed without its tests")
    here, root = Path(__file__).parent, Path(tt.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "search_cv_adapters", str(theirs), "-q", "-p", "no:cacheprovider",
         "-c", os.devnull, "--tb=line", "-rf"],
        capture_output=True, text=True, check=False, cwd=theirs.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(root)]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    failed = set(re.findall(r"^FAILED .*?::(\S+)", done.stdout, re.MULTILINE))
    told = re.search(r"(\d+) passed", done.stdout)
    with capsys.disabled():
        print(f"\n    scikit-learn {sklearn.__version__}: {done.stdout.strip().splitlines()[-1]}")
    assert failed <= set(EXPECTED), done.stdout[-4000:]
    assert told is not None, done.stdout[-4000:] + done.stderr[-4000:]
    assert int(told[1]) >= (130 if RECENT else 80)
