"""`[run] function`: files, packages, neighbours, what surrounds them, and what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.cli import code_of
from trimtab.cli._function import load_function
from trimtab.cli._toml import FileError

SPACE = '[space]\nx = "0.0..1.0 default=0.5"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [n for n, m in sys.modules.items() if str(tmp_path) in str(getattr(m, "__file__", ""))]:
        del sys.modules[name]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("INIT", "__init__.py").replace("_py", ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_in_a_package_may_import_relatively(
    here: Path, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    write(here / "src", pkgx__INIT="", pkgx__models__INIT="", pkgx__models__net_py="SCALE = 3\n")
    write(
        here / "src",
        pkgx__train_py="from .models.net import SCALE\ndef objective(trial):\n    return SCALE * trial['x']\n",
    )
    (here / "d.toml").write_text(
        SPACE + f'[run]\nfunction = "src/pkgx/train.py:objective"\ntrials = 2\nworkers = {workers}\n'
    )
    assert code_of(["run", "d.toml", "--json"]) == 0, capsys.readouterr().err
    assert tt.load("d.db").trial(0).value == 1.5


def test_a_file_in_a_folder_finds_its_neighbours_and_may_have_any_name(here: Path) -> None:
    write(here / "code", helper_of_it_py="FACTOR = 2\n",
          random_py="import helper_of_it\ndef f(trial):\n    return helper_of_it.FACTOR\n")  # fmt: skip
    assert load_function("code/random.py:f", here, "d.toml")(None) == 2


def test_a_module_beside_the_file_and_one_of_a_package(here: Path) -> None:
    write(here, pkgy__INIT="", pkgy__sub__INIT="def f(trial):\n    return 7\n", modz_py="def f(trial):\n    return 8\n")
    assert load_function("pkgy.sub:f", here, "d.toml")(None) == 7
    assert load_function("modz:f", here, "d.toml")(None) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing' (o.py:1)."),
        ("\n\nx = 1 / 0\n", "ZeroDivisionError: division by zero (o.py:3)."),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("from .model import Net\n", "Put an empty __init__.py beside o.py"),
        ("import sys\nsys.exit(3)\n", 'under: if __name__ == "__main__":'),
        ("g = 3\n", 'o.py has no function "f".'),
    ],
)
def test_what_is_wrong_with_the_file_is_one_sentence(here: Path, text: str, words: str) -> None:
    (here / "o.py").write_text(text)
    with pytest.raises(FileError) as caught:
        load_function("o.py:f", here, "d.toml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_env_and_cwd_surround_the_function_and_its_workers(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    (here / "data").mkdir()
    (here / "data" / "y.txt").write_text("0.25")
    (here / "o.py").write_text(
        "import os\nIMPORTED = os.environ['MODE']\ndef f(trial):\n    assert os.environ['TOKEN'] == 's3cret'\n"
        "    assert IMPORTED == 'offline'\n    return float(open('y.txt').read())\n"
    )
    (here / "d.toml").write_text(
        SPACE + '[run]\nfunction = "o.py:f"\ntrials = 2\nworkers = 2\ncwd = "data"\n'
        '[run.env]\nMODE = "offline"\nTOKEN = "${MY_TOKEN}"\n'
    )
    assert code_of(["run", "d.toml", "--json"]) == 0, capsys.readouterr().err
    study = tt.load("d.db")
    assert study.trial(0).value == 0.25
    assert "s3cret" not in "".join(str(e.body) for e in study.log())  # what the environment says is not stored
    assert Path.cwd() == here
    capsys.readouterr()
    monkeypatch.delenv("MY_TOKEN")
    assert code_of(["run", "d.toml", "--more", "1"]) == 2
    assert "[run.env] TOKEN uses ${MY_TOKEN}, which is not set. Type: export MY_TOKEN=…" in capsys.readouterr().err


def test_try_shows_the_users_traceback_and_no_other(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "o.py").write_text("def inner():\n    return {}['k']\ndef f(trial):\n    return inner()\n")
    (here / "d.toml").write_text(SPACE + '[run]\nfunction = "o.py:f"\ntrials = 2\n')
    assert code_of(["try", "d.toml", "x=0.5"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.rstrip().endswith("KeyError: 'k'")
    assert err.count("o.py") == 2
    assert "trimtab/" not in err
