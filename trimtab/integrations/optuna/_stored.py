"""What Optuna stores of a study, as plain records: the same from a database and from a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trimtab.errors import StorageError
from trimtab.integrations.optuna._domains import Dist

STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
DIRECTIONS = ("NOT_SET", "MINIMIZE", "MAXIMIZE")
METRIC_NAMES = "study:metric_names"


@dataclass(slots=True)
class StoredTrial:
    """One trial. values: None, or one a direction; reports {step: value}, the first step is 0; times in seconds."""

    number: int
    state: str
    values: list[float] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    dists: dict[str, Dist] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)  # user attributes
    system: dict[str, Any] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None

    @property
    def done(self) -> bool:
        return self.state in ("COMPLETE", "PRUNED", "FAIL")

    @property
    def constraints(self) -> Mapping[str, float]:
        """{name: value}, feasible at or below 0, from the list of older versions or the keys of newer ones."""
        old = self.system.get("constraints")
        found = {str(i): float(value) for i, value in enumerate(old)} if isinstance(old, list) else {}
        prefix = "constraints:"
        return found | {k[len(prefix) :]: float(v) for k, v in self.system.items() if k.startswith(prefix)}


@dataclass(slots=True)
class StoredStudy:
    name: str
    directions: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)
    trials: list[StoredTrial] = field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """Names for the objectives: those the user gave, if they can be used."""
        n = len(self.directions)
        given = self.system.get(METRIC_NAMES)
        if isinstance(given, list) and len(set(map(str, given))) == n and not {"step", "fold", "sem"} & {*given}:
            return [str(name) for name in given]
        return ["value"] if n == 1 else [f"value_{i}" for i in range(n)]


def seconds_of(moment: Any, *, utc: bool) -> float | None:
    """Seconds since 1970. A time without a zone is UTC in files of Optuna 5, and local before."""
    if moment is None:
        return None
    made = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
    return (made.replace(tzinfo=UTC) if utc and made.tzinfo is None else made).timestamp()


def pick(studies: Mapping[str, Any], name: str | None, where: str) -> Any:
    """The study that is meant."""
    if not studies:
        raise StorageError(f"{where} holds no study of Optuna.")
    if name is None and len(studies) > 1:
        raise StorageError(
            f"{where} holds {len(studies)} studies ({', '.join(studies)}). Say which: name={next(iter(studies))!r}."
        )
    if name is not None and name not in studies:
        raise StorageError(f"{where} has no study {name!r}. It holds: {', '.join(studies)}.")
    return studies[next(iter(studies)) if name is None else name]
