"""Trials a second in virtual time: the real driver, ledger and log on simulated workers. CPU time, one thread.

python benchmarks/simulated_speed.py [--trials 5000]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Generator, Mapping
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trimtab.protocol import Run
from trimtab.run.simulated import Simulated
from trimtab.space import Float, Space
from trimtab.study import Study

SPACE = Space({"x": Float(-5, 5), "y": Float(0, 1)})


def once(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, float]:
    """A trial without steps: it takes a while and returns a value."""
    yield 1.0 + run.config["y"], {"loss": (run.config["x"] - 1) ** 2}
    return float((run.config["x"] - 1) ** 2)


def curve(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
    """A trial of many steps."""
    step = run.source_step
    while True:
        step += 1
        yield 1.0 + run.config["y"], {"loss": (run.config["x"] - 1) ** 2 + 5 / step}


def measured(trials: int, workers: int, model: Any, **study: Any) -> None:
    made = Study("simulated", SPACE, minimize="loss", searcher="random", seed=0, **study)
    runner = Simulated(model, workers=workers)
    begun = time.process_time()
    made.optimize(None, trials=trials, runner=runner, display=False)  # type: ignore[arg-type]
    took = time.process_time() - begun
    starts = made.history.version
    name = f"{study.get('scheduler', 'full')} × {workers} workers"
    print(
        f"  {name:24} {trials / took:8,.0f} trials/s   {starts / took:8,.0f} events/s   "
        f"utilisation {runner.busy / (runner.time * workers):.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=5000)
    trials = parser.parse_args().trials
    print(f"{trials:,} trials, random search, in memory")
    for workers in (1, 8, 100):
        measured(trials, workers, once)
    for workers in (8, 100):
        measured(trials, workers, curve, scheduler="halving", max_budget=27)
    measured(trials, 8, curve, scheduler="median", max_budget=9)


if __name__ == "__main__":
    main()
