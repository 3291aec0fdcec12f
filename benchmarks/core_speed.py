"""What the core costs: a trial in memory, memory itself, and opening a stored study. CPU time, one thread.

    python benchmarks/core_speed.py [--trials 100000] [--reports 100]

Each figure comes from a fresh process. Peers run in the same call: Optuna's RandomSampler, in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
SPACE_SIZE = 10


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def space() -> object:
    from trimtab.space import Float, Space

    return Space({f"x{i}": Float(0, 1) for i in range(SPACE_SIZE)})


def ask_tell(trials: int) -> dict[str, float]:
    """ms of CPU a trial over the first 100 trials and over the last 1 %, and the peak of memory."""
    from trimtab.study import Study

    study = Study("speed", space(), minimize="loss", searcher="random", seed=0)
    for _ in range(20):  # imports and first-time tables
        study.tell(study.ask(), 0.5)
    first = _timed(study, 100)
    _timed(study, trials - 120 - 1000)
    return {"ms at 100": first, f"ms at {trials:,}": _timed(study, 1000), "peak MB": peak_mb()}


def _timed(study: object, n: int) -> float:
    begun = time.process_time()
    for _ in range(n):
        trial = study.ask()  # type: ignore[attr-defined]
        study.tell(trial, trial["x0"])  # type: ignore[attr-defined]
    return (time.process_time() - begun) / max(n, 1) * 1e3


def optuna_ask_tell(trials: int) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def some(n: int) -> float:
        begun = time.process_time()
        for _ in range(n):
            trial = study.ask()
            values = [trial.suggest_float(f"x{i}", 0, 1) for i in range(SPACE_SIZE)]
            study.tell(trial, values[0])
        return (time.process_time() - begun) / n * 1e3

    some(20)
    first = some(100)
    some(trials - 120 - 1000)
    return {"ms at 100": first, f"ms at {trials:,}": some(1000), "peak MB": peak_mb()}


def fill(path: str, trials: int, reports: int) -> None:
    """A stored study as a run would leave it, appended in large transactions."""
    import numpy as np

    from trimtab.log import Event
    from trimtab.storage import open_storage
    from trimtab.study import Study

    store = open_storage(path)
    study = Study("stored", space(), minimize="loss", searcher="random", seed=0, storage=store)
    names, rng = study.space.names, np.random.default_rng(0)
    steps = [float(s) for s in range(1, reports + 1)]
    for start in range(0, trials, 5000):
        events = []
        for t in range(start, min(start + 5000, trials)):
            config = dict(zip(names, rng.random(SPACE_SIZE).tolist(), strict=True))
            ask = {"number": t, "move": t, "seed": 0}
            body = {"cause": "new", "config": config, "seed": t, "method": "random/1", "seen": 2 * t + 1, "ask": ask}
            body |= {"why": {"text": "a random draw"}, "took": 0.0001, "owner": "host:1:abcdef"}
            events.append(Event("started", body, t, 1, 1.7e9 + t))
            if reports:
                metrics = {"loss": rng.random(reports).tolist()}
                events.append(Event("reported", {"step": steps, "metrics": metrics}, t, 1, 1.7e9 + t))
            end = {"state": "finished", "values": {"loss": config["x0"]}, "cost": {"seconds": 0.5}}
            events.append(Event("ended", end, t, 1, 1.7e9 + t))
        store.append(1, events, f"fill-{start}")


def opened(path: str) -> dict[str, float]:
    from trimtab.study import load

    begun, wall = time.process_time(), time.perf_counter()
    study = load(path)
    n, rows = len(study.history), len(study.history.reports())
    assert study.history.Y.shape[0] == n
    return {"trials": n, "report rows": rows, "CPU s": time.process_time() - begun,
            "wall s": time.perf_counter() - wall, "peak MB": peak_mb()}  # fmt: skip


def _apart(*call: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--only", *call], check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--only", nargs="+")
    args = parser.parse_args()
    if args.only:
        name, *rest = args.only
        calls = {"ask": ask_tell, "optuna": optuna_ask_tell}
        told = opened(rest[0]) if name == "open" else calls[name](int(rest[0]))
        print(json.dumps(told))
        return
    n = args.trials
    print(f"random search, {SPACE_SIZE} parameters, in memory, ask + tell")
    for name, trials in (("ask", n), ("ask", n), ("ask", n), ("optuna", min(n, 5000))):
        row = _apart(name, str(trials))
        label = "trimtab" if name == "ask" else "optuna "
        print(f"  {label}  " + "   ".join(f"{k} {v:,.3f}" for k, v in row.items()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for reports in (0, args.reports):
            path = str(Path(folder) / f"r{reports}.db")
            fill(path, n, reports)
            row = _apart("open", path)
            size = Path(path).stat().st_size / 2**20
            print(f"open a stored study ({size:,.0f} MB): " + "   ".join(f"{k} {v:,.2f}" for k, v in row.items()))


if __name__ == "__main__":
    main()
