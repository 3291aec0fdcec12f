"""The user's handle on a study, and the driver's loop behind it. Names are loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.study._asked import Asked
    from trimtab.study._compare import compare
    from trimtab.study._open import delete, load, minimize, studies
    from trimtab.study._register import register
    from trimtab.study._stop import Failures, GpuHours, Patience, Target, Time
    from trimtab.study._study import Study

__all__ = [
    "Asked", "Failures", "GpuHours", "Patience", "Study", "Target", "Time", "compare", "delete", "load", "minimize",
    "register", "studies",
]  # fmt: skip

_HOME = {
    "Asked": "_asked", "Study": "_study", "compare": "_compare", "register": "_register",
    **dict.fromkeys(("Failures", "GpuHours", "Patience", "Target", "Time"), "_stop"),
    **dict.fromkeys(("delete", "load", "minimize", "studies"), "_open"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trimtab.study' has no attribute {name!r}")
    value = getattr(import_module(f"trimtab.study.{_HOME[name]}"), name)
    globals()[name] = value
    return value
