"""A data scientist in a notebook: day 1, day 7, day 30. What she types, in a real kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from story_kit import notebook, sh

pytestmark = pytest.mark.filterwarnings("ignore")  # jupyter's own

OBJECTIVE = """
import numpy as np
import trimtab as tt
from sklearn.datasets import load_iris
from sklearn.neighbors import KNeighborsClassifier
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

X, y = load_iris(return_X_y=True)

def objective(trial):
    kind, settings = trial.branch("model")
    model = KNeighborsClassifier(**settings) if kind == "knn" else DecisionTreeClassifier(**settings, random_state=0)
    for fold, accuracy in enumerate(cross_val_score(model, X, y, cv=3)):
        trial.report(accuracy=accuracy, fold=fold, step=1)
"""

SPACE = """
space = tt.Space({"model": tt.Choice({
    "knn": tt.Space({"n_neighbors": tt.Int(1, 30, default=15), "p": tt.Float(1, 4, default=2.0)}),
    "tree": tt.Space({"max_depth": tt.Int(1, 10, default=1)}),
}, default="tree")})
"""


def test_thirty_days(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")

    with notebook(tmp_path) as cell:  # day 1: a bug first, as always
        cell(OBJECTIVE + SPACE)
        said = cell("""
study = tt.Study("iris", space, maximize="accuracy", storage="iris.db", seed=0)
try:
    study.optimize(lambda trial: KNeighborsClassifier(**trial.config).fit(X, y).score(X, y), trials=40)
except tt.StudyStopped as stopped:
    print(stopped)
print(len(study))
""")
        assert "The first 3 trials all failed in the same place" in said
        assert "TypeError" in said
        assert said.splitlines()[-1] == "3"
        cell("study.optimize(objective, trials=8)")  # the mended objective, and the same trials first
        assert cell("print(len(study), study.counts['failed'], study.trial(0).config['model'])") == "8 0 tree\n"
        cell("study.optimize(objective, trials=12, workers=2)")  # functions of cells go to worker processes
        assert cell("print(study.counts['finished'], study.best.value >= study.trial(0).value)") == "12 True\n"
        assert cell("print(study.best.sem['accuracy'] < 0.2)") == "True\n"  # ± from the folds

    with notebook(tmp_path) as cell:  # day 7: another kernel, another space
        cell(OBJECTIVE + SPACE)
        cell("""
wider = space.replace(model=tt.Choice({
    "knn": tt.Space({"n_neighbors": tt.Int(1, 60, default=15), "p": tt.Float(1, 4, default=2.0)}),
    "tree": tt.Space({"max_depth": tt.Int(1, 10, default=1),
                      "criterion": tt.Choice(["gini", "entropy"], default="gini")}),
}, default="tree"))
study = tt.Study("iris", wider, maximize="accuracy", storage="iris.db")
""")
        said = cell("print(len(study), study.resumed); print(*study.changes, sep='\\n')")
        assert said.startswith("12 True\n")
        assert "model.knn.n_neighbors" in said
        assert "criterion" in said
        assert cell("print(study.enqueue({'model': 'tree', 'model.tree.criterion': 'entropy'}))") == "True\n"
        cell("study.optimize(objective, trials=16)")
        assert cell("print(study.trial(12).config['model.tree.criterion'])") == "entropy\n"
        cell("study.invalidate(13, reason='the old export'); study.correct(14, {'accuracy': 0.5}, reason='typo')")
        cell("study.optimize(objective, trials=16)")
        assert cell("print(study.counts['invalid'], study.counts['counted'], study.trial(14).value)") == "1 16 0.5\n"

    with notebook(tmp_path) as cell:  # day 30: somebody asks
        cell("import trimtab as tt; study = tt.load('iris.db')")
        cell("frame = study.to_pandas()")
        columns = cell("print(*frame.columns)").split()
        assert {"number", "state", "value", "params_model", "params_model.knn.n_neighbors", "seconds"} <= set(columns)
        assert cell("print(frame['params_model.knn.p'].isna().any())") == "True\n"  # inactive: empty
        assert cell("print(sorted(set(study.to_pandas(style='optuna')['state'])))").startswith("['COMPLETE'")
        assert cell("print(study.explain(12)['lines'][0] != '')") == "True\n"
        assert cell("print(len(study.to_pandas(reports=True)) >= 48)") == "True\n"  # three folds a trial

    assert "decisions came out the same" in sh("trimtab verify iris.db", tmp_path)
    assert "criterion" in sh("trimtab export iris.db | head -1", tmp_path)
