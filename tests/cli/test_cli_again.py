"""show --toml: the study as it now is. Run from that file, nothing changes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.cli import code_of
from trimtab.cli._again import space_document
from trimtab.cli._toml import load
from trimtab.cli._write import to_toml

SPACES: dict[str, tt.Space] = {
    "numbers": tt.Space({
        "lr": tt.Float(1e-5, 1e-1, log=True, default=1e-3),
        "dropout": tt.Float(0.0, 0.6, step=0.05),
        "batch": tt.Int(16, 512, log=2, default=64),
        "layers": tt.Int(1, 8, prior={"normal": [3, 1]}),
        "tiny": tt.Float(-1e-12, 1e300),
    }),
    "branches": tt.Space({
        "scale": tt.Bool(),
        "model": tt.Choice({
            "svm": tt.Space({
                "C": tt.Float(1e-3, 1e3, log=True),
                "kernel": tt.Choice(["rbf", "poly"]),
                "degree": tt.Int(2, 5, when="kernel == 'poly'"),
            }),
            "forest": tt.Space({"depth": tt.Int(2, 20), "deeper": tt.Float(0, "depth")}),
            "dummy": None,
        }),
    }),
    "conditions": tt.Space(
        {
            "optimizer": tt.Choice(["sgd", "adam"], default="adam"),
            "momentum": tt.Float(0, 0.99, when="optimizer == 'sgd'"),
            "nesterov": tt.Bool(when="optimizer == 'sgd' and momentum > 0.5"),
            "warmup": tt.Float(0, "0.5 * momentum", when="optimizer == 'sgd'"),
        },
        require=["momentum <= 0.9"],
        forbid=["optimizer == 'sgd' and momentum < 0.1"],
    ),
    "others": tt.Space({
        "quality": tt.Choice(["low", "mid", "high"], ordered=True),
        "ints": tt.Choice([1, 2, 4]),
        "mixed": tt.Choice([1, 1.0, True, "1"]),
        "epochs": tt.Const(90),
        "text": tt.Const("1..8 is no range here"),
        "features": tt.Subset(["a", "b", "c"], min=1),
        "order": tt.Permutation(["crop", "flip"]),
        "mix": tt.Simplex(["web", "code"]),
        "group": {"a": tt.Int(1, 3), "b": {"c": tt.Float(0, 1)}},
        "odd name/µ": tt.Float(0, 1),
        'a "quoted"\\name': tt.Choice(["x\ny", "\\s+"]),
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", SPACES)
def test_a_space_reads_back_as_it_was(name: str) -> None:
    space = SPACES[name]
    text = to_toml(space_document(space))
    document = tomllib.loads(text)
    assert tt.Space(document["space"], **document.get("rules", {})).to_json() == space.to_json()


def test_the_short_way_of_writing_is_taken_where_it_says_all() -> None:
    assert to_toml(space_document(SPACES["branches"])).splitlines() == [
        "[space]",
        'scale = { type = "bool" }',
        "",
        "[space.model]",
        'type    = "choice"',
        'choices = ["svm", "forest", "dummy"]',
        "",
        "[space.model.branches.svm]",
        'C      = "0.001..1000.0 log"',
        'kernel = ["rbf", "poly"]',
        "degree = \"2..5 when kernel == 'poly'\"",
        "",
        "[space.model.branches.forest]",
        'depth  = "2..20"',
        'deeper = { type = "float", low = 0.0, high = "depth" }',
    ]
    shown = to_toml(space_document(SPACES["conditions"]))
    assert "momentum  = \"0.0..0.99 when optimizer == 'sgd'\"" in shown


def changed(toml: Path) -> list[str]:
    study = load(toml).open()
    study.close()
    return study.changes


def test_run_from_it_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    jsonschema = pytest.importorskip("jsonschema")
    from trimtab.cli._schema import study_schema

    given: dict[str, Any] = {
        "minimize": "loss", "constraints": ["size <= 8"], "hidden": ["test"], "searcher": tt.TPE(startup=20),
        "scheduler": "halving", "max_budget": 9, "duplicates": "allow", "value": "best", "note": "why",
        "stop": [tt.Target(0.05), tt.Failures(None), tt.Time("24h")], "retry": {"times": 3, "on": ["lost", "crash"]},
    }  # fmt: skip
    for name, space in SPACES.items():
        settings = given if name == "numbers" else {"minimize": ["a", "b"], "maximize": "c"} if name == "others" else {}
        tt.Study(name, space, storage="all.db", seed=7, **settings).close()
        assert code_of(["show", "all.db", "-s", name, "--toml"]) == 0
        text = capsys.readouterr().out
        file = tmp_path / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        assert changed(file) == []
        assert list(jsonschema.Draft7Validator(study_schema()).iter_errors(tomllib.loads(text))) == []
        assert text.splitlines()[0].startswith("#:schema ")


def test_from_a_study_file_it_knows_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    file = tmp_path / "d.toml"
    file.write_text(
        'storage = "${SCRATCH}/d.db"\nminimize = "cost"\n[space]\na = "1..8"\n[run]\ncommand = ["echo", "{a}"]\n'
        "trials = 2\nretry = { times = 1, on = ['lost'] }\n[[run.enqueue]]\na = 3\n"
    )
    code_of(["run", "d.toml", "--set", "space.a=1..16", "--json"])
    capsys.readouterr()
    code_of(["show", "d.toml", "--toml"])
    text = capsys.readouterr().out
    document = tomllib.loads(text)
    assert document["storage"] == "${SCRATCH}/d.db"  # as the file says it
    assert document["space"] == {"a": "1..16"}  # as the study now is
    assert document["run"]["command"] == ["echo", "{a}"]
    assert document["run"]["enqueue"] == [{"a": 3}]
    assert document["retry"] == {"times": 1, "on": ["lost"]}
    file.write_text(text)
    assert changed(file) == []
    code_of(["run", "d.toml", "--json"])
    assert len(tt.load(tmp_path / "d.db")) == 2  # the same study: there is nothing left to do


def test_a_password_is_asked_of_the_environment() -> None:
    from trimtab.cli._again import _secretless

    assert _secretless("postgresql://me:s3cret@h/db") == "postgresql://me:${PGPASSWORD}@h/db"
    assert _secretless("postgresql://me:***@h/db") == "postgresql://me:${PGPASSWORD}@h/db"
    assert _secretless("postgresql://me:${MINE}@h/db") == "postgresql://me:${MINE}@h/db"
    assert _secretless("postgresql://h/db") == "postgresql://h/db"
