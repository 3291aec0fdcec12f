"""Bad files, bad places and bad moments: every one ends in a sentence that names the file and the mend."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from trimtab.errors import StorageAway, StorageError
from trimtab.log import FORMAT, Event, Mark
from trimtab.storage import Memory, _sqlite, _workers, open_storage
from trimtab.storage.sql import Sql

DEFINED = Event("defined", {})
MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/me/local\\040disk ext4 rw 0 0
fs1@tcp:/work /work lustre rw 0 0
//nas/x /mnt/é cifs rw 0 0
tmp /work/fast tmpfs rw 0 0
me@h: /mnt/ssh fuse.sshfs rw 0 0
host /vm 9p rw 0 0
/dev/md0 /mnt/ssh2 ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", None),
        ("/home", "nfs4"),
        ("/home/me/x", "nfs4"),
        ("/homely", None),
        ("/home/me/local disk/a", None),
        ("/work/a", "lustre"),
        ("/work/fast/a", None),
        ("/mnt/é/a", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/ssh2", None),
        ("/vm/a", None),
    ],
)
def test_network_file_systems_are_told_apart(folder: str, kind: str | None) -> None:
    assert _sqlite.network_kind(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sqlite, "network_kind", lambda folder: "nfs4")
    with pytest.raises(StorageError, match=r"r50\.db is on a network file system \(nfs4\), .*PostgreSQL"):
        open_storage(tmp_path / "r50.db")
    assert not (tmp_path / "r50.db").exists()


def test_a_newer_format_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "digits.db"
    open_storage(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (FORMAT + 3,))
    connection.execute("UPDATE meta SET value = '9.9' WHERE key = 'written_by'")
    connection.commit()
    connection.close()
    before = path.read_bytes(), path.stat().st_mtime_ns
    message = (
        rf"^digits\.db was written by trimtab 9\.9 \(log format {FORMAT + 3}\); this is \S+ \(format {FORMAT}\)\."
        r" Install trimtab>=9\.9\. The file was not touched\.$"
    )
    for read_only in (False, True):
        with pytest.raises(StorageError, match=message):
            Sql(f"sqlite:///{path}", read_only=read_only)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_foreign_files_are_refused_and_not_touched(tmp_path: Path) -> None:
    text, foreign, torn = tmp_path / "notes.txt", tmp_path / "mail.sqlite", tmp_path / "torn.db"
    text.write_text("my thesis")
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE event (x)")
    connection.close()
    torn.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    for path, words in [
        (text, "no SQLite database"),
        (foreign, r"some other program \(tables: event\)"),
        (torn, "damaged"),
    ]:
        before = path.read_bytes()
        with pytest.raises(StorageError, match=words) as caught:
            open_storage(path)
        assert str(path) in str(caught.value)
        assert path.read_bytes() == before


def test_damage_found_later_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    storage = open_storage(path)
    study, _ = storage.create("s", DEFINED)
    for i in range(50):
        storage.append(study, [Event("noted", {"x": "y" * 3000})], str(i))
    storage.close()
    content = bytearray(path.read_bytes())
    content[20 * 4096 : 30 * 4096] = b"\xff" * (10 * 4096)
    path.write_bytes(content)
    storage = open_storage(path)
    with pytest.raises(StorageError, match=r"a\.db is damaged .*\.recover"):
        storage.read(study, 0)
    storage.close()


def test_a_truncated_wal_opens_at_its_last_commit(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.db", tmp_path / "copy.db"
    storage = open_storage(path)
    study, _ = storage.create("s", DEFINED)
    for i in range(5):
        storage.append(study, [Event("noted", {"i": i})], str(i))
    wal = Path(f"{path}-wal").read_bytes()
    copy.write_bytes(path.read_bytes())
    Path(f"{copy}-wal").write_bytes(wal[:-1000])
    storage.close()
    again = open_storage(copy)
    events, mark = again.read(study, 0)
    assert 1 <= mark.version < 6
    assert len(events) == mark.version
    assert again.append(study, [Event("noted", {"i": 9})], "n") == Mark(mark.version + 1, 1)
    again.close()


def test_a_deleted_file_is_an_error_and_no_new_study(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    storage = open_storage(path)
    study, _ = storage.create("s", DEFINED)
    for name in os.listdir(tmp_path):
        (tmp_path / name).unlink()
    for use in (
        lambda: storage.append(study, [DEFINED], "a"),
        lambda: storage.read(study, 0),
        lambda: storage.find("s"),
    ):
        with pytest.raises(StorageError, match=r"a\.db was deleted or moved while in use"):
            use()
    assert not path.exists()
    open_storage(path).close()
    with pytest.raises(StorageError, match="replaced by another file"):
        storage.find("s")
    storage.close()


def test_deleted_while_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    storage = open_storage(path)
    study, _ = storage.create("s", DEFINED)
    threading.Timer(0.1, path.unlink).start()
    with pytest.raises(StorageError, match="deleted or moved"):
        storage.wait(study, 1, 20)
    storage.close()


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="mkdir -p"):
        open_storage(tmp_path / "no" / "a.db")
    with pytest.raises(StorageError, match="does not exist"):
        open_storage(tmp_path / "a.db", read_only=True)
    assert os.listdir(tmp_path) == []


READER = """
import os, sys
from trimtab.errors import StorageAway, StorageError
from trimtab.storage import open_storage
open_storage(sys.argv[2]).close()  # loads all modules, which nobody may not
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)  # root may write anything
try:
    open_storage(sys.argv[1])
