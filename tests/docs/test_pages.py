"""Every block of the documentation runs: pages as scripts without a guard and as shell sessions; tutorials as
notebooks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from doc_pages import DOCS, blocks, pages, run_page

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="an installed package has no docs")
NEEDS = {"sklearn.md": "sklearn", "optuna.md": "optuna", "notebooks.md": "pandas", "data-scientist.md": "sklearn"}
SERVER = {"postgresql.md"}


def named(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize("page", pages(), ids=named)
def test_page(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    more = {"TRIMTAB_STORAGE": request.getfixturevalue("pg_url")} if page.name in SERVER else {}
    run_page(page, tmp_path, more)


@pytest.mark.filterwarnings("ignore")  # jupyter's own
@pytest.mark.parametrize("name", ["tutorials/first-study.md", "tutorials/training-loop.md"])
def test_tutorial_as_a_notebook(name: str, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    code = [b.body for b in blocks(DOCS / name) if b.kind == "python" and not b.spared]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(body) for body in code])
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    assert len(notebook.cells) == len(code) >= 3


def test_spared_blocks_say_why() -> None:
    spared = [(named(page), b) for page in pages() for b in blocks(page) if b.spared]
    for where, block in spared:
        assert len(block.spared) > 10, f"{where}:{block.line}"
    assert len(spared) < 30
