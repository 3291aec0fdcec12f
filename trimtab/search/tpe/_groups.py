"""Which parameters always occur together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from trimtab._random import rng_for
from trimtab.search.tpe._density import Layout

if TYPE_CHECKING:
    from trimtab.space import Space

PROBES = 1024  # draws that tell who occurs with whom; a branch rarer than 1 in 1000 may share a group with its twin


def groups_of(space: Space, kernels: Literal["joint", "independent"]) -> list[tuple[list[int], Layout]]:
    """The columns of each group, those that occur most often first: parents stand before their children."""
    if kernels == "independent":
        columns = [[j] for j in range(space.d)]
    elif "conditional" not in space.traits:
        columns = [list(range(space.d))]
    else:
        active = ~np.isnan(space.sample(rng_for(0, "tpe groups"), PROBES))
        together: dict[bytes, list[int]] = {}
        for j in range(space.d):
            never = not active[:, j].any()
            together.setdefault(b"%d" % j if never else active[:, j].tobytes(), []).append(j)
        columns = sorted(together.values(), key=lambda js: (-int(active[:, js[0]].sum()), js[0]))
    return [(js, _layout(space, js)) for js in columns]


def _layout(space: Space, columns: list[int]) -> Layout:
    sizes = [int(space.columns[j].n or 0) if space.columns[j].kind == "choice" else 0 for j in columns]
    edges = [None if size else space.column_cells(j) for j, size in zip(columns, sizes, strict=True)]
    return Layout(edges, sizes)
