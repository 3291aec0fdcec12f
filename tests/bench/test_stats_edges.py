"""Every statistic on the benches that there are before there is a good one: nothing run, one run, nothing in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trimtab.bench.cell import Cell, Result
from trimtab.bench.report import anytime, compare, friedman, iqm, ranks, regret, runtime
from trimtab.bench.report.scores import Scores, gather


class Unit:
    best, reference = 0.0, 1.0

    def at(self, n: float) -> float:
        return 1 / (n + 1)


def run(method: str, task: str, seed: int, *values: float, state: str = "done", budget: float = 100.0) -> Result:
    trace = tuple((float(i + 1), float(i + 1), v) for i, v in enumerate(values))
    return Result(Cell(task, method, seed, budget), state, "", trace, spent=budget, at=budget)


THREE, DOZEN = range(3), [f"a/{t}" for t in range(12)]
BENCHES: dict[str, list[Result]] = {
    "nothing": [],
    "one run": [run("m", "a/t", 0, 0.5)],
    "one is missing": [run("m", "a/t", 0, 0.5), run("n", "a/t", 0, state="missing")],
    "all crashed": [run(m, "a/t", s, *v, state="crashed") for m, v in (("m", ()), ("n", (0.2,))) for s in THREE],
    "nothing in common": [run(m, t, s, 0.5) for m, t in (("m", "a/t"), ("n", "a/u")) for s in THREE],
    "other budgets": [run(m, "a/t", s, 0.5, budget=b) for m, b in (("m", 50.0), ("n", 100.0)) for s in THREE],
    "fewer seeds": [run(m, t, s, 0.5 / (s + 1)) for m, n in (("m", 3), ("n", 7)) for t in DOZEN for s in range(n)],
    "all tied": [run(m, t, s, 0.5) for m in "mno" for t in DOZEN for s in THREE],
    "solved": [run(m, t, s, 0.5, 0.0) for m in "mno" for t in DOZEN for s in THREE],
}
STATISTICS: list[Callable[[Scores], Any]] = [
    regret.mean_regret,
    regret.geometric_regret,
    regret.versus_random,
    regret.task_regret,
    regret.floor_share,
    ranks.mean_rank,
    ranks.task_ranks,
    iqm.iqm,
    iqm.optimality_gap,
    iqm.chances,
    runtime.solved,
    runtime.ecdf,
    runtime.ert_table,
    anytime.anytime,
    anytime.time_to,
    friedman.critical,
]


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda f: f.__name__)
def test_every_statistic_takes_every_bench(bench: str, statistic: Callable[[Scores], Any]) -> None:
    scores = gather(BENCHES[bench], lambda _: Unit())
    for grid in (scores, scores.on(np.geomspace(1, 100, 5))):
        found = statistic(grid)
        if hasattr(found, "to_json"):
            assert json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("bench", [name for name in BENCHES if name not in ("nothing", "one run")])
def test_verdicts_of_every_bench(bench: str) -> None:
    scores = gather(BENCHES[bench], lambda _: Unit())
    for found in compare.verdicts(scores, "m"):
        assert found.word in ("better", "worse", "can't tell")
        assert "nan" not in found.line()
    anytime.band(scores, "m", "n", reps=20)


@pytest.mark.parametrize("seed", range(3))
def test_order_of_results_is_irrelevant(seed: int) -> None:
    rng = np.random.default_rng(seed)
    every = [run(m, t, s, *np.sort(rng.uniform(size=4))[::-1].tolist()) for m in "mn" for t in DOZEN for s in THREE]
    one, two = (gather(order, lambda _: Unit()) for order in (every, [every[i] for i in rng.permutation(len(every))]))
    assert one.methods == two.methods == ("m", "n")
    assert compare.verdict(one, "m", "n", reps=300) == compare.verdict(two, "m", "n", reps=300)
    np.testing.assert_array_equal(iqm.iqm(one, reps=300).lo, iqm.iqm(two, reps=300).lo)


def test_an_older_revision_is_left_out_whatever_the_order_of_files() -> None:
    from trimtab.bench.report._sift import latest

    old, new = (Result(Cell("a/b", "asha+tpe", 0, 5, 1, f"1/asha.2,tpe.{n}"), "done") for n in (9, 10))
    for each in ([old, new], [new, old]):
        assert latest(each) == ([new], ["asha+tpe: 1 result of an older revision is left out."])
