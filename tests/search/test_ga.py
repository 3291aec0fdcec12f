"""The genetic algorithms: generations off the log, selection, elites, seeds, and what they find."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fixtures import BRANIN_CON, HARTMANN6, ZDT1, drive, ended, regret, started
from trimtab.cli import code_of
from trimtab.history import History
from trimtab.parts.pareto import hypervolume
from trimtab.protocol import Ask, Searcher
from trimtab.search import SEARCHERS, searcher
from trimtab.search.ga import GA, AgeingGA, ElitistGA, MutationGA, RouletteGA, TournamentGA, TruncationGA
from trimtab.search.ga._select import fitness, pick, weights
from trimtab.search.random import RandomSearch
from trimtab.space import Choice, Float, Int, Space

SEEDS = range(20)
KINDS = [name for name in SEARCHERS if name.startswith("ga-")]
LINE = Space({"x": Float(0, 1), "y": Float(0, 1)})


@cache
def median(method: Searcher, trials: int = 300) -> float:
    return float(np.median([regret(method, HARTMANN6, trials, seed) for seed in SEEDS]))


def generations(history: History) -> list[int]:
    return [history.trial(t).note["ga"]["g"] for t in range(len(history))]


def parents_of(proposal: Any) -> set[int]:
    return {trial for trial, _ in proposal.parents.values()}


def test_six_kinds() -> None:
    assert KINDS == [
        "ga-roulette", "ga-tournament", "ga-elitist", "ga-truncation", "ga-mutation-only", "ga-ageing"
    ]  # fmt: skip
    assert len({type(searcher(name)) for name in KINDS}) == 6


def test_generations_follow_from_the_log() -> None:
    history = drive(ElitistGA(population=8, elites=2), HARTMANN6, 8 + 6 + 6 + 3)
    assert generations(history) == [0] * 8 + [1] * 6 + [2] * 6 + [3] * 3
    history = drive(TournamentGA(population=5), HARTMANN6, 12)
    assert generations(history) == [0] * 5 + [1] * 5 + [2] * 2


@pytest.mark.parametrize("elites", [1, 3, 6])
def test_elites_are_never_lost(elites: int) -> None:
    """The best so far can always be a parent, however long ago it was tried."""
    method = TruncationGA(population=6, elites=elites)
    history = drive(method, HARTMANN6, 60)
    best = int(history.Y[:, 0].argmin())
    assert best < 60
    asks = [Ask(number=60, move=60, seed=seed) for seed in range(30)]
    assert best in set().union(*(parents_of(method.propose(history, ask)[0]) for ask in asks))


def test_without_elites_a_generation_dies() -> None:
    method = TournamentGA(population=6)
    history = drive(method, HARTMANN6, 60)
    asks = [Ask(number=60, move=60, seed=seed) for seed in range(60)]
    found = set().union(*(parents_of(method.propose(history, ask)[0]) for ask in asks))
    assert found <= set(range(54, 60))
    assert len(found) > 2


def test_the_old_go() -> None:
    method = AgeingGA(population=10)
    history = drive(method, HARTMANN6, 45)
    asks = [Ask(number=45, move=45, seed=seed) for seed in range(60)]
    proposals = [method.propose(history, ask)[0] for ask in asks]
    assert set().union(*map(parents_of, proposals)) <= set(range(35, 45))
    assert all(list(p.parents) == ["p1"] for p in proposals)


def test_results_may_come_late() -> None:
    """Nobody waits: children are made of those that have ended, and earlier ones stand in for the rest."""
    history = History.empty(LINE)
    method = TournamentGA(population=4)
    rng = np.random.default_rng(0)
    for number in range(8):
        (proposal,) = method.propose(history, Ask(number=number, move=number))
        assert proposal.config is not None
        history.extend([started(number, proposal.config, proposal.note)])
        if number < 6:
            history.extend([ended(history, number, rng.random())])
    asks = [Ask(number=8, move=8, seed=seed) for seed in range(60)]
    proposals = [method.propose(history, ask)[0] for ask in asks]
    assert {p.note["ga"]["g"] for p in proposals} == {2}
    found = set().union(*map(parents_of, proposals))
    best = np.argsort(history.Y[:4, 0])[:2].tolist()
    assert found == {4, 5, *best}


def test_a_batch_goes_over_into_the_next_generation() -> None:
    history = drive(ElitistGA(population=6, elites=0), HARTMANN6, 10)
    proposals = ElitistGA(population=6, elites=0).propose(history, Ask(number=10, move=10, n=5))
    assert [p.note["ga"]["g"] for p in proposals] == [1, 1, 2, 2, 2]
    assert len({str(p.config) for p in proposals}) == 5


def test_failures_have_no_children() -> None:
    history = History.empty(LINE)
    rng = np.random.default_rng(0)
    for number in range(6):
        history.extend([started(number, LINE.sample_config(rng), {"ga": {"g": 0}})])
        history.extend([ended(history, number, rng.random() if number in (1, 4) else np.nan)])
    for name in KINDS:
        for seed in range(10):
            (proposal,) = searcher(name, population=6, size=2).propose(history, Ask(number=6, move=6, seed=seed))
            assert parents_of(proposal) <= {1, 4}


def test_seeded_with_what_was_enqueued() -> None:
    space = Space({f"x{i}": Float(0, 1) for i in range(4)} | {"kind": Choice(["a", "b"])})
    mine = {f"x{i}": 0.25 for i in range(4)} | {"kind": "b"}
    history = History.empty(space)
    history.extend([started(0, mine), ended(history, 0, 1.0)])
    method = ElitistGA(population=20, first="mutants")
    proposals = method.propose(history, Ask(number=1, move=1, n=19))
    configs = [mine, *(p.config for p in proposals)]
    assert [c == mine for c in configs].count(True) == 1  # the seed itself once, and only once
    assert all(p.parents == {"p1": (0, 0.0)} for p in proposals)
    kept = np.mean([[c[k] == mine[k] for k in mine] for c in configs[1:]])  # type: ignore[index]
    assert 0.4 < kept < 0.9


def test_seeded_with_the_default() -> None:
    space = Space({"x": Float(0, 1, default=0.5), "k": Int(1, 9, default=2)})
    proposals = ElitistGA(first="mutants").propose(History.empty(space), Ask(number=0, n=20))
    assert proposals[0].config == {"x": 0.5, "k": 2}
    assert [p.config == {"x": 0.5, "k": 2} for p in proposals].count(True) == 1
    without = Space({"x": Float(0, 1)})
    assert "random" in str(ElitistGA(first="mutants").propose(History.empty(without), Ask(number=0))[0].why["text"])


def test_roulette_is_no_slave_of_one_diverged_trial() -> None:
    np.testing.assert_allclose(fitness(np.array([1.0, 2.0, 3.0, 4.0, 9.0])), [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(fitness(np.array([1.0, 2.0, 3.0, 4.0, 1e308])), [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(fitness(np.array([2.0, 2.0, 2.0])), 1.0)
    w = weights("roulette", np.array([-5.0, -3.0, -1.0]), 3)
    assert w.sum() == pytest.approx(1)
    assert w[0] > w[1] > w[2] > 0


def test_truncation_and_rank() -> None:
    assert np.flatnonzero(weights("truncation", None, 20)).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(weights("truncation", None, 3)).tolist() == [0, 1]
    np.testing.assert_allclose(weights("rank", None, 3), [3 / 6, 2 / 6, 1 / 6])


def test_tournaments_by_hand() -> None:
    """The best of three draws from four: place 0 with 1 - (3/4)³."""
    rng = np.random.default_rng(0)
    w = weights("tournament", None, 4)
    found = np.bincount([pick("tournament", 3, w, rng) for _ in range(4_000)], minlength=4) / 4_000
    np.testing.assert_allclose(found, [37 / 64, 19 / 64, 7 / 64, 1 / 64], atol=0.03)
    assert {pick("tournament", 3, w[:2], rng, avoid=0) for _ in range(50)} == {1}
    assert pick("rank", 3, np.ones(1), rng, avoid=0) == 0


@pytest.mark.parametrize("crossover", ["uniform", "one-point", "blend", "sbx", "none"])
@pytest.mark.parametrize("mutation", ["normal", "polynomial", "uniform"])
def test_every_operator_improves_on_the_first_generation(crossover: Any, mutation: Any) -> None:
    history = drive(ElitistGA(population=10, crossover=crossover, mutation=mutation), HARTMANN6, 80)
    assert np.median(history.Y[-20:]) < np.median(history.Y[:10])


def test_several_objectives_and_constraints() -> None:
    reference = np.array([1.1, 11.0])
    volumes = [hypervolume(drive(m, ZDT1, 150).Y, reference) for m in (ElitistGA(), RandomSearch())]
    assert volumes[0] > volumes[1] + 0.5
    assert regret(TruncationGA(), BRANIN_CON, 120) < 2.0


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"population": 1}, "population must be at least 2"),
        ({"elites": 21}, "at most the population of 20"),
        ({"rate": 2.0}, "rate must be between 0 and 1"),
        ({"select": "best"}, "select is one of 'tournament', 'roulette'"),
        ({"crossover": "none", "mutation": "none"}, "children would be copies"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ElitistGA(**settings)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [RouletteGA, TournamentGA, ElitistGA, TruncationGA, MutationGA, AgeingGA])
def test_hartmann(kind: type[GA]) -> None:
    """Section 11 of the specification: each at most half of random search's median, and of its figure there."""
    mine: Any = kind()
    assert median(mine) <= 0.5 * min(1.07, median(RandomSearch()))


@pytest.mark.slow
def test_crossover_alone_is_no_search() -> None:
    """The negative control: without mutation the first generation is all there is to recombine."""
    assert median(ElitistGA(mutation="none")) >= median(RandomSearch())


def test_the_six_are_compared_by_the_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With equal numbers of evaluations, and by one pattern."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIMTAB_BENCH_ENVS", str(tmp_path / "envs"))
    words = ["bench", "run", "smoke", "--tasks", "fixtures/hartmann6", "--dry-run", "--optimizers"]
    assert code_of([*words, "ga-*"]) == 0
    assert "6 optimizers" in capsys.readouterr().err
    assert code_of([*words, "random,ga-t*,ga-*"]) == 0
    assert "7 optimizers" in capsys.readouterr().err
    assert code_of([*words, "gx-*"]) != 0
    assert "'gx-*' fits no optimizer" in capsys.readouterr().err
