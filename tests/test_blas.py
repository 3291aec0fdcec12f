"""One BLAS thread inside decisions: what they say does not depend on it, and nobody else notices."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from trimtab._blas import one_thread

ROOT = Path(__file__).parent.parent
DECIDE = """
import numpy as np
from benchmarks.fixtures import drive, Task
from trimtab.search.tpe import TPE
from trimtab.space import Float, Space
space = Space({f"x{i}": Float(0, 1) for i in range(12)})
history = drive(TPE(startup=5, candidates=512), Task("t", space, lambda c: sum(c.values()), 0.0, 60))
print(history.X.tobytes().hex())
"""


def threads() -> list[int]:
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_decisions_do_not_depend_on_the_number_of_threads() -> None:
    said = []
    for n in "12":
        env = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n}
        run = subprocess.run([sys.executable, "-c", DECIDE], env=env, capture_output=True, text=True, check=True)
        said.append(run.stdout)
    assert said[0] == said[1]
    assert len(said[0]) > 1000


def test_threads_are_as_before_also_after_an_exception() -> None:
    with threadpool_limits(2, "blas"):
        before = threads()
        if 2 not in before:
            pytest.skip("a BLAS that has one thread only, or none that is known")
        with one_thread():
            assert set(threads()) == {1}
            with one_thread():
                assert set(threads()) == {1}
            assert set(threads()) == {1}
        assert threads() == before
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert threads() == before


def test_decisions_in_several_threads_restore_what_the_first_one_found() -> None:
    with threadpool_limits(2, "blas"):
        before = threads()
        first, second = one_thread(), one_thread()
        inside, leave = threading.Event(), threading.Event()

        def other() -> None:
            with second:
                inside.set()
                leave.wait(10)

        with first:
            thread = threading.Thread(target=other)
            thread.start()
            inside.wait(10)
        assert set(threads()) == {1}  # the other one is still deciding
        leave.set()
        thread.join()
        assert threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_amid_a_decision_starts_afresh() -> None:
    with threadpool_limits(2, "blas"):
        before = threads()
        with one_thread():
            child = os.fork()
            if child == 0:
                os._exit(0 if threads() == before else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert threads() == before


def test_importing_it_finds_nothing_yet() -> None:
    code = "import sys, trimtab, trimtab._blas; sys.exit('threadpoolctl' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)


def test_a_library_that_comes_later_is_found() -> None:
    code = """
from trimtab._blas import one_thread
from threadpoolctl import threadpool_info
with one_thread(): pass
import scipy.linalg
with one_thread():
    assert {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"} <= {1}
"""
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)


def test_costs_next_to_nothing() -> None:
    def once() -> float:
        start = time.perf_counter()
        for _ in range(100):
            with one_thread():
                pass
        return (time.perf_counter() - start) / 100

    assert np.min([once() for _ in range(20)]) < 2e-5  # 2 µs on the machine this was written on
