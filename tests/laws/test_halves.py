"""50 = 25 + 25: a study that is stopped and gone on with in another process has the trials of one that ran through.

With one worker. Full and median decide on what has ended so far, so any border will do. Halving is exact at borders
that complete a bracket (here 9, 18, 27 trials): `trials=` is a total, and at any other border the trials of the last,
unfilled bracket compete among themselves, since for all the scheduler knows no others will come. Their later company
then finds those promotions made. That is meant: whoever stops at 25 gets the best of 25 run to the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trimtab.schedule.halving import Halving
from trimtab.study._study import Study
from trimtab.study.verify import agreed, difference, replayed, verify

ROOT = Path(__file__).parents[2]
SEARCH = ("random", "sobol", "tpe")
SCHEDULE = ("full", "halving", "median")
SCRIPT = """
import sys
from trimtab.space import Choice, Float, Int, Space
from trimtab.study import Study

SPACE = Space({"x": Float(-5, 5), "k": Int(1, 9), "kind": Choice(["a", "b"]), "m": Float(0, 1, when="kind == 'a'")})

def objective(trial):
    for step in trial.steps(9):
        trial.report(loss=(trial["x"] - 1) ** 2 + trial.get("m", 0.5) + trial["k"] / step)

where, totals = sys.argv[1], dict(word.split("=") for word in sys.argv[2:])
for searcher in %r:
    for scheduler, total in totals.items():
        study = Study(f"{searcher} {scheduler}", SPACE, minimize="loss", storage=where, seed=5, searcher=searcher,
                      scheduler=scheduler, max_budget=9)
        study.optimize(objective, trials=int(total), display=False)
        study.close()
""" % (SEARCH,)  # noqa: UP031 - braces abound


def run(where: Path, **totals: int) -> None:
    words = [f"{name}={n}" for name, n in totals.items()]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", SCRIPT, str(where), *words], check=True, env=env)


def story(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, dict(t.config), t.seed, t.state, t.step, dict(t.values), dict(t.tags)) for t in study.trials]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("halves")
    run(folder / "once.db", full=50, halving=54, median=50)
    run(folder / "twice.db", full=25, halving=27, median=25)
    run(folder / "twice.db", full=50, halving=54, median=50)
    return folder / "once.db", folder / "twice.db"


@pytest.mark.parametrize("schedule", SCHEDULE)
@pytest.mark.parametrize("search", SEARCH)
def test_two_halves_are_the_whole(files: tuple[Path, Path], search: str, schedule: str) -> None:
    once, twice = (Study.load(path, f"{search} {schedule}") for path in files)
    assert story(twice) == story(once)
    assert len(once) == (54 if schedule == "halving" else 50)
    for path in files:
        checked = verify(path, f"{search} {schedule}")
        assert checked.ok, checked.first_difference
    once.close()
    twice.close()


def test_a_border_inside_a_bracket_gives_its_trials_the_prize(tmp_path: Path) -> None:
    """25 trials are two brackets of 9 and 7 more, of which the best two go on; random configurations stay the same."""
    run(tmp_path / "a.db", halving=25)
    study = Study.load(tmp_path / "a.db", "random halving")
    last = [t for t in study.trials if t.number >= 18]
    assert sorted(t.step or 0 for t in last) == [1, 1, 1, 1, 1, 3, 3]
    configs = [dict(t.config) for t in study.trials]
    study.close()
    run(tmp_path / "a.db", halving=54)
    study = Study.load(tmp_path / "a.db", "random halving")
    assert [dict(t.config) for t in study.trials][:25] == configs
    assert len(study) == 54
    study.close()


@dataclass(frozen=True)
class Cold:
    """A scheduler that remembers nothing from one decision to the next."""

    inner: Halving
    name: str = "halving"

    def next(self, history: Any, searcher: Any, ask: Any) -> Any:
        history.forget()
        return self.inner.next(history, searcher, ask)


def test_a_bracket_that_lost_trials_goes_on_when_no_new_ones_come() -> None:
    """It is not full any more, so it waits; when it may go on, nothing has happened in it that would tell."""

    def objective(trial: Any) -> None:
        for step in trial.steps():
            trial.report(loss=trial["x"] + 1 / step)

    study = Study("m", {"x": "0.0..1.0"}, minimize="loss", seed=1, searcher="random", scheduler=Halving(max=9))
    study.optimize(objective, trials=12, display=False)
    study.invalidate([0, 3], reason="two of the three that went on")
    study.optimize(objective, trials=14, display=False)
    for made, again in replayed(list(study.log()), scheduler=Cold(Halving(max=9))):  # type: ignore[arg-type]
        assert agreed(made, again), difference(made, again)
