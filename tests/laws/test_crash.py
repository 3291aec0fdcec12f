"""Law 4 with one worker: killed at any append or submit and started again, a study ends with the same trials."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from trimtab.protocol import Run
from trimtab.schedule.asha import ASHA
from trimtab.schedule.full import Full
from trimtab.schedule.halving import Halving
from trimtab.schedule.median import Median
from trimtab.search._registry import searcher
from trimtab.space import Choice, Float, Int, Space

sys.path.insert(0, str(Path(__file__).parent))
from crashing import Fuse, run_to_end, story

SPACE = Space(
    {
        "x": Float(-5, 5),
        "k": Int(1, 9),
        "kind": Choice(["a", "b"]),
        "m": Float(0, 1, when="kind == 'a'"),
    }
)


def curve(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
    """A learning curve that a configuration and a step decide."""
    x, k = run.config["x"], run.config["k"]
    step = run.source_step
    while True:
        step += 1
        yield 1.0 + 0.1 * k, {"loss": (x - 1) ** 2 + run.config.get("m", 0.5) + 5 * k / step}


SCHEDULERS = {
    "full": Full(max=3),
    "halving": Halving(max=9),
    "median": Median(max=6, min_trials=3),
    "asha": ASHA(max=9),
    "asha that promotes": ASHA(max=9, type="promotion", brackets=2),
}


CASES = [
    pytest.param(
        schedule, name, after, marks=[pytest.mark.slow] * ("asha" in schedule and (name == "tpe" or not after))
    )
    for schedule in sorted(SCHEDULERS)
    for name in ("random", "tpe")
    for after in (True, False)
]


@pytest.mark.parametrize(("schedule", "name", "after"), CASES)
def test_killed_anywhere_ends_the_same(schedule: str, name: str, after: bool) -> None:
    """At each act of a study, `after` it or before."""
    method = searcher(name, startup=4) if name == "tpe" else searcher(name)
    trials = 12 if schedule in ("halving", "asha that promotes") else 10
    fuse = Fuse()
    undisturbed = story(run_to_end(SPACE, method, SCHEDULERS[schedule], curve, trials=trials, fuse=fuse))
    assert len(undisturbed) == trials
    acts = fuse.count
    assert acts > 3 * trials
    for at in range(1, acts + 1):
        told = story(run_to_end(SPACE, method, SCHEDULERS[schedule], curve, trials=trials, fuse=Fuse(at, after)))
        assert told == undisturbed, f"killed at act {at} of {acts}"
