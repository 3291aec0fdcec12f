"""What a bench found: plain numbers and names that the terminal table, the JSON document and the page are drawn from.

Idea    Statistics are computed once, into these records; the faces only arrange them. Every estimate is a triple of
        value, low and high with a 95 % interval; what could not be computed is None there and null in JSON, never NaN.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

FORMAT = 1

Triple = tuple[float | None, float | None, float | None]  # value, low, high
UNKNOWN: Triple = (None, None, None)


@dataclass(frozen=True, slots=True)
class Row:
    """One optimizer on one group of tasks.

    tasks, runs     that its numbers come from;  failures  runs that crashed, timed out or found nothing
    seeds           fewest and most runs of a task
    rank            mean rank at the last budget, 1 is best, among the optimizers of the same table
    regret          at each budget: interquartile mean of the normalised regret (hypervolume regret of several goals)
    log_auc         mean of the regret, cut to [0, 1], over log evaluations, from the first one to the last budget
    versus_random   at the last budget: 1 is no better than random search after as many evaluations
    igd             IGD+ to the front of all runs together, for several goals
    solved          share of runs that ended within 0.0001 of the best known: where curves reach their floor
    ask             CPU seconds a suggestion: in the mean, and at the 100th (None: it never came so far)
    """

    method: str
    tasks: int
    runs: int
    failures: int
    seeds: tuple[int, int]
    rank: Triple
    regret: tuple[Triple, ...]
    versus_random: Triple
    igd: Triple = UNKNOWN
    solved: float | None = None
    ask: tuple[float | None, float | None] = (None, None)
    log_auc: Triple = UNKNOWN


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves over one x for several optimizers, each with its band. None where nothing was found yet.

    y, low, high   {optimizer: one number for each x}; low and high are empty where there is no band
    """

    x: tuple[float, ...]
    y: Mapping[str, tuple[float | None, ...]]
    low: Mapping[str, tuple[float | None, ...]]
    high: Mapping[str, tuple[float | None, ...]]


NO_LINES = Lines((), {}, {}, {})


@dataclass(frozen=True, slots=True)
class Diagram:
    """Which mean ranks can be told apart.

    names, ranks   best first;  groups  sets of neighbours that can't be told apart
    distance       critical difference of mean ranks, None where the test has none
    p              that all optimizers are alike;  method  the tests in words;  tasks  they ran over
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    groups: tuple[tuple[str, ...], ...]
    distance: float | None
    p: float | None
    method: str
    tasks: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Versus:
    """One optimizer against the one named by `against`: its regret divided by the other's.

    word   better, worse or can't tell
    """

    method: str
    scope: str  # "all", or a family
    ratio: Triple
    word: str
    p: float | None
    tasks: int
    runs: int


@dataclass(frozen=True, slots=True)
class Reach:
    """How soon an optimizer comes to a regret, on the tasks that all the ranked ones ran.

    evaluations  expected until then (a run that misses it is followed by another), the median over tasks. No value: on
                 half of them no run came there; a low without a high: with other seeds it may be so
    share        of the runs that came there, every task alike
    tasks        {task: evaluations expected}; None: no run came there
    """

    method: str
    target: float
    evaluations: Triple
    share: float | None
    tasks: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Track:
    """Everything found on one kind of task: tables and curves are never mixed between kinds.

    kind       "blackbox", "objectives" or "steps" (trials may be stopped early; equal cost in full evaluations)
    rows       best mean rank first;  families  {family: rows}
    left_out   {task: optimizers that did not run it}: such tasks count for no rank
    curves     {"all" or family: regret against evaluations};  tasks_curves  the same for each task, without bands
    better     [i][j]: probability that a run of rows[i] is better than one of rows[j]; undecided  the pairs whose
               interval holds one half
    reach      how soon each of the ranked ones comes to a regret of 0.1 and of 0.01
    """

    kind: str
    budgets: tuple[float, ...]
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    families: Mapping[str, tuple[Row, ...]]
    left_out: Mapping[str, tuple[str, ...]]
    curves: Mapping[str, Lines]
    task_curves: Mapping[str, Lines]
    diagram: Diagram | None
    better: tuple[tuple[float | None, ...], ...]
    undecided: tuple[tuple[str, str], ...]
    runtime: Lines
    profile: Lines
    versus: tuple[Versus, ...] = ()
    notes: tuple[str, ...] = ()
    reach: tuple[Reach, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(row.method for row in self.rows)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Runs that are not done: of one optimizer on one task, with one state and one reason."""

    method: str
    task: str
    seeds: tuple[int, ...]
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Share:
    """Did everybody get as much? Evaluations of the task that the optimizer's runs used, of those that were due."""

    method: str
    task: str
    due: float
    fewest: float
    most: float


@dataclass(frozen=True, slots=True)
class Head:
    """What was run, where and when. cautions: what is not comparable, a sentence each."""

    title: str
    runs: int
    tasks: int
    optimizers: int
    seeds: tuple[int, int]
    dates: tuple[str, str]
    versions: Mapping[str, str]  # {optimizer: "optuna 5.0.0"}
    trimtab: tuple[str, ...]
    python: tuple[str, ...]
    numpy: tuple[str, ...]
    machines: tuple[str, ...]
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All of a report.

    tracks     {kind: Track}, in the order blackbox, objectives, steps; only what was run
    overhead   {optimizer: ((number of the suggestion, CPU seconds), …)}
    unequal    where an optimizer got more or less than was due; empty is good
    against    the optimizer that the others were compared with, or None
    """

    head: Head
    tracks: Mapping[str, Track]
    overhead: Mapping[str, tuple[tuple[float, float], ...]]
    troubles: tuple[Trouble, ...]
    unequal: tuple[Share, ...]
    against: str | None = None
    format: int = FORMAT

    @property
    def methods(self) -> tuple[str, ...]:
        """Every optimizer once: in the order of the first table, then of the next ones, then those that never ran."""
        rows = [row.method for track in self.tracks.values() for row in track.rows]
        return tuple(dict.fromkeys([*rows, *(trouble.method for trouble in self.troubles)]))


def to_json(findings: Findings) -> dict[str, Any]:
    """Plain data for json.dumps: the fields by their names, tuples as lists, numbers that are not finite as null."""
    plain: dict[str, Any] = _plain(asdict(findings))
    return plain


def from_json(data: Mapping[str, Any] | str) -> Findings:
    """What to_json() gave, as a dict or as text -> the same Findings."""
    read: Any = json.loads(data) if isinstance(data, str) else data
    if not isinstance(read, Mapping) or read.get("format") != FORMAT:
        found = read.get("format") if isinstance(read, Mapping) else type(read).__name__
        raise ValueError(f"No report that this trimtab reads: its format is {found!r}, wanted {FORMAT}.")
    made: Findings = _made(Findings, read)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _made(kind: Any, value: Any) -> Any:
    """The value as its annotation says: records from dicts, tuples from lists."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{f.name: _made(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _made(next(i for i in inner if i is not types.NoneType), value)
    if origin is tuple:
        kinds: Sequence[Any] = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_made(one, v) for one, v in zip(kinds, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {key: _made(inner[1], one) for key, one in value.items()}
    return value
