"""TrimtabSampler: what Optuna's own tests don't ask."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study._conditions import Conditions

optuna = pytest.importorskip("optuna")

from trimtab.integrations.optuna import TrimtabSampler  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def branches(trial: Any) -> float:
    kind = trial.suggest_categorical("kind", ["a", None, True])
    x = float(trial.suggest_float("x", -5, 5))
    if kind == "a":
        return x * x + float(trial.suggest_float("decay", 1e-4, 1, log=True))
    if kind is None:
        return x * x + 0.5 + int(trial.suggest_int("k", 1, 9, step=2))
    return x * x + 5


def run(n: int = 25, objective: Any = branches, searcher: Any = "tpe", seed: int = 3, **study: Any) -> Any:
    made = optuna.create_study(sampler=TrimtabSampler(searcher, seed=seed), **study)
    made.optimize(objective, n_trials=n)
    return made


def test_a_seed_repeats_a_study_and_another_seed_does_not() -> None:
    first, again, other = run(), run(), run(seed=4)
    assert [t.params for t in first.trials] == [t.params for t in again.trials]
    assert [t.params for t in first.trials] != [t.params for t in other.trials]


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    whole = run(24)
    run(13, storage=url, study_name="s")
    later = optuna.load_study(study_name="s", storage=url, sampler=TrimtabSampler("tpe", seed=3))
    later.optimize(branches, n_trials=11)
    assert [t.params for t in later.trials] == [t.params for t in whole.trials]


def test_a_sampler_goes_through_pickle() -> None:
    sampler = TrimtabSampler(tt.TPE(startup=4), seed=7)
    study = optuna.create_study(sampler=sampler)
    study.optimize(branches, n_trials=6)
    study.sampler = pickle.loads(pickle.dumps(sampler))
    study.optimize(branches, n_trials=6)
    assert [t.params for t in study.trials] == [t.params for t in run(12, searcher=tt.TPE(startup=4), seed=7).trials]


def test_threads_share_a_sampler() -> None:
    study = optuna.create_study(sampler=TrimtabSampler("tpe", seed=1))
    study.optimize(branches, n_trials=40, n_jobs=4)
    assert len({t.params["x"] for t in study.trials}) == 40


def test_processes_that_share_a_seed_draw_different_values(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    a = optuna.create_study(storage=url, study_name="s", sampler=TrimtabSampler("tpe", seed=1))
    b = optuna.load_study(storage=url, study_name="s", sampler=TrimtabSampler("tpe", seed=1))
    for _ in range(8):
        mine, theirs = a.ask(), b.ask()  # b sees mine before it has asked for anything, and again when it has
        value = branches(theirs)
        a.tell(mine, branches(mine))
        later = b.ask()
        value_later = branches(later)
        b.tell(theirs, value)
        b.tell(later, value_later)
    assert len({t.params["x"] for t in a.trials}) == 24
    assert all(t.state.name == "COMPLETE" for t in a.trials)


def test_what_runs_elsewhere_is_seen_when_it_has_asked_for_more() -> None:
    study = optuna.create_study(sampler=TrimtabSampler("tpe", seed=1))
    study.optimize(branches, n_trials=12)
    other = TrimtabSampler("tpe", seed=2)
    waiting = study.ask()
    study.sampler = other
    before = study.ask()
    branches(before)  # `other` sees `waiting` without parameters
    branches(waiting)
    branches(study.ask())
    (seen,) = next(iter(other._seen.values()))[study._study_id]
    assert seen.history is not None
    row = seen.rows[waiting.number]
    assert seen.history.config(row)["x"] == waiting.params["x"]


def test_conditions_are_found_out() -> None:
    study = run(20)
    sampler = study.sampler
    (seen,) = next(iter(sampler._seen.values()))[study._study_id]
    whens = {name: getattr(d.when, "text", None) for name, d in seen.domains().items()}
    assert whens == {"kind": None, "x": None, "decay": "kind in [0]", "k": "kind in [1]"}


def test_branches_are_searched_well() -> None:
    """Parameters that only some trials have are modelled: without that, the median of ten seeds is ten times worse."""
    best = sorted(run(60, seed=seed).best_value for seed in range(5))
    assert best[2] < 0.03


def test_conditions_of_counts_and_lists() -> None:
    found = Conditions()
    for layers in (3, 1, 2, 4):
        config = {"layers": layers, "act": "relu"} | {f"units_{i}": 8 for i in range(layers)}
        found.add(config, {"act"}, {"layers", *(f"units_{i}" for i in range(4))})
    assert dict(found.found()) == {
        "layers": "", "act": "", "units_0": "", "units_1": "layers >= 2", "units_2": "layers >= 3",
        "units_3": "layers >= 4",
    }  # fmt: skip
    found.add({"layers": 1, "act": "tanh", "units_0": 8, "units_3": 1}, {"act"}, {"layers"})
    assert found.found()["units_3"] is None  # nothing tells any more when it is there
    assert found.found()["units_1"] == "layers >= 2"


def test_choices_may_be_any_objects() -> None:
    class Thing:
        pass

    things = [Thing(), (1, 2), float("nan"), Thing, "a", "a"]

    def objective(trial: Any) -> float:
        thing = trial.suggest_categorical("thing", things)
        assert any(thing is one for one in things)
        return float(things.index(thing))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert run(25, objective).best_value == 0.0


def test_constraints_from_a_function_and_from_the_trial() -> None:
    def objective(trial: Any) -> float:
        x = float(trial.suggest_float("x", 0, 10))
        trial.set_user_attr("x", x)
        if hasattr(trial, "set_constraint"):
            trial.set_constraint("above", 4 - x)
        return x

    sampler = TrimtabSampler("tpe", seed=0, constraints_func=lambda t: [3 - t.user_attrs["x"]])
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=50)
    (seen,) = next(iter(sampler._seen.values()))[study._study_id]
    assert seen.history is not None
    assert len(seen.history.constraints) == (2 if hasattr(optuna.trial.Trial, "set_constraint") else 1)
    late = [t.params["x"] for t in study.trials[-20:]]
    edge = 4 if hasattr(optuna.trial.Trial, "set_constraint") else 3
    assert sum(x > edge - 0.5 for x in late) > 12  # it has learned where it may look
    bad = optuna.create_study(sampler=TrimtabSampler("tpe", seed=0, constraints_func=lambda t: [float("nan")]))
    with pytest.raises(ValueError, match="can't be NaN"):
        bad.optimize(lambda t: float(t.suggest_float("x", 0, 1)), n_trials=1)


def test_pruned_failed_and_waiting_trials() -> None:
    def objective(trial: Any) -> float:
        x = float(trial.suggest_float("x", -1, 1))
        for step in range(5):
            trial.report(float("nan") if trial.number == 4 else x * x + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        if trial.number == 2:
            raise ArithmeticError
        return x * x if trial.number != 3 else float("inf")

    study = optuna.create_study(sampler=TrimtabSampler("tpe", seed=0), pruner=optuna.pruners.MedianPruner())
    study.enqueue_trial({"x": 0.5})
    study.enqueue_trial({"x": -0.5})
    study.optimize(objective, n_trials=40, catch=(ArithmeticError,))
    assert [t.params["x"] for t in study.trials[:2]] == [0.5, -0.5]
    assert {t.state.name for t in study.trials} == {"COMPLETE", "PRUNED", "FAIL"}
    assert study.best_value < 0.01


def test_a_pruner_with_brackets() -> None:
    def objective(trial: Any) -> float:
        x = float(trial.suggest_float("x", -1, 1))
        for step in range(9):
            trial.report(x * x + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x * x

    study = optuna.create_study(sampler=TrimtabSampler("tpe", seed=0), pruner=optuna.pruners.HyperbandPruner(1, 9, 3))
    study.optimize(objective, n_trials=40)
    kept = next(iter(study.sampler._seen.values()))[study._study_id]
    assert len(kept) == 3  # a history a bracket
    assert sum(len(s.rows) for s in kept) == 40


def test_directions() -> None:
    def both(trial: Any) -> tuple[float, float]:
        x = float(trial.suggest_float("x", 0, 1))
        return x, x

    study = run(30, both, directions=["minimize", "maximize"])
    assert len(study.best_trials) > 5
    assert run(30, lambda t: float(t.suggest_float("x", 0, 1)), direction="maximize").best_value > 0.99


def test_a_searcher_that_comes_to_its_end_says_so(caplog: pytest.LogCaptureFixture) -> None:
    study = run(9, lambda t: float(t.suggest_categorical("x", [0, 1, 2])), searcher="grid")
    assert {t.params["x"] for t in study.trials} == {0, 1, 2}
    assert "has nothing new to propose" in caplog.text


def test_refused() -> None:
    with pytest.raises(tt.UnknownName, match="Did you mean 'tpe'"):
        TrimtabSampler("tpee")
    assert repr(TrimtabSampler("random", seed=2)) == "TrimtabSampler(RandomSearch(), seed=2)"
