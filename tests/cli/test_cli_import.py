"""import: Optuna's files, taken over from a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

import trimtab as tt
from trimtab.cli import code_of


def test_a_journal_becomes_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna = pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = optuna.storages.journal.JournalFileBackend("j.log")
    study = optuna.create_study(study_name="old", storage=optuna.storages.JournalStorage(backend))
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=3)
    assert code_of(["import", "j.log", "--into", "new.db", "--rename", "mine"]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("mine: 3 trials from j.log, best value ")
    assert out.endswith("See: trimtab show new.db\n")
    assert tt.load("new.db").best.value == study.best_value
    assert code_of(["import", "j.log", "--into", "new.db", "--rename", "mine"]) == 2  # nothing is written over
    assert "Give the new study a name: --rename mine-2." in capsys.readouterr().err
    assert code_of(["import", "no.db", "--into", "new.db"]) == 2
    assert capsys.readouterr().err == "trimtab: There is no no.db.\n"
