"""Names and values that would like to do more than be shown, files that are something else, secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.cli import code_of

NASTY = "a\x1b[2J\x1b]0;owned\x07\u202eb"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = code_of(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_no_command_sends_escape_codes_of_a_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tt.Study(
        NASTY, {NASTY: tt.Choice([NASTY, "=1+1"]), "../../x": tt.Float(0, 1)}, minimize=f"loss{NASTY}", storage="n.db"
    )
    for _ in range(2):
        trial = study.ask()
        trial.report({f"loss{NASTY}": 0.5}, step=1) if hasattr(trial, "report") else None
        study.tell(trial, {f"loss{NASTY}": 0.25})
    study.tell(study.ask(), failed=NASTY)
    study.note(0, NASTY)
    study.close()
    lines = ["show n.db", "show n.db 0", "show n.db 2", "show n.db --failures", "show n.db --json", "show n.db --toml"]
    lines += ["list n.db", "verify n.db", "show n.db 99", "correct n.db 0 --reason r x=1", "retry n.db", "ask n.db"]
    for line in lines:
        _, out, err = told(capsys, *line.split())
        for text in (out, err):
            assert "\x1b" not in text, line
            assert "\x07" not in text, line
            assert "\u202e" not in text, line
    assert not (here.parent / "x").exists()


def test_a_table_for_a_spreadsheet_runs_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tt.Study("f", {"=cmd|x": tt.Choice(["=1+1", "+1", "-1", "@a"])}, storage="f.db")
    for label in ("=1+1", "+1", "-1", "@a"):
        study.tell(study.ask(fixed={"=cmd|x": label}), -0.5)
    study.close()
    out = told(capsys, "export", "f.db")[1]
    assert "'=1+1" in out
    assert "'@a" in out
    assert ",-0.5," in out  # a number is a number
    for line in out.splitlines():
        assert not any(cell.startswith(("=", "@")) for cell in line.split(","))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["PATH"], 'The parameter "PATH" would set $PATH, which your shell needs. Use --format json.'),
        (["TRIAL"], "would set $TRIAL"),
        (["LD_PRELOAD"], "would set $LD_PRELOAD"),
        (["a.b", "a_b"], '"a.b" and "a_b" would both be $a_b. Use --format json.'),
    ],
)
def test_env_sets_no_variable_that_a_shell_lives_by(
    here: Path, capsys: pytest.CaptureFixture[str], names: list[str], words: str
) -> None:
    tt.Study("d", {name: tt.Float(0, 1) for name in names}, storage="d.db").close()
    code, out, err = told(capsys, "ask", "d.db", "--format", "env")
    assert (code, out) == (2, "")
    assert words in err
    assert len(tt.load("d.db")) == 0  # no trial was taken for it
    assert told(capsys, "ask", "d.db")[0] == 0


def test_values_reach_an_eval_as_they_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = ["$(touch owned)", "`touch owned`", "'; touch owned; '", "a\nb", "*", "\\", '"', "--help"]
    study = tt.Study("d", {"v": tt.Choice(evil)}, storage="d.db")
    for value in evil:
        study.enqueue({"v": value})
    study.close()
    for value in evil:
        out = told(capsys, "ask", "d.db", "--format", "env")[1]
        shell = subprocess.run(
            ["bash", "-c", 'eval "$1"; printf "%s" "$v"', "_", out], capture_output=True, text=True, check=True
        )
        assert shell.stdout == value
    assert not (here / "owned").exists()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.yaml", "name: x\n", "s.yaml is YAML. A study file is TOML"),
        ("s.json", "{}", "s.json is JSON. A study file is TOML"),
        ("s.toml", '{"name": "x"}', "It is JSON. A study file is TOML"),
        ("s.toml", "name: x\nspace:\n  lr: 3\n", "It looks like YAML. A study file is TOML"),
        ("s.py", "", "trimtab run -p lr=1e-5..0.1:log -- python s.py"),
        ("s.ipynb", "{}", "s.ipynb is a notebook"),
        ("s.toml", "\xff\xfe", "s.toml is not TOML"),
    ],
)
def test_another_file_in_the_place_of_a_study_file(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, words: str
) -> None:
    (here / name).write_bytes(text.encode("latin-1"))
    code, _, err = told(capsys, "run", name)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_a_password_is_neither_stored_nor_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "d.toml").write_text('storage = "postgresql://me:s3cret@127.0.0.1:9/x"\n[space]\nx = "1..2"\n')
    for words in (["show", "d.toml"], ["run", "d.toml", "--trials", "1"], ["ask", "d.toml"], ["list", "d.toml"]):
        code, out, err = told(capsys, *words)
        assert "s3cret" not in out + err
    code, out, err = told(capsys, "show", "postgresql://me:s3cret@127.0.0.1:9/x")
    assert code == 4
    assert "s3cret" not in out + err


def test_a_variable_that_is_not_set_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "d.toml").write_text('storage = "${NOWHERE_SET}/d.db"\n[space]\nx = "1..2"\n[run]\ncommand = ["true"]\n')
    code, _, err = told(capsys, "run", "d.toml", "--trials", "1")
    assert code == 2
    assert "d.toml: storage uses ${NOWHERE_SET}, which is not set. Type: export NOWHERE_SET=…" in err


def test_a_terminal_that_knows_only_ascii_is_not_a_crash(here: Path) -> None:
    tt.Study("größe ✓", {"x": tt.Float(0, 1)}, storage="g.db").close()
    root = str(Path(tt.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "trimtab", "show", "g.db"], capture_output=True, check=False,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": root, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_json_is_ascii_whatever_the_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tt.Study("größe", {"é": tt.Float(0, 1)}, storage="g.db").close()
    out = told(capsys, "show", "g.db", "--json")[1]
    assert out.isascii()
    assert json.loads(out)["name"] == "größe"
