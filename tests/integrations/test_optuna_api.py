"""Scripts written for Optuna, run as they are under Optuna and under the façade: both come to the same shapes."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt
import trimtab.integrations.optuna_api as api

SCRIPTS = {
    "sklearn": """
import optuna
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

X, y = load_iris(return_X_y=True)

def objective(trial):
    name = trial.suggest_categorical("classifier", ["SVC", "RandomForest"])
    if name == "SVC":
        model = SVC(C=trial.suggest_float("svc_c", 1e-3, 1e3, log=True), gamma="auto")
    else:
        depth = trial.suggest_int("rf_max_depth", 2, 32, log=True)
        model = RandomForestClassifier(max_depth=depth, n_estimators=5, random_state=0)
    return cross_val_score(model, X, y, cv=3).mean()

study = optuna.create_study(direction="maximize")
study.optimize(objective, n_trials=10)
assert study.best_value > 0.8
assert study.best_trial.params == study.best_params
assert set(study.best_params) in ({"classifier", "svc_c"}, {"classifier", "rf_max_depth"})
""",
    "pruning": """
import optuna

def objective(trial):
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    loss = 1.0
    for step in range(20):
        loss = loss * (0.9 if 1e-4 < lr < 1e-2 else 1.02)
        trial.report(loss, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return loss

study = optuna.create_study(
    sampler=optuna.samplers.RandomSampler(seed=3),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3, interval_steps=2),
)
study.optimize(objective, n_trials=30)
pruned = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.PRUNED])
complete = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
assert pruned and complete and len(pruned) + len(complete) == 30
assert all(t.number >= 5 for t in pruned)
assert all(t.last_step >= 3 and t.value == t.intermediate_values[t.last_step] for t in pruned)
assert all(sorted(t.intermediate_values) == list(range(20)) for t in complete)
assert all(t.duration is not None for t in study.trials)
""",
    "halving": """
import optuna
from optuna.pruners import SuccessiveHalvingPruner

def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    for step in range(30):
        trial.report(x * x + 1 / (step + 1), step)
        if trial.should_prune():
            raise optuna.exceptions.TrialPruned()
    return x * x

study = optuna.create_study(pruner=SuccessiveHalvingPruner(min_resource=1, reduction_factor=3))
study.optimize(objective, n_trials=30)
assert len(study.trials) == 30
assert {t.state.name for t in study.trials} == {"COMPLETE", "PRUNED"}
assert len({t.last_step for t in study.trials}) > 2
""",
    "ask and tell": """
import optuna

study = optuna.create_study(direction="maximize")
from optuna.distributions import CategoricalDistribution, IntDistribution
space = {"k": IntDistribution(1, 9, step=2), "c": CategoricalDistribution("ab")}
for i in range(8):
    trial = study.ask(space) if i % 2 else study.ask()
    x = trial.suggest_float("x", 0, 1)
    if i == 3:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    elif i == 4:
        trial.report(0.5, 0)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    elif i == 5:
        study.tell(trial.number, x)
    else:
        frozen = study.tell(trial, x)
        assert frozen.value == x and frozen.state == optuna.trial.TrialState.COMPLETE
assert study.tell(0, 3.0, skip_if_finished=True).number == 0
try:
    study.tell(0, 3.0)
except ValueError:
    pass
else:
    raise AssertionError
assert [t.state.name for t in study.trials].count("COMPLETE") == 6
assert study.trials[4].value == 0.5 and study.trials[3].value is None
assert study.best_value == max(t.value for t in study.trials if t.state.name == "COMPLETE")
""",
    "several objectives": """
import optuna

def objective(trial):
    x = trial.suggest_float("x", 0, 5)
    y = trial.suggest_float("y", 0, 3)
    return 4 * x**2 + 4 * y**2, (x - 5) ** 2 + (y - 5) ** 2

study = optuna.create_study(directions=["minimize", "maximize"], sampler=optuna.samplers.TPESampler(seed=1))
study.optimize(objective, n_trials=20)
assert [d.name for d in study.directions] == ["MINIMIZE", "MAXIMIZE"]
assert all(len(t.values) == 2 for t in study.trials) and 0 < len(study.best_trials) <= 20
a, b = objective(optuna.trial.FixedTrial(study.trials[3].params))
assert study.trials[3].values == [a, b]
for broken in ("best_trial", "best_value", "direction"):
    try:
        getattr(study, broken)
    except RuntimeError:
        pass
    else:
        raise AssertionError(broken)
