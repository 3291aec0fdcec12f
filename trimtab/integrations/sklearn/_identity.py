"""What a stored search was a search of, in a few words, so that no other one goes on with its results.

Idea    Scores may be compared when data, estimator, splits and scoring are the same. Each is hashed by content: the
        same in every process, whatever memory address or order of keys.
Limits  A function counts by its name, not by its text. A random splitter without random_state counts as itself: the
        study's seed gives it its splits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

HEX = 8  # digits of a part: one chance in four thousand million that two are taken for one
DEEP = 20


def identity(**parts: Any) -> dict[str, str]:
    """A short hash of each part."""
    return {name: digest(part) for name, part in parts.items()}


def digest(thing: Any) -> str:
    hash_ = blake2b(digest_size=HEX // 2)
    _feed(hash_.update, thing, 0)
    return hash_.hexdigest()


def _feed(write: Any, thing: Any, depth: int) -> None:
    """Write what makes a thing what it is."""
    if isinstance(thing, np.generic):
        thing = thing.item()
    write(f"<{type(thing).__qualname__}>".encode())
    if thing is None or isinstance(thing, bool | int | float | complex | str):
        write(repr(thing).encode("utf-8", "surrogatepass"))
    elif isinstance(thing, bytes):
        write(thing)
    elif isinstance(thing, np.ndarray):
        _array(write, thing, depth)
    elif depth > DEEP:
        write(_plain(repr(thing)))
    else:
        for part in _parts(thing):
            _feed(write, part, depth + 1)


def _array(write: Any, array: Any, depth: int) -> None:
    write(f"{array.dtype.str}{array.shape}".encode())
    if array.dtype.hasobject:
        for item in array.ravel():
            _feed(write, item, depth + 1)
    else:
        write(np.ascontiguousarray(array).tobytes())


def _parts(thing: Any) -> list[Any]:
    """What a thing is made of, in an order of its own."""
    if isinstance(thing, Mapping):
        return [x for key in sorted(thing, key=repr) for x in (key, thing[key])]
    if isinstance(thing, list | tuple):
        return list(thing)
    if isinstance(thing, set | frozenset):
        return sorted(digest(item) for item in thing)
    if isinstance(thing, np.random.RandomState):
        return list(thing.get_state(legacy=True))
    if isinstance(thing, np.random.Generator):
        return [thing.bit_generator.state]
    if hasattr(thing, "tocsr"):  # sparse, of any format
        rows = thing.tocsr()
        return [rows.shape, rows.data, rows.indices, rows.indptr]
    if hasattr(thing, "columns") and hasattr(thing, "to_numpy"):  # data frames: column by column, each of its own kind
        return [x for name in thing.columns for x in (str(name), thing[name].to_numpy())]
    if hasattr(thing, "to_numpy"):
        return [thing.to_numpy()]
    if hasattr(thing, "__array__"):
        return [np.asarray(thing)]
    if hasattr(thing, "get_params") and not isinstance(thing, type):
        return [thing.get_params(deep=False)]
    if isinstance(thing, type) or (callable(thing) and hasattr(thing, "__qualname__")):
        return [f"{thing.__module__}.{thing.__qualname__}"]
    inside = getattr(thing, "__dict__", None)
    return [inside] if inside else [_plain(repr(thing))]


def _plain(text: str) -> bytes:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text).encode()
