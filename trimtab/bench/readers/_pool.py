"""A pool of evaluated points: a configuration is answered by the nearest of them.

Idea    Rows that were drawn, and not laid out as a grid, can't be looked up exactly. Nearest is Euclidean in the unit
        cube; of rows in the same place the first counts. The same question gets the same answer: a task has no memory,
        so a point nearby may be answered by a row that was seen before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bench.readers._files import FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pool:
    """Points (n, d) of the unit cube."""

    points: FloatArray

    @cached_property
    def places(self) -> IntArray:
        """The rows that can be answered: the first at each place, oldest first."""
        return np.sort(np.unique(self.points, axis=0, return_index=True)[1]).astype(np.int64)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree

        return KDTree(self.points[self.places])

    def nearest(self, point: FloatArray) -> int:
        """The row nearest to a point (d,)."""
        return int(self.places[self._tree.query(point)[1]])
