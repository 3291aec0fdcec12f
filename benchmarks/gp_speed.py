"""What a Gaussian-process proposal costs: ours, and Optuna's GPSampler. CPU milliseconds of one process, one thread.

An ask is timed as it comes in a running study: a trial has just ended, the next one is wanted. Both methods get the
same trials of the same 8-d function, in turns, so that a busy machine disturbs both alike. The ratio's interval is a
90 % bootstrap interval over the rounds.

Run: OMP_NUM_THREADS=1 python -m benchmarks.gp_speed [rounds]
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.gp import GP
from trimtab.space import Float, Space

SPACE = Space({f"x{i}": Float(0, 1) for i in range(8)})
BURST = 10  # asks a round: from 100 to 110 trials, which is one fit of ours and ten of Optuna's
Config = Mapping[str, Any]


def cost(config: Config) -> float:
    """A bowl with ripples."""
    x = np.array(list(config.values()))
    return float(((x - 0.3) ** 2 * np.arange(1, 9)).sum() + math.sin(9 * x[0]) * math.cos(5 * x[1]))


class Ours:
    name = "trimtab GP"

    def __init__(self, n: int) -> None:
        rng = np.random.default_rng(n)
        self.history, self.method, self.number = History.empty(SPACE), GP(), 0
        for config in SPACE.decode(SPACE.sample(rng, n)):
            self.tell(config, {})
        self.ask_and_tell()  # the first fit, from nothing

    def ask_and_tell(self) -> None:
        (proposal,) = self.method.propose(self.history, Ask(number=self.number))
        assert proposal.config is not None
        self.tell(proposal.config, proposal.note)

    def tell(self, config: Config, note: Config) -> None:
        t, self.number = self.number, self.number + 1
        self.history.extend([started(t, config, note), ended(self.history, t, cost(config))])


class Optuna:
    name = "optuna GPSampler"

    def __init__(self, n: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        rng = np.random.default_rng(n)
        self.study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=0))
        domains = {name: optuna.distributions.FloatDistribution(0, 1) for name in SPACE.names}
        for config in SPACE.decode(SPACE.sample(rng, n)):
            self.study.add_trial(optuna.trial.create_trial(params=config, distributions=domains, value=cost(config)))
        self.ask_and_tell()

    def ask_and_tell(self) -> None:
        trial = self.study.ask()
        self.study.tell(trial, cost({name: trial.suggest_float(name, 0, 1) for name in SPACE.names}))


def burst(act: Callable[[], None]) -> float:
    """CPU milliseconds an ask."""
    start = time.process_time()
    for _ in range(BURST):
        act()
    return 1000 * (time.process_time() - start) / BURST


def against_optuna(rounds: int, n: int = 100) -> None:
    mine, theirs = [], []
    for _ in range(rounds):
        ours, other = Ours(n), Optuna(n)
        mine.append(burst(ours.ask_and_tell))
        theirs.append(burst(other.ask_and_tell))
    ratio = np.array(theirs) / np.array(mine)
    rng = np.random.default_rng(0)
    means = [np.median(rng.choice(ratio, len(ratio))) for _ in range(2000)]
    low, high = np.percentile(means, [5, 95])
    print(f"one ask at {n} to {n + BURST} trials of 8 floats, medians of {rounds} rounds of {BURST}")
    print(f"  {Ours.name:18} {np.median(mine):8.1f} ms")
    print(
        f"  {Optuna.name:18} {np.median(theirs):8.1f} ms   {np.median(ratio):.1f} times ours ({low:.1f} to {high:.1f})"
    )


def by_size(rounds: int = 3) -> None:
    print("one ask of ours by the number of trials, 8 floats: the first from a log without fits, then the next ones")
    for n in (20, 100, 300, 1000, 3000):
        first, later = [], []
        for _ in range(rounds):
            start = time.process_time()
            ours = Ours(n)
            first.append(time.process_time() - start)
            later.append(burst(ours.ask_and_tell))
        print(
            f"  {n:5,} trials   first {1000 * np.median(first):8.1f} ms   next {np.median(later):7.1f} ms", flush=True
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    try:
        against_optuna(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    except ImportError as missing:
        print(f"Optuna's GPSampler left out: {missing}")
    by_size()
