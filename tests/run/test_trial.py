"""What an objective can say, and what it hears back."""

from __future__ import annotations

import math
from collections import deque
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from trimtab.errors import NonFinite, Reject, ReportError
from trimtab.protocol import Run
from trimtab.run.trial import Trial, execute, outcome


class Line:
    """A link with scripted answers."""

    def __init__(self, *answers: dict[str, Any], unasked: dict[int, dict[str, Any]] | None = None) -> None:
        self.answers, self.posted = deque(answers), []
        self.unasked = unasked or {}

    def post(self, kind, body):
        self.posted.append((kind, body))

    def wait(self):
        return self.answers.popleft()

    def poll(self):
        return self.unasked.pop(len(self.posted), None)

    @property
    def steps(self) -> list[float]:
        return [b["step"][0] for k, b in self.posted if k == "reported"]


def a_run(**changes: Any) -> Run:
    return Run(**{"trial": 7, "attempt": 1, "config": {}, "seed": 5, "until": math.inf, **changes})


def looping(trial: Trial) -> None:
    for step in trial.steps():
        trial.report(loss=1 / step)


def test_steps_go_on_as_verdicts_extend_them():
    line = Line({"go": "on", "until": 3}, {"go": "on", "until": 9}, {"go": "pause"})
    body = execute(looping, Trial(a_run(until=1, budget=27), line))
    assert line.steps == list(range(1, 10))
    assert (body["state"], body["step"]) == ("paused", 9)
    assert not line.answers


def test_steps_go_on_after_the_checkpoint_and_end_at_the_budget():
    line = Line({"go": "on", "until": None})
    body = execute(looping, Trial(a_run(until=9, budget=9, source_step=3), line))
    assert line.steps == [4, 5, 6, 7, 8, 9]
    assert (body["state"], body["step"], body["returned"]) == ("finished", 9, None)


def test_steps_need_a_length():
    body = execute(looping, Trial(a_run(), Line()))
    assert body["error"]["kind"] == "ReportError"
    assert "trial.steps(30)" in body["error"]["text"]
    assert list(Trial.fixed({}).steps(3)) == [1, 2, 3]
    assert list(Trial.fixed({}, budget=2).steps(5)) == [1, 2]


def test_every_report_waits_when_the_scheduler_listens_to_all():
    line = Line({"go": "on"}, {"go": "on"}, {"go": "stop"})
    body = execute(looping, Trial(a_run(wait="all", budget=10), line))
    assert line.steps == [1, 2, 3]
    assert body["state"] == "stopped"


@pytest.mark.parametrize(
    ("go", "state"), [("pause", "paused"), ("stop", "stopped"), ("cancel", "cancelled"), ("kill", "cancelled")]
)
def test_an_unasked_request_ends_the_loop_at_its_step(go, state):
    line = Line(unasked={4: {"go": go}})
    body = execute(looping, Trial(a_run(budget=10), line))
    assert line.steps == [1, 2, 3, 4]
    assert (body["state"], body["step"]) == (state, 4)


def test_a_pause_in_the_last_step_changes_nothing():
    body = execute(looping, Trial(a_run(budget=3), Line(unasked={3: {"go": "pause"}})))
    assert body["state"] == "finished"


def test_a_pause_nobody_looks_at_lets_the_trial_finish():
    def deaf(trial):
        for step in range(1, 4):
            trial.report(loss=step)
        return 0.5

    line = Line(unasked={1: {"go": "pause"}})
    body = execute(deaf, Trial(a_run(budget=10), line))
    assert (body["state"], body["returned"], line.steps) == ("finished", 0.5, [1, 2, 3])


def test_a_verdict_binds_even_the_deaf(caplog):
    def deaf(trial):
        for step in range(1, 5):
            trial.report(loss=step)
        return 0.5

    line = Line({"go": "stop"})
    body = execute(deaf, Trial(a_run(until=2, budget=10), line))
    assert (body["state"], body["step"], body["returned"]) == ("stopped", 4, 0.5)
    assert line.steps == [1, 2]
    assert body["notes"] == {"reports_dropped": 2}
    assert len(caplog.records) == 1


def test_who_runs_on_past_a_pause_is_paused_all_the_same(caplog):
    """A loop of one's own to the full length, under a scheduler that pauses: the budget is the first rung."""

    def deaf(trial):
        for step in range(1, 10):
            trial.report(loss=1 / step, step=step)

    line = Line({"go": "pause"})
    body = execute(deaf, Trial(a_run(until=3, budget=3), line))
    assert (body["state"], line.steps, body["notes"]) == ("paused", [1, 2, 3], {"reports_dropped": 6})
    assert "was told to pause but runs on" in caplog.text
    body = execute(deaf, Trial(a_run(budget=3), Line()))
    assert "has the steps 1 to 3" in body["error"]["text"], "without a verdict it is a mistake"


