"""Values that are too large, too deep or of the wrong kind: refused by name, and the study stays readable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.errors import ObjectiveError, ReportError, SpaceError, StudyMismatch
from trimtab.study.verify import verify

LONG = "x" * 2_000_000


def deep(levels: int = 4000) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"a": made}
    return made


@pytest.fixture
def study(tmp_path: Path) -> tt.Study:
    made = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss", storage=tmp_path / "s.db", searcher="random", seed=0)
    made.tell(made.ask(), {"loss": 1.0})
    return made


@pytest.mark.parametrize(
    ("what", "act"),
    [
        ("note(…)", lambda s: s.note(0, LONG)),
        ("note(…)", lambda s: s.note(text=LONG)),
        ("failed=", lambda s: s.tell(s.ask(), failed=LONG)),
        ("reason=", lambda s: s.correct(0, {"loss": 2}, reason=LONG)),
        ("reason=", lambda s: s.invalidate(0, reason=LONG)),
        ("tags=", lambda s: s.add({"x": 0.5}, {"loss": 1}, tags={"a": LONG})),
        ("tags=", lambda s: s.enqueue({"x": 0.5}, tags={"a": LONG})),
    ],
)
def test_what_is_too_large_for_the_log_is_refused(what: str, act: Any, study: tt.Study, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"2\.0 MB, and the log takes 1 MB\. Write it to a file") as caught:
        act(study)
    assert str(caught.value).startswith(what)
    assert tt.load(tmp_path / "s.db").trial(0).value == 1.0
    assert (tmp_path / "s.db").stat().st_size < 1_000_000


def test_what_is_nested_too_deeply_is_cut_and_can_be_read_again(study: tt.Study, tmp_path: Path) -> None:
    study.note(0, deep())
    study.note(0, more=deep())
    study.add({"x": 0.5}, {"loss": 2}, tags=deep())
    study.optimize(lambda t: t.note(a=deep()) or 3.0, trials=2)
    again = tt.load(tmp_path / "s.db")
    assert [t.value for t in again.trials] == [1.0, 2.0, 3.0]
    assert "nested too deeply" in str(again.trial(1).tags)
    assert verify(tmp_path / "s.db").ok


def test_a_space_that_is_nested_too_deeply_is_refused() -> None:
    spec: dict[str, Any] = {"x": "0.0..1.0"}
    for _ in range(2000):
        spec = {"g": spec}
    with pytest.raises(SpaceError, match="too many levels"):
        tt.Space(spec)


def test_long_and_deep_rules_are_refused_and_none_runs_away() -> None:
    with pytest.raises(SpaceError, match="at most 4000 are read"):
        tt.Space({"a": "0.0..1.0"}, require=["(" * 5000 + "a < 1" + ")" * 5000])
    space = tt.Space({"a": "0.0..1.0"}, require=["9**9**9**9 > a"])
    assert len(space.names) == 1


def test_a_metric_that_is_no_number_is_named(study: tt.Study) -> None:
    with pytest.raises(ObjectiveError, match=r'"loss" is .*a real number was expected'):
        study.tell(study.ask(), {"loss": {"a": 1}})
    with pytest.raises(ObjectiveError, match="a real number was expected"):
        study.tell(study.ask(), "0.3")


@pytest.mark.parametrize("name", ["../../x", "a/b", "'; drop table study; --", "\u202eabc", "a\x1b[31mred", "x" * 300])
def test_odd_study_names_are_data_only(name: str, tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    study = tt.Study(name, {"x": "0.0..1.0"}, minimize="loss", storage=tmp_path / "n" / "s.db")  # fmt: skip
    study.optimize(lambda t: t["x"], trials=2, workers=2)
    assert tt.load(tmp_path / "n" / "s.db", name).best.value is not None
    assert {p.name.split(".")[0] for p in tmp_path.iterdir()} == {"n"}  # nothing leads out of its folder
    assert "\x1b" not in repr(study)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_study_needs_a_name(name: str) -> None:
    with pytest.raises(StudyMismatch, match="needs a name"):
        tt.Study(name, {"x": "0.0..1.0"}, minimize="loss")


def test_ten_thousand_parameters_work() -> None:
    space = {f"p{i}": tt.Float(0, 1) for i in range(10_000)}
    study = tt.Study("wide", space, minimize="loss", searcher="random", seed=0)
    study.optimize(lambda t: t["p0"], trials=3)
    assert [t.state for t in study.trials] == ["finished"] * 3
    assert len(study.best.config) == 10_000
