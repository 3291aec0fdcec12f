"""Real processes on a real SQLite file, killed with SIGKILL; and what has to hold afterwards.

A *parent* is an interpreter that runs study.optimize(). Acknowledged is what its callback was given: the callback
writes each event to a side file, with fsync, after the driver has read it back from the storage.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.history import State
from trimtab.log import Event
from trimtab.study._study import Study
from trimtab.study.verify import verify

ROOT = Path(__file__).parents[2]
PARENT = """
import json, os, sys, time
from trimtab.space import Choice, Float, Int, Space
from trimtab.study import Study

where, side, searcher, scheduler, seed, trials, workers, pause = sys.argv[1:]
SPACE = Space({"x": Float(-5, 5), "k": Int(1, 9), "kind": Choice(["a", "b"]), "m": Float(0, 1, when="kind == 'a'")})

def objective(trial, pause=float(pause)):
    import json, time
    state = 0.0
    if trial.checkpoint:
        state = json.loads((trial.checkpoint / "state").read_text())
    for step in trial.steps():
        time.sleep(pause)
        state = 0.5 * state + (trial["x"] - 1) ** 2 + trial.get("m", 0.5) + trial["k"] / step
        with trial.save_checkpoint() as folder:
            (folder / "state").write_text(json.dumps(state))
        trial.report(loss=state)

file = os.open(side, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def acknowledge(study, event):
    os.write(file, (json.dumps([event.seq, event.kind, event.trial, event.attempt, event.body]) + "\\n").encode())
    os.fsync(file)

study = Study("killed", SPACE, minimize="loss", storage=where, seed=int(seed), searcher=searcher, scheduler=scheduler,
              max_budget=9, retry={"times": 99, "on": ["lost"]})
study.optimize(objective, trials=int(trials), workers=int(workers), callbacks=[acknowledge], display=False)
study.close()
"""


@dataclass(frozen=True)
class Plan:
    """One study to be killed. workers=1 runs in the parent itself."""

    searcher: str = "random"
    scheduler: str = "halving"
    seed: int = 0
    trials: int = 12
    workers: int = 2
    pause: float = 0.002

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        words = [self.searcher, self.scheduler, self.seed, self.trials, self.workers, self.pause]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        argv = [sys.executable, "-c", PARENT, str(folder / "k.db"), str(folder / f"side {time.time_ns()}")]
        with open(folder / "errors", "ab") as errors:
            return subprocess.Popen([*argv, *map(str, words)], env=env, stderr=errors)

    def finish(self, folder: Path, parents: Sequence[subprocess.Popen[bytes]] = ()) -> None:
        for parent in [*parents, self.start(folder)]:
            code = parent.wait(timeout=120)
            assert code == 0, f"a parent ended with {code}:\n{(folder / 'errors').read_text()[-3000:]}"


def workers_of(pid: int) -> list[int]:
    """Processes below pid that run objectives."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"trimtab.run._worker" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except (OSError, ValueError):
            continue
    return sorted(found)


def wait_for(folder: Path, events: int, parents: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until so many events are acknowledged, or everybody is through."""
    deadline = time.monotonic() + 60
    while len(acknowledged(folder)) < events and time.monotonic() < deadline:
        if all(parent.poll() is not None for parent in parents):
            return
        time.sleep(0.01)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def disturb(plan: Plan, folder: Path, how: str, rng: random.Random) -> int:
    """Start, kill at a moment of chance, and so on, until the study is through. Returns how many were killed."""
    killed = 0
    for _ in range(rng.randint(1, 3)):
        parents = [plan.start(folder) for _ in range(2 if how == "one of two" else 1)]
        seen = len(acknowledged(folder))
        wait_for(folder, seen + rng.randint(1, 60), parents)
        time.sleep(rng.uniform(0, 0.03))
        if how == "workers":
            for _ in range(rng.randint(1, 3)):
                if pids := workers_of(parents[0].pid):
                    kill(rng.choice(pids))
                    killed += 1
                time.sleep(rng.uniform(0, 0.3))
        else:
            victim = parents.pop(rng.randrange(len(parents)))
            killed += victim.poll() is None
            kill(victim.pid)
            victim.wait()
        if how != "parent":
            plan.finish(folder, parents)
            return killed
    plan.finish(folder)
    return killed


# ── what has to hold ─────────────────────────────────────────────────────────────────────────────────────────────


def acknowledged(folder: Path) -> list[Any]:
    lines: list[Any] = []
    for path in folder.glob("side *"):
        text = path.read_text()
        lines += [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]  # the last may be torn
    return lines


def expected(config: Any, step: float) -> float:
    state = 0.0
    for s in range(1, int(step) + 1):
        state = 0.5 * state + (config["x"] - 1) ** 2 + config.get("m", 0.5) + config["k"] / s
    return state


def check(plan: Plan, folder: Path) -> Counter[str]:
    """Nothing acknowledged is lost, no number is used twice, every trial ends once, every decision comes out again."""
    study = Study.load(folder / "k.db")
    events = list(study.log())
    said = acknowledged(folder)
    for seq, kind, trial, attempt, body in said:
        event = events[seq - 1]
        assert (event.seq, event.kind, event.trial, event.attempt) == (seq, kind, trial, attempt)
        assert json.loads(json.dumps(event.body)) == body, f"event {seq} is another than was acknowledged"
    _numbers(plan, events)
    history = study.history
    effective = list(history.events())
    ends = Counter(e.trial for e in effective if e.kind == "ended" and e.body["state"] in ("finished", "stopped"))
    ledger = study._log.ledger
    for row in ledger.rows:
        assert row.state in (State.FINISHED, State.STOPPED, State.PAUSED), (
            f"trial {row.number} is {row.word}: {row.error}"
        )
        assert ends[row.number] == (row.state is not State.PAUSED), f"trial {row.number} ended {ends[row.number]} times"
        assert row.step is not None
        assert row.values["loss"] == expected(row.config, row.step), f"trial {row.number} went on from a wrong state"
    checked = verify(folder / "k.db")
    assert checked.ok, f"{checked.agree} of {checked.decisions}: {checked.first_difference}"
    found = Counter(e.body["state"] for e in events if e.kind == "ended")
    study.close()
    return found + Counter(acknowledged=len(said), retries=sum(_cause(e) == "retry" for e in events))


def _numbers(plan: Plan, events: Sequence[Event]) -> None:
    starts = [(e.trial, e.attempt) for e in events if e.kind == "started"]
    assert len(set(starts)) == len(starts), "a (trial, attempt) was started twice"
    new = [e.trial for e in events if _cause(e) in ("new", "queue", "clone")]
    assert new == list(range(plan.trials)), "numbers were used twice or left out"


def _cause(event: Event) -> str | None:
    return event.body["cause"] if event.kind == "started" else None


def story(folder: Path) -> list[tuple[Any, ...]]:
    """What happened to the trials, without attempts and times."""
    study = Study.load(folder / "k.db")
    reports = study.to_dicts(reports=True)
    points: dict[int, list[tuple[float, float]]] = {}
    for row in reports:
        points.setdefault(row["number"], []).append((row["step"], row["metrics_loss"]))
    told = [
        (t.number, dict(t.config), t.seed, t.state, t.step, dict(t.values), dict(t.tags), sorted(points[t.number]))
        for t in study.trials
    ]
    study.close()
    return told
