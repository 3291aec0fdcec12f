"""Many reports as few events: neighbours of one trial with the same columns become one event with longer columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trimtab.log import Event

TABLES = ("metrics", "sem")  # {name: column}; "step", "fold" and "seconds" are columns themselves


def join(events: Iterable[Event]) -> list[Event]:
    """The same facts in the same order for each trial; a merged event carries the time of its last row."""
    out: list[Event] = []
    open_at: dict[tuple[int | None, int | None], int] = {}  # where in `out` a trial's last event stands, if joinable
    for event in events:
        key = (event.trial, event.attempt)
        at = open_at.get(key)
        if event.kind != "reported":
            open_at.pop(key, None)
            out.append(event)
        elif at is not None and _shape(out[at].body) == _shape(event.body):
            _extend(out[at].body, event.body)
            last = out[at]
            out[at] = Event("reported", last.body, *key, event.at)
        else:
            open_at[key] = len(out)
            out.append(Event("reported", _copied(event.body), *key, event.at))
    return out


def _shape(body: Any) -> tuple[object, ...]:
    return ("fold" in body, "seconds" in body, *(tuple(body.get(t, ())) for t in TABLES))


def _copied(body: Any) -> dict[str, Any]:
    return {
        k: list(v) if isinstance(v, list) else {n: list(c) for n, c in v.items()} if k in TABLES else dict(v)
        for k, v in body.items()
    }


def _extend(body: Any, more: Any) -> None:
    for name, column in more.items():
        if name in TABLES:
            for metric, values in column.items():
                body[name][metric].extend(values)
        elif name == "asked":
            body.setdefault("asked", {}).update(column)
        else:
            body[name].extend(column)
