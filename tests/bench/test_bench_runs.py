"""Benches that are killed, torn, doubled or given broken tasks: no cell is lost or repeated, each has its state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trimtab.bench import _pool, runs
from trimtab.bench._plan import plan
from trimtab.bench.cell import Cell, Result, read
from trimtab.bench.suites import Group, Suite
from trimtab.errors import TrimtabError, UnknownName

ROOT = Path(__file__).parents[2]
BROKEN = '''
"""A family of another package, whose tasks break in all ways."""
import os, time
from trimtab.bench import Family, Goal, Outcome, Task
from trimtab.space import Float, Space


def make(instance, data):
    def measure(config, budget, seed):
        if instance == "kills":
            os.kill(os.getpid(), 9)
        if instance == "hangs":
            time.sleep(600)
        if instance == "slow":
            time.sleep(0.05)
        if instance == "prints":
            print("hello from the objective", flush=True)
            os.write(1, b"raw\\n")
        if instance == "misspelt":
            return Outcome({"lose": 1.0})
        if instance == "forever":
            return Outcome({"loss": 1.0}, float("inf"))
        if instance == "raises" and config["x"] > 0.5:
            raise ValueError("half of it fails")
        return Outcome({"loss": config["x"] ** 2})

    return Task(f"broken/{instance}", Space({"x": Float(0, 1)}), (Goal("loss"),), measure, best=0.0)


NAMES = ["kills", "hangs", "slow", "prints", "raises", "misspelt", "forever"]
FAMILY = Family("broken", "breaks", lambda data: NAMES, make)
'''


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with an entry point, as installed for this process's children."""
    package = tmp_path / "site"
    info = package / "broken_tasks-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "broken_tasks.py").write_text(BROKEN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-tasks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[trimtab.benchmarks]\nbroken = broken_tasks:FAMILY\n")
    monkeypatch.setenv("PYTHONPATH", str(package))
    return tmp_path


def cells(*tasks: str, seeds: int = 1, budget: float = 5, optimizer: str = "random") -> list[Cell]:
    return [Cell(task, optimizer, seed, budget) for seed in range(seeds) for task in tasks]


def sure(result: Result) -> dict[str, object]:
    """What follows from the cell alone."""
    return {k: v for k, v in json.loads(result.line()).items() if k not in ("timing", "where")}


def test_each_way_to_break_is_a_state(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pool, "LATE", 0.5)
    wanted = cells(*(f"broken/{kind}" for kind in ("kills", "prints", "raises", "hangs")), "broken/prints", "nobody/x")
    states = runs.run(list(dict.fromkeys(wanted)), broken / "r.jsonl", jobs=2, limit=6.0)
    found = {result.cell.task: result for result in runs.results(broken / "r.jsonl")}
    assert {name.partition("/")[2]: result.state for name, result in found.items()} == {
        "kills": "crashed", "prints": "done", "raises": "done", "hangs": "timeout", "x": "missing",
    }  # fmt: skip
    assert "SIGKILL" in found["broken/kills"].why
    assert 0 < found["broken/raises"].failed < 5
    assert states == {"done": 2, "crashed": 1, "timeout": 1, "missing": 1}


def test_a_run_that_found_nothing_says_why(broken: Path) -> None:
    from trimtab.bench import make_report

    runs.run(cells("broken/misspelt", "broken/forever"), broken / "r.jsonl", jobs=1)
    found = {r.cell.task: r for r in runs.results(broken / "r.jsonl")}
    assert all((r.state, r.failed, r.trace, r.at) == ("done", 5, (), 5.0) for r in found.values())
    assert found["broken/misspelt"].why == "ValueError: no finite value of loss: {'lose': 1.0}"
    assert found["broken/forever"].why == "ValueError: it took inf seconds"
    told = " ".join(make_report(found.values()).text(200).split())
    assert "no finite value of loss" in told


def test_what_is_there_is_not_run_again(broken: Path) -> None:
    path, said = broken / "r.jsonl", list[str]()
    wanted = cells("fixtures/branin_cat", seeds=3)
    runs.run(wanted[:2], path, jobs=1)
    states = runs.run(wanted, path, jobs=1, told=lambda r, done, total: said.append(f"{r.cell.seed} {done}/{total}"))
    assert said == ["2 3/3"]
    assert states == {"done": 3}
    assert [result.cell.seed for result in read(path)] == [0, 1, 2]


