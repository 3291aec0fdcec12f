"""One run of a program, measured: its output files, its exit, its time, cpu and peak memory.

The program is started by a shim, a small Python that starts it, waits and tells. A process's peak memory counts what
its parent had when it was forked, so a program started from here would seem to need all that numpy and the study
need; started from the shim it begins at about 10 MB.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.run._pool import Deadline, Group, Guard, death

SHIM = """
import os, signal, sys, time
out = int(sys.argv[1]); os.set_inheritable(out, False)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
argv, begin = sys.argv[2:], time.perf_counter()
try: pid = os.posix_spawnp(argv[0], argv, os.environ, setsigdef=[signal.SIGTERM])
except OSError as error:
    os.write(out, ("-\\n%s" % error.strerror).encode()); sys.exit(127)
_, status, use = os.wait4(pid, 0)
took, unit = time.perf_counter() - begin, 2**20 if sys.platform == "darwin" else 2**10
told = (os.waitstatus_to_exitcode(status), took, use.ru_utime + use.ru_stime, use.ru_maxrss / unit)
os.write(out, "\\n".join(map(repr, told)).encode())
"""


@dataclass(frozen=True, slots=True)
class Exit:
    """code is an exit code, or minus a signal; problem: it never started."""

    code: int
    seconds: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    problem: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        return {"time": self.seconds, "cpu": self.cpu, "memory": round(self.memory, 3), "exit": float(self.code)}


class Program:
    """A running program. `fd` becomes readable when it has ended."""

    def __init__(
        self, argv: Sequence[str], guard: Guard, env: Mapping[str, str], cwd: Path, folder: Path,
        limit: float | None, grace: float,
    ) -> None:  # fmt: skip
        self.fd, theirs = os.pipe()
        self._stdout = folder / "stdout"
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, theirs)
            out = stack.enter_context(open(self._stdout, "ab"))
            err = stack.enter_context(open(folder / "stderr", "ab"))
            self._from = out.tell()
            shim = [sys.executable, "-I", "-S", "-c", SHIM, str(theirs), *argv]
            self.group = Group(shim, guard, env=env, cwd=cwd, stdout=out, stderr=err, pass_fds=[theirs])
        self.deadline = Deadline(self.group, limit, grace)

    def end(self) -> Exit:
        """After `fd` became readable: what it left."""
        told = os.read(self.fd, 4096).decode()
        os.close(self.fd)
        code, _ = self.group.reap()
        if not told:
            return Exit(code if code < 0 else -9)  # the shim was killed along with it
        if told.startswith("-\n"):
            return Exit(127, problem=told[2:])
        status, seconds, cpu, memory = told.split("\n")
        return Exit(int(status), float(seconds), float(cpu), float(memory))

    def output(self) -> str:
        """What this run has printed (the file may hold earlier attempts)."""
        with open(self._stdout, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(self._from if self._from <= size else 0)
            return file.read().decode(errors="replace")


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Whole or not at all: the program may be reading."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(data, indent=1, default=dict))
    new.replace(path)


def problem(left: Exit, program: str, stderr: str) -> tuple[str, dict[str, str]] | None:
    """(state, error) of an exit that was no success."""
    if left.problem:
        return "failed", {"kind": "exit", "text": f"{program} did not start: {left.problem}"}
    if left.code < 0:
        return death(left.code)
    if left.code == 0:
        return None
    words = f" Its last words:\n{stderr}" if stderr else " It wrote nothing to stderr."
    return "failed", {"kind": "exit", "text": f"{program} ended with exit code {left.code}.{words}"}
