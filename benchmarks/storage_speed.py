"""Trials a second that a storage takes from 1 and 4 processes: ours against Optuna's, interleaved in one run.

    python benchmarks/storage_speed.py [--rounds 3] [--seconds 2] [--processes 1 4]

A trial of ours is what a driver writes: one transaction with `started` (a decision, compare-and-swap, 8 floats)
and one with `ended`, and a read of what is new before each decision. There is no searcher and no Study around it,
so this is the ceiling that the storage sets, not what a study reaches. A trial of Optuna's is ask(8 floats) and
tell with RandomSampler, i.e. its storage with its thinnest user above it. Optuna's storages sync to disk at every
commit: compare them with "full"; "normal" gives up the last moments at a power cut (not at a kill).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

KINDS = ["trimtab normal", "trimtab full", "optuna journal", "optuna rdb"]
CONFIG = {f"x{i}": 0.1234567890123456 * (i + 1) for i in range(8)}


def ours(folder: str, durability: Any) -> Callable[[], None]:
    from trimtab.log import Event, Stale
    from trimtab.storage import open_storage

    storage = open_storage(f"{folder}/studies.db", durability=durability)
    study, _ = storage.create("speed", Event("defined", {"space": list(CONFIG)}))
    who, count, seen, decisions, trials = os.getpid(), 0, 0, 0, 0

    def trial() -> None:
        nonlocal count, seen, decisions, trials
        count += 1
        while True:
            events, mark = storage.read(study, seen)
            seen, decisions = mark.version, mark.decisions
            trials += sum(event.kind == "started" for event in events)
            body = {
                "cause": "new",
                "config": CONFIG,
                "seed": 1,
                "seen": seen,
                "ask": {"number": trials, "move": trials},
            }
            body |= {"method": "random/1", "why": {"text": "uniform draw"}, "took": 0.0001}
            try:
                storage.append(study, [Event("started", body, trials, 1, 1.0)], f"s{who}.{count}", decides=decisions)
                break
            except Stale:
                continue
        ended = {"state": "finished", "step": 1, "values": {"loss": 0.25}, "cost": {"seconds": 0.001}}
        storage.append(study, [Event("ended", ended, trials, 1, 2.0)], f"e{who}.{count}")

    return trial


def optunas(folder: str, kind: str) -> Callable[[], None]:
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage: Any
    if kind == "journal":
        storage = JournalStorage(JournalFileBackend(f"{folder}/journal.log"))
    else:
        storage = RDBStorage(f"sqlite:///{folder}/optuna.db", engine_kwargs={"connect_args": {"timeout": 60}})
    sampler = optuna.samplers.RandomSampler(seed=os.getpid())
    study = optuna.create_study(study_name="speed", storage=storage, sampler=sampler, load_if_exists=True)
    floats = {name: optuna.distributions.FloatDistribution(0, 1) for name in CONFIG}

    def trial() -> None:
        study.tell(study.ask(floats), 0.25)

    return trial


def work(kind: str, folder: str, seconds: float, gate: Any, out: Any) -> None:
    tool, _, how = kind.partition(" ")
    trial = ours(folder, how) if tool == "trimtab" else optunas(folder, how)
    trial()  # loads everything
    gate.wait(60)
    start, times = time.perf_counter(), []
    while (now := time.perf_counter()) - start < seconds:
        trial()
        times.append(time.perf_counter() - now)
    out.send((len(times), time.perf_counter() - start, max(times)))


def measure(kind: str, processes: int, seconds: float) -> tuple[float, float]:
    """(trials a second of all processes together, longest trial in s)."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(processes)
    with tempfile.TemporaryDirectory() as folder:
        if kind == "optuna rdb":
            optunas(folder, "rdb")  # its tables: processes that make them at the same time fail
        pipes = [context.Pipe(duplex=False) for _ in range(processes)]
        children = [context.Process(target=work, args=(kind, folder, seconds, gate, out)) for _, out in pipes]
        for child in children:
            child.start()
        results = [into.recv() for into, _ in pipes]
        for child in children:
            child.join()
    return sum(count / took for count, took, _ in results), max(longest for _, _, longest in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each cell of each round")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4])
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rates: dict[tuple[str, int], list[float]] = {}
    longest: dict[tuple[str, int], list[float]] = {}
    for _ in range(given.rounds):
        for processes in given.processes:
            for kind in KINDS:
                rate, most = measure(kind, processes, given.seconds)
                rates.setdefault((kind, processes), []).append(rate)
                longest.setdefault((kind, processes), []).append(most)
    print(
        f"{given.rounds} rounds of {given.seconds} s, {os.cpu_count()} cores, files in {tempfile.gettempdir()};"
        " medians (range)\n"
    )
    print("| storage | processes | trials/s | longest trial, ms | × optuna journal | × optuna rdb |")
    print("|---|---|---|---|---|---|")
    for processes in given.processes:
        middle = {kind: statistics.median(rates[kind, processes]) for kind in KINDS}
        for kind in KINDS:
            all_ = rates[kind, processes]
            print(
                f"| {kind} | {processes} | {middle[kind]:.0f} ({min(all_):.0f}–{max(all_):.0f})"
                f" | {1000 * max(longest[kind, processes]):.0f}"
                f" | {middle[kind] / middle['optuna journal']:.1f} | {middle[kind] / middle['optuna rdb']:.1f} |"
            )


if __name__ == "__main__":
    main()
