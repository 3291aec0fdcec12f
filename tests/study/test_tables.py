"""Rows, data frames and files made from a study; why a trial was tried; what failed."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.errors import MissingExtra, UnknownName
from trimtab.history import Trial as Row
from trimtab.study import _tables


@pytest.fixture(scope="module")
def study() -> tt.Study:
    """Nine trials: a default, draws, and failures of two kinds. One text choice looks like a formula."""
    space = tt.Space(
        {
            "kind": tt.Choice(["=cmd()", "plain"], default="plain"),
            "x": tt.Float(-1, 1, default=0.5, when="kind == 'plain'"),
        }
    )
    made = tt.Study("tables", space, minimize="loss", seed=3, searcher="random")

    def objective(trial: tt.Trial) -> dict[str, float]:
        if trial.number in (3, 5):
            raise ValueError("bad luck\nand more")
        if trial.number == 6:
            raise MemoryError
        for fold in range(2):
            trial.report(loss=trial.get("x", 0.9) ** 2 + fold, fold=fold, step=1)
        return {"loss": trial.get("x", 0.9) ** 2, "size": 7.0}

    return made.optimize(objective, trials=9, display=False)


def test_failures_are_grouped_most_frequent_first(study: tt.Study) -> None:
    first, second = study.failures()
    assert (first["kind"], first["text"], first["count"], first["trials"]) == ("ValueError", "bad luck", 2, [3, 5])
    assert "objective" in first["where"]
    assert (second["kind"], second["trials"]) == ("MemoryError", [6])


def test_failed_trials_that_differ_in_place_are_two_groups() -> None:
    trials = [
        Row(i, "failed", {}, {}, error={"kind": "E", "where": where, "text": "t"})
        for i, where in enumerate(["a.py:1", "a.py:2", "a.py:1"])
    ]
    assert [(g["where"], g["trials"]) for g in _tables.failures(trials)] == [("a.py:1", [0, 2]), ("a.py:2", [1])]


def test_explain_tells_a_trial_in_order(study: tt.Study) -> None:
    told = study.explain(0)
    assert told["cause"] == "queue"
    assert told["lines"] == ["taken from the queue — the default: the baseline", "finished at step 1"]
    told = study.explain(1)
    assert (told["method"], told["state"]) == ("random/1", "finished")
    assert told["lines"][0].startswith("proposed by random")
    assert study.explain(3)["lines"][-1] == "failed: ValueError: bad luck"


def test_explain_has_what_was_done_by_hand() -> None:
    made = tt.Study("hand", {"x": "0.0..1.0"}, minimize="loss", seed=0).optimize(
        lambda t: t["x"], trials=2, display=False
    )
    made.correct(1, {"loss": 0.25}, reason="units")
    made.invalidate(1, reason="wrong data")
    made.restore(1)
    lines = made.explain(1)["lines"]
    assert lines[-3:] == ["corrected by user — units", "invalidated by user — wrong data", "restored by user"]


def test_rows_leave_out_what_is_inactive_or_unknown(study: tt.Study) -> None:
    rows = study.to_dicts()
    assert [row["number"] for row in rows] == list(range(9))
    assert rows[0]["params_x"] == 0.5
    assert rows[0]["metrics_size"] == 7.0
    assert "value" not in rows[3]
    assert rows[3]["state"] == "failed"
    formula = next(row for row in rows if row["params_kind"] == "=cmd()" and row["state"] == "finished")
    assert "params_x" not in formula


def test_columns_have_one_order(study: tt.Study) -> None:
    names = _tables.columns_of(study.to_dicts())
    assert names[:5] == ["number", "state", "value", "params_kind", "params_x"]
    assert names.index("metrics_size") < names.index("seconds") < names.index("began") < names.index("error")


def test_report_rows_name_trial_step_and_fold(study: tt.Study) -> None:
    rows = study.to_dicts(reports=True)
    assert rows[:2] == [
        {"number": 0, "step": 1.0, "fold": 0, "metrics_loss": 0.25},
        {"number": 0, "step": 1.0, "fold": 1, "metrics_loss": 1.25},
    ]


def test_several_objectives_have_columns_of_their_own() -> None:
    made = tt.Study("two", {"x": "0.0..1.0"}, minimize=["a", "b"], seed=0, searcher="random")
    made.optimize(lambda t: {"a": t["x"], "b": 1 - t["x"]}, trials=3, display=False)
    assert {"values_a", "values_b"} <= set(made.to_dicts()[0])
    assert list(made.to_pandas(style="optuna").columns)[:3] == ["number", "values_0", "values_1"]


def test_pandas(study: tt.Study) -> None:
    frame = study.to_pandas()
    assert list(frame.columns)[:3] == ["number", "state", "value"]
    assert str(frame["began"].dtype).startswith("datetime64")
    assert frame["value"].isna().sum() == 3
    assert len(study.to_pandas(reports=True)) == 2 * 6
    with pytest.raises(UnknownName, match="optuna"):
        study.to_pandas(style="optna")


def test_pandas_of_an_empty_study_has_its_columns() -> None:
    empty = tt.Study("empty", {"x": "0.0..1.0"}, minimize="loss")
    assert list(empty.to_pandas().columns) == ["number", "state", "value"]
    assert list(empty.to_pandas(reports=True).columns) == ["number", "step"]
    assert len(empty.to_pandas(style="optuna")) == 0


def test_optuna_style_is_optunas_own(study: tt.Study) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    theirs = optuna.create_study()

    def objective(trial: object) -> float:
        kind = trial.suggest_categorical("kind", ["=cmd()", "plain"])  # type: ignore[attr-defined]
        trial.set_user_attr("size", 7.0)  # type: ignore[attr-defined]
        return float(trial.suggest_float("x", -1, 1) if kind == "plain" else 0.9)  # type: ignore[attr-defined]

    theirs.enqueue_trial({"kind": "plain", "x": 0.5})
    theirs.optimize(objective, n_trials=4)
    frame = theirs.trials_dataframe()
    frame = frame[[name for name in frame.columns if not name.startswith("system_attrs_")]]  # its own bookkeeping
    like = study.to_pandas(style="optuna")
    assert list(like.columns) == list(frame.columns)
    assert set(like["state"]) == {"COMPLETE", "FAIL"}
    for name in ("datetime_start", "duration"):
        assert like[name].dtype.kind == frame[name].dtype.kind


def test_csv_disarms_formulas_and_leaves_numbers(study: tt.Study, tmp_path: Path) -> None:
    study.export(tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert len(rows) == 9
    kinds = {row["params_kind"] for row in rows}
    assert kinds == {"'=cmd()", "plain"}
    negative = [row["params_x"] for row in rows if row["params_x"].startswith("-")]
    assert negative
    assert all(float(x) < 0 for x in negative)


def test_json_and_json_lines_read_back(study: tt.Study, tmp_path: Path) -> None:
    study.export(tmp_path / "t.json")
    study.export(tmp_path / "t.jsonl", what="events")
    assert json.loads((tmp_path / "t.json").read_text())[0]["params_kind"] == "plain"
    events = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert events[0]["kind"] == "defined"
    assert len(events) == len(list(study.log()))


def test_parquet_reads_back(study: tt.Study, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    made = tt.Study(
        "mixed", {"c": [1, "one", True], "s": tt.Subset(["a", "b"])}, minimize="loss", seed=0, searcher="random"
    )
    made.optimize(lambda t: 0.0, trials=6, display=False)
    made.export(tmp_path / "t.parquet")
    study.export(tmp_path / "u.parquet")
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 6
    assert pd.read_parquet(tmp_path / "u.parquet")["value"].notna().sum() == 6


def test_arrow(study: tt.Study) -> None:
    pytest.importorskip("pyarrow")
    table = study.to_arrow()
    assert table.column_names == _tables.columns_of(study.to_dicts())
    assert table["number"].to_pylist() == [t.number for t in study.trials]
    began = table["began"].to_pylist()[0]
    assert (began.tzinfo is not None, abs(began.timestamp() - study.trial(0).began) < 0.01) == (True, True)
    assert study.to_arrow(reports=True).num_rows == len(study.to_dicts(reports=True))
    assert tt.Study("none", {"x": tt.Float(0, 1)}).to_arrow().num_rows == 0


def test_unknown_forms_are_refused(study: tt.Study, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"\.csv"):
        study.export(tmp_path / "t.xlsx")
    with pytest.raises(UnknownName, match="Did you mean 'trials'"):
        study.export(tmp_path / "t.csv", what="trial")


def test_a_missing_extra_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    from trimtab._extras import need

    with pytest.raises(
        MissingExtra, match=r"To write r\.parquet, trimtab needs no_such_package\. Run: pip install 'trimtab"
    ):
        need("no_such_package", extra="parquet", to="write r.parquet")


def test_failures_that_differ_in_numbers_only_are_one_group() -> None:
    def objective(trial: tt.Trial) -> float:
        raise MemoryError(f"no room for {trial['n']} units of {0.5 * trial['n']} MB")

    study = tt.Study("s", {"n": tt.Int(1, 99)}, minimize="loss", seed=0, stop=[tt.Failures(in_a_row=None)])
    study.optimize(objective, trials=5)
    (group,) = study.failures()
    assert (group["count"], group["trials"]) == (5, [0, 1, 2, 3, 4])
    assert group["text"].startswith("no room for ")
    assert "N" not in group["text"]


def test_failures_of_programs_are_told_apart_by_their_last_words() -> None:
    head = "./solver ended with exit code 3. Its last words:"
    trials = [
        Row(i, "failed", {}, {}, error={"kind": "exit", "text": f"{head}\nat node {i}\n{last}\n"})
        for i, last in enumerate(["singular at 17", "no license", "singular at 4"])
    ]
    told = [(g["text"], g["trials"]) for g in _tables.failures(trials)]
    assert told == [(f"{head} singular at 17", [0, 2]), (f"{head} no license", [1])]


def test_a_table_without_rows_has_a_head() -> None:
    text = StringIO()
    _tables.write([], text, ".csv")
    assert text.getvalue() == "number\n"
