"""The runner for programs in any language: a command line per trial, its output turned into metrics.

Idea    An argv, never a shell. A program learns its values from the command line, from TRIMTAB_CONFIG (a JSON file)
        and from TRIMTAB_P_<name>; it answers with its output, a file, or lines in TRIMTAB_REPORTS as it goes.
        Every program leads a process group of its own, which ends with it.
Stops   A program that uses tt.current_trial() hears verdicts and ends itself. Any other is ended by SIGTERM when it
        is told to stop or pause at a milestone; its checkpoints are its own affair.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab._random import seed_for
from trimtab.errors import MetricError, ObjectiveError, PlaceholderError
from trimtab.log import JSON, Event
from trimtab.protocol import ENDS, Run
from trimtab.run._batch import join
from trimtab.run._mailbox import CONFIG, MESSAGES, RANKS, REPORTS, RUN, STOPS, Lines, append, as_report
from trimtab.run._metrics import Metric, read, summary
from trimtab.run._outcome import describe
from trimtab.run._pool import GRACE, Deadline, Guard, bound_output, last_lines
from trimtab.run._program import Program, problem, write_json
from trimtab.run._slots import Place, environment, places
from trimtab.run._template import Template
from trimtab.run._units import seconds

if TYPE_CHECKING:
    from trimtab.space import Space

LOOK = 0.1  # seconds between looks at reports.jsonl: files can't be waited for


@dataclass
class _Job:
    """A trial in hand: the program running now, and what its repeats have given."""

    run: Run
    place: Place
    folder: Path
    argv: list[str] = field(default_factory=list)
    program: Program | None = None
    reports: Lines = field(default_factory=lambda: Lines(Path()))
    rows: list[dict[str, float]] = field(default_factory=list)
    until: float = 0.0
    steps: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    attached: bool = False  # it uses current_trial()
    hears: bool = False  # and steps() or should_stop()
    owed: bool = False  # a milestone that has had no answer yet
    told: str | None = None
    bound: bool = False
    left: dict[str, JSON] = field(default_factory=dict)  # what current_trial() said at the end
    error: dict[str, JSON] | None = None


class Command:
    """Runs a program per trial.

    command     ["./solver", "--alpha={alpha}", ["--restart", "{restart}"], "{simd?--simd}", "in.dat"]
    metrics     {"gap": "regex:final gap = (\\S+)"}; time, cpu, memory and exit are always there
    objectives  the names that must be found; a last line that is a bare number is the missing one
    repeats     runs a trial: mean and standard error are its values
    cwd         where programs run, from `base`; may be "{dir}", the trial's own folder
    where       how error messages call the template; log: how they call the way to the output
    """

    def __init__(
        self,
        command: Sequence[str | Sequence[str]],
        space: Space,
        *,
        metrics: Mapping[str, str] | None = None,
        objectives: Sequence[str] = (),
        repeats: int = 1,
        cwd: str | Path = ".",
        base: str | Path = ".",
        env: Mapping[str, str] | None = None,
        workers: int | None = None,
        per_trial: Mapping[str, float | str] | None = None,
        trial_timeout: float | str | None = None,
        grace: float | str = GRACE,
        folder: str | Path | None = None,
        where: str = "command",
        log: str | None = None,
    ) -> None:
        self._names = space.names
        self._template = Template.parse(command, self._names, where)
        self._cwd = Template.parse([str(cwd)], self._names, where)
        self.command, self.base = command, Path(base).absolute()
        self._metrics = [Metric.parse(name, source) for name, source in (metrics or {}).items()]
        self._objectives = tuple(objectives)
        if repeats < 1:
            raise PlaceholderError(f"{where}: repeats={repeats}; a trial runs at least once.")
        self._repeats = repeats
        self._env, self._cpu = dict(env or {}), float((per_trial or {}).get("cpu", 0))
        self._places = places(workers, per_trial or {})
        self.gpus = float((per_trial or {}).get("gpu", 0))
        self.workers = len(self._places)
        self._timeout, self._grace = seconds(trial_timeout), seconds(grace) or 0.0
        self._folder = Path(folder).absolute() if folder else None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._log = log
        self._check_program(where)
        self._jobs: dict[tuple[int, int], _Job] = {}
        self._kept: list[Event] = []
        self._guard: Guard | None = None

    # the protocol

    def now(self) -> float:
        return time.time()

    @property
    def outputs(self) -> Path | None:
        """The folder of what trials print, in <trial>/stdout and stderr."""
        return self._folder

    def free(self) -> int:
        return self.workers - len(self._jobs)

    def submit(self, run: Run) -> None:
        if not self.free():
            raise RuntimeError(f"trial {run.trial} was submitted to a full pool: look at free() first")
        taken = [job.place for job in self._jobs.values()]
        place = next(p for p in self._places if self._places.count(p) > taken.count(p))
        if self._folder is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="trimtab-")
            self._folder = Path(self._scratch.name)
        job = _Job(run, place, self._folder / f"{run.trial:03d}", until=run.until)
        self._jobs[run.trial, run.attempt] = job
        self._launch(job)

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        job = self._jobs.get((trial, attempt))
        if job is None:
            return
        go, answers = message.get("go"), job.owed
        binds = answers and not message.get("drain", False)
        if go == "on":
            job.until, job.owed = float(message.get("until") or "inf"), False
        elif go == "kill" and job.program is not None:
            job.told, job.bound = "cancel", True
            job.program.group.signal(signal.SIGKILL)
        elif go in ENDS and (job.attached or not message.get("drain", False)):
            job.told, job.bound, job.owed = str(go), job.bound or binds, False
            if not job.attached:
                job.bound = True
                self._terminate(job)  # it can't hear: the system's word for "end now"
        if job.attached:
            append(job.folder / MESSAGES, {**message, "answers": answers})

    def hears(self, trial: int, attempt: int) -> bool:
        """Whether this trial looks for requests to end: it uses steps() or should_stop()."""
        job = self._jobs.get((trial, attempt))
        return job is not None and job.hears

    def interrupt(self, kind: str = "pause") -> None:
        """Ask all running programs to end at their next step; those that can't hear run on."""
        for trial, attempt in list(self._jobs):
            self.send(trial, attempt, {"go": kind, "drain": True})

    def collect(self, timeout: float) -> Sequence[Event]:
        """What has happened. Waits while something runs and there is nothing to tell, for `timeout` at most."""
        end = time.monotonic() + timeout
        while self._jobs and not self._kept:
            pause = min(LOOK, max(0.0, end - time.monotonic()))
            running = {job.program.fd: job for job in self._jobs.values() if job.program is not None}
            for program in (job.program for job in running.values()):
                if program is not None and (left := program.deadline.act()) is not None:
                    pause = min(pause, left)
            ended = set(wait(list(running), pause))
            for fd, job in running.items():
                self._hear(job)
                if fd in ended:
                    self._next(job)
            if time.monotonic() >= end:
                break
        kept, self._kept = self._kept, []
        return join(kept)

    def close(self, kill: bool = False) -> None:
        """Ends all programs; those still running get no `ended`."""
        for job in self._jobs.values():
            if job.program is not None:
                if not kill:
                    job.program.group.signal(signal.SIGTERM)
                    job.program.group.wait(min(self._grace, 2.0))
                job.program.group.signal(signal.SIGKILL)
                job.program.end()
        self._jobs = {}
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._folder = self._scratch = None

    def preview(self, config: Mapping[str, JSON], trial: int = 0, seed: int = 0, budget: float | None = None) -> str:
        """The command line of a configuration, as one would type it."""
        run = Run(trial=trial, attempt=1, config=config, seed=seed, until=float("inf"), budget=budget)
        return shlex.join(
            self._template.render(config, self._built_in(run, (self._folder or Path("runs")) / f"{trial:03d}", seed))
        )

    def foreground(
        self, config: Mapping[str, JSON], *, trial: int = 0, seed: int = 0, budget: float | None = None
    ) -> int:
        """One run here, with this terminal, recorded nowhere; its exit code. current_trial() prints its reports."""
        run = Run(trial=trial, attempt=1, config=config, seed=seed, until=float("inf"), budget=budget)
        with tempfile.TemporaryDirectory(prefix="trimtab-") as name:
            folder = Path(name)
            write_json(folder / CONFIG, dict(config))
            argv, cwd = self._line(run, folder, seed)
            env = os.environ | self._env | _told(run, folder, seed)
            del env["TRIMTAB_DIR"]
            return subprocess.run(argv, cwd=cwd, env=env, check=False).returncode

    def _line(self, run: Run, folder: Path, seed: int) -> tuple[list[str], Path]:
        """The argv, its program found from `base`, and the folder to run in."""
        built_in = self._built_in(run, folder, seed)
        program, *rest = self._template.render(run.config, built_in)
        cwd = self.base / self._cwd.render(run.config, built_in)[0]
        return [program if "/" not in program else str(self.base / program), *rest], cwd

    # a program's life

    def _launch(self, job: _Job) -> None:
        """The first or next repeat."""
        run, repeat = job.run, len(job.rows)
        seed = seed_for(run.seed, "repeat", repeat) if repeat else run.seed
        job.folder.mkdir(parents=True, exist_ok=True)
        for old in (job.folder / REPORTS, job.folder / MESSAGES, *job.folder.glob(f"{STOPS}*")):
            old.unlink(missing_ok=True)
        job.reports = Lines(job.folder / REPORTS)
        write_json(job.folder / CONFIG, dict(run.config))
        write_json(job.folder / RUN, {k: getattr(run, k) for k in Run.__slots__} | {"seed": seed})
        env = environment(job.place, self.workers, self._cpu)
        own = (*RANKS, "SLURM_LOCALID")  # the driver's, not the program's
        env = {k: v for k, v in env.items() if k not in own} | self._env | _told(run, job.folder, seed)
        if self._guard is None:
            self._guard = Guard()
        limit = run.limits.get("seconds", self._timeout)
        try:
            job.argv, cwd = self._line(run, job.folder, seed)
            job.program = Program(job.argv, self._guard, env, cwd, job.folder, limit, self._grace)
        except (OSError, ValueError, IndexError) as error:  # no such folder, a NUL in an argument, nothing left
            self._end(job, "failed", {"error": describe(error)})

    def _built_in(self, run: Run, folder: Path, seed: int) -> dict[str, JSON]:
        budget = run.budget
        if budget is not None and budget == int(budget):
            budget = int(budget)
        return {
            "trial": run.trial, "seed": seed, "budget": budget, "dir": str(folder), "checkpoint": run.source,
        }  # fmt: skip

    def _hear(self, job: _Job) -> None:
        """New lines of reports.jsonl; a wrong one fails the trial."""
        if job.error is not None:
            return
        try:
            for line in job.reports.new():
                self._take(job, line)
        except (ObjectiveError, TypeError, ValueError) as error:
            job.error = describe(error)
            self._terminate(job)

    def _terminate(self, job: _Job) -> None:
        """TERM at the next turn of the loop, KILL after the grace."""
        if job.program is not None:
            job.program.deadline = Deadline(job.program.group, 0.0, self._grace)

    def _take(self, job: _Job, line: dict[str, Any]) -> None:
        kind, body = line.get("kind"), line.get("body", {})
        if kind == "attached":
            job.attached = True
            if job.told is not None:
                append(job.folder / MESSAGES, {"go": job.told})
        elif kind == "left":
            job.left = body
        elif kind == "waiting":
            job.owed = True
        elif kind == "listens":
            job.hears = True
        elif kind == "saved":
            self._keep(job, "saved", body)
        elif job.rows or (job.bound and not job.attached):
            return  # the reports of a trial are those of its first run, and none after a verdict
        else:
            body = body if kind == "reported" else as_report(line, len(job.steps) + 1, job.started)
            job.steps += body["step"]
            self._keep(job, "reported", body)
            if not job.attached and (job.run.wait == "all" or job.steps[-1] >= job.until):
                job.owed = True

    def _next(self, job: _Job) -> None:
        """A program has ended: its values, then the next repeat or the end of the trial."""
        assert job.program is not None
        program, left = job.program, job.program.end()
        job.program = None
        self._hear(job)
        name = self._template.program or job.argv[0]
        found = problem(left, name, last_lines(job.folder / "stderr") if left.code > 0 else "")
        for output in ("stdout", "stderr"):
            bound_output(job.folder / output)
        if job.told is not None and (job.bound or job.left.get("state") == ENDS[job.told]):
            self._end(job, ENDS[job.told], {})
        elif program.deadline.expired:
            self._end(job, "failed", {"error": job.error or dict(program.deadline.error())})
        elif job.error is not None or job.left.get("error"):
            self._end(job, "failed", {"error": job.error or job.left["error"]})
        elif found is not None:
            self._end(job, found[0], {"error": found[1]})
        else:
            self._finish(job, program, left.metrics, f"Trial {job.run.trial}: {name} ended with exit code 0")

    def _finish(self, job: _Job, program: Program, built_in: Mapping[str, float], who: str) -> None:
        _, cwd = self._line(job.run, job.folder, 0)
        needs = () if job.steps else self._objectives  # what was reported need not be printed too
        try:
            job.rows.append(read(self._metrics, needs, program.output(), cwd, built_in, who))
        except (MetricError, ObjectiveError) as error:
            see = f" See: {self._log} {job.run.trial}" if self._log else f" See {job.folder / 'stdout'}"
            self._end(job, "failed", {"error": {"kind": type(error).__name__, "text": f"{error}.{see}"}})
            return
        if len(job.rows) < self._repeats:
            self._launch(job)
            return
        mean, sem = summary(job.rows)
        self._end(job, "finished", {"returned": mean} | ({"sem": sem} if sem else {}))

    def _end(self, job: _Job, state: str, more: Mapping[str, JSON]) -> None:
        used = {k: sum(r[k] for r in job.rows) for k in ("cpu",) if job.rows}
        cost = {"seconds": round(time.monotonic() - job.started, 6), **used}
        if job.rows:
            cost["memory"] = max(r["memory"] for r in job.rows)
        body: dict[str, JSON] = {"state": state, "step": max(job.steps, default=None), "cost": cost, **more}
        if job.left.get("notes"):
            body["notes"] = job.left["notes"]
        self._keep(job, "ended", body)
        del self._jobs[job.run.trial, job.run.attempt]

    def _keep(self, job: _Job, kind: str, body: Mapping[str, JSON]) -> None:
        self._kept.append(Event(kind, body, job.run.trial, job.run.attempt, self.now()))

    def _check_program(self, where: str) -> None:
        """A program that is not there is told before the first trial."""
        name = self._template.program
        if name is None:
            return
        path = self._env.get("PATH", os.environ.get("PATH"))
        if shutil.which(name if "/" not in name else str(self.base / name), path=path) is None:
            found = self.base / name
            if "/" in name and found.exists():
                raise PlaceholderError(f"{where}: {found} is not executable. Type: chmod +x {shlex.quote(str(found))}")
            there = str(self.base) if "/" in name else "on PATH"
            raise PlaceholderError(f"{where}: there is no program {name!r} {'in ' if '/' in name else ''}{there}.")


def _told(run: Run, folder: Path, seed: int) -> dict[str, str]:
    """What a program finds in its environment."""
    told = {"TRIMTAB_TRIAL": str(run.trial), "TRIMTAB_SEED": str(seed), "TRIMTAB_DIR": str(folder)}
    told |= {"TRIMTAB_CONFIG": str(folder / CONFIG), "TRIMTAB_REPORTS": str(folder / REPORTS)}
    for name, value in run.config.items():
        text = value if isinstance(value, str) else json.dumps(value)
        with contextlib.suppress(ValueError):
            told[f"TRIMTAB_P_{re.sub(r'[^0-9A-Za-z_]', '_', name)}"] = text
    return told
