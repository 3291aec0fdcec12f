"""Checkpoints are there whole or not at all, in a local folder and behind a URL."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trimtab.errors import StorageError
from trimtab.storage import checkpoints
from trimtab.storage.checkpoints import Checkpoints, abandon, begin, commit, exists, fetch, remove

FILES = {"net.pt": b"weights" * 1000, "optimizer/state.bin": b"\x00\x01", "é.txt": b""}


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoints:
    return Checkpoints(str(tmp_path / "runs") if request.param == "local" else f"memory://{tmp_path.name}/runs")


def fill(folder: Path, files: dict[str, bytes] = FILES) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_there_and_back(store: Checkpoints, tmp_path: Path) -> None:
    place = store.place(12, 2, 300.0)
    assert place.endswith("/12/2/300")
    folder = begin(place)
    fill(folder)
    assert not exists(place)
    assert not store.has(12, 2, 300)
    about = commit(folder, place)
    assert about["bytes"] == 7002
    assert [name for name, _, _ in about["manifest"]] == ["net.pt", "optimizer/state.bin", "é.txt"]
    assert store.has(12, 2, 300)
    assert not folder.exists()
    assert contents(fetch(place, tmp_path / "cache")) == FILES
    assert contents(fetch(place, tmp_path / "cache")) == FILES  # now from the cache


def test_the_hash_is_of_the_content(store: Checkpoints, tmp_path: Path) -> None:
    source = tmp_path / "from"
    source.mkdir()
    fill(source)
    first = store.publish(source, 1, 1, 1)
    again = store.publish(source, 2, 1, 5)
    (source / "net.pt").write_bytes(b"other")
    other = store.publish(source, 2, 1, 6)
    assert first["sha256"] == again["sha256"] != other["sha256"]


def test_steps_and_removal(store: Checkpoints, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    fill(tmp_path / "from")
    assert store.steps(3, 1) == []
    for step in (10, 9, 0.5, 1e-7):
        store.publish(tmp_path / "from", 3, 1, step)
    assert store.steps(3, 1) == [1e-7, 0.5, 9, 10]
    store.remove(3, 1, 9)
    store.remove(3, 1, 9)
    assert store.steps(3, 1) == [1e-7, 0.5, 10]
    with pytest.raises(StorageError, match="not there"):
        fetch(store.place(3, 1, 9), tmp_path / "cache")


def test_the_same_step_saved_again_replaces_it(store: Checkpoints, tmp_path: Path) -> None:
    place = store.place(0, 1, 7)
    for files in ({"a": b"old", "only-old": b"x"}, {"a": b"new"}):
        folder = begin(place)
        fill(folder, files)
        commit(folder, place)
    assert contents(fetch(place, tmp_path / "cache")) == {"a": b"new"}
    assert store.steps(0, 1) == [7]


def test_what_was_begun_and_not_committed_is_not_there(store: Checkpoints) -> None:
    place = store.place(0, 1, 1)
    folder = begin(place)
    fill(folder)
    assert store.steps(0, 1) == []
    store.sweep(0, 1)
    if not checkpoints.is_remote(place):
        assert os.listdir(store.home(0, 1)) == []
    abandon(folder)
    assert not exists(place)


def test_an_empty_checkpoint_is_an_error(store: Checkpoints) -> None:
    place = store.place(0, 1, 1)
    with pytest.raises(StorageError, match="nothing was written"):
        commit(begin(place), place)
    assert not exists(place)


def test_sync(tmp_path: Path) -> None:
    place = Checkpoints(str(tmp_path)).place(0, 1, 1)
    folder = begin(place)
    fill(folder)
    commit(folder, place, sync=True)
    assert contents(Path(place)) == FILES


def test_a_damaged_remote_file_is_noticed(tmp_path: Path) -> None:
    import fsspec

    store = Checkpoints(f"memory://{tmp_path.name}/runs")
    (tmp_path / "from").mkdir()
    fill(tmp_path / "from", {"a": b"right"})
    store.publish(tmp_path / "from", 0, 1, 1)
    fs, path = fsspec.core.url_to_fs(store.place(0, 1, 1))
    fs.pipe_file(f"{path}/a", b"wrong")
    with pytest.raises(StorageError, match="damaged"):
        fetch(store.place(0, 1, 1), tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "..", "", "c:/x", "a\\..\\b", "a\x00b"])
def test_a_name_may_not_lead_out(name: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no name inside"):
        checkpoints.inside(tmp_path, name)


def test_a_manifest_may_not_lead_out_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="leads out"):
        checkpoints.inside(tmp_path / "in", "link/x")


@pytest.mark.parametrize("step", [-1, float("nan"), float("inf")])
def test_odd_steps_are_refused(step: float, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="step="):
        Checkpoints(str(tmp_path)).place(0, 1, step)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    place = Checkpoints(str(tmp_path)).place(0, 1, 1)
    folder = begin(place)
    os.mkfifo(folder / "pipe")
    with pytest.raises(StorageError, match="plain file"):
        commit(folder, place)


def test_local_checkpoints_need_no_fsspec() -> None:
    code = (
        "import sys, tempfile; from trimtab.storage.checkpoints import *\n"
        "c = Checkpoints(tempfile.mkdtemp()); p = c.place(0, 1, 2); f = begin(p); (f / 'a').write_text('x')\n"
        "commit(f, p); fetch(p); remove(p); sys.exit('fsspec' in sys.modules or 'sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _save_for_ever(root: str) -> None:
    store = Checkpoints(root)
    for step in range(10**9):
        place = store.place(0, 1, step % 3)
        folder = begin(place)
        for i in range(5):
            (folder / str(i)).write_bytes(str(step).encode() * 5000)
        commit(folder, place)


def test_killed_while_saving(tmp_path: Path) -> None:
    for round_ in range(3):
        child = multiprocessing.get_context("spawn").Process(target=_save_for_ever, args=(str(tmp_path),))
        child.start()
        store = Checkpoints(str(tmp_path))
        late = time.monotonic() + 60
        while not store.steps(0, 1) and time.monotonic() < late:  # it has begun
            time.sleep(0.02)
        time.sleep(0.03 * round_)
        child.kill()
        child.join()
        for step in store.steps(0, 1):
            found = contents(fetch(store.place(0, 1, step)))
            assert sorted(found) == list("01234")  # whole
            assert len(set(found.values())) == 1  # and of one time
        store.sweep(0, 1)
        assert not [name for name in os.listdir(store.home(0, 1)) if name.startswith(".")]
    assert store.steps(0, 1)
    remove(store.place(0, 1, 0))
