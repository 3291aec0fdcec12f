"""How many workers a study can keep busy: the real driver and log, a hundred thousand trials, virtual workers.

Idea    Trials do nothing but take log-normal times, so all that is measured is trimtab: what a decision costs, how many
        events a second the log takes, how much memory a trial needs, and whether a thousand workers ever wait. Each
        line of the table is made in a process of its own, because the peak of memory is a process's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from math import exp
from pathlib import Path
from typing import Any

from trimtab._random import rng_for
from trimtab.errors import TrimtabError
from trimtab.log import JSON
from trimtab.protocol import Run
from trimtab.run.simulated import Simulated

TRIALS = 100_000
FEWER: Mapping[str, int] = {"tpe": 5_000, "gp": 200, "auto": 400}  # searchers whose suggestions cost more than the log
STEPS = 27  # of a trial under a scheduler that judges on the way
SPREAD = 1.0  # standard deviation of the logarithm of a trial's time


@dataclass(frozen=True, slots=True)
class Scale:
    """One line of the table.

    asked        trials that were wanted; `trials` is less for searchers whose suggestions are slow
    utilisation  share of the workers' virtual time that went into trials; the last ones to end keep it down
    steady       the same up to the last start: what is missing there, workers have waited for
    makespan     virtual seconds; a trial takes e^(1/2) = 1.65 of them on average
    events       in the log; decisions: starts, and verdicts at milestones
    seconds      of CPU
    memory       peak of the process in MB; before: what it was before the first trial
    """

    optimizer: str
    workers: int
    asked: int
    trials: int
    utilisation: float
    steady: float
    makespan: float
    events: int
    decisions: int
    seconds: float
    memory: float
    before: float

    @property
    def events_a_second(self) -> float:
        return self.events / self.seconds

    @property
    def decisions_a_second(self) -> float:
        return self.decisions / self.seconds

    def to_json(self) -> dict[str, JSON]:
        rates = {"events_a_second": self.events_a_second, "decisions_a_second": self.decisions_a_second}
        return asdict(self) | {name: round(value, 1) for name, value in rates.items()}


def scale(
    workers: Sequence[int] = (1, 10, 100, 1000), trials: int | None = None, optimizer: str = "random", *, seed: int = 0
) -> Iterator[Scale]:
    """A line for each number of workers, as it is there.

    trials     of each; None: 100,000, and for searchers that cost more a suggestion as many as take some minutes
    optimizer  one of trimtab's: "random", "asha+random", "tpe(startup=20)"
    """
    settings = _settings(optimizer)
    asked = TRIALS if trials is None else trials
    some = min(asked, FEWER.get(settings["searcher"]["method"], asked)) if trials is None else trials
    if not workers or min(workers) < 1 or some < 1:
        raise TrimtabError(f"workers={list(workers)}, trials={some}: whole numbers, at least 1.")
    for n in workers:
        yield replace(_in_a_process(n, some, optimizer, seed), asked=asked)


def _settings(name: str) -> Mapping[str, Any]:
    from trimtab.bench._optimizers import optimizer

    found = optimizer(name)
    if found.package != "trimtab":
        raise TrimtabError(f"{name} is another package's: this measures trimtab's own log and driver.")
    return found.settings


def _in_a_process(*words: JSON) -> Scale:
    done = subprocess.run(
        [sys.executable, "-m", "trimtab.bench.scale", json.dumps(words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
        raise TrimtabError(told[-1])
    return Scale(**json.loads(done.stdout))


def once(workers: int, trials: int, optimizer: str = "random", seed: int = 0) -> Scale:
    """One line, in this process."""
    from trimtab.space import Choice, Float, Int, Space
    from trimtab.storage import Memory
    from trimtab.study import Study

    space = Space({"rate": Float(1e-5, 1e-1, log=True), "width": Int(8, 512), "depth": Int(1, 8), "drop": Float(0, 0.5),
                   "activation": Choice(["relu", "gelu", "tanh"])})  # fmt: skip
    settings = _settings(optimizer)
    scheduler = settings.get("scheduler")
    study = Study(
        "scale", space, minimize="loss", storage=Memory(), seed=seed, searcher=settings["searcher"],
        scheduler=scheduler, max_budget=None if scheduler is None else STEPS,
    )  # fmt: skip
    runner = _Counting(_whole(seed) if scheduler is None else _curve(seed), workers)
    before, begun = peak(), time.process_time()
    objective: Any = None  # a simulation runs no objective
    study.optimize(objective, trials=trials, runner=runner, display=False)
    seconds = time.process_time() - begun
    return Scale(
        optimizer, workers, trials, study.counts["counted"],
        utilisation=_share(runner.busy, workers * runner.time),
        steady=_share(runner.worked, workers * runner.started), makespan=round(runner.time, 2),
        events=study.history.version, decisions=runner.decisions, seconds=round(seconds, 3), memory=peak(),
        before=before,
    )  # fmt: skip


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 1.0


class _Counting(Simulated):
    """Counts what it is told to do, and how long its workers have worked."""

    decisions = 0
    started = worked = 0.0  # when the last trial was started, and the worker seconds up to then
    _sum = _since = 0.0

    def submit(self, run: Run) -> None:
        self.decisions += 1
        self._count()
        self.started, self.worked = self.time, self._sum
        super().submit(run)

    def _end(self, live: Any, body: Mapping[str, Any]) -> None:
        self._count()
        super()._end(live, body)

    def _count(self) -> None:
        self._sum += (self.time - self._since) * len(self._live)
        self._since = self.time

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        self.decisions += 1
        super().send(trial, attempt, message)


def _whole(seed: int) -> Callable[[Run], Generator[Any, Any, float]]:
    """Trials that take a time and return a value."""
    draws = _draws(seed)

    def model(run: Run) -> Generator[Any, Any, float]:
        time_, noise = draws(run.trial)
        yield exp(SPREAD * time_), None
        return _loss(run, noise)

    return model


def _curve(seed: int) -> Callable[[Run], Generator[Any, Any, None]]:
    """Trials of 27 steps that report after each."""
    draws = _draws(seed)

    def model(run: Run) -> Generator[Any, Any, None]:
        time_, noise = draws(run.trial)
        end, a_step, step = _loss(run, noise), exp(SPREAD * time_) / STEPS, run.source_step
        while step < STEPS:
            step += 1
            yield a_step, {"loss": end + 1 / step}

    return model


def _draws(seed: int) -> Callable[[int], tuple[float, float]]:
    """trial -> two normal numbers, drawn a thousand trials at a time: what is measured is not the drawing."""

    @lru_cache(maxsize=64)
    def block(k: int) -> list[tuple[float, float]]:
        return [(a, b) for a, b in rng_for(seed, "scale", k).normal(size=(1000, 2)).tolist()]

    return lambda trial: block(trial // 1000)[trial % 1000]


def _loss(run: Run, noise: float) -> float:
    config = run.config
    return float((config["drop"] - 0.1) ** 2 + abs(config["depth"] - 4) / 8 + 0.01 * noise)


def peak() -> float:
    """The most memory that this process has had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also knows the parent's, up to the start of this program
        return round(int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024, 1)
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


HEAD = ("workers", "utilisation", "steady", "decisions/s", "events/s", "memory", "makespan", "CPU")
WIDTHS = (7, 11, 6, 11, 8, 8, 10, 8)


def head() -> str:
    """The names of the columns."""
    return _row(HEAD)


def line(told: Scale) -> str:
    """One line of the table as text."""
    rates = f"{told.decisions_a_second:,.0f}", f"{told.events_a_second:,.0f}"
    sizes = f"{told.memory:,.0f} MB", f"{told.makespan:,.0f} s", f"{told.seconds:,.1f} s"
    return _row((f"{told.workers:,}", f"{told.utilisation:.1%}", f"{told.steady:.1%}", *rates, *sizes))


def _row(cells: Sequence[str]) -> str:
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def title(told: Scale) -> str:
    """What the table is of, and what was reduced."""
    words = f"{told.optimizer}: {told.asked:,} trials of log-normal times, in memory"
    if told.trials < told.asked:
        words += f"\n(only {told.trials:,}: a suggestion of {told.optimizer} costs more)"
    return words


def table(lines: Sequence[Scale]) -> str:
    """All of it as text."""
    return "\n".join([title(lines[0]), head(), *map(line, lines)])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(once(*json.loads(sys.argv[1])))))
