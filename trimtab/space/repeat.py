"""Repeat: a block of parameters that is there several times, and how often is searched, too.

It is a way to write a space, not a kind of parameter: Repeat(block, max=3) called "layers" becomes a whole number
"layers" and the groups "layers.0", "layers.1" and "layers.2", each there while the number is above its own. So every
searcher takes it, and the log holds plain parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from trimtab._foreign import understood
from trimtab.errors import SpaceError
from trimtab.space.domains import Condition, Const, Int, plain

MOST = 1000  # blocks


@understood
@dataclass(frozen=True, slots=True)
class Repeat:
    """Between `min` and `max` blocks of the same parameters: layers of a network, steps of a pipeline.

    How many there are is a parameter under the name of the Repeat; `default` is for it. Blocks count from 0, and
    `trial.blocks("layers")` lists them, a dict each.

    >>> import trimtab as tt
    >>> tt.Space({"layers": tt.Repeat({"units": "8..256 log"}, max=2)}).names
    ('layers', 'layers.0.units', 'layers.1.units')
    """

    block: Any = field(hash=False)
    _: KW_ONLY
    max: int
    min: int = 1
    default: int | None = None
    when: Condition = None

    def __post_init__(self) -> None:
        for name in ("min", "max"):
            given = plain(getattr(self, name))
            if isinstance(given, bool) or not isinstance(given, int):
                raise SpaceError(f"Repeat: {name}={given!r} is not a whole number.")
            object.__setattr__(self, name, given)
        if not 0 <= self.min <= self.max <= MOST or self.max == 0:
            raise SpaceError(
                f"Repeat: min={self.min} and max={self.max} must lie in order between 0 and {MOST}, and max above 0."
            )

    @property
    def count(self) -> Int | Const:
        """The parameter that says how many there are."""
        if self.min == self.max:
            return Const(self.max, when=self.when)
        return Int(self.min, self.max, default=self.default, when=self.when)

    def always(self, i: int) -> bool:
        """Whether block i is there in every configuration."""
        return i < self.min and self.when is None


def blocks(name: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The active blocks of a configuration that has the count `name`, each under its own names."""
    prefixes = [f"{name}.{i}." for i in range(int(config[name]))]
    return [{k.removeprefix(p): v for k, v in config.items() if k.startswith(p)} for p in prefixes]


def most(name: str, domain: Any, names: Iterable[str]) -> int:
    """How many blocks a parameter counts; 0: it counts none."""
    if not isinstance(domain, Int | Const):
        return 0
    numbers = (n.removeprefix(f"{name}.").partition(".") for n in names if n.startswith(f"{name}."))
    found = [int(number) for number, dot, _ in numbers if dot and number.isdecimal()]
    return max(found, default=-1) + 1
