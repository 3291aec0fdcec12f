"""Where the environments of other optimizers are, and how they are made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trimtab.bench import envs
from trimtab.errors import UnknownName


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(envs.PLACE, str(tmp_path))
    return tmp_path


def interpreter(place: Path, name: str) -> Path:
    """A stand-in for a made environment."""
    path = envs._interpreter(place / name)
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def test_folders_are_where_they_are_wanted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert envs.folder("hebo") == place / "hebo"
    monkeypatch.delenv(envs.PLACE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/cache")
    monkeypatch.setattr(sys, "platform", "linux")
    assert envs.folder("hebo") == Path("/tmp/cache/trimtab/bench/hebo")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert envs.folder("hebo").parts[-6:] == ("Library", "Caches", "trimtab", "bench", "hebo")[-6:] or (
        "Caches" in envs.folder("hebo").parts
    )
    with pytest.raises(UnknownName, match="Did you mean 'hebo'"):
        envs.folder("hbo")


def test_the_interpreter_of_what_is_made(place: Path) -> None:
    assert envs.python("hebo", "hebo") is None
    made = interpreter(place, "hebo")
    assert envs.python("hebo", "hebo") == made
    assert envs.python("") == Path(sys.executable)


def test_peers_may_stand_beside_trimtab(place: Path) -> None:
    assert envs.python("peers", "json") == Path(sys.executable)
    assert envs.python("peers", "no_such_module") is None
    assert envs.python("vizier", "json") is None  # its pins are its own
    made = interpreter(place, "peers")
    assert envs.python("peers", "json") == made


def test_files_of_requirements_are_there() -> None:
    for name, made in envs.ENVS.items():
        assert made.summary
        assert made.packages
        text = " ".join(" ".join(envs._spoken(step)) for step in made.steps)
        for package in made.packages:
            assert package in text, name


def recorded(monkeypatch: pytest.MonkeyPatch, place: Path, fails: str = "") -> list[list[str]]:
    """Commands that make() runs, none of them run; one that holds `fails` ends with code 1."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        code = 1 if fails and fails in " ".join(command) else 0
        return subprocess.CompletedProcess(command, code, "line 1\nERROR: no matching distribution\n")

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_make_runs_its_steps_in_order_with_the_users_options(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran, said = recorded(monkeypatch, place), list[str]()
    made = envs.make("hebo", said.append, ["--find-links", "wheels"], interpreter=sys.executable)
    assert made == envs._interpreter(place / "hebo")
    assert ran[0] == [sys.executable, "-m", "venv", str(place / "hebo")]
    assert [command[-2:] for command in ran[1:]] == [["--find-links", "wheels"]] * 3
    assert ran[1][-3] == "torch"  # before what would pull a build for accelerators
    assert "--no-deps" in ran[3]
    assert said[0].startswith("hebo: a virtual environment in")
    assert "step 2 of 3" in said[2]
    assert "HEBO==" in said[2]
    assert said[-1].startswith("hebo: ready")


def test_make_goes_on_from_what_is_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter(place, "vizier")
    ran = recorded(monkeypatch, place)
    envs.make("vizier", lambda text: None)
    assert len(ran) == 1
    assert "venv" not in ran[0]


def test_a_failure_shows_what_pip_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(monkeypatch, place, fails="hebo.txt")
    with pytest.raises(
        envs.EnvironmentFailed, match=r"(?s)ended with code 1.*no matching distribution.*goes on from it"
    ):
        envs.make("hebo", lambda text: None, interpreter=sys.executable)


def test_old_pins_look_for_an_old_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(envs.shutil, "which", lambda name: "/opt/python3.10" if name == "python3.10" else None)
    assert envs._base("hebo", envs.ENVS["hebo"]) == Path("/opt/python3.10")
    assert envs._base("peers", envs.ENVS["peers"]) == Path(sys.executable)
    monkeypatch.setattr(envs.shutil, "which", lambda name: None)
    with pytest.raises(envs.EnvironmentFailed, match=r"needs Python 3.11 or older, and this is 3.13"):
        envs._base("hebo", envs.ENVS["hebo"])


def test_installed_asks_the_environment(place: Path) -> None:
    with pytest.raises(UnknownName, match="package of an optimizer"):
        envs.installed("no-such-package")
    assert envs.installed("HEBO") == ""
    assert envs._version(Path(sys.executable), "pytest") == pytest.__version__
