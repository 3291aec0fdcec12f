"""Several processes of one trial, started for real: one of them speaks, all leave at one step, and nobody hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.protocol import Run
from trimtab.run.command import Command
from trimtab.run.current import _rank
from trimtab.space import Space

ROOT = Path(__file__).parent.parent.parent
SPACE = Space({"x": tt.Float(0, 1)})
LAUNCHER = """
    import os, subprocess, sys
    name, n, script = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    ranks = [subprocess.Popen([sys.executable, script], env=os.environ | {name: str(r)}) for r in reversed(range(n))]
    sys.exit(max(abs(p.wait()) for p in ranks))
"""
TRAINING = """
    import json, os, sys, time
    from pathlib import Path
    import trimtab as tt
    trial = tt.current_trial()
    rank, world = next(int(os.environ[n]) for n in ("RANK", "PMI_RANK", "SLURM_PROCID") if n in os.environ), {world}
    meet = trial.folder / f"meet-{{trial.attempt}}"
    meet.mkdir(exist_ok=True)

    def all_reduce(step):
        "Every process has to come here; one that waits for another that has left never gets further."
        (meet / f"{{step}}-{{rank}}").touch()
        end = time.monotonic() + 60
        while len(list(meet.glob(f"{{step}}-*"))) < world:
            if time.monotonic() > end:
                os._exit(9)
            time.sleep(0.001)

    first = int(float((trial.checkpoint / "step").read_text())) + 1 if trial.checkpoint else 1
    done = []
    for step in trial.steps():
        time.sleep(0.002 * ((step * 7 + rank * 3) % 5))
        all_reduce(step)
        done.append(step)
        with trial.save_checkpoint() as folder:
            (folder / "step").write_text(str(step))
            (folder / str(rank)).touch()
        trial.report(loss=trial["x"] + 1 / step)
    told = {{"config": dict(trial.config), "budget": trial.budget, "done": done, "seed": trial.seed, "first": first}}
    (trial.folder / f"told-{{trial.attempt}}-{{rank}}").write_text(json.dumps(told))
"""


def command(folder: Path, world: int, name: str = "RANK") -> Command:
    (folder / "launch.py").write_text(textwrap.dedent(LAUNCHER))
    (folder / "train.py").write_text(textwrap.dedent(TRAINING.format(world=world)))
    argv = [sys.executable, str(folder / "launch.py"), name, str(world), str(folder / "train.py")]
    env = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return Command(argv, SPACE, objectives=["loss"], folder=folder / "runs", env=env)


def told(folder: Path, trial: int, attempt: int, world: int) -> list[dict[str, Any]]:
    return [json.loads((folder / "runs" / f"{trial:03d}" / f"told-{attempt}-{r}").read_text()) for r in range(world)]


@pytest.mark.parametrize(("world", "name"), [(2, "RANK"), (4, "SLURM_PROCID"), (2, "PMI_RANK")])
def test_a_request_at_any_time_finds_all_at_one_step(tmp_path: Path, world: int, name: str) -> None:
    runner = command(tmp_path, world, name)
    run = Run(trial=0, attempt=1, config={"x": 0.5}, seed=5, until=float("inf"), budget=10_000,
              checkpoint=str(tmp_path / "ck"))  # fmt: skip
    runner.submit(run)
    events: list[Any] = []
    while len([e for e in events if e.kind == "reported"]) < 5 and not any(e.kind == "ended" for e in events):
        events += runner.collect(0.2)
    assert runner.hears(0, 1)
    runner.interrupt("cancel")
    while not any(e.kind == "ended" for e in events):
        events += runner.collect(1.0)
    runner.close()
    assert events[-1].body["state"] == "cancelled", events[-1].body
    reports = [s for e in events if e.kind == "reported" for s in e.body["step"]]
    ranks = told(tmp_path, 0, 1, world)
    assert all(r == ranks[0] for r in ranks), "the same configuration, seed, budget, and steps"
    assert ranks[0]["done"] == reports == list(range(1, len(reports) + 1)), "one of them reports"
    newest = max((tmp_path / "ck").iterdir(), key=lambda p: int(p.name))
    assert sorted(p.name for p in newest.iterdir()) == ["0", "step"], "and saves"


def test_a_study_pauses_and_goes_on_with_all_of_them(tmp_path: Path) -> None:
    s = tt.Study("s", SPACE, minimize="loss", seed=0, searcher="random", folder=tmp_path / "s.runs",
                 scheduler=tt.ASHA(max=4, min=2, eta=2, type="promotion"))  # fmt: skip
    runner = command(tmp_path, 2)
    s.optimize(None, trials=3, runner=runner)  # type: ignore[arg-type]
    runner.close()
    assert s.counts["failed"] == 0, s.failures()
    assert {t.step for t in s.trials if t.state == "finished"} == {4.0}
    best = s.best.number
    for attempt, steps in ((1, [1, 2]), (2, [3, 4])):
        ranks = told(tmp_path, best, attempt, 2)
        assert [r["done"] for r in ranks] == [steps, steps]
        assert ranks[1]["first"] == steps[0], "the checkpoint is everybody's"


def follower(tmp_path: Path, stops: bytes, code: str) -> subprocess.Popen[str]:
    folder = tmp_path / "000"
    folder.mkdir()
    run = Run(trial=0, attempt=1, config={"x": 0.5}, seed=5, until=float("inf"), budget=9)
    (folder / "run.json").write_text(json.dumps({k: getattr(run, k) for k in Run.__slots__}, default=dict))
    (folder / "stops-0").write_bytes(stops)
    env = os.environ | {"TRIMTAB_DIR": str(folder), "RANK": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=env, stdout=-1, stderr=-1, text=True)


def test_when_the_first_has_left_the_others_do(tmp_path: Path) -> None:
    code = "import trimtab as tt\nprint(list(tt.current_trial().steps()))"
    out, errors = follower(tmp_path, b"..x", code).communicate(timeout=60)
    assert out == "[1, 2]\n", errors


def test_who_waits_for_long_says_for_what(tmp_path: Path) -> None:
    code = """
        import trimtab.run.current as current
        current.LATE = 0.05
        trial = current.current_trial()
        print(trial.should_stop(), trial.should_stop())
    """
    process = follower(tmp_path, b".", code)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "rank 1 waits at call 2 of should_stop()" in line
    with open(tmp_path / "000" / "stops-0", "ab") as file:
        file.write(b"s")
    assert process.communicate(timeout=60)[0] == "False True\n"


def test_ranks_of_every_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    from trimtab.run._mailbox import RANKS

    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    assert _rank() == 0
    for name in reversed(RANKS):  # the surest last
        monkeypatch.setenv(name, str(len(name)))
        assert _rank() == len(name)
