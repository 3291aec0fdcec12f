"""What every storage has to keep. `open_` gives the same log each time it is called (a second handle on one file)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from trimtab.log import Event, Mark, Stale
from trimtab.protocol import Storage

Open = Callable[[], Storage]
DEFINED = Event("defined", {"space": {"x": [0.1, 1e-300]}}, at=1.5, by="d1")


def _new(open_: Open) -> tuple[Storage, int, str]:
    storage, name = open_(), f"check {uuid4().hex}"
    study, new = storage.create(name, DEFINED)
    assert new
    return storage, study, name


def _note(text: str, trial: int | None = None) -> Event:
    return Event("noted", {"text": text}, trial, at=2.0, by="d1")


def _started(trial: int) -> Event:
    return Event("started", {"trial": trial}, trial, 1, 2.5, "d1")


def creates_once(open_: Open) -> None:
    """Many may create a study at once: one of them makes it, all get the same."""
    storage, study, name = _new(open_)
    assert storage.create(name, Event("defined", {"other": 1})) == (study, False)
    assert storage.find(name) == study
    assert storage.find(name + "?") is None
    assert name in storage.names()
    fresh, gate = f"check {uuid4().hex}", threading.Barrier(4)

    def create(_: int) -> tuple[int, bool]:
        gate.wait(30)
        return storage.create(fresh, DEFINED)

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(create, range(4)))
    assert len({study for study, _ in got}) == 1
    assert sum(new for _, new in got) == 1


def reads_what_was_written(open_: Open) -> None:
    """Every field of an event comes back, in order, numbered 1, 2, …; floats to the last bit."""
    storage, study, _ = _new(open_)
    body = {
        "numbers": [0.1, 1e-300, -0.0, 2**60],
        "text": "naïve 研究 \U0001f39b",
        "nested": {"none": None, "true": True},
    }
    mark = storage.append(study, [Event("reported", body, 3, 2, 1234.5678, "d'2"), _note("b")], "one")
    assert mark == Mark(3, 1)
    events, read = storage.read(study, 0)
    assert read == mark
    assert [e.seq for e in events] == [1, 2, 3]
    assert events[1] == Event("reported", body, 3, 2, 1234.5678, "d'2", 2)
    assert [e.seq for e in storage.read(study, 1)[0]] == [2, 3]
    assert [e.seq for e in storage.read(study, 1, limit=1)[0]] == [2]
    assert list(storage.read(study, 3)[0]) == []


def repeated_appends_are_harmless(open_: Open) -> None:
    """A known append id writes nothing and returns its first outcome, also when it would be stale by now."""
    storage, study, _ = _new(open_)
    first = storage.append(study, [_started(0)], "a", decides=1)
    storage.append(study, [_started(1)], "b", decides=2)
    try:
        again = storage.append(study, [_started(0)], "a", decides=1)
    except Stale as error:
        raise AssertionError("a repeated append was refused instead of being recognised by its id") from error
    assert again == first
    assert len(storage.read(study, 0)[0]) == 3


def stale_decisions_write_nothing(open_: Open) -> None:
    """A decision that knew fewer decisions is refused as a whole; measurements never are."""
    storage, study, _ = _new(open_)
    storage.append(study, [_started(0), _note("with it")], "a", decides=1)
    try:
        storage.append(study, [_note("not this"), _started(0)], "b", decides=1)
    except Stale:
        pass
    else:
        raise AssertionError("a decision that knew 1 of 2 decisions went in")
    assert storage.append(study, [_note("facts")], "c") == Mark(4, 2)
    assert [e.body.get("text") for e in storage.read(study, 1)[0]] == [None, "with it", "facts"]


def one_of_many_decides(open_: Open) -> None:
    """Of many that decide on the same knowledge, one succeeds; the numbers of events have no gap."""
    storage, study, _ = _new(open_)
    gate = threading.Barrier(6)

    def decide(i: int) -> bool:
        gate.wait(30)
        storage.append(study, [_note(f"fact {i}")], f"fact {i}")
        try:
            storage.append(study, [_started(0)], f"decision {i}", decides=1)
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(decide, range(6))) == 1
    events, mark = storage.read(study, 0)
    assert mark == Mark(8, 2)
    assert [e.seq for e in events] == list(range(1, 9))


def another_handle_sees_it(open_: Open) -> None:
    """What was appended is there for whoever opens the storage next."""
    storage, study, name = _new(open_)
    storage.append(study, [_note("kept")], "a")
    other = open_()
    if other.find(name) is None:
        return  # a storage in memory: each is its own
    assert [e.body.get("text") for e in other.read(study, 1)[0]] == ["kept"]


def studies_are_apart(open_: Open) -> None:
    """Events, counters and append ids belong to one study; deleting one leaves the other."""
    storage, a, name = _new(open_)
    _, b, _ = _new(lambda: storage)
    storage.append(a, [_note("a")], "same id")
    storage.append(b, [_note("b")], "same id")
    assert [e.body.get("text") for e in storage.read(b, 1)[0]] == ["b"]
    storage.delete(a)
    assert storage.find(name) is None
    assert storage.read(b, 0)[1] == Mark(2, 1)


def waits_no_longer_than_told(open_: Open) -> None:
    """wait() returns at once when there is news, and after its time when there is none; turns nest."""
    storage, study, _ = _new(open_)
    assert storage.wait(study, 0, 30) == 1
    assert storage.wait(study, 1, 0.01) == 1
    with storage.turn(study, 1.0):
        storage.append(study, [_note("in my turn")], "a")
    storage.beat(study, "me", 60)
    assert "me" not in storage.dead(study)


STORAGE_CHECKS: Mapping[str, Callable[[Open], None]] = {
    check.__name__: check
    for check in (
        creates_once, reads_what_was_written, repeated_appends_are_harmless, stale_decisions_write_nothing,
        one_of_many_decides, another_handle_sees_it, studies_are_apart, waits_no_longer_than_told,
    )
}  # fmt: skip
