"""Law 4 with real kill -9: on workers, on the parent, and on one of two parents that share a file.

python tests/laws/test_kills.py --rounds 200     prints a line a kind of kill, and one for all
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.protocol import Run
from trimtab.run._recorder import Recorder
from trimtab.run.trial import Trial, execute

sys.path.insert(0, str(Path(__file__).parent))
from killing import Plan, check, disturb, story

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers in /proc")
HOWS = ("workers", "parent", "one of two")
SEARCH = ("random", "tpe")
SCHEDULE = ("halving", "full", "median")


def plan_of(i: int) -> Plan:
    how = HOWS[i % 3]
    workers = 2 if how == "workers" else 1 + (i // 3) % 2
    return Plan(SEARCH[i // 6 % 2], SCHEDULE[i // 3 % 3], seed=i, workers=workers)


def one_round(i: int, folder: Path) -> Counter[str]:
    plan = plan_of(i)
    killed = disturb(plan, folder, HOWS[i % 3], random.Random(i))
    return check(plan, folder) + Counter(killed=killed)


@pytest.mark.parametrize("i", range(6))
def test_killed(i: int, tmp_path: Path) -> None:
    one_round(i, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("i", range(6, 206))
def test_killed_often(i: int, tmp_path: Path) -> None:
    one_round(i, tmp_path)


@pytest.mark.parametrize("schedule", ["halving"])
def test_killed_with_one_worker_ends_as_if_nothing_had_happened(schedule: str, tmp_path: Path) -> None:
    """A multi-step objective with checkpoints, killed half-way and run again: the same trials, bit for bit."""
    plan = Plan("tpe", schedule, seed=11, trials=18, workers=1)
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    plan.finish(tmp_path / "undisturbed")
    assert disturb(plan, tmp_path / "killed", "parent", random.Random(2)) > 0
    check(plan, tmp_path / "killed")
    assert story(tmp_path / "killed") == story(tmp_path / "undisturbed")


def test_killed_between_the_last_report_and_the_end() -> None:
    """The next attempt finds the checkpoint of the last step: nothing is left to report, and that is no failure."""

    def objective(trial: Trial) -> None:
        for step in trial.steps():
            trial.report(loss=1.0 / step)

    run = Run(0, 2, {}, seed=1, until=math.inf, budget=9, source="/nowhere/9", source_step=9)
    body = execute(objective, Trial(run, Recorder()))
    assert (body["state"], body["step"], body["returned"]) == ("finished", 9, None)
    assert execute(objective, Trial(replace(run, budget=0.5, source_step=0), Recorder()))["state"] == "failed"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=12)
    words.add_argument("--first", type=int, default=0)
    told = words.parse_args()
    begun, by = time.monotonic(), {how: Counter[str]() for how in HOWS}
    failed = 0
    for i in range(told.first, told.first + told.rounds):
        with tempfile.TemporaryDirectory() as folder:
            try:
                by[HOWS[i % 3]] += one_round(i, Path(folder)) + Counter(rounds=1)
            except AssertionError as error:
                failed += 1
                print(f"round {i} ({HOWS[i % 3]}, {plan_of(i)}): {error}", flush=True)
    for how, counts in by.items():
        words_ = ", ".join(
            f"{counts[k]} {k}" for k in ("rounds", "killed", "lost", "retries", "acknowledged", "finished")
        )
        print(f"{how:<12} {words_}")
    everything = sum(by.values(), Counter[str]())
    print(
        f"{told.rounds} rounds, {everything['killed']} kill -9, {everything['acknowledged']} acknowledged events, "
        f"0 lost, {failed} rounds failed; {time.monotonic() - begun:.0f} s"
        if not failed
        else f"{failed} of {told.rounds} rounds failed; {time.monotonic() - begun:.0f} s"
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
