"""The runner for many trials at once: a pool of warm worker processes on this machine.

Idea    A worker is a fresh interpreter (nothing forked: threads and CUDA survive) that never imports the user's
        script again. The objective travels by value, written once to memory that all workers read, so lambdas,
        closures, notebook functions and scripts without a guard work, and captured data is sent once. To a worker
        go frames of JSON, from it come frames of JSON; nothing of a child's is ever unpickled.
Cost    About a millisecond per trial with warm workers (benchmarks/runner_speed.py).
Ends    A worker that dies takes its own trial with it and nothing else. What it printed is in <folder>/<trial>/.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import TrimtabError
from trimtab.log import JSON, Event
from trimtab.protocol import Objective, Run
from trimtab.run._batch import join
from trimtab.run._pickling import as_bytes, in_memory
from trimtab.run._pool import GRACE, Deadline, Group, Guard, bound_output, death
from trimtab.run._slots import Place, environment, places
from trimtab.run._units import seconds, size
from trimtab.run.inline import HAND_OVER

if TYPE_CHECKING:
    from trimtab.space import Space

logger = logging.getLogger(__name__)

BOOT = """
import json, sys
settings = json.loads(sys.argv[1])
sys.path[:] = settings["path"]
from trimtab.run._worker import main
main(settings)
"""
NOTICE = 1.0  # seconds between looks at what sends no frames
START_UP = 120.0  # seconds more for a process that has to start and import first
FAREWELL = 2.0  # seconds an idle worker has to leave


class _Worker:
    """One process: its pipe, its place, and the run it has in hand."""

    def __init__(self, group: Group, conn: Connection, place: Place) -> None:
        self.group, self.conn, self.place = group, conn, place
        self.deadline = Deadline(group, None, 0)
        self.run: Run | None = None
        self.since = 0.0
        self.step: float | None = None
        self.killed = False
        self.ready = False
        self.begun = False  # it has said that it has its present run in hand
        self.hears = False  # its trial looks for requests to end
        self.done = 0
        self.broken: Mapping[str, JSON] | None = None


class Processes:
    """Runs up to `workers` objectives at once.

    per_trial      {"gpu": 1, "cpu": 4, "memory": "16GB"}: what a trial needs; workers left out: as many as fit
    trial_timeout  seconds or "2h": TERM to the trial and all it started, after `grace` KILL
    recycle        trials a worker process; None: it stays
    folder         output goes to <folder>/<trial>/stdout and stderr; None: to where ours goes
    """

    def __init__(
        self,
        objective: Objective,
        space: Space | None = None,
        *,
        workers: int | None = None,
        per_trial: Mapping[str, float | str] | None = None,
        trial_timeout: float | str | None = None,
        grace: float | str = GRACE,
        recycle: int | None = None,
        folder: str | Path | None = None,
    ) -> None:
        self._places = places(workers, per_trial or {})
        needs = dict(per_trial or {})
        self.workers = len(self._places)
        self._cpu, self.gpus = float(needs.get("cpu", 0)), float(needs.get("gpu", 0))
        self._memory = size(needs["memory"]) if "memory" in needs else None
        self._timeout, self._grace = seconds(trial_timeout), seconds(grace) or 0.0
        self._recycle = recycle
        self._folder = Path(folder).absolute() if folder else None
        self._code = in_memory(as_bytes(objective, space))
        self._guard: Guard | None = None
        self._busy: dict[tuple[int, int], _Worker] = {}
        self._idle: list[_Worker] = []
        self._later: list[Run] = []  # submitted, but the system would not start another process for them
        self._kept: list[Event] = []  # reports that wait for company, at most HAND_OVER seconds
        self._kept_since = 0.0
        self._urgent = False
        self._looked = 0.0

    # the protocol

    def now(self) -> float:
        return time.time()

    @property
    def outputs(self) -> Path | None:
        """The folder of what trials print, in <trial>/stdout and stderr."""
        return self._folder

    def free(self) -> int:
        return max(0, self.workers - len(self._busy) - len(self._later))

    def submit(self, run: Run) -> None:
        if self._later:
            self._later.append(run)
            return
        if not self.free():
            raise RuntimeError(f"trial {run.trial} was submitted to a full pool: look at free() first")
        try:
            self._place(run)
        except OSError as error:  # too many open files or processes, or no memory for another one
            have = len(self._busy)
            if not have:
                raise TrimtabError(
                    f"No worker process could be started: {error.strerror or error}. "
                    "Close other programs or raise the limit (ulimit -n, ulimit -u); what was saved is safe."
                ) from error
            logger.warning(
                "Only %d of %d workers could be started (%s): going on with these.", have, self.workers, error
            )
            self.workers = have
            self._later.append(run)

    def _place(self, run: Run) -> None:
        frame = json.dumps({"run": {k: getattr(run, k) for k in Run.__slots__}}, default=dict).encode()
        while True:
            worker = self._idle.pop() if self._idle else self._start()
            if worker.ready and worker.group.wait(0):  # dead, though its pipe may still be held open by a child
                self._leave(worker)
                continue
            try:
                worker.conn.send_bytes(frame)
                break
            except OSError:  # it died while idle: nothing is lost but itself
                if not worker.ready:
                    break  # a fresh one that can't start: say so through the ordinary end of the run
                self._leave(worker)
        worker.run, worker.since, worker.step = run, time.monotonic(), None
        worker.begun = worker.hears = False
        self._begin(worker)
        self._busy[run.trial, run.attempt] = worker

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        worker = self._busy.get((trial, attempt))
        if worker is None and message.get("go") in ("cancel", "kill", "pause", "stop"):
            for run in [r for r in self._later if (r.trial, r.attempt) == (trial, attempt)]:
                self._later.remove(run)
                self._kept.append(Event("ended", {"state": "cancelled"}, trial, attempt, self.now()))
                self._urgent = True
        if worker is None:
            return  # it has ended meanwhile
        if message.get("go") == "kill":
            worker.killed = True
            worker.group.signal(signal.SIGKILL)
            return
        with contextlib.suppress(OSError):  # it is dying: collect() will tell
            worker.conn.send_bytes(json.dumps({"to": [trial, attempt], "message": dict(message)}).encode())

    def hears(self, trial: int, attempt: int) -> bool:
        """Whether this trial looks for requests to end: it uses steps() or should_stop()."""
        worker = self._busy.get((trial, attempt))
        return worker is not None and worker.hears

    def interrupt(self, kind: str = "pause") -> None:
        """Ask every running trial to end at its next step."""
        for trial, attempt in [*self._busy, *((r.trial, r.attempt) for r in self._later)]:
            self.send(trial, attempt, {"go": kind, "drain": True})

    def collect(self, timeout: float) -> Sequence[Event]:
        """What has happened. Waits while something runs and there is nothing to tell, for `timeout` at most."""
        until = time.monotonic() + timeout
        while True:
            pause = max(0.0, self._due(until) - time.monotonic())
            by_conn = {w.conn: w for w in (*self._busy.values(), *self._idle)}
            for conn in wait(list(by_conn), pause) if self._busy else ():
                self._receive(by_conn[conn])  # type: ignore[index]
            self._look_at_workers()
            while self._later and len(self._busy) < self.workers:
                self._place(self._later.pop(0))
            now = time.monotonic()
            if self._urgent or (self._kept and now >= self._kept_since + HAND_OVER):
                kept, self._kept, self._urgent = self._kept, [], False
                return join(kept)
            if now >= until or not self._busy:
                return []

    def close(self, kill: bool = False) -> None:
        """Ends all workers. Trials still running are cancelled, and end unheard; kill: at once."""
        workers = [*self._busy.values(), *self._idle]
        for worker in workers:
            if kill or worker.run is not None:
                worker.group.signal(signal.SIGKILL)
            worker.conn.close()
        for worker in workers:
            worker.group.wait(FAREWELL)
            worker.group.reap()
        self._busy, self._idle = {}, []
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        if self._code >= 0:
            os.close(self._code)
            self._code = -1

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # workers

    def _start(self) -> _Worker:
        if self._guard is None:
            self._guard = Guard()
        taken = [w.place for w in self._busy.values()]
        place = next(p for p in self._places if self._places.count(p) > taken.count(p))
        ours, theirs = Pipe()
        settings = {
            "path": sys.path, "argv": sys.argv, "conn": theirs.fileno(), "code": self._code,
            "folder": str(self._folder) if self._folder else None, "memory": self._memory,
        }  # fmt: skip
        argv = [sys.executable, "-c", BOOT, json.dumps(settings)]
        env = environment(place, self.workers, self._cpu)
        with contextlib.ExitStack() as stack:
            stack.callback(theirs.close)
            undo = stack.enter_context(contextlib.ExitStack())
            undo.callback(ours.close)
            output = None
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(open(self._folder / "workers.log", "ab"))
            fds = (theirs.fileno(), self._code)
            group = Group(argv, self._guard, env=env, stdout=output, stderr=output, pass_fds=fds)
            undo.pop_all()
        return _Worker(group, ours, place)

    def _leave(self, worker: _Worker) -> int:
        """A worker that is gone, or shall be; its exit code."""
        if worker in self._idle:
            self._idle.remove(worker)
        worker.conn.close()
        worker.group.wait(FAREWELL)
        code, _ = worker.group.reap()
        return code

    def _begin(self, worker: _Worker) -> None:
        assert worker.run is not None
        limit = worker.run.limits.get("seconds", self._timeout)
        if limit is not None and not worker.ready:
            limit += START_UP
        worker.deadline = Deadline(worker.group, limit, self._grace)

    # what comes

    def _due(self, until: float) -> float:
        """When the loop must look up at the latest."""
        if self._kept:
            until = min(until, self._kept_since + HAND_OVER)
        if self._busy:
            until = min(until, self._looked + NOTICE)
        for worker in self._busy.values():
            left = worker.deadline.act()
            if left is not None:
                until = min(until, time.monotonic() + left)
        return until

    def _receive(self, worker: _Worker) -> None:
        """All frames that are there."""
        try:
            while True:
                frame = json.loads(worker.conn.recv_bytes())
                self._take(worker, frame["kind"], frame["body"])
                if worker.conn.closed or not worker.conn.poll():
                    return
        except (EOFError, OSError):
            self._died(worker)

    def _take(self, worker: _Worker, kind: str, body: dict[str, Any]) -> None:
        if kind == "ready":
            worker.ready = True
        elif kind == "broken":
            worker.broken = body
        elif kind == "began":
            worker.since, worker.begun = time.monotonic(), True
            self._begin(worker)  # the time-out is the objective's, not the start-up's
        elif kind == "waiting":
            self._urgent = True
        elif kind == "listens":
            worker.hears = True
        elif kind == "ended":
            worker.done += 1
            self._end(worker, body)
            if worker.deadline.expired or worker.done == self._recycle:
                self._leave(worker)
            else:
                worker.deadline = Deadline(worker.group, None, 0)
                self._idle.append(worker)
        else:
            if kind == "reported":
                worker.step = max(worker.step or 0, *body["step"])
            self._keep(worker, kind, body)

    def _died(self, worker: _Worker) -> None:
        """The pipe is closed: the process is gone, and its trial, if it had one, ends here."""
        code = self._leave(worker)
        if worker.run is None:
            return
        if worker.done and not worker.begun and not worker.killed and not worker.deadline.expired:
            run, worker.run = worker.run, None  # it was dying when it was given the run: another one takes it
            del self._busy[run.trial, run.attempt]
            self.submit(run)
            return
        body: dict[str, JSON] = {"step": worker.step, "cost": {"seconds": round(time.monotonic() - worker.since, 6)}}
        if worker.killed:
            body["state"] = "cancelled"
        elif worker.broken is not None:
            body |= {"state": "failed", "error": {**worker.broken, "in": "loading the objective in a worker"}}
        else:
            body["state"], error = death(code)
            if not worker.ready:
                log = self._folder / "workers.log" if self._folder else "the output above"
                error["text"] = f"the worker process did not start (exit code {code}). See {log}"
            body["error"] = error
        self._end(worker, body)

    def _end(self, worker: _Worker, body: dict[str, Any]) -> None:
        assert worker.run is not None
        if worker.deadline.expired and not worker.killed:
            body = {k: v for k, v in body.items() if k != "returned"}
            body |= {"state": "failed", "error": worker.deadline.error()}
        self._keep(worker, "ended", body)
        self._urgent = True
        self._bound(worker.run)
        del self._busy[worker.run.trial, worker.run.attempt]
        worker.run = None

    def _keep(self, worker: _Worker, kind: str, body: Mapping[str, JSON]) -> None:
        assert worker.run is not None
        if not self._kept:
            self._kept_since = time.monotonic()
        self._kept.append(Event(kind, body, worker.run.trial, worker.run.attempt, self.now()))

    def _look_at_workers(self) -> None:
        """What no frame tells: a process that is gone while one it has forked holds its pipe; output that swells."""
        if time.monotonic() < self._looked + NOTICE:
            return
        self._looked = time.monotonic()
        for worker in list(self._busy.values()):
            if worker.group.wait(0) and not worker.conn.poll():
                self._died(worker)
            elif worker.run is not None:
                self._bound(worker.run)

    def _bound(self, run: Run) -> None:
        if self._folder is None:
            return
        for name in ("stdout", "stderr"):
            bound_output(self._folder / f"{run.trial:03d}" / name)
