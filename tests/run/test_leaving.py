"""Ctrl-C, SIGTERM and the end of the time, sent to real programs: what runs ends in order, and goes on next time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.run.command import Command
from trimtab.run.leaving import Leaving, wanted

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
    import json, sys, time
    from pathlib import Path
    import trimtab as tt
    here, how, settings = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])

    def steps(trial):
        total = 0.0
        if trial.checkpoint:
            total = float((trial.checkpoint / "total").read_text())
        for step in trial.steps(400):
            total += trial["x"]
            with trial.save_checkpoint() as folder:
                (folder / "total").write_text(repr(total))
            trial.report(loss=total)
            with open(here / f"steps-{trial.number}", "a") as file:
                file.write(f"{step}\\n")
            time.sleep(0.02)

    def deaf(trial):
        (here / f"steps-{trial.number}").touch()
        end = here / "end"
        while not end.exists():
            time.sleep(0.02)
        return trial["x"]

    if "USR1" in how:
        import signal
        signal.signal(signal.SIGUSR1, lambda *_: (here / "usr1").touch())
    s = tt.Study("s", {"x": tt.Float(0, 1)}, minimize="loss", seed=0, searcher="random", storage=here / "s.db")
    s.optimize(deaf if "deaf" in how else steps, trials=4, **settings)
    print(s.ended, flush=True)
"""


@pytest.fixture
def programs() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, programs: list[subprocess.Popen[str]]) -> Start:
    def start(how: str, settings: str, running: int = 1) -> subprocess.Popen[str]:
        env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path), how, settings]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        programs.append(process)
        until(lambda: len(list(tmp_path.glob("steps-*"))) >= running)
        return process

    return start


