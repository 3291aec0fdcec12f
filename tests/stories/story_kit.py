"""A notebook kernel that stays open between cells, as on a user's desk; and the shell on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

import trimtab

ROOT = Path(trimtab.__file__).parent.parent


class Notebook:
    """Runs cells one after the other and gives what each has printed."""

    def __init__(self, client: object, notebook: object) -> None:
        self._client, self._notebook = client, notebook

    def __call__(self, code: str) -> str:
        import nbformat

        cell = nbformat.v4.new_code_cell(code)
        self._notebook.cells.append(cell)  # type: ignore[attr-defined]
        self._client.execute_cell(cell, len(self._notebook.cells) - 1)  # type: ignore[attr-defined]
        return "".join(o.get("text", "") for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


@contextmanager
def notebook(folder: Path) -> Iterator[Notebook]:
    """A fresh kernel in a folder; leaving it kills the kernel, as a crash or a restart would."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    made = nbformat.v4.new_notebook()
    client = nbclient.NotebookClient(
        made, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    with client.setup_kernel(env=shell_environment(folder)):
        yield Notebook(client, made)


def shell_environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The user's environment: `trimtab` and `python` are on the path."""
    bin_ = folder / ".bin"
    bin_.mkdir(exist_ok=True)
    for name, words in (("python", ""), ("trimtab", "-m trimtab ")):
        script = bin_ / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        script.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TRIMTAB_", "SLURM_"))}
    path = f"{bin_}{os.pathsep}{env['PATH']}"
    return env | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "110", **(more or {})}


def sh(command: str, folder: Path, *, code: int = 0, env: Mapping[str, str] | None = None) -> str:
    """What a line in the user's shell prints (both streams); it has to end with `code`."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=shell_environment(folder, env), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, f"$ {command}\nended with {done.returncode}:\n{done.stdout}"
    return done.stdout