def test_should_stop_serves_loops_that_are_not_ours():
    def callback(trial):
        step = 0
        while not trial.should_stop():
            step += 1
            trial.report(loss=step)
        return None

    body = execute(callback, Trial(a_run(budget=10), Line(unasked={3: {"go": "stop"}})))
    assert (body["state"], body["step"]) == ("stopped", 3)


def test_steps_are_counted_when_nobody_says_them():
    trial = Trial.fixed({})
    trial.report(loss=1.0)
    trial.report({"val/loss": 2.0}, acc=0.5)
    trial.report(loss=1.0, step=9)
    trial.report(loss=0.5)
    assert trial.reports == [
        {"loss": 1.0, "step": 1},
        {"val/loss": 2.0, "acc": 0.5, "step": 2}, {"loss": 1.0, "step": 9}, {"loss": 0.5, "step": 10}
    ]  # fmt: skip


def test_what_is_reported_is_columns():
    line = Line()
    Trial(a_run(), line).report(loss=1.0, acc=0.5, step=3, fold=2, sem=0.1)
    ((kind, body),) = line.posted
    assert kind == "reported"
    assert body.pop("seconds")[0] >= 0
    assert body == {"step": [3], "fold": [2], "metrics": {"loss": [1.0], "acc": [0.5]}, "sem": {"loss": [0.1]}}


@pytest.mark.parametrize("fold", [-1, 1.5, "a"])
def test_folds_are_whole_numbers(fold):
    with pytest.raises(ReportError, match="folds are whole numbers"):
        Trial(a_run(), Line()).report(loss=1.0, step=3, fold=fold)


def test_a_spread_below_zero_is_none():
    with pytest.raises(ReportError, match=r'the sem of "loss" is -0.1; a standard error is at least 0'):
        Trial(a_run(), Line()).report(loss=1.0, step=3, sem=-0.1)


def test_numbers_by_position_are_refused_with_the_right_call():
    with pytest.raises(ReportError, match=r"^report\(0\.31, 7\): metrics go by name: report\(loss=0\.31, step=7\)\.$"):
        Trial.fixed({}).report(0.31, 7)
    with pytest.raises(ReportError, match=r"^report\(0\.31\): metrics go by name: report\(loss=0\.31\)\.$"):
        Trial.fixed({}).report(0.31)
    with pytest.raises(ReportError, match=r"report\(loss=…\)"):
        Trial.fixed({}).report()
    with pytest.raises(ReportError, match=r"report\(\{…\}, step=…\)"):
        Trial.fixed({}).report({"loss": 1.0, "step": 3})


def test_step_zero_is_explained():
    with pytest.raises(ReportError, match="counts of finished steps, 1 to 81"):
        Trial.fixed({}, budget=81).report(loss=1.0, step=0)
    with pytest.raises(ReportError, match="has the steps 1 to 81"):
        Trial.fixed({}, budget=81).report(loss=1.0, step=82)
    Trial.fixed({}).report(loss=1.0, step=0)


def test_steps_go_forward():
    trial = Trial.fixed({})
    trial.report(loss=1.0, step=3)
    trial.report(loss=1.0, step=3)  # the same again is harmless
    trial.report(acc=0.5, step=3)
    trial.report(loss=9.0, step=1, fold=1)  # folds have steps of their own
    with pytest.raises(ReportError, match=r"step 3 already has loss=1\.0"):
        trial.report(loss=2.0, step=3)
    with pytest.raises(ReportError, match="after step 3"):
        trial.report(loss=1.0, step=2)
    assert len(trial.reports) == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, None, "0.3", 1j, True, np.bool_(True), [0.3], np.zeros(2)])
def test_a_bad_report_fails_the_trial_even_if_hidden(bad):
    def hides(trial):
        trial.report(loss=1.0, step=1)
        try:
            trial.report(loss=bad, step=2)
        except Exception:
            return 0.5

    line = Line()
    body = execute(hides, Trial(a_run(), line))
    assert body["state"] == "failed"
    assert body["step"] == 1
    assert line.steps == [1]
    if isinstance(bad, float):
        assert body["error"]["kind"] == "NonFinite"
        assert '"loss" at step 2' in body["error"]["text"]


class Tensor:
    shape = (1, 1)

    def item(self):
        return 0.25


@pytest.mark.parametrize(
    "good",
    [
        1,
        0.25,
        np.float32(0.25),
        np.int64(3),
        np.array(0.25),
        np.array([[0.25]]),
        Tensor(),
        Fraction(1, 4),
        Decimal("0.25"),
    ],
)
def test_numbers_of_every_make_are_accepted(good):
    body = outcome(good, Trial(a_run(), Line()))
    assert body["state"] == "finished"
    assert type(body["returned"]) is float
    assert body["cost"]["seconds"] >= 0


