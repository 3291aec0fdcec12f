"""Checkpoints: folders named trial/attempt/step under one root, which is a local folder or any fsspec URL.

A checkpoint is there whole or not at all: it is written beside its place and renamed into it (local), or its
manifest is uploaded last (remote). Workers need no more than a path: begin, commit and fetch are plain functions.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from trimtab.errors import StorageError

MANIFEST = ".manifest.json"  # last file of a remote checkpoint: without it there is none
LEFT = ".part", ".gone"  # being written, being removed: what a killed process may leave
_STEP = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where a study's checkpoints are."""

    root: str

    def place(self, trial: int, attempt: int, step: float) -> str:
        """Folder or URL of one checkpoint. The attempt is in it, so a late worker can't overwrite a newer one's."""
        return join(self.root, f"{int(trial)}/{int(attempt)}/{step_name(step)}")

    def home(self, trial: int, attempt: int) -> str:
        """Folder or URL that holds all checkpoints of one attempt."""
        return join(self.root, f"{int(trial)}/{int(attempt)}")

    def publish(self, source: str | os.PathLike[str], trial: int, attempt: int, step: float) -> dict[str, Any]:
        """Copy a folder in as a checkpoint; what `commit` says of it."""
        place = self.place(trial, attempt, step)
        temporary = begin(place)
        shutil.copytree(source, temporary, dirs_exist_ok=True)
        return commit(temporary, place)

    def has(self, trial: int, attempt: int, step: float) -> bool:
        return exists(self.place(trial, attempt, step))

    def steps(self, trial: int, attempt: int) -> list[float]:
        """Steps of the checkpoints that are there, ascending."""
        home = self.home(trial, attempt)
        if is_remote(home):
            fs, path = _remote(home)
            names = [PurePosixPath(found).parent.name for found in fs.glob(f"{path}/*/{MANIFEST}")]
        else:
            names = os.listdir(home) if os.path.isdir(home) else []
        return sorted(float(name) for name in names if _STEP.fullmatch(name))

    def remove(self, trial: int, attempt: int, step: float) -> None:
        """Take one away; nothing happens if it is not there."""
        remove(self.place(trial, attempt, step))

    def sweep(self, trial: int, attempt: int) -> None:
        """Clear away what a killed worker left half-written. Only for an attempt that is over."""
        home = self.home(trial, attempt)
        if not is_remote(home) and os.path.isdir(home):
            for name in os.listdir(home):
                if name.startswith(".") and name.endswith(LEFT):
                    shutil.rmtree(os.path.join(home, name), ignore_errors=True)


# -- what a worker calls with a path ----------------------------------------------------------------------------


def begin(place: str) -> Path:
    """A fresh local folder to write a checkpoint into, which commit(folder, place) then publishes."""
    if is_remote(place):
        return Path(tempfile.mkdtemp(prefix="trimtab-"))
    parent = Path(place).parent  # beside its place: a rename must not cross file systems
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".{Path(place).name}.{uuid4().hex[:12]}{LEFT[0]}"
    folder.mkdir()
    return folder


def commit(temporary: Path, place: str, *, sync: bool = False) -> dict[str, Any]:
    """Publish what was written: {"bytes", "sha256", "manifest": [[name, bytes, sha256], …]}.

    sync=True waits until the disk has it, so that a power cut can't leave a checkpoint with empty files.
    """
    manifest: list[Any] = [[name, os.path.getsize(path), _sha256(path)] for name, path in _files(temporary)]
    if not manifest:
        abandon(temporary)
        raise StorageError(f"The checkpoint {place} is empty: nothing was written into its folder before it was saved.")
    about = {"bytes": sum(size for _, size, _ in manifest), "sha256": digest(manifest), "manifest": manifest}
    if is_remote(place):
        _upload(temporary, place, about)
        return about
    if sync:
        for _, path in _files(temporary):
            _sync(path)
        _sync(temporary)
    _swap_in(temporary, Path(place))
    if sync:
        _sync(Path(place).parent)
    return about


def abandon(temporary: Path) -> None:
    """Throw away what begin() gave."""
    shutil.rmtree(temporary, ignore_errors=True)


def exists(place: str) -> bool:
    if is_remote(place):
        fs, path = _remote(place)
        return bool(fs.exists(f"{path}/{MANIFEST}"))
    return Path(place).is_dir()


