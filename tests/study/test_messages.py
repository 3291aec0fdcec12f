"""The wording of what users meet first when something is wrong: found, meant, mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import trimtab as tt


def study(**settings: Any) -> tt.Study:
    return tt.Study("m", {"x": "0.0..1.0"}, **{"minimize": "loss", "seed": 0, **settings})


def optimized(objective: Any, **settings: Any) -> tt.Study:
    return study(**settings).optimize(objective, trials=3, display=False)


def failing(trial: tt.Trial) -> float:
    return len(3)  # type: ignore[arg-type]


MESSAGES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: tt.Space({"lr": tt.Float(1e-1, 1e-5)}),
        tt.SpaceError,
        "Float(0.1, 1e-05): low (0.1) is above high (1e-05). Swap them: Float(1e-05, 0.1).",
    ),
    (
        lambda: tt.Space({"optimizer": ["sgd", "adam"], "momentum": tt.Float(0, 0.9, when="optimzer == 'sgd'")}),
        tt.SpaceError,
        'momentum: when="optimzer == \'sgd\'" names "optimzer", which is not in this space. '
        "Did you mean 'optimizer'?",
    ),
    (
        lambda: study().optimize(failing, n_trials=3),  # type: ignore[call-arg]
        TypeError,
        'Study.optimize() has no argument "n_trials". '
        "trimtab says trials= (the study's total) or more= (so many more).",
    ),
    (
        lambda: study().optimize(failing, n_jobs=3),  # type: ignore[call-arg]
        TypeError,
        'Study.optimize() has no argument "n_jobs". trimtab says workers= (processes).',
    ),
    (
        lambda: tt.Study("m", sampler="tpe"),  # type: ignore[call-arg]
        TypeError,
        'Study() has no argument "sampler". trimtab says searcher=.',
    ),
    (
        lambda: tt.Study("m", direction="minimize"),  # type: ignore[call-arg]
        TypeError,
        'Study() has no argument "direction". trimtab says minimize= or maximize= (a metric\'s name).',
    ),
    (
        lambda: study().optimize(failing, trials=3, more=2),
        TypeError,
        "optimize() needs exactly one of trials= (the study's total) and more= (so many more).",
    ),
    (
        lambda: optimized(lambda t: {"acc": 0.91}),
        tt.ObjectiveError,
        'Trial 0 returned {"acc": 0.91}, but the study minimizes "loss". '
        'Return {"loss": …}, or create the study with minimize="acc".',
    ),
    (
        lambda: optimized(failing),
        tt.StudyStopped,
        "The first 3 trials all failed in the same place, so nothing more was started:\n"
        "    test_messages.py:LINE in failing   return len(3)  # type: ignore[arg-type]\n"
        "    TypeError: object of type 'int' has no len()\n"
        "Mend it and run the same command again: these 3 are tried first.\n"
        "To go on in spite of failures: stop=[tt.Failures(in_a_row=None)].",
    ),
    (
        lambda: study(minimize=["error", "latency"]).best,
        tt.MultiObjective,
        "This study has 2 objectives (error, latency), so there is no single best. Use study.front (0 trials).",
    ),
    (
        lambda: tt.Trial.fixed({"x": 1}).report(0.31, 7),  # type: ignore[arg-type, call-arg]
        tt.ReportError,
        "report(0.31, 7): metrics go by name: report(loss=0.31, step=7).",
    ),
    (
        lambda: study(searcher="tp"),
        tt.UnknownName,
        "No searcher is called 'tp'. Did you mean 'tpe'?",
    ),
]


@pytest.mark.parametrize(
    ("wrong", "error", "message"), MESSAGES, ids=lambda v: v.__name__ if isinstance(v, type) else ""
)
def test_message(wrong: Callable[[], Any], error: type[Exception], message: str) -> None:
    import re

    with pytest.raises(error) as caught:
        wrong()
    assert re.sub(r"(\.py):\d+", r"\1:LINE", str(caught.value)) == message


def test_a_wrong_return_puts_the_trial_back_into_the_queue() -> None:
    made = study()
    with pytest.raises(tt.ObjectiveError):
        made.optimize(lambda t: {"acc": 1}, trials=3, display=False)
    assert (made.counts["queued"], made.counts["failed"]) == (1, 0)
    made.optimize(lambda t: {"loss": 1}, trials=3, display=False)
    assert [t.state for t in made.trials] == ["finished"] * 3


def test_a_name_error_spends_three_trials() -> None:
    made = study()
    with pytest.raises(tt.StudyStopped, match="undefined_name"):
        made.optimize(lambda t: undefined_name, trials=50, display=False)  # type: ignore[name-defined]  # noqa: F821
    assert len(made) == 3


def test_no_best_names_failures_only_where_there_are_some() -> None:
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss")
    with pytest.raises(tt.NoResult) as empty:
        _ = study.best
    assert str(empty.value).endswith("so there is no best.")
    study.tell(study.ask(), failed="diverged")
    with pytest.raises(tt.NoResult) as failed:
        _ = study.best
    assert str(failed.value).endswith("Failures: study.failures()")