@pytest.mark.parametrize("near", [2**53 + 1, Decimal("0.1")])
def test_what_loses_digits_is_kept_with_a_warning(near):
    with pytest.warns(UserWarning, match="kept as the float"):
        body = outcome(near, Trial(a_run(), Line()))
    assert body["returned"] == float(near)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (None, "did you forget `return`"), ("0.3", "text '0.3'"), (True, "a bool"), (1j, "a complex"),
        ([1.0, 2.0], "list of 2"),
        ({}, "empty dict"), ({"loss": "x"}, 'returned "loss"'), (np.zeros(3), r"shape (3,)"),
        (object(), "an object"), (10**400, "float"),
    ],
)  # fmt: skip
def test_what_is_no_value_fails_by_name(bad, says):
    body = outcome(bad, Trial(a_run(), Line()))
    assert (body["state"], body["error"]["kind"]) == ("failed", "TypeError")
    assert says in body["error"]["text"]


def test_not_a_number_is_its_own_kind_of_failure():
    assert outcome(math.nan, Trial(a_run(), Line()))["error"]["kind"] == "NonFinite"
    assert outcome({"loss": -math.inf}, Trial(a_run(), Line()))["error"]["kind"] == "NonFinite"


def test_an_exception_names_the_users_line():
    def objective(trial):
        np.linalg.cholesky(-np.eye(2))  # fails inside a library

    error = execute(objective, Trial(a_run(), Line()))["error"]
    assert error["kind"] == "LinAlgError"
    assert error["where"].startswith("test_trial.py:")
    assert " in objective   np.linalg.cholesky(-np.eye(2))" in error["where"]
    assert error["traceback"].startswith("Traceback")
    assert "run/_outcome.py" not in error["traceback"]


def test_long_tracebacks_are_cut_in_the_middle():
    def objective(trial):
        raise ValueError("x" * 50_000)

    error = execute(objective, Trial(a_run(), Line()))["error"]
    assert len(error["text"]) == 4000
    assert len(error["traceback"]) <= 16_000


def test_errors_that_are_hard_to_tell_are_told():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def raising(error):
        def objective(trial):
            raise error

        return execute(objective, Trial(a_run(), Line()))["error"]

    assert "RuntimeError('no text')" in raising(Broken())["text"]
    assert raising(OSError("no file \udcff"))["text"] == r"no file \udcff"


def test_a_callback_may_leave_by_interrupt_once_it_was_told_to():
    def objective(trial):
        trial.report(loss=1.0)
        if trial.should_stop():
            raise KeyboardInterrupt

    trial = Trial(a_run(), Line(unasked={1: {"go": "stop"}}))
    assert execute(objective, trial)["state"] == "stopped"
    assert not trial.interrupted


def test_infeasible_exit_and_interrupt_are_told_apart():
    def raising(error):
        def objective(trial):
            raise error

        return execute(objective, Trial(a_run(), Line()))

    assert raising(Reject("too big"))["error"] == {"kind": "Reject", "text": "too big"}
    assert raising(SystemExit(3))["error"]["text"] == "the objective called sys.exit(3)"
    assert raising(KeyboardInterrupt())["state"] == "cancelled"


def test_the_config_is_a_copy():
    stored = {"order": ["a", "b"], "lr": 0.1}
    trial = Trial(a_run(config=stored), Line())
    trial["order"].append("c")
    trial.config.labels["order"].append("d")
    assert stored["order"] == ["a", "b"]
    with pytest.raises(TypeError):
        trial.config["lr"] = 3  # type: ignore[index]
    assert {**trial.config}["lr"] == 0.1
    with pytest.raises(KeyError, match="Did you mean 'lr'"):
        trial["lrr"]
    assert trial.get("momentum", 0.9) == 0.9


def test_branches_and_nesting():
    trial = Trial.fixed(
        {
            "lr": 0.1,
            "model": "svm",
            "model.svm.C": 3.1,
            "aug.flip": True,
            "model.svm.kernel": "rbf",
            "model.svm.kernel.rbf.g": 2,
        }
    )
    assert trial.branch("model") == ("svm", {"C": 3.1, "kernel": "rbf", "kernel.rbf.g": 2})
    assert trial.config.nested() == {
        "lr": 0.1,
        "model": {"svm": {"C": 3.1, "kernel": {"rbf": {"g": 2}}}},
        "aug": {"flip": True},
    }


def test_notes_go_with_the_end():
    def objective(trial):
        trial.note(epochs=np.int64(3), classes={"a", "b"}, net=object)
        return 1.0

    notes = execute(objective, Trial(a_run(), Line()))["notes"]
    assert notes == {"epochs": 3, "classes": ["a", "b"], "net": "<class 'object'>"}
    with pytest.raises(ReportError, match="1 MB"):
        Trial.fixed({}).note(text="x" * 1_100_000)


