"""What every storage has to keep, run over memory, an SQLite file and a real PostgreSQL server."""

from __future__ import annotations

import copy
import itertools
import math
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from trimtab.errors import StorageError
from trimtab.log import Event, Mark, Stale
from trimtab.protocol import Storage
from trimtab.storage import Memory, Sql, open_storage

SPAWN = multiprocessing.get_context("spawn")
DEFINED = Event("defined", {"space": {"x": [0.1, 1e-300]}}, at=1.5, by="d1")
HOSTILE = ["x'; DROP TABLE study; --", "naïve 研究 🎛️ e\u0301", "../../etc", "%s ? :x {}", " ", "__class__", "a" * 1000]
number = itertools.count()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Any) -> str | None:
    """What open_storage is given: the same string opens the same log in another process."""
    if request.param == "memory":
        return None
    return str(tmp_path / "studies.db") if request.param == "sqlite" else str(request.getfixturevalue("pg_url"))


@pytest.fixture
def storage(where: str | None) -> Iterator[Storage]:
    made = open_storage(where)
    yield made
    made.close()


@pytest.fixture
def name() -> str:
    return f"study {next(number)}"  # one PostgreSQL database serves all tests


def note(text: object, trial: int | None = None) -> Event:
    return Event("noted", {"text": text}, trial=trial, at=2.0, by="d1")


def ended(trial: int) -> Event:
    return Event("ended", {"state": "finished", "values": {"loss": 0.1 + trial}}, trial, 1, 3.25, "d2")


def texts(storage: Storage, study: int, since: int = 1) -> list[Any]:
    return [event.body["text"] for event in storage.read(study, since)[0]]


# -- studies ----------------------------------------------------------------------------------------------------


def test_create_find_names(storage: Storage, name: str) -> None:
    assert storage.find(name) is None
    study, new = storage.create(name, DEFINED)
    assert new
    assert storage.create(name, Event("defined", {"other": 1})) == (study, False)
    assert storage.find(name) == study
    other, _ = storage.create(name + "b", DEFINED)
    assert other != study
    assert [n for n in storage.names() if n.startswith(name)][:2] == [name, name + "b"]
    (event,), mark = storage.read(study, 0)
    assert event == Event("defined", {"space": {"x": [0.1, 1e-300]}}, None, None, 1.5, "d1", 1)
    assert mark == Mark(1, 1)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_any_text_is_a_name(storage: Storage, name: str, hostile: str) -> None:
    study, _ = storage.create(hostile + name, DEFINED)
    assert storage.find(hostile + name) == study
    assert hostile + name in storage.names()
    storage.append(study, [Event("noted", {hostile: hostile}, by=hostile)], hostile)
    assert storage.read(study, 1)[0] == [Event("noted", {hostile: hostile}, by=hostile, seq=2)]
    storage.delete(study)
    assert storage.find(hostile + name) is None


def test_created_once_by_many_threads(storage: Storage, name: str) -> None:
    barrier = threading.Barrier(8)

    def create(_: int) -> tuple[int, bool]:
        barrier.wait()
        return storage.create(name, DEFINED)

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(create, range(8)))
    assert len({study for study, _ in got}) == 1
    assert sum(new for _, new in got) == 1
    assert storage.read(got[0][0], 0)[1] == Mark(1, 1)


