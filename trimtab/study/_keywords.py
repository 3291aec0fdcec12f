"""Keywords of other tools, answered with trimtab's own words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from trimtab._foreign import FOREIGN, OPTIMIZE, STUDY, keyword

__all__ = ["FOREIGN", "translated"]

P = ParamSpec("P")
T = TypeVar("T")

OWNERS = {"Study": STUDY, "Study.optimize": OPTIMIZE}


def translated(owner: str, **words: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Turn Python's complaint about an unknown keyword into one that says trimtab's word for it.

    words: more of them, or others, for this owner
    """

    def wrap(f: Callable[P, T]) -> Callable[P, T]:
        parameters = inspect.signature(f).parameters
        known = set(parameters)
        passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters.values())  # the next function will check them

        @wraps(f)
        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            for name in kwargs:
                if name not in known and (not passes_on or name in words or name in FOREIGN):
                    raise TypeError(keyword(OWNERS.get(owner, ""), owner, name, known - {"self"}, words))
            return f(*args, **kwargs)

        return called

    return wrap
