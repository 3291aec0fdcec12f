"""Data sets that come with scikit-learn, or that it makes: subsampled, scaled once, split once.

Idea    Small enough that one evaluation takes some hundredths of a second, so a bench can afford thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab._extras import need

ROWS = 400  # at most; a stratified draw of the larger sets
FOLDS = 3


@dataclass(frozen=True, eq=False)
class Data:
    """X (n, d) raw, y (n,): codes of classes, or a target with mean 0 and standard deviation 1."""

    X: NDArray[np.float64]
    y: NDArray[Any]
    classes: int  # 0 for regression
    splits: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]

    @property
    def rows(self) -> int:
        """That a fit sees."""
        return len(self.splits[0][0])

    @property
    def columns(self) -> int:
        return int(self.X.shape[1])


def part(module: str) -> Any:
    """A module of scikit-learn."""
    return need(f"sklearn.{module}", extra="bench", to="train with scikit-learn")


def _bundled(name: str) -> Any:
    return getattr(part("datasets"), f"load_{name}")(return_X_y=True)


def _made(name: str, **words: Any) -> Any:
    return getattr(part("datasets"), f"make_{name}")(random_state=0, **words)


_NOISY = {"n_samples": ROWS, "n_features": 20, "n_informative": 6, "n_redundant": 6, "flip_y": 0.1, "class_sep": 0.8}
CLASSIFICATION: Mapping[str, Callable[[], Any]] = {
    "iris": lambda: _bundled("iris"),
    "wine": lambda: _bundled("wine"),
    "cancer": lambda: _bundled("breast_cancer"),
    "digits": lambda: _bundled("digits"),
    "moons": lambda: _made("moons", n_samples=ROWS, noise=0.3),
    "noisy": lambda: _made("classification", **_NOISY),
}
REGRESSION: Mapping[str, Callable[[], Any]] = {
    "diabetes": lambda: _bundled("diabetes"),
    "friedman1": lambda: _made("friedman1", n_samples=300, noise=1.0),
    "friedman3": lambda: _made("friedman3", n_samples=300, noise=0.1),
}


@cache
def load(name: str) -> Data:
    """The data set, the same in every process."""
    selection = part("model_selection")
    if name in REGRESSION:
        X, y = REGRESSION[name]()
        y = (y - y.mean()) / y.std()
        folds = selection.KFold(FOLDS, shuffle=True, random_state=0)
        return Data(np.asarray(X, dtype=np.float64), y, 0, tuple(folds.split(X)))
    X, y = CLASSIFICATION[name]()
    if len(y) > ROWS:
        X, _, y, _ = selection.train_test_split(X, y, train_size=ROWS, stratify=y, random_state=0)
    folds = selection.StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return Data(np.asarray(X, dtype=np.float64), y, int(y.max()) + 1, tuple(folds.split(X, y)))
