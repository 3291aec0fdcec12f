"""Study: the user's handle. It joins rooms; what can be asked of a History stands elsewhere."""

from __future__ import annotations

import os
import shutil
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trimtab._foreign import STUDY_NAMES, attribute
from trimtab.errors import NoResult, StudyMismatch, UnknownName
from trimtab.history import Trial
from trimtab.log import JSON, Event
from trimtab.protocol import Need, Objective, Scheduler, Searcher, Storage
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS
from trimtab.space import Space
from trimtab.storage import Memory, open_storage, open_stored
from trimtab.study._begin import found_or_made, given_or_usual, named_storage, outputs_of, so_far
from trimtab.study._define import Names
from trimtab.study._keywords import translated
from trimtab.study._log import BATCH, Log, new_id
from trimtab.study._progress import Progress
from trimtab.study._register import found_or_missing
from trimtab.study._results import Results
from trimtab.study._say import say
from trimtab.study._settings import Settings
from trimtab.study._stop import Rule
from trimtab.study._times import seconds
from trimtab.study._where import where

if TYPE_CHECKING:
    from trimtab.study._asked import Asked

POLICIES = ("avoid", "allow", "reuse")


class Study(Results):
    """An append-only log of trials, and what to try next.

    name        of the study in its storage; the same name resumes it
    space       a Space (or a dict of domains); None: define by run, or the stored one
    minimize, maximize   a metric's name, or several; they can't change later
    constraints expressions over metrics that hold for a feasible trial: "memory <= 8"
    hidden      metrics of the test set: kept, and never shown to searchers or schedulers
    storage     "digits.db", a database URL, a Storage; None: $TRIMTAB_STORAGE, else in memory
    searcher    a name or an object; None: the stored one, "auto" for a new study
    scheduler   a name or an object; max_budget sets its `max`
    seed        None: drawn once and stored
    duplicates  "avoid", "allow" or "reuse" (copy the result)
    value       "last" or "best": which report counts as a trial's value
    stop        rules such as [tt.Target(0.05)], or a table {"target": 0.05, "time": "24h"}; any one ends the study
    retry       {"times": 2, "on": ["lost", "crash", …]}
    if_exists   "resume", "error" or "new" (the next free name)
    folder      for outputs and checkpoints of trials, or a URL for checkpoints; None: beside the SQLite file
    """

    @translated("Study")
    def __init__(
        self,
        name: str,
        space: Space | Mapping[str, Any] | None = None,
        *,
        minimize: Names | None = None,
        maximize: Names | None = None,
        constraints: Sequence[str] = (),
        hidden: Sequence[str] = (),
        storage: str | Path | Storage | None = None,
        searcher: str | Searcher | Mapping[str, Any] | None = None,
        scheduler: str | Scheduler | Mapping[str, Any] | None = None,
        max_budget: float | None = None,
        seed: int | None = None,
        duplicates: str | None = None,
        value: str | None = None,
        stop: Sequence[Rule] | Mapping[str, Any] | None = None,
        retry: Mapping[str, JSON] | None = None,
        if_exists: str = "resume",
        folder: str | Path | None = None,
        durability: Literal["normal", "full"] = "normal",
        note: str = "",
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise StudyMismatch(f"A study needs a name, as its first argument; this one is {name!r}.")
        if if_exists not in ("resume", "error", "new"):
            raise UnknownName(if_exists, among=("resume", "error", "new"), kind="if_exists")
        for word, given, words in (("duplicates", duplicates, POLICIES), ("value", value, ("last", "best"))):
            if given is not None and given not in words:
                raise UnknownName(given, among=words, kind=f"{word} policy")
        labels = space if isinstance(space, Space) or space is None else Space(space)
        store = open_storage(given_or_usual(storage), durability=durability)
        settings = Settings(labels, minimize, maximize, constraints, hidden, searcher, scheduler, max_budget, seed,
                             duplicates, value, stop, retry, note)  # fmt: skip
        name, known, self.resumed = found_or_made(store, name, if_exists, settings)
        self._take(Log.open(store, known), name, labels, folder)
        if self.resumed:
            if line := so_far(name, self._log):
                say("resumed", line)
            self._redefine(settings)

    def _take(self, log: Log, name: str, labels: Space | None, folder: str | Path | None) -> None:
        self.name, self._log, self._labels = name, log, labels
        self._remote = str(folder) if "://" in str(folder) else ""  # for checkpoints; outputs stay on this machine
        self._folder = Path(folder).absolute() if folder and not self._remote else outputs_of(log.storage)
        self.changes: list[str] = []  # what this call changed in a stored study, a line each
        self.ended = str((log.ledger.closed or {}).get("text", ""))  # why the last optimize(), or the study, ended
        self.ran = 0  # how many trials the last optimize() here has ended; other drivers' are not among them
        self._me = f"hand:{uuid.uuid4().hex[:8]}"
        self._read_methods()

    def _read_methods(self) -> None:
        newest = self._log.ledger.definitions[-1]
        self.searcher: Searcher = found_or_missing(SEARCHERS, newest["searcher"])
        self.scheduler: Scheduler = found_or_missing(SCHEDULERS, newest["scheduler"])
        self._methods_at = len(self._log.ledger.definitions)

    def _redefine(self, settings: Settings) -> None:
        """Give the stored study what this call says differently, as one more `defined`."""
        while True:
            old = self._log.ledger.definitions[-1]
            body, self.changes = settings.again(self.name, where(self._log.storage), old)
            if body is None or self._log.decide(Event("defined", body, at=time.time())):
                break
        self._read_methods()
        for line in self.changes:
            say("changed", f"{self.name}: {line}")

    @classmethod
    def load(cls, storage: str | Path | Storage | None = None, name: str | None = None) -> Study:
        """A stored study as it is. name may be left out where the storage holds one study."""
        store = open_stored(named_storage(storage))
        names = list(store.names())
        if name is None and len(names) > 1:
            raise StudyMismatch(
                f"{where(store)} holds {len(names)} studies ({', '.join(names)}). "
                f"Say which: tt.load({str(storage)!r}, name={names[0]!r})."
            )
        if not names:
            raise NoResult(f"{where(store)} holds no study yet.")
        name = names[0] if name is None else name
        known = store.find(name)
        if known is None:
            raise UnknownName(name, among=names, kind=f"study in {where(store)}")
        study = cls.__new__(cls)
        study.resumed = True
        study._take(Log.open(store, known), name, None, None)
        return study

    def _repr_html_(self) -> str:
        from trimtab.study._notebook import page_html
        from trimtab.study._summary import summary

        self._log.refresh()
        return page_html(summary(self, width=100))

    if not TYPE_CHECKING:  # a checker would believe that every name is there

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(attribute("'Study' object", name, STUDY_NAMES), name=name, obj=self)

    # ── asking and telling ───────────────────────────────────────────────────────────────────────────────────────

    @translated("Study.ask")
    def ask(
        self, n: int | None = None, *, expires: float | str | None = None, fixed: Mapping[str, JSON] | None = None
    ) -> Any:
        """A new trial to evaluate (or a paused one to go on with); with n, a list of n.

        It is yours until you tell() its end; with expires= (seconds or "2h") it is offered again after that time.
        """
        if n is not None and (not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1):
            raise ValueError(f"ask(n={n!r}): a whole number, at least 1; without n, one trial.")
        from trimtab.study import _hand

        got = _hand.ask(self, int(n or 1), None if expires is None else time.time() + seconds(expires), fixed)
        return got if n is not None else got[0]

    def _current(self) -> None:
        """Follow a change of methods that another process has made."""
        if len(self._log.ledger.definitions) != self._methods_at:
            self._read_methods()

    @translated("Study.tell")
    def tell(
        self,
        trial: int | Trial | Asked,
        values: float | Mapping[str, float] | None = None,
        *,
        failed: str | None = None,
        sem: float | Mapping[str, float] | None = None,
        step: float | None = None,
        cost: Mapping[str, float] | float | None = None,
    ) -> None:
        """The end of a trial: its values, or why it failed. By number it works from any process.

        values: a number (one objective) or {metric: value}; None: what was reported counts. Telling the same again is
        harmless; another value is refused (see correct()). cost: seconds, or {"seconds": …, …}.
        """
        from trimtab.study import _hand

        _hand.tell(self, trial, values, failed, sem, step, cost)

    def enqueue(
        self,
        config: Mapping[str, Any],
        *,
        seed: int | None = None,
        tags: Mapping[str, JSON] | None = None,
        why: str = "",
    ) -> bool:
        """Try this configuration next; names left out are filled in by the searcher. False: it was queued before."""
        from trimtab.study import _hand

        return _hand.enqueue(self, config, seed, tags, why)

    def add(
        self,
        config: Mapping[str, Any],
        values: float | Mapping[str, float],
        *,
        tags: Mapping[str, JSON] | None = None,
        sem: Any = None,
    ) -> Trial:
        """A trial that was evaluated elsewhere. It does not count towards trials=."""
        from trimtab.study import _hand

        return _hand.add(self, config, values, tags, sem)

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    @translated("Study.optimize")
    def optimize(
        self,
        objective: Objective,
        *,
        trials: int | None = None,
        more: int | None = None,
        workers: int | None = None,
        per_trial: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        trial_timeout: float | str | None = None,
        grace: float | str | None = None,
        callbacks: Sequence[Callable[[Study, Event], None]] = (),
        runner: Any = None,
        recycle: int | None = None,
        answer: Callable[[Need], JSON] | None = None,
        display: Any = None,
    ) -> Study:
        """Run the objective until the study has `trials` trials (its total), or `more` further ones.

        One worker runs here, in this process; more run as processes (objectives may be lambdas or notebook functions).
        workers left out: as many as per_trial={"gpu": 1, "cpu": 4} fit on this machine, or one without per_trial.
        timeout is for this call ("slurm": until the job's end), trial_timeout for each trial: seconds, or "4h".
        Ctrl-C, SIGTERM and the end of the time end running trials at their next step and put them back into the queue;
        the same call goes on. Those that don't use trial.steps() may run on for `grace` (left out: 90 s after SIGTERM,
        as long as they like after Ctrl-C); a second signal ends them now. A trial that passes its trial_timeout gets
        SIGTERM, and SIGKILL after `grace` (left out: 10 s). Other calls on the same study, on any machine, join in:
        trials is the total of all. Returns the study.

        display: left out, a block on a terminal or in a notebook; False: nothing; True: lines where there is neither;
        or "terminal", "notebook", "plain" (lines on stderr), "log" (the same to logging).
        """
        from trimtab.study._optimize import Call, listed, optimize

        return optimize(
            self, objective,
            Call(
                trials, more, workers, per_trial, timeout, trial_timeout, grace, listed(callbacks), runner, recycle,
                answer, display,
            ),
        )  # fmt: skip

    def rerun(self, trial: int | Trial, objective: Objective) -> Any:
        """Run a trial's configuration here and now; exceptions propagate, nothing is recorded. Returns its value."""
        from trimtab.protocol import Run
        from trimtab.run._recorder import Recorder
        from trimtab.run.trial import Trial as Handle

        row = self._log.ledger.rows[self._number(trial)]
        run = Run(row.number, row.attempt, row.config, row.seed, inf, row.budget, open=row.open)
        return objective(Handle(run, Recorder(), None if row.open else self.space))

    # ── mending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def retry(self, trials: int | Trial | str | Sequence[int] = "failed") -> list[int]:
        """Put failed (or lost) trials back into the queue; the next run tries them first. Returns their numbers."""
        from trimtab.study import _mend

        return _mend.retry(self, trials)

    def correct(self, trial: int | Trial, values: float | Mapping[str, float], *, reason: str) -> Trial:
        """Give a trial other values. The log keeps both."""
        from trimtab.study import _mend

        return _mend.correct(self, trial, values, reason)

    def invalidate(self, trials: int | Trial | Sequence[int], *, reason: str) -> None:
        """Take trials out: nothing reads them any more, and they don't count. restore() brings them back."""
        from trimtab.study import _mend

        _mend.invalidate(self, trials, reason)

    def restore(self, trials: int | Trial | Sequence[int], *, reason: str = "") -> None:
        """Bring invalidated trials back."""
        from trimtab.study import _mend

        _mend.restore(self, trials, reason)

    def note(self, trial: int | Trial | None = None, text: str = "", **attributes: JSON) -> None:
        """Keep words or numbers with a trial (or with the study). Searchers never read them."""
        from trimtab.study import _mend

        _mend.note(self, trial, text, attributes)

    def stop(self, why: str = "stopped by the user") -> None:
        """End the study for every driver: running trials end at their next step. Another optimize() call of a changed
        study reopens it."""
        self._log.refresh()
        while not self._log.decide(
            Event("closed", {"rule": "user", "text": why, "seen": self._log.ledger.version}, at=time.time())
        ):
            pass

    def reopen(self) -> None:
        """Undo stop(), or a stop rule that has fired."""
        while not self._log.decide(
            Event("defined", {**self._log.ledger.definitions[-1], "why": "reopened"}, at=time.time())
        ):
            pass

    def copy(self, to: str | Path | Storage, name: str | None = None) -> Study:
        """The whole log in another storage, event for event."""
        store = open_storage(to)
        name = name or self.name
        events = list(self.log())
        study, new = store.create(name, events[0])
        if not new:
            raise StudyMismatch(f'"{name}" exists in {where(store)} already. Give another name=.')
        with Progress(f"copying {name}") as told:
            for i in range(1, len(events), BATCH):
                store.append(study, events[i : i + BATCH], new_id())
                told(min(i + BATCH, len(events)), len(events))
        if self._scratch is not None:
            self._scratch.detach()  # the copy's checkpoints and outputs lie there
        return Study.load(store, name)

    save = copy

    def close(self) -> None:
        """Let go of the storage."""
        self._log.storage.close()

    _scratch: weakref.finalize[..., Study] | None = None  # removes a temporary folder

    def _home(self) -> Path:
        """The folder for outputs and checkpoints; a temporary one where the study has none."""
        if self._folder is None:
            import tempfile

            self._folder = Path(tempfile.mkdtemp(prefix="trimtab-"))
            goes = isinstance(self._log.storage, Memory)  # with a study in memory, unless it is saved
            self._scratch = weakref.finalize(self, _drop if goes else _drop_if_empty, str(self._folder))
        return self._folder

    def _checkpoints(self, trial: int, attempt: int) -> str:
        """Where an attempt publishes its checkpoints: a folder of its own, so that a zombie can't overwrite."""
        home = self._remote.rstrip("/") if self._remote else str(self._home())
        return f"{home}/checkpoints/{trial}/{attempt}"


def _drop(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _drop_if_empty(folder: str) -> None:
    with suppress(OSError):
        os.rmdir(folder)