def remove(place: str) -> None:
    """Take a checkpoint away, in one step for whoever looks at the same time."""
    if is_remote(place):
        fs, path = _remote(place)
        if fs.exists(f"{path}/{MANIFEST}"):
            fs.rm_file(f"{path}/{MANIFEST}")  # first: from here on it is not there
        if fs.exists(path):
            fs.rm(path, recursive=True)
        return
    aside = _aside(Path(place))
    try:
        os.rename(place, aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside, ignore_errors=True)


def fetch(place: str, cache: str | os.PathLike[str] | None = None) -> Path:
    """The checkpoint as a local folder: its own if it is local, else a checked copy in the cache."""
    if not is_remote(place):
        if not Path(place).is_dir():
            raise StorageError(f"The checkpoint {place} is not there (any more). Was the folder moved or cleaned?")
        return Path(place)
    fs, path = _remote(place)
    try:
        about = json.loads(fs.cat_file(f"{path}/{MANIFEST}"))
    except FileNotFoundError:
        raise StorageError(
            f"The checkpoint {place} is not there (any more). Was the bucket moved or cleaned?"
        ) from None
    # Not under /tmp, where anybody could have put a folder of that name before.
    root = Path(cache) if cache is not None else Path.home() / ".cache" / "trimtab" / "checkpoints"
    target = root / digest(about["manifest"])  # by content: a place that was written again is another
    if target.is_dir():
        return target
    temporary = begin(str(target))
    try:
        for name, _, sha256 in about["manifest"]:
            file = inside(temporary, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(f"{path}/{name}", str(file))
            if _sha256(file) != sha256:
                raise StorageError(f"{place}/{name} is damaged: its contents are not those that were saved.")
        with suppress(OSError):  # another process may have been faster
            os.rename(temporary, target)
    finally:
        abandon(temporary)
    return target


# -- names ------------------------------------------------------------------------------------------------------


def step_name(step: float) -> str:
    """ "300" for 300.0; the shortest text that reads back as the same number for the others."""
    step = float(step)
    if not 0 <= step < float("inf"):
        raise StorageError(f"step={step} can't have a checkpoint: a step is a number of at least 0.")
    return str(int(step)) if step.is_integer() and step < 1e15 else repr(step)


def is_remote(place: str) -> bool:
    return "://" in place


def join(root: str, name: str) -> str:
    """root/name, where name may not lead out of root."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or "\\" in name or ":" in name or "\x00" in name:
        raise StorageError(f"{name!r} is no name inside {root}.")
    return f"{root.rstrip('/')}/{name}" if is_remote(root) else str(Path(root, *parts))


def inside(root: Path, name: str) -> Path:
    """The local file `name` under root; a name or a link that leads out is refused."""
    path = Path(join(str(root), name))
    if not path.resolve().is_relative_to(root.resolve()):
        raise StorageError(f"{name!r} leads out of {root}.")
    return path


def digest(manifest: list[Any]) -> str:
    """sha256 over names, sizes and sha256 of all files in the order of their names."""
    return hashlib.sha256(json.dumps(manifest, separators=(",", ":")).encode()).hexdigest()


# -- below ------------------------------------------------------------------------------------------------------


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name relative to the folder, path) of all files, sorted by name."""
    found = []
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here, name)
            if not path.is_file():  # a broken link, a pipe: nothing that could be read back
                raise StorageError(f"{path} is not a plain file, so it can't be part of a checkpoint.")
            found.append((path.relative_to(folder).as_posix(), path))
    yield from sorted(found)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _swap_in(temporary: Path, place: Path) -> None:
    """Rename into place. One that is there already (the same step, saved again) is put aside, then thrown away."""
    aside = _aside(place)
    try:
        os.rename(place, aside)
    except FileNotFoundError:
        os.replace(temporary, place)
        return
    os.replace(temporary, place)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.{uuid4().hex[:12]}{LEFT[1]}")


def _upload(temporary: Path, place: str, about: dict[str, Any]) -> None:
    fs, path = _remote(place)
    try:
        remove(place)
        for name, file in _files(temporary):
            fs.makedirs(str(PurePosixPath(f"{path}/{name}").parent), exist_ok=True)
            fs.put_file(str(file), f"{path}/{name}")
        fs.pipe_file(f"{path}/{MANIFEST}", json.dumps(about).encode())
    finally:
        abandon(temporary)


def _remote(place: str) -> tuple[Any, str]:
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(place)
    except ImportError as error:
        raise StorageError(f"{place.partition('://')[0]}:// needs one more package: {error}") from None
    return fs, str(path).rstrip("/")
