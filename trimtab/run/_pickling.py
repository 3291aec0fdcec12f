"""Sending an objective to worker processes by value.

cloudpickle sends functions of __main__ (scripts, notebooks), lambdas and closures by value. A module that a worker
could not import (loaded from a path, or by a test runner) is sent by value too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from trimtab.errors import ObjectiveError
from trimtab.protocol import Objective


def as_bytes(objective: Objective, space: Any) -> bytes:
    """(objective, space) pickled by value; an error names what can't travel, before any trial."""
    import cloudpickle

    function = getattr(objective, "func", objective)  # of a functools.partial
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    by_value = module is not None and module.__name__ != "__main__" and not _importable(module)
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        sent: bytes = cloudpickle.dumps((objective, space))
    except Exception as error:
        raise ObjectiveError(
            f"the objective can't be sent to worker processes: {error}. {_culprit(objective, cloudpickle.dumps)}"
            "Make such things (locks, open files, connections) inside the objective, or run with workers=1."
        ) from error
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return sent


def in_memory(data: bytes) -> int:
    """A file descriptor on `data` that has no name in any file system; all workers read the same one."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("trimtab-objective", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def _importable(module: ModuleType) -> bool:
    """Whether a fresh process with our sys.path would find this very module."""
    if getattr(module, "__file__", None) is None:
        return True
    parent, _, _ = module.__name__.rpartition(".")
    if parent and (parent not in sys.modules or not _importable(sys.modules[parent])):
        return False
    where = list(sys.modules[parent].__path__) if parent else None
    try:
        spec = PathFinder.find_spec(module.__name__, where)
    except (ImportError, ValueError, AttributeError):
        return False
    return spec is not None and (
        spec.origin is None or os.path.realpath(spec.origin) == os.path.realpath(str(module.__file__))
    )


def _culprit(objective: Objective, dumps: Any) -> str:
    """'It uses "lock", which …', when one captured name can be made out."""
    code = getattr(objective, "__code__", None)
    if code is None:
        return ""
    cells = zip(code.co_freevars, getattr(objective, "__closure__", None) or (), strict=False)
    held = {name: cell.cell_contents for name, cell in cells}
    held |= {n: objective.__globals__[n] for n in code.co_names if n in getattr(objective, "__globals__", {})}
    for name, value in held.items():
        try:
            dumps(value)
        except Exception:
            return f'It uses "{name}" ({type(value).__name__}), which lives in this process only. '
    return ""
