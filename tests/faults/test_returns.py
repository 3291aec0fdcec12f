"""What an objective may return, and what becomes of the rest."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import trimtab as tt


def returned(value: Any) -> Any:
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", stop=[tt.Failures(in_a_row=None)])
    study.optimize(lambda t: value, trials=1)
    return study.trial(0)


class Tensor:
    """What a tensor of one element looks like from outside."""

    shape = (1,)

    def item(self) -> float:
        return 0.25

    def __float__(self) -> float:
        return 0.25


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "objective returned None; did you forget `return`?"),
        ("0.3", "the text '0.3'; a number was expected"),
        (True, "a bool; a number was expected. Say float(…) if 0 or 1 is meant"),
        (np.bool_(True), "a bool; a number was expected"),
        ([0.1, 0.2], 'a list of 2; name the values: return {"loss": …}'),
        (1 + 2j, "a complex; a number was expected"),
        (np.complex128(1), "complex"),
        (np.array([0.1, 0.2]), "an array of shape (2,) was given where one number was expected"),
        (object, "a number was expected"),
        (10**400, "too large"),
        ({"loss": None}, '"loss": None; a number was expected'),
        ({"loss": "x"}, "\"loss\": the text 'x'"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_value_fails_by_name(value: Any, said: str) -> None:
    trial = returned(value)
    assert (trial.state, trial.error["kind"]) == ("failed", "TypeError")
    assert said in trial.error["text"]
    assert len(trial.error["text"]) < 600


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.nan, {"loss": float("nan")}], ids=str)
def test_what_is_not_finite_fails(value: Any) -> None:
    trial = returned(value)
    assert (trial.state, trial.error["kind"]) == ("failed", "NonFinite")
    assert "no finite number" in trial.error["text"]


@pytest.mark.parametrize(
    "value", [0.25, np.float32(0.25), np.array(0.25), np.array([0.25]), Tensor(), Fraction(1, 4), {"loss": Tensor()}],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_numbers_of_every_make(value: Any) -> None:
    trial = returned(value)
    assert trial.state == "finished"
    assert type(trial.value) is float
    assert trial.value == 0.25


def test_failures_are_learned_from() -> None:
    """Where everything fails, TPE goes no more: half of the space gets far less than half of the trials."""

    def objective(trial: tt.Trial) -> float:
        if trial["x"] < 0.5:
            raise ValueError("here nothing works")
        return (float(trial["x"]) - 0.8) ** 2

    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", searcher=tt.TPE(), seed=0, stop=[])
    study.optimize(objective, trials=60)
    later = [t for t in study.trials if t.number >= 20]
    assert sum(t.state == "failed" for t in later) <= len(later) / 5