columns = list(study.trials_dataframe().columns)
assert columns[:3] == ["number", "values_0", "values_1"] and columns[-1] == "state", columns
""",
    "conditional": """
import optuna

def objective(trial):
    layers = trial.suggest_int("layers", 1, 3)
    total = sum(trial.suggest_int(f"units_{i}", 4, 64, log=True) for i in range(layers))
    rate = trial.suggest_float("rate", 0.0, 0.5, step=0.1)
    if trial.suggest_categorical("optimizer", ["sgd", "adam", None]) == "sgd":
        rate += trial.suggest_float("momentum", 0, 1)
    width = trial.suggest_int("width", 1, layers)
    return total + rate + width

study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=25)
for t in study.trials:
    assert ("momentum" in t.params) == (t.params["optimizer"] == "sgd")
    assert {n for n in t.params if n.startswith("units")} == {f"units_{i}" for i in range(t.params["layers"])}
    assert set(t.distributions) == set(t.params)
    assert 1 <= t.params["width"] <= t.params["layers"]
assert study.trials_dataframe().shape[0] == 25
""",
    "failures and callbacks": """
import optuna

seen = []

def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.set_user_attr("twice", 2 * x)
    if trial.number == 2:
        raise ValueError("bad luck")
    if trial.number == 4:
        return float("nan")
    return x

def early(study, trial):
    seen.append((trial.number, trial.state.name))
    if trial.number == 9:
        study.stop()

study = optuna.create_study(study_name="named")
study.set_user_attr("data", {"rows": 3})
study.enqueue_trial({"x": 0.25}, user_attrs={"why": "guess"})
study.optimize(objective, n_trials=100, catch=(ValueError,), callbacks=[early], gc_after_trial=True)
assert [n for n, _ in seen] == list(range(10)) and len(study.trials) == 10
assert dict(seen)[2] == dict(seen)[4] == "FAIL"
assert study.trials[0].params == {"x": 0.25} and study.trials[0].user_attrs == {"why": "guess", "twice": 0.5}
assert study.user_attrs == {"data": {"rows": 3}} and study.study_name == "named"
try:
    study.optimize(lambda trial: 1 / 0, n_trials=5)
except ZeroDivisionError:
    pass
else:
    raise AssertionError
assert len(study.trials) == 11 and study.trials[-1].state.name == "FAIL"
""",
    "threads": """
import optuna

study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner(2, 1))

def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    for step in range(5):
        trial.report(x * x / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x * x

study.optimize(objective, n_trials=24, n_jobs=3)
assert len(study.trials) == 24 and {t.state.name for t in study.trials} == {"COMPLETE", "PRUNED"}
assert len({t.params["x"] for t in study.trials}) == 24
""",
    "grid": """
import optuna

grid = {"a": [1, 2, 3], "b": [0.0, 1.0]}
study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid))
study.optimize(lambda t: t.suggest_int("a", 0, 5) * t.suggest_float("b", -1, 1), n_trials=50)
assert sorted((t.params["a"], t.params["b"]) for t in study.trials) == [(a, b) for a in (1, 2, 3) for b in (0.0, 1.0)]
""",
    "older words": """
import optuna

def objective(trial):
    a = trial.suggest_uniform("a", 0, 1)
    b = trial.suggest_loguniform("b", 1e-3, 1)
    c = trial.suggest_discrete_uniform("c", 0, 1, 0.25)
    again = trial.suggest_float("a", 0, 1)
    assert again == a and trial.params == {"a": a, "b": b, "c": c}
    return a + b + c

study = optuna.create_study(sampler=optuna.samplers.QMCSampler(seed=0), pruner=optuna.pruners.NopPruner())
study.optimize(objective, n_trials=8, show_progress_bar=False)
other = optuna.create_study()
other.add_trials(study.trials)
unit = {"a": optuna.distributions.FloatDistribution(0, 1)}
other.add_trial(optuna.create_trial(params={"a": 0.5}, distributions=unit, value=-1.0))
assert len(other.trials) == 9 and other.best_value == -1.0 and other.trials[0].params == study.trials[0].params
assert other.trials[3].value == study.trials[3].value
""",
}
STORED = """
import optuna

