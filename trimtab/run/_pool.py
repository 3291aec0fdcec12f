"""What both pools need: a process with all its descendants as one thing, time-outs, a guard, and bounded output files.

Every process of ours leads a session of its own: Ctrl-C at the terminal goes to the driver alone, and one killpg ends
whatever a trial has started. If the driver is killed, nobody is left to do so; the guard is: a small process that
holds a pipe from the driver and ends all registered groups when that pipe closes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

OUTPUT_LIMIT = 100 * 2**20  # bytes an output file may have: more is nobody's reading, and fills disks
OUTPUT_TAIL = 2**20  # of which the newest are kept
GRACE = 10.0  # seconds between TERM and KILL

GUARD = """
import os, signal, sys
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
alive = set()
for line in sys.stdin:
    (alive.add if line[0] == "+" else alive.discard)(int(line[1:]))
for group in alive:
    try: os.killpg(group, signal.SIGKILL)
    except OSError: pass
"""


class Guard:
    """Ends the groups it knows when this process is gone, however it went."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
            bufsize=1,
        )

    def add(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def drop(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """What is still registered is ended now."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # somebody has ended the guard: go on without
            self._process.stdin.write(line)


class Group:
    """A process and everything it starts."""

    def __init__(
        self,
        argv: Sequence[str],
        guard: Guard,
        *,
        env: Mapping[str, str],
        cwd: str | Path | None = None,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._process = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, pass_fds=pass_fds,
            start_new_session=True,
        )  # fmt: skip
        self._guard = guard
        self.pid = self._process.pid
        guard.add(self.pid)

    def signal(self, number: int) -> None:
        """To all of the group; harmless when it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the leader has ended (within the time). It stays unreaped, so that its number stays ours."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            flags = os.WEXITED | os.WNOWAIT | (0 if end is None else os.WNOHANG)
            if os.waitid(os.P_PID, self.pid, flags) is not None:
                return True
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(0.002)  # only in the moments of an ending

    def reap(self) -> tuple[int, Any]:
        """End what is left, then (exit code or -signal, resource usage) of the leader."""
        self.signal(signal.SIGKILL)
        self._guard.drop(self.pid)
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode, usage


class Deadline:
    """TERM to the group when its time is up, KILL after the grace."""

    def __init__(self, group: Group, limit: float | None, grace: float) -> None:
        self.group, self.limit, self.grace = group, limit, grace
        self.expired = False
        self._next = None if limit is None else time.monotonic() + limit

    def act(self) -> float | None:
        """Do what is due. Seconds until there is more to do; None: never."""
        if self._next is None:
            return None
        now = time.monotonic()
        if now < self._next:
            return self._next - now
        if self.expired:
            self.group.signal(signal.SIGKILL)
            self._next = None
            return None
        self.expired, self._next = True, now + self.grace
        self.group.signal(signal.SIGTERM)
        return self.grace

    def error(self) -> dict[str, str]:
        return {"kind": "timeout", "text": f"ran longer than the {self.limit:g} s a trial may take"}


def death(code: int) -> tuple[str, dict[str, str]]:
    """(state, error) of a process that ended without a word: lost when somebody killed it, failed when it crashed."""
    if code >= 0:
        return "failed", {
            "kind": "crash",
            "text": f"the process ended with exit code {code} in the middle of the trial",
        }
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return "lost", {"kind": "killed", "text": f"the process was killed by {name}{hint}"}
    return "failed", {"kind": "crash", "text": f"the process died of {name}"}


def bound_output(path: Path, limit: int | None = None) -> None:
    """Keep an output file that is written with O_APPEND within `limit`: its first half and its newest lines stay."""
    limit = OUTPUT_LIMIT if limit is None else limit
    try:
        have = path.stat().st_size
        if have <= limit:
            return
        tail = min(OUTPUT_TAIL, limit // 4)
        with open(path, "r+b") as file:
            file.seek(have - tail)
            newest = file.read()
            file.truncate(limit // 2)
        with open(path, "ab") as file:
            file.write(f"\n… {have - limit // 2 - tail} bytes left out …\n".encode() + newest)
    except OSError:
        return  # the trial has removed or replaced it: its own affair


def last_lines(path: Path, n: int = 5, limit: int = 4_000) -> str:
    """The end of a text file, for an error message."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-n:])[-limit:]
