"""Reading Optuna's files: what the installed Optuna writes, what an old one wrote, and what is broken."""

from __future__ import annotations

import json
import math
import pickle
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.integrations.optuna import load
from trimtab.integrations.optuna._domains import Dist, from_json

optuna = pytest.importorskip("optuna")

import importlib.util  # noqa: E402

_spec = importlib.util.spec_from_file_location("optuna_files", Path(__file__).parent / "optuna_files.py")
assert _spec is not None
assert _spec.loader is not None
files: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(files)

KINDS = ("sqlite", "journal")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(study, file) of each kind, written once: Optuna takes seconds for an SQLite file."""
    made: dict[str, Any] = {}

    def of(kind: str, folder: Path) -> tuple[Any, str]:
        if kind not in made:
            made[kind] = files.write(kind, tmp_path_factory.mktemp(kind))
        study, path = made[kind]
        return study, shutil.copy(path, folder)

    return of


STATES = {"COMPLETE": "finished", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "failed", "WAITING": "queued"}
pytestmark = pytest.mark.filterwarnings("ignore:Argument ``constraints_func``|.*deprecated")


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(before)


@pytest.mark.parametrize("kind", KINDS)
def test_every_trial_is_there(written: Any, kind: str, tmp_path: Path) -> None:
    theirs, path = written(kind, tmp_path)
    mine = load(path)
    assert len(mine) == len(theirs.trials) == 16
    assert mine.best.number == theirs.best_trial.number
    assert mine.best.value == theirs.best_value
    for a, b in zip(mine.trials, theirs.trials, strict=True):
        assert a.number == b.number
        if b.number != 9:  # an infinite value
            assert a.state == STATES[b.state.name]
        if b.state.name == "WAITING":
            assert dict(a.config) == {"x": 0.125}
            assert mine.attributes(a) == {"memo": "try this"}
            continue
        assert dict(a.config) == b.params
        assert list(a.config) == list(b.params)
        assert a.began == pytest.approx(b.datetime_start.timestamp())
        if b.datetime_complete is not None:
            assert a.ended == pytest.approx(b.datetime_complete.timestamp())
            assert a.cost["seconds"] == pytest.approx(b.duration.total_seconds(), abs=1e-6)
        if b.state.name in ("COMPLETE", "PRUNED") and b.number != 9:
            assert a.value == b.value
        assert {k: v for k, v in a.notes.items() if k != "reports_not_finite"} == b.user_attrs
        reports = [r for r in mine.to_dicts(reports=True) if r["number"] == a.number]
        assert {r["step"] - 1: r.get("metrics_value") for r in reports} == {
            s: v if math.isfinite(v) else None for s, v in b.intermediate_values.items()
        }
    assert mine.trial(3).notes["reports_not_finite"] == {"2": "nan"}
    assert mine.trial(9).error == {"kind": "NonFinite", "text": "Optuna has the values [inf]"}
    assert (mine.trial(14).error or {})["kind"] == "Unfinished"
    assert mine.attributes() == {"data": "digits"}
    assert mine.space.domains["x"] == tt.Float(-2, 4)
    assert mine.space.domains["one"] == tt.Int(3, 5)
    assert mine.space.domains["kind"].labels == ("a", None, True, 3, 0.5)
    assert mine.space.domains["decay"].when.text == "kind in ['a']"


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on(written: Any, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, path = written(kind, tmp_path)

    def objective(trial: Any) -> float:
        x: float = trial.float("x", -2, 4)
        if trial.choice("kind", ["a", None, True, 3, 0.5]) == "a":
            trial.float("decay", 0, 1)
        return x * x

    mine = load(path, into=tmp_path / "mine.db")
    assert "1 trial was still running in Optuna and counts as failed here" in caplog.text
    assert "1 trial with an infinite value counts as failed here" in caplog.text
    mine.optimize(objective, more=20, display=False)
    assert mine.trial(15).state == "finished"  # what waited goes first
    assert mine.trial(15).config["x"] == 0.125
    assert mine.counts["finished"] == 9 + 1 + 20
    assert mine.best.value < 0.05
    again = tt.load(tmp_path / "mine.db")
    assert [t.config for t in again.trials] == [t.config for t in mine.trials]
    assert tt.Study("first", {"x": "-2.0..4.0"}, storage=tmp_path / "mine.db").best.value == mine.best.value


@pytest.mark.parametrize("kind", KINDS)
def test_constraints(kind: str, tmp_path: Path) -> None:
    theirs, path = files.write_constrained(kind, tmp_path)
    mine = load(path)
    assert mine.best.number == theirs.best_trial.number
    assert mine.trial(0).constraints["constraint_0 <= 0"] == theirs.trials[0].system_attrs["constraints"][0]
    if hasattr(optuna.trial.Trial, "set_constraint"):
        assert mine.trial(0).constraints["memory_GB <= 0"] == theirs.trials[0].constraints["memory/GB"]
    assert [t.feasible for t in mine.trials] == [all(c <= 0 for c in t.constraints.values()) for t in mine.trials]


@pytest.mark.parametrize("kind", KINDS)
def test_several_objectives(kind: str, tmp_path: Path) -> None:
    theirs, path = files.write_several(kind, tmp_path)
    mine = load(path)
    assert mine.objectives == {"latency": "min", "accuracy": "max"}
    assert [t.number for t in mine.front] == [t.number for t in theirs.best_trials]
    for a, b in zip(mine.trials, theirs.trials, strict=True):
        assert [a.values["accuracy"], a.values["latency"]] == b.values


@pytest.mark.parametrize("kind", ["journal", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_several_studies(kind: str, tmp_path: Path) -> None:
    _, path = files.write(kind, tmp_path, "first")
    files.write(kind, tmp_path, "second")
    with pytest.raises(tt.StorageError, match=r"holds 2 studies \(first, second\). Say which: name='first'"):
        load(path)
    with pytest.raises(tt.StorageError, match=r"has no study 'third'\. It holds: first, second"):
        load(path, "third")
    into = tmp_path / "mine.db"
    assert load(path, "second", into).name == "second"
    with pytest.raises(
        tt.StudyMismatch, match=r'"second" exists in [^(]* already. Give the new study a name: rename="second-2"'
    ):
        load(path, "second", into)
    assert load(path, "second", into, rename="other").name == "other"


@pytest.mark.parametrize("kind", ["journal", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_deleted_studies_are_gone(kind: str, tmp_path: Path) -> None:
    files.write(kind, tmp_path, "first")
    _, path = files.write(kind, tmp_path, "second")
    storage, _ = files.storage_of(kind, tmp_path)
    optuna.delete_study(study_name="first", storage=storage)
    assert load(path).name == "second"


def test_a_file_of_an_old_version(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.executescript((Path(__file__).parent / "optuna_2_10.sql").read_text())
    connection.close()
    mine = load(tmp_path / "old.db")
    assert mine.objectives == {"value": "max"}
    assert (mine.best.number, mine.best.value) == (2, 0.978618342232764)
    assert mine.counts["stopped"] == mine.counts["failed"] == 1
    assert mine.space.domains["q"] == tt.Float(0, 0.9, step=0.3)
    assert mine.space.domains["kl"] == tt.Int(1, 8, log=True)


def test_distributions_of_all_ages() -> None:
    def old(name: str, **fields: Any) -> Dist:
        return from_json(json.dumps({"name": name, "attributes": fields}))

    assert old("UniformDistribution", low=0, high=1) == Dist("float", 0.0, 1.0)
    assert old("LogUniformDistribution", low=1, high=2) == Dist("float", 1.0, 2.0, True)
    assert old("DiscreteUniformDistribution", low=0, high=1, q=0.3) == Dist("float", 0.0, 0.9, False, 0.3)
    assert old("IntUniformDistribution", low=0, high=10, step=4) == Dist("int", 0, 8, False, 4)
    assert old("IntLogUniformDistribution", low=1, high=10, step=2) == Dist("int", 1, 10, True, 1)
    assert from_json('{"type": "int", "low": 1, "high": 5}') == Dist("int", 1, 5, False, 1)
    assert from_json('{"type": "categorical", "choices": [1, null]}') == Dist("choice", choices=(1, None))
    odd = old("CategoricalDistribution", choices=[[1, 2], math.nan, "a"])
    assert odd.domain().labels == ("[1, 2]", "nan", "a")
    for bad in ('{"type": "float", "low": 2, "high": 1}', '{"name": "Weird", "attributes": {}}', "[]", '{"type": 3}'):
        with pytest.raises((ValueError, TypeError)):
            from_json(bad)


# ── what is broken ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_journal_cut_anywhere(written: Any, tmp_path: Path) -> None:
    """Wherever it ends it reads as what was written up to the last whole line."""
    _, path = written("journal", tmp_path)
    data = Path(path).read_bytes()
    first = data.index(b"\n") + 1
    for end in (*range(first, len(data), 997), len(data) - 1):
        cut = tmp_path / "cut.log"
        cut.write_bytes(data[:end])
        mine = load(cut)
        optuna_reads = optuna.load_study(
            study_name="first",
            storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(cut))),
        )
        assert len(mine) == len(optuna_reads.trials)


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"[1, 2]\n",
        b'{"op_code": 99}\n',
        b'{"op_code": 5, "trial_id": 14}\n',
        b'{"op_code": 6, "trial_id": 14, "state": 17, "values": null}\n',
        b'{"op_code": 5, "trial_id": 14, "param_name": "y", "param_value_internal": 9, '
        b'"distribution": "{\\"name\\": \\"CategoricalDistribution\\", \\"attributes\\": {\\"choices\\": [1]}}"}\n',
        b"[" * 100_000 + b"\n",
        b"\x80\x04\x95\n",
    ],
)
def test_a_hostile_line(written: Any, line: bytes, tmp_path: Path) -> None:
    _, path = written("journal", tmp_path)
    with Path(path).open("ab") as file:
        file.write(line + b'{"op_code": 10}\n')
    into = tmp_path / "mine.db"
    number = Path(path).read_bytes().count(b"\n") - 1
    with pytest.raises(tt.StorageError, match=rf"line {number}: this is no journal of Optuna .* Nothing was written"):
        load(path, into=into)
    assert not into.exists() or not tt.studies(into)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "trap.log").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(tt.StorageError, match="neither an SQLite file nor a journal"):
        load(tmp_path / "trap.log")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("keep", [40, 4096, 30_000])
def test_a_database_cut_short(written: Any, keep: int, tmp_path: Path) -> None:
    _, path = written("sqlite", tmp_path)
    cut = tmp_path / "cut.db"
    cut.write_bytes(Path(path).read_bytes()[:keep])
    with pytest.raises(tt.StorageError):
        load(cut, into=tmp_path / "mine.db")
    assert not (tmp_path / "mine.db").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE trials SET state = 'ODD' WHERE number = 3",
        'UPDATE trial_params SET distribution_json = \'{"name": "Evil", "attributes": {}}\'',
        "UPDATE trial_params SET param_value = 77 WHERE param_name = 'kind'",
        "UPDATE trial_params SET param_value = 'text' WHERE param_name = 'x'",
        "UPDATE trial_user_attributes SET value_json = '{'",
        "UPDATE study_directions SET direction = 'SIDEWAYS'",
        "UPDATE trials SET datetime_start = 'yesterday'",
        "DROP TABLE trial_values",
        "DROP TABLE studies",
        "DELETE FROM studies",
    ],
)
def test_a_database_with_nonsense(written: Any, sql: str, tmp_path: Path) -> None:
    _, path = written("sqlite", tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(sql)
    connection.close()
    with pytest.raises(tt.StorageError):
        load(path, into=tmp_path / "mine.db")
    assert not (tmp_path / "mine.db").exists()


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(tt.StorageError, match="is not there"):
        load(tmp_path / "none.db")
    tt.Study("mine", {"x": "0.0..1.0"}, storage=tmp_path / "mine.db")
    with pytest.raises(tt.StorageError, match="holds no tables of Optuna"):
        load(tmp_path / "mine.db")
    (tmp_path / "empty.log").touch()
    with pytest.raises(tt.StorageError, match="holds no study of Optuna"):
        load(tmp_path / "empty.log")
    with pytest.raises(tt.StorageError, match=r"me:\*\*\*@127.0.0.1") as told:
        load("postgresql://me:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(told.value)


def test_all_or_nothing(written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trimtab.study._log import Log

    _, path = written("journal", tmp_path)

    def broken(self: Log, *events: Any) -> bool:
        raise OSError("no room")

    monkeypatch.setattr(Log, "decide", broken)
    with pytest.raises(OSError, match="no room"):
        load(path, into=tmp_path / "mine.db")
    assert tt.studies(tmp_path / "mine.db") == []


@pytest.mark.slow
def test_a_database_server(pg_url: str) -> None:
    storage = optuna.storages.RDBStorage(pg_url)
    theirs = optuna.create_study(study_name="s", storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    theirs.optimize(lambda t: t.suggest_float("x", -1, 1) ** 2, n_trials=5)
    mine = load(pg_url.replace("+psycopg", ""))
    assert mine.best.value == theirs.best_value
    assert [t.began for t in mine.trials] == [pytest.approx(t.datetime_start.timestamp()) for t in theirs.trials]
    storage.engine.dispose()
