"""A trial that is asked to leave at the very step of its rung is paused, as it would have been undisturbed."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study.verify import verify

SPACE = {"lr": tt.Float(1e-4, 1, log=True, default=1e-2), "width": tt.Choice([8, 32, 64, 128, 256], default=64)}


def run(folder: Path, scheduler: Any, at: tuple[int, int, str] | None) -> list[tuple[Any, Any]]:
    """The trials of a study that gets SIGTERM in one trial, at one step, before it is saved or reported."""
    left = [at]

    def objective(trial: tt.Trial) -> None:
        done = float((trial.checkpoint / "s").read_text()) if trial.checkpoint else 0.0

        def here(step: int, place: str) -> None:
            if left[0] == (trial.number, step, place):
                left[0] = None
                signal.raise_signal(signal.SIGTERM)

        for step in trial.steps():
            here(step, "begin")
            done += 1
            with trial.save_checkpoint() as made:
                (made / "s").write_text(str(done))
            here(step, "saved")
            trial.report(loss=abs(trial["lr"] - 0.05) + 1 / trial["width"] + 1 / done)

    folder.mkdir()
    for _ in range(2 if at else 1):
        study = tt.Study("s", SPACE, minimize="loss", storage=folder / "s.db", scheduler=scheduler, seed=0)
        study.optimize(objective, trials=12, display=False, grace="30s")
    assert left[0] is None
    assert verify(folder / "s.db").ok
    return [(t.config, t.values) for t in study.trials]


@pytest.mark.parametrize("scheduler", [tt.ASHA(max=9, type="promotion"), tt.Halving(max=9)], ids=["asha", "halving"])
def test_it_ends_as_if_undisturbed(scheduler: Any, tmp_path: Path) -> None:
    calm = run(tmp_path / "calm", scheduler, None)
    for i, at in enumerate([(0, 1, "begin"), (4, 1, "saved"), (7, 1, "begin"), (9, 1, "saved")]):
        assert run(tmp_path / str(i), scheduler, at) == calm, at
