"""study.toml: its keys are the arguments of the Python functions, and what is wrong is said with the mend."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.cli import _line, _toml, _write
from trimtab.cli._function import load_function
from trimtab.cli._toml import FileError, load
from trimtab.run.command import Command

FULL = """
name        = "full"
minimize    = "loss"
constraints = ["size <= 8"]
hidden      = ["test_loss"]
storage     = "full.db"
seed        = 7
duplicates  = "allow"
value       = "best"
note        = "why this study"

[space]
lr        = "1e-5..0.1 log"
layers    = { type = "int", low = 1, high = 8, default = 2 }
optimizer = ["sgd", "adam"]
momentum  = { type = "float", low = 0.0, high = 0.99, when = "optimizer == 'sgd'" }
[space.model]
type = "choice"
default = "svm"
[space.model.branches.svm]
C = "1e-3..1e3 log"
[space.model.branches.forest]
depth = "2..20"

[rules]
require = ["layers * lr <= 0.5"]

[searcher]
method  = "tpe"
startup = 20

[scheduler]
method = "halving"
max    = 9

[run]
function = "train.py:objective"
trials   = 5
workers  = 1
retry    = { times = 1, on = ["lost"] }

[[run.enqueue]]
lr = 0.01

[stop]
target   = 0.05
patience = 60
failures = false
time     = "24h"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "study.toml"
    file.write_text(text)
    return file


# ── the keys are the arguments ───────────────────────────────────────────────────────────────────────────────────

LINE_ONLY = {"more"}  # a file says the total


def parameters(function: object) -> set[str]:
    return {n for n in inspect.signature(function).parameters if n not in ("self", "objective")}  # type: ignore[arg-type]


def test_top_level_keys_are_the_arguments_of_study() -> None:
    assert set(_toml.study_keys()) == parameters(tt.Study) - {"space", "stop"}  # tables of their own


def test_run_keys_are_the_arguments_of_optimize_and_of_the_command_runner() -> None:
    python_only = {"callbacks", "runner", "answer", "display"}  # take functions and objects
    assert set(_toml.PYTHON_ONLY) == python_only | LINE_ONLY
    optimize = parameters(tt.Study.optimize) - python_only - LINE_ONLY
    assert set(_toml.optimize_keys()) == optimize
    given_by_the_plan = {"space", "objectives", "base", "folder", "where", "log"}
    assert set(_toml.FROM_PLAN) == given_by_the_plan
    assert set(_toml.command_keys()) == parameters(Command) - given_by_the_plan - optimize
    assert set(_toml.run_keys()) == optimize | set(_toml.command_keys()) | {"function", "enqueue", "retry"}


def test_rules_and_stop_keys_are_those_of_python() -> None:
    from trimtab.study._stop import RULES

    assert set(_toml.RULES) == parameters(tt.Space) - {"spec"}
    assert set(_toml.stop_keys()) == set(RULES)


def test_what_only_python_takes_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r'\[run\] has no "callbacks"\. It is for Python only \(functions\)'):
        load(write(tmp_path, "[run]\ncallbacks = []\n"))
    with pytest.raises(FileError, match=r'\[run\] has no "n_trials"\. trimtab says trials \(the study'):
        load(write(tmp_path, "[run]\nn_trials = 3\n"))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_key_reaches_the_study(tmp_path: Path) -> None:
    study = load(write(tmp_path, FULL)).open()
    assert (study.name, study.seed, study.searcher, study.scheduler.name) == ("full", 7, tt.TPE(startup=20), "halving")
    newest = next(study.log()).body
    assert (newest["duplicates"], newest["value"], newest["why"]) == ("allow", "best", "why this study")
    assert newest["retry"] == {"times": 1, "on": ["lost"]}
    assert [m["role"] for m in newest["metrics"].values()] == ["objective", "constraint", "test"]
    assert [r["rule"] for r in newest["stop"]] == ["target", "patience", "failures", "time"]
    assert newest["stop"][2]["in_a_row"] is None
    assert newest["stop"][3]["seconds"] == 86_400
    assert "model.svm.C" in study.space.names
    assert len(study.space.require) == 1
    assert (tmp_path / "full.db").exists()
    study.close()


