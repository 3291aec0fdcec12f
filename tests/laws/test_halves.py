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
from pathlib import Path
from typing import Any

import pytest

from trimtab.study._study import Study
from trimtab.study.verify import verify

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
