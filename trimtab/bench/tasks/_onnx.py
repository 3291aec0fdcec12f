"""ONNX models on one thread, each read once in a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from trimtab._extras import need


@cache
def session(path: Path) -> Any:
    """The session of a model. One thread: benches run in parallel by cell, and sums come in one order."""
    runtime = need("onnxruntime", extra="bench", to=f"run {path}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: old models draw warnings about their optimiser's leftovers
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def widths(path: Path) -> tuple[dict[str, int], int]:
    """(columns of each input by name, columns of the first output)."""
    model = session(path)
    return {given.name: int(given.shape[-1]) for given in model.get_inputs()}, int(model.get_outputs()[0].shape[-1])


def run(path: Path, inputs: dict[str, Any]) -> Any:
    """The first output (n, m)."""
    return session(path).run(None, inputs)[0]
