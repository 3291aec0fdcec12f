"""The near side of the pipe: a session with an optimizer of another package, in a process and environment of its own.

Idea    What goes wrong over there is one of four errors here: the package is not there (MissingPeer), it can't take the
        task (PeerRefused), it takes too long (PeerTimeout), or it raises, dies or answers nonsense (PeerCrashed, with
        the last of what it wrote to stderr). After any of them the session is over. A peer that knows no constraints is
        told that an infeasible trial failed.
"""

from __future__ import annotations

import json
import math
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from trimtab.bench.optimizer import Asked, Optimizer
from trimtab.bench.peers._space import PeerRefused, Translation, translate
from trimtab.bench.peers._table import MODULES
from trimtab.bench.task import Task
from trimtab.errors import MissingExtra, SpaceError, TrimtabError

HERE = Path(__file__).parent
START_LIMIT = 300.0  # seconds to import and set up; jax and torch on a busy machine take a minute
CALL_LIMIT = 600.0  # seconds for one suggestion: fifty times what the slowest known peer takes
LAST_LINES = 12  # of stderr in a PeerCrashed
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")
DROPPED = ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")


Started = tuple["subprocess.Popen[str]", Path, "queue.SimpleQueue[str]"]  # process, its folder, what it answers
_SPARE: dict[tuple[Path, Path], Started] = {}  # processes that wait for a session; they end with this one's pipes


class PeerCrashed(TrimtabError):
    """Another optimizer raised, died, or answered nonsense."""


class PeerTimeout(PeerCrashed):
    """Another optimizer did not answer in time."""


class MissingPeer(MissingExtra):
    """The package of another optimizer is not there; the message has the line to type."""


class PeerSession:
    """A peer at work on one task; see trimtab.bench.optimizer.Session.

    python, adapter   the interpreter to run, and the file that speaks with the package
    begin             the first request, without its op
    limits            seconds for the start, and for each call after it
    again             whether close() leaves the process to the next session of this adapter: importing some packages
                      takes ten times as long as a run
    """

    def __init__(
        self,
        python: Path,
        adapter: Path,
        translation: Translation,
        begin: Mapping[str, Any],
        *,
        name: str = "the peer",
        constraints: bool = False,
        limits: tuple[float, float] = (START_LIMIT, CALL_LIMIT),
        again: bool = False,
    ) -> None:
        self.seconds, self.version, self.name = 0.0, "", name
        self._translation, self._constraints, self._limit = translation, constraints, limits[1]
        self._place = (python, adapter) if again else None
        spare = _SPARE.pop((python, adapter), None) if again else None
        self._started = spare or _start(python)
        self._process, self._folder, self._answers = self._started
        self._stderr = self._folder / "stderr.txt"
        self._end = weakref.finalize(self, _end, self._process, self._folder)
        begun = self._call({"op": "begin", "adapter": str(adapter), **begin}, limits[0])
        self.version, self._judges = str(begun.get("version", "")), begun.get("judges") is True

    # ── the session ──

    def ask(self) -> Asked | None:
        """What next; None: nothing until a running trial has been told."""
        answer = self._call({"op": "ask"})
        if (asked := answer.get("asked", answer)) is None:
            return None
        try:
            key, budget, given = asked["key"], asked.get("budget"), asked["config"]
            if not isinstance(key, int) or isinstance(key, bool):
                raise ValueError(f"the key of a trial is {key!r}")
            if budget is not None and not (isinstance(budget, int | float) and math.isfinite(budget)):
                raise ValueError(f"its budget is {budget!r}")
            return Asked(key, self._translation.config(given), budget)
        except (AttributeError, KeyError, TypeError, ValueError, SpaceError) as error:
            raise self._fail(PeerCrashed, f"answered nonsense: {error}") from None

    def report(self, key: int, step: float, costs: Sequence[float]) -> str:
        """After a step of a trial: "on", "stop" or "pause"."""
        if not self._judges:
            return "on"
        verdict = self._call({"op": "report", "key": key, "step": step, "costs": list(costs)}).get("verdict")
        if verdict not in ("on", "stop", "pause"):
            raise self._fail(PeerCrashed, f"answered nonsense: the verdict {verdict!r}")
        return str(verdict)

    def tell(self, key: int, costs: Sequence[float] | None, limits: Sequence[float], seconds: float) -> None:
        """The end of what was asked. A cost that is not finite is a failure, so is a limit that was not measured."""
        if costs is not None and not all(map(math.isfinite, [*costs, *limits])):
            costs = None
        if not self._constraints and any(limit > 0 for limit in limits):
            costs = None
        told = {"costs": None if costs is None else list(map(float, costs)), "limits": list(map(float, limits))}
        if costs is None or not self._constraints:
            told["limits"] = []
        self._call({"op": "tell", "key": key, **told, "seconds": seconds})

    def close(self) -> None:
        """Ends the process and removes what it left behind; a second time does nothing."""
        if self._end.alive and self._place is not None and self._place not in _SPARE:
            with suppress(PeerCrashed):  # then its process is gone, and the next session starts one
                self._call({"op": "end"})
                self._end.detach()
                _SPARE[self._place] = self._started
        if self._end.alive:
            try:
                self._send({"op": "close"})
                self._process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                pass  # it is killed below
            self._end()

    def __enter__(self) -> PeerSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── the pipe ──

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _call(self, request: Mapping[str, Any], limit: float | None = None) -> Mapping[str, Any]:
        limit = self._limit if limit is None else limit
        if not self._end.alive:
            raise PeerCrashed(f"{self.name}: this session is closed.")
        try:
            self._send(request)
            line = self._answers.get(timeout=limit)
        except queue.Empty:
            raise self._fail(PeerTimeout, f"{request['op']} took longer than {limit:g} s") from None
        except OSError:
            line = ""
        if not line:
            raise self._fail(PeerCrashed, f"its process ended during {request['op']} ({_how(self._process)})")
        try:
            answer = json.loads(line)
            self.seconds += float(answer.get("cpu", 0.0))
        except (ValueError, TypeError, AttributeError):
            raise self._fail(PeerCrashed, f"answered {line[:80]!r}") from None
        if "error" in answer:
            raise self._wrong(answer["error"])
        found: Mapping[str, Any] = answer
        return found

    def _wrong(self, error: Mapping[str, Any]) -> TrimtabError:
        text = str(error.get("text", ""))
        if error.get("kind") == "refused":
            self.close()
            return PeerRefused(f"{self.name}: {text}")
        if error.get("kind") == "missing":
            self.close()
            return MissingPeer(f"{self.name}: {text}")
        return self._fail(PeerCrashed, text, str(error.get("trace", "")))

    def _fail(self, kind: type[PeerCrashed], text: str, trace: str = "") -> PeerCrashed:
        """The error, with the trace or else the last lines of stderr; and the end of the session."""
        if not trace:
            trace = self._stderr.read_text(encoding="utf-8", errors="replace")
        last = trace.strip().splitlines()[-LAST_LINES:]
        self._end()
        return kind("\n".join([f"{self.name}: {text}", *(f"  | {line}" for line in last)]))


