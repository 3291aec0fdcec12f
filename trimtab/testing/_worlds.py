"""The studies that contracts are checked on: spaces of every kind, and how each of them may grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sin
from typing import Any

from trimtab.log import JSON
from trimtab.space import Bool, Choice, Float, Int, Permutation, Simplex, Space, Subset

Domains = Mapping[str, Any]

MIXED: Domains = {
    "x": Float(-5, 5),
    "lr": Float(1e-4, 1, log=True),
    "k": Int(1, 9),
    "kind": Choice(["a", "b", "c"]),
    "m": Float(0, 1, when="kind == 'a'"),
    "deep": Int(1, 4, when="kind == 'b'"),
}
FLAT: Domains = {"x": Float(-5, 5), "lr": Float(1e-4, 1, log=True), "k": Int(1, 9), "kind": Choice(["a", "b"])}
STRUCTURED: Domains = {
    "x": Float(-5, 5),
    "of": Subset(["p", "q", "r"], min=1),
    "order": Permutation(["u", "v", "w"]),
    "shares": Simplex(["s", "t", "u"]),
}
LATE: Domains = {"x": Float(-5, 5), "kind": Choice(["a", "b"]), "k": Int(1, 9), "x2": Float(-1, 1), "flag": Bool()}


@dataclass(frozen=True)
class World:
    """One kind of study.

    grown       spaces that the study may be given later, in any order
    open        define by run: the objective asks for some of LATE
    folds       reports come by folds, two a step
    """

    name: str
    space: Space | None
    maximize: str | None = None
    constraints: Sequence[str] = ()
    grown: Sequence[Space] = ()
    folds: bool = False
    known: frozenset[str] = field(default=frozenset())  # traits a method must take

    @property
    def open(self) -> bool:
        return self.space is None


def _grown(domains: Domains, **new: Any) -> Space:
    return Space({**domains, **new})


WORLDS: Sequence[World] = (
    World(
        "mixed",
        Space(MIXED),
        grown=(
            _grown(MIXED, x=Float(-8, 6)),
            _grown(MIXED, x=Float(-2, 2), k=Int(2, 5)),
            _grown(MIXED, kind=Choice(["a", "b", "c", "d"]), extra=Float(0, 1)),
            _grown(MIXED, kind=Choice(["a", "b"])),
            Space(MIXED),
        ),
        known=frozenset({"conditional"}),
    ),
    World(
        "several",
        Space(FLAT),
        maximize="score",
        constraints=("mem <= 3",),
        grown=(_grown(FLAT, x=Float(-6, 6)), Space(FLAT)),
        folds=True,
        known=frozenset({"objectives", "constraints"}),
    ),
    World(
        "structured",
        Space(STRUCTURED, forbid=["x > 4"]),
        grown=(_grown(STRUCTURED, x=Float(-5, 5), extra=Int(1, 3)),),
        known=frozenset({"rules", "subset", "permutation", "simplex"}),
    ),
    World("limited", Space(FLAT), constraints=("mem <= 3",), known=frozenset({"constraints"})),
    World("plain", Space({"x": Float(-5, 5), "k": Int(1, 9)}), grown=(Space({"x": Float(-9, 9), "k": Int(1, 9)}),)),
    World("by run", None),
)


def measured(config: Mapping[str, JSON], step: float, shift: float = 0.0) -> dict[str, float]:
    """Metrics of a configuration at a step. Coarse, so that there are ties."""
    rough = sum(sin(7.0 * float(v)) if isinstance(v, (int, float)) else len(str(v)) % 3 for v in config.values())
    size = abs(float(config.get("x", 0.5))) if isinstance(config.get("x", 0.5), (int, float)) else 0.5
    return {
        "loss": round(4 * (rough + 3.0 / step)) / 4 + shift,
        "score": round(2 * size) / 2 - rough - shift,
        "mem": size + float(bool(config.get("flag", False))),
        "secret": rough,
    }
