"""Which classifier reads handwritten digits best, and with which settings? Run it: trimtab run examples/digits.toml"""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

X, y = load_digits(return_X_y=True)
FOLDS = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))


def classifier(kind, settings, seed):
    """The model that a configuration describes."""
    if kind == "svm":
        return SVC(C=settings["C"], gamma=settings["gamma"])
    if kind == "forest":
        return RandomForestClassifier(settings["trees"], max_depth=settings["depth"], random_state=seed)
    return MLPClassifier(
        settings["width"], alpha=settings["alpha"], max_iter=100, early_stopping=True, random_state=seed
    )


def objective(trial):
    kind, settings = trial.branch("model")  # ("svm", {"C": 3.1, "gamma": 0.001})
    model = classifier(kind, settings, trial.seed % 2**32)
    if trial["scale"]:
        model = make_pipeline(StandardScaler(), model)
    for fold, (train, test) in enumerate(FOLDS):
        accuracy = model.fit(X[train], y[train]).score(X[test], y[test])
        trial.report(accuracy=accuracy, fold=fold, step=1)  # the mean over folds counts, and its spread is known
