"""trimtab as a process of its own: Ctrl-C pauses, the same command goes on, a finished study says so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.storage import open_storage

TOML = """
name     = "slow"
minimize = "loss"
storage  = "slow.db"
seed     = 0
searcher = "random"

[space]
x = "0.0..1.0 default=0.5"

[run]
function = "slow.py:objective"
trials   = 12
workers  = {workers}
grace    = "5s"
"""
SCRIPT = """
import time

def objective(trial):
    for step in trial.steps(5):
        time.sleep(0.04)
        trial.report(loss=(trial["x"] - 0.3) ** 2 + 1 / step)
"""


def study_in(folder: Path, workers: int) -> None:
    (folder / "slow.toml").write_text(TOML.format(workers=workers))
    (folder / "slow.py").write_text(SCRIPT)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if k != "TRIMTAB_STORAGE"}
    env["PYTHONPATH"] = str(Path(tt.__file__).parent.parent)
    command = [sys.executable, "-m", "trimtab", *words]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def interrupted(folder: Path, number: int) -> tuple[int, str, str]:
    """Run it and send a signal once two trials have ended."""
    process = start(folder, "run", "slow.toml")
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if (folder / "slow.db").exists() and _ended(folder) >= 2:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def _ended(folder: Path) -> int:
    store = open_storage(folder / "slow.db")
    try:
        return tt.load(store).counts["finished"] if store.names() else 0
    finally:
        store.close()


def check(folder: Path, number: int) -> None:
    code, out, err = interrupted(folder, number)
    assert code == 3, err
    assert out.startswith("slow: paused at ")
    assert out.endswith("The same command continues.\n")
    assert "Traceback" not in err
    code, out, err = run(folder, "run", "slow.toml")
    assert code == 0, err
    assert "slow: resumed, " in err
    assert "slow: 12 trials (" in out
    code, out, err = run(folder, "run", "slow.toml")
    assert (code, err) == (0, "")
    assert out.startswith("slow: done — 12 of 12 trials, best loss ")
    study = tt.load(folder / "slow.db")
    assert [t.state for t in study.trials] == ["finished"] * 12
    study.close()


def test_ctrl_c_pauses_and_the_same_command_goes_on(tmp_path: Path) -> None:
    study_in(tmp_path, workers=1)
    check(tmp_path, signal.SIGINT)


def test_sigterm_pauses_worker_processes_too(tmp_path: Path) -> None:
    study_in(tmp_path, workers=2)
    check(tmp_path, signal.SIGTERM)


def test_a_paused_study_had_chosen_what_an_undisturbed_one_does(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name in ("a", "b"):
        study_in(tmp_path / name, workers=1)
    assert interrupted(tmp_path / "a", signal.SIGINT)[0] == 3
    for name in ("a", "b"):
        assert run(tmp_path / name, "run", "slow.toml")[0] == 0
    configs = []
    for name in ("a", "b"):
        study = tt.load(tmp_path / name / "slow.db")
        configs.append([t.config for t in study.trials])
        study.close()
    assert configs[0] == configs[1]


def test_a_broken_pipe_is_no_error(tmp_path: Path) -> None:
    study_in(tmp_path, workers=1)
    assert run(tmp_path, "run", "slow.toml", "--trials", "2")[0] == 0
    for words in (["export", "slow.toml", "--what", "events"], ["show", "slow.toml"]):
        process = start(tmp_path, *words)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()


def test_wrong_use_has_code_2_and_no_traceback(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "run", "nothing.toml")
    assert (code, out) == (2, "")
    assert err == "trimtab: There is no nothing.toml.\n"
    code, _, err = run(tmp_path, "run", "--no-such-option")
    assert code == 2
    assert "No such option" in err


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_after_kill_9_show_says_who_has_no_driver(tmp_path: Path) -> None:
    study_in(tmp_path, workers=1)
    (tmp_path / "slow.py").write_text(SCRIPT.replace("0.04", "30"))
    process = start(tmp_path, "run", "slow.toml")
    until(lambda: (tmp_path / "slow.db").exists() and _running(tmp_path) == 1)
    code, out, _ = run(tmp_path, "show", "slow.toml")
    assert code == 0
    assert "no driver" not in out
    process.kill()
    process.communicate(timeout=30)
    code, out, _ = run(tmp_path, "show", "slow.toml")
    assert out.splitlines()[1] == "  trial 0 has no driver any more: the next run takes it up again"


def _running(folder: Path) -> int:
    store = open_storage(folder / "slow.db")
    try:
        return tt.load(store).counts["running"] if store.names() else 0
    finally:
        store.close()


def test_the_same_line_twice_joins_and_says_so(tmp_path: Path) -> None:
    study_in(tmp_path, workers=1)
    (tmp_path / "slow.py").write_text(
        "import os, time\ndef objective(trial):\n    while trial.number == 0 and not os.path.exists('go'):\n"
        "        time.sleep(0.02)\n    return trial['x']\n"
    )
    first = start(tmp_path, "run", "slow.toml")
    until(lambda: (tmp_path / "slow.db").exists() and _running(tmp_path) == 1)
    second = start(tmp_path, "run", "slow.toml", "--plain")
    until(lambda: _ended(tmp_path) >= 2)  # which only the second can have done
    (tmp_path / "go").touch()
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert "join" in err
    first.communicate(timeout=60)
    assert first.returncode == 0
    study = tt.load(tmp_path / "slow.db")
    assert [t.state for t in study.trials] == ["finished"] * 12  # shared: twelve in all
    study.close()


def test_each_exit_code(tmp_path: Path) -> None:
    study_in(tmp_path, workers=1)
    assert run(tmp_path, "run", "slow.toml", "--trials", "1")[0] == 0
    (tmp_path / "bad.py").write_text("def f(trial):\n    return float('nan')\n")
    (tmp_path / "bad.toml").write_text('[space]\nx = "0.0..1.0"\n[run]\nfunction = "bad.py:f"\ntrials = 5\n')
    code, _, err = run(tmp_path, "run", "bad.toml")
    assert (code, "The first 3 trials all failed" in err) == (1, True)
    assert run(tmp_path, "run", "bad.toml", "--trials", "x")[0] == 2
    code, out, err = run(tmp_path, "run", "slow.toml", "--trials", "500", "--timeout", "1")
    assert (code, out.startswith("slow: paused at ")) == (3, True)
    code, _, err = run(tmp_path, "show", "postgresql://me@127.0.0.1:9/x")
    assert (code, err.count("\n")) == (4, 1)
    assert "Is the server running" in err


def test_no_colour_where_none_is_wanted(tmp_path: Path) -> None:
    study_in(tmp_path, workers=1)
    environment = {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    told = on_a_terminal(tmp_path, environment, "run", "slow.toml", "--trials", "2")
    assert "2 trials in" in told
    assert not re.search(r"\x1b\[[0-9;]*[1-9]m", told)  # no colour, no bold


def on_a_terminal(folder: Path, environment: dict[str, str], *words: str) -> str:
    """What a command shows on a terminal of its own."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    env = os.environ | {"PYTHONPATH": str(Path(tt.__file__).parent.parent)} | environment
    command = [sys.executable, "-m", "trimtab", *words]
    with subprocess.Popen(command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        while True:
            try:
                new = os.read(ours, 65_536)
            except OSError:  # the other side has closed
                break
            if not new:
                break
            shown += new
    os.close(ours)
    return shown.decode(errors="replace")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_nobody_can_take_is_no_traceback(tmp_path: Path) -> None:
    tt.Study("s", {"x": "0..1"}, minimize="loss", storage=tmp_path / "s.db").optimize(
        lambda trial: 0.5, trials=1, display=False
    )
    for words in ("show s.db", "export s.db"):
        for where, code in ((">/dev/full", 2), (">&-", 0)):
            line = f"{sys.executable} -m trimtab {words} {where}"
            done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, "Traceback" in done.stderr) == (code, False), (line, done.stderr)
            assert code == 0 or done.stderr == "trimtab: the output can't be written: No space left on device.\n"
