"""How many trials fit on this machine, and which devices each place may see.

Every trial of a pool needs the same (`per_trial`), and a process can't change its GPU once it has begun. So places are
cut beforehand, one a worker; a place is the list of devices its worker sees.
"""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import TrimtabError
from trimtab.run._units import size

log = logging.getLogger(__name__)
NEEDS = ("gpu", "cpu", "memory")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
Place = tuple[str, ...] | None  # devices; None: no GPU was asked for, what is visible stays visible


def places(workers: int | None, per_trial: Mapping[str, float | str]) -> list[Place]:
    """One place a worker. Says before any trial what is not there."""
    if not isinstance(per_trial, Mapping):
        raise TrimtabError(f'per_trial={per_trial!r}: it says {{"gpu": 1, "cpu": 4, "memory": "16GB"}}.')
    for name, need in per_trial.items():
        if name not in NEEDS:
            raise TrimtabError(f"per_trial={dict(per_trial)!r}: {name!r} is not known here. Known: {', '.join(NEEDS)}.")
        if not (_sound(need) or (name == "memory" and isinstance(need, str))):  # "16GB"
            raise TrimtabError(f"per_trial={dict(per_trial)!r}: {name} is a finite number, at least 0.")
    if workers is not None and workers < 1:
        raise TrimtabError(f"workers={workers}: at least one is needed; leave it out for as many as fit.")
    room: dict[str, int] = {}
    if cpu := float(per_trial.get("cpu", 0)):
        room["cpu"] = _fit(cores(), cpu, f"{cpu:g} CPU cores", f"{cores()} cores")
    if least := size(per_trial.get("memory", 0)):
        have = memory()
        room["memory"] = _fit(have, least, f"{per_trial['memory']} of memory", f"{have / 2**30:.1f} GB")
    gpu_places = _gpu_places(float(per_trial.get("gpu", 0)))
    if gpu_places is not None:
        room["gpu"] = len(gpu_places)
    wanted = workers if workers is not None else min(room.values(), default=1)
    if gpu_places is not None:
        if wanted > len(gpu_places):
            raise TrimtabError(
                f"workers={wanted} with per_trial gpu={per_trial['gpu']}: only {len(gpu_places)} fit on this machine. "
                "Leave workers out for as many as fit."
            )
        return list(gpu_places[:wanted])
    if tight := [f"{n} for {r}" for n, r in room.items() if wanted > r]:
        log.warning("workers=%d is more than fit at once (%s); they will share.", wanted, ", ".join(tight))
    return [None] * wanted


def _sound(need: Any) -> bool:
    try:
        return 0 <= float(need) < math.inf
    except (TypeError, ValueError):
        return False


def _fit(have: float, need: float, wanted: str, there: str) -> int:
    if need > have:
        raise TrimtabError(f"per_trial asks for {wanted}, and this machine has {there}.")
    return int(have // need)


def _gpu_places(need: float) -> list[tuple[str, ...]] | None:
    if need <= 0:
        return None
    devices = gpus()
    if not devices or need > len(devices):
        told = os.environ.get("CUDA_VISIBLE_DEVICES")
        source = "nvidia-smi finds none" if told is None else f"CUDA_VISIBLE_DEVICES={told!r}"
        there = f"{len(devices)} ({', '.join(devices)})" if devices else f"none ({source})"
        raise TrimtabError(f"per_trial asks for {need:g} GPU a trial, and this machine has {there}.")
    if need < 1:
        share = math.floor(1 / need + 1e-9)  # 0.1 means ten, whatever floats say
        return [(device,) for _ in range(share) for device in devices]  # spread over devices before doubling up
    whole = round(need)
    if abs(need - whole) > 1e-9:
        raise TrimtabError(f"per_trial gpu={need:g}: give a fraction of one GPU (0.5), or a whole number of them.")
    return [tuple(devices[i : i + whole]) for i in range(0, len(devices) - whole + 1, whole)]


def gpus() -> list[str]:
    """Device names: those this process may see, else all that nvidia-smi lists (slices, where a card is cut)."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        names = [d.strip() for d in told.split(",")]
        return [d for d in names if d and d not in ("-1", "NoDevFiles")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return re.findall(r"UUID: (MIG-[^)]+)\)", listed) or re.findall(r"^GPU (\d+):", listed, re.MULTILINE)


def cores() -> int:
    """CPU cores this process may use: its affinity, and the quota of its container."""
    try:
        have = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        have = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return have
    return have if quota == "max" else max(1, min(have, math.ceil(int(quota) / int(period))))


def memory() -> int:
    """Bytes of memory: the machine's, or the container's if that is less."""
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return have
    return have if limit == "max" else min(have, int(limit))


def environment(place: Place, workers: int, cpu: float = 0) -> dict[str, str]:
    """The environment of one worker: its devices, and a fair share of threads unless the user has chosen."""
    env = dict(os.environ)
    share = max(1, int(cpu) or cores() // workers)
    if not any(name in env for name in THREADS):
        env |= dict.fromkeys(THREADS, str(share))
    if place is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(place)
    return env
