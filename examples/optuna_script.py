"""A script as it was written for Optuna; only the import has changed. Steps count from 0, and pruning raises, as there.

python examples/optuna_script.py
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import trimtab.integrations.optuna_api as optuna

X, y = load_digits(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X / 16, y, random_state=0)


def objective(trial: optuna.Trial) -> float:
    alpha = trial.suggest_float("alpha", 1e-6, 1e-1, log=True)
    penalty = trial.suggest_categorical("penalty", ["l2", "l1", "elasticnet"])
    mix = trial.suggest_float("l1_ratio", 0, 1) if penalty == "elasticnet" else 0.15
    model = SGDClassifier(alpha=alpha, penalty=penalty, l1_ratio=mix, random_state=0)
    score = 0.0
    for step in range(15):
        model.partial_fit(X_train, y_train, classes=np.arange(10))
        score = float(model.score(X_valid, y_valid))
        trial.report(score, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return score


study = optuna.create_study(
    study_name="digits", direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner(n_warmup_steps=2),
)  # fmt: skip
study.optimize(objective, n_trials=30)

pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
print(f"{len(study.trials)} trials, {len(pruned)} pruned; best {study.best_value:.4f} with {study.best_params}")
if pruned:  # in trimtab's own words: study.study is its handle
    print(*study.study.explain(pruned[-1].number)["lines"], sep="\n")
