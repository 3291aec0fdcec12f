"""Anything may stand after any key of a study file: it is taken, or refused in one sentence. Nothing crashes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trimtab.cli import _toml, code_of
from trimtab.cli._kinds import TOP
from trimtab.cli._run import command
from trimtab.cli._schema import study_schema
from trimtab.cli._toml import FileError, plan_of
from trimtab.errors import TrimtabError
from trimtab.storage import Memory

JUNK = [
    "3", "-1", "0", "1.5", "true", '"x"', '""', "[]", "{}", "[1]", '["x"]', "[[1]]", "{ a = 1 }", "2020-01-01", "nan",
    "inf", '"1..2"', '{ type = "x" }', "{ method = 3 }", "{ x = [] }", '"\\u0000"', "1e400", "99999999999999999999",
]  # fmt: skip
KEYS = [
    *(("", key) for key in (*_toml.study_keys(), "space", "run", "rules", "stop")),
    *(("run", key) for key in _toml.run_keys()),
    *(("stop", key) for key in _toml.stop_keys()),
    *(("rules", key) for key in _toml.RULES),
    ("space", "x"),
]


def read_whole(document: dict[str, Any], base: Path) -> None:
    """As far as a run reads it before its first trial."""
    plan = plan_of(document, base / "d.toml")
    space = plan.make_space()
    assert plan.folder is not None or "://" in plan.storage
    if "command" in plan.run:
        command(space, plan, {}, None).close()
    plan.open(Memory()).close()


def outcomes(run: str, base: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(what was written, the document, the refusal or nothing) of every key with every junk."""
    for table, key in KEYS:
        for junk in JUNK:
            document: dict[str, Any] = {"space": {"x": "0.0..1.0"}, "run": tomllib.loads(run)}
            value = tomllib.loads(f"v = {junk}")["v"]
            (document.setdefault(table, {}) if table else document)[key] = value
            said, what = "", f"[{table}] {key} = {junk}"
            try:
                read_whole(document, base)
            except TrimtabError as error:
                said = str(error) or "nothing"
            except Exception as error:  # what was written is what one wants to read
                raise AssertionError(what) from error
            yield what, document, said


@pytest.mark.parametrize("run", ['function = "o.py:f"', 'command = ["echo", "1"]'])
def test_nothing_crashes_and_the_schema_refuses_nothing_that_is_taken(run: str, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(study_schema())
    refused = [(what, said) for what, _, said in outcomes(run, tmp_path) if said]
    assert len(refused) > 300
    python = ("not iterable", "has no attribute", "NoneType", "unsupported operand")
    assert not [(what, said) for what, said in refused if said == "nothing" or any(p in said for p in python)]
    taken = [(what, document) for what, document, said in outcomes(run, tmp_path) if not said]
    wrong = [(what, e.message) for what, document in taken for e in validator.iter_errors(document)]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("minimize = 3", 'minimize = 3: a name in quotes, or a list of names: "loss", ["error", "latency"].'),
        ("name = 3", "name = 3: a name is text, in quotes."),
        ('max_budget = "many"', "max_budget = 'many': a number."),
        ("note = 2020-01-01", "text, in quotes."),
        ("searcher = 3", "searcher = 3: a name in quotes, or a table: { method"),
        ('[run]\ncommand = "./solver -a 3"', "[run] command = './solver -a 3': the program and each argument apart"),
        ('[run]\ncommand = ["./solver", 3]', "each in quotes"),
        ("[run]\nmetrics = { gap = 1 }", "[run] metrics = {'gap': 1}: a table, as [run.metrics] gap = \"regex:gap"),
        ("[run]\nenqueue = { x = 1 }", "[[run.enqueue]], each with name = value"),
        ("[rules]\nrequire = 3", "[rules] require = 3: text in quotes, or a list of texts."),
        ("[stop]\ntarget = nan", "[stop] target = nan: a number."),
    ],
)
def test_the_sentence_names_the_key_the_value_and_the_mend(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FileError) as caught:
        plan_of(tomllib.loads(text), tmp_path / "d.toml")
    assert words in str(caught.value)


def test_each_key_of_the_top_level_has_a_kind() -> None:
    checked_elsewhere = {"seed", "retry"}  # by Study, in the same words
    assert set(_toml.study_keys()) == set(TOP) | checked_elsewhere


def test_a_file_nested_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.toml").write_text(f"x = {'[' * 5000}{']' * 5000}\n")
    assert code_of(["run", "deep.toml"]) == 2
    assert capsys.readouterr().err == "trimtab: deep.toml is nested too deep.\n"
    (tmp_path / "deep.json").write_text("[" * 5000)
    assert code_of(["run", "deep.json"]) == 2


def test_settings_of_a_method_that_was_named_in_short() -> None:
    from trimtab.cli._set import lay_over

    document: dict[str, Any] = {"searcher": "tpe"}
    lay_over(document, "searcher.startup=3")
    assert document == {"searcher": {"method": "tpe", "startup": 3}}
