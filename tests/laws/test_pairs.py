"""Law 2: any searcher × any scheduler × any runner × any storage works, or is refused by a declared capability."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from trimtab.errors import Unsupported
from trimtab.history import History
from trimtab.protocol import Ask, Proposal, Run
from trimtab.run.simulated import Simulated
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.schedule._registry import scheduler
from trimtab.schedule.full import Full
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.search._registry import searcher
from trimtab.space import Choice, Float, Int, Space
from trimtab.study._study import Study
from trimtab.study.verify import verify

SPACE = Space({"x": Float(-5, 5), "k": Int(1, 9), "kind": Choice(["a", "b"])})
MAX = 9


def loss(config: Mapping[str, Any], step: float) -> float:
    return float((config["x"] - 1) ** 2 + config["k"] / step + (config["kind"] == "b"))


def objective(trial: Any) -> None:
    for step in trial.steps(MAX):
        trial.report(loss=loss(trial.config, step))


def curve(run: Run) -> Generator[tuple[float, Mapping[str, float]], None, None]:
    step = run.source_step
    while step < MAX:
        step += 1
        yield 1.0 + run.config["k"] / 10, {"loss": loss(run.config, step)}


def run(name: str, schedule: str, runner: str, where: Path | None, workers: int = 1) -> Study:
    settings = {"max": MAX} if "max" in SCHEDULERS.load(schedule).__dataclass_fields__ else {}
    study = Study(
        "pair", SPACE, minimize="loss", storage=where, seed=3, searcher=searcher(name),
        scheduler=scheduler(schedule, **settings),
    )  # fmt: skip
    simulated = Simulated(curve, workers=3) if runner == "simulated" else None
    study.optimize(objective, trials=12, workers=workers, runner=simulated, display=False)
    return study


def finished(study: Study) -> None:
    counts = study.counts
    assert counts["counted"] == 12
    assert counts["running"] == counts["queued"] == counts["failed"] == 0
    assert counts["finished"] > 0
    for trial in study.trials:
        assert trial.value == loss(trial.config, trial.step or MAX)
    checked = verify(study._log.storage)
    assert checked.ok, checked.first_difference


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
@pytest.mark.parametrize("runner", ["inline", "simulated"])
@pytest.mark.parametrize("schedule", SCHEDULERS.names())
@pytest.mark.parametrize("name", SEARCHERS.names())
def test_every_pair_works_or_is_refused(name: str, schedule: str, runner: str, storage: str, tmp_path: Path) -> None:
    if SCHEDULERS.load(schedule).needs_chooser and not SEARCHERS.load(name).chooses:
        with pytest.raises(Unsupported, match=schedule):
            run(name, schedule, runner, None)
        return
    study = run(name, schedule, runner, tmp_path / "pair.db" if storage == "sqlite" else None)
    finished(study)
    study.close()


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULERS.names())
def test_every_scheduler_works_with_processes(schedule: str, tmp_path: Path) -> None:
    if SCHEDULERS.load(schedule).needs_chooser:
        pytest.skip("needs a searcher that chooses")
    study = run("tpe", schedule, "processes", tmp_path / "pair.db", workers=2)
    finished(study)
    study.close()


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Narrow:
    """Takes nothing but plain numbers and one objective."""

    name: ClassVar[str] = "narrow"
    revision: ClassVar[int] = 1
    takes: ClassVar[frozenset[str]] = frozenset()
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = False

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        raise AssertionError("it should have been refused before the first proposal")


@dataclass(frozen=True)
class Choosy(Full):
    """A scheduler for searchers that choose."""

    name: ClassVar[str] = "choosy"
    needs_chooser: ClassVar[bool] = True


REFUSED: dict[str, dict[str, Any]] = {
    "conditional": {"space": Space({"x": Float(0, 1), "y": Float(0, 1, when="x > 0.5")})},
    "require=/forbid=": {"space": Space({"x": Float(0, 1)}, forbid=["x > 0.9"])},
    "several objectives": {"space": SPACE, "minimize": ["loss", "seconds"]},
    "constraints": {"space": SPACE, "constraints": ["memory <= 8"]},
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_a_method_can_not_take_is_refused_by_name(what: str) -> None:
    with pytest.raises(Unsupported, match=f"narrow can't take .*{what}"):
        Study("refused", searcher=Narrow(), **REFUSED[what])


def test_a_scheduler_that_needs_a_choosing_searcher_says_so() -> None:
    with pytest.raises(Unsupported, match="choosy needs a searcher that chooses"):
        Study("refused", SPACE, searcher="random", scheduler=Choosy())
