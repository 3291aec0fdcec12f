"""In a notebook: an objective of a cell runs in worker processes, and the display is one output that changes."""

from __future__ import annotations

from pathlib import Path

import pytest

CELL = """
import trimtab as tt

FACTOR = 2.0

def objective(trial):
    for step in trial.steps(3):
        trial.report(loss=FACTOR * trial["x"] ** 2 + 1 / step)

study = tt.Study("cell", {"x": tt.Float(-1, 1, default=0.5)}, minimize="loss", seed=0)
study.optimize(objective, trials=6, workers=2, display=True)
print(len(study), study.trial(0).value)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # jupyter's own
def test_a_cell_runs_with_workers_and_shows_one_output(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = notebook.cells[0].outputs
    text = "".join(o.get("text", "") for o in outputs)
    assert "6 0.8333" in text
    shown = [o for o in outputs if o.output_type == "display_data"]
    assert len(shown) == 1
    assert "cell     auto · in memory" in shown[0].data["text/html"]
    assert "6/6" in shown[0].data["text/html"]