def test_delete(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    kept, _ = storage.create(name + "kept", DEFINED)
    storage.append(study, [note("a")], "a")
    storage.beat(study, "d1", 60)
    storage.delete(study)
    assert storage.find(name) is None
    uses: list[Callable[[], object]] = [
        lambda: storage.read(study, 0),
        lambda: storage.append(study, [note("b")], "b"),
        lambda: storage.append(study, [note("b")], "a"),
        lambda: storage.wait(study, 0, 0.01),
        lambda: storage.delete(study),
    ]
    for use in uses:
        with pytest.raises(StorageError, match="deleted"):
            use()
    again, new = storage.create(name, DEFINED)
    assert new
    assert again != study  # whoever still holds the old id must not write into the new study
    assert storage.read(kept, 0)[1] == Mark(1, 1)


# -- events -----------------------------------------------------------------------------------------------------


def test_events_come_back_in_order_and_whole(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    assert storage.append(study, [ended(3), ended(2)], "a") == Mark(3, 1)
    assert storage.append(study, [note("ü\u2028\x00")], "b") == Mark(4, 1)
    events, mark = storage.read(study, 1)
    assert mark == Mark(4, 1)
    assert events == [
        Event("ended", {"state": "finished", "values": {"loss": 3.1}}, 3, 1, 3.25, "d2", 2),
        Event("ended", {"state": "finished", "values": {"loss": 2.1}}, 2, 1, 3.25, "d2", 3),
        Event("noted", {"text": "ü\u2028\x00"}, None, None, 2.0, "d1", 4),
    ]
    assert list(events[0].body) == ["state", "values"]


def test_read_since_and_limit(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    storage.append(study, [note(i) for i in range(10)], "a")
    full = Mark(11, 1)

    def seqs(since: int, limit: int | None = None) -> list[int]:
        events, mark = storage.read(study, since, limit)
        assert mark == full  # as it stands in the storage, however little was asked for
        return [event.seq for event in events]

    assert seqs(0) == list(range(1, 12))
    assert seqs(8) == [9, 10, 11]
    assert seqs(3, 2) == [4, 5]
    assert seqs(10, 5) == [11]
    assert seqs(11) == seqs(99) == seqs(3, 0) == []


def test_a_known_append_id_writes_nothing_and_returns_its_first_outcome(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    first = storage.append(study, [Event("started", {}, 0, 1), note("a")], "one", decides=1)
    assert first == Mark(3, 2)
    storage.append(study, [Event("started", {}, 1, 1)], "two", decides=2)
    assert storage.append(study, [Event("started", {}, 0, 1), note("a")], "one", decides=1) == first
    assert storage.append(study, [note("else")], "one") == first
    assert storage.read(study, 0)[1] == Mark(4, 3)
    other, _ = storage.create(name + "other", DEFINED)
    assert storage.append(other, [note("a")], "one") == Mark(2, 1)  # ids belong to a study


def test_a_decision_that_did_not_know_another_is_stale(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    storage.append(study, [note("a"), ended(0)], "m")  # measurements make nothing stale
    assert storage.append(study, [Event("started", {}, 0, 1)], "s1", decides=1) == Mark(4, 2)
    with pytest.raises(Stale):
        storage.append(study, [Event("started", {}, 0, 1), note("b")], "s2", decides=1)
    assert storage.read(study, 0)[1] == Mark(4, 2)
    assert storage.append(study, [Event("started", {}, 1, 1)], "s2", decides=2) == Mark(5, 3)
    kinds = ("dropped", "closed", "defined", "enqueued", "judged", "saved", "amended", "answered", "reported")
    assert storage.append(study, [Event(kind, {}) for kind in kinds], "k") == Mark(14, 6)


def test_nothing_to_append(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    assert storage.append(study, [], "a") == Mark(1, 1)


def test_large_and_odd_bodies(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    big = "x" * 2**20
    body = {
        "big": big,
        "nan": math.nan,
        "inf": [-math.inf, {"a": math.inf}],
        "tiny": 5e-324,
        "long": 2**60,
        "none": None,
    }
    storage.append(study, [Event("noted", body)], "a")
    ((event,), _) = storage.read(study, 1)
    assert event.body["big"] == big
    assert math.isnan(float(event.body["nan"]))
    assert float(event.body["inf"][0]) == -math.inf
    assert float(event.body["inf"][1]["a"]) == math.inf
    assert (event.body["tiny"], event.body["long"], event.body["none"]) == (5e-324, 2**60, None)
    storage.append(study, [note("half a pair: \udce9 and é")], "b")
    assert texts(storage, study, 2) == ["half a pair: \udce9 and é"]


# -- several at once --------------------------------------------------------------------------------------------


def _write(where: str | Storage, name: str, who: str, count: int, decide: bool) -> None:
    storage = open_storage(where)
    study = storage.create(name, DEFINED)[0]
    done = 0
    while done < count:
        event = Event("started" if decide else "noted", {"text": f"{who}{done}"}, done)
        known = storage.read(study, 10**9)[1].decisions if decide else None
        try:
            storage.append(study, [event], f"{who}{done}", decides=known)
        except Stale:
            continue
        done += 1
    storage.close()


@pytest.mark.parametrize("decide", [False, True])
def test_two_writers_lose_nothing(where: str | None, storage: Storage, name: str, decide: bool) -> None:
    count = 500 if not decide else 100
    kind: Any = threading.Thread if where is None else SPAWN.Process
    workers = [kind(target=_write, args=(where or storage, name, who, count, decide)) for who in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    study = storage.find(name)
    assert study is not None
    events, mark = storage.read(study, 0)
    assert [event.seq for event in events] == list(range(1, 2 * count + 2))
    assert mark.version == 2 * count + 1
    for who in "ab":
        mine = [event.body["text"] for event in events[1:] if event.body["text"].startswith(who)]
        assert mine == [f"{who}{i}" for i in range(count)]
    if decide:
        assert mark.decisions == 2 * count + 1


def test_wait_wakes_soon_after_an_append(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    assert storage.wait(study, 0, 5) == 1  # there is something already
    start = time.monotonic()
    assert storage.wait(study, 1, 0.2) == 1
    assert 0.15 < time.monotonic() - start < 2
    woken: list[float] = []

    def waits() -> None:
        assert storage.wait(study, 1, 20) == 2
        woken.append(time.monotonic())

    thread = threading.Thread(target=waits)
    thread.start()
    time.sleep(0.3)
    assert not woken
    storage.append(study, [note("a")], "a")
    written = time.monotonic()
    thread.join(20)
    assert woken[0] - written < 1


def test_one_study_does_not_wake_another_for_good(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    other, _ = storage.create(name + "b", DEFINED)
    timer = threading.Timer(0.05, lambda: storage.append(other, [note("a")], "a"))
    timer.start()
    start = time.monotonic()
    assert storage.wait(study, 1, 0.3) == 1
    assert time.monotonic() - start > 0.25
    timer.join()


# -- turns ------------------------------------------------------------------------------------------------------


def _hold(where: str, study: int, pipe: Any) -> None:
    storage = open_storage(where)
    with storage.turn(study, 30):
        pipe.send("held")
        pipe.recv()  # for ever
    pipe.send("released")


def test_a_turn_is_one_thread_at_a_time_and_reentrant(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(5):
            with storage.turn(study, 30), storage.turn(study, 30):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.002)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most[0] == 1


def test_a_turn_waited_for_in_vain_is_gone_without(storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    entered: list[float] = []

    def work() -> None:
        start = time.monotonic()
        with storage.turn(study, 0.2):
            entered.append(time.monotonic() - start)

    with storage.turn(study, 1):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
    assert 0.15 < entered[0] < 5


def test_a_killed_process_gives_its_turn_back(where: str | None, storage: Storage, name: str) -> None:
    if where is None:
        pytest.skip("memory is one process's own")
    study, _ = storage.create(name, DEFINED)
    mine, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=_hold, args=(where, study, theirs))
    child.start()
    assert mine.recv() == "held"
    start = time.monotonic()
    with storage.turn(study, 0.3):
        assert time.monotonic() - start >= 0.29  # refused while the other process holds it
    threading.Timer(0.2, child.kill).start()
    start = time.monotonic()
    with storage.turn(study, 30):
        assert 0.1 < time.monotonic() - start < 10
    child.join(10)


# -- drivers ----------------------------------------------------------------------------------------------------


def _beat(where: str, study: int, seconds: float) -> None:
    open_storage(where).beat(study, "theirs", seconds)


def test_the_living_the_late_and_the_gone(where: str | None, storage: Storage, name: str) -> None:
    study, _ = storage.create(name, DEFINED)
    assert list(storage.dead(study)) == []
    storage.beat(study, "mine", 60)
    storage.beat(study, "mine", 60)
    assert list(storage.dead(study)) == []
    if where is None:
        return
    storage.beat(study, "late", 0.05)
    time.sleep(0.1)
    assert list(storage.dead(study)) == ["late"]
    storage.beat(study, "late", 60)
    assert list(storage.dead(study)) == []
    child = SPAWN.Process(target=_beat, args=(where, study, 3600.0))
    child.start()
    child.join(60)
    assert list(storage.dead(study)) == ["theirs"]  # its lease would run for an hour, but it is of this machine
    storage.forget(study, "theirs")  # type: ignore[attr-defined]
    assert list(storage.dead(study)) == []


def test_a_copy_is_the_same_place(storage: Storage) -> None:
    """scikit-learn copies what an estimator was given before it fits."""
    assert copy.deepcopy(storage) is storage
    assert copy.deepcopy({"storage": storage})["storage"] is storage


def test_memory_by_name_leaves_no_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("memory", ":memory:"):
        assert isinstance(open_storage(word), Memory)
    assert not list(tmp_path.iterdir())
    open_storage("./memory").close()  # a file of this name is still a file
    assert isinstance(open_storage("memory"), Sql)
