"""What a trial costs besides its objective: milliseconds of wall time per trivial trial, by runner.

OMP_NUM_THREADS=1 python benchmarks/runner_speed.py
"""

from __future__ import annotations

import math
import tempfile
import time
from typing import Any

from trimtab.protocol import Run
from trimtab.run.command import Command
from trimtab.run.inline import Inline
from trimtab.run.processes import Processes
from trimtab.space import Float, Space


def objective(trial: Any) -> float:
    for _ in trial.steps(STEPS):
        trial.report(loss=1.0)
    return float(trial["x"]) ** 2


def per_trial(runner: Any, trials: int) -> float:
    """Seconds per trial, all places kept full; the first trials (starting processes) are not counted."""
    submitted = ended = 0
    warm, started = runner.free() * 5, 0.0
    while ended < trials + warm:
        while runner.free() and submitted < trials + warm:
            runner.submit(
                Run(trial=submitted, attempt=1, config={"x": 0.5}, seed=1, until=math.inf, budget=STEPS or None)
            )
            submitted += 1
        ended += sum(event.kind == "ended" for event in runner.collect(1.0))
        if not started and ended >= warm:
            started, counted = time.perf_counter(), ended
    return (time.perf_counter() - started) / (ended - counted)


STEPS = 0  # of the objective; set below
if __name__ == "__main__":
    print(f"{'runner':<28}{'steps':>6}{'trials':>8}{'ms per trial':>14}")
    for STEPS, trials in [(0, 2000), (10, 1000), (100, 300)]:
        rows = [("inline", Inline(objective))]
        with tempfile.TemporaryDirectory() as folder:
            rows.append(("processes, 2 workers", Processes(objective, workers=2)))
            rows.append(("… and output files", Processes(objective, workers=2, folder=folder)))
            for name, runner in rows:
                print(f"{name:<28}{STEPS:>6}{trials:>8}{1e3 * per_trial(runner, trials):>14.3f}", flush=True)
                runner.close()
    command = Command(["/bin/true"], Space({"x": Float(0, 1)}), workers=2)
    print(f"{'command, /bin/true':<28}{0:>6}{100:>8}{1e3 * per_trial(command, 100):>14.3f}")
    command.close()
