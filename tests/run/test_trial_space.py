"""A trial with a space: objects behind labels, why a name is inactive, names asked for on the way, checkpoints."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trimtab.errors import ObjectiveError, ReportError, SpaceError
from trimtab.protocol import Run
from trimtab.run import current
from trimtab.run.inline import Inline
from trimtab.run.trial import Trial
from trimtab.space import Choice, Float, Space


class Line:
    def __init__(self) -> None:
        self.posted: list[Any] = []

    def post(self, kind, body):
        self.posted.append((kind, body))

    def wait(self):
        return {"go": "on"}

    def poll(self):
        return None


def a_run(**changes: Any) -> Run:
    return Run(**{"trial": 7, "attempt": 1, "config": {}, "seed": 5, "until": math.inf, **changes})


def ended(objective: Any, **run: Any) -> dict[str, Any]:
    runner = Inline(objective)
    runner.submit(a_run(**run))
    return dict(runner.collect(0)[-1].body)


def test_labels_become_objects():
    space = Space({"act": Choice({"abs": abs, "neg": float.__neg__}), "lr": Float(0, 1)})
    trial = Trial(a_run(config={"act": "abs", "lr": 0.5}), Line(), space)
    assert trial["act"] is abs
    assert trial.config["act"](-3) == 3
    assert trial.config.labels == {"act": "abs", "lr": 0.5}


def test_branches_and_nesting_follow_the_declaration():
    space = Space({"lr": Float(0, 1), "model": Choice({"svm": Space({"C": Float(0, 9)}), "none": Space({})})})
    trial = Trial(a_run(config={"lr": 0.5, "model": "svm", "model.svm.C": 3.1}), Line(), space)
    assert trial.branch("model") == ("svm", {"C": 3.1})
    assert trial.config.nested() == {"lr": 0.5, "model": {"svm": {"C": 3.1}}}


def test_an_inactive_name_says_why():
    space = Space({"optimizer": Choice(["sgd", "adam"]), "momentum": Float(0, 0.99, when="optimizer == 'sgd'")})
    trial = Trial(a_run(config={"optimizer": "adam"}), Line(), space)
    with pytest.raises(KeyError) as error:
        trial["momentum"]
    assert str(error.value) == (
        "'momentum' is inactive in trial 7 (it needs optimizer == 'sgd'; this trial has 'adam'). "
        'Use trial.get("momentum", default).'
    )
    assert trial.get("momentum", 0.9) == 0.9
    with pytest.raises(KeyError, match="Did you mean 'momentum'"):
        trial["momentun"]


def test_declared_spaces_are_read_not_asked():
    with pytest.raises(ObjectiveError, match='trial\\["lr"\\]'):
        Trial(a_run(config={"lr": 0.1}), Line()).float("lr", 0, 1)


def test_names_asked_on_the_way():
    def objective(trial):
        x = trial.float("x", -5, 5)
        if trial.choice("kind", ["a", "b"]) == "a":
            trial.report(loss=x)
            return trial.int("n", 1, 8) + x
        return trial.bool("flag") + x

    body = ended(objective, open=True, config={"x": 2.5, "kind": "a", "flag": True})
    asked = body["asked"]
    assert list(asked) == ["n"]  # x and kind went with the report
    value, domain = asked["n"]
    assert body["returned"] == value + 2.5
    assert domain == Space({"n": {"type": "int", "low": 1, "high": 8}}).to_json()
    again = ended(objective, open=True, config={"x": 2.5, "kind": "a"}, attempt=2)
    assert again["asked"] == asked  # a retry sees the same draws


def test_values_outside_the_asked_domain_are_drawn_anew():
    run = a_run(open=True, config={"x": 2.5, "act": "gone"})
    trial = Trial(run, Line())
    assert 10 <= trial.float("x", 10, 100, log=True) <= 100
    assert trial.choice("act", {"abs": abs}) is abs
    assert trial.float("x", 10, 100, log=True) == trial.float("x", 10, 100, log=True)
    with pytest.raises(ReportError, match="asked for twice"):
        trial.float("x", 0, 1)


def test_fixed_trials_answer_with_what_was_given():
    trial = Trial.fixed({"x": 2.0, "n": 3})
    assert (trial.float("x", -5, 5), trial.int("n", 1, 8), trial["x"]) == (2.0, 3, 2.0)
    assert trial.choice("kind", ["a"]) == "a"


def test_a_fixed_value_outside_is_told_and_not_replaced_by_another():
    with pytest.raises(SpaceError, match=r"x: 9\.0 is outside 0\.0 to 3\.0"):
        Trial.fixed({"x": 9}).float("x", 0, 3)


def test_without_a_study_the_current_trial_has_the_newest_default(monkeypatch):
    monkeypatch.setattr(current, "_current", None)
    monkeypatch.delenv("TRIMTAB_DIR", raising=False)
    assert dict(current.current_trial().config) == {}
    trial = current.current_trial(default={"x": 3})
    assert trial["x"] == 3
    assert current.current_trial() is trial
    assert current.current_trial(default={"x": 3}) is trial


def test_checkpoints_are_published_whole(tmp_path):
    line = Line()
    trial = Trial(a_run(checkpoint=str(tmp_path / "7/1"), budget=3), line)
    for step in trial.steps():
        with trial.save_checkpoint() as folder:
            (folder / "net").write_text(f"weights {step}")
        trial.report(loss=1 / step)
    assert [kind for kind, _ in line.posted] == ["saved", "reported"] * 3
    saved = line.posted[-2][1]
    assert (saved["step"], saved["bytes"], saved["ref"]) == (3, 9, str(tmp_path / "7/1/3"))
    assert Trial(a_run(source=saved["ref"]), Line()).checkpoint.joinpath("net").read_text() == "weights 3"


def test_a_checkpoint_that_fails_is_not_there(tmp_path):
    line = Line()
    trial = Trial(a_run(checkpoint=str(tmp_path / "7/1")), line)

    def fails():
        with trial.save_checkpoint() as folder:
            (folder / "net").write_text("half")
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fails()
    assert line.posted == []
    assert list((tmp_path / "7/1").iterdir()) == []


def test_checkpoints_outside_steps_belong_to_the_step_to_be_reported(tmp_path):
    line = Line()
    trial = Trial(a_run(checkpoint=str(tmp_path)), line)
    trial.report(loss=1.0)
    with trial.save_checkpoint() as folder:
        (folder / "net").write_text("w")
    with trial.save_checkpoint(step=10) as folder:
        (folder / "net").write_text("w")
    assert [b["step"] for k, b in line.posted if k == "saved"] == [2, 10]
