"""Values with an inner structure: Subset, Permutation, Simplex."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subset:
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Permutation:
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Simplex:
    of: tuple[str, ...]
