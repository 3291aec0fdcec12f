"""The log's own words: an event, the two counters, and how a body is written as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

JSON = Any
Kind = Literal[
    "defined", "enqueued", "started", "reported", "judged", "ended", "saved", "dropped", "amended", "answered", "noted",
    "closed",
]  # fmt: skip
KINDS: frozenset[str] = frozenset(Kind.__args__)  # type: ignore[attr-defined]
DECISIONS: frozenset[str] = frozenset({"started", "defined", "dropped", "closed"})
FORMAT = 1  # of the bodies and of the tables; a newer one is refused, never touched


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the log. `seq` (1, 2, …) and the order of events are given by the storage."""

    kind: str
    body: Mapping[str, JSON]
    trial: int | None = None
    attempt: int | None = None
    at: float = 0.0
    by: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """The two counters of a study: all events, and those that take something shared."""

    version: int
    decisions: int


class Stale(Exception):
    """Another decision went in first; nothing was written. Read on and decide again."""


def to_text(body: Mapping[str, JSON]) -> str:
    """JSON with floats by repr; NaN and the infinities, which JSON lacks, as strings."""
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_spelled(body), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Mapping[str, JSON]:
    """What to_text wrote. Non-finite numbers stay strings: read numbers with float()."""
    body: Mapping[str, JSON] = json.loads(text)
    return body


def _spelled(value: JSON) -> JSON:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {k: _spelled(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(v) for v in value]
    return value
