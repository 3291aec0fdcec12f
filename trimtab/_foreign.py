"""Words of other tools (Optuna, Ray Tune, Ax, SMAC, Syne Tune, Hyperopt, scikit-optimize), answered with trimtab's own.

There are no aliases: one word for one thing. But who types a word that means something elsewhere is told what to type
here, instead of Python's bare complaint.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from functools import wraps
from typing import Any, TypeVar

from trimtab.errors import did_you_mean

C = TypeVar("C", bound=type)

OPTIMIZE, STUDY = "study.optimize(…)", "tt.Study(…)"


def _spread(table: dict[str, str]) -> dict[str, str]:
    """{what trimtab says: the words of others} turned round, a word each."""
    return {word: says for says, words in table.items() for word in words.split()}


# where it belongs -> {what trimtab says: what others say}
WORDS = {
    OPTIMIZE: _spread({
        "trials= (the study's total) or more= (so many more)": (
            "n_trials max_evals num_samples total_trials n_iter n_calls max_num_trials_started max_trials "
            "num_trials"
        ),
        "workers= (processes)": (
            "n_jobs n_workers num_workers max_concurrent_trials max_concurrent parallelism "
            "max_parallelism"
        ),
        "the objective as first argument": (
            "func fn evaluation_function target_function trainable train_fn trial_backend"
        ),
        'per_trial= ({"gpu": 1})': "resources resources_per_trial trial_memory_limit",
        'timeout= (seconds, or "4h")': "time_budget_s walltime_limit max_wallclock_time max_time",
        'trial_timeout= (seconds, or "2h")': "trial_walltime_limit",
        "study.enqueue({…}) before optimize()": "points_to_evaluate initial_points x0",
        "display= (False: none)": "show_progress_bar verbose progress_reporter print_update_interval",
        "nothing: a failing trial is recorded and the study goes on": "catch",
        "recycle= (trials a worker process runs before it is replaced)": "gc_after_trial",
    }),
    STUDY: _spread({
        "minimize= or maximize= (a metric's name)": "direction mode metric goal objective_name",
        "minimize= or maximize= (names of metrics)": "directions objectives metrics",
        "searcher=": "sampler search_alg algo algorithm method generation_strategy",
        "scheduler=": "pruner early_terminate early_stopping",
        "minimize= or maximize= (a metric's name); the function goes to study.optimize(…)": "objective",
        'if_exists= ("resume" is the default)': "load_if_exists",
        'if_exists="new" (the next free name; nothing is ever overwritten)': (
            "overwrite overwrite_existing_experiment overwrite_existing_study"
        ),
        "nothing: the same name in the same storage goes on": "resume",
        "the name as first argument": "study_name experiment_name tuner_name",
        'storage= ("digits.db")': "storage_path db database",
        "folder=": "output_directory local_dir log_dir results_dir",
        "seed=": "random_state random_seed rstate",
        'space= (tt.Space({"lr": tt.Float(1e-5, 1e-1, log=True)}))': (
            "parameters param_space config_space configspace search_space dimensions params "
            "param_distributions param_grid config"
        ),
        'tt.Space({…}, require=["lr * layers < 0.5"])': "parameter_constraints",
        'constraints=["memory <= 8"]': "outcome_constraints",
        "max_budget= (steps of a full run)": "max_t max_resource max_epochs max_iter max_resource_level",
        "a scheduler of its own: scheduler=tt.ASHA(max=81, min=1, eta=3)": (
            "grace_period min_budget min_resource reduction_factor brackets min_early_stopping_rate"
        ),
        "stop= ([tt.Target(0.05), tt.Patience(30)])": "stop_criterion stopper",
        "stop=[tt.Patience(30)]": "patience",
        "stop=[tt.Failures(in_a_row=10)]": "max_failures fail_fast",
        'duplicates= ("avoid", "allow" or "reuse")': "deterministic",
        "tt.SearchCV(estimator, space, …) for scikit-learn": "cv scoring estimator",
        "study.note(…)": "user_attrs",
    }),
}  # fmt: skip

FOREIGN = {word: says for words in WORDS.values() for word, says in words.items()}

# trimtab's own words, where they were given to the other call
OWN = {
    OPTIMIZE: ("trials", "more", "workers", "per_trial", "timeout", "trial_timeout", "grace", "callbacks", "runner",
               "recycle", "answer", "display"),
    STUDY: ("minimize", "maximize", "constraints", "hidden", "storage", "searcher", "scheduler", "max_budget", "seed",
            "duplicates", "value", "stop", "retry", "if_exists", "folder", "durability", "space"),
}  # fmt: skip

DOMAINS = _spread({
    "low= (included)": "min lower lb minimum",
    "high= (included)": "max upper ub maximum",
    "step=": "q quantization step_size increment",
    "log=True": "base is_log log_scale logscale",
    'log=True (for scale="log")': "scale",
    'prior= ({"normal": [3, 1]})': "distribution q_distribution",
    "the choices as first argument": "categories values options items sequence choice",
    "prior=": "weights probabilities p",
    "ordered=True": "is_ordered ordinal",
    "default=": "default_value init",
    'nothing: the name is the key, tt.Space({"lr": tt.Float(…)})': "name label",
    "when= (\"optimizer == 'sgd'\")": "condition depends_on parent",
})  # fmt: skip

TRIAL = _spread({
    'trial["lr"] of a declared space, or trial.float("lr", 1e-5, 1e-1, log=True)': "suggest_float suggest_loguniform",
    'trial["lr"] of a declared space, or trial.float("lr", 0, 1)': "suggest_uniform",
    'trial["lr"] of a declared space, or trial.float("lr", 0, 1, step=0.1)': "suggest_discrete_uniform",
    'trial["lr"] of a declared space, or trial.int("layers", 1, 8)': "suggest_int",
    'trial["lr"] of a declared space, or trial.choice("optimizer", ["sgd", "adam"])': "suggest_categorical",
    "trial.should_stop() (also after Ctrl-C and a time-out); trial.steps() asks it for you": "should_prune",
    "trial.config": "params hyperparameters parameters distributions",
    "trial.note(…)": "set_user_attr user_attrs set_metric_names",
    "trial.checkpoint (a Path or None)": "get_checkpoint",
})  # fmt: skip

STUDY_NAMES = _spread({
    "study.best.config": "best_params best_config",
    "study.best.value": "best_value",
    "study.best": "best_trial incumbent",
    "study.front": "best_trials",
    "study.best.metrics": "best_result",
    "study.to_pandas()": "trials_dataframe get_trials_data_frame",
    "study.trials": "get_trials runhistory",
    "study.enqueue({…})": "enqueue_trial",
    "study.add({…}, {…})": "add_trial",
    "study.note(…)": "set_user_attr",
    "study.attributes()": "user_attrs",
    "study.ask()": "get_next_trial",
    "study.ask(n)": "get_next_trials",
    "study.tell(trial, {…})": "complete_trial",
    "study.optimize(…)": "fit run fmin",
    "study.objectives": "direction directions",
    "study.searcher": "sampler",
    "study.scheduler": "pruner",
    "study.name": "study_name",
})  # fmt: skip

MODULE = _spread({
    'tt.Study("name", space, minimize="loss")': "create_study Tuner AxClient Scenario create_experiment",
    "tt.minimize(objective, trials=50), or tt.Study(…).optimize(…)": "fmin run optimize",
    'tt.load("digits.db")': "load_study",
    'tt.delete("digits.db", "digits")': "delete_study",
    'tt.studies("digits.db")': "get_all_study_names get_all_study_summaries",
    "tt.Float(0, 1)": "uniform FloatDistribution RangeParameter UniformFloatHyperparameter Real",
    "tt.Float(1e-5, 1e-1, log=True)": "loguniform quniform qloguniform",
    "tt.Int(1, 8), both included": "randint lograndint IntDistribution Integer UniformIntegerHyperparameter",
    'tt.Choice(["sgd", "adam"])': (
        "choice CategoricalDistribution ChoiceParameter Categorical CategoricalHyperparameter"
    ),
    "trial.report(loss=0.3), of the trial an objective receives, or of tt.current_trial()": "report",
    "trial.checkpoint, of the trial an objective receives, or of tt.current_trial()": "get_checkpoint",
    'return when trial.should_stop(); raise tt.Reject("…") for an infeasible one': "TrialPruned exceptions",
    'searcher="tpe"; `trimtab methods` lists them': "samplers search",
    'scheduler="asha"; `trimtab methods` lists them': "pruners schedulers",
})  # fmt: skip


def keyword(owner: str, call: str, name: str, known: Collection[str], own: dict[str, str] | None = None) -> str:
    """What to say of an argument that a call doesn't have. owner: OPTIMIZE, STUDY or another; own: its own words."""
    if own and name in own:
        return f'{call}() has no argument "{name}". trimtab says {own[name]}.'
    for home, words in WORDS.items():
        if name in words:
            there = f", in {home}" if owner in WORDS and home != owner and "=" in words[name] else ""
            return f'{call}() has no argument "{name}". trimtab says {words[name]}{there}.'
    for home, own_words in OWN.items():
        if home != owner and name in own_words:
            return f'{call}() has no argument "{name}": it belongs to {home}.'
    return f'{call}() has no argument "{name}". {did_you_mean(name, known)}'


def attribute(owner: str, name: str, words: dict[str, str]) -> str:
    """What to say of an attribute that isn't there. owner: as Python calls it ("'Study' object")."""
    says = f". trimtab says {words[name]}" if name in words else ""
    return f"{owner} has no attribute {name!r}{says}"


def understood(cls: C) -> C:
    """A domain whose constructor answers foreign words, and a name given as first argument."""
    made: Any = vars(cls)["__init__"]
    known = [name for name in inspect.signature(made).parameters if name != "self"]

    @wraps(made)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in known:
                says = f"trimtab says {DOMAINS[name]}." if name in DOMAINS else did_you_mean(name, known)
                raise TypeError(f'{cls.__name__}() has no argument "{name}". {says}')
        try:
            made(self, *args, **kwargs)
        except TypeError as error:
            if len(args) > 2 and isinstance(args[0], str):
                rest = ", ".join(map(repr, args[1:]))
                raise TypeError(
                    f"{cls.__name__}({args[0]!r}, {rest}): a domain has no name of its own. The name is the key: "
                    f"tt.Space({{{args[0]!r}: tt.{cls.__name__}({rest})}})."
                ) from error
            raise

    cls.__init__ = init  # type: ignore[misc]
    return cls
