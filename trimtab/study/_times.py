"""Durations as people write them: 90, "90s", "15 min", "4h", "2d"; and until when a run may last."""

from __future__ import annotations

import os
import re
from math import inf

from trimtab.run import _units


def seconds(text: float | str) -> float:
    """Seconds of a duration."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        if not text >= 0:
            raise ValueError(f'{text} is no duration: give seconds, or text such as "4h".')
        return float(text)
    try:
        return float(_units.seconds(str(text)) or 0.0)
    except ValueError:
        told = f'{text!r} is no duration. Write seconds, or text such as "90s", "15 min", "4h", "1h30m", "2d".'
        raise ValueError(told) from None


GRACE = 90.0  # seconds before a job's end at which running trials are asked to end at their next step


def until(timeout: float | str | None, now: float, grace: float = GRACE) -> float:
    """When a run with this timeout= ends. "slurm": with the job it runs in, and `grace` seconds earlier."""
    if timeout is None:
        return inf
    return slurm_end() - grace if timeout == "slurm" else now + seconds(timeout)


def slurm_end() -> float:
    """When the SLURM job that this process belongs to will be ended, as a time; inf where it has no limit."""
    import subprocess  # takes a while to import, and few need it
    from datetime import datetime

    told = os.environ.get("SLURM_JOB_END_TIME", "")
    if told.isdigit():
        return float(told)
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        raise ValueError(
            'timeout="slurm": this is no SLURM job ($SLURM_JOB_ID is not set). Give seconds, or text such as "4h".'
        )
    try:
        said = subprocess.run(
            ["scontrol", "show", "job", "-o", job], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ValueError(
            f'timeout="slurm": scontrol does not say when job {job} ends ({error}). Give seconds, or text such as "4h".'
        ) from None
    found = re.search(r"\bEndTime=(\S+)", said)
    try:
        return datetime.fromisoformat(found[1]).timestamp() if found else inf
    except ValueError:  # "Unknown": no limit
        return inf
