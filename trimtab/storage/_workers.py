"""Who a driver is on its machine, so that another driver there can tell at once that it is gone.

A process is named by host, boot, process namespace, pid and start time: a pid alone is given again after a
restart, and two containers may both have a process 7. Where a part can't be known, the lease has to run out.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """boot is "machine boot namespace"; started is the start time in the kernel's own unit; "" = not known."""

    host: str
    boot: str
    pid: int
    started: str


def this_process() -> Process:
    """The calling process. Not cached: it may be a fork of the one that asked before."""
    pid = os.getpid()
    return Process(socket.gethostname(), _boot(), pid, started(pid))


def gone(other: Process, here: Process) -> bool:
    """Whether `other` surely no longer runs. Another machine's process is never known to be gone."""
    (machine, boot, space), (machine_here, boot_here, space_here) = other.boot.split(" "), here.boot.split(" ")
    if (other.host, machine) != (here.host, machine_here) or not boot_here:
        return False
    if boot != boot_here:
        return True  # the machine was started again since
    if space != space_here:
        return False  # another container's processes can't be seen from here
    return not alive(other.pid) or started(other.pid) != other.started


def alive(pid: int) -> bool:
    """Whether a process has this pid. A zombie counts as gone: it runs nothing any more."""
    stat = _stat(pid)
    if stat is not None:
        return stat[0] not in ("Z", "X")
    if Path("/proc/self/stat").exists():
        return False
    if os.name == "nt":
        return True  # os.kill would end it; the lease tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def started(pid: int) -> str:
    """Start time in clock ticks since boot (proc(5), field 22), or "" where there is no /proc."""
    stat = _stat(pid)
    return stat[19] if stat is not None else ""


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (the state) on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # the command before it may hold spaces and brackets


@cache
def _boot() -> str:
    return f"{_line('/etc/machine-id')} {_line('/proc/sys/kernel/random/boot_id')} {_pid_namespace()}"


def _line(path: str) -> str:
    try:
        return "".join(Path(path).read_text().split())
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
