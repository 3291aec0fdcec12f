"""What an objective receives: the configuration, the steps, and the way to report, save and hear when to stop.

Idea    A Trial knows nothing of studies or processes. It speaks through a Link: `post` sends a measured fact,
        `wait` blocks for the verdict at a milestone, `poll` looks for what came unasked. Every runner has a Link.
Steps   are counts of finished steps: 1, 2, …, budget. Save first, then report: a pause decided by the report
        must find the step's checkpoint.
Verdict A report waits for one when its step reaches `until`, or always when run.wait == "all". A verdict of a
        milestone binds: later reports are dropped. A pause that came unasked (Ctrl-C) does not: an objective that
        never looks runs on and finishes.
"""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from trimtab._foreign import TRIAL, attribute
from trimtab.errors import ObjectiveError, ReportError
from trimtab.log import JSON
from trimtab.protocol import Run
from trimtab.run._features import Features, told
from trimtab.run._outcome import execute, failure, outcome
from trimtab.run._recorder import Recorder
from trimtab.run._values import number, plain, storable
from trimtab.run.config import Config

if TYPE_CHECKING:
    from trimtab.space import Space

__all__ = ["Link", "Trial", "execute", "failure", "outcome"]

log = logging.getLogger(__name__)
Real: TypeAlias = float  # inside Trial, float, int and bool are methods
Whole: TypeAlias = int
Truth: TypeAlias = bool


class Link(Protocol):
    """The trial's line to whoever runs it.

    It may have two more methods. listens(): this trial looks for requests to end, called when it first does.
    agree(told): what all processes of the trial act on at this call of should_stop(), where there are several.
    """

    def post(self, kind: str, body: Mapping[str, JSON]) -> None:
        """A measured fact: "reported" or "saved"."""
        ...

    def wait(self) -> Mapping[str, JSON]:
        """The answer to a milestone: {"go": "on", "until": 27}, {"go": "pause"}, "stop", "cancel", "kill"."""
        ...

    def poll(self) -> Mapping[str, JSON] | None:
        """A message that came unasked, if there is one. Never blocks."""
        ...


