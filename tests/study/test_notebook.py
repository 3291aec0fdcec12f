"""In a notebook: an objective of a cell runs in worker processes, and the display is one output that changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from trimtab.study._frame import Line
from trimtab.study._notebook import Block, in_notebook, page_html

FIRST = """
import trimtab as tt

FACTOR = 2.0

def objective(trial):
    for step in trial.steps(3):
        trial.report(loss=FACTOR * trial["x"] ** 2 + 1 / step)

study = tt.Study("cell", {"x": tt.Float(-1, 1, default=0.5)}, minimize="loss", seed=0)
study.optimize(objective, trials=6, workers=2, display=True)
print(len(study), study.trial(0).value)
"""
HOSTILE = """
name = "</div><script>alert(1)</script><img src=x onerror=alert(2)>\\x1b[31m\\u202e"
other = tt.Study(name, {name: [name, "b"]}, minimize="<b>loss</b>", seed=0, searcher="random")

def failing(trial):
    if trial.number:
        raise type("<i>Oh</i>", (Exception,), {})("no")
    return 1.0

other.optimize(failing, trials=2)
"""
MANY = """
import time
many = tt.Study("many", {"x": "0.0..1.0"}, minimize="loss", seed=0, searcher="random")

def better(trial):
    time.sleep(0.002)
    return -trial.number

many.optimize(better, trials=1_000);
"""
AGAIN = "many.optimize(better, trials=1_000);"
SHOWN = "study"


def run(folder: Path, *cells: str) -> list[Any]:
    """The executed cells of a notebook, in a real kernel."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    return list(notebook.cells)


def shown(cell: Any) -> list[str]:
    return [o.data["text/html"] for o in cell.outputs if o.output_type == "display_data"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # jupyter's own
def test_cells_run_with_workers_and_show_one_output_each(tmp_path: Path) -> None:
    first, hostile, many, again, page = run(tmp_path, FIRST, HOSTILE, MANY, AGAIN, SHOWN)

    assert "6 0.8333" in "".join(o.get("text", "") for o in first.outputs)
    (block,) = shown(first)
    assert all(words in block for words in (">cell<", "auto · in memory", "6/6", "done", "width:100.0%"))
    texts = [o.data["text/plain"] for o in first.outputs if o.output_type == "display_data"]
    assert len(texts) == 1
    assert texts[0].startswith("cell   auto · in memory")  # for those who show no HTML

    (block,) = shown(hostile)
    assert not re.search(r"<(?!/?(div|span)\b)", block), "a tag that isn't ours"
    assert "\x1b" not in block
    assert "\u202e" not in block
    assert "1 failed: &lt;i&gt;Oh&lt;/i&gt;" in block

    (block,) = shown(many)
    assert "1000/1000" in block
    assert sum(len(str(o)) for o in many.outputs) < 10_000  # one state is kept, not a thousand

    assert shown(again) == []
    said = "".join(o.get("text", "") for o in again.outputs if o.get("name") == "stdout")  # stderr is red there
    assert "many: done, 1000 of 1000 trials" in said

    html = page.outputs[0].data["text/html"]
    assert html.startswith("<pre")
    assert "cell: 6 trials" in html
    assert "study.save(&quot;cell.db&quot;)" in html


def test_a_block_as_html_and_as_text() -> None:
    block = Block([Line("a<b", "x & y", "1 s"), Line("", "3/6   2 running"), Line("best", "none yet")], 0.5)
    assert repr(block) == "a<b   x & y   1 s\n3/6   2 running\nbest   none yet"
    html = block._repr_html_()
    assert "a&lt;b" in html
    assert "x &amp; y" in html
    assert html.count("width:50.0%") == 1
    assert html.index("a&lt;b") < html.index("width:50.0%") < html.index("3/6")
    assert "width:100.0%" in Block([Line("a", "b")], 7.0)._repr_html_()
    assert "background" not in Block([Line("a", "b")])._repr_html_()


def test_a_page_is_escaped() -> None:
    assert "&lt;script&gt;" in page_html("<script>")


def test_here_is_no_notebook() -> None:
    assert not in_notebook()
