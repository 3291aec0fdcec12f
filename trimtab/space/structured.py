"""Parameters whose value has an inner structure: Subset, Permutation, Simplex.

`of` lists the elements: text, or other JSON values. A Subset's value is a list in the order of `of`, a Permutation's a
list of all elements in some order, a Simplex's a dict of shares that sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from trimtab._foreign import understood
from trimtab.errors import SpaceError
from trimtab.space.domains import Condition, plain, token
from trimtab.space.expression import Expression

MOST = 1000  # elements, each a column


def _elements(domain: Any, least: int) -> None:
    """Checks and stores what the three share: of, tokens, when."""
    kind, given = type(domain).__name__, domain.of
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise SpaceError(f"{kind}({given!r}): give a list of elements.")
    of = tuple(map(plain, given))
    try:
        tokens = tuple(map(token, of))
    except (TypeError, ValueError):
        raise SpaceError(f"{kind}({given!r}): every element must be text or another JSON value.") from None
    if not least <= len(of) <= MOST:
        raise SpaceError(f"{kind}({given!r}): {len(of)} elements; it needs {least} to {MOST}.")
    if len(set(tokens)) < len(tokens):
        raise SpaceError(f"{kind}({given!r}): an element is there twice. Leave one out.")
    object.__setattr__(domain, "of", of)
    object.__setattr__(domain, "tokens", tokens)
    object.__setattr__(domain, "when", None if domain.when is None else Expression.of(domain.when))


@understood
@dataclass(frozen=True, slots=True)
class Subset:
    """Some of the elements: at least `min`, at most `max` of them. Every subset allowed is equally likely."""

    of: Any = field(compare=False)
    _: KW_ONLY
    min: int = 0
    max: int | None = None
    default: Any = field(default=None, hash=False)
    when: Condition = None
    tokens: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _elements(self, 1)
        most = len(self.of) if self.max is None else self.max
        if not 0 <= self.min <= most <= len(self.of) or most == 0:
            raise SpaceError(
                f"Subset: min={self.min} and max={self.max} must lie in order between 0 and {len(self.of)}."
            )

    @property
    def most(self) -> int:
        return len(self.of) if self.max is None else self.max


@understood
@dataclass(frozen=True, slots=True)
class Permutation:
    """All the elements in some order."""

    of: Any = field(compare=False)
    _: KW_ONLY
    default: Any = field(default=None, hash=False)
    when: Condition = None
    tokens: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _elements(self, 2)


@understood
@dataclass(frozen=True, slots=True)
class Simplex:
    """A share for each element, none below 0, together 1. Drawn uniformly."""

    of: Any = field(compare=False)
    _: KW_ONLY
    default: Any = field(default=None, hash=False)
    when: Condition = None
    tokens: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _elements(self, 2)
        for label in self.of:
            if not isinstance(label, str):
                raise SpaceError(f"Simplex: {label!r} must be text, as it names a share. Write {str(label)!r}.")
