"""The reference says what the code says: tables are made from the registries, and nothing public is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.cli import trimtab as group
from trimtab.schedule import _registry as schedulers
from trimtab.search import _registry as searchers

DOCS = Path(tt.__file__).parent.parent / "docs"
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="an installed package has no docs")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """What each part of the reference that is made from the code says."""
    pytest.importorskip("sphinx")
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        from from_the_code import MAKERS
    finally:
        sys.path.pop(0)
    return {name: make() for name, make in MAKERS.items()}


def rows(table: str) -> dict[str, list[str]]:
    cells = [
        [c.strip() for c in line.strip("| ").split(" | ")] for line in table.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_capability_table_is_what_searchers_declare(made: dict[str, str]) -> None:
    table = rows(made["searchers"])
    head = next(line for line in made["searchers"].splitlines() if line.startswith("| searcher"))
    traits = [c.strip() for c in head.strip("| ").split(" | ")][1:-1]
    assert set(table) >= set(searchers.SEARCHERS)
    for row in searchers.describe():
        assert {t for t, cell in zip(traits, table[row.name], strict=False) if cell == "✓"} == set(row.takes)
        assert f"### {row.name}\n" in made["settings_of_searchers"]


def test_every_scheduler_is_in_its_table(made: dict[str, str]) -> None:
    assert set(rows(made["schedulers"])) >= set(schedulers.SCHEDULERS)
    for row in schedulers.describe():
        for setting in row.settings:
            assert f"| `{setting}` |" in made["settings_of_schedulers"]


def test_every_command_and_option_is_shown(made: dict[str, str]) -> None:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        assert f"## trimtab {name}\n" in made["commands"]
        for option in (o for p in command.params for o in p.opts if o.startswith("--")):
            assert option in made["commands"], f"{name} {option}"


def test_every_key_of_a_study_file_has_words(made: dict[str, str]) -> None:
    for line in made["study_keys"].splitlines():
        if line.startswith("| `"):
            key, words, kind = (c.strip() for c in re.split(r"(?<!\\) \| ", line.strip("| ")))
            assert words, key
            assert kind, key


def test_every_public_name_is_documented(made: dict[str, str]) -> None:
    pages = "".join((DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8") for name in ("python", "space"))
    methods = {row.home.partition(":")[2] for module in (searchers, schedulers) for row in module.describe()}
    for name in tt.__all__:
        known = name in methods or f"`{name}`" in made["errors"] or name.startswith("__")
        assert known or re.search(rf":: trimtab(\.\w+)*\.{name}\b", pages), name


@pytest.mark.slow
def test_pages_build_without_a_warning_and_load_nothing_from_the_network(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "trees"), str(DOCS)]
    done = subprocess.run([*words, str(tmp_path / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "html").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(script|img|iframe)[^>]*src=\"(https?:)?//", text), page
        assert not re.search(r"<link[^>]*rel=\"stylesheet\"[^>]*href=\"(https?:)?//", text), page
