"""What a TPE proposal costs: ours, Optuna's, rustuna's. CPU seconds of one process, one thread.

Run: OMP_NUM_THREADS=1 python -m benchmarks.tpe_speed [--large]
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.fixtures import Task as Fixture
from benchmarks.fixtures import drive, ended, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.tpe import TPE
from trimtab.space import Choice, Float, Int, Space

Config = Mapping[str, Any]
FLOATS = Space({f"x{i}": Float(0, 1) for i in range(10)})
MIXED = Space(
    {f"x{i}": Float(0, 1) for i in range(5)}
    | {f"n{i}": Int(1, 20) for i in range(3)}
    | {f"c{i}": Choice(list("abcd")) for i in range(2)}
)


def cost(config: Config) -> float:
    return sum((v - 0.3) ** 2 if not isinstance(v, str) else float(v != "b") for v in config.values())


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def suggest(space: Space, trial: Any) -> dict[str, Any]:
    config = {}
    for name, domain in space.domains.items():
        if isinstance(domain, Float):
            config[name] = trial.suggest_float(name, domain.low, domain.high)
        elif isinstance(domain, Int):
            config[name] = trial.suggest_int(name, domain.low, domain.high)
        else:
            config[name] = trial.suggest_categorical(name, list(domain.labels))
    return config


def peer(study: Any, space: Space, n: int, number: Callable[[Any], Any]) -> float:
    for _ in range(n):
        trial = study.ask()
        study.tell(number(trial), cost(suggest(space, trial)))
    return float(study.best_trial.values[0])


def asks(propose: Callable[[], Any], k: int = 50) -> float:
    propose()
    seconds, _ = cpu(lambda: [propose() for _ in range(k)])
    return seconds / k


def report(name: str, total: float, best: float, ask: float | None = None) -> None:
    print(
        f"  {name:34} {total:8.3f} s   best {best:.4f}" + ("" if ask is None else f"   ask {1000 * ask:7.2f} ms"),
        flush=True,
    )


def ours(space: Space, n: int) -> None:
    task = Fixture("speed", space, cost, 0.0, n)
    total, history = cpu(lambda: drive(TPE(), task))
    number = iter(range(n, n + 1000))

    def one() -> None:
        """A new trial has ended, and the next one is wanted: what an ask costs in a running study."""
        t = next(number)
        (proposal,) = TPE().propose(history, Ask(number=t))
        assert proposal.config is not None
        history.extend([started(t, proposal.config), ended(history, t, cost(proposal.config))])

    report("trimtab TPE, driven by hand", total, float(np.nanmin(history.Y)), asks(one))


def through_study(space: Space, n: int) -> None:
    try:
        import trimtab as tt

        study = tt.Study("speed", space, minimize="loss", searcher="tpe", seed=0)
    except (ImportError, AttributeError) as missing:
        print(f"  trimtab.Study: not there yet ({missing})")
        return

    def one() -> None:
        trial = study.ask()
        study.tell(trial, {"loss": cost(trial.config)})

    total, _ = cpu(lambda: [one() for _ in range(n)])
    report("trimtab Study, ask and tell", total, study.best.value, asks(one))


def peers(space: Space, n: int) -> None:
    try:
        import optuna
        import rustuna
    except ImportError as missing:
        print(f"  peers left out: {missing}")
        return
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    study = rustuna.create_study(sampler=rustuna.samplers.TPESampler(seed=0))
    total, best = cpu(lambda: peer(study, space, n, lambda trial: trial.number))
    report("rustuna TPE", total, best, asks(lambda: peer(study, space, 1, lambda trial: trial.number)))
    for label, settings in (("optuna TPE", {}), ("optuna TPE, multivariate=False", {"multivariate": False})):
        other = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, **settings))
        total, best = cpu(lambda other=other: peer(other, space, n, lambda trial: trial))
        report(label, total, best, asks(lambda other=other: peer(other, space, 1, lambda trial: trial), 10))


def large(n: int) -> None:
    """A study of n trials that are already there."""
    rng = np.random.default_rng(0)
    history = History.empty(FLOATS)
    for t, config in enumerate(FLOATS.decode(FLOATS.sample(rng, n))):
        history.extend([started(t, config), ended(history, t, cost(config))])
    first, _ = cpu(lambda: TPE().propose(history, Ask(number=n)))
    number = iter(range(n, n + 1000))

    def one() -> None:
        t = next(number)
        (proposal,) = TPE().propose(history, Ask(number=t))
        assert proposal.config is not None
        history.extend([started(t, proposal.config), ended(history, t, cost(proposal.config))])

    print(f"  {n:7,} trials: first ask, from a cold log {first:.2f} s; then {1000 * asks(one):.2f} ms an ask")


if __name__ == "__main__":
    for title, space in (("10 floats", FLOATS), ("5 floats, 3 integers, 2 choices", MIXED)):
        print(f"{title}: 1,000 trials in all, then one more trial (ask and tell)")
        ours(space, 1000)
        through_study(space, 1000)
        peers(space, 1000)
    if "--large" in sys.argv:
        print("10 floats, a large study")
        for n in (1_000, 10_000, 100_000):
            large(n)