except StorageError as error:
    print(error)
storage = open_storage(sys.argv[1], read_only=True)
print(len(storage.read(1, 0)[0]), storage.wait(1, 0, 0))
try:
    storage.append(1, [], "a")
except StorageError as error:
    print(error)
storage.close()
"""


def test_a_read_only_folder_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    storage = open_storage(folder / "a.db")
    storage.create("s", DEFINED)
    storage.close()
    before = sorted(os.listdir(folder))
    for parent in [folder, *folder.parents][:5]:
        if parent.stat().st_uid == os.getuid() and str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH | stat.S_IXGRP)
    (folder / "a.db").chmod(0o444)
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READER, str(folder / "a.db"), str(tmp_path / "b.db")],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    refused, read, again = done.stdout.splitlines()
    assert "read-only for this user" in refused
    assert read == "1 1"
    assert "opened for reading only" in again
    assert sorted(os.listdir(folder)) == before


def test_reading_only_while_another_writes(tmp_path: Path) -> None:
    writer = open_storage(tmp_path / "a.db")
    study, _ = writer.create("s", DEFINED)
    reader = open_storage(tmp_path / "a.db", read_only=True)
    assert reader.read(study, 0)[1] == Mark(1, 1)
    threading.Timer(0.05, lambda: writer.append(study, [Event("noted", {})], "a")).start()
    assert reader.wait(study, 1, 20) == 2
    for use in (lambda: reader.turn(study, 1), lambda: reader.beat(study, "d", 1), lambda: reader.create("t", DEFINED)):
        with pytest.raises(StorageError, match="reading only"):
            use()
    reader.close()
    writer.close()


def test_a_lock_held_for_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    monkeypatch.setattr(_sqlite, "PATIENCE", 0.1)
    storage = open_storage(path)
    study, _ = storage.create("s", DEFINED)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageAway, match=r"locked by another program .* fuser"):
        storage.append(study, [DEFINED], "a")
    assert storage.read(study, 0)[1] == Mark(1, 1)  # readers don't wait
    other.execute("ROLLBACK")
    other.close()
    assert storage.append(study, [DEFINED], "a") == Mark(2, 2)
    storage.close()


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_full_disk_is_told_and_what_was_saved_is_safe(tmp_path: Path) -> None:
    storage = Sql(f"sqlite:///{tmp_path}/a.db")
    study, _ = storage.create("s", DEFINED)
    connection = storage._db.writer.raw_connection()  # type: ignore[attr-defined]
    connection.execute("PRAGMA max_page_count=30")  # type: ignore[attr-defined]
    connection.close()
    saved: list[Mark] = []

    def fill() -> None:
        for i in range(100):
            saved.append(storage.append(study, [Event("noted", {"x": "y" * 4000})], str(i)))

    with pytest.raises(StorageAway, match=r"no room left for .*a\.db"):
        fill()
    assert 0 < len(saved) < 100
    assert storage.read(study, 0)[1] == saved[-1]
    storage.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_gets_its_own_connections_and_not_the_turn(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "a.db")
    study, _ = storage.create("s", DEFINED)
    with storage.turn(study, 1):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for i in range(50):
                    storage.append(study, [Event("noted", {})], f"child {i}")
                start = time.monotonic()
                with storage.turn(study, 0.1):  # the parent has it
                    code = 0 if time.monotonic() - start >= 0.1 else 2
            finally:
                os._exit(code)
        for i in range(50):
            storage.append(study, [Event("noted", {})], f"parent {i}")
        assert os.waitpid(pid, 0)[1] == 0
    events, mark = storage.read(study, 0)
    assert [event.seq for event in events] == list(range(1, 102))
    assert mark == Mark(101, 1)
    storage.close()


def test_odd_paths(tmp_path: Path) -> None:
    for name in ("a b.db", "100%.db", "q?x=1#y.db", "研究.db", "x'y;.db", "plain"):
        storage = open_storage(tmp_path / name)
        storage.create("s", DEFINED)
        storage.close()
        assert (tmp_path / name).stat().st_size > 0
        assert open_storage(str(tmp_path / name)).names() == ["s"]


def test_what_open_storage_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = open_storage(None)
    assert isinstance(memory, Memory)
    assert open_storage(memory) is memory
    monkeypatch.setenv("TT_WHERE", str(tmp_path))
    open_storage("sqlite:///${TT_WHERE}/a.db").close()
    assert (tmp_path / "a.db").exists()
    with pytest.raises(StorageError, match=r"\$\{NO_SUCH\}, which is not set"):
        open_storage("postgresql://me:${NO_SUCH}@h/d")
    for folder in (tmp_path, f"{tmp_path}/r50.study/"):
        with pytest.raises(StorageError, match=r"is a folder.*Today these work"):
            open_storage(folder)
    with pytest.raises(StorageError, match="names nothing"):
        open_storage(" ")
    with pytest.raises(StorageError, match="mysql is not a database"):
        open_storage("mysql://h/d")
    with pytest.raises(StorageError, match="no storage"):
        open_storage(3)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="durability"):
        open_storage(tmp_path / "b.db", durability="max")  # type: ignore[arg-type]


def test_a_copy_without_wal_gets_it_back(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_storage(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    connection.close()
    open_storage(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_durability_reaches_sqlite(tmp_path: Path) -> None:
    for word, level in (("normal", 1), ("full", 2)):
        storage = open_storage(tmp_path / "a.db", durability=word)  # type: ignore[arg-type]
        connection = storage._db.writer.raw_connection()  # type: ignore[attr-defined]
        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()
        storage.close()


def test_who_is_gone() -> None:
    here = _workers.this_process()
    machine, boot, space = here.boot.split(" ")

    def like(**changes: object) -> _workers.Process:
        fields = {"host": here.host, "boot": here.boot, "pid": here.pid, "started": here.started} | changes
        return _workers.Process(**fields)  # type: ignore[arg-type]

    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not _workers.gone(here, here)
    assert _workers.gone(like(pid=child.pid), here)
    assert _workers.gone(like(started="1"), here)  # the pid was given to another process
    assert _workers.gone(like(boot=f"{machine} earlier {space}"), here)
    assert not _workers.gone(like(host="elsewhere", pid=child.pid), here)
    assert not _workers.gone(like(boot=f"other {boot} {space}", pid=child.pid), here)  # a machine of the same name
    assert not _workers.gone(like(boot=f"{machine} {boot} pid:[1]", pid=child.pid), here)  # another container


def test_importing_the_room_is_light() -> None:
    code = "import sys, trimtab.storage; sys.exit('sqlalchemy' in sys.modules or 'fsspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="reads the kernel's table of locks")
def test_a_second_handle_leaves_the_first_one_its_locks(tmp_path: Path) -> None:
    # POSIX takes all of a process's locks on a file when it closes any handle of it
    path = tmp_path / "s.db"
    first = open_storage(path)
    first.create("a", Event("defined", {}))

    def held() -> int:
        inode = str(os.stat(path).st_ino)
        return sum(
            f":{inode} " in line and str(os.getpid()) in line for line in Path("/proc/locks").read_text().splitlines()
        )

    before = held()
    second = open_storage(path)
    second.close()
    assert held() >= before > 0
    first.close()
