"""The other end of processes.py: what runs inside a worker process.

The user's script is not imported again: the objective came by value. The main thread runs objectives (signals and
CUDA want it), a second one reads the pipe. When the pipe closes, the driver is gone, and so is the whole group.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import pickle
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from trimtab.log import JSON, to_text
from trimtab.protocol import Run
from trimtab.run._importing import importing
from trimtab.run._outcome import describe
from trimtab.run.trial import Trial, execute

Frame = dict[str, Any] | None  # {"run": …}, {"to": [trial, attempt], "message": …}, None: no more


class _Link:
    """The trial's line through the pipe."""

    def __init__(self, run: Run, conn: Connection, inbox: SimpleQueue[Frame]) -> None:
        self._me, self._conn, self._inbox = [run.trial, run.attempt], conn, inbox

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        _send(self._conn, kind, body)

    def wait(self) -> Mapping[str, JSON]:
        _send(self._conn, "waiting")
        while True:
            frame = self._inbox.get()
            if frame is None:
                os.killpg(0, signal.SIGKILL)
            elif frame.get("to") == self._me:
                message: Mapping[str, JSON] = frame["message"]
                return message

    def listens(self) -> None:
        _send(self._conn, "listens")

    def poll(self) -> Mapping[str, JSON] | None:
        while not self._inbox.empty():
            frame = self._inbox.get()
            if frame is not None and frame.get("to") == self._me:
                message: Mapping[str, JSON] = frame["message"]
                return message
        return None


class _Worker:
    def __init__(self, conn: Connection, settings: Mapping[str, Any]) -> None:
        self.conn, self.folder, self.memory = conn, settings["folder"], settings["memory"]
        self.inbox: SimpleQueue[Frame] = SimpleQueue()
        self.running: Run | None = None
        self.termed = False

    def read(self) -> None:
        """The second thread: frames to the inbox; the end of the driver is our end."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.inbox.put(json.loads(self.conn.recv_bytes()))
        if self.running is not None:
            os.killpg(0, signal.SIGKILL)
        self.inbox.put(None)

    def told_to_end(self, *_: object) -> None:
        """SIGTERM: a time-out, or a cluster that wants its node back. The trial ends at its next step."""
        if self.running is not None:
            me, self.termed = [self.running.trial, self.running.attempt], True
            self.inbox.put({"to": me, "message": {"go": "cancel", "drain": True}})

    def serve(self, objective: Any, space: Any) -> None:
        while (frame := self.inbox.get()) is not None:
            if "run" in frame:
                self.run(Run(**frame["run"]), objective, space)

    def run(self, run: Run, objective: Any, space: Any) -> None:
        self.running, self.termed = run, False
        folder = Path(self.folder) / f"{run.trial:03d}" if self.folder else None
        if folder is not None:
            _redirect(folder)
        _limit_memory(run.limits.get("bytes", self.memory))
        _reset_peak()
        _send(self.conn, "began")
        body = execute(objective, Trial(run, _Link(run, self.conn, self.inbox), space, folder))
        if (peak := _peak()) is not None:
            body["cost"]["memory"] = peak
        if self.termed and body["state"] == "cancelled":  # by whom, only the driver can know
            text = "its process was asked to end by SIGTERM, and did after a step"
            body |= {"state": "lost", "error": {"kind": "killed", "text": text}}
        elif "error" in body:
            gc.collect()  # a traceback holds the frames, and the frames the memory, of what failed
        _flush()
        self.running = None
        _send(self.conn, "ended", body)


def main(settings: Mapping[str, Any]) -> None:
    """Called by the line of Python that processes.py starts the interpreter with."""
    sys.argv = settings["argv"]
    os.set_inheritable(settings["conn"], False)  # programs an objective starts must not keep our pipe open
    conn = Connection(settings["conn"])
    worker = _Worker(conn, settings)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a kill must not take the output along
    faulthandler.enable()
    signal.signal(signal.SIGTERM, worker.told_to_end)
    threading.Thread(target=worker.read, daemon=True, name="trimtab-pipe").start()
    try:
        with open(settings["code"], "rb", closefd=False) as file, importing("a worker imported the objective"):
            objective, space = pickle.loads(os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0))
        os.close(settings["code"])
    except BaseException as error:
        _send(conn, "broken", describe(error))
        return
    _send(conn, "ready")
    worker.serve(objective, space)


def _send(conn: Connection, kind: str, body: Mapping[str, JSON] | None = None) -> None:
    conn.send_bytes(to_text({"kind": kind, "body": body or {}}).encode())


def _redirect(folder: Path) -> None:
    """Output at the level of file descriptors, so that C code and child processes land there too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        file = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(file, fd)
        os.close(file)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    if (ctypes := sys.modules.get("ctypes")) is not None:  # what C code has printed, if any could have
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).fflush(None)


def _limit_memory(limit: float | None) -> None:
    """Address space; where a GPU is in use only the data, since CUDA reserves more addresses than there is memory."""
    if not limit:
        return
    import resource

    which = resource.RLIMIT_DATA if os.environ.get("CUDA_VISIBLE_DEVICES") else resource.RLIMIT_AS
    _, hard = resource.getrlimit(which)
    limit = int(limit) if hard == resource.RLIM_INFINITY else min(int(limit), hard)
    resource.setrlimit(which, (limit, hard))


def _reset_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak() -> float | None:
    """Peak resident memory of this trial in MB, where the system tells."""
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    return None
