"""A scikit-learn search that learns from every candidate: which classifier reads digits, and with which settings?

Run it: python examples/search_cv.py. Again: the candidates are stored, so it is done at once; interrupted, it goes on.
"""

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

import trimtab as tt

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

pipe = Pipeline([("reduce", "passthrough"), ("clf", SVC(gamma=0.001))])
space = {
    "reduce": ["passthrough", PCA(20, random_state=0), PCA(40, random_state=0)],
    "clf": {
        "svm": (SVC(), {"C": "1e-2..1e3 log", "gamma": "1e-5..0.1 log"}),
        "trees": (ExtraTreesClassifier(random_state=0), {"n_estimators": "10..100 log", "max_depth": "3..20"}),
    },
}

search = tt.SearchCV(pipe, space, trials=20, cv=3, random_state=0, storage="digits_search.db")
search.fit(X_train, y_train)

print(f"best     {search.best_score_:.4f}  {search.study_.best.config}")
print(f"baseline {search.study_.trial(0).value:.4f}  {search.study_.trial(0).config}")
print(f"unseen   {search.score(X_test, y_test):.4f}")
