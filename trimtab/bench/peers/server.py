"""One optimizer of another package behind a pipe: reads a request a line, writes an answer a line.

Idea    Runs in the environment of that package, so it imports nothing of trimtab and runs under Python 3.9 too. What
        the package prints goes to stderr: the pipe has a descriptor of its own. Only the time inside the package's
        calls is counted, as CPU seconds of all its threads.
Requests
        {"op": "begin", "adapter": path, "settings": {…}, "space": [row, …], "goals": 1, "constraints": 0,
         "fidelity": {"low", "high", "integer"} or null, "seed": 0, "budget": 100.0}  -> {"version", "judges", "cpu"}
        {"op": "ask"}      -> {"asked": {"key", "config", "budget"} or null, "cpu"}; null: nothing until one is told
        {"op": "report", "key", "step", "costs"}                  -> {"verdict": "on" | "stop" | "pause", "cpu"}
        {"op": "tell", "key", "costs" or null, "limits", "seconds"}  -> {"cpu"}; null: it failed
        {"op": "end"}      -> {}; another "begin" may follow
        {"op": "close"}    -> {}
        Any of them may be answered {"error": {"kind": "missing" | "refused" | "crashed", "text", "trace"}}.
Rows    {"name", "kind": "float" | "int" | "choice", "low", "high", "log", "choices", "ordered", "label", "when"}; a
        choice is spoken of by the index of its label. Costs are to be made small.
Adapter A file with a class Adapter: __init__(job), ask(), tell(key, costs, limits, seconds), version; and, where it
        judges running trials, judges = True and report(key, step, costs). job.part(name) is a file beside it that
        adapters share.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import json
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from typing import Any

GRACE = 10.0  # seconds that a call may go on after the bench is gone


class Refused(Exception):
    """The optimizer can't do what this task needs."""


class Job:
    """What an adapter is given: the fields of the first request, and how to refuse it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.settings: dict[str, Any] = request["settings"]
        self.space: list[dict[str, Any]] = request["space"]
        self.goals: int = request["goals"]
        self.constraints: int = request["constraints"]
        self.fidelity: dict[str, Any] = request["fidelity"] or {}
        self.seed: int = request["seed"]
        self.budget: float = request["budget"]
        self.folder = os.path.dirname(os.path.abspath(request["adapter"]))
        self._known: dict[Any, tuple[int, float]] = {}
        self._keys = 0

    @property
    def trials(self) -> int:
        """The budget as a number of full evaluations."""
        return max(1, round(self.budget))

    def part(self, name: str) -> Any:
        """A file beside the adapter, which several adapters share."""
        return load(os.path.join(self.folder, name + ".py"))

    def refuse(self, text: str) -> None:
        raise Refused(text)

    def key(self, identity: Any, budget: float | None) -> int:
        """The key of a configuration: the one it had when it now goes on farther than before, else a new one."""
        key, reached = self._known.get(identity, (-1, 0.0))
        if key < 0 or budget is None or budget <= reached:
            key = self._keys
            self._keys += 1
        self._known[identity] = (key, budget or 0.0)
        return key


class Server:
    """One session: at most one adapter, and the keys of the trials it has asked for."""

    def __init__(self) -> None:
        self.adapter: Any = None
        self.asked = 0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        op = request["op"]
        if op == "begin":
            self.adapter = load(request["adapter"]).Adapter(Job(request))
            return {"version": str(self.adapter.version), "judges": bool(getattr(self.adapter, "judges", False))}
        if op in ("close", "end"):
            if hasattr(self.adapter, "close"):
                self.adapter.close()
            self.adapter, self.asked = None, 0
            return {}
        start = time.process_time()
        answer = getattr(self, op)(request)
        return {**answer, "cpu": time.process_time() - start}

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = self.adapter.ask()
        if isinstance(asked, dict) and "key" not in asked:
            asked["key"] = self.asked
        self.asked += asked is not None
        return {"asked": asked}

    def report(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"verdict": self.adapter.report(request["key"], request["step"], request["costs"])}

    def tell(self, request: dict[str, Any]) -> dict[str, Any]:
        self.adapter.tell(request["key"], request["costs"], request["limits"], request["seconds"])
        return {}


def load(path: str) -> Any:
    """The module of a file, under its own name."""
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def plain(value: Any) -> Any:
    """numpy's numbers as Python's own, for JSON."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError("%r can't be written as JSON" % (value,))  # noqa: UP031


def error(problem: BaseException) -> dict[str, Any]:
    """A problem as an answer."""
    kind = "crashed"
    if isinstance(problem, Refused):
        kind = "refused"
    elif isinstance(problem, ModuleNotFoundError):
        kind = "missing"
    text = str(problem) if isinstance(problem, Refused) else f"{type(problem).__name__}: {problem}"
    return {"error": {"kind": kind, "text": text, "trace": traceback.format_exc()}}


def read(requests: Any, inbox: Any) -> None:
    """Requests to the queue, "" at their end. A call that goes on after it is cut off: nobody waits for its answer."""
    for line in requests:
        inbox.put(line)
    inbox.put("")
    time.sleep(GRACE)
    leave(1)


def leave(code: int) -> None:
    here = os.getcwd()
    if os.path.basename(here).startswith("trimtab-peer-"):  # made for this process; nobody is left to remove it
        shutil.rmtree(here, ignore_errors=True)
    os._exit(code)  # threads and children of the package would keep a normal exit waiting


def serve() -> None:
    """Answers until the pipe is closed or the session is."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8", newline="\n")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # what the package prints, its threads and its C code included
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.stdout = sys.stderr
    faulthandler.enable()
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
    server = Server()
    inbox: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=read, args=(requests, inbox), daemon=True).start()
    for line in iter(inbox.get, ""):
        request = json.loads(line)
        try:
            answer = json.dumps(server.answer(request), default=plain)
        except Exception as problem:  # becomes data on the other side
            answer = json.dumps(error(problem))
        try:
            answers.write(answer + "\n")
            answers.flush()
        except OSError:  # the bench is gone
            leave(1)
        if request["op"] == "close":
            break
    answers.close()
    sys.stderr.flush()
    leave(0)


if __name__ == "__main__":
    serve()