def test_what_crashed_is_run_again_when_asked(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, wanted = broken / "r.jsonl", cells("broken/kills", "fixtures/branin_cat")
    assert runs.run(wanted, path, jobs=1) == {"crashed": 1, "done": 1}
    assert runs.run(wanted, path, jobs=1) == {"crashed": 1, "done": 1}
    assert len(list(read(path))) == 2
    mended = (broken / "site" / "broken_tasks.py").read_text().replace('instance == "kills"', "False")
    (broken / "site" / "broken_tasks.py").write_text(mended)
    assert runs.run(wanted, path, jobs=1, again=["crashed"]) == {"done": 2}
    assert [result.state for result in runs.results(path)] == ["done", "done"]


def test_two_runs_agree_byte_for_byte(tmp_path: Path) -> None:
    wanted = [Cell("fixtures/mixed_sphere", name, 0, 14) for name in ("random", "tpe(startup=5)", "gp")]
    for name, jobs in (("a", 1), ("b", 2)):
        runs.run(wanted, tmp_path / f"{name}.jsonl", jobs=jobs)
    a, b = ({r.cell.address: sure(r) for r in runs.results(tmp_path / f"{name}.jsonl")} for name in "ab")
    assert json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def test_a_line_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    path, wanted = tmp_path / "r.jsonl", cells("fixtures/branin_cat", seeds=2)
    runs.run(wanted, path, jobs=1)
    whole = path.read_text()
    path.write_text(whole[:-30])
    assert len(runs.results(path)) == 1
    runs.run(wanted, path, jobs=1)
    assert [sure(r) for r in read(path)] == [sure(r) for r in map(_parsed, whole.splitlines())]


def _parsed(line: str) -> Result:
    from trimtab.bench.cell import from_json

    return from_json(json.loads(line))


def test_what_was_missing_takes_no_result_away(tmp_path: Path) -> None:
    cell = Cell("a/b", "hebo", 0, 5)
    for name, state in (("a", "done"), ("b", "missing")):
        (tmp_path / name).write_text(Result(cell, state).line() + "\n")
    for files in ("ab", "ba"):
        assert [r.state for r in runs.results(*(tmp_path / name for name in files))] == ["done"]


def test_one_bench_writes_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with runs._opened(path), pytest.raises(TrimtabError, match="Another bench writes to"):
        runs.run(cells("fixtures/branin_cat"), path)


def test_killed_and_started_again(broken: Path) -> None:
    """kill -9 at any moment: the lines there are stay, the rest is run once, and no worker stays behind."""
    path = broken / "r.jsonl"
    program = (
        "import sys; from pathlib import Path; from trimtab.bench import runs; from trimtab.bench.cell import Cell\n"
        "runs.run([Cell('broken/slow', 'random', seed, 4) for seed in range(8)], Path(sys.argv[1]), jobs=2)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])}
    for least in (2, 5):
        bench = subprocess.Popen([sys.executable, "-c", program, str(path)], env=env)
        until = time.monotonic() + 60
        while (path.read_text().count("\n") if path.exists() else 0) < least and time.monotonic() < until:
            time.sleep(0.02)
        bench.send_signal(signal.SIGKILL)
        bench.wait()
    kept = path.read_bytes()
    subprocess.run([sys.executable, "-c", program, str(path)], env=env, check=True)
    assert path.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    assert sorted(result.cell.seed for result in read(path)) == list(range(8))


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_is_seed_by_seed_and_names_what_is_missing() -> None:
    names = ("fixtures/branin_cat", "nobody/x", "fixtures/hartmann6")
    suite = Suite("mine", "", (Group(names, ("random", "tpe"), (), 7),), 2)
    made = plan(suite)
    assert [(c.seed, c.task.partition("/")[2], c.optimizer) for c in made.cells] == [
        (seed, task, name) for seed in (0, 1) for task in ("branin_cat", "hartmann6") for name in ("random", "tpe")
    ]
    assert {cell.budget for cell in made.cells} == {7}
    assert list(made.missing) == ["nobody/x"]
    assert len({cell.address for cell in made.cells}) == 8


def test_an_optimizer_that_can_not_is_named() -> None:
    suite = Suite("mine", "", (Group(("fixtures/branin_cat",), ("random", "asha+tpe"), (), 5),), 1)
    made = plan(suite, names=["asha+tpe"])
    assert not made.cells
    assert "no steps to stop at" in made.missing["asha+tpe on fixtures/branin_cat"]
    with pytest.raises(UnknownName, match="No optimizer is called 'tpee'"):
        plan(suite, names=["tpee"])
    with pytest.raises(UnknownName, match="No suite is called"):
        plan("smokes")


def test_settings_are_part_of_the_address() -> None:
    suite = Suite("mine", "", (Group(("fixtures/branin_cat",), budget=5),), 1)
    a, b = plan(suite, names=["tpe", "tpe(startup=20)"]).cells
    assert a.address != b.address


def test_a_named_optimizer_runs_where_the_suite_has_it_or_its_like() -> None:
    whole = Group(("fixtures/branin_cat",), ("random", "tpe"), (), 5)
    steps = Group(("fixtures/curves_mild",), ("random", "asha+random"), (), 5)
    suite = Suite("mine", "", (whole, steps), 1)

    def found(*names: str) -> list[tuple[str, str]]:
        return [(cell.optimizer, cell.task.partition("/")[2]) for cell in plan(suite, names=names).cells]

    assert found("random") == [("random", "branin_cat"), ("random", "curves_mild")]
    assert found("tpe", "asha+random") == [("tpe", "branin_cat"), ("asha+random", "curves_mild")]
    assert found("gp", "asha+gp") == [("gp", "branin_cat"), ("asha+gp", "curves_mild")]


def test_any_task_can_be_named_with_wrappers() -> None:
    suite = Suite("mine", "", (Group(("fixtures/branin_cat",), ("random", "tpe"), (), 5),), 2)
    made = plan(suite, pattern="fixtures/hartmann6~noise=0.1~crash")
    assert {(c.task, c.optimizer, c.seed, c.budget) for c in made.cells} == {
        ("fixtures/hartmann6~noise=0.1~crash", name, seed, 5) for name in ("random", "tpe") for seed in (0, 1)
    }
    steps = plan(suite, pattern="fixtures/curves_mild", names=["asha+tpe"])
    assert [cell.optimizer for cell in steps.cells] == ["asha+tpe", "asha+tpe"]
    assert "no steps to stop at" in plan(suite, pattern="fixtures/branin_cat", names=["asha+tpe"]).missing.popitem()[1]
    assert "No task of fixtures" in plan(suite, pattern="fixtures/nobody").missing["fixtures/nobody"]
    assert "No wrapper" in plan(suite, pattern="fixtures/hartmann6~loud").missing["fixtures/hartmann6~loud"]
    with pytest.raises(TrimtabError, match="No task of the suite"):
        plan(suite, pattern="fixtures/*~crash")


# ── files that are not ours, or not whole ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", ["my notes", "my notes\n", "one\ntwo", '{"a":1}\n', "[1]\n", "\n"])
def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path, words: str) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(words)
    with pytest.raises(TrimtabError, match=r"holds something other than results|line 1: this is no result"):
        runs.run(cells("fixtures/branin_cat"), path, jobs=1)
    assert path.read_text() == words


@pytest.mark.parametrize("torn", ["not json", '{"address":"a"}', "[]", "", "\xff"])
def test_a_line_in_the_middle_that_is_no_result_is_named(tmp_path: Path, torn: str) -> None:
    path, good = tmp_path / "r.jsonl", Result(Cell("a/b", "random", 0, 1), "done", trace=((1.0, 1.0, 0.5),)).line()
    path.write_bytes(f"{good}\n{torn}\n{good}\n".encode("latin-1"))
    with pytest.raises(TrimtabError, match=r"r\.jsonl, line 2: this is no result of a bench"):
        list(read(path))
    for broken in (good.replace("0.5", "NaN"), good.replace('""', "null", 1), good.replace("1.0,1.0,0.5", "1.0")):
        path.write_text(f"{good}\n{broken}\n")
        with pytest.raises(TrimtabError, match="line 2"):
            list(read(path))


def test_a_full_disk_is_said_and_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    wanted = cells("fixtures/branin_cat", seeds=2)
    runs.run(wanted[:1], path, jobs=1)
    kept = path.read_bytes()
    program = (
        "import resource, sys; from pathlib import Path; from trimtab.bench import runs; "
        "from trimtab.bench.cell import Cell; from trimtab.errors import TrimtabError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(kept) + 9},) * 2)\n"
        "wanted = [Cell('fixtures/branin_cat', 'random', seed, 5) for seed in range(2)]\n"
        "try: runs.run(wanted, Path(sys.argv[1]), jobs=1)\n"
        "except TrimtabError as error: print(error)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=env, check=True, text=True, capture_output=True
    )
    assert "can't be written" in done.stdout
    assert path.read_bytes()[: len(kept)] == kept
    runs.run(wanted, path, jobs=1)
    assert [result.cell.seed for result in read(path)] == [0, 1]