def until(truth: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_steps_end_at_the_next_one_and_none_is_lost(
    start: Start, tmp_path: Path, workers: int, sign: signal.Signals
) -> None:
    process = start("steps", f'{{"workers": {workers}}}', running=workers)
    until(lambda: len((tmp_path / "steps-0").read_text().split()) > 3)
    process.send_signal(sign)
    assert ended(process)[:2] == (0, "paused\n")
    s = tt.load(tmp_path / "s.db")
    assert s.counts["queued"] == workers
    assert not [t for t in s.trials if t.state in ("finished", "failed", "paused")]
    was = {t.number: int(t.step or 0) for t in s.trials}
    s.optimize(goes_on(tmp_path, was), trials=workers)
    for t in s.trials:
        done = [int(line) for line in (tmp_path / f"steps-{t.number}").read_text().split()]
        assert done == list(range(1, was[t.number] + 1)), "every step that was made is known, and none was repeated"
    s.close()


def goes_on(here: Path, was: dict[int, int]) -> Any:
    def objective(trial: Any) -> float:
        step = was[trial.number]
        assert trial.checkpoint is not None
        assert trial.attempt == 2
        assert float((trial.checkpoint / "total").read_text()) == pytest.approx(step * trial["x"])
        assert next(iter(trial.steps(400))) == step + 1
        return 0.0

    return objective


@pytest.mark.parametrize("workers", [1, 2])
def test_what_has_no_steps_goes_back_after_the_grace(start: Start, tmp_path: Path, workers: int) -> None:
    process = start("deaf", f'{{"workers": {workers}, "grace": 0.3}}', running=workers)
    process.send_signal(signal.SIGTERM)
    code, out, errors = ended(process)
    assert (code, out) == (0, "paused\n"), errors
    s = tt.load(tmp_path / "s.db")
    assert s.counts["queued"] == workers
    assert s.counts["counted"] == workers
    s.optimize(lambda t: 0.5, trials=workers)
    assert [t.attempts for t in s.trials] == [2] * workers
    s.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_after_ctrl_c_what_has_no_steps_may_run_on(start: Start, tmp_path: Path, workers: int) -> None:
    process = start("deaf", f'{{"workers": {workers}}}', running=workers)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    (tmp_path / "end").touch()
    assert ended(process)[:2] == (0, "paused\n")
    s = tt.load(tmp_path / "s.db")
    assert (s.counts["finished"], s.counts["counted"]) == (workers, workers)
    s.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_ctrl_c_ends_them_now(start: Start, tmp_path: Path, workers: int) -> None:
    process = start("deaf", f'{{"workers": {workers}}}', running=workers)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # the same signal at once would be taken for its echo
    for _ in range(4):  # two that wait for a process which gets no time are one
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            break
    code, out, errors = ended(process)
    assert (code, out) == (-signal.SIGINT, ""), errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    s = tt.load(tmp_path / "s.db")
    assert (s.counts["queued"], s.counts["counted"]) == (workers, workers), "in order all the same"
    s.close()


def test_a_signal_the_program_has_a_use_for_is_left_to_it(start: Start, tmp_path: Path) -> None:
    process = start("steps USR1", "{}")
    process.send_signal(signal.SIGUSR1)
    until((tmp_path / "usr1").exists)
    assert process.poll() is None


def test_a_worker_that_is_told_to_end_gives_its_trial_back(start: Start, tmp_path: Path) -> None:
    """A cluster that takes a node back tells every process; here only one is told, and the trial goes on elsewhere."""
    process = start("steps", '{"workers": 2}', running=2)
    (worker, *_) = [int(p) for p in workers_of(process.pid)]
    os.kill(worker, signal.SIGTERM)
    s = tt.load(tmp_path / "s.db")
    until(lambda: max(t.attempts for t in s.trials) == 2)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[:2] == (0, "paused\n")
    assert s.counts["queued"] == s.counts["counted"]
    for t in s.trials:
        done = (tmp_path / f"steps-{t.number}").read_text().split()
        assert done == [str(i + 1) for i in range(len(done))]
    s.close()


def workers_of(parent: int) -> list[str]:
    """Children that run a worker."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [p for p in children if b"trimtab.run._worker" in Path(f"/proc/{p}/cmdline").read_bytes()]


def test_a_program_that_gets_the_signal_too_goes_back(tmp_path: Path) -> None:
    """Its exit code is its own: 143 from a shell, 1 from torchrun."""
    loop = "trap 'exit 3' TERM; touch begun-$TRIMTAB_TRIAL; while :; do sleep 0.05; done"
    runner = Command(["/bin/sh", "-c", loop], tt.Space(SPACE), base=tmp_path, cwd=".", workers=2)
    s = study()

    def tell_all() -> None:
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        os.kill(os.getpid(), signal.SIGTERM)
        for job in list(runner._jobs.values()):
            assert job.program is not None
            job.program.group.signal(signal.SIGTERM)

    thread = threading.Thread(target=tell_all)
    thread.start()
    s.optimize(None, trials=5, runner=runner)  # type: ignore[arg-type]
    thread.join()
    runner.close()
    assert (s.counts["queued"], s.counts["failed"]) == (2, 0), s.failures()


# ── in this process ──────────────────────────────────────────────────────────────────────────────────────────────

SPACE = {"x": tt.Float(0, 1)}


def study() -> tt.Study:
    return tt.Study("s", SPACE, minimize="loss", seed=0, searcher="random")


def test_handlers_are_given_back() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    seen: list[Any] = []

    def objective(trial: Any) -> float:
        seen.extend(signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1))
        return float(trial["x"])

    study().optimize(objective, trials=1)
    assert not set(before) & set(seen)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before
    with pytest.raises(ZeroDivisionError):
        study().optimize(objective, trials=1, callbacks=[], runner=Broken())
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before


class Broken:
    """A runner that breaks."""

    def now(self) -> float:
        return time.time()

    def free(self) -> int:
        return 1

    def submit(self, run: Any) -> None:
        raise ZeroDivisionError

    def send(self, *_: Any) -> None: ...
    def close(self, kill: bool = False) -> None: ...
    def collect(self, timeout: float) -> list[Any]:
        return []


def test_handlers_of_c_code_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda n: None if n == signal.SIGTERM else signal.default_int_handler)
    assert wanted() == [signal.SIGINT]


def test_elsewhere_than_in_the_main_thread_there_are_no_signals() -> None:
    s = study()
    thread = threading.Thread(target=lambda: s.optimize(lambda t: t["x"], trials=3, timeout=60, grace=1))
    thread.start()
    thread.join()
    assert s.counts["finished"] == 3


def test_the_end_of_the_time_reaches_an_objective_in_this_thread() -> None:
    def objective(trial: Any) -> None:
        for _ in trial.steps(100_000):
            time.sleep(0.01)

    s = study()
    began = time.monotonic()
    s.optimize(objective, trials=3, timeout=1.5)
    assert time.monotonic() - began < 30
    assert (s.ended, s.counts["queued"]) == ("the time for this run is up", 1)


def test_after_the_time_what_has_no_steps_ends_with_the_grace() -> None:
    s = study()
    began = time.monotonic()
    s.optimize(lambda t: time.sleep(60), trials=3, timeout=1.5, grace=0.2)
    assert time.monotonic() - began < 30
    assert (s.ended, s.counts["queued"]) == ("the time for this run is up", 1)


def test_ctrl_c_while_something_is_stored_waits_for_that() -> None:
    """A second Ctrl-C in the middle of a pump must not tear the driver; it ends the objective right after."""
    s, reached = study(), []

    def objective(trial: Any) -> None:
        trial.report(loss=1.0, step=1)
        reached.append("after the report")

    def twice(s: tt.Study, event: Any) -> None:
        if event.kind == "reported" and not reached:
            reached.append("in the driver")
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            reached.append("still there")

    s = tt.Study("s", SPACE, minimize="loss", seed=0, scheduler=tt.ASHA(max=9))
    with pytest.raises(KeyboardInterrupt):
        s.optimize(objective, trials=3, callbacks=[twice])
    assert reached == ["in the driver", "still there"]
    assert s.counts["queued"] == 1
    assert s.trials[0].step == 1


def test_the_driver_knows_who_ends_at_a_step() -> None:
    told: list[tuple[int, int]] = []

    class Watch:
        def update(self, driver: Any) -> None:
            told.append((len(driver.until), driver.deaf))

        def close(self, driver: Any) -> None: ...

    def deaf(trial: Any) -> None:
        trial.report(loss=1.0)

    def hears(trial: Any) -> None:
        for step in trial.steps():
            trial.report(loss=step)

    s = tt.Study("s", SPACE, minimize="loss", seed=0, scheduler=tt.ASHA(max=3))
    s.optimize(deaf, trials=1, display=display_of(Watch()))
    assert set(told) <= {(1, 1), (0, 0)}
    s.optimize(hears, trials=2, display=display_of(Watch()))
    assert (1, 0) in told


def display_of(watch: Any) -> Any:
    from trimtab.study._display import Display

    class Deaf(Display):
        def __init__(self) -> None: ...

        update, close = watch.update, watch.close

    return Deaf()


def test_leaving_twice_is_harmless() -> None:
    class Driver:
        deadline, margin = float("inf"), float("inf")

        def drain(self, *_: Any, **__: Any) -> None: ...
        def hurry(self) -> None: ...

    with Leaving(Driver(), object()), Leaving(Driver(), object()):
        signal.raise_signal(signal.SIGTERM)
