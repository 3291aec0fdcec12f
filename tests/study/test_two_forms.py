"""minimize, save and what a user may leave out: the short ways to a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.log import to_text
from trimtab.study.verify import verify


def test_minimize_in_every_form(tmp_path: Path) -> None:
    s = tt.minimize(lambda t: (t.float("x", -5, 5) - 2) ** 2, trials=12, seed=1)
    assert (type(s), len(s), s.objectives, set(s.best.config)) == (tt.Study, 12, {"value": "min"}, {"x"})
    s = tt.minimize(lambda t: t["x"] ** 2, trials=5, space={"x": tt.Float(-1, 1)}, searcher="sobol")
    assert (s.searcher.name, len(s)) == ("sobol", 5)
    s = tt.minimize(lambda t: t.float("x", 0, 1), trials=4, workers=2)
    assert s.counts["finished"] == 4
    path = tmp_path / "s.db"
    for total in (3, 5):
        s = tt.minimize(lambda t: t.float("x", 0, 1), trials=total, storage=path)
    assert (len(s), tt.load(path).name) == (5, "minimize")
    with pytest.raises(TypeError, match=r"minimize\(\) names its objective itself: the value.*tt\.Study"):
        tt.minimize(lambda t: 1.0, trials=1, maximize="auc")


def test_names_that_depend_on_others() -> None:
    def objective(trial: Any) -> float:
        kind = trial.choice("kind", ["svm", "forest"])
        if kind == "svm":
            return float(trial.float("svm.C", 1e-3, 1e3, log=True))
        return float(trial.int("forest.depth", 2, 20) + trial.bool("forest.deep"))

    s = tt.Study("by run", maximize="auc", seed=2).optimize(objective, trials=30)
    names = {t.config["kind"]: set(t.config) for t in s.trials}
    assert names == {"svm": {"kind", "svm.C"}, "forest": {"kind", "forest.depth", "forest.deep"}}
    assert set(s.space.names) == {"kind", "svm.C", "forest.depth", "forest.deep"}
    assert s.objectives == {"auc": "max"}
    assert verify(s._log.storage).ok


def test_what_was_in_memory_is_saved_as_it_is(tmp_path: Path) -> None:
    s = tt.Study("s", {"x": tt.Float(-1, 1)}, minimize="loss", seed=3, scheduler="halving", max_budget=3)

    def objective(trial: Any) -> None:
        for step in trial.steps():
            trial.report(loss=trial["x"] ** 2 / step)

    s.optimize(objective, trials=6)
    s.note(2, "looks odd")
    saved = s.save(tmp_path / "s.db")
    assert saved.trials == s.trials
    assert [(e.kind, e.trial, e.attempt, to_text(e.body)) for e in saved.log()] == [
        (e.kind, e.trial, e.attempt, to_text(e.body)) for e in s.log()
    ]
    assert verify(tmp_path / "s.db").ok
    again = tt.Study("s", storage=tmp_path / "s.db").optimize(objective, trials=9)
    s.optimize(objective, trials=9)
    assert [t.config for t in again.trials] == [t.config for t in s.trials], "and it goes on as it would have"
    with pytest.raises(tt.StudyMismatch, match=r'"s" exists in .* already'):
        s.save(tmp_path / "s.db")


def test_little_is_needed() -> None:
    s = tt.Study("s").optimize(lambda t: t.float("x", 0, 1), trials=3)
    assert (s.objectives, s.best.metrics) == ({"loss": "min"}, {"loss": s.best.value})
    trial = s.trial(s.trial(1))
    assert (trial.number, trial.values, s.explain(trial)["trial"]) == (1, {"loss": trial.value}, 1)
