"""Arrays that grow at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Buffer:
    """Rows appended one by one or in blocks; `rows()` is a read-only view of what is there.

    Growth doubles. Pages that were never written cost no memory, so the slack is free until it is used.
    """

    __slots__ = ("_data", "n")

    def __init__(self, width: int | None = None, dtype: DTypeLike = np.float64) -> None:
        shape = (16,) if width is None else (16, width)
        self._data: NDArray[Any] = np.empty(shape, dtype)
        self.n = 0

    def room(self, more: int) -> None:
        need = self.n + more
        if need > len(self._data):
            size = max(need, 2 * len(self._data))
            data = np.empty((size, *self._data.shape[1:]), self._data.dtype)
            data[: self.n] = self._data[: self.n]
            self._data = data

    def append(self, row: Any) -> None:
        if self.n == len(self._data):
            self.room(1)
        self._data[self.n] = row
        self.n += 1

    def extend(self, rows: Any) -> None:
        k = len(rows)
        self.room(k)
        self._data[self.n : self.n + k] = rows
        self.n += k

    def __setitem__(self, i: Any, row: Any) -> None:
        self._data[i] = row

    def rows(self) -> NDArray[Any]:
        view = self._data[: self.n]
        view.flags.writeable = False
        return view
