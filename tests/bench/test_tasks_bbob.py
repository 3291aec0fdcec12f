"""BBOB through COCO: the optimum evaluates to best for every function, and it is COCO that evaluates."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.errors import MissingExtra, UnknownName
from trimtab.space import Float, Int

cocoex = pytest.importorskip("cocoex")


@pytest.fixture(autouse=True)
def no_files(tmp_path, monkeypatch):
    """Whatever is done in a test leaves no file behind."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())


def test_the_names():
    assert len(tasks("bbob/*")) == 24 * 6 * 5
    assert len(tasks("bbob-mixint/*")) == 24 * 4 * 5
    assert tasks("bbob/f3-d5-*") == [f"bbob/f3-d5-i{i}" for i in range(1, 6)]
    assert tasks("bbob/f*-d40-i5")[-1] == "bbob/f24-d40-i5"
    for wrong in ("f25-d5-i1", "f1-d7-i1", "sphere", "f01-d5-i1"):
        with pytest.raises(UnknownName, match=f"No task of bbob is called '{wrong}'"):
            task(f"bbob/{wrong}")
    with pytest.raises(UnknownName, match="No task of bbob-mixint is called 'f1-d2-i1'"):
        task("bbob-mixint/f1-d2-i1")


@pytest.mark.parametrize("family", ["bbob", "bbob-mixint"])
@pytest.mark.parametrize("dimension", [2, 5, 10, 40])
def test_the_optimum_reaches_best_and_nothing_random_beats_it(family, dimension):
    rng = np.random.default_rng(0)
    for name in tasks(f"{family}/*-d{dimension}-i[15]"):
        made = task(name)
        assert made.space.check(made.optimum) == made.optimum
        assert made.measure(made.optimum, None, 0).metrics["y"] == made.best
        drawn = made.space.decode(made.space.sample(rng, 1000 if dimension < 40 else 50))
        assert min(made.measure(config, None, 0).metrics["y"] for config in drawn) >= made.best


@pytest.mark.parametrize("function", range(1, 25))
def test_best_is_cocos_own(function):
    """The optimal value as the library states it; bbob-mixint's is that, times a power of ten."""
    from cocoex.bare_problem import BareProblem

    stated = BareProblem("bbob", function, 10, 2).best_value()
    assert task(f"bbob/f{function}-d10-i2").best == pytest.approx(stated, rel=1e-12, abs=1e-9)
    ratio = task(f"bbob-mixint/f{function}-d10-i2").best / stated
    assert np.log10(ratio) == pytest.approx(round(np.log10(ratio)), abs=1e-9)


@pytest.mark.parametrize("family", ["bbob", "bbob-mixint"])
def test_it_is_the_suites_problem(family):
    """What we measure is what COCO's suite gives at the same point."""
    suite = cocoex.Suite(family, "", "dimensions: 10")
    rng = np.random.default_rng(1)
    for function in range(1, 25):
        made = task(f"{family}/f{function}-d10-i3")
        problem = suite.get_problem_by_function_dimension_instance(function, 10, 3)
        for _ in range(5):
            config = made.space.sample_config(rng)
            assert made.measure(config, None, 0).metrics["y"] == problem(np.array(list(config.values()), float))
        problem.free()
    suite.free()


def test_the_spaces():
    made = task("bbob/f8-d3-i1")
    assert dict(made.space.domains) == {f"x{j}": Float(-5, 5) for j in range(3)}
    assert (made.trials, made.kind) == (90, "blackbox")
    mixed = task("bbob-mixint/f8-d10-i1").space.domains
    whole = [Int(0, top) for top in (1, 1, 3, 3, 7, 7, 15, 15)]
    assert list(mixed.values()) == [*whole, Float(-5, 5), Float(-5, 5)]


def test_a_task_outlives_the_family_that_made_it():
    """Problems keep their suites, and both go when the task does."""
    made = [task(f"bbob-mixint/f{f}-d5-i1") for f in range(1, 25)]
    first = [one.measure(one.optimum, None, 0) for one in made]
    for _ in range(3):
        for f in range(1, 25):
            task(f"bbob-mixint/f{f}-d5-i2")
        gc.collect()
    assert [one.measure(one.optimum, None, 0) for one in made] == first


def test_another_process_makes_the_same_task_from_its_name():
    code = (
        "from trimtab.bench._families import task; import pickle, sys;"
        "t = task('bbob-mixint/f3-d5-i1'); y = dict(t.measure(t.optimum, None, 0).metrics);"
        "sys.stdout.buffer.write(pickle.dumps((t.best, t.optimum, t.space, y)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    made = task("bbob-mixint/f3-d5-i1")
    assert pickle.loads(out) == (made.best, made.optimum, made.space, {"y": made.best})


def test_without_the_library_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "cocoex", None)
    with pytest.raises(MissingExtra, match=r"To run bbob tasks, trimtab needs cocoex.*pip install 'trimtab\[bench\]'"):
        task("bbob/f1-d5-i1")
