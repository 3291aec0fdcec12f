"""Who types a word of another tool is told trimtab's word for it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import trimtab as tt
from trimtab._foreign import DOMAINS, MODULE, OPTIMIZE, OWN, STUDY, STUDY_NAMES, TRIAL, WORDS, keyword

SIGNATURES = {OPTIMIZE: inspect.signature(tt.Study.optimize), STUDY: inspect.signature(tt.Study)}

# the common words of a first script, by tool: of the study and of its run, of parameters, of a trial
STUDY_WORDS = {
    "optuna": "study_name direction directions sampler pruner load_if_exists n_trials n_jobs catch func",
    "ray": "num_samples metric mode search_alg resources_per_trial max_concurrent_trials time_budget_s param_space",
    "ax": "parameters objective_name total_trials parameter_constraints outcome_constraints evaluation_function",
    "smac": "configspace deterministic walltime_limit trial_walltime_limit n_workers output_directory overwrite",
    "syne": "config_space max_t grace_period reduction_factor stop_criterion tuner_name random_seed points_to_evaluate",
    "others": "max_evals algo fn n_calls dimensions random_state n_iter param_distributions cv",
}  # fmt: skip
DOMAIN_WORDS = {
    "Float": "min max lower upper q log_scale distribution default_value name bounds",
    "Int": "min max step_size base",
    "Choice": "categories values options is_ordered weights sequence",
}


@pytest.mark.parametrize("tool", STUDY_WORDS)
def test_words_of_a_study(tool: str) -> None:
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", seed=0)
    for word in STUDY_WORDS[tool].split():
        given: dict[str, Any] = {word: 1}
        for call in (lambda: tt.Study("s", **given), lambda: study.optimize(abs, **given)):  # noqa: B023
            with pytest.raises(TypeError, match=f'has no argument "{word}". trimtab says '):
                call()


def test_a_word_of_the_other_call_says_where_it_belongs() -> None:
    with pytest.raises(TypeError) as caught:
        tt.Study("s", n_trials=3)  # type: ignore[call-arg]
    assert str(caught.value) == (
        'Study() has no argument "n_trials". trimtab says trials= (the study\'s total) or more= (so many more), '
        "in study.optimize(…)."
    )
    with pytest.raises(TypeError, match=r'Study\(\) has no argument "workers": it belongs to study\.optimize\(…\)\.'):
        tt.Study("s", workers=3)  # type: ignore[call-arg]
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", seed=0)
    with pytest.raises(TypeError, match=r'"searcher": it belongs to tt\.Study\(…\)\.'):
        study.optimize(abs, searcher="tpe")  # type: ignore[arg-type, call-arg]


def test_a_near_miss_is_told_the_nearest() -> None:
    with pytest.raises(TypeError, match="Did you mean 'minimize'"):
        tt.Study("s", minimise="loss")  # type: ignore[call-arg]
    assert keyword("x", "f", "qqq", ["a", "b"]) == 'f() has no argument "qqq". Known: a, b.'


@pytest.mark.parametrize("domain", DOMAIN_WORDS)
def test_words_of_parameters(domain: str) -> None:
    for word in DOMAIN_WORDS[domain].split():
        with pytest.raises(TypeError, match=rf'^{domain}\(\) has no argument "{word}"\. (trimtab says|Known:) '):
            getattr(tt, domain)(**{word: 1})


def test_a_name_inside_a_domain_is_moved_out() -> None:
    with pytest.raises(TypeError) as caught:
        tt.Float("lr", 1e-5, 0.1)  # type: ignore[call-arg, misc]
    assert str(caught.value) == (
        "Float('lr', 1e-05, 0.1): a domain has no name of its own. The name is the key: "
        "tt.Space({'lr': tt.Float(1e-05, 0.1)})."
    )
    assert inspect.signature(tt.Float).parameters.keys() >= {"low", "high", "log"}  # editors still complete


@pytest.mark.parametrize("word", ["suggest_float", "suggest_int", "suggest_categorical", "should_prune", "params"])
def test_words_of_a_trial(word: str) -> None:
    trial = tt.Trial.fixed({"x": 1})
    assert not hasattr(trial, word)
    with pytest.raises(AttributeError, match="trimtab says trial"):
        getattr(trial, word)


@pytest.mark.parametrize("word", ["best_params", "best_value", "best_trials", "trials_dataframe", "enqueue_trial"])
def test_words_of_a_finished_study(word: str) -> None:
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", seed=0)
    with pytest.raises(AttributeError, match="trimtab says study"):
        getattr(study, word)


@pytest.mark.parametrize("word", ["create_study", "loguniform", "randint", "Tuner", "report", "TrialPruned"])
def test_words_of_the_module(word: str) -> None:
    with pytest.raises(AttributeError, match="trimtab says "):
        getattr(tt, word)


def test_what_is_known_here_is_not_called_foreign() -> None:
    for owner, signature in SIGNATURES.items():
        own = set(signature.parameters) - {"self", "name", "objective", "note"}
        assert own == set(OWN[owner]), owner
        assert not own & set(WORDS[owner])
    assert not {*TRIAL} & {*dir(tt.Trial)}
    assert not {*STUDY_NAMES} & {*dir(tt.Study)}
    assert not {*MODULE} & {*tt.__all__}
    for name in ("Float", "Int", "Choice", "Bool", "Const", "Derived", "Permutation", "Simplex"):
        assert not {*DOMAINS} & {*inspect.signature(getattr(tt, name)).parameters}, name
