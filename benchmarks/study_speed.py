"""Whole trials through a Study on SQLite, with 1 and 4 writing processes, against Optuna's storages in the same run.

    python benchmarks/study_speed.py [--seconds 6] [--rounds 3]

Every process asks and tells random trials of 10 parameters for a fixed time. Rounds are interleaved; the table shows
medians of trials a second and the ratio to each peer, with the range over rounds. Optuna syncs every commit to disk, so
durability="full" is the fair line; "normal" may lose the last commits on a power cut, never on a kill.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
PARAMETERS = 10


def trimtab_worker(path: str, seconds: float, durability: str) -> int:
    from trimtab.space import Float, Space
    from trimtab.study import Study

    space = Space({f"x{i}": Float(0, 1) for i in range(PARAMETERS)})
    study = Study("speed", space, minimize="loss", searcher="random", seed=0, storage=path, durability=durability)
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        trial = study.ask()
        study.tell(trial, trial["x0"])
        done += 1
    return done


def optuna_worker(path: str, seconds: float, kind: str) -> int:
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if kind == "rdb":
        storage = RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})
    else:
        storage = JournalStorage(JournalFileBackend(path))
    sampler = optuna.samplers.RandomSampler()
    study = optuna.create_study(study_name="speed", storage=storage, sampler=sampler, load_if_exists=True)
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        trial = study.ask()
        values = [trial.suggest_float(f"x{i}", 0, 1) for i in range(PARAMETERS)]
        study.tell(trial, values[0])
        done += 1
    return done


SYSTEMS = {
    "trimtab normal": (trimtab_worker, "normal"),
    "trimtab full": (trimtab_worker, "full"),
    "optuna journal": (optuna_worker, "journal"),
    "optuna rdb": (optuna_worker, "rdb"),
}


def rate(system: str, processes: int, seconds: float) -> float:
    """Trials a second of all processes together; an error in any of them is an error."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "study.db")
        call = [sys.executable, __file__, "--worker", system, path, str(seconds)]
        if processes > 1:  # the tables are made before the race
            subprocess.run([*call[:-1], "0"], check=True, capture_output=True)
        pipe = subprocess.PIPE
        running = [subprocess.Popen(call, stdout=pipe, stderr=pipe, text=True) for _ in range(processes)]
        done = 0
        for process in running:
            out, err = process.communicate()
            if process.returncode:
                raise RuntimeError(f"{system}: {err[-800:]}")
            done += int(out.split()[-1])
    return done / seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=3)
    args = parser.parse_args()
    if args.worker:
        work, setting = SYSTEMS[args.worker[0]]
        print(work(args.worker[1], float(args.worker[2]), setting))
        return
    for processes in (1, 4):
        rates: dict[str, list[float]] = {name: [] for name in SYSTEMS}
        for _ in range(args.rounds):
            for name in SYSTEMS:
                rates[name].append(rate(name, processes, args.seconds))
        print(f"{processes} process{'es' if processes > 1 else ''}, {args.rounds} rounds of {args.seconds:g} s")
        for name, values in rates.items():
            line = f"  {name:15} {statistics.median(values):8.1f} trials/s"
            if name.startswith("trimtab"):
                for peer in ("optuna journal", "optuna rdb"):
                    ratios = sorted(a / b for a, b in zip(values, rates[peer], strict=True))
                    line += f"   {statistics.median(ratios):6.1f}x {peer} ({ratios[0]:.1f}–{ratios[-1]:.1f})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
