"""Coming back to a study: what is said, from where it is read, and what a driver does when another call changes it."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

import trimtab as tt
from trimtab.log import Event
from trimtab.protocol import TRAITS, Need, Proposal
from trimtab.run.inline import Inline
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.storage import Memory
from trimtab.study._driver import Driver
from trimtab.study._log import Log
from trimtab.study._say import heard_by
from trimtab.study.verify import verify

SPACE = {"x": tt.Float(-1, 1)}


@pytest.fixture
def said() -> Iterator[list[tuple[str, str]]]:
    lines: list[tuple[str, str]] = []
    with heard_by(lambda kind, text: lines.append((kind, text))):
        yield lines


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def square(trial: Any) -> float:
    return float(trial["x"] ** 2)


def made(**settings: Any) -> tt.Study:
    settings = {"minimize": "loss", "seed": 0, "searcher": "random", "storage": "digits.db"} | settings
    return tt.Study("digits", settings.pop("space", SPACE), **settings)


# ── the line ──


def test_a_resume_is_said_in_one_line(here: Path, said: list[Any]) -> None:
    made()
    made()
    assert said == [], "nothing has been tried: there is nothing to go on with"
    made().optimize(square, trials=1)
    study = made().optimize(square, trials=3)
    made()
    assert said[0] == ("resumed", f"digits: 1 trial so far (best {study.trial(0).value:.4g}) in digits.db")
    assert said[1] == ("resumed", f"digits: 3 trials so far (best {study.best.value:.4g}) in digits.db")
    tt.load("digits.db")
    tt.studies("digits.db")
    assert len(said) == 2, "who loads a study knows that it is there"


def test_without_a_best_there_is_none_to_name(here: Path, said: list[Any]) -> None:
    tt.Study("two", SPACE, minimize=["a", "b"], storage="s.db").optimize(lambda t: {"a": 1.0, "b": 2.0}, trials=2)
    tt.Study("two", storage="s.db")
    assert said == [("resumed", "two: 2 trials so far in s.db")]


def test_changes_are_said_a_line_each(here: Path, said: list[Any]) -> None:
    made().optimize(square, trials=2)
    made(space={"x": tt.Float(-2, 1), "y": tt.Int(1, 3, default=1)}, searcher="sobol", stop={"time": "2h"})
    assert [line for kind, line in said if kind == "changed"] == [
        "digits: x: Float(-1.0, 1.0) → Float(-2.0, 1.0)",
        "digits: y: new, Int(1, 3, default=1) (old trials count as 1)",
        "digits: searcher: random → sobol",
        "digits: stop: none → time 7200.0",
    ]
    made(space=None, stop={"time": "2h", "target": 0.1})
    assert said[-1] == ("changed", "digits: stop: none → target 0.1"), "only what is another one"


def test_another_name_is_said(here: Path, said: list[Any]) -> None:
    made().optimize(square, trials=2)
    assert made(if_exists="new").name == "digits-2"
    assert said == [("resumed", 'digits-2: begins anew, because "digits" exists in digits.db')]


def test_nothing_to_do_is_said(here: Path, said: list[Any]) -> None:
    made().optimize(square, trials=2).optimize(square, trials=2)
    assert said[-1] == (
        "done", "digits: done, 2 of 2 trials (all trials have been started). To go on: optimize(…, more=…)"
    )  # fmt: skip


# ── the objective ──


def test_another_objective_is_warned_of_once(here: Path, said: list[Any]) -> None:
    def objective(trial: Any) -> float:
        return float(trial["x"] ** 2)

    made().optimize(objective, trials=2)
    made().optimize(objective, trials=3)

    def objective(trial: Any) -> float:  # type: ignore[no-redef]
        return float(trial["x"] ** 4)

    assert not [line for kind, line in said if kind == "warning"]
    made().optimize(objective, trials=4)
    made().optimize(objective, trials=5)
    (warned,) = [line for kind, line in said if kind == "warning"]
    assert warned.startswith("digits: the objective has changed since trial 2: objective. Old and new results")
    assert 'another name, or if_exists="new"' in warned


def test_other_versions_are_warned_of(here: Path, said: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made().optimize(square, trials=2)
    monkeypatch.setattr("trimtab.run.environment.packages", lambda objective: {"torch": "2.1", "new": "1"})
    made().optimize(square, trials=3)
    monkeypatch.setattr("trimtab.run.environment.packages", lambda objective: {"torch": "2.2"})
    made().optimize(square, trials=4)
    (warned,) = [line for kind, line in said if kind == "warning"]
    assert warned.startswith("digits: other versions than up to trial 2: torch 2.1 → 2.2. Old and new results")


def test_what_can_not_be_looked_at_is_run_all_the_same(here: Path) -> None:
    class Odd:
        def __call__(self, trial: Any) -> float:
            return 1.0

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert len(made().optimize(Odd(), trials=2)) == 2


def test_a_mended_objective_is_no_change(here: Path, said: list[Any]) -> None:
    with pytest.raises(tt.StudyStopped):
        made().optimize(lambda t: 1 / 0, trials=9)
    made().optimize(square, trials=9)
    assert not [line for kind, line in said if kind == "warning"]


# ── where it is ──


def test_storage_from_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(tt.StorageError, match=r"Which storage\?.*TRIMTAB_STORAGE"):
        tt.load()
    monkeypatch.setenv("TRIMTAB_STORAGE", "usual.db")
    made(storage=None).optimize(square, trials=2)
    assert len(tt.load()) == len(tt.load("usual.db")) == 2
    assert [row["name"] for row in tt.studies()] == ["digits"]
    tt.minimize(lambda t: t.float("x", 0, 1), trials=1)
    assert len(tt.studies()) == 1, "a nameless one stays in memory"
    monkeypatch.setenv("TRIMTAB_STORAGE", "")
    assert repr(made(storage=None)).endswith("Memory(1 studies))")
    monkeypatch.setenv("NAME_OF_IT", "usual")
    assert len(tt.load("${NAME_OF_IT}.db")) == 2


def test_studies_tell_their_age(here: Path) -> None:
    made().optimize(square, trials=2)
    (row,) = tt.studies("digits.db")
    events = list(tt.load("digits.db").log())
    assert (row["begun"], row["changed"]) == (events[0].at, events[-1].at)


def keep(trial: Any) -> None:
    for _ in trial.steps():
        with trial.save_checkpoint() as folder:
            (folder / "x").write_text("1")
        trial.report(loss=float(trial["x"] ** 2))


def test_a_study_that_was_moved_finds_its_checkpoints(here: Path) -> None:
    (here / "a").mkdir()
    made(storage="a/digits.db", scheduler="halving", max_budget=9).optimize(keep, trials=4)
    shutil.move("a", "b")
    moved = made(storage="b/digits.db").optimize(keep, trials=9)
    assert [t.state for t in moved.trials].count("finished") == 1
    promoted = [e for e in moved.log() if e.kind == "started" and e.body["cause"] == "promote"]
    assert promoted
    assert all(e.body.get("source") for e in promoted)


def test_a_checkpoint_of_another_machine_is_refused_before_anything_starts(here: Path) -> None:
    def interrupted(trial: Any) -> None:
        if trial.budget == 3:
            raise KeyboardInterrupt
        keep(trial)

    made(scheduler="halving", max_budget=9).optimize(interrupted, trials=9)
    shutil.rmtree("digits.runs")
    study = made()
    assert (study.counts["paused"], study.counts["queued"]) == (8, 1)
    before = len(list(study.log()))
    with pytest.raises(tt.StorageError, match=r"goes on from the checkpoint .* not on this machine .*invalidate\("):
        study.optimize(keep, trials=9)
    assert [e.kind for e in list(study.log())[before:]] == ["noted"]
    (waiting,) = [t.number for t in study.trials if t.state == "queued"]
    study.invalidate(waiting, reason="its checkpoint is lost")
    assert (study.counts["queued"], study.counts["invalid"], study.counts["counted"]) == (0, 1, 8)
    with pytest.raises(tt.StorageError, match=r"study\.invalidate\("):
        study.optimize(keep, trials=9)
    study.restore(waiting)
    assert study.counts["queued"] == 1


def test_checkpoints_may_have_an_url(here: Path) -> None:
    pytest.importorskip("fsspec")
    study = made(scheduler="halving", max_budget=9, folder=f"file://{here}/far")
    study.optimize(keep, trials=9)
    assert (here / "far" / "checkpoints").is_dir()
    assert [t.state for t in study.trials].count("finished") == 1


# ── while it runs ──


def test_a_running_driver_follows_a_change(here: Path, said: list[Any]) -> None:
    study = made()

    def objective(trial: Any) -> float:
        if trial.number == 3:
            with heard_by(lambda *_: None):
                tt.Study("digits", {"x": tt.Float(5, 6)}, storage="digits.db", searcher="sobol", stop=[tt.Patience(40)])
        return float(trial["x"] ** 2)

    study.optimize(objective, trials=8)
    assert [t.method.partition("/")[0] for t in study.trials] == ["random"] * 4 + ["sobol"] * 4
    assert all(t.config["x"] >= 5 for t in study.trials[4:])
    assert study.searcher.name == "sobol"
    assert [line for kind, line in said if kind == "warning"] == [
        "digits: changed by another call: x: Float(-1.0, 1.0) → Float(5.0, 6.0)",
        "digits: changed by another call: searcher: random → sobol",
        "digits: changed by another call: stop: none → patience 40",
    ]
    assert verify("digits.db").ok


def test_a_driver_takes_over_stop_rules(here: Path) -> None:
    study = made()

    def objective(trial: Any) -> float:
        if trial.number == 3:
            tt.Study("digits", storage="digits.db", stop={"target": 10.0})
        return float(trial["x"] ** 2)

    study.optimize(objective, trials=50)
    assert len(study) == 4
    assert study.ended.startswith("target 10 was reached")
    assert tt.load("digits.db").ended == study.ended, "why it ended is in the log"


def test_joining_is_said(said: list[Any]) -> None:
    study = made(storage=Memory())
    log = Log.open(study._log.storage, study._log.study)
    other = Driver(log, SEARCHERS.make("random"), tt.Full(), Inline(square), trials=1, driver="node3:7:abc")
    other.start()

    def objective(trial: Any) -> float:
        if trial.number == 2:
            log.write(Event("ended", {"state": "finished", "values": {"loss": 1.0}}, 0, 1, 0.0, other.id))
        return square(trial)

    study.optimize(objective, trials=3)
    assert ("joined", "digits: joins 1 other driver on node3 (1 trial running there); trials= is the total of all") in (
        said
    )


# ── questions ──


@dataclass(frozen=True)
class Asking:
    """Needs an answer for its second trial."""

    name: ClassVar[str] = "asking"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: Any, ask: Any) -> Any:
        answer = history.answer("how") if ask.number else {"answer": 0.5}
        return Need("how", "human") if answer is None else [Proposal({"x": answer.get("answer", -0.5)})]


def test_a_question_waits_for_a_driver_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SEARCHERS.known, "asking", f"{__name__}:Asking")  # type: ignore[index]
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Asking.__module__])
    study = made(storage=Memory(), searcher=Asking(), duplicates="allow")
    other = tt.load(study._log.storage)
    begun, go = threading.Event(), threading.Event()

    def slow(trial: Any) -> float:
        begun.set()
        go.wait(30)
        return 1.0

    # the one that answers is busy with trial 0; the other, which can't answer, must not say so in its place
    answering = threading.Thread(target=lambda: other.optimize(slow, trials=2, answer=lambda need: 0.25, display=False))
    answering.start()
    assert begun.wait(30)
    asker = threading.Thread(target=lambda: study.optimize(square, trials=2, display=False))
    asker.start()
    asker.join(timeout=0.3)
    waited = asker.is_alive()
    go.set()
    asker.join(30)
    answering.join(30)
    assert waited
    assert [t.config["x"] for t in study.trials] == [0.5, 0.25]


def test_a_question_that_nobody_answers_has_an_error_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SEARCHERS.known, "asking", f"{__name__}:Asking")  # type: ignore[index]
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Asking.__module__])
    study = made(storage=Memory(), searcher=Asking(), duplicates="allow").optimize(square, trials=2)
    assert [t.config["x"] for t in study.trials] == [0.5, -0.5]
