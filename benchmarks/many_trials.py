"""Every searcher in a study of many trials: what an ask takes, first from a log opened anew, then in a running study.

Of those that go from generation to generation the log is their own; of the others the last TAIL trials are, and what
was before them are random draws. Then:

- first   CPU seconds of the first ask ever, on a fresh History of somebody else's trials: folds, fits from nothing
- opened  CPU seconds of the first ask on a fresh History of the searcher's own log
- next    CPU milliseconds of the next NEXT asks, each after another trial has ended: the median and the slowest
- keeps   megabytes that the searcher holds after an ask (folds, memos), beside the history's own columns
- needs   megabytes at the peak of that ask

Run: OMP_NUM_THREADS=1 python -m benchmarks.many_trials [searcher …] [--trials 10000] [--spaces floats,branches]
It ends with exit code 1 when an ask took longer than --limit seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask, Need, Searcher
from trimtab.search import searcher
from trimtab.search._registry import SEARCHERS
from trimtab.space import Choice, Float, Int, Space

NEXT = 20
TAIL = 20
OWN = ("cmaes", "cem", "de", "ga-", "vlga", "nsga")  # whose log is all their own
SEVERAL = ("gp", "tpe", "auto", "nsga2", "nsga3")  # measured on two objectives, too
SPACES = {
    "floats": Space({f"x{i}": Float(0, 1) for i in range(10)}),
    "branches": Space(
        {"kind": Choice(["svm", "forest", "net"]), "seedlings": Int(1, 20), "scale": Float(1e-3, 1e3, log=True)}
        | {name: Float(0, 1, when="kind == 'svm'") for name in ("c", "gamma")}
        | {"depth": Int(2, 30, when="kind == 'forest'"), "leaf": Float(0, 0.5, when="kind == 'forest'")}
        | {"rate": Float(1e-6, 1, log=True, when="kind == 'net'"), "layers": Int(1, 8, when="kind == 'net'")}
        | {"act": Choice(["relu", "tanh", "gelu"], when="kind == 'net'")}
    ),
}
Config = Mapping[str, Any]


def cost(config: Config, m: int) -> list[float]:
    """A bowl with its lowest point elsewhere for each objective; labels count, too."""
    numbers = np.array([v if isinstance(v, float) else hash_of(v) for v in config.values()])
    u = numbers / (1.0 + np.abs(numbers))
    return [float(((u - 0.3 * (j + 1)) ** 2).sum() + 0.01 * np.sin(40 * u[0])) for j in range(m)]


def hash_of(value: Any) -> float:
    return float(value) / 10 if isinstance(value, int) else (sum(map(ord, str(value))) % 7) / 7


class Log:
    """A study's log as it grows, and a history that reads it."""

    def __init__(self, method: Searcher, space: Space, objectives: int) -> None:
        self.method, self.space, self.m = method, space, objectives
        self.history, self.events, self.number = self.opened(), list[Event](), 0

    def opened(self) -> History:
        return History.empty(self.space, [f"y{j}" for j in range(self.m)])

    def tell(self, config: Config, note: Config) -> None:
        t, self.number = self.number, self.number + 1
        both = [started(t, config, note), ended(self.history, t, cost(config, self.m))]
        self.events += both
        self.history.extend(both)

    def ask(self, history: History) -> tuple[Config, Config]:
        found = self.method.propose(history, Ask(number=self.number, move=self.number))
        assert not isinstance(found, Need)
        (proposal,) = found
        assert proposal.config is not None
        return proposal.config, proposal.note

    def draw(self, trials: int) -> None:
        for config in self.space.decode(self.space.sample(np.random.default_rng(0), trials)):
            self.tell(config, {})

    def search(self, trials: int) -> None:
        for _ in range(trials):
            self.tell(*self.ask(self.history))

    def again(self) -> History:
        """The same log, read anew."""
        return self.opened().extend(self.events)


def cpu() -> float:
    return time.process_time()


def measure(name: str, space: Space, trials: int, objectives: int, memory: bool) -> dict[str, float] | None:
    method = searcher(name)
    if not space.traits | ({"objectives"} if objectives > 1 else set()) <= method.takes:
        return None
    log = Log(method, space, objectives)
    log.draw(trials)
    told = {"first": opened(log)}
    if name.startswith(OWN):
        log = Log(method, space, objectives)
        log.search(trials)
    else:
        log.search(TAIL)
    told["opened"] = opened(log)
    cold = log.history
    later = []
    for _ in range(NEXT):
        start = cpu()
        found = log.ask(cold)
        later.append(cpu() - start)
        log.tell(*found)
    told |= {"next": float(np.median(later)), "slowest": max(later)}
    if memory:
        told |= megabytes(log)
    return told


def opened(log: Log) -> float:
    """The seconds of an ask on a fresh history, which the log goes on with."""
    log.history = log.again()
    start = cpu()
    log.ask(log.history)
    return cpu() - start


def megabytes(log: Log) -> dict[str, float]:
    cold = log.again()
    _ = cold.X  # the columns are the history's, whoever searches
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    log.ask(cold)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"keeps": (after - before) / 1e6, "needs": (peak - before) / 1e6}


def report(names: Sequence[str], spaces: Sequence[str], trials: int, memory: bool) -> float:
    """Print a line for each; the longest ask, in seconds."""
    longest = 0.0
    print(f"{trials:,} trials; CPU time, one thread", flush=True)
    heads = ("first s", "opened s", "next ms", "slowest", "keeps MB", "needs MB")
    print(f"{'':18}{'space':>14}" + "".join(f"{head:>10}" for head in heads))
    for name in names:
        for space in spaces:
            for m in (1, 2) if name in SEVERAL else (1,):
                told = measure(name, SPACES[space], trials, m, memory)
                if told is None:
                    continue
                longest = max(longest, told["first"], told["opened"], told["slowest"])
                line = f"{name:18}{space + (f' × {m}' if m > 1 else ''):>14}{told['first']:10.3f}{told['opened']:10.3f}"
                line += f"{1e3 * told['next']:10.2f}{1e3 * told['slowest']:10.1f}"
                print(line + (f"{told['keeps']:10.1f}{told['needs']:10.1f}" if memory else ""), flush=True)
    return longest


def main() -> None:
    parser = argparse.ArgumentParser(description="What an ask takes in a study of many trials.")
    parser.add_argument("searchers", nargs="*", default=[n for n in SEARCHERS if n != "grid"])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--spaces", default=",".join(SPACES))
    parser.add_argument("--limit", type=float, default=1.0, help="seconds an ask may take")
    parser.add_argument("--no-memory", action="store_true", help="don't measure memory")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    longest = report(args.searchers, args.spaces.split(","), args.trials, not args.no_memory)
    print(f"the longest ask took {longest:.2f} s; the limit is {args.limit:g} s")
    sys.exit(longest > args.limit)


if __name__ == "__main__":
    main()
