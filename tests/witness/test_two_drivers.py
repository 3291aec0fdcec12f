"""Two drivers at once on one study: every decision and verdict can still be made again from what it had seen."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from trimtab.run.simulated import Simulated
from trimtab.search.random import RandomSearch
from trimtab.space import Float, Int, Space
from trimtab.storage.memory import Memory
from trimtab.study._driver import Driver
from trimtab.study._log import Log

sys.path.insert(0, str(Path(__file__).parent))
from bandit import Bandit
from dynamic import Dynamic, Stub
from hyperband_de import Evolution, Hyperband
from lawful import Case, Contract, all_over, decided_again
from population import Population

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from crashing import new_log

SPACE = Space({"x": Float(-5, 5), "k": Int(1, 9)})


def curve(run: Any) -> Any:
    step = run.source_step
    while True:
        step += 1
        yield 1.0 + 0.1 * run.config["k"], {"loss": (run.config["x"] - 1) ** 2 + 5 * run.config["k"] / step}


PAIRS = {
    "hyperband × evolution": (Evolution(), Hyperband()),
    "population": (RandomSearch(), Population(max=12, ready=3, members=6)),
    "dynamic × chooser": (Stub(), Dynamic(max=5)),
    "bandit × hyperband": (Bandit((RandomSearch(), RandomSearch())), Hyperband()),
}


@pytest.mark.parametrize("pair", sorted(PAIRS))
def test_two_drivers(pair: str) -> None:
    searcher, scheduler = PAIRS[pair]
    case = Case(searcher, scheduler, SPACE, curve, 30)
    storage = Memory()
    study = new_log(storage, SPACE, searcher, scheduler).study
    wrong: list[BaseException] = []
    together = Barrier(2)

    def drive(name: str) -> None:
        try:
            log = Log.open(storage, study)
            plan: Any = Contract(scheduler)
            together.wait(30)
            Driver(log, searcher, plan, Simulated(curve, workers=2), trials=30, driver=name).run()  # type: ignore[arg-type]
        except BaseException as error:
            wrong.append(error)

    threads = [Thread(target=drive, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong, wrong
    assert not any(thread.is_alive() for thread in threads)
    log = Log.open(storage, study)
    all_over(log)
    assert decided_again(case, log) > 5
