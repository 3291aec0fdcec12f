"""TARGET: a study file, a database, a URL; named, in $TRIMTAB_STORAGE, or the only one here."""

from __future__ import annotations

from pathlib import Path

import pytest

import trimtab as tt
from trimtab.cli import code_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    for name in ("a", "b c"):
        study = tt.Study(name, {"x": tt.Float(0, 1)}, storage="many.db")
        study.tell(study.ask(), 0.5)
        study.close()
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = code_of(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_one_of_several_studies_is_named_with_s(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, "show", "many.db")
    assert code == 2
    assert "holds 2 studies (a, b c). Say which: -s a." in err
    assert told(capsys, "show", "many.db", "-s", "b c")[1].startswith("b c: 1 trial")
    assert told(capsys, "show", "-s", "a", "0")[1].startswith("trial 0 ")  # the only database here
    assert "Did you mean 'a'?" in told(capsys, "show", "many.db", "-s", "aa")[2]
    assert [line.split("  ")[0] for line in told(capsys, "list")[1].splitlines()] == ["a", "b c"]
    assert " s ago" in told(capsys, "list")[1]


def test_the_environment_names_it(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert "There is no study here." in told(capsys, "list")[2]
    monkeypatch.setenv("TRIMTAB_STORAGE", "../many.db")
    assert told(capsys, "list")[0] == 0
    assert told(capsys, "show", "0", "-s", "a")[1].startswith("trial 0 ")
    (here / "elsewhere" / "n.toml").write_text(
        'minimize = "time"\n[space]\nx = "0.0..1.0"\n[run]\ncommand = ["true"]\ntrials = 1\n'
    )
    assert told(capsys, "run", "--plain")[0] == 0  # the file says what to run, the environment where it is kept
    assert sorted(s["name"] for s in tt.studies(here / "many.db")) == ["a", "b c", "n"]


def test_nothing_is_made_by_looking(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "n.toml").write_text('storage = "n.db"\n[space]\nx = "0.0..1.0"\n[run]\ncommand = ["true"]\n')
    for words in (["show"], ["list"], ["export"], ["verify"], ["log", "n.toml", "0"], ["stop"], ["retry"]):
        code, _, err = told(capsys, *words[:1], "n.toml", *words[2:])
        assert (code, err) == (2, "trimtab: n.toml: nothing has been run yet. Type: trimtab run n.toml\n")
    assert not (here / "n.db").exists()
    for words in (["show", "no.db"], ["ask", "no.db"], ["enqueue", "no.db", "x=1"], ["tell", "no.db", "0", "loss=1"]):
        assert told(capsys, *words)[::2] == (2, "trimtab: There is no no.db.\n")


def test_a_program_on_the_line_needs_no_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["run", "-p", "n=1..3", "--minimize", "cost", "--trials", "2", "--plain"]
    program = ["sh", "-c", "echo {n}"]
    code, out, err = told(capsys, *line, "--name", "shell", "--", *program)
    assert code == 0, err
    assert out.lstrip().startswith("shell: 2 trials in ")
    assert "stored     shell.db" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "n=1..3", "-p", "n=1..4", "--", "true"], "-p n=1..4: n was given before."),
        (["-p", "n", "--", "true"], "-p n: write name=range"),
        (["-p", "n=1..3", "--", "true", "{nn}"], '"{nn}" is not a parameter. Did you mean "{n}"?'),
        (["-p", "n=1..3", "--save", "x.tml", "--", "true"], "a study file ends in .toml"),
        (["-p", "n=1..lots", "--save", "x.toml", "--", "true"], "looks like a range but is none"),
        (["-p", "n=1..3", "--metric", "gap", "--", "true"], '"gap": write name=value'),
        (["-p", "n=1..3", "--metric", "gap=regex:(", "--save", "x.toml", "--", "true"], "does not compile"),
        (["--", "true"], "A program alone has nothing to tune."),
    ],
)
def test_what_is_wrong_with_a_line_is_said_before_anything_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    before = sorted(here.iterdir())
    code, _, err = told(capsys, "run", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert sorted(here.iterdir()) == before


def test_a_file_for_a_study_that_is_something_else_is_taken_back(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["run", "-p", "n=1..3", "--trials", "1", "--plain", "--name", "s"]
    assert told(capsys, *line, "--", "true")[0] == 0
    line = ["run", "-p", "n=x,y", "--trials", "1", "--plain", "--name", "s", "--save", "new.toml"]
    code, _, err = told(capsys, *line, "--", "true")
    assert code == 2
    assert "n was an Int and is now a Choice" in err
    assert not (here / "new.toml").exists()


def test_save_writes_no_file_over_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["run", "-p", "n=1..3", "--trials", "1", "--plain", "--save", "s.toml", "--", "true"]
    assert told(capsys, *line)[0] == 0
    assert told(capsys, *line)[0] == 0  # the same again goes on
    code, _, err = told(capsys, *[w.replace("1..3", "1..9") for w in line])
    assert code == 2
    assert "--save s.toml: that file is there, and says something else." in err