def test_the_name_and_the_storage_default_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    plan = load(write(tmp_path, '[space]\nx = "0.0..1.0"\n'))
    assert (plan.name, plan.storage) == ("study", str(tmp_path / "study.db"))
    monkeypatch.setenv("TRIMTAB_STORAGE", "postgresql://host/db")
    assert plan.storage == "postgresql://host/db"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minimise = 'a'", r'the top level has no "minimise"\. Did you mean \'minimize\'\?'),
        ("trials = 5", r'the top level has no "trials"\. It belongs in \[run\]\.'),
        ("[run]\nworker = 2", r'\[run\] has no "worker"\. Did you mean \'workers\'\?'),
        ("[run]\nseed = 2", r'\[run\] has no "seed"\. It belongs in the top level\.'),
        ("[stop]\ngoal = 2", r'\[stop\] has no "goal"\. Known: failures, gpu_hours, patience, target, time\.'),
        ("[run]\nfunction = 'a:b'\ncommand = ['x']", "function and command. A trial is one of them"),
        ("[run]\nfunction = 'a:b'\nrepeats = 3", r"repeats goes with command = \[…\]\. In a function report each run"),
        ("space = 3", r"space must be a table: \[space\]"),
        ("x = ", "is not TOML: "),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        load(write(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    with pytest.raises(FileError, match=r"There is no .*studdy\.toml\. Did you mean 'study\.toml'\?"):
        load(tmp_path / "studdy.toml")


def test_settings_lie_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, FULL)
    plan = load(file, ["run.workers=3", "searcher=random", "space.lr=1e-4..1.0 log", "stop.target=0.5"])
    assert plan.run["workers"] == 3
    assert plan.study["searcher"] == "random"
    assert plan.space is not None
    assert plan.space["lr"] == "1e-4..1.0 log"
    plan = load(file, ["space.model.svm.C=1..2", 'space."odd name"=1..8', "run.env.A=b c", "stop.failures=3"])
    assert plan.space is not None
    assert plan.space["model"]["branches"]["svm"] == {"C": "1..2"}  # the branches go without saying
    assert plan.space["odd name"] == "1..8"
    with pytest.raises(FileError, match=r'^--set run\.workrs=3: \[run\] has no "workrs"\. Did you mean \'workers\'\?'):
        load(file, ["run.workrs=3"])
    with pytest.raises(FileError, match="write key=value"):
        load(file, ["workers"])
    with pytest.raises(FileError, match="is no table"):
        load(file, ["name.x=1"])


# ── functions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_functions_of_files_and_modules(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_train.py").write_text("FACTOR = 3\n")
    (tmp_path / "train.py").write_text(
        "import neighbour_of_train\ndef objective(trial):\n    return neighbour_of_train.FACTOR\n"
    )
    assert load_function("train.py:objective", tmp_path, "study.toml")(None) == 3
    assert load_function("math:sqrt", tmp_path, "study.toml")(9) == 3
    with pytest.raises(FileError, match=r'train\.py has no function "objectve"\. Did you mean \'objective\'\?'):
        load_function("train.py:objectve", tmp_path, "study.toml")
    with pytest.raises(FileError, match=r"there is no tran\.py in"):
        load_function("tran.py:objective", tmp_path, "study.toml")
    with pytest.raises(FileError, match=r'write "file\.py:name"'):
        load_function("train.py", tmp_path, "study.toml")
    with pytest.raises(FileError, match="can't be imported"):
        load_function("no_such_module_here:f", tmp_path, "study.toml")


# ── the command line's own study ─────────────────────────────────────────────────────────────────────────────────


def test_domains_on_the_line() -> None:
    assert _line.domain("alpha=0.1..10:log") == ("alpha", "0.1..10:log")
    assert _line.domain("mode=fast,safe") == ("mode", ["fast", "safe"])
    assert _line.domain("n=1,2,4") == ("n", [1, 2, 4])
    assert _line.domain("simd=true,false") == ("simd", [True, False])
    assert _line.domain("seed=3") == ("seed", 3)
    assert _line.domain("lr=1e-5..0.1 log default=1e-3") == ("lr", "1e-5..0.1 log default=1e-3")
    assert _line.domain("n=1..9:log:when=mode == 'a'") == ("n", "1..9:log:when=mode == 'a'")
    assert _line.domain("a=0..1 when b = 3")[1] == "0..1 when b = 3"
    choice = {"type": "choice", "choices": ["s", "m", "l"]}
    assert _line.domain("size=s,m,l:ordered:default=m") == ("size", {**choice, "ordered": True, "default": "m"})
    assert _line.domain("size=s,m,l when a > 2") == ("size", {**choice, "when": "a > 2"})
    assert _line.domain("simd=true,false default=true") == ("simd", {"type": "bool", "default": True})
    assert _line.domain("k=3 when a > 2") == ("k", {"type": "const", "value": 3, "when": "a > 2"})
    assert _line.domain("url=http://a:80/x,b") == ("url", ["http://a:80/x", "b"])
    assert _line.domain('q="a,b",c') == ("q", ["a,b", "c"])
    assert _line.domain("when=2024-01-01,x") == ("when", ["2024-01-01", "x"])
    with pytest.raises(FileError, match="write name=range"):
        _line.domain("alpha")


def test_a_program_becomes_a_document_that_reads_back(tmp_path: Path) -> None:
    given = {"minimize": "gap", "metrics": ["gap=regex:gap = (\\S+)"], "trials": 20}
    document = _line.document_of(["./solver", "in.dat"], ["alpha=0.1..10:log", "mode=fast,safe"], given)
    assert document["run"]["command"] == ["./solver", "in.dat", "{args}"]
    plan = load(write(tmp_path, _write.to_toml(document)))
    assert plan.space == {"alpha": "0.1..10:log", "mode": ["fast", "safe"]}
    assert plan.run["metrics"] == {"gap": "regex:gap = (\\S+)"}
    assert plan.run["trials"] == 20
    with pytest.raises(FileError, match="nothing to tune"):
        _line.document_of(["./solver"], [], {})


def test_a_placeholder_on_the_line_is_kept() -> None:
    document = _line.document_of(["./solver", "-a{alpha}"], ["alpha=0.1..10"], {})
    assert document["run"]["command"] == ["./solver", "-a{alpha}"]


def test_toml_is_written_so_that_it_reads_back() -> None:
    import tomllib

    values = {
        "text": 'a "quoted" \\ back', "tab": "a\tb", "unit": "µ", "num": 1e-7, "no": False, "list": [1, "a", [True]],
        "odd name": 3, "table": {"a.b": {"x": 1}, "c": 'regex:\\s+"'},
    }  # fmt: skip
    assert tomllib.loads(_write.to_toml(values)) == values


def test_init_makes_a_range_around_each_number(tmp_path: Path) -> None:
    text = _line.first_file(["./solver", "--alpha", "0.5", "--threads=4", "-q", "--tol=1e-6", "in{}.dat"])
    plan = load(write(tmp_path, text))
    space = plan.make_space()
    assert space is not None
    assert space.default == {"alpha": 0.5, "threads": 4, "tol": 1e-6}
    assert plan.run["command"] == [
        "./solver",
        "--alpha",
        "{alpha}",
        "--threads={threads}",
        "-q",
        "--tol={tol}",
        "in{{}}.dat",
    ]
    with pytest.raises(FileError, match="nothing to start from"):
        _line.first_file(["./solver", "in.dat"])


@pytest.mark.parametrize("number", ["0", "-3", "1", "7", "100", "-0.5", "0.0", "1e3", ".5"])
def test_init_takes_any_number(number: str) -> None:
    from trimtab.space import Space

    domain = Space({"x": _line._around(number)})["x"]
    assert domain.low <= float(number) <= domain.high
    assert domain.default == float(number)
