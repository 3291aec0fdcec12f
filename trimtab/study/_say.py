"""What a study tells people in passing: that it goes on, what a call changed, that there is nothing to do. A line each.

Who hears   the innermost `heard_by` (a live display, the command line, a test); else the logger "trimtab", where the
            program has set up logging; else stderr, because whoever has set up nothing must see such a line too (in a
            notebook stdout: what goes to stderr looks like an error there).
To hush     logging.getLogger("trimtab").setLevel("ERROR"), as for any library; or `with heard_by(lambda *_: None)`.
Warnings    go through `warn`: to the same listener, else to the logger as warnings.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from trimtab.study._text import clean

Kind = Literal["resumed", "changed", "joined", "done", "paused", "kept", "warning"]
Listener = Callable[[Kind, str], None]

logger = logging.getLogger("trimtab")
_listener: ContextVar[Listener | None] = ContextVar("trimtab_listener", default=None)


def say(kind: Kind, text: str) -> None:
    """Tell one line. It names its study itself: "digits: 57 trials so far …"."""
    listener, text = _listener.get(), clean(text)
    if listener is not None:
        listener(kind, text)
    elif logger.level or logger.hasHandlers():
        logger.info(text)
    else:
        from trimtab.study._notebook import in_notebook

        stream = sys.stdout if in_notebook() else sys.stderr
        if stream is not None:  # a program without a console has none
            stream.write(f"{text}\n")


def warn(text: str) -> None:
    """Tell what may be a mistake."""
    listener, text = _listener.get(), clean(text)
    if listener is not None:
        listener("warning", text)
    else:
        logger.warning(text)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Lines said inside go to `listener(kind, text)`, in this thread (or task) alone."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