class Trial:
    """One run of one configuration.

    number, seed, attempt   which trial this is, a seed of its own, and the how-manieth execution
    budget                  the step this run believes it goes to, or None
    config                  read-only; only active names; trial["lr"] is short for trial.config["lr"]
    """

    def __init__(self, run: Run, link: Link, space: Space | None = None, folder: str | Path | None = None) -> None:
        self.number, self.attempt, self.seed, self.budget = run.trial, run.attempt, run.seed, run.budget
        self.config = Config(run.config, space, run.trial)
        self._run, self._link, self._folder = run, link, Path(folder) if folder else None
        self._listens, self._agree = getattr(link, "listens", None), getattr(link, "agree", None)
        self._until = run.until
        self._told: str | None = None  # pause, stop or cancel
        self._bound = False  # told in answer to a milestone, so it holds whether obeyed or not
        self._obeyed = False
        self._step: Real | None = None  # inside steps()
        self._last: dict[Whole | None, tuple[Real, dict[str, Real]]] = {}  # by fold: the newest step and its values
        self._counted = run.source_step
        self._dropped = 0
        self._notes: dict[str, JSON] = {}
        self._asked: dict[str, list[JSON]] = {}
        self._news: dict[str, list[JSON]] = {}  # of _asked, what no event has carried yet
        self._reached = 0.0  # the last step that steps() saw finished
        self.interrupted = False  # Ctrl-C went off inside the objective
        self._error: Exception | None = None  # a report that failed the trial, even if the objective hides it
        self._started = time.monotonic()

    @classmethod
    def fixed(
        cls,
        config: Mapping[str, Any],
        budget: Real | None = None,
        *,
        space: Space | None = None,
        seed: Whole = 0,
        checkpoint: str | Path | None = None,
        step: Real | None = None,
        pause: Real | None = None,
        folder: str | Path | None = None,
    ) -> Trial:
        """A stand-in for unit tests of an objective: its reports are in .reports, its newest checkpoint in .saved.

        pause       the step at which it is told to pause
        checkpoint  a folder to go on from, such as .saved of a paused one; step: the step it was saved at
        """
        if checkpoint is not None and step is None:
            name = Path(checkpoint).name
            if not name.isdecimal():
                raise ReportError(f"Trial.fixed(checkpoint={str(checkpoint)!r}): say its step too: step=3.")
            step = int(name)
        run = Run(
            trial=0, attempt=1, config=dict(config), seed=seed, until=math.inf if pause is None else pause,
            budget=budget, open=True, source=None if checkpoint is None else str(checkpoint), source_step=step or 0.0,
        )  # fmt: skip
        return cls(run, Recorder(), space, folder)

    def __repr__(self) -> str:
        return f"Trial({self.number}, {dict(self.config)!r})"

    if not TYPE_CHECKING:  # a checker would believe that every name is there

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(attribute("'Trial' object", name, TRIAL), name=name, obj=self)

    # the configuration

    def __getitem__(self, name: str) -> Any:
        return self.config[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` for a name that is inactive here."""
        return self.config.get(name, default)

    def branch(self, name: str) -> tuple[str, dict[str, Any]]:
        """Of a choice between spaces: what was chosen, and its settings. ("svm", {"C": 3.1})"""
        return self.config.branch(name)

    def blocks(self, name: str) -> list[dict[str, Any]]:
        """Of a Repeat: the settings of each block that is there. [{"units": 64}, {"units": 16}]"""
        return self.config.blocks(name)

    # define by run

    def float(self, name: str, low: Real, high: Real, *, log: Truth = False, step: Real | None = None) -> Real:
        """A real number from low to high, both included."""
        from trimtab.space import Float

        value: Real = self._ask(name, Float(low, high, log=log, step=step))
        return value

    def int(
        self, name: str, low: Whole, high: Whole, *, log: Truth | Whole = False, step: Whole | None = None
    ) -> Whole:
        """A whole number from low to high, both included."""
        from trimtab.space import Int

        value: Whole = self._ask(name, Int(low, high, log=log, step=step))
        return value

    def choice(self, name: str, options: Any) -> Any:
        """One of the options; a mapping names objects by labels."""
        from trimtab.space import Choice

        return self._ask(name, Choice(options))

    def bool(self, name: str) -> Truth:
        """True or False."""
        from trimtab.space import Bool

        value: bool = self._ask(name, Bool())
        return value

    def _ask(self, name: str, domain: Any) -> Any:
        if not self._run.open:
            raise ObjectiveError(f'trial {self.number} has a declared space; read it: trial["{name}"]')
        from trimtab.run._late import fits, late

        if isinstance(self._link, Recorder):
            fits(self._run.config, name, domain)
        news = {} if self._bound else self._news  # like its reports: after the verdict nothing counts
        return late(self._run, name, domain, self._asked, news)

    # the loop

    def steps(self, n: Real | None = None) -> Iterator[Whole]:
        """1, 2, … up to the budget (or n); goes on after the checkpoint; ends early when told to pause or stop."""
        limits = [x for x in (n, self.budget) if x is not None]
        if not limits:
            raise ReportError("trial.steps() has no length here: the study has no max_budget. Say it: trial.steps(30).")
        total, step = min(limits), math.floor(self._run.source_step) + 1
        try:
            while step <= total:
                if self.should_stop():
                    return
                self._step = step
                yield step
                self._reached, step = step, step + 1
            self._obeyed = False  # ran to its end: a pause that came meanwhile has nothing to cut short
        finally:
            self._step = None

    def should_stop(self) -> Truth:
        """True after a stop, a pause, a cancel or a time-out. For loops that aren't yours (callbacks).

        Where a trial runs in several processes, call it in all of them: the n-th call says the same everywhere.
        """
        if self._listens is not None:
            self._listens()
            self._listens = None
        self._hear()
        if self._agree is not None:
            self._told = self._agree(self._told)
        self._obeyed = self._obeyed or self._told is not None
        return self._told is not None

    def report(
        self,
        metrics: Mapping[str, Any] | None = None,
        /,
        *given: Any,
        step: Real | None = None,
        fold: Whole | None = None,
        sem: Real | Mapping[str, Real] | None = None,
        **named: Any,
    ) -> None:
        """Metrics of the present step: report(loss=0.3), or report({"val/loss": 0.3}, step=7). All in one call."""
        if given or not (metrics is None or isinstance(metrics, Mapping)):
            raise _positional(metrics, given, step)
        values = {**(metrics or {}), **named}
        if not values:
            raise ReportError("report() was given no metric. Name one: report(loss=…).")
        if reserved := [k for k in ("step", "fold", "sem") if k in values]:
            raise ReportError(f"report({{{reserved[0]!r}: …}}): that is no metric; say report({{…}}, {reserved[0]}=…).")
        if fold is not None and (not isinstance(fold, Integral) or fold < 0):
            raise ReportError(f"report(…, fold={fold!r}): folds are whole numbers, 0, 1, 2, …")
        at = self._step_of(step, fold)
        try:
            clean = {str(k): number(v, f'reported "{k}" at step {at:g}') for k, v in values.items()}
        except (TypeError, ObjectiveError) as error:
            self._error = self._error or error
            raise
        fresh = self._fresh(clean, at, fold)
        if fresh:
            self._send(fresh, at, fold, sem)

    def _step_of(self, step: Real | None, fold: Whole | None) -> Real:
        if step is None:
            at = self._step if self._step is not None else self._next(fold)
        else:
            at = number(step, "gave a step to report()")
            at = int(at) if at == int(at) else at
        if at <= 0 and self.budget is not None:
            raise ReportError(
                f"report(…, step={at:g}): steps are counts of finished steps, 1 to {self.budget:g}: after the first "
                f"epoch the step is 1. With range(…), report step=epoch + 1; for step in trial.steps() does it for you."
            )
        if at < 0 or (self.budget is not None and at > self.budget and not self._bound):  # else it will be dropped
            raise ReportError(f"report(…, step={at:g}): this trial has the steps 1 to {self.budget or math.inf:g}.")
        return at

    def _next(self, fold: Whole | None) -> Real:
        """The step of a report that names none: one further, but folds of one step share it."""
        if fold is not None and self._counted > self._run.source_step:
            last = self._last.get(fold)
            if last is None or last[0] < self._counted:
                return self._counted
        return self._counted + 1

    def _fresh(self, values: dict[str, Real], at: Real, fold: Whole | None) -> dict[str, Real]:
        """What of `values` was not reported before. Saying the same twice is harmless; changing it is not."""
        last, said = self._last.get(fold, (-math.inf, {}))
        if at < last:
            raise ReportError(f"report(…, step={at:g}) after step {last:g}: steps go forward within a trial.")
        if at > last:
            self._last[fold] = (at, dict(values))
            return values
        for name, value in values.items():
            if said.get(name, value) != value:
                raise ReportError(
                    f"report({name}={value!r}, step={at:g}): step {at:g} already has {name}={said[name]!r}. "
                    "Report each step once; the step after it is the next number."
                )
        fresh = {k: v for k, v in values.items() if k not in said}
        said.update(fresh)
        return fresh

    def _send(self, values: dict[str, Real], at: Real, fold: Whole | None, sem: Any) -> None:
        self._counted = max(self._counted, at)
        if self._bound:
            self._drop()
            return
        body: dict[str, JSON] = {"step": [at], "metrics": {k: [v] for k, v in values.items()}}
        if fold is not None:
            body["fold"] = [int(fold)]
        if sem is not None:
            spread = sem if isinstance(sem, Mapping) else {next(iter(values)): sem}
            body["sem"] = {k: [_sem(v, k)] for k, v in spread.items() if k in values}
        body["seconds"] = [round(time.monotonic() - self._started, 3)]
        if self._news:
            body["asked"], self._news = self._news, {}
        self._link.post("reported", body)
        if self._run.wait == "all" or at >= self._until:
            self._take(self._link.wait(), asked=True)
        self._hear()

    def _drop(self) -> None:
        self._dropped += 1
        if self._dropped == 1:
            log.warning(
                "trial %d was told to %s but runs on; its further reports are dropped. "
                "Loop over trial.steps(), or leave when trial.should_stop().", self.number, self._told,
            )  # fmt: skip

    def _hear(self) -> None:
        while (message := self._link.poll()) is not None:
            self._take(message, asked=False)

    def _take(self, message: Mapping[str, JSON], *, asked: Truth) -> None:
        go = message.get("go")
        if go == "on":
            until = message.get("until")
            self._until = math.inf if until is None else float(until)
        elif go in ("pause", "stop", "cancel", "kill"):
            self._told = "cancel" if go == "kill" else go
            self._bound = self._bound or (asked and not message.get("drain", False))

    # files and words

    @property
    def checkpoint(self) -> Path | None:
        """The folder saved last by the run this one continues, or None: start afresh."""
        if not self._run.source:
            return None
        from trimtab.storage import checkpoints

        return checkpoints.fetch(self._run.source)

    @contextmanager
    def save_checkpoint(self, step: Real | None = None, features: Features = None) -> Iterator[Path]:
        """A folder to write into; published whole when the block ends well, and not at all otherwise.

        features  {name: number} that tell of it, or a function of the folder; methods read them, also once it is gone
        """
        from trimtab.storage import checkpoints

        if not getattr(self._link, "leads", True):  # one of several processes: the first one's is kept
            with tempfile.TemporaryDirectory(prefix="trimtab-") as unused:
                yield Path(unused)
            return
        at = step if step is not None else self._step if self._step is not None else self._counted + 1
        home = self._run.checkpoint or str(self.folder / "checkpoints" / str(self.attempt))
        ref = checkpoints.join(home, checkpoints.step_name(at))
        started = checkpoints.begin(ref)
        try:
            yield started
            about = told(features, started, self.number)
        except BaseException:
            checkpoints.abandon(started)
            raise
        self._link.post("saved", {"step": at, "ref": ref, **checkpoints.commit(started, ref), **about})

    @property
    def folder(self) -> Path:
        """A folder of this trial's own, for whatever it likes to keep."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"trimtab-{self.number:03d}-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def note(self, **attributes: Any) -> None:
        """Words and numbers to keep with the trial. Searchers never read them."""
        notes = {**self._notes, **{k: plain(v) for k, v in attributes.items()}}
        self._notes = storable(notes, f"the notes of trial {self.number}")

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Of Trial.fixed(): what was reported, in order."""
        return self._link.reports if isinstance(self._link, Recorder) else []

    @property
    def saved(self) -> Path | None:
        """Of Trial.fixed(): the newest checkpoint that was saved."""
        return self._link.saved if isinstance(self._link, Recorder) else None


def _positional(metrics: Any, given: tuple[Any, ...], step: float | None) -> ReportError:
    """The right call, written with the values of the wrong one."""
    shown = [repr(v) for v in ((metrics, *given) if metrics is not None or given else ())]
    first = repr(metrics) if isinstance(metrics, (int, float)) else "…"
    at = step if step is not None else given[0] if given and isinstance(given[0], (int, float)) else None
    said = f"report({', '.join(shown)}{f', step={step!r}' if step is not None else ''})"
    return ReportError(f"{said}: metrics go by name: report(loss={first}{'' if at is None else f', step={at!r}'}).")


def _sem(value: Any, name: str) -> float:
    found = number(value, f'reported the sem of "{name}"')
    if found < 0:
        raise ReportError(f'the sem of "{name}" is {found:g}; a standard error is at least 0.')
    return found
