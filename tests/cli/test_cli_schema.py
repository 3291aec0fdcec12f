"""The published schema: made from the code, kept beside it, true to what the reader takes and refuses."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import trimtab
from trimtab.cli import code_of
from trimtab.cli._schema import as_text, study_schema
from trimtab.cli._toml import plan_of
from trimtab.errors import TrimtabError

jsonschema = pytest.importorskip("jsonschema")
FILE = Path(trimtab.__file__).parent / "cli" / "study.schema.json"
EXAMPLES = sorted((Path(trimtab.__file__).parent.parent / "examples").glob("*.toml"))

SHORT = """
name     = "digits"
maximize = "accuracy"
storage  = "digits.db"
[space]
scale = [true, false]
[space.model]
type = "choice"
default = "svm"
[space.model.branches.svm]
C     = "1e-3..1e3 log default=1.0"
gamma = "1e-5..1.0 log"
[space.model.branches.forest]
trees = "20..400 log"
depth = "2..20"
[run]
function = "digits.py:objective"
trials   = 60
workers  = 2
"""
PROGRAM = r"""
name        = "solver"
minimize    = "time"
constraints = ["gap <= 0.01"]
storage     = "solver.db"
[space]
alpha   = "0.1..10.0 log"
beta    = "0.1..10.0:log:default=1.0"
threads = "1..64"
mode    = ["fast", "safe"]
simd    = [true, false]
restart = { type = "int", low = 10, high = 1000, log = true, when = "mode == 'safe'" }
tries   = "1..9 when mode == 'safe'"
label   = "a constant"
[run]
command = ["./solver", "--alpha={alpha}", "--mode", "{mode}", ["--restart", "{restart}"], "{simd?--simd}", "in.dat"]
trials  = 60
repeats = 3
[run.metrics]
gap = 'regex:final gap\s*=\s*(\S+)'
"""
EVERY = """
name        = "r50"
minimize    = "val/loss"
constraints = ["memory_gb <= 8"]
hidden      = ["test_loss"]
storage     = "r50.db"
folder      = "r50.runs"
if_exists   = "resume"
seed        = 0
duplicates  = "avoid"
value       = "last"
durability  = "full"
note        = "cosine schedule, new augmentation"
[space]
lr        = { type = "float", low = 1e-5, high = 1e-1, log = true, default = 1e-3 }
dropout   = { type = "float", low = 0.0, high = 0.6, step = 0.05 }
batch     = { type = "int", low = 16, high = 512, log = 2 }
layers    = { type = "int", low = 1, high = 8, prior = { normal = [3, 1] } }
optimizer = ["sgd", "adam"]
momentum  = { type = "float", low = 0.0, high = 0.99, when = "optimizer == 'sgd'" }
quality   = { type = "choice", choices = ["low", "mid", "high"], ordered = true }
amp       = { type = "bool", default = true }
epochs    = { type = "const", value = 90 }
features  = { type = "subset", of = ["a", "b", "c", "d"], min = 1, max = 3 }
order     = { type = "permutation", of = ["crop", "flip", "jitter"] }
mix       = { type = "simplex", of = ["web", "code", "books"] }
warmup    = { type = "float", low = 0.0, high = "0.5 * dropout + 0.1" }
group     = { a = "1..8", type = ["x", "y"] }
[rules]
require = ["batch * layers <= 2048"]
forbid  = ["optimizer == 'sgd' and layers == 8"]
[searcher]
method = "tpe"
startup = 20
[scheduler]
method = "asha"
budget = "epochs"
max = 81
min = 1
eta = 3
type = "stopping"
brackets = 1
metric = "val/loss"
[run]
function = "train.py:objective"
trials   = 200
workers  = 8
per_trial = { gpu = 1, cpu = 4, memory = "16GB" }
trial_timeout = "2h"
timeout  = "slurm"
grace    = "90s"
retry    = { times = 2, on = ["crash", "lost", "OutOfMemory"] }
repeats  = 1
cwd      = "."
env      = { WANDB_MODE = "offline" }
recycle  = 50
[[run.enqueue]]
lr = 3e-4
optimizer = "adam"
[stop]
target    = 0.05
patience  = 60
failures  = false
time      = "24h"
gpu_hours = 100
"""


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = study_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_the_file_is_what_the_code_makes() -> None:
    made = as_text(study_schema(foreign=False))
    assert FILE.read_text(encoding="utf-8") == made, (
        "the keys or the methods have changed. Write the schema anew: "
        "python -m trimtab run --schema > study.schema.json && mv study.schema.json trimtab/cli/"
    )


def test_run_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["run", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "study.toml of trimtab"


@pytest.mark.parametrize("text", [SHORT, PROGRAM, EVERY], ids=["short", "program", "every key"])
def test_it_takes_what_the_reader_takes(validator: Any, text: str) -> None:
    document = tomllib.loads(text)
    assert [e.message for e in validator.iter_errors(document)] == []
    plan = plan_of(document, Path("study.toml"))
    assert plan.make_space() is not None


LEFT_OUT = {  # the other half of an either/or, or what goes with it
    "study": {"maximize", "max_budget", "retry"},  # max_budget: of a scheduler given by name; retry: [run] has it
    "run": {"command", "metrics"},
    "stop": set(),
    "rules": set(),
    "scheduler": set(),
}  # fmt: skip


def test_every_key_means_every_key() -> None:
    schema, document = study_schema(foreign=False), tomllib.loads(EVERY)
    asha = next(m for m in schema["definitions"]["scheduler"]["anyOf"] if m.get("title") == "asha")
    tables = {name: schema["properties"][name] for name in ("run", "stop", "rules")} | {"scheduler": asha}
    left = {name: set(table["properties"]) - set(document[name]) for name, table in tables.items()}
    assert {"study": set(schema["properties"]) - set(document)} | left == LEFT_OUT


def test_a_scheduler_of_a_file_is_the_one_of_python() -> None:
    study = plan_of(tomllib.loads(EVERY), Path("study.toml")).open(trimtab.storage.Memory())
    assert study.scheduler == trimtab.ASHA(max=81, budget="epochs", metric="val/loss")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.name)
def test_it_takes_the_examples(validator: Any, file: Path) -> None:
    assert list(validator.iter_errors(tomllib.loads(file.read_text(encoding="utf-8")))) == []


BROKEN = [
    'minimise = "loss"',
    "minimize = 3",
    'if_exists = "overwrite"',
    "seed = -1",
    'searcher = "tpee"',
    'scheduler = { method = "asha", max = 81, budget = 81 }',
    'scheduler = { method = "median", metric = ["val/loss"] }',
    'searcher = { method = "tpe", strtup = 3 }',
    "searcher = { startup = 3 }",
    '[space]\nx = { type = "flaot", low = 0.0, high = 1.0 }',
    '[space]\nx = { type = "float", low = 0.0 }',
    '[space]\nx = { type = "float", low = 0.0, high = 1.0, lg = true }',
    '[space]\nx = "0.0..one"',
    '[space]\nx = "1..8 lag"',
    "[space]\nx = []",
    '[run]\nfunction = "train.py"',
    '[run]\nfunction = "train.py:f"\ncommand = ["./solver"]',
    '[run]\ncommand = "./solver --alpha"',
    '[run]\nfunction = "a.py:f"\nmetrics = { gap = "regex:(.)" }',
    "[run]\ntrials = 0",
    '[run]\ntimeout = "2 fortnights"',
    '[run]\ntrial_timeout = "slurm"',
    "[run]\nmetrics = 3",
    '[stop]\ntarget = "x"',
    "[stop]\npatience = true",
    "[stop]\ngoal = 2",
    "[rules]\nrequires = []",
    "retry = { time = 2 }",
]


@pytest.mark.parametrize("text", BROKEN)
def test_it_refuses_what_the_reader_refuses(validator: Any, text: str) -> None:
    document = tomllib.loads(text)
    assert list(validator.iter_errors(document)), "the schema takes it"
    with pytest.raises(TrimtabError):
        read_whole(document)


def read_whole(document: dict[str, Any]) -> None:
    """As far as a run would read it before its first trial."""
    from trimtab.cli._run import command
    from trimtab.storage import Memory

    plan = plan_of(document, Path("study.toml"))
    if "command" in plan.run:
        command(plan.make_space(), plan, {}, None)
    plan.open(Memory())
    plan.objective()


def words_of(schema: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, description) of every key that a user may type."""
    if not isinstance(schema, dict):
        return
    for name, inner in schema.get("properties", {}).items():
        if "const" not in inner and "/not" not in path:
            yield f"{path}/{name}", inner.get("description", "")
    for key, inner in schema.items():
        for i, one in enumerate(inner if isinstance(inner, list) else [inner]):
            yield from words_of(one, f"{path}/{key}" + (f"/{one.get('title', i)}" if isinstance(one, dict) else ""))


def test_every_key_and_every_setting_of_a_method_says_what_it_is() -> None:
    small = {"times", "on", "gpu", "cpu", "memory"}
    told = dict(words_of(study_schema()))
    assert len(told) > 80
    assert [path for path, words in told.items() if not words and path.rpartition("/")[2] not in small] == []


def test_init_and_save_name_it_on_the_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], validator: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert code_of(["init", "--", "./solver", "--alpha", "0.5", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    first = out.splitlines()[0]
    assert first.startswith("#:schema file://")
    assert Path(first.removeprefix("#:schema file://")) == FILE
    assert list(validator.iter_errors(tomllib.loads(out))) == []
    code_of(["run", "-p", "a=1..8", "-p", "m=x,y:default=y", "--save", "s.toml", "--trials", "1", "--", "true"])
    text = (tmp_path / "s.toml").read_text(encoding="utf-8")
    assert text.splitlines()[0] == first
    assert list(validator.iter_errors(tomllib.loads(text))) == []
