"""Interrupting a notebook's kernel: the cell ends in order, and the next one goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
SETUP = """
import os, time
from pathlib import Path
import trimtab as tt
def objective(trial):
    for step in trial.steps(10_000):
        Path("begun").touch()
        time.sleep(0.02)
        trial.report(loss=trial["x"] + 1 / step)
def deaf(trial):
    Path("begun").touch()
    time.sleep(100)
s = tt.Study("k", {"x": tt.Float(0, 1)}, minimize="loss", seed=0, storage="k.db")
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # jupyter's own
def test_an_interrupted_cell_pauses_and_a_second_interrupt_ends_it(tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    kernel, client = manager.start_new_kernel(
        kernel_name="python3", cwd=str(tmp_path), env=os.environ | {"PYTHONPATH": str(ROOT)}
    )

    def cell(code: str, interrupts: int = 0) -> str:
        (tmp_path / "begun").unlink(missing_ok=True)
        sent, told = client.execute(code), []
        for _ in range(interrupts):
            while not (tmp_path / "begun").exists():
                time.sleep(0.05)
            kernel.interrupt_kernel()
            time.sleep(0.5)
        while True:
            message: Any = client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != sent:
                continue
            content = message["content"]
            if message["msg_type"] in ("stream", "error"):
                told.append(content.get("ename") or content["text"] * (content["name"] == "stdout"))
            if content.get("execution_state") == "idle":
                return "".join(told)

    try:
        assert cell(SETUP) == ""
        for workers in (1, 2):
            run = f"s.optimize(objective, trials=50, workers={workers}, display=False); print(s.ended)"
            assert cell(run, interrupts=1) == "paused\n"
        assert cell("s.optimize(deaf, trials=60, display=False)", interrupts=2) == "KeyboardInterrupt"
        assert cell("print(s.counts['queued'], s.counts['counted'])") == "2 2\n"
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
