"""What a run was made with."""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

from trimtab.run import environment
from trimtab.run.environment import fingerprint, packages, short_hash


def test_the_fingerprint_is_json_and_holds_no_environment(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "t0ps3cret")
    argv = ["x.py", "postgresql://me:t0ps3cret@host/db", "--token", "t0ps3cret", "--api-key=t0ps3cret", "lr=3"]
    monkeypatch.setattr(sys, "argv", argv)
    told = fingerprint()
    text = json.dumps(told)
    assert "t0ps3cret" not in text
    assert told["argv"] == ["x.py", "postgresql://me:***@host/db", "--token", "***", "--api-key=***", "lr=3"]
    assert told["numpy"] == np.__version__
    assert len(told["blas"]) > 3
    assert told["cpu"]


def test_the_hash_covers_arithmetic_only(monkeypatch):
    told = fingerprint()
    assert short_hash(told) == short_hash(told | {"host": "other", "argv": ["y.py"], "commit": "0" * 40})
    assert short_hash(told) == short_hash(json.loads(json.dumps(told)))
    assert short_hash(told) != short_hash(told | {"numpy": "0.1"})
    assert len(short_hash(told)) == 12


def test_the_commit_of_the_script(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True).stdout

    script = tmp_path / "train.py"
    script.write_text("1\n")
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert "commit" not in fingerprint()
    git("init", "-q")
    git("add", "train.py")
    git("commit", "-q", "-m", "one")
    told = fingerprint()
    assert (told["commit"], told["dirty"]) == (git("rev-parse", "HEAD").strip(), False)
    script.write_text("2\n")
    assert fingerprint()["dirty"] is True
    monkeypatch.setattr(environment, "GIT_SECONDS", 0.0)
    assert "commit" not in fingerprint()
    assert os.environ.get("GIT_OPTIONAL_LOCKS") is None


def test_packages_are_those_the_objectives_module_has_imported(tmp_path, monkeypatch):
    (tmp_path / "mine_net.py").write_text("import scipy.stats\nclass Net: ...\ndef late():\n    import yaml\n")
    (tmp_path / "mine_train.py").write_text(
        "import json\nimport numpy as np\nfrom mine_net import Net, late\n"
        "def objective(trial):\n    import sqlalchemy.orm\n    import nothing_like_it\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine_train = importlib.import_module("mine_train")
    sqlalchemy, yaml = pytest.importorskip("sqlalchemy"), pytest.importorskip("yaml")
    told = packages(mine_train.objective)
    assert told["numpy"] == np.__version__
    assert {told["sqlalchemy"], told["yaml"]} == {sqlalchemy.__version__, yaml.__version__}
    assert "scipy" in told, "of a module of the user's own"
    assert not {"json", "mine_net", "nothing_like_it", "trimtab", "pytest"} & set(told)
    assert packages(functools.partial(mine_train.objective, 1)) == told
    assert packages(print) == {}


def test_a_package_by_another_name_is_found(monkeypatch):
    module = types.ModuleType("imported_as")
    monkeypatch.setitem(sys.modules, "imported_as", module)
    monkeypatch.setattr(environment, "_distributions", lambda: {"imported_as": ["nowhere", "numpy"]})
    assert environment._version_of("imported_as") == np.__version__


def test_a_module_that_is_loaded_when_it_is_looked_at_may_fail_there(tmp_path, monkeypatch):
    (tmp_path / "mine_lazy.py").write_text(
        "import types\nclass Lazy(types.ModuleType):\n"
        "    def __getattr__(self, name):\n        raise ModuleNotFoundError('grpc')\n"
        "lazy = Lazy('lazy')\ndef objective(trial):\n    return 1.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    packages(importlib.import_module("mine_lazy").objective)
