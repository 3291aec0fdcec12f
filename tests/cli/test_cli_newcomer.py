"""What a newcomer mistypes: one kind sentence each, and no line to type that would not work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from trimtab.cli import code_of
from trimtab.schedule._registry import REGISTRY as schedulers
from trimtab.search._registry import REGISTRY as searchers

HEAD = 'name = "d"\nminimize = "loss"\n'
SPACE = """[space]
x = "0.0..1.0"
m = { type = "choice", default = "a", branches = { a = {}, b = { y = "1..9 default=3" } } }
"""
RUN = '[run]\nfunction = "o.py:objective"\ntrials = 3\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "o.py").write_text("def objective(trial):\n    return trial['x']\n", encoding="utf-8")
    (tmp_path / "d.toml").write_text(HEAD + SPACE + RUN, encoding="utf-8")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = code_of(list(words))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("head", "tail", "words"),
    [
        ("", 'trials = "many"', "[run] trials = 'many': a whole number"),
        ("", "trials = -3", "at least 1"),
        ("", "trials = 3\nworkers = 1.5", "[run] workers = 1.5"),
        ("", 'trials = 3\ntrial_timeout = "2 fortnights"', "'2 fortnights' is no duration"),
        ("seed = 'x'\n", "trials = 3", "seed='x': a whole number"),
        ('searcher = { method = "tpe", strtup = 9 }\n', "trials = 3", "Did you mean 'startup'?"),
        ('searcher = { method = "tpe", startup = "x" }\n', "trials = 3", "startup='x' is text. Write a number"),
        ("searcher = { startup = 9 }\n", "trials = 3", "A searcher table needs its name"),
        ("", "trials = 3\n[stop]\ntarget = 'x'", "[stop] target = 'x': a number"),
    ],
)
def test_a_wrong_word_in_the_file_is_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], head: str, tail: str, words: str
) -> None:
    (here / "d.toml").write_text(
        HEAD + head + SPACE + f'[run]\nfunction = "o.py:objective"\n{tail}\n', encoding="utf-8"
    )
    code, _, err = said(capsys, "run", "d.toml", "--dry-run", "1")
    assert code == 2
    assert err.startswith("trimtab: d.toml: ")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("text", ["0.0-1.0", "0.0..one", "zero..1.5", "0.1 to 0.5"])
def test_text_that_is_almost_a_range_is_no_constant(here: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    code, _, err = said(capsys, "run", "d.toml", "--set", f"space.x={text!r}", "--dry-run", "1")
    assert code == 2
    assert "looks like a range but is none" in err


def test_a_value_that_would_not_be_used_is_not_tried_silently(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "try", "d.toml", "x=0.5", "m.b.y=4")
    assert code == 2
    assert "m.b.y is not active in this configuration" in err
    assert "m == 'b'" in err
    assert said(capsys, "try", "d.toml", "x=0.5", "m=b", "m.b.y=4")[:2] == (0, "returned 0.5\n")


def test_trials_and_more_are_one_or_the_other(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "run", "d.toml", "--trials", "3", "--more", "2")
    assert code == 2
    assert "give one of the two" in err


def test_what_cannot_be_written_is_said_plainly(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "run", "d.toml", "--plain")[0] == 0
    code, _, err = said(capsys, "export", "d.toml", "-o", "nowhere/t.csv")
    assert (code, err) == (2, "trimtab: nowhere/t.csv can't be written: No such file or directory.\n")


def test_a_program_on_the_line_is_told_only_commands_that_work(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = ("python3", "-c", "pass", "{größe}")
    code, out, _ = said(capsys, "run", "-p", "größe=0.0..1.0", "--trials", "2", "--plain", "--", *program)
    assert code == 0
    assert "the command that began it, with --more 10" in out
    database = next(p.name for p in here.glob("*.db"))
    assert "trimtab try" not in said(capsys, "show", database, "1")[1]
    assert "stopped because: trials = 2" in out


def test_a_script_gives_its_name_to_the_study(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "init", "--", "python3", "-u", "solver.py", "--alpha", "0.5")[1]
    assert 'name     = "solver"' in out
    assert 'storage  = "solver.db"' in out


def test_a_shell_takes_every_name_that_ask_gives(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "d.toml").write_text(HEAD + '[space]\n"größe/1" = [0.25]\n"2x" = [7]\n' + RUN, encoding="utf-8")
    out = said(capsys, "ask", "d.toml", "--format", "env")[1]
    script = 'eval "$1"; echo "$TRIAL $gr__e_1 $_2x"'
    shell = subprocess.run(["bash", "-c", script, "_", out], capture_output=True, text=True, check=True)
    assert shell.stdout == "0 0.25 7\n"
    code, _, err = said(capsys, "tell", "d.toml", "0")
    assert (code, err) == (2, "trimtab: What came of trial 0? trimtab tell d.toml 0 loss=0.31\n")
    assert said(capsys, "tell", "d.toml", "0", "loss=1")[0] == 0


def test_a_study_that_may_not_be_written_can_be_read(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(capsys, "run", "d.toml", "--plain")[0] == 0
    may = os.access  # root may write anything, so the right is taken away here and not on the disk
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and may(path, mode))
    assert "3 finished" in said(capsys, "show", "d.toml")[1]
    assert said(capsys, "export", "d.db")[1].count("finished") == 3
    code, _, err = said(capsys, "note", "d.toml", "0", "words")
    assert code == 4
    assert "opened for reading only" in err
    code, _, err = said(capsys, "run", "d.toml", "--more", "1")
    assert code == 4
    assert "Reading (trimtab show" in err


def test_methods_tells_what_each_setting_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "methods", "tpe")[1]
    assert "startup        10        trials before the first model: random draws, with" in told
    for registry in (searchers, schedulers):
        for row in registry.describe():
            assert set(row.settings) == set(row.meanings), f"the docstring of {row.home} explains each setting"
            assert max(map(len, said(capsys, "methods", row.name)[1].splitlines()[1:])) <= 120


def test_try_ends_with_what_would_count(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "o.py").write_text(
        "def objective(trial):\n    for k in range(4):\n        trial.report(loss=trial['x'] + k, fold=k)\n",
        encoding="utf-8",
    )
    code, out, _ = said(capsys, "try", "d.toml", "x=0.5")
    assert (code, out.splitlines()[-1]) == (0, "ended with loss 2 ± 0.65")


def test_a_slip_in_a_correction_is_refused_and_notes_are_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "run", "d.toml", "--plain")[0] == 0
    code, _, err = said(capsys, "correct", "d.toml", "1", "los=2", "--reason", "units")
    assert (code, "Did you mean 'loss'?" in err) == (2, True)
    told = said(capsys, "correct", "d.toml", "1", "loss=2", "memory=9", "--reason", "units")
    assert told[:2] == (0, "trial 1: loss 2   memory 9\n")
    code, _, err = said(capsys, "note", "d.toml", "1")
    assert (code, "Trial 1, and which words?" in err) == (2, True)
    assert said(capsys, "note", "d.toml", "1", "odd one")[0] == said(capsys, "note", "d.toml", "for the paper")[0] == 0
    assert "noted       odd one" in said(capsys, "show", "d.toml", "1")[1]
    assert "note       for the paper" in said(capsys, "show", "d.toml")[1]


def test_the_example_of_set_can_be_typed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "run", "d.toml", "--set", "foo")
    assert (code, "as --set run.workers=4." in err) == (2, True)
