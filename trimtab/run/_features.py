"""Numbers that tell of a checkpoint: what a saved event carries of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from trimtab.errors import ReportError
from trimtab.log import JSON
from trimtab.run._values import number

Features: TypeAlias = Mapping[str, Any] | Callable[[Path], Mapping[str, Any]] | None
MOST = 2000  # of one checkpoint: they are kept with every one of them, and read at every decision


def told(features: Features, folder: Path, trial: int) -> dict[str, JSON]:
    """{"features": {name: number}}, or nothing. What is not finite is left out: it counts as missing."""
    if features is None:
        return {}
    given = features(folder) if callable(features) else features
    if not isinstance(given, Mapping):
        sort = type(given).__name__
        mend = 'features={"name": number, …} is wanted, or a function of the folder that returns such a table.'
        raise ReportError(f"The features of a checkpoint of trial {trial} are of type {sort}. {mend}")
    if len(given) > MOST:
        mend = "tt.weight_features(state) tells a large network in about fifty."
        raise ReportError(
            f"{len(given):,} features for a checkpoint of trial {trial}; at most {MOST:,} are kept. {mend}"
        )
    found = {str(name): _finite(value, str(name)) for name, value in given.items()}
    return {"features": {name: value for name, value in found.items() if value is not None}}


def _finite(value: Any, name: str) -> float | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        return number(value, f'gave the feature "{name}"')
    except ValueError:  # not finite, in some other dress
        return None