def objective(trial):
    return trial.suggest_float("x", -1, 1) ** 2

study = optuna.create_study(storage=URL, study_name="s", load_if_exists=True)
study.optimize(objective, n_trials=4)
again = optuna.create_study(storage=URL, study_name="s", load_if_exists=True)
again.optimize(objective, n_trials=3)
loaded = optuna.load_study(study_name="s", storage=URL)
assert len(loaded.trials) == 7 and loaded.best_value == again.best_value
assert optuna.get_all_study_names(URL) == ["s"]
try:
    optuna.create_study(storage=URL, study_name="s")
except optuna.exceptions.DuplicatedStudyError:
    pass
else:
    raise AssertionError
optuna.copy_study(from_study_name="s", from_storage=URL, to_storage=URL, to_study_name="t")
assert [(s.study_name, s.n_trials) for s in optuna.get_all_study_summaries(URL)] == [("s", 7), ("t", 7)]
optuna.delete_study(study_name="s", storage=URL)
assert optuna.get_all_study_names(URL) == ["t"]
try:
    optuna.load_study(study_name="s", storage=URL)
except KeyError:
    pass
else:
    raise AssertionError
"""


def run(script: str, tool: str, **names: Any) -> dict[str, Any]:
    if tool == "optuna":
        optuna = pytest.importorskip("optuna")
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    else:
        script = re.sub(r"(from|import) optuna\b(?!\.?\w* as)", r"\1 trimtab.integrations.optuna_api", script)
        script = script.replace(
            "import trimtab.integrations.optuna_api\n", "import trimtab.integrations.optuna_api as optuna\n"
        )
        api.logging.set_verbosity(api.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(script, f"<script under {tool}>", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _levels() -> Any:
    before = api.logging.get_verbosity()
    yield
    api.logging.set_verbosity(before)


@pytest.mark.parametrize("tool", ["optuna", "trimtab"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name: str, tool: str) -> None:
    for module in ("sklearn", "pandas"):
        if module in SCRIPTS[name]:
            pytest.importorskip(module)
    made = run(SCRIPTS[name], tool)["study"]
    if tool == "trimtab":
        assert isinstance(made.study, tt.Study)


@pytest.mark.parametrize("tool", ["optuna", "trimtab"])
def test_stored_scripts(tool: str, tmp_path: Path) -> None:
    run(STORED, tool, URL=f"sqlite:///{tmp_path / 'study.db'}")


def test_optuna_is_not_needed() -> None:
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "import trimtab.integrations.optuna_api as optuna\n"
        "study = optuna.create_study(); study.optimize(lambda t: t.suggest_float('x', 0, 1), n_trials=3)\n"
        "print(len(study.trials), sorted({'sqlalchemy', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 []"


# ── what trimtab adds, and what it says ──────────────────────────────────────────────────────────────────────────


def test_it_is_a_real_study(tmp_path: Path) -> None:
    study = api.create_study(storage=str(tmp_path / "a.db"), study_name="s", sampler=api.samplers.TPESampler(seed=5))

    def objective(trial: api.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        for step in range(4):
            trial.report(abs(x) + (0 if step else 9), step)
            if trial.should_prune():
                raise api.TrialPruned
        return abs(x)

    study.optimize(objective, n_trials=20)
    mine = tt.load(tmp_path / "a.db")
    assert mine.seed == 5
    assert mine.searcher == tt.TPE()
    assert mine.scheduler == tt.Median(grace=1, min_trials=5)
    assert mine.counts["finished"] + mine.counts["stopped"] == 20
    assert mine.best.number == study.best_trial.number
    assert max(r["step"] for r in mine.to_dicts(reports=True)) == 4  # Optuna's steps 0 … 3
    stopped = next(t for t in mine.trials if t.state == "stopped")
    assert "worse than the median" in " ".join(mine.explain(stopped)["lines"])
    url = str(tmp_path / "a.db")
    same = api.create_study(study_name="s", storage=url, load_if_exists=True)
    assert same.study.searcher == tt.TPE()  # nothing said: as it was
    again = api.load_study(study_name="s", storage=url, sampler=api.samplers.RandomSampler())
    assert again.study.searcher.name == "random"
    again.optimize(objective, n_trials=2)
    assert len(study.trials) == 22


def test_an_interrupted_trial_goes_on_next_time(tmp_path: Path) -> None:
    url = str(tmp_path / "a.db")
    study = api.create_study(storage=url, study_name="s")

    def interrupted(trial: api.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        if trial.number == 2:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        study.optimize(interrupted, n_trials=5)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE", "WAITING"]
    later = api.load_study(study_name="s", storage=url)
    later.optimize(lambda t: t.suggest_float("x", -1, 1), n_trials=2)
    assert [t.state.name for t in later.trials] == ["COMPLETE"] * 5


def test_what_is_no_number_is_pruned() -> None:
    def objective(trial: api.Trial) -> float:
        trial.suggest_float("x", 0, 1)
        for step in range(4):
            trial.report(float("nan") if step == 2 else 1.0, step)
            if trial.should_prune():
                raise api.TrialPruned
        return 1.0

    study = api.create_study()
    study.optimize(objective, n_trials=2)
    assert [(t.state.name, t.value, t.last_step) for t in study.trials] == [("PRUNED", 1.0, 1)] * 2
    assert "no finite number" in " ".join(study.study.explain(0)["lines"])
    calm = api.create_study(pruner=api.pruners.NopPruner())
    calm.optimize(objective, n_trials=2)
    assert [t.state.name for t in calm.trials] == ["COMPLETE"] * 2


def test_rules_of_the_facade_and_of_the_user() -> None:
    def objective(trial: api.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(10):
            trial.report(x + step, step)
            if trial.should_prune():
                raise api.TrialPruned
        return x

    class Mine(api.pruners.BasePruner):
        def prune(self, study: Any, trial: Any) -> bool:
            return bool(trial.last_step >= 6)

    for pruner, last in (
        (api.pruners.ThresholdPruner(upper=4.5, n_warmup_steps=2), {4, 5}),
        (api.pruners.PatientPruner(None, patience=2), {3}),
        (Mine(), {6}),
    ):
        study = api.create_study(pruner=pruner)
        study.optimize(objective, n_trials=4)
        assert {t.last_step for t in study.trials} <= last
        assert {t.state.name for t in study.trials} == {"PRUNED"}


def test_hyperband_becomes_asha_with_brackets() -> None:
    study = api.create_study(pruner=api.pruners.HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3))
    assert study.study.scheduler == tt.ASHA(max=27, min=1, eta=3, brackets=3)
    shallow = api.pruners.HyperbandPruner(min_resource=4, max_resource=4)
    assert shallow.scheduler == {"method": "asha", "min": 4, "max": 4, "eta": 3, "brackets": 1}


def test_a_timeout_lets_running_trials_end() -> None:
    study = api.create_study()
    begun = threading.Event()

    def slow(trial: api.Trial) -> float:
        begun.set()
        threading.Event().wait(0.3)
        return trial.suggest_float("x", 0, 1)

    study.optimize(slow, timeout=0.1)
    assert begun.is_set()
    assert [t.state.name for t in study.trials] == ["COMPLETE"]


def test_an_error_in_a_thread_comes_out() -> None:
    study = api.create_study()

    def objective(trial: api.Trial) -> float:
        if trial.number == 3:
            raise LookupError("lost")
        return trial.suggest_float("x", 0, 1)

    with pytest.raises(LookupError, match="lost"):
        study.optimize(objective, n_trials=50, n_jobs=2)
    assert 4 <= len(study.trials) <= 6
    assert all(t.state.is_finished() for t in study.trials)


def test_an_exit_comes_out() -> None:
    study = api.create_study()
    with pytest.raises(SystemExit):
        study.optimize(lambda t: sys.exit(3), n_trials=5, catch=Exception)
    assert [t.state.name for t in study.trials] == ["FAIL"]


def test_an_error_in_a_callback_comes_out() -> None:
    study = api.create_study()

    def bad(study: Any, trial: Any) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=5, callbacks=[bad])
    assert [t.state.name for t in study.trials] == ["COMPLETE"]
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=1)
    assert len(study.trials) == 2


def test_a_study_of_optuna_is_pointed_to_the_importer(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    optuna.create_study(storage=f"sqlite:///{tmp_path / 'old.db'}", study_name="s")
    with pytest.raises(tt.StorageError, match=r"was written by Optuna.*optuna\.load\(.*old-trimtab\.db"):
        api.create_study(storage=f"sqlite:///{tmp_path / 'old.db'}", study_name="s")


def test_a_declared_space_is_read() -> None:
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="value")
    wrapped = api.Study(study)
    wrapped.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    assert len(study) == 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: api.visualization, r"trimtab says trimtab show"),
        (lambda: api.samplers.CmaEsSampler, r'CmaEsSampler is not in trimtab.s façade.*trimtab says "auto"'),
        (lambda: api.samplers.PartialFixedSampler, r"trimtab says study\.ask\(fixed="),
        (lambda: api.pruners.WilcoxonPruner, r"not yet"),
        (lambda: api.storages.JournalStorage(None), r'trimtab says storage="study\.db"'),
        (lambda: api.samplers.TPESampler(gamma=lambda n: 3), r"trimtab's searcher has share="),
        (lambda: api.samplers.TPESampler(constraints_func=len), r'trimtab says constraints=\["memory <= 8"\]'),
        (lambda: api.create_study(storage="mysql://x"), r"trimtab stores in"),
        (lambda: api.create_study(sampler=object()), r"trimtab says searcher="),
        (lambda: api.create_study(pruner=object()), r"trimtab says scheduler="),
        (lambda: api.create_study().set_metric_names(["a"]), r"trimtab says minimize=, maximize="),
        (lambda: api.create_study().no_such_thing, r"study\.no_such_thing is not in trimtab's façade"),
        (lambda: api.create_study().trials_dataframe(multi_index=True), r"first underscore"),
    ],
)
def test_what_is_not_here_says_trimtabs_word(call: Any, said: str) -> None:
    with pytest.raises(api.NotHere, match=said):
        call()


def test_small_things() -> None:
    study = api.create_study()
    assert (type(study.sampler).__name__, type(study.pruner).__name__) == ("AutoSampler", "MedianPruner")
    at_five = api.study.MaxTrialsCallback(5, states=(api.trial.TrialState.COMPLETE,))
    study.optimize(lambda t: t.suggest_categorical("n", np.array([1, 2, 3])), callbacks=[at_five])
    assert len(study.trials) == 5
    study.trials[0].params["n"] = "changed"
    assert study.trials[0].params["n"] in (1, 2, 3)
    assert str(study.trials[0].state) == "TrialState.COMPLETE"
    study.enqueue_trial({"n": 2})
    study.enqueue_trial({"n": 2})
    study.enqueue_trial({"n": 2}, skip_if_exists=True)
    study.optimize(lambda t: t.suggest_categorical("n", [1, 2, 3]), n_trials=2)
    assert [t.params["n"] for t in study.trials[5:]] == [2, 2]


def test_wrong_use() -> None:
    study = api.create_study()
    for call, error in (
        (lambda: api.create_study(direction="up"), ValueError),
        (lambda: api.create_study(direction="minimize", directions=["minimize"]), ValueError),
        (lambda: api.samplers.TPESampler(n_startup=3), TypeError),
        (lambda: study.best_trial, ValueError),
        (lambda: study.stop(), RuntimeError),
        (lambda: study.tell(7, 1.0), ValueError),
        (lambda: api.load_study(storage=None), TypeError),
        (lambda: api.distributions.FloatDistribution(1, 0), ValueError),
        (lambda: api.distributions.IntDistribution(0, 5, log=True), ValueError),
        (lambda: api.distributions.CategoricalDistribution([]), ValueError),
        (lambda: api.create_trial(params={"x": 1}), ValueError),
        (lambda: api.trial.FixedTrial({}).suggest_float("x", 0, 1), ValueError),
    ):
        with pytest.raises(error):
            call()
    assert not hasattr(study, "no_such_thing")
    assert study.optimize(len, n_trials=0) is None  # type: ignore[func-returns-value,arg-type]


def test_the_table_for_the_docs() -> None:
    from trimtab.integrations.optuna_api._words import table

    page = Path(__file__).parents[2] / "docs" / "_parts" / "optuna_words.md"
    assert page.read_text(encoding="utf-8") == table(), "write table() of _words.py to it"


@pytest.mark.slow
def test_the_example() -> None:
    pytest.importorskip("sklearn")
    script = Path(__file__).parents[2] / "examples" / "optuna_script.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "30 trials" in done.stdout
    assert "is worse than the median" in done.stdout