def open_session(
    optimizer: Optimizer,
    task: Task,
    seed: int,
    budget: float,
    *,
    limits: tuple[float, float] = (START_LIMIT, CALL_LIMIT),
    again: bool = False,
) -> PeerSession:
    """The optimizer at work on the task. budget: in full evaluations, so that a method can plan for them."""
    from trimtab.bench import envs

    if len(task.goals) > 1 and "objectives" not in optimizer.takes:
        raise PeerRefused(f"{optimizer.name}: {task.name} has {len(task.goals)} objectives, it knows one")
    if task.fidelity is None and optimizer.settings.get("fidelity"):
        raise PeerRefused(f"{optimizer.name}: {task.name} has no fidelity, and it is made for one")
    try:
        translation = translate(task.space, conditions="conditions" in optimizer.takes)
    except PeerRefused as error:
        raise PeerRefused(f"{optimizer.name}: {error} ({task.name}).") from None
    python = envs.python(optimizer.env, MODULES.get(optimizer.package, ""))
    if python is None:
        raise MissingPeer(f"{optimizer.name} lives in an environment of its own. Run: {envs.line(optimizer.env)}")
    knows = "constraints" in optimizer.takes
    fidelity = task.fidelity if "fidelity" in optimizer.takes else None
    begin = {
        "settings": dict(optimizer.settings),
        "space": translation.rows,
        "goals": len(task.goals),
        "constraints": len(task.constraints) if knows else 0,
        "fidelity": fidelity and {"low": fidelity.low, "high": fidelity.high, "integer": fidelity.integer},
        "seed": seed,
        "budget": budget,
    }
    adapter = HERE / f"adapter_{optimizer.package}.py"
    try:
        return PeerSession(
            python, adapter, translation, begin, name=optimizer.name, constraints=knows, limits=limits, again=again
        )
    except MissingPeer as error:
        raise MissingPeer(f"{error}. Run: {envs.line(optimizer.env)}") from None


def _start(python: Path) -> Started:
    """A process that waits for its first request."""
    folder = Path(tempfile.mkdtemp(prefix="trimtab-peer-"))
    with (folder / "stderr.txt").open("wb") as stderr:
        process = subprocess.Popen(
            [str(python), "-u", str(HERE / "server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,  # packages that leave files behind leave them here
            env=environment(python),
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the bench, which then closes its sessions
        )
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(process.stdout, answers), daemon=True).start()
    return process, folder, answers


def environment(python: Path) -> dict[str, str]:
    """What the peer's process sees: one thread for linear algebra, a fixed hash seed, no accelerator."""
    env = {name: value for name, value in os.environ.items() if name not in DROPPED or python == Path(sys.executable)}
    env.pop("PYTHONWARNINGS", None)
    threads = {f"{name}_NUM_THREADS": "1" for name in THREADS}
    xla = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    fixed = {"PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", "XLA_FLAGS": xla, "JAX_PLATFORMS": "cpu"}
    return {**env, **threads, **fixed, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _pump(stdout: IO[str], answers: queue.SimpleQueue[str]) -> None:
    """Lines to the queue, and "" at the end: a queue can be waited for with a limit, on every system."""
    with stdout:
        for line in stdout:
            answers.put(line)
    answers.put("")


def _how(process: subprocess.Popen[str]) -> str:
    try:
        code = process.wait(5)
    except subprocess.TimeoutExpired:
        return "it closed the pipe"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _end(process: subprocess.Popen[str], folder: Path) -> None:
    """Kills the process with its children, and removes its folder."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    try:
        if process.stdin is not None:
            process.stdin.close()
    except OSError:
        pass  # a request that nobody will read was still in it
    shutil.rmtree(folder, ignore_errors=True)
