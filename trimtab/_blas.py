"""One BLAS thread inside decisions.

A matrix product that is split over threads may round otherwise than one that is not, so what a method proposes would
depend on the number of cores (law 1). And a decision's matrices are small: on a busy machine the threads of BLAS wait
for one another longer than they work.

Finding the libraries takes a millisecond, calling them a quarter of a microsecond. So they are looked for once, and
once more whenever a module has been imported since, which may have brought a library of its own (as scipy's does).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from typing import Any

Get = Callable[[], int]
Set = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class _Library:
    """How many threads a BLAS uses: in the whole process, or (MKL, OpenMP) in the thread that asks."""

    get: Get
    set: Set
    whole: bool


class _Found:
    """The libraries of this process, how many decisions are being made, and what to restore after the last of them."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.modules = -1  # so many had been imported when we last looked
        self.libraries: list[_Library] = []
        self.depth = 0
        self.restore: list[tuple[Set, int]] = []

    def look(self) -> None:
        from threadpoolctl import ThreadpoolController

        found = ThreadpoolController().lib_controllers
        self.libraries = [_library(lib) for lib in found if lib.user_api == "blas"]
        self.modules = len(sys.modules)


def _library(lib: Any) -> _Library:
    whole = lib.internal_api != "mkl" and getattr(lib, "threading_layer", "") != "openmp"
    if whole and lib.internal_api == "openblas":  # without threadpoolctl's own checks: a quarter of the price
        for prefix in ("", "scipy_"):
            for suffix in ("", "64_", "_64"):
                get = getattr(lib.dynlib, f"{prefix}openblas_get_num_threads{suffix}", None)
                put = getattr(lib.dynlib, f"{prefix}openblas_set_num_threads{suffix}", None)
                if get is not None and put is not None:
                    return _Library(get, put, whole)
    return _Library(lib.get_num_threads, lib.set_num_threads, whole)


_found = _Found()


def _after_fork() -> None:
    """The child has one thread: nobody else is deciding in it, and a lock held by others would never be released."""
    _found.lock = Lock()
    for put, before in _found.restore:
        put(before)
    _found.depth, _found.restore = 0, []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _OneThread(AbstractContextManager[None]):
    __slots__ = ("restore",)

    def __enter__(self) -> None:
        self.restore: list[tuple[Set, int]] = []
        with _found.lock:
            if len(sys.modules) != _found.modules:
                _found.look()
            for library in _found.libraries:
                before = library.get()
                if before is not None and before > 1:  # those that several decisions share, the first one sets
                    (_found.restore if library.whole else self.restore).append((library.set, before))
                    library.set(1)
            _found.depth += 1

    def __exit__(self, *_: object) -> None:
        for put, before in self.restore:
            put(before)
        with _found.lock:
            if _found.depth:  # 0 in a process that was forked in between
                _found.depth -= 1
                if not _found.depth and _found.restore:
                    for put, before in _found.restore:
                        put(before)
                    _found.restore = []


def one_thread() -> AbstractContextManager[None]:
    """Within it BLAS uses one thread; afterwards as many as before. May be nested, and used in several threads."""
    return _OneThread()
