"""A real run in a real terminal: the block, Ctrl-C, what it says then, and what is left when it is over."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import trimtab

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are of Unix")]

SCRIPT = """
import os, time
import trimtab as tt

def objective(trial):
    print("begun", trial.number)
    for step in trial.steps(3):
        while trial.number == 1 and step == 2 and not os.path.exists("go"):
            time.sleep(0.02)
        trial.report(loss=1 / step)

study = tt.Study("shown", {"x": "0.0..1.0"}, minimize="loss", seed=0, storage="s.db")
study.optimize(objective, trials=6)
print("ended:", study.ended, study.counts["finished"])
"""


class Terminal:
    """A program whose terminal is ours."""

    def __init__(self, *command: str, folder: Path, columns: int = 80) -> None:
        import fcntl
        import struct
        import termios

        self.mine, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
        env |= {"TERM": "xterm-256color", "PYTHONPATH": str(Path(trimtab.__file__).parent.parent)}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that ^C is a signal
        )  # fmt: skip
        os.close(theirs)
        self.sent = ""

    def until(self, wanted: str, seconds: float = 60.0) -> str:
        """Read until it was shown (or, for "", until the program has ended); what was shown, without codes."""
        end = time.monotonic() + seconds
        while not wanted or wanted not in self.shown:
            assert time.monotonic() < end, f"{wanted!r} never came:\n{self.shown}"
            if select.select([self.mine], [], [], 0.2)[0]:
                try:
                    data = os.read(self.mine, 65_536)
                except OSError:  # the other side is closed
                    data = b""
                if not data:
                    break
                self.sent += data.decode()
            elif self.process.poll() is not None:
                break
        assert not wanted or wanted in self.shown, self.shown
        return self.shown

    @property
    def shown(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.sent).replace("\r", "")

    def type(self, keys: str) -> None:
        os.write(self.mine, keys.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.mine)


def test_a_script_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    terminal = Terminal(sys.executable, "script.py", folder=tmp_path)
    try:
        terminal.until("1/6   1 running")
        terminal.until("begun 1")
        terminal.type("\x03")
        told = terminal.until("pausing  ")
        assert "Ctrl-C to pause" in told
        (tmp_path / "go").touch()
        told = terminal.until("ended: paused 1")
        assert re.search(r"1 trial ends at its next step and goes on next time", told)
        assert re.search(r"ended    1 finished +paused\n", told)
        assert "\x1b[1mbest\x1b[0m" in terminal.sent
    finally:
        terminal.close()

    again = Terminal(sys.executable, "script.py", folder=tmp_path)
    try:
        told = again.until("ended: all trials have been started 6")
        assert "shown: 2 trials so far" in told
        assert "6/6" in told
        assert re.search(r"ended    6 finished +done\n", told)
        assert told.index("begun 5") < told.rindex("ended    6 finished")
    finally:
        again.close()


def test_the_command_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.partition("\nstudy")[0])
    (tmp_path / "go").touch()
    (tmp_path / "shown.toml").write_text(
        'name = "shown"\nminimize = "loss"\nstorage = "s.db"\n[space]\nx = "0.0..1.0"\n'
        '[run]\nfunction = "script.py:objective"\ntrials = 6\nworkers = 1\n'
    )
    terminal = Terminal(sys.executable, "-m", "trimtab", "run", "shown.toml", folder=tmp_path, columns=60)
    try:
        told = terminal.until("trimtab run shown.toml --more 10")
        assert "shown: 6 trials in " in told
        assert "\x1b[J" in terminal.sent  # the block was cleared: the summary takes its place
        assert all(len(line) <= 60 for line in told.splitlines()[-12:])
    finally:
        terminal.close()
    assert terminal.process.returncode is not None
