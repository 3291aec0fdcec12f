"""What a shell offers after Tab, and the lines that switch it on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

import trimtab as tt
from trimtab.cli import code_of, trimtab


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    (tmp_path / "d.toml").write_text(
        'name = "d"\nstorage = "d.db"\n[space]\nlr = "1e-5..0.1 log"\nmode = ["fast", "safe"]\n[run]\ntrials = 3\n'
    )
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    study = tt.Study("d", {"lr": tt.Float(0, 1)}, storage="d.db")
    study.tell(study.ask(), 0.25)
    study.tell(study.ask(), failed="diverged")
    study.close()
    return tmp_path


def offered(line: str) -> list[str]:
    """What follows; the last word is the one that is being typed."""
    shell = get_completion_class("bash")
    assert shell is not None
    *words, last = line.split(" ")
    return [item.value for item in shell(trimtab, {}, "trimtab", "_X").get_completions(words, last)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sh", ["show"]),
        ("run --dry", ["--dry-run"]),
        ("run ", ["d.db", "d.toml"]),  # and no pyproject.toml
        ("show d.toml ", ["0", "1"]),
        ("show d.t", ["d.toml"]),
        ("retry d.toml ", ["1"]),  # only what failed
        ("show ./d.", ["./d.db", "./d.toml"]),
        ("try d.toml ", ["lr=", "mode="]),
        ("try d.toml mode=", ["mode=fast", "mode=safe"]),
        ("try d.toml --trial ", ["0", "1"]),
        ("tell d.db 0 ", ["loss="]),
        ("run d.toml --set run.wo", ["run.workers="]),
        ("run d.toml --set space.", ["space.lr=", "space.mode="]),
        ("run d.toml --searcher tp", ["tpe"]),
        ("run --minimize c", ["cpu"]),
        ("methods hal", ["halton", "halving"]),
        ("show d.db -s ", ["d"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("show nothing.toml ", []),  # what can't be read offers nothing, and says nothing
    ],
)
def test_what_is_offered(here: Path, line: str, words: list[str]) -> None:
    assert offered(line) == words


def test_a_large_study_is_not_read_for_its_numbers(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.cli._complete.SMALL", 100)
    assert offered("show d.toml ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_lines(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "_TRIMTAB_COMPLETE" in out
    assert "trimtab" in out


def test_bash_really_completes(here: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    (here / "trimtab").write_text(f'#!/bin/sh\nexec {sys.executable} -m trimtab "$@"\n')
    (here / "trimtab").chmod(0o755)
    script = (
        'eval "$(trimtab completion bash)"; COMP_WORDS=(trimtab show d.toml ""); COMP_CWORD=3; '
        '_trimtab_completion trimtab; echo "${COMPREPLY[@]}"'
    )
    root = str(Path(tt.__file__).parent.parent)
    env = os.environ | {"PATH": f"{here}:{os.environ['PATH']}", "PYTHONPATH": root}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, check=False)
    assert done.stdout.split() == ["0", "1"], done.stderr
