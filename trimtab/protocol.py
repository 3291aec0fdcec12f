"""What the rooms say to each other: asks and proposals, starts and verdicts, runs; and who says them.

Everything here is plain immutable data or a Protocol. A searcher or scheduler is a frozen dataclass of its
settings; it reaches a History and an Ask and nothing else, so what it decides is a function of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from numpy.random import Generator

from trimtab._random import rng_for
from trimtab.log import JSON, Event, Mark

if TYPE_CHECKING:
    from trimtab.history import History

Config = Mapping[str, JSON]
At = tuple[int, float]  # (trial, step): a checkpoint, or a point of a curve


@dataclass(frozen=True, slots=True)
class Ask:
    """All that a decision may depend on besides the log and the settings. Stored in `started`.

    number  the number the first new trial would get; the i-th gets number + i
    n       how many at most
    move    starts so far that are not retries: the key of choices between trials
    seed    the study's
    fresh   new trials still allowed (`trials=` is a total); None: no limit; 0: only go on with paused ones
    budget  the level the trial will be run to first
    levels  the scheduler's rungs; () = one fidelity
    options paused trials that may be continued instead, best first
    fixed   values the user has fixed; the driver lays them over the proposal
    tags    bracket, rung, arm, regime …
    scope   prefix of random keys; into("svm") adds to it
    """

    number: int
    n: int = 1
    move: int = 0
    seed: int = 0
    fresh: int | None = None
    budget: float | None = None
    levels: tuple[float, ...] = ()
    options: tuple[int, ...] = ()
    fixed: Config = field(default_factory=dict)
    tags: Mapping[str, JSON] = field(default_factory=dict)
    scope: str = ""

    def rng(self, purpose: str = "", number: int | None = None) -> Generator:
        """Draws that belong to trial `number`, or, without one, to this move (a choice between trials)."""
        key = ("move", self.move) if number is None else ("trial", number)
        return rng_for(self.seed, self.scope, purpose, *key)

    def into(self, name: str) -> Ask:
        """The same ask for a child method, with random keys of its own."""
        return replace(self, scope=f"{self.scope}/{name}")

    def to_json(self) -> dict[str, JSON]:
        """Only what differs from the defaults, as JSON."""
        out: dict[str, JSON] = {}
        for name, default in _ASK_DEFAULTS:
            value = getattr(self, name)
            if value != default:
                plain = list if isinstance(value, tuple) else dict if isinstance(value, Mapping) else None
                out[name] = plain(value) if plain else value
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Ask:
        known: dict[str, Any] = {k: tuple(v) if k in ("levels", "options") else v for k, v in data.items() if k != "i"}
        return cls(**known)


_ASK_DEFAULTS = [(f.name, getattr(Ask(-1), f.name)) for f in fields(Ask)]  # -1: number is always written


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration to try, or (from a searcher that `chooses`) a paused trial to go on with.

    config   exactly one of config and resume is given
    resume   one of ask.options
    parents  {role: (trial, step)}: init, teacher, p1, p2 …
    source   (trial, step) whose checkpoint to load and go on from: the trial counts its steps on from there
    seed     None: by trial number; set it to repeat a seed
    tags     what views and later decisions select by
    note     what later decisions of this method need (at most 4 kB)
    why      text, mean, sd, score: for people, never read back
    """

    config: Config | None = None
    resume: int | None = None
    parents: Mapping[str, At] = field(default_factory=dict)
    source: At | None = None
    seed: int | None = None
    tags: Mapping[str, JSON] = field(default_factory=dict)
    note: Mapping[str, JSON] = field(default_factory=dict)
    why: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Need:
    """An outside answer is missing: get it, log it as `answered`, propose again."""

    key: str
    kind: str  # "llm", "human", …
    request: Mapping[str, JSON] = field(default_factory=dict)


class Searcher(Protocol):
    """Says what to try next: at most ask.n proposals. A frozen dataclass of settings, never of observations.

    name, revision  what `started` records; revision rises when proposals change
    takes           traits of spaces and studies it can handle (see TRAITS)
    chooses         wants ask.options and may answer with resume
    reads_time      reads logged seconds: not covered by "killed = undisturbed"
    """

    name: ClassVar[str]
    revision: ClassVar[int]
    takes: ClassVar[frozenset[str]]
    chooses: ClassVar[bool]
    reads_time: ClassVar[bool]

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal] | Need:
        """At most ask.n proposals for trials ask.number, ask.number + 1, …; fewer: nothing new is left."""
        ...


TRAITS: frozenset[str] = frozenset(
    {"conditional", "rules", "objectives", "constraints", "subset", "permutation", "simplex", "unbounded", "levels"}
)


