"""Turning what people return and report into floats, or saying exactly why it can't be.

A loss may be a float, a numpy scalar, a 0-d array or a tensor with one element. It may not be a bool, a complex
number or text: each of those is nearly always a mistake that would otherwise cost the whole budget.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from trimtab.errors import NonFinite, ReportError
from trimtab.log import JSON, to_text

LIMIT = 1_000_000  # characters of JSON: notes are for numbers and words, large things are files


def number(value: Any, what: str) -> float:
    """`value` as a finite float. `what` names it in messages: 'returned', 'reported "loss" at step 3' …"""
    if type(value) is float:  # the usual case first: reports are many
        found = value
    else:
        found = _as_float(value, what)
    if not math.isfinite(found):
        raise NonFinite(f"the objective {what}: {found!r}, which is no finite number")
    return found


def _as_float(value: Any, what: str) -> float:
    if value is None:
        raise TypeError(f"the objective {what}: None; a number was expected")
    if isinstance(value, (str, bytes)):
        raise TypeError(f"the objective {what}: the text {value!r:.60}; a number was expected")
    value = single(value)
    if isinstance(value, bool):
        raise TypeError(
            f"the objective {what}: {value!r}, a bool; a number was expected. Say float(…) if 0 or 1 is meant"
        )
    if isinstance(value, complex) or not hasattr(type(value), "__float__"):
        sort = type(value).__name__
        raise TypeError(f"the objective {what}: {value!r:.60}, which is {_article(sort)}; a number was expected")
    try:
        found = float(value)
    except (OverflowError, TypeError, ValueError) as error:
        raise TypeError(f"the objective {what}: {value!r:.60}, which does not become a float: {error}") from None
    if isinstance(value, float) or found != found:
        return found
    if not math.isinf(found) and value != found:  # Decimal, Fraction, an int beyond 2**53
        warnings.warn(f"{value!r:.60} is kept as the float {found!r}, which differs a little", stacklevel=2)
    return found


def storable(value: JSON, what: str) -> JSON:
    """`value` unchanged if it is small enough for the log."""
    size = len(to_text({"": value}))
    if size > LIMIT:
        raise ReportError(f"{what}: {size / 1e6:.1f} MB, and the log takes 1 MB. Write it to a file and note its path.")
    return value


def single(value: Any) -> Any:
    """The one element of an array or tensor; anything else unchanged."""
    if not hasattr(value, "item") or not hasattr(value, "shape"):
        return value
    size = math.prod(value.shape)
    if size != 1:
        raise TypeError(
            f"an array of shape {tuple(value.shape)} was given where one number was expected. Take its mean?"
        )
    return value.item()


def _article(sort: str) -> str:
    return f"an {sort}" if sort[:1].lower() in "aeiou" else f"a {sort}"


def plain(value: Any, depth: int = 8) -> Any:
    """`value` as JSON can hold it: arrays become lists, what has no form becomes its repr."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value)
    if depth and isinstance(value, Mapping):
        return {str(k): plain(v, depth - 1) for k, v in value.items()}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [plain(v, depth - 1) for v in items]
    if hasattr(value, "tolist") and hasattr(value, "shape"):
        return plain(value.tolist(), depth)
    try:
        return clean(repr(value)[:1000])
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"


def clean(text: str) -> str:
    """Text any storage can hold: halves of characters (from undecodable file names) become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
