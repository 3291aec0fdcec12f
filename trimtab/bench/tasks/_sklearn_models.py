"""Models of scikit-learn as search spaces: what is searched, what is fitted, what a fit counts.

Work    A fit counts work(config, rows, columns) seconds: an estimate by rule, since a measured time would differ from
        run to run. Its constants are rough figures of one core: tens of nanoseconds for a comparison, a few for a
        multiplication.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.bench.task import Config
from trimtab.bench.tasks._sklearn_data import FOLDS, part
from trimtab.space import Bool, Choice, Float, Int, Space

Work = Callable[[Config, int, int], float]


@dataclass(frozen=True)
class Model:
    """One kind of model.

    space    (classification?) -> Space
    build    (config, classification?) -> an estimator
    work     (config, rows, columns) -> seconds that a fit counts
    steps    what it can be stopped after, and how many there are; ("", 0): it can only be fitted whole
    decides  config -> whether it gives decision values instead of probabilities
    scaled   the columns are standardised before
    folds    how many of the cross-validation's folds are used
    leave    data sets on which it would take too long
    """

    space: Callable[[bool], Space]
    build: Callable[[Config, bool], Any]
    work: Work
    steps: tuple[str, int] = ("", 0)
    decides: Callable[[Config], bool] = lambda config: False
    scaled: bool = True
    folds: int = FOLDS
    leave: frozenset[str] = frozenset()


OVERHEAD = 0.002  # seconds of any fit: checks, copies


# ── forests ──────────────────────────────────────────────────────────────────


def _forest_space(classify: bool) -> Space:
    kinds = {"criterion": Choice(["gini", "log_loss"])} if classify else {}
    return Space(
        {
            "n_estimators": Int(5, 30, log=True),
            "max_depth": Int(1, 16, log=True),
            "min_samples_leaf": Int(1, 20, log=True),
            "max_features": Float(0.1, 1.0),
            "bootstrap": Bool(),
            "max_samples": Float(0.3, 1.0, when={"bootstrap": True}),
            **kinds,
        }
    )


def _forest(config: Config, classify: bool) -> Any:
    kind = "RandomForestClassifier" if classify else "RandomForestRegressor"
    return getattr(part("ensemble"), kind)(random_state=0, **config)


def _forest_work(c: Config, rows: int, columns: int) -> float:
    used = rows * c.get("max_samples", 1.0)
    depth = min(c["max_depth"], math.log2(used))
    return float(OVERHEAD + c["n_estimators"] * (4e-4 + 3e-8 * used * depth * columns * c["max_features"]))


# ── support vectors ──────────────────────────────────────────────────────────


def _svm_space(classify: bool) -> Space:
    loss = {} if classify else {"epsilon": Float(1e-3, 1.0, log=True)}
    return Space(
        {
            "C": Float(1e-3, 1e3, log=True),
            "kernel": Choice(["rbf", "poly", "sigmoid", "linear"]),
            "gamma": Float(1e-4, 10.0, log=True, when={"kernel": ["rbf", "poly", "sigmoid"]}),
            "degree": Int(2, 5, when={"kernel": "poly"}),
            "coef0": Float(-1.0, 1.0, when={"kernel": ["poly", "sigmoid"]}),
            **loss,
        }
    )


def _svm(config: Config, classify: bool) -> Any:
    kind = "SVC" if classify else "SVR"  # 20,000 steps are enough where C and gamma are sensible
    return getattr(part("svm"), kind)(max_iter=20_000, cache_size=20, **config)


def _svm_work(c: Config, rows: int, columns: int) -> float:
    return OVERHEAD + 1e-8 * rows**2 * (columns + 10) * (1 + math.log10(1 + c["C"]))


# ── networks ─────────────────────────────────────────────────────────────────

EPOCHS = 27


def _network_space(classify: bool) -> Space:
    return Space(
        {
            "layers": Int(1, 3),
            "units": Int(8, 64, log=True),
            "learning_rate": Float(1e-4, 0.3, log=True),
            "batch": Int(16, 128, log=True),
            "alpha": Float(1e-6, 1.0, log=True),
            "momentum": Float(0.5, 0.99),  # of Adam: beta_1
            "activation": Choice(["relu", "tanh"]),
        }
    )


def _network(config: Config, classify: bool) -> Any:
    kind = "MLPClassifier" if classify else "MLPRegressor"
    return getattr(part("neural_network"), kind)(
        hidden_layer_sizes=(config["units"],) * config["layers"],
        learning_rate_init=config["learning_rate"],
        batch_size=config["batch"],
        alpha=config["alpha"],
        beta_1=config["momentum"],
        activation=config["activation"],
        random_state=0,
    )


def _network_work(c: Config, rows: int, columns: int) -> float:
    weights = c["units"] * columns + (c["layers"] - 1) * c["units"] ** 2
    return float(OVERHEAD + EPOCHS * (rows / c["batch"] * 1e-4 * (1 + c["layers"]) + 1e-9 * rows * weights))


# ── boosting ─────────────────────────────────────────────────────────────────

ROUNDS = 27


def _boosting_space(classify: bool) -> Space:
    return Space(
        {
            "learning_rate": Float(0.01, 1.0, log=True),
            "max_leaf_nodes": Int(2, 32, log=True),
            "min_samples_leaf": Int(1, 50, log=True),
            "l2_regularization": Float(1e-6, 1e2, log=True),
            "max_features": Float(0.1, 1.0),
        }
    )


def _boosting(config: Config, classify: bool) -> Any:
    kind = "HistGradientBoostingClassifier" if classify else "HistGradientBoostingRegressor"
    return getattr(part("ensemble"), kind)(max_iter=ROUNDS, early_stopping=False, max_bins=32, random_state=0, **config)


def _boosting_work(c: Config, rows: int, columns: int) -> float:
    return float(OVERHEAD + ROUNDS * c["max_leaf_nodes"] * (2e-5 + 2e-9 * rows * columns * c["max_features"]))


# ── neighbours and linear models ─────────────────────────────────────────────


def _neighbours_space(classify: bool) -> Space:
    return Space(
        {
            "n_neighbors": Int(1, 60, log=True),
            "weights": Choice(["uniform", "distance"]),
            "p": Float(1.0, 4.0),
        }
    )


def _neighbours(config: Config, classify: bool) -> Any:
    kind = "KNeighborsClassifier" if classify else "KNeighborsRegressor"
    return getattr(part("neighbors"), kind)(**config)


def _neighbours_work(c: Config, rows: int, columns: int) -> float:
    return OVERHEAD + 2e-8 * rows**2 * columns / 2


def _linear_space(classify: bool) -> Space:
    strength = {"C": Float(1e-4, 1e4, log=True)} if classify else {"alpha": Float(1e-5, 10.0, log=True)}
    spline = Space({"knots": Int(2, 8), "degree": Int(1, 3)})
    return Space({**strength, "l1_ratio": Float(0.0, 1.0), "basis": Choice({"plain": Space({}), "spline": spline})})


def _linear(config: Config, classify: bool) -> Any:
    models = part("linear_model")
    words = {name: value for name, value in config.items() if not name.startswith("basis")}
    if classify:
        fitted = models.LogisticRegression(solver="saga", max_iter=60, random_state=0, **words)
    else:
        fitted = models.ElasticNet(max_iter=300, **words)
    if config["basis"] == "plain":
        return fitted
    spline = part("preprocessing").SplineTransformer(config["basis.spline.knots"], config["basis.spline.degree"])
    return part("pipeline").make_pipeline(spline, fitted)


def _linear_work(c: Config, rows: int, columns: int) -> float:
    used = columns * (c.get("basis.spline.knots", 2) + c.get("basis.spline.degree", 0) - 1)
    return float(OVERHEAD + 60 * 1e-8 * rows * used)


# ── a pipeline ───────────────────────────────────────────────────────────────


def _pipeline_space(classify: bool) -> Space:
    strength = Float(1e-3, 1e3, log=True)
    return Space(
        {
            "scaler": Choice(["none", "standard", "minmax", "quantile"]),
            "reduce": Choice(
                {
                    "none": Space({}),
                    "pca": Space({"share": Float(0.1, 1.0), "whiten": Bool()}),
                    "best": Space({"share": Float(0.1, 1.0)}),
                }
            ),
            "model": Choice(
                {
                    "linear": Space({"strength": strength}),
                    "svm": Space({"C": strength, "gamma": Float(1e-4, 10.0, log=True)}),
                    "knn": Space({"n_neighbors": Int(1, 60, log=True), "p": Float(1.0, 4.0)}),
                    "forest": Space(
                        {
                            "n_estimators": Int(5, 20, log=True),
                            "max_depth": Int(1, 16, log=True),
                            "max_features": Float(0.1, 1.0),
                        }
                    ),
                }
            ),
        }
    )


def _branch(config: Config, name: str) -> dict[str, Any]:
    """The parameters of what was chosen for `name`, under their own names."""
    start = f"{name}.{config[name]}."
    return {key.removeprefix(start): value for key, value in config.items() if key.startswith(start)}


def _scaler(name: str) -> Any:
    made = part("preprocessing")
    if name == "quantile":
        return made.QuantileTransformer(n_quantiles=50, output_distribution="normal", random_state=0)
    return {"none": "passthrough", "standard": made.StandardScaler(), "minmax": made.MinMaxScaler()}[name]


def _reducer(name: str, words: dict[str, Any], classify: bool) -> Any:
    share = words.get("share", 1.0)
    if name == "pca":
        return part("decomposition").PCA(min(share, 0.999), whiten=words["whiten"], svd_solver="full")
    if name == "best":
        score = _scores_of_classes if classify else _scores_of_target
        return part("feature_selection").SelectPercentile(score, percentile=100 * share)
    return "passthrough"


def _scores_of_classes(X: Any, y: Any) -> Any:
    """F values; 0 of a column that is constant (digits have black corners)."""
    return np.nan_to_num(part("feature_selection").f_classif(X, y)[0], posinf=1e300)


def _scores_of_target(X: Any, y: Any) -> Any:
    return np.nan_to_num(part("feature_selection").f_regression(X, y)[0], posinf=1e300)


def _pipeline_model(name: str, words: dict[str, Any], classify: bool) -> Any:
    if name == "svm":
        return _svm({"kernel": "rbf", **words}, classify)
    if name == "knn":
        return _neighbours({"weights": "distance", **words}, classify)
    if name == "forest":
        return _forest(words, classify)
    models = part("linear_model")
    if classify:
        return models.LogisticRegression(C=words["strength"], max_iter=100)
    return models.Ridge(alpha=1 / words["strength"])


def _pipeline(config: Config, classify: bool) -> Any:
    steps = [
        ("scaler", _scaler(config["scaler"])),
        ("reduce", _reducer(config["reduce"], _branch(config, "reduce"), classify)),
        ("model", _pipeline_model(config["model"], _branch(config, "model"), classify)),
    ]
    return part("pipeline").Pipeline(steps)


def _pipeline_work(c: Config, rows: int, columns: int) -> float:
    words = _branch(c, "model")
    before = {"none": 0.0, "pca": 1e-9 * rows * columns**2, "best": 1e-8 * rows * columns}[c["reduce"]]
    work = {"svm": _svm_work, "knn": _neighbours_work, "forest": _forest_work, "linear": _linear_work}[c["model"]]
    return before + work(words, rows, columns)


MODELS: Mapping[str, Model] = {
    "rf": Model(_forest_space, _forest, _forest_work, scaled=False),
    "svm": Model(_svm_space, _svm, _svm_work, decides=lambda config: True),
    "mlp": Model(_network_space, _network, _network_work, steps=("epoch", EPOCHS), folds=1),
    "gbt": Model(
        _boosting_space,
        _boosting,
        _boosting_work,
        steps=("round", ROUNDS),
        scaled=False,
        leave=frozenset({"digits"}),  # ten trees a round: a second an evaluation
    ),
    "knn": Model(_neighbours_space, _neighbours, _neighbours_work),
    "linear": Model(_linear_space, _linear, _linear_work, leave=frozenset({"digits"})),
    "pipeline": Model(
        _pipeline_space,
        _pipeline,
        _pipeline_work,
        decides=lambda config: config["model"] == "svm",
        scaled=False,
    ),
}
