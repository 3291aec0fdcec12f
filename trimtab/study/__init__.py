"""The user's handle on a study, and the driver's loop behind it."""

from trimtab.study._asked import Asked
from trimtab.study._open import delete, load, minimize, studies
from trimtab.study._register import register
from trimtab.study._stop import Failures, GpuHours, Patience, Target, Time
from trimtab.study._study import Study

__all__ = [
    "Asked", "Failures", "GpuHours", "Patience", "Study", "Target", "Time", "delete", "load", "minimize", "register",
    "studies",
]  # fmt: skip
