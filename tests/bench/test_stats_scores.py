"""From results to arrays: steps, normalised regret, what is missing, failed or unequal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from trimtab.bench.cell import Cell, Result
from trimtab.bench.report.regret import floor_share, geometric_regret, mean_regret, task_regret, versus_random
from trimtab.bench.report.scores import Scores, gather
from trimtab.bench.task import Goal, Outcome, Task
from trimtab.space import Float, Space


@dataclass(frozen=True)
class Known:
    best: float = 0.0
    reference: float = 1.0
    random: Mapping[float, float] = field(default_factory=dict)

    def at(self, n: float) -> float:
        return self.random.get(n, float("nan"))


def run(
    method: str, task: str, seed: int, *rows: tuple[float, ...], state: str = "done", budget: float = 100.0
) -> Result:
    trace = tuple((row[0], row[0], *row[1:]) for row in rows)
    return Result(Cell(task, method, seed, budget), state, "why" * (state != "done"), trace, spent=budget, at=budget)


def one_goal(sense: str) -> Task:
    space = Space({"x": Float(0, 1)})
    return Task("a/t", space, (Goal("y", sense),), lambda c, b, s: Outcome({"y": 0.0}))  # type: ignore[arg-type]


def test_steps_keep_the_older_value() -> None:
    s = gather([run("m", "a/t", 0, (1, 0.8), (10, 0.2))], lambda _: Known(), budgets=(0.5, 1, 9.999, 10, 100))
    np.testing.assert_array_equal(s.values[0, 0, 0], [np.inf, 0.8, 0.8, 0.2, 0.2])


def test_a_recommendation_may_get_worse() -> None:
    s = gather([run("m", "a/t", 0, (1, 0.2), (10, 0.5))], lambda _: Known(), budgets=(1, 10))
    np.testing.assert_array_equal(s.values[0, 0, 0], [0.2, 0.5])


def test_regret_of_either_sense_and_no_change_under_shift_and_scale() -> None:
    down = [run("m", "a/t", 0, (1, 3.0), (5, 2.0))]
    up = [run("m", "a/t", 0, (1, -3.0), (5, -2.0))]
    far = [run("m", "a/t", 0, (1, 1030.0), (5, 1020.0))]
    want = gather(down, lambda _: Known(1.0, 5.0), budgets=(1, 5)).values
    np.testing.assert_array_equal(want[0, 0, 0], [0.5, 0.25])
    np.testing.assert_array_equal(gather(up, lambda _: Known(-1.0, -5.0), budgets=(1, 5)).values, want)
    np.testing.assert_allclose(gather(far, lambda _: Known(1010.0, 1050.0), budgets=(1, 5)).values, want, rtol=1e-12)


def test_states() -> None:
    results = [
        run("m", "a/t", 0, (1, 0.5), state="crashed"),
        run("m", "a/t", 1, state="timeout"),
        run("m", "a/t", 2, state="refused"),
        run("m", "a/t", 3, state="missing"),
        run("m", "a/t", 4),
    ]
    s = gather(results, lambda _: Known(), budgets=(50,))
    np.testing.assert_array_equal(s.values[0, 0, :, 0], [0.5, np.inf, np.nan, np.nan, np.inf])
    np.testing.assert_array_equal(s.clipped[0, 0, :, 0], [0.5, 1.0, np.nan, np.nan, 1.0])
    assert s.states["m"] == {"crashed": 1, "empty": 1, "missing": 1, "refused": 1, "timeout": 1}
    assert [(t.seed, t.state) for t in s.troubles] == [
        (0, "crashed"),
        (1, "timeout"),
        (2, "refused"),
        (3, "missing"),
        (4, "empty"),
    ]


def test_a_run_that_was_given_less_is_not_run_beyond() -> None:
    s = gather([run("m", "a/t", 0, (1, 0.5), budget=50)], lambda _: Known(), budgets=(50, 100))
    np.testing.assert_array_equal(s.values[0, 0, 0], [0.5, np.nan])
    share = gather(
        [run("m", "a/t", 0, (1, 0.5), (25, 0.1), budget=50)], lambda _: Known(), budgets=(0.49, 0.5), axis="share"
    )
    np.testing.assert_array_equal(share.values[0, 0, 0], [0.5, 0.1])


def test_largest_budget_then_latest_line_and_latest_revision() -> None:
    a = run("m", "a/t", 0, (1, 0.5))
    b = run("m", "a/t", 0, (1, 0.4), budget=50)
    c = run("m", "a/t", 0, (1, 0.3))
    assert gather([a, b], lambda _: Known(), budgets=(1,)).values.item() == 0.5
    assert gather([a, c], lambda _: Known(), budgets=(1,)).values.item() == 0.3
    new = replace(b, cell=replace(b.cell, revision="1/m-2"))
    s = gather([a, new], lambda _: Known(), budgets=(1,))
    assert s.values.item() == 0.4
    assert s.warnings == ("m: 1 result of an older revision is left out.",)


def test_unequal_budgets_are_told() -> None:
    results = [run("m", "a/t", 0, (1, 0.5)), replace(run("n", "a/t", 0, (1, 0.5)), spent=150.0)]
    (said,) = gather(results, lambda _: Known()).warnings
    assert said == "a/t: unequal budgets, n spent 150 evaluations and m 100."


def test_common_tasks() -> None:
    results = [run("m", "a/t", 0, (1, 0.5)), run("n", "a/t", 0, (1, 0.5)), run("m", "a/u", 0, (1, 0.5))]
    results.append(run("n", "a/u", 0, state="refused"))
    s, dropped = gather(results, lambda _: Known()).common()
    assert s.tasks == ("a/t",)
    assert dropped == {"a/u": ["n"]}
    assert s.families() == {"a": ["a/t"]}


@pytest.mark.parametrize(("sense", "best"), [("minimize", 0.2), ("maximize", 0.8)])
def test_without_constants_the_pool_gives_them(sense: str, best: float) -> None:
    results = [run("m", "a/t", 0, (1, 0.5), (3, 0.2)), run("n", "a/t", 0, (1, 0.5), (3, 0.8))]
    s = gather(results, {}, task=lambda _: one_goal(sense))
    assert s.pooled == ("a/t",)
    assert s.norms["a/t"].best == best
    assert any("measured against these very runs" in w for w in s.warnings)


def test_the_best_that_a_task_knows_is_the_best() -> None:
    task = replace(one_goal("minimize"), best=0.0)
    s = gather([run("m", "a/t", 0, (1, 0.5), (3, 0.2))], {}, budgets=(3,), task=lambda _: task)
    assert s.norms["a/t"].best == 0.0
    assert s.values.item() == 0.4


def test_a_task_that_cannot_be_read_is_left_out_by_name() -> None:
    s = gather([run("m", "nowhere/t", 0, (1, 0.5)), run("m", "a/t", 0, (1, 0.5))], {"a/t": Known()})
    assert s.tasks == ("a/t",)
    assert "nowhere/t: left out" in s.warnings[0]


def test_several_goals_are_judged_by_hypervolume() -> None:
    goals = (Goal("f", ideal=0.0, nadir=2.0), Goal("g", "maximize", ideal=10.0, nadir=0.0))
    task = replace(one_goal("minimize"), goals=goals)
    # scaled: (.5, .5) then (.1, .9), below (1.1, 1.1)
    results = [run("m", "a/t", 0, (1, 1.0, 5.0), (4, 0.2, 1.0))]
    s = gather(results, {"a/t": Known(1.0, 0.0)}, budgets=(1, 4), task=lambda _: task)
    np.testing.assert_allclose(s.values[0, 0, 0], [1 - 0.36, 1 - 0.36 - 0.4 * 0.2], rtol=1e-12)


def test_beaten_best_is_told_and_flat_task_is_no_division() -> None:
    s = gather([run("m", "a/t", 0, (1, -0.5))], lambda _: Known())
    assert "a/t: the best known value was beaten by 0.5 of the way" in s.warnings[0]
    s = gather([run("m", "a/t", 0, (1, 2.0), (2, 1.0))], lambda _: Known(1.0, 1.0), budgets=(1, 2))
    np.testing.assert_array_equal(s.values[0, 0, 0], [1.0, 0.0])


def hand() -> Scores:
    """2 methods x 2 tasks x 2 seeds with numbers to check by hand."""
    rows = {"m": ((0.5, 0.1), (0.3, 0.3)), "n": ((0.2, 0.4), (2.0, 0.01))}
    results = [run(m, f"a/{t}", s, (1, rows[m][t][s])) for m in rows for t in (0, 1) for s in (0, 1)]
    return gather(results, lambda _: Known(0.0, 1.0, {10: 0.5}), budgets=(10,))


def test_hand_table() -> None:
    s = hand()
    np.testing.assert_allclose(task_regret(s)[..., 0], [[0.3, 0.3], [0.3, 0.505]])
    np.testing.assert_allclose(mean_regret(s, reps=0).values[:, 0], [0.3, 0.4025])
    want = [(0.5 * 0.1 * 0.3 * 0.3) ** 0.25, (0.2 * 0.4 * 1.0 * 0.01) ** 0.25]
    np.testing.assert_allclose(geometric_regret(s, reps=0).values[:, 0], want)
    np.testing.assert_allclose(floor_share(s, 0.01)[:, 0], [0.0, 0.25])
    np.testing.assert_allclose(versus_random(s, reps=0).values[:, 0], [0.6, 0.6])  # (.3 + .3)/2 and (.2 + .4)/2 over .5


def test_another_method_changes_no_older_number() -> None:
    few = hand()
    more = gather([run("m", "a/0", 0, (1, 0.5)), run("z", "a/0", 0, (1, -9.0))], lambda _: Known())
    assert more.values[0, 0, 0, 0] == few.values[0, 0, 0, 0]


def test_other_grids_and_fewer_methods() -> None:
    s = gather([run(m, "a/t", 0, (1, 0.8), (10, v)) for m, v in (("m", 0.2), ("n", 0.1))], lambda _: Known())
    assert s.on((5, 10)).values[:, 0, 0].tolist() == [[0.8, 0.2], [0.8, 0.1]]
    part = s.only(["n"]).on((10,))
    assert part.values.ravel().tolist() == [0.1]
    assert list(part.curves) == [(0, 0, 0)]