def test_folder_is_the_trials_own(tmp_path: Path):
    trial = Trial(a_run(), Line(), folder=tmp_path / "007")
    assert trial.folder.is_dir()
    assert trial.checkpoint is None
    assert Trial(a_run(source=str(tmp_path)), Line()).checkpoint == tmp_path


def test_non_finite_is_an_objective_error():
    with pytest.raises(NonFinite, match='"val/loss" at step 1: nan'):
        Trial.fixed({}).report({"val/loss": math.nan})


# ── stand-ins for unit tests of an objective ──


def saving(trial: Trial) -> None:
    total = float((trial.checkpoint / "total").read_text()) if trial.checkpoint else 0.0
    for step in trial.steps():
        total += trial["x"]
        with trial.save_checkpoint() as folder:
            (folder / "total").write_text(repr(total))
        trial.report(loss=total / step)


def test_a_fixed_trial_pauses_and_goes_on_from_its_checkpoint(tmp_path: Path):
    first = Trial.fixed({"x": 2.0}, budget=5, pause=3, folder=tmp_path / "a")
    saving(first)
    assert [r["step"] for r in first.reports] == [1, 2, 3]
    assert first.saved is not None
    assert first.saved.name == "3"
    second = Trial.fixed({"x": 2.0}, budget=5, checkpoint=first.saved, folder=tmp_path / "b")
    assert second.checkpoint == first.saved
    saving(second)
    assert [r["step"] for r in second.reports] == [4, 5]
    assert (second.saved / "total").read_text() == "10.0"  # type: ignore[operator]
    whole = Trial.fixed({"x": 2.0}, budget=5, folder=tmp_path / "c")
    saving(whole)
    assert first.reports + second.reports == whole.reports


def test_a_checkpoint_of_ones_own_needs_its_step(tmp_path: Path):
    with pytest.raises(ReportError, match=r"say its step too: step=3"):
        Trial.fixed({}, checkpoint=tmp_path / "net")
    (tmp_path / "net").mkdir()
    assert list(Trial.fixed({}, budget=5, checkpoint=tmp_path / "net", step=3).steps()) == [4, 5]


def test_nothing_is_left_of_a_trial_that_was_saved_at_its_end(tmp_path: Path):
    (tmp_path / "5").mkdir()
    trial = Trial.fixed({}, budget=5, checkpoint=tmp_path / "5")
    assert list(trial.steps()) == []
    assert outcome(None, trial)["state"] == "finished"


# ── loops that belong to somebody else ──


class Callback:
    """As Keras, Lightning or XGBoost call them: after each epoch, with the metrics; it may end the training."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def on_epoch_end(self, epoch: int, metrics: dict[str, Any]) -> bool:
        self.trial.report({f"val/{k}": v for k, v in metrics.items()}, step=epoch + 1)
        return self.trial.should_stop()


def fit(trial: Trial, epochs: int) -> float:
    callback, loss = Callback(trial), 1.0
    for epoch in range(epochs):
        loss = 1 / (epoch + 1)
        if callback.on_epoch_end(epoch, {"loss": np.float32(loss)}):
            break
    return loss


@pytest.mark.parametrize(("go", "state"), [("pause", "paused"), ("stop", "stopped")])
def test_a_callback_ends_a_loop_at_a_milestone(go, state):
    line = Line({"go": "on", "until": 4}, {"go": go})
    body = execute(lambda t: fit(t, 9), Trial(a_run(until=2, budget=9), line))
    assert (body["state"], body["step"], body["returned"], line.steps) == (state, 4, 0.25, [1, 2, 3, 4])


def test_a_callback_ends_a_loop_when_it_is_asked_to():
    body = execute(lambda t: fit(t, 9), Trial(a_run(budget=9), Line(unasked={3: {"go": "cancel", "drain": True}})))
    assert (body["state"], body["step"]) == ("cancelled", 3)


def test_who_listens_says_so_once():
    class Ears(Line):
        heard = 0

        def listens(self):
            self.heard += 1

    for objective, heard in ((looping, 1), (lambda t: fit(t, 9), 1), (lambda t: t.report(loss=1.0), 0)):
        line = Ears()
        execute(objective, Trial(a_run(budget=9), line))
        assert line.heard == heard


def test_several_processes_act_on_what_was_agreed():
    class Among(Line):
        agreed: ClassVar = deque([None, None, "pause"])

        def agree(self, told):
            return self.agreed.popleft()

    line = Among(unasked={1: {"go": "stop"}})
    body = execute(looping, Trial(a_run(budget=9), line))
    assert (body["state"], line.steps) == ("paused", [1, 2])
