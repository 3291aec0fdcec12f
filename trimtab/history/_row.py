"""What the log says of one trial so far. Only the ledger writes it.

There is one for every trial, so it is kept small: what most trials don't have costs nothing, its default stands in the
class. Words that repeat are interned, because text read from a database comes as a new object each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from sys import intern
from typing import Any, ClassVar

from trimtab.history._context import Told
from trimtab.history._records import State
from trimtab.log import JSON, Event

EMPTY: Mapping[str, Any] = {}


class Row:
    """The ledger's own record of a trial; `__dict__` holds only what differs from the class's defaults."""

    __slots__ = (
        "__dict__", "attempt", "began", "cause", "config", "cost", "end", "ended", "env", "method", "number", "owner",
        "seed", "seq", "state", "step", "tags", "until", "values", "word",
    )  # fmt: skip

    asked: dict[str, JSON] | None = None  # define by run: what the objective has asked for so far
    budget: float | None = None
    constraints: Mapping[str, float] = EMPTY
    error: Mapping[str, JSON] | None = None
    expires: float | None = None
    losses: int = 0  # attempts lost or failed since it was last started on purpose: what the retry rule counts
    features: dict[float, Told] | None = None  # step -> what its checkpoint told; they stay when it goes
    metrics: Mapping[str, float] = EMPTY
    note: Mapping[str, JSON] = EMPTY
    notes: Mapping[str, JSON] = EMPTY
    open: bool = False
    parents: Mapping[str, tuple[int, float]] = EMPTY
    proposal: Mapping[str, JSON] | None = None  # define by run: what it was started with, where config differs by now
    queue: int | None = None
    saved: dict[float, Mapping[str, JSON]] | None = None  # step -> body of `saved`
    sem: Mapping[str, float] = EMPTY
    source: tuple[int, float] | None = None
    valid: bool = True
    verdict: tuple[str, str, str] | None = None  # (pause or stop, by, why) of this attempt, not yet obeyed
    waits: str | None = None  # one of WAITING: no attempt is under way

    WAITING: ClassVar[tuple[str, ...]] = ("lost", "cancelled", "again")  # why a trial waits for its next attempt

    def __init__(self, number: int, event: Event, names: dict[str, str]) -> None:
        body = event.body
        self.number = number
        self.seq = event.seq  # of the first start: `why` and the ask are read back from there
        self.config: Mapping[str, JSON] = named(body["config"], names)
        self.seed: int = body.get("seed", 0)
        self.cause = intern(body.get("cause", "new"))
        self.method = intern(body.get("method", ""))
        self.tags: Mapping[str, JSON] = body.get("tags", EMPTY)
        self.began = event.at
        self.ended: float | None = None
        self.end: int | None = None  # seq of the end that closed it
        self.values: Mapping[str, float] = EMPTY
        self.cost: Mapping[str, float] = EMPTY
        self.step: float | None = None
        for name in ("note", "queue", "open"):
            if name in body:
                setattr(self, name, body[name])
        if body.get("source") is not None:
            trial, step = body["source"]
            self.source = (int(trial), float(step))
        if body.get("parents"):
            self.parents = {role: (int(t), float(s)) for role, (t, s) in body["parents"].items()}
        self.start(event)

    def start(self, event: Event) -> None:
        """Another attempt is under way."""
        body = event.body
        self.attempt: int = event.attempt or 1
        owner, env = body.get("owner"), body.get("env")
        self.owner: str | None = owner and intern(owner)
        self.env: str | None = env and intern(env)
        self.until = float(body["until"]) if "until" in body else inf
        for name in ("expires", "budget"):
            if body.get(name) != getattr(self, name):
                setattr(self, name, body.get(name))
        self.state, self.word = State.RUNNING, "running"
        if self.waits is not None:
            self.waits = None
        if self.verdict is not None:
            self.verdict = None

    @property
    def alive(self) -> bool:
        """An attempt is under way, as far as the log knows."""
        return self.state is State.RUNNING and self.waits is None

    @property
    def proposed(self) -> Mapping[str, JSON]:
        """The configuration as it was proposed: what a retry must start from."""
        return self.config if self.proposal is None else self.proposal

    def newest(self) -> Mapping[str, JSON] | None:
        """The body of the newest checkpoint that is still there."""
        return self.saved[max(self.saved)] if self.saved else None

    def for_retry(self) -> Mapping[str, JSON] | None:
        """The body of the checkpoint that a broken-off attempt goes on from: the newest.

        But not one of the last step whose report is missing: with that, nothing would be left to report.
        """
        saved, end = self.saved or {}, min(self.until, self.budget or inf)
        steps = [step for step in saved if step < end or step <= (self.step or 0.0)]
        return saved[max(steps)] if steps else None


def named(config: Mapping[str, Any], names: dict[str, str]) -> Mapping[str, Any]:
    """The same mapping with the one shared text for each name, where it has texts of its own."""
    for name in config:
        if names.setdefault(name, name) is not name:
            return {names.setdefault(k, k): v for k, v in config.items()}
        break
    return config
