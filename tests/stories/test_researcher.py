"""A researcher on a cluster: day 1, day 7, day 30. Her script is sent SIGTERM, runs on, is joined, and moves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import trimtab as tt

sys.path.insert(0, str(Path(__file__).parent))
from story_kit import sh, shell_environment

TRAIN = """
import json, os, sys, time
import trimtab as tt

space = tt.Space({"lr": tt.Float(1e-4, 1.0, log=True, default=1e-2), "width": tt.Int(8, 256, log=2, default=64)})

def objective(trial):
    done, loss = 0, 10.0
    if trial.checkpoint:
        done, loss = json.loads((trial.checkpoint / "net.json").read_text())
    for epoch in trial.steps():
        assert epoch == done + 1, (epoch, done)
        time.sleep(float(os.environ.get("EPOCH", "0")))
        loss *= 0.4 + min(0.5, abs(trial["lr"] - 0.1)) + 1 / trial["width"]
        with trial.save_checkpoint() as folder:
            (folder / "net.json").write_text(json.dumps([epoch, loss]))
        trial.report({"val/loss": loss, "train/loss": loss / 2})
        done = epoch

if __name__ == "__main__":
    study = tt.Study("r50", space, minimize="val/loss", storage=sys.argv[1], folder="runs", scheduler=SCHEDULER,
                     seed=0)
    study.optimize(objective, trials=int(sys.argv[2]), workers=int(sys.argv[3]), grace="30s")
    print("ended:", study.ended)
"""


def steps_of(study: tt.Study) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for row in study.to_dicts(reports=True):
        found.setdefault(row["number"], []).append(row["step"])
    return found


def preempted(folder: Path, words: list[str], trials: int) -> None:
    """Start her script, and send it SIGTERM once so many trials have a checkpoint; it has to end by itself."""
    run = subprocess.Popen(
        [sys.executable, "train.py", *words], cwd=folder, env=shell_environment(folder, {"EPOCH": "0.05"}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 200
    while len(list(folder.glob("runs/checkpoints/*/*/*"))) < trials and run.poll() is None:
        assert time.monotonic() < until, "nothing was saved"
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=200)
    assert run.returncode == 0, err
    assert "ended: paused" in out


@pytest.mark.parametrize(
    "scheduler",
    [
        "tt.ASHA(max=9, type='promotion')",
        pytest.param("tt.ASHA(max=9)", marks=pytest.mark.slow),
        pytest.param("tt.Halving(max=9)", marks=pytest.mark.slow),
    ],
)
def test_preempted_and_requeued(scheduler: str, tmp_path: Path) -> None:
    """Day 7: the job is ended and started again. Nothing is lost, no epoch done twice; it ends as if undisturbed."""
    (tmp_path / "train.py").write_text(TRAIN.replace("SCHEDULER", scheduler))
    preempted(tmp_path, ["r50.db", "12", "1"], trials=3)
    study = tt.load(tmp_path / "r50.db")
    waiting = study.counts["queued"]
    assert waiting <= 1
    assert study.counts["failed"] == study.counts["running"] == 0
    study.close()

    assert "ended:" in sh("python train.py r50.db 12 1", tmp_path)
    study = tt.load(tmp_path / "r50.db")
    assert len(study) == 12
    assert study.counts["failed"] == 0
    assert all(steps == list(range(1, len(steps) + 1)) for steps in steps_of(study).values())
    assert max(map(len, steps_of(study).values())) == 9

    (tmp_path / "calm").mkdir()
    (tmp_path / "calm" / "train.py").write_text((tmp_path / "train.py").read_text())
    sh("python train.py r50.db 12 1", tmp_path / "calm")
    calm = tt.load(tmp_path / "calm" / "r50.db")
    assert [t.config for t in calm.trials] == [t.config for t in study.trials]
    assert [t.values for t in calm.trials] == [t.values for t in study.trials]
    calm.close()
    study.close()


def test_day_30_longer_and_for_the_paper(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN.replace("SCHEDULER", "tt.ASHA(max=9, type='promotion')"))
    (tmp_path / "test_train.py").write_text(
        "import trimtab as tt\nfrom train import objective\n\n\n"
        "def test_objective():\n"
        "    trial = tt.Trial.fixed({'lr': 0.1, 'width': 64}, budget=3)\n"
        "    objective(trial)\n"
        "    assert [row['step'] for row in trial.reports] == [1, 2, 3]\n"
    )
    sh("python -m pytest -q -p no:cacheprovider test_train.py", tmp_path)  # day 1: her own test of the objective
    sh("python train.py r50.db 9 1 & python train.py r50.db 9 1; wait", tmp_path)  # day 7: a second job joins
    study = tt.load(tmp_path / "r50.db")
    assert len(study) == 9
    assert len({str(t.config) for t in study.trials}) == 9
    before = study.best.value
    study.close()

    (tmp_path / "train.py").write_text(TRAIN.replace("SCHEDULER", "tt.ASHA(max=27, type='promotion')"))
    said = sh("python train.py r50.db 9 2", tmp_path)  # day 30: three times as long, from the checkpoints
    study = tt.load(tmp_path / "r50.db")
    assert study.best.step == 27
    assert study.best.value < before
    assert all(steps == list(range(1, len(steps) + 1)) for steps in steps_of(study).values()), said
    paused = next(t for t in study.trials if t.state == "paused")
    assert study.explain(paused)["lines"]
    study.close()
    assert "came out the same" in sh("trimtab verify r50.db", tmp_path)
    assert sh("trimtab export r50.db --what reports | head -1", tmp_path).startswith("number,")


def test_the_study_moves_to_a_server(pg_url: str, tmp_path: Path) -> None:
    """Two nodes need a database that both reach; the file's study goes there, event for event."""
    (tmp_path / "train.py").write_text(TRAIN.replace("SCHEDULER", "tt.Halving(max=9)"))
    sh("python train.py r50.db 5 1", tmp_path)
    study = tt.load(tmp_path / "r50.db")
    moved = study.copy(pg_url)
    assert [t.config for t in moved.trials] == [t.config for t in study.trials]
    study.close()
    moved.close()
    line = "python train.py $TRIMTAB_STORAGE 12 1"
    sh(f"{line} & {line}; wait", tmp_path, env={"TRIMTAB_STORAGE": pg_url})
    study = tt.load(pg_url, "r50")
    assert len(study) == 12
    assert study.counts["failed"] == 0
    assert all(steps == list(range(1, len(steps) + 1)) for steps in steps_of(study).values())
    study.close()
    assert "12 trials" in sh("trimtab list", tmp_path, env={"TRIMTAB_STORAGE": pg_url})
