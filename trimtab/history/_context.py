"""Features of checkpoints: what the log keeps of each, and a table of them for methods."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trimtab.history._row import Row

Told = tuple[tuple[str, ...], "array[float]"]  # names, shared by all checkpoints that have the same, and values


@dataclass(frozen=True, slots=True)
class Context:
    """What checkpoints tell: one row a trial.

    names    of the features, in alphabetical order
    values   (n, p); nan: not told
    step     (n,): of which checkpoint; nan: of none
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    step: NDArray[np.float64]


def told(features: Mapping[str, Any], shared: dict[tuple[str, ...], tuple[str, ...]]) -> Told:
    names = tuple(features)
    return shared.setdefault(names, names), array("d", [float(v) for v in features.values()])


def context(rows: Sequence[Row], at: float) -> Context:
    """Of each trial the newest features of a checkpoint at or before the step."""
    newest = [max((s for s in row.features if s <= at), default=None) if row.features else None for row in rows]
    found = [row.features[s] if row.features and s is not None else None for row, s in zip(rows, newest, strict=True)]
    kinds = dict.fromkeys(one[0] for one in found if one is not None)
    names = tuple(sorted({name for kind in kinds for name in kind}))
    place = {name: j for j, name in enumerate(names)}
    columns = {kind: [place[name] for name in kind] for kind in kinds}
    values = np.full((len(rows), len(names)), np.nan)
    for i, one in enumerate(found):
        if one is not None:
            values[i, columns[one[0]]] = one[1]
    step = np.array([np.nan if s is None else s for s in newest], np.float64)
    values.flags.writeable = step.flags.writeable = False  # it is kept for all who ask at this version
    return Context(names, values, step)
