"""Whether this process is only importing somebody's code, to find an objective in it.

A module that starts a study when it is imported would start it again in each worker, and the workers of that one again:
processes without end. So a study refuses to run while this says what is being imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trimtab.errors import TrimtabError

_now: list[str] = []


@contextmanager
def importing(what: str) -> Iterator[None]:
    """While the objective is looked for. `what` says where, in messages."""
    _now.append(what)
    try:
        yield
    finally:
        _now.pop()


def check_not_importing(study: str) -> None:
    """Raise where a study is started by code that should only have been imported."""
    if _now:
        raise TrimtabError(
            f'The study "{study}" was started while {_now[-1]}. What a script does when it is run belongs under: '
            'if __name__ == "__main__":'
        )
