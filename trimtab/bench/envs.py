"""The environments that other optimizers live in: what is in them, where they are, and how one is made.

Idea    Packages whose pins clash can't share an interpreter, so each group of peers has a folder with a virtual
        environment. `trimtab bench env hebo` makes it; what stands behind `--` goes to pip as it is:
        `trimtab bench env hebo -- --find-links DIR`. torch is installed first, and a CPU build of it is enough:
        --find-links or --extra-index-url point pip to one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from trimtab.errors import TrimtabError, UnknownName

PLACE = "TRIMTAB_BENCH_ENVS"
FILES = Path(__file__).with_name("envs")
LAST_LINES = 15  # of pip's output in an error


class EnvironmentFailed(TrimtabError):
    """An environment for other optimizers could not be made."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What an environment holds.

    summary   a line for `trimtab bench env`
    steps     one call of pip each, in order: its arguments; a name that ends in .txt is a file of requirements here
    packages  distribution -> module of the optimizers in it
    newest    the newest Python its pins have wheels for, "" for any
    """

    summary: str
    steps: tuple[tuple[str, ...], ...]
    packages: Mapping[str, str]
    newest: str = ""


ENVS: Mapping[str, Environment] = {
    "peers": Environment(
        "Optuna, SMAC3, Nevergrad, Hyperopt, Syne Tune, DEHB, Ax, Rustuna",
        (("torch",), ("peers.txt",)),
        {
            "optuna": "optuna",
            "smac": "smac",
            "nevergrad": "nevergrad",
            "hyperopt": "hyperopt",
            "syne-tune": "syne_tune",
            "DEHB": "dehb",
            "ax-platform": "ax",
            "rustuna": "rustuna",
        },
    ),
    "hebo": Environment(
        "HEBO, whose pins are of 2022",
        (("torch",), ("hebo.txt",), ("--no-deps", "hebo-late.txt")),
        {"HEBO": "hebo"},
        newest="3.11",
    ),
    "vizier": Environment("Vizier with jax", (("vizier.txt",),), {"google-vizier": "vizier"}),
}


def environment(name: str) -> Environment:
    """The environment called `name`."""
    if name not in ENVS:
        raise UnknownName(name, among=ENVS, kind="environment")
    return ENVS[name]


def folder(name: str) -> Path:
    """Where it is, or will be: $TRIMTAB_BENCH_ENVS/name, else in the user's cache folder."""
    environment(name)
    if place := os.environ.get(PLACE):
        return Path(place).expanduser() / name
    return _cache() / "trimtab" / "bench" / name


def _cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _interpreter(place: Path) -> Path:
    return place / "Scripts" / "python.exe" if sys.platform == "win32" else place / "bin" / "python"


def line(name: str) -> str:
    """What to type to make it."""
    return f"trimtab bench env {name}"


def python(name: str, module: str = "") -> Path | None:
    """The interpreter of a made environment. In "peers", whose packages may stand beside trimtab, this interpreter does
    too when it can import `module`. "" is this environment itself.
    """
    if not name:
        return Path(sys.executable)
    made = _interpreter(folder(name))
    if made.exists():
        return made
    return Path(sys.executable) if name == "peers" and module and find_spec(module) is not None else None


def installed(package: str) -> str:
    """The version of a distribution in its environment; "" when it, or its environment, is not there."""
    for name, made in ENVS.items():
        if package in made.packages:
            found = python(name, made.packages[package])
            return _version(found, package) if found else ""
    raise UnknownName(package, among=[p for e in ENVS.values() for p in e.packages], kind="package of an optimizer")


@lru_cache(maxsize=64)
def _version(interpreter: Path, package: str) -> str:
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    told = subprocess.run([str(interpreter), "-I", "-c", ask], capture_output=True, text=True, check=False)
    return told.stdout.strip() if told.returncode == 0 else ""


# ── making one ────────────────────────────────────────────────────────────────


def make(
    name: str, say: Callable[[str], None], options: Sequence[str] = (), *, interpreter: str | Path | None = None
) -> Path:
    """Makes the environment, or goes on making it, and gives its interpreter. `say` is told a line a step; `options` go
    to every call of pip; `interpreter` is the Python to make it of.
    """
    wanted, place = environment(name), folder(name)
    base = Path(interpreter) if interpreter else _base(name, wanted)
    made = _interpreter(place)
    if not made.exists():
        say(f"{name}: a virtual environment in {place}")
        place.parent.mkdir(parents=True, exist_ok=True)
        _run(name, [str(base), "-m", "venv", str(place)], place)
    for i, step in enumerate(wanted.steps, 1):
        what = ", ".join(_spoken(step))
        say(f"{name}: step {i} of {len(wanted.steps)}, pip installs {what}")
        files = [x for arg in step for x in (["-r", str(FILES / arg)] if arg.endswith(".txt") else [arg])]
        _run(name, [str(made), "-m", "pip", "install", "--disable-pip-version-check", *files, *options], place)
    _version.cache_clear()
    say(f"{name}: ready ({made})")
    return made


def _base(name: str, wanted: Environment) -> Path:
    """This Python, or the newest one on PATH that the pins allow."""
    if not wanted.newest or sys.version_info[:2] <= _numbers(wanted.newest):
        return Path(sys.executable)
    major, newest = _numbers(wanted.newest)
    for minor in range(newest, 8, -1):
        if found := shutil.which(f"python{major}.{minor}"):
            return Path(found)
    raise EnvironmentFailed(
        f"{name} needs Python {wanted.newest} or older, and this is {sys.version_info[0]}.{sys.version_info[1]}. "
        f"Install one, then: {line(name)} --python python{wanted.newest}"
    )


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)


def _spoken(step: Sequence[str]) -> list[str]:
    """What a step installs, in words."""
    found: list[str] = []
    for arg in step:
        if arg.endswith(".txt"):
            found += [text.strip() for text in (FILES / arg).read_text(encoding="utf-8").splitlines() if text.strip()]
        elif not arg.startswith("-"):
            found.append(arg)
    return [text for text in found if not text.startswith("#")]


def _run(name: str, command: list[str], place: Path) -> None:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise EnvironmentFailed(f"{name}: can't run {command[0]}: {error}") from None
    if done.returncode:
        last = "\n".join(f"  | {text}" for text in done.stdout.strip().splitlines()[-LAST_LINES:])
        raise EnvironmentFailed(
            f"{name}: {' '.join(command)} ended with code {done.returncode}.\n{last}\n"
            f"What is there stays in {place}; {line(name)} goes on from it, and what follows -- goes to pip "
            f"(--find-links DIR)."
        )
