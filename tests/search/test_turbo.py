"""The trust-region searcher: its region follows from the log, it searches in it, and finds things in many columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.fixtures import BRANIN_CON, HARTMANN6, Task, drive, ended, regret, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.protocol import Ask, Proposal
from trimtab.search.random import RandomSearch
from trimtab.search.turbo import Turbo
from trimtab.search.turbo._region import Region, Rules
from trimtab.space import Choice, Float, Int, Space

FOUR = Space({f"x{i}": Float(0, 1) for i in range(4)})
SMALL = Turbo(startup=4, candidates=64, starts=2)
SCRIPT = Rules(startup=3, first=0.8, least=2.0**-7, most=1.6, wins=3, losses=4)
H6_IN_20 = replace(
    HARTMANN6,
    name="F6 hartmann6 in 20 columns",
    space=Space({f"x{i}": Float(0, 1) for i in range(20)}),
    trials=80,
)


def scripted(outcomes: str, rules: Rules = SCRIPT, numbers: Any = None) -> Region:
    """S: better than all before; F: worse; first three trials of 10, 11, 12 give a spread of 1."""
    history, best, region = History.empty(FOUR), 10.0, 0
    values = [10.0, 11.0, 12.0]
    for letter in outcomes:
        best -= letter == "S"
        values.append(best if letter == "S" else 20.0)
    for number, value in enumerate(values):
        config = FOUR.sample_config(np.random.default_rng(number))
        history.extend([started(number, config, {"turbo": region}), ended(history, number, value)])
    return history.fold("region", lambda: Region(rules), Region.step)


# ── the region ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcomes", "side"),
    [("", 0.8), ("SS", 0.8), ("SSS", 1.6), ("SSSSSS", 1.6), ("SSSFFF", 1.6), ("SSSFFFF", 0.8), ("FFFSFFF", 0.8)],
)
def test_sides_follow_successes_and_failures(outcomes: str, side: float) -> None:
    assert scripted(outcomes).side == side


def test_a_region_that_has_become_too_small_is_given_up() -> None:
    small = replace(SCRIPT, least=0.3)
    kept, left = scripted("F" * 4, small), scripted("F" * 8, small)
    assert (kept.number, kept.side) == (0, 0.4)
    assert (left.number, left.spread, left.members) == (1, None, set())
    assert scripted("F" * 9, small).members == set()  # proposed for the region that is no more
    history = History.empty(FOUR)
    assert Region(small).step(Event("defined", {}), history).number == 0


def test_a_little_better_is_no_success() -> None:
    history = History.empty(FOUR)
    rng = np.random.default_rng(0)
    for number, value in enumerate([10, 11, 12, 9.9999, 9.9998, 9.9997, 9.9996]):
        history.extend([started(number, FOUR.sample_config(rng)), ended(history, number, 1e9 + value)])
    region = history.fold("region", lambda: Region(SCRIPT), Region.step)
    assert region.side == 0.4
    assert region.best == (0.0, 1e9 + 9.9996)


def test_a_failed_trial_is_a_failure_and_one_that_violates_less_a_success() -> None:
    history = History.empty(FOUR, constraints=["c <= 0"])
    rng = np.random.default_rng(0)
    outcomes = [(1, 5), (2, 4), (3, 6), (9, 3), (9, 2), (None, 1), (9, 1), (9, 0.5), (9, 0)]
    for number, (value, limit) in enumerate(outcomes):
        history.extend([started(number, FOUR.sample_config(rng)), ended(history, number, value, [limit])])
    region = history.fold("region", lambda: Region(SCRIPT), Region.step)
    assert region.side == 1.6  # two successes, a failure, three successes
    assert region.best == (0.0, 9.0)


def test_a_paused_trial_fails_once() -> None:
    history = History.empty(FOUR)
    rng = np.random.default_rng(0)
    for number, value in enumerate([10, 11, 12, 20]):
        history.extend([started(number, FOUR.sample_config(rng)), ended(history, number, value)])
    paused = {"state": "paused", "values": {"y0": 1.0}}
    history.extend([started(4, FOUR.sample_config(rng)), Event("ended", paused, 4, 1), Event("ended", paused, 4, 2)])
    region = history.fold("region", lambda: Region(SCRIPT), Region.step)
    assert (region.lost, region.best[1]) == (2, 10.0)


# ── what it proposes ─────────────────────────────────────────────────────────────────────────────────────────────


def filled(space: Space, n: int, **more: Any) -> History:
    history, rng = History.empty(space, **more), np.random.default_rng(0)
    for number in range(n):
        config = space.sample_config(rng)
        cost = sum((v - 0.3) ** 2 for v in config.values() if isinstance(v, float))
        history.extend([started(number, config), ended(history, number, cost)])
    return history


def asked(history: History, n: int, turbo: Turbo = SMALL) -> list[Proposal]:
    return list(turbo.propose(history, Ask(number=len(history), n=n)))


def test_proposals_stay_in_the_box_and_differ() -> None:
    history = filled(FOUR, 12)
    narrow = replace(SMALL, first=0.1, least=0.01, losses=99)
    proposals = asked(history, 4, narrow)
    X = FOUR.encode([p.config or {} for p in proposals])
    best = history.X[int(np.argmin(history.Y[:, 0]))]
    assert np.abs(X - best).max() < 0.05 * 4  # a side is at most four times the typical one
    sides = [float(p.why["side"]) for p in proposals]
    assert sides == [0.1] * 4
    assert len({row.tobytes() for row in X}) == 4
    assert all(p.note["turbo"] == 0 for p in proposals)


def test_few_choices_change_at_once() -> None:
    space = Space({f"c{i}": Choice(list("abc")) for i in range(10)} | {"x": Float(0, 1)})
    history = filled(space, 12)
    narrow = replace(SMALL, first=0.2, least=0.01, losses=99)
    choices = history.X[:, [j for j, c in enumerate(space.columns) if c.kind == "choice"]]
    for proposal in asked(history, 4, narrow):
        codes = space.encode([proposal.config or {}])[:, [j for j, c in enumerate(space.columns) if c.kind == "choice"]]
        assert (choices != codes).sum(axis=1).min() <= 2


def test_whole_numbers_keep_a_step_either_way() -> None:
    space = Space({f"n{i}": Int(0, 3) for i in range(3)} | {"x": Float(0, 1)})
    history = filled(space, 12)
    tried = {tuple(history.config(t).values()) for t in range(12)}
    narrow = replace(SMALL, first=0.01, least=0.001, losses=99)
    got = [tuple((p.config or {}).values()) for p in asked(history, 6, narrow)]
    assert not set(got) & tried
    assert len({c[:3] for c in got}) > 1


def test_several_objectives_are_refused_and_settings_checked() -> None:
    assert "objectives" not in Turbo.takes
    with pytest.raises(ValueError, match="wins must be at least 1"):
        Turbo(wins=0)
    with pytest.raises(ValueError, match="least <= first <= widest"):
        Turbo(first=2.0)


def test_after_a_restart_the_design_is_even_again() -> None:
    history = History.empty(FOUR)
    turbo = Turbo(startup=4, first=0.2, least=0.15, losses=2)
    rng = np.random.default_rng(0)
    for number in range(6):
        history.extend([started(number, FOUR.sample_config(rng)), ended(history, number, float(number))])
    (proposal,) = asked(history, 1, turbo)
    assert proposal.note == {"turbo": 1}
    assert proposal.why["text"] == "one of the first 4 of region 1, spread evenly"


def test_feasible_where_one_can_be() -> None:
    history = drive(Turbo(), BRANIN_CON, 40)
    feasible = (history.C <= 0).all(axis=1)
    assert float(history.Y[feasible, 0].min()) < 1.0


def test_many_columns() -> None:
    space = Space({f"x{i}": Float(-1, 1) for i in range(60)})
    best = np.random.default_rng(1).uniform(-0.6, 0.6, 60)
    sphere = Task("sphere60", space, lambda c: float(((np.array(list(c.values())) - best) ** 2).sum()), 0.0, 70)
    assert regret(Turbo(), sphere) < 0.6 * regret(RandomSearch(), sphere)


@pytest.mark.slow
def test_hartmann_in_twenty_columns() -> None:
    """ACCEPTANCE: the median regret is at most a tenth of random's."""
    mine = [regret(Turbo(), H6_IN_20, seed=s) for s in range(20)]
    theirs = [regret(RandomSearch(), H6_IN_20, seed=s) for s in range(20)]
    assert np.median(mine) <= 0.1 * np.median(theirs)