@dataclass(frozen=True, slots=True)
class Start:
    """Run this: a new trial, a paused one that goes on, or a clone.

    until   first milestone, as a total of steps (not an increment); inf: none
    budget  the level the trial believes it runs to (trial.budget); None: no levels
    """

    proposal: Proposal
    until: float
    budget: float | None = None
    tags: Mapping[str, JSON] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until the log changes."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing left to do: nothing is running, and nothing can be started or promoted."""

    why: str = ""


ENDS = {"pause": "paused", "stop": "stopped", "cancel": "cancelled"}  # told so, a run ends in this state


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a trial at a milestone. until: the next milestone when it goes on."""

    go: Literal["on", "pause", "stop"]
    until: float | None = None
    why: str = ""


class Scheduler(Protocol):
    """Says how far each trial runs. A frozen dataclass of settings.

    resource       "step" or "fold": the column of reports that milestones are on
    listens        "milestones": judged at `until` only; "all": after every report
    needs_chooser  refuses searchers that don't choose
    levels         the rungs, () = one fidelity
    """

    name: ClassVar[str]
    revision: ClassVar[int]
    resource: ClassVar[str]
    listens: ClassVar[Literal["milestones", "all"]]
    needs_chooser: ClassVar[bool]

    @property
    def levels(self) -> tuple[float, ...]: ...

    def next(self, history: History, searcher: Searcher, ask: Ask) -> Sequence[Start] | Need | Wait | Done:
        """At most ask.n starts, all distinct, at most ask.fresh of them new. Done only when nothing is running.

        Takes proposals from the searcher once at most, so that numbers, draws and the queue aren't used twice; while
        slots are free it is asked again at once, and what it started is in the history then.
        """
        ...

    def judge(self, history: History, trial: int) -> Verdict:
        """After a milestone of a running trial; again, at whatever step it had come to, after an interruption."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """What a runner is handed: plain data, picklable, JSON.

    checkpoint  this attempt's own folder or URL; a step's checkpoint is published as checkpoint/<step>
    source      folder or URL of the checkpoint to load, or None; source_step is its step
    wait        "milestones": the trial waits for a verdict at `until`; "all": after every report
    limits      seconds, bytes, gpu …
    open        define-by-run: late names are drawn by (seed, trial, name)
    """

    trial: int
    attempt: int
    config: Config
    seed: int
    until: float
    budget: float | None = None
    checkpoint: str = ""
    source: str | None = None
    source_step: float = 0.0
    wait: Literal["milestones", "all"] = "milestones"
    limits: Mapping[str, float] = field(default_factory=dict)
    open: bool = False
    space: Mapping[str, JSON] | None = None  # of an open trial: the domains its config was proposed for


class Runner(Protocol):
    """Executes runs. Knows nothing of search. Its now() is the driver's only clock."""

    def now(self) -> float: ...
    def free(self) -> int: ...
    def submit(self, run: Run) -> None: ...
    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        """{"go": "on", "until": 27} | {"go": "pause"} | {"go": "stop"} | {"go": "cancel"} | {"go": "kill"}"""
        ...

    def collect(self, timeout: float) -> Sequence[Event]:
        """reported, saved, ended; in order for each run; every run ends in exactly one `ended`."""
        ...

    def close(self, kill: bool = False) -> None: ...


@runtime_checkable
class Storage(Protocol):
    """A dumb log. Knows nothing of trials but the column."""

    def create(self, name: str, defined: Event) -> tuple[int, bool]:
        """(study id, whether it is new); safe when many do it at once."""
        ...

    def find(self, name: str) -> int | None: ...
    def names(self) -> Sequence[str]: ...
    def read(self, study: int, since: int, limit: int | None = None) -> tuple[Sequence[Event], Mark]:
        """Events with seq > since in order, and the counters as they stand in the storage."""
        ...

    def append(self, study: int, events: Sequence[Event], append_id: str, decides: int | None = None) -> Mark:
        """One transaction. decides=None for measurements; a decision gives the number of decisions it knew, and is
        refused with Stale when there are more. A known append_id writes nothing and returns its first outcome."""
        ...

    def wait(self, study: int, since: int, timeout: float) -> int: ...
    def turn(self, study: int, timeout: float) -> AbstractContextManager[None]: ...
    def beat(self, study: int, driver: str, seconds: float) -> None: ...
    def dead(self, study: int) -> Sequence[str]: ...
    def forget(self, study: int, driver: str) -> None:
        """A driver leaves in order: it needs no more watching."""
        ...

    def delete(self, study: int) -> None: ...
    def close(self) -> None: ...


Objective = Callable[[Any], Any]
