"""trimtab bench, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.bench import results
from trimtab.cli import code_of
from trimtab.cli._bench import _listed, _span

SMALL = ["bench", "run", "smoke", "--tasks", "fixtures/branin_cat", "--optimizers", "random,tpe(startup=3)",
         "--evaluations", "8", "--seeds", "3", "--jobs", "1"]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_BENCH_DATA", raising=False)
    monkeypatch.setenv("TRIMTAB_BENCH_ENVS", str(tmp_path / "envs"))
    return tmp_path


def test_run_and_report(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(SMALL) == 0
    said = capsys.readouterr().err
    assert "smoke: 6 cells (1 task, 2 optimizers), 0 there already, 6 to run → bench/smoke.jsonl" in said
    assert "smoke: 6 done     next: trimtab bench report smoke" in said
    assert code_of(SMALL) == 0
    assert "6 there already, 0 to run" in capsys.readouterr().err
    assert len(results(here / "bench" / "smoke.jsonl")) == 6

    assert code_of(["bench", "report", "--at", "4,8", "--against", "random"]) == 0
    table = capsys.readouterr().out
    assert "tpe(startup=3)" in table
    assert "random" in table
    assert any(word in table for word in ("better", "worse", "can't tell"))

    assert code_of(["bench", "report", "smoke", "--at", "8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in told["tracks"]["blackbox"]["rows"]} == {"random", "tpe(startup=3)"}

    assert code_of(["bench", "report", "bench/smoke.jsonl", "--at", "8", "--html", "page.html"]) == 0
    page = (here / "page.html").read_text()
    assert "fixtures/branin_cat" in page
    assert 'src="http' not in page


def test_several_workers_have_a_row_of_their_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["bench", "run", "smoke", "--tasks", "fixtures/branin_cat", "--optimizers", "random", "--evaluations", "8",
           "--seeds", "1", "--jobs", "1"]  # fmt: skip
    assert code_of(few) == 0
    assert code_of([*few, "--workers", "4"]) == 0
    capsys.readouterr()
    assert code_of(["bench", "report", "--json"]) == 0
    assert '"random on 4 workers"' in capsys.readouterr().out


def test_a_dry_run_runs_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of([*SMALL, "--dry-run"]) == 0
    assert "6 to run" in capsys.readouterr().err
    assert not (here / "bench").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["report"], "There are no results here yet. Make some: trimtab bench run smoke"),
        (["report", "nothing"], "bench/nothing.jsonl is not there"),
        (["run", "smokey"], "No suite is called 'smokey'. Did you mean 'smoke'?"),
        (["run", "smoke", "--tasks", "nobody/*"], "No task of the suite 'smoke' matches 'nobody/*'"),
        (["run", "smoke", "--optimizers", "tpe(startup)"], "settings are name=value"),
        (["run", "smoke", "--optimizers", "tpe(startup=3"], "'tpe(startup=3' is no optimizer"),
        (["run", "smoke", "--optimizers", ","], "',' names no optimizer"),
        (["run", "smoke", "--out", "."], ". can't be read: Is a directory."),
        (["tasks", "bob/*"], "No task matches bob/*."),
        (["tasks", "nobody"], "No task matches nobody."),
        (["tasks", "yahpo/*"], "--data DIR, or $TRIMTAB_BENCH_DATA"),
        (["speed", "nobody"], "No optimizer is called 'nobody'"),
        (["speed", "--task", "fixtures/nobody"], "No task of fixtures is called 'nobody'"),
        (["speed", "--at", "many"], "--at many: whole numbers with commas between"),
        (["scale", "--workers", "1,"], "--workers 1,: whole numbers with commas between"),
        (["report", "--at", "0"], "--at 0: whole numbers with commas between"),
    ],
)
def test_what_is_wrong_is_said(here: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert code_of(["bench", *words]) in (1, 2)
    said = capsys.readouterr()
    assert told in said.out + said.err


def test_what_can_not_be_run_says_why(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["bench", "run", "dev", "--tasks", "yahpo/*", "-o", "none.jsonl"]) == 1
    said = capsys.readouterr().err
    assert "dev: nothing of it can be run here." in said
    assert "TRIMTAB_BENCH_DATA" in said
    assert not (here / "none.jsonl").exists()
    hebo = ["--optimizers", "hebo", "--evaluations", "2", "--seeds", "2", "--jobs", "1"]
    assert code_of(["bench", "run", "smoke", "--tasks", "fixtures/hartmann6~crash", *hebo]) == 1
    said = capsys.readouterr().err
    assert said.count("trimtab bench env hebo") == 1
    assert "smoke: 2 missing" in said


def test_a_file_is_found_by_its_name_and_a_page_makes_its_folder(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ["bench", "run", "smoke", "--tasks", "fixtures/branin_cat", "--optimizers", "random", "--evaluations", "2",
           "--seeds", "1", "--jobs", "1"]  # fmt: skip
    assert code_of([*one, "--out", "mine"]) == 0
    assert "next: trimtab bench report mine" in capsys.readouterr().err
    assert code_of(["bench", "report", "mine", "--html", "new/page.html"]) == 0
    assert (here / "new" / "page.html").exists()
    assert code_of(["bench", "report", "mine", "--html", "."]) == 2
    assert "can't be written: Is a directory." in capsys.readouterr().err


def test_a_family_by_its_name_is_its_tasks(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["bench", "tasks", "fixtures", "--json"]) == 0
    assert "fixtures/hartmann6" in json.loads(capsys.readouterr().out)
    assert code_of(["bench", "tasks", "nobody", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


def test_the_usual_task_of_speed_is_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["bench", "speed", "random", "random", "--at", "2", "--rounds", "1"]) == 0
    assert capsys.readouterr().out.count("random") == 1
    assert code_of(["bench", "speed", "hebo", "--at", "2", "--rounds", "1"]) == 1  # nothing was measured


def test_what_there_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["bench", "suites"]) == 0
    assert capsys.readouterr().out.split()[0] == "smoke"
    assert code_of(["bench", "tasks", "fixtures/*"]) == 0
    assert "fixtures/hartmann6" in capsys.readouterr().out.splitlines()
    assert code_of(["bench", "tasks"]) == 0
    families = capsys.readouterr().out
    assert "bbob-mixint" in families
    assert "TRIMTAB_BENCH_DATA" in families  # what has no data says where it was looked for
    assert code_of(["bench", "optimizers", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["gp"]["package"] == "trimtab"
    assert rows["hebo"]["version"] == ""
    assert code_of(["bench", "optimizers"]) == 0
    assert "not here: trimtab bench env hebo" in capsys.readouterr().out
    assert code_of(["bench", "env"]) == 0
    assert "not made" in capsys.readouterr().out


def test_data_that_is_missing_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["bench", "run", "dev", "--tasks", "yahpo/lcbench-3945", "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "left out   yahpo/lcbench-3945" in said
    assert "--data" in said


def test_speed_is_measured_in_one_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "bench",
        "speed",
        "random",
        "tpe",
        "--task",
        "fixtures/hartmann6",
        "--at",
        "5,12",
        "--rounds",
        "2",
        "--json",
    ]
    assert code_of(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: {n: len(rounds) for n, rounds in by.items()} for name, by in told["seconds"].items()} == {
        "random": {"5": 2, "12": 2}, "tpe": {"5": 2, "12": 2},
    }  # fmt: skip


def test_names_with_settings_are_parted_outside_of_brackets() -> None:
    assert _listed("gp, asha+tpe(startup=5,multivariate=false),tpe") == (
        "gp", "asha+tpe(startup=5,multivariate=false)", "tpe",
    )  # fmt: skip
    assert _listed(None) == ()
    assert [_span(s) for s in (40, 600, 7200)] == ["40 s", "10 min", "2.0 h"]
