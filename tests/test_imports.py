"""Importing trimtab is cheap, every name it offers is there, and the rooms import in one direction only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab

HEAVY = {"scipy", "sqlalchemy", "plotly", "pandas", "click", "rich", "cloudpickle", "fsspec", "sklearn", "torch"}
ROOT = Path(trimtab.__file__).parent

# what a room may import, besides itself and the small files at the top; function-level imports count too
ALLOWED = {
    "space": set(),
    "history": {"space"},
    "parts": {"space", "history"},
    "search": {"space", "history", "parts"},
    "schedule": {"space", "history", "parts"},
    "storage": set(),
    "run": {"space", "storage"},
    "study": {"space", "history", "parts", "search", "schedule", "storage", "run"},
    "bench": {"space", "history", "parts", "search", "schedule", "storage", "run", "study"},
    "cli": {"space", "history", "search", "schedule", "storage", "run", "study", "bench", "integrations"},
    "integrations": {"space", "history", "search", "schedule", "storage", "run", "study"},
}


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after a statement."""
    code = f"{statement}; import sys; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT.parent)
    return set(done.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    assert not modules_after("import trimtab") & (HEAVY | {"numpy"})


def test_a_study_in_memory_loads_nothing_heavy() -> None:
    made = "import trimtab as tt; tt.Study('s', {'x': '0.0..1.0'}, minimize='loss').ask()"
    assert not modules_after(made) & HEAVY


def test_help_loads_nothing_heavy() -> None:
    said = "from trimtab.cli import code_of; code_of(['--help'])"
    code = f"import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()): {said}\n"
    assert not modules_after(f"exec({code!r})") & (HEAVY - {"click"} | {"numpy"})


@pytest.mark.parametrize("name", trimtab.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(trimtab, name) is not None
    assert name in dir(trimtab)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Stduy'"):
        _ = trimtab.Stduy


def rooms_imported_by(path: Path) -> set[str]:
    """Rooms of trimtab that a file imports, but for type checkers."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    only_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [f"{node.module}.x"] if isinstance(node, ast.ImportFrom) and node.module else []
        found |= {parts[1] for name in names if (parts := name.split("."))[0] == "trimtab" and len(parts) > 1}
    return found


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_in_one_direction(room: str) -> None:
    rooms = {p.name for p in ROOT.iterdir() if p.is_dir()}
    for path in sorted((ROOT / room).rglob("*.py")):
        assert rooms_imported_by(path) & rooms <= ALLOWED[room] | {room}, path


def test_version_is_that_of_the_package() -> None:
    import tomllib

    project = ROOT.parent / "pyproject.toml"
    assert trimtab.__version__ == tomllib.loads(project.read_text())["project"]["version"]
