"""Places, times and sizes."""

from __future__ import annotations

import subprocess

import pytest

from trimtab.errors import TrimtabError
from trimtab.run import _slots
from trimtab.run._slots import environment, gpus, places
from trimtab.run._units import seconds, size


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(_slots, "cores", lambda: 8)
    monkeypatch.setattr(_slots, "memory", lambda: 32 * 2**30)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")


def test_as_many_as_fit():
    assert places(None, {}) == [None]
    assert places(3, {}) == [None] * 3
    assert places(None, {"cpu": 3}) == [None] * 2
    assert places(None, {"cpu": 1, "memory": "16GB"}) == [None] * 2
    assert places(None, {"gpu": 1}) == [("0",), ("1",), ("2",), ("3",)]
    assert places(None, {"gpu": 2}) == [("0", "1"), ("2", "3")]
    assert places(None, {"gpu": 3}) == [("0", "1", "2")]
    assert places(None, {"gpu": 0.5, "cpu": 1}) == [(d,) for d in "01230123"]
    assert places(2, {"gpu": 0.5}) == [("0",), ("1",)]  # a device each before they share
    assert len(places(None, {"gpu": 0.1, "cpu": 0.1})) == 40
    assert places(3, {"cpu": 0, "gpu": 0, "memory": 0}) == [None] * 3


@pytest.mark.parametrize(
    ("workers", "needs", "says"),
    [
        (None, {"gpu": 5}, r"5 GPU a trial, and this machine has 4 \(0, 1, 2, 3\)"),
        (5, {"gpu": 1}, "only 4 fit on this machine"),
        (None, {"gpu": 1.5}, "a fraction of one GPU"),
        (None, {"cpu": 9}, "9 CPU cores, and this machine has 8"),
        (None, {"memory": "64GB"}, "64GB of memory, and this machine has 32.0 GB"),
        (None, {"gpus": 1}, "'gpus' is not known here"),
        (None, {"cpu": -1}, "cpu is a finite number, at least 0"),
        (2, {"cpu": float("nan")}, "cpu is a finite number"),
        (None, {"gpu": "a"}, "gpu is a finite number"),
        (None, {"memory": -1}, "memory is a finite number"),
        (None, 3, "it says"),
        (0, {}, "at least one"),
    ],
)
def test_what_is_not_there_is_told(workers, needs, says):
    with pytest.raises(TrimtabError, match=says):
        places(workers, needs)


def test_hidden_devices_are_not_there(monkeypatch):
    for hidden in ("", "-1", "NoDevFiles"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        with pytest.raises(TrimtabError, match=r"has none \(CUDA_VISIBLE_DEVICES="):
            places(None, {"gpu": 1})


def test_devices_are_listed_by_the_driver(monkeypatch):
    cards = "GPU 0: NVIDIA H100 (UUID: GPU-aa)\nGPU 1: NVIDIA H100 (UUID: GPU-bb)\n"
    slices = "GPU 0: NVIDIA A100 (UUID: GPU-aa)\n"
    slices += "  MIG 3g.20gb Device 0: (UUID: MIG-11)\n  MIG 3g.20gb Device 1: (UUID: MIG-22)\n"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    for text, found in [(cards, ["0", "1"]), (slices, ["MIG-11", "MIG-22"]), ("", [])]:
        done = subprocess.CompletedProcess([], 0, stdout=text)
        monkeypatch.setattr(subprocess, "run", lambda *a, done=done, **k: done)
        assert gpus() == found


def test_threads_are_a_fair_share_unless_chosen(monkeypatch):
    for name in _slots.THREADS:
        monkeypatch.delenv(name, raising=False)
    assert environment(None, 3)["OMP_NUM_THREADS"] == "2"
    assert environment(("1", "2"), 3, cpu=4)["MKL_NUM_THREADS"] == "4"
    assert environment(("1", "2"), 3)["CUDA_VISIBLE_DEVICES"] == "1,2"
    assert environment(None, 3)["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert environment(None, 3)["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in environment(None, 3)


def test_times_and_sizes():
    assert [seconds(x) for x in (None, 2, "2", "90s", "2h", "1h30m", "300ms", "1.5 h")] == [
        None, 2, 2, 90, 7200, 5400, 0.3, 5400
    ]  # fmt: skip
    assert [size(x) for x in (5, "512MB", "16GB", "1.5GiB", "100", "2k")] == [
        5, 512 * 2**20, 16 * 2**30, 3 * 2**29, 100, 2048
    ]  # fmt: skip
    for bad in ("soon", "2 weeks", "h"):
        with pytest.raises(ValueError, match="is no time"):
            seconds(bad)
    with pytest.raises(ValueError, match="is no size"):
        size("big")
